/* sensor_status: what a sensor published, and which process it is. */
#include "boot/sensor_status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "boot/report.h"
#include "boot/text.h"

static const char *const state_names[RINGHOLD_STATES] = { "starting", "healthy", "unhealthy", "stopped" };

const char *sensor_state_name(unsigned state)
{
	return state < RINGHOLD_STATES ? state_names[state] : "unknown";
}

/* Somebody holds the lock that ringhold_open() takes. */
static bool is_alive(int run_dir)
{
	int fd = openat(run_dir, SENSOR_ALIVE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return held;
}

int sensor_status_read(struct sensor_status *out, int run_dir, struct boot_report *why)
{
	struct sensor_status s = { 0 };
	int64_t pid, started = 0;
	unsigned state;
	struct text t;
	int got = text_read(&t, run_dir, SENSOR_STATUS_NAME, why);

	if (got <= 0)
		return got;
	if (!text_get_number(&t, "pid", &pid) || pid <= 0 || pid > INT32_MAX ||
	    !text_get_digest(&t, "digest", s.digest) ||
	    !text_get_name(&t, "state", sensor_state_name, RINGHOLD_STATES, &state) ||
	    !text_get_number(&t, "since", &s.since) ||
	    !text_get(&t, "reason", s.reason, sizeof s.reason))
		return report_set(why, "sensor status: a line is missing or malformed");
	/* A sensor built with an older library does not say. */
	if (text_get_number(&t, "started", &started) && started > 0)
		s.started = (uint64_t)started;
	s.pid = (pid_t)pid;
	s.state = state;
	s.alive = is_alive(run_dir);
	*out = s;
	return 1;
}

/* Field `n` of proc(5), counted from 3 behind the name; false: there are not so many, or it is no number. */
static bool field(uint64_t *out, const char *from, unsigned n)
{
	char *end;

	for (unsigned i = 3; i < n; i++) {
		from = strchr(from, ' ');
		if (!from)
			return false;
		from++;
	}
	if (*from < '0' || *from > '9')
		return false;
	*out = strtoull(from, &end, 10);
	return *end == ' ' || *end == '\n' || !*end;
}

bool sensor_process_parse(struct sensor_process *out, const char *stat)
{
	const char *name_end = strrchr(stat, ')');
	uint64_t user, system;

	if (!name_end || name_end[1] != ' ' || name_end[2] == 'Z' || name_end[2] == 'X' || !field(&user, name_end + 2, 14) ||
	    !field(&system, name_end + 2, 15) || !field(&out->started, name_end + 2, 22) ||
	    !field(&out->rss_pages, name_end + 2, 24))
		return false;
	out->cpu_ticks = user + system;
	return true;
}

bool sensor_process_read(struct sensor_process *out, pid_t pid)
{
	char path[64], stat[1024];
	ssize_t n;
	int fd;

	if (pid)
		snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	else
		snprintf(path, sizeof path, "/proc/self/stat");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, stat, sizeof stat - 1);
	close(fd);
	if (n <= 0)
		return false;
	stat[n] = '\0';
	return sensor_process_parse(out, stat);
}
