/* now: the time that a server goes by. */
#include "server/now.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

void now_read(int64_t *now, int64_t *ticks_ms)
{
	int64_t again;

	do {
		*now = clock_now();
		*ticks_ms = clock_ticks_ms();
		again = clock_now();
	} while (again - *now > 1 || again < *now);
}

int64_t server_now(struct server *s)
{
	struct clockwatch w;
	int64_t now, ticks;

	pthread_mutex_lock(&s->timing);
	now_read(&now, &ticks);
	w = s->clock;
	/* whoever believes has marks to move first */
	if (clockwatch_look(&w, now, ticks) != CLOCK_BELIEVED)
		s->clock = w;
	now = clockwatch_time(&s->clock, now);
	pthread_mutex_unlock(&s->timing);
	return now;
}

int64_t now_look(struct server *s, int64_t *moved, struct clockwatch *after)
{
	int64_t now, ticks;

	pthread_mutex_lock(&s->timing);
	now_read(&now, &ticks);
	*after = s->clock;
	*moved = 0;
	if (clockwatch_look(after, now, ticks) == CLOCK_BELIEVED)
		*moved = -s->clock.offset;
	else
		s->clock = *after;
	now = clockwatch_time(&s->clock, now);
	pthread_mutex_unlock(&s->timing);
	return now;
}

void now_believe(struct server *s, const struct clockwatch *after)
{
	pthread_mutex_lock(&s->timing);
	s->clock = *after;
	pthread_mutex_unlock(&s->timing);
}

bool now_doubts(struct server *s)
{
	bool doubts;

	pthread_mutex_lock(&s->timing);
	doubts = s->clock.offset != 0;
	pthread_mutex_unlock(&s->timing);
	return doubts;
}

/* ---- from one run to the next ---- */

/* Whose ticks they are; "" when the kernel does not say. */
static void read_boot(char boot[NOW_BOOT])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, boot, NOW_BOOT - 1);

	boot[got > 0 ? got : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

void now_row(const struct clockwatch *w, struct store_clock *row, char boot[NOW_BOOT])
{
	read_boot(boot);
	*row = (struct store_clock){ .now = w->now, .ticks_ms = w->ticks_ms, .offset = w->offset, .since_ms = w->since_ms, .boot = boot };
}

void now_keep(struct server *s, struct store_clock *row, char boot[NOW_BOOT])
{
	struct clockwatch w;

	pthread_mutex_lock(&s->timing);
	w = s->clock;
	pthread_mutex_unlock(&s->timing);
	now_row(&w, row, boot);
}

static int resume(const struct store_clock *row, void *arg, struct err *e)
{
	const struct clockwatch kept = { .now = row->now, .ticks_ms = row->ticks_ms, .offset = row->offset, .since_ms = row->since_ms };
	struct server *s = arg;
	int64_t now, ticks;
	char boot[NOW_BOOT];

	(void)e;
	read_boot(boot);
	now_read(&now, &ticks);
	clockwatch_resume(&s->clock, &kept, boot[0] && strcmp(boot, row->boot) == 0, now, ticks);
	return 0;
}

int now_resume(struct server *s, struct err *e)
{
	return store_clock(s->store, resume, s, e);
}
