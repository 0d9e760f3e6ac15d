/* sensor: libringhold-sensor: content opened whole, switches told, states published. */
#include "boot/ringhold-sensor.h"

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
#include "boot/sensor_status.h"
#include "boot/status.h"
#include "boot/text.h"

#define OPEN_TRIES 16                   /* switches that may happen while we open */

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void ringhold_close(struct ringhold_sensor *s)
{
	shut(&s->notify);
	shut(&s->alive);
	shut(&s->run);
}

/* The kernel drops the lock with the process, however it ends. */
static int lock_alive(struct ringhold_sensor *s, struct boot_report *why)
{
	s->alive = openat(s->run, SENSOR_ALIVE_NAME, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->alive < 0)
		return report_errno(why, "%s: open", SENSOR_ALIVE_NAME);
	if (flock(s->alive, LOCK_SH) < 0)
		return report_errno(why, "%s: lock", SENSOR_ALIVE_NAME);
	return 0;
}

static int watch(struct ringhold_sensor *s, struct boot_report *why)
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

int ringhold_open(struct ringhold_sensor *s, const char *root, const char *channel, struct ringhold_why *why)
{
	*s = (struct ringhold_sensor){ .run = -1, .notify = -1, .alive = -1 };
	s->run = boot_run_open(root, channel, true, REPORT(why));
	if (s->run < 0)
		return -1;
	snprintf(s->channel, sizeof s->channel, "%s", channel);
	if (lock_alive(s, REPORT(why)) == 0 && watch(s, REPORT(why)) == 0)
		return 0;
	ringhold_close(s);
	return -1;
}

void ringhold_content_close(struct ringhold_content *c)
{
	shut(&c->dir);
}

/* Still there after the lock: a cleaner that came before us has removed it or given up. */
static bool still_current(const struct ringhold_sensor *s, const struct ringhold_content *c)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	struct boot_report ignored;
	struct stat st;

	return fstat(c->dir, &st) == 0 && st.st_nlink > 0 &&
	       boot_link_get(s->run, digest, &ignored) == 1 &&
	       boot_digest_equal(digest, c->digest);
}

/* 1 opened, 0 a switch came between, try again; -1 failed. */
static int open_once(struct ringhold_content *c, const struct ringhold_sensor *s, struct boot_report *why)
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
	ringhold_content_close(c);
	report_set(why, "slot %s: gone or being removed", c->digest_hex);
	return 0;
}

int ringhold_content_open(struct ringhold_content *out, const struct ringhold_sensor *s,
			  struct ringhold_why *why)
{
	for (int i = 0; i < OPEN_TRIES; i++) {
		struct ringhold_content c = { .dir = -1 };
		int code = boot_link_get(s->run, c.digest, REPORT(why));

		if (code == 1)
			code = open_once(&c, s, REPORT(why));
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
	static const char *const names[] = { "current", SENSOR_DROP_NAME, SENSOR_OBSERVE_NAME };
	bool news = e->mask & IN_Q_OVERFLOW;

	for (size_t i = 0; e->len && i < sizeof names / sizeof names[0]; i++)
		news |= !strcmp(e->name, names[i]);
	return news;
}

bool ringhold_switched(struct ringhold_sensor *s)
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

int ringhold_report(const struct ringhold_sensor *s, const struct ringhold_content *content, enum ringhold_state state,
		    const char *reason, int64_t now, struct ringhold_why *why)
{
	static const uint8_t none[BOOT_DIGEST_LEN];
	char line[sizeof((struct sensor_status *)0)->reason];
	struct sensor_process self = { 0 };
	struct text t = { .len = 0 };

	snprintf(line, sizeof line, "%s", reason);
	(void)sensor_process_read(&self, 0);
	text_add_number(&t, "pid", getpid());
	text_add_number(&t, "started", (int64_t)self.started);
	text_add_digest(&t, "digest", content ? content->digest : none);
	text_add(&t, "state", sensor_state_name(state));
	text_add_number(&t, "since", now);
	text_add(&t, "reason", line);
	return text_write(&t, s->run, SENSOR_STATUS_NAME, REPORT(why));
}

bool ringhold_on_trial(const struct ringhold_sensor *s)
{
	struct boot_report ignored;
	struct boot_status status;

	return boot_status_read(&status, s->run, &ignored) == 1 && status.trial;
}

