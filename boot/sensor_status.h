/*
 * sensor_status: the agent's side of libringhold-sensor: what a sensor
 * published, and where lists for it lie. Files of <root>/run/ringhold/<channel>:
 *
 *   sensor         state, pid and digest; text, replaced as a whole
 *   sensor.lock    locked (shared) by every process of the sensor that lives
 *   effects        see boot/effects.h
 *   drop, observe  rules to leave out, to observe: the first line is the digest
 *                  they are about, then one id a line
 *
 * The list to observe lies in the channel's directory as well, where it is
 * found at boot before there is an agent.
 */
#ifndef BOOT_SENSOR_STATUS_H
#define BOOT_SENSOR_STATUS_H

#include <sys/types.h>

#include "boot/record.h"
#include "boot/ringhold-sensor.h"

#define SENSOR_DROP_NAME "drop"
#define SENSOR_DROP_KEPT "drop.d"       /* beside the slots, a list for each digest: for a sensor that starts before the agent */
#define SENSOR_OBSERVE_NAME "observe"
#define SENSOR_STATUS_NAME "sensor"
#define SENSOR_ALIVE_NAME "sensor.lock"

struct sensor_status {
	pid_t pid;
	uint64_t started;       /* ticks after boot, as in /proc/PID/stat: with the pid it names one process; 0: not told */
	bool alive;             /* some process of this sensor lives; pid reuse cannot feign it */
	enum ringhold_state state;
	uint8_t digest[BOOT_DIGEST_LEN];        /* what the state is about; zero: none */
	int64_t since;          /* seconds since the epoch: when this report was made */
	char reason[200];
};

/* 1 read, 0 no sensor ever reported since boot, -1 unreadable or malformed. run_dir from boot_run_open(). */
int sensor_status_read(struct sensor_status *out, int run_dir, struct boot_report *why) BOOT_MUST_CHECK;

const char *sensor_state_name(unsigned state);  /* "healthy" */

/*
 * Pure: what of /proc/PID/stat tells a process apart and what it uses. The name
 * in parentheses may hold anything. CPU time of all
 * its threads, in clock ticks.
 */
struct sensor_process {
	uint64_t started, cpu_ticks;
	uint64_t rss_pages;
};
bool sensor_process_parse(struct sensor_process *out, const char *stat);

/* Of a living process; false: there is none. pid 0: ourselves. */
bool sensor_process_read(struct sensor_process *out, pid_t pid);

#endif
