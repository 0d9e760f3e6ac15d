/* now: the time that a server goes by. */
#include "server/now.h"

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

int64_t now_look(struct server *s, int64_t *moved)
{
	int64_t now, ticks, offset;

	pthread_mutex_lock(&s->timing);
	now_read(&now, &ticks);
	offset = s->clock.offset;
	*moved = clockwatch_look(&s->clock, now, ticks) == CLOCK_BELIEVED ? -offset : 0;
	now = clockwatch_time(&s->clock, now);
	pthread_mutex_unlock(&s->timing);
	return now;
}
