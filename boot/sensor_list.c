/* sensor_list: rules that are to be treated otherwise, read line by line. */
#include "boot/ringhold-sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/link.h"
#include "boot/report.h"
#include "boot/sensor_status.h"

#define LINE_MAX_BYTES 256

static const char *const names[] = { [RINGHOLD_DROP] = SENSOR_DROP_NAME, [RINGHOLD_OBSERVE] = SENSOR_OBSERVE_NAME };

struct reader {
	int fd;
	size_t at, len;
	bool failed;
	char bytes[4096];
};

static int next_byte(struct reader *r)
{
	ssize_t n;

	if (r->at < r->len)
		return (unsigned char)r->bytes[r->at++];
	n = read(r->fd, r->bytes, sizeof r->bytes);
	r->failed |= n < 0;
	r->len = n > 0 ? (size_t)n : 0;
	r->at = 0;
	return r->len ? (unsigned char)r->bytes[r->at++] : -1;
}

/* 1 a line, 0 the end, -1 a line that is too long or no end of line. */
static int next_line(struct reader *r, char line[LINE_MAX_BYTES])
{
	size_t len = 0;
	int c;

	while ((c = next_byte(r)) >= 0 && c != '\n') {
		if (len + 1 == LINE_MAX_BYTES || !c)
			return -1;
		line[len++] = (char)c;
	}
	line[len] = '\0';
	if (c < 0)
		return len || r->failed ? -1 : 0;
	return 1;
}

/* At boot, before the agent has filled the run directory, the list to observe is found where it is kept. */
static int open_list(const struct ringhold_sensor *s, const struct ringhold_content *c, enum ringhold_list which)
{
	int fd = openat(s->run, names[which], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char kept[BOOT_PATH_MAX];

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (which == RINGHOLD_OBSERVE)
		snprintf(kept, sizeof kept, "../../..%s/%s/%s", BOOT_CHANNELS_DIR, s->channel, names[which]);
	else
		snprintf(kept, sizeof kept, "../../..%s/%s/" SENSOR_DROP_KEPT "/%s", BOOT_CHANNELS_DIR, s->channel, c->digest_hex);
	return openat(s->run, kept, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int ringhold_list(const struct ringhold_sensor *s, const struct ringhold_content *c, enum ringhold_list which,
		  int (*rule)(void *arg, const char *id), void *arg, struct ringhold_why *why)
{
	struct reader r = { .fd = open_list(s, c, which) };
	char line[LINE_MAX_BYTES];
	int count = 0, got;

	if (r.fd < 0)
		return errno == ENOENT ? 0 : report_errno(REPORT(why), "list %s: open", names[which]);
	got = next_line(&r, line);
	/* A list about other content is none of ours: it is written before the switch. */
	if (got == 1 && strcmp(line, c->digest_hex) != 0)
		got = 0;
	while (got == 1 && (got = next_line(&r, line)) == 1) {
		if (rule(arg, line) != 0)
			got = -1;
		else
			count++;
	}
	close(r.fd);
	if (got < 0)
		return report_set(REPORT(why), "list %s: cannot be read", names[which]);
	return count;
}
