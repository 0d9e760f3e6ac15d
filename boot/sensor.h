/*
 * sensor: what a security sensor needs to load content delivered by Ringhold.
 *
 * C, libc only, no allocation, no threads. The way of a sensor:
 *
 *     sensor_open(&s, "", "edr", &why);
 *     sensor_content_open(&c, &s, &why);       1: content, 0: none to load
 *     ... load everything beneath c.dir with openat(); keep c open while in use ...
 *     sensor_report(&s, &c, SENSOR_HEALTHY, "", time(NULL), &why);
 *     poll() s.notify; when readable and sensor_switched(&s): open the new content,
 *     load it, then sensor_content_close() the old one and report again.
 *
 * A switch is atomic and may happen at any moment: resolve once, open all files
 * beneath the descriptor, and never follow `current` a second time. While a
 * content is open its slot is locked (shared), so that it is not cleaned away.
 */
#ifndef BOOT_SENSOR_H
#define BOOT_SENSOR_H

#include <sys/types.h>

#include "boot/record.h"

struct sensor {
	char channel[65];
	int run;                /* <root>/run/ringhold/<channel> */
	int notify;             /* becomes readable when `current` may have been switched */
	int alive;              /* a lock that tells the agent this process lives */
};

struct sensor_content {
	int dir;                                /* the slot, read only, locked; -1: none */
	uint8_t digest[BOOT_DIGEST_LEN];
	char digest_hex[BOOT_DIGEST_HEX_LEN + 1];
};

enum sensor_state {
	SENSOR_STARTING,        /* up, nothing loaded yet */
	SENSOR_HEALTHY,         /* runs the reported digest */
	SENSOR_UNHEALTHY,       /* failed to load the reported digest, or is degraded by it */
	SENSOR_STOPPED,         /* went away in order */
	SENSOR_STATES,
};

/* Zero, or -1 with the reason. root is "" or a directory; the run directory is made when absent. */
int sensor_open(struct sensor *s, const char *root, const char *channel, struct boot_report *why) BOOT_MUST_CHECK;
void sensor_close(struct sensor *s);

/* 1 opened, 0 no content is to be loaded (dir is -1), -1 failed. */
int sensor_content_open(struct sensor_content *out, const struct sensor *s, struct boot_report *why) BOOT_MUST_CHECK;
void sensor_content_close(struct sensor_content *c);    /* may be repeated */

/*
 * Rules the assignment leaves out: a file beside `current`, its first line the
 * digest they are about, then one rule id a line. The agent replaces it before
 * it switches; a list about another digest is to be ignored.
 */
#define SENSOR_DROP_NAME "drop"

/* Takes what is waiting on s->notify; true when `current` or the list of dropped rules may have changed. Never blocks. */
bool sensor_switched(struct sensor *s);

/*
 * Publishes the state for the agent; `content` NULL: none. `now` in seconds
 * since the epoch; `reason` is one short line and may be "".
 */
int sensor_report(const struct sensor *s, const struct sensor_content *content,
		  enum sensor_state state, const char *reason, int64_t now,
		  struct boot_report *why) BOOT_MUST_CHECK;

/* Whether this boot runs content on trial; false also when the guard did not run. */
bool sensor_on_trial(const struct sensor *s);

/* The agent's side: what the sensor of this channel last published. */
struct sensor_status {
	pid_t pid;
	bool alive;             /* some process of this sensor lives; pid reuse cannot feign it */
	enum sensor_state state;
	uint8_t digest[BOOT_DIGEST_LEN];        /* what the state is about; zero: none */
	int64_t since;          /* seconds since the epoch: when this report was made */
	char reason[200];
};

/* 1 read, 0 no sensor ever reported since boot, -1 unreadable or malformed. run_dir from boot_run_open(). */
int sensor_status_read(struct sensor_status *out, int run_dir, struct boot_report *why) BOOT_MUST_CHECK;

const char *sensor_state_name(unsigned state);  /* "healthy" */

#endif
