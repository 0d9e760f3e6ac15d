/*
 * reference_sensor: the real reference sensor beside the real agent, and the
 * scenes in which newer content goes on trial with it.
 */
#ifndef TESTS_AGENT_REFERENCE_SENSOR_H
#define TESTS_AGENT_REFERENCE_SENSOR_H

#include "endpoint.h"
#include "sensor_child.h"

#define GOOD "deploy/demo/edr-good"
#define FOREVER 86400           /* a probation that ends by a failure only */

#define ALERT "{\"template\":\"ipc\",\"fields\":{\"image\":\"/usr/bin/nc\",\"pid\":4711}}\n"
#define NEED_PROGRAMS(p)                                                      \
	do {                                                                  \
		if (access((p)->bin, X_OK) < 0)                               \
			skip_named("%s is not built", (p)->bin);              \
		if (access(endpoint_program(p, "ringhold-sensor"), X_OK) < 0) \
			skip_named("ringhold-sensor is not built");           \
	} while (0)

/* ---- the reference sensor ---- */

static struct sensor_child sensor = { .pid = -1, .in = -1 };

static inline void sensor_kill(void)
{
	if (sensor.pid <= 0)
		return;
	kill(sensor.pid, SIGKILL);
	waitpid(sensor.pid, NULL, 0);
	close(sensor.in);
	fclose(sensor.out);
	sensor.pid = -1;
}

static inline void sensor_start(struct endpoint *p)
{
	sensor = sensor_child_start(endpoint_program(p, "ringhold-sensor"), p->root, "edr", NULL);
}

static inline const char *judged(const char *event)
{
	return sensor_child_judged(&sensor, event);
}

static inline bool verdict_is(const char *said, const char *verdict)
{
	char want[64];

	snprintf(want, sizeof want, "\"verdict\":\"%s\"", verdict);
	if (!strstr(said, want))
		fprintf(stderr, "no %s: %s", want, said);
	return strstr(said, want);
}

/* ---- scenes ---- */

static inline void more_settings(struct endpoint *p, const char *lines)
{
	AUTO(buf) struct buf *b = NULL;
	char path[512], *wait;
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", p->root);
	assert_ok(file_read(&b, path, 65536, &e));
	wait = strstr(b->data, "sensor-wait = 2s");
	/* A busy machine takes its time to start a sensor again. */
	if (wait)
		memcpy(wait, "sensor-wait = 5m", strlen("sensor-wait = 5m"));
	buf_adds(b, lines);
	assert_ok(file_replace(path, b->data, b->len, 0644, &e));
}

static inline bool on_trial(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest);
}

static inline bool given_up(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	/* Before the trial its verdict says install. */
	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING &&
	       s->record.mode == BOOT_COMMITTED && !digest_equal(&s->running, &b->digest);
}

/* Some trials are over before anybody could look. */
static inline bool tried(const struct seen *s, const void *arg)
{
	return on_trial(s, arg) || given_up(s, arg);
}

static inline bool quarantined(struct endpoint *p, const struct published *b)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.1", p->root, hex);
	return file_exists(path);
}

struct taking_over {
	struct endpoint *p;
	const struct published *b;
};

/* The agent may think so before: what is judged until then, the content before judged. */
static inline bool sensor_runs(const struct seen *s, const void *arg)
{
	const struct taking_over *t = arg;
	struct boot_report why = { "" };
	struct sensor_status status;
	AUTO_FD int run = boot_run_open(t->p->root, "edr", false, &why);

	if (given_up(s, t->b))
		return true;
	return run >= 0 && sensor_status_read(&status, run, &why) == 1 && !memcmp(status.digest, t->b->digest.bytes, DIGEST_LEN);
}

/* Content committed under the settings as they ship; then those of the scene, and newer content on trial. */
static inline struct published first(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

static inline struct published trial_of(struct endpoint *p, const struct published *one, const char *dir, const char *settings, int64_t probation_s)
{
	struct published two;

	endpoint_agent_end(p, SIGTERM);
	more_settings(p, settings);
	endpoint_agent_start(p);
	two = endpoint_bundle(p, dir, 111, NULL);
	endpoint_assign(p, &two, one, 1, probation_s, 0);
	endpoint_until(p, "the second bundle is tried", tried, &two, 1000);
	endpoint_until(p, "the sensor runs it", sensor_runs, &(struct taking_over){ p, &two }, 0);
	return two;
}

static inline void taken_back(struct endpoint *p, const struct published *one, const struct published *two, const char *reason, const char *words)
{
	struct seen s;

	endpoint_until(p, "the second bundle is taken back", given_up, two, 100);
	s = endpoint_look(p);
	assert_true(digest_equal(&s.running, &one->digest));
	if (!endpoint_has_history(p, reason) || !endpoint_has_history(p, words)) {
		endpoint_print_log(p);
		fail_msg("taken back, but not for %s, %s: %s", reason, words, s.state.last.reason);
	}
	assert_true(quarantined(p, two));
}

static inline int sensor_teardown(void **state)
{
	sensor_kill();
	return endpoint_teardown(state);
}

#endif
