/* sensor: what a security sensor needs to load content delivered by Ringhold. */
#include "boot/sensor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/link.h"
#include "boot/report.h"
#include "boot/status.h"
#include "boot/text.h"

#define STATUS_NAME "sensor"
#define ALIVE_NAME "sensor.lock"
#define OPEN_TRIES 16                   /* switches that may happen while we open */

static const char *const state_names[SENSOR_STATES] = { "starting", "healthy", "unhealthy",
							 "stopped" };

const char *sensor_state_name(unsigned state)
{
	return state < SENSOR_STATES ? state_names[state] : "unknown";
}

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void sensor_close(struct sensor *s)
{
	shut(&s->notify);
	shut(&s->alive);
	shut(&s->run);
}

/* The kernel drops the lock with the process, however it ends. */
static int lock_alive(struct sensor *s, struct boot_report *why)
{
	s->alive = openat(s->run, ALIVE_NAME, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->alive < 0)
		return report_errno(why, "%s: open", ALIVE_NAME);
	if (flock(s->alive, LOCK_SH) < 0)
		return report_errno(why, "%s: lock", ALIVE_NAME);
	return 0;
}

static int watch(struct sensor *s, struct boot_report *why)
{
	char path[64];

	s->notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (s->notify < 0)
		return report_errno(why, "inotify");
	/* The directory that is open, whatever its path is by now. */
	snprintf(path, sizeof path, "/proc/self/fd/%d", s->run);
	if (inotify_add_watch(s->notify, path, IN_MOVED_TO | IN_DELETE | IN_CREATE) < 0)
		return report_errno(why, "inotify: watch the run directory");
	return 0;
}

int sensor_open(struct sensor *s, const char *root, const char *channel, struct boot_report *why)
{
	*s = (struct sensor){ .run = -1, .notify = -1, .alive = -1 };
	s->run = boot_run_open(root, channel, true, why);
	if (s->run < 0)
		return -1;
	snprintf(s->channel, sizeof s->channel, "%s", channel);
	if (lock_alive(s, why) == 0 && watch(s, why) == 0)
		return 0;
	sensor_close(s);
	return -1;
}

void sensor_content_close(struct sensor_content *c)
{
	shut(&c->dir);
}

/* Still there after the lock: a cleaner that came before us has removed it or given up. */
static bool still_current(const struct sensor *s, const struct sensor_content *c)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	struct boot_report ignored;
	struct stat st;

	return fstat(c->dir, &st) == 0 && st.st_nlink > 0 &&
	       boot_link_get(s->run, digest, &ignored) == 1 &&
	       boot_digest_equal(digest, c->digest);
}

/* 1 opened, 0 a switch came between, try again; -1 failed. */
static int open_once(struct sensor_content *c, const struct sensor *s, struct boot_report *why)
{
	char path[BOOT_PATH_MAX];

	boot_digest_hex(c->digest_hex, c->digest);
	/* The link's own target may have been replaced meanwhile; the digest names the slot. */
	snprintf(path, sizeof path, "../../..%s/%s/slots/%s", BOOT_CHANNELS_DIR, s->channel,
		 c->digest_hex);
	c->dir = openat(s->run, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (c->dir < 0 && errno != ENOENT)
		return report_errno(why, "slot %s: open", c->digest_hex);
	if (c->dir >= 0 && flock(c->dir, LOCK_SH | LOCK_NB) == 0 && still_current(s, c))
		return 1;
	sensor_content_close(c);
	report_set(why, "slot %s: gone or being removed", c->digest_hex);
	return 0;
}

int sensor_content_open(struct sensor_content *out, const struct sensor *s,
			struct boot_report *why)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct sensor_content c = { .dir = -1 };
		int code = boot_link_get(s->run, c.digest, why);

		if (code == 1)
			code = open_once(&c, s, why);
		else if (code == 0) {
			*out = c;
			return 0;
		}
		if (code < 0)
			return -1;
		if (code == 1) {
			*out = c;
			return 1;
		}
	}
	return -1;
}

/* Our own status file is replaced in the same directory, and is no news. */
static bool is_news(const struct inotify_event *e)
{
	return e->mask & IN_Q_OVERFLOW ||
	       (e->len && (!strcmp(e->name, "current") || !strcmp(e->name, SENSOR_DROP_NAME)));
}

bool sensor_switched(struct sensor *s)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool switched = false;
	ssize_t n;

	while ((n = read(s->notify, events, sizeof events)) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (const void *)(events + at);

			switched |= is_news(e);
			at += (ssize_t)(sizeof *e + e->len);
		}
	return switched;
}

int sensor_report(const struct sensor *s, const struct sensor_content *content,
		  enum sensor_state state, const char *reason, int64_t now,
		  struct boot_report *why)
{
	static const uint8_t none[BOOT_DIGEST_LEN];
	char line[sizeof((struct sensor_status *)0)->reason];
	struct text t = { .len = 0 };

	snprintf(line, sizeof line, "%s", reason);
	text_add_number(&t, "pid", getpid());
	text_add_digest(&t, "digest", content ? content->digest : none);
	text_add(&t, "state", sensor_state_name(state));
	text_add_number(&t, "since", now);
	text_add(&t, "reason", line);
	return text_write(&t, s->run, STATUS_NAME, why);
}

bool sensor_on_trial(const struct sensor *s)
{
	struct boot_report ignored;
	struct boot_status status;

	return boot_status_read(&status, s->run, &ignored) == 1 && status.trial;
}

/* Somebody holds the lock that sensor_open() takes. */
static bool is_alive(int run_dir)
{
	int fd = openat(run_dir, ALIVE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	shut(&fd);
	return held;
}

int sensor_status_read(struct sensor_status *out, int run_dir, struct boot_report *why)
{
	struct sensor_status s = { 0 };
	unsigned state;
	struct text t;
	int64_t pid;
	int got = text_read(&t, run_dir, STATUS_NAME, why);

	if (got <= 0)
		return got;
	if (!text_get_number(&t, "pid", &pid) || pid <= 0 || pid > INT32_MAX ||
	    !text_get_digest(&t, "digest", s.digest) ||
	    !text_get_name(&t, "state", sensor_state_name, SENSOR_STATES, &state) ||
	    !text_get_number(&t, "since", &s.since) ||
	    !text_get(&t, "reason", s.reason, sizeof s.reason))
		return report_set(why, "sensor status: a line is missing or malformed");
	s.pid = (pid_t)pid;
	s.state = state;
	s.alive = is_alive(run_dir);
	*out = s;
	return 1;
}
