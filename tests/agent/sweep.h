/*
 * sweep: one system call of a process goes wrong, then another one.
 *
 * A host with one committed bundle and another one assigned (or committed, and
 * stopped; then the sensor is one that has to be told) is prepared once and kept. For each call that the supervisor (or the
 * judge: sweep_judge.h) makes on the way to the second bundle's end, the host is
 * put back, the agent runs with that call made to fail, and then another agent,
 * whole, has to bring the host to the same end.
 */
#ifndef TESTS_AGENT_SWEEP_H
#define TESTS_AGENT_SWEEP_H

#include "calls.h"
#include "endpoint.h"

#define SWEEP_GOOD "deploy/demo/edr-good"
#define SWEEP_AGAIN 2                   /* times that the same is done to the same file: in one phase, or between two syncs (calls_read()) */
#define SWEEP_RUN_MS 3000               /* real time for an agent with a lasting fault, which may well have to stand still */

/* Of the second bundle. Reverted: the sensor says no to it. */
enum sweep_end { SWEEP_COMMITTED, SWEEP_REVERTED, SWEEP_STOPPED };

struct sweep {
	struct endpoint *p;
	void (*start)(struct endpoint *p, const char *option, const char *trace);       /* an agent, one of whose processes is traced */
	enum sweep_end end;
	struct published one, two;
	int64_t clock_ms;               /* of the kept host */
	struct calls calls;
};

/* ---- an agent that is traced ---- */

/* The agent under strace, which is no parent of it: whoever ends the agent ends both. */
static inline void sweep_agent_start(struct endpoint *p, const char *option, const char *trace)
{
	p->agent = endpoint_agent_fork(p);
	if (p->agent == 0) {
		setenv("ASAN_OPTIONS", "detect_leaks=0", 1);    /* which cannot be done under a tracer */
		execl(CALLS_STRACE, "strace", "-D", "-qq", "-y", "-s", "200", "-o", trace, "-e", option, p->bin, "run", "--root", p->root, (char *)NULL);
		_exit(127);
	}
}

/* ---- a sensor that reads only when it is told ---- */

/* The command writes down what it was told of last. */
static inline void sweep_reload(struct endpoint *p)
{
	static const char command[] = "#!/bin/sh\ndir=$(dirname \"$0\")\necho \"$3\" >\"$dir/.told.$$\" && mv \"$dir/.told.$$\" \"$dir/told\"\n";

	endpoint_write(p, "/etc/ringhold/reload", command, 0755);
	shell_must("echo 'reload = /etc/ringhold/reload' >>%s/etc/ringhold/agent.ini", p->root);
}

static inline bool sweep_sensor_told(const struct sweep *s, const struct digest *of)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];
	AUTO(buf) struct buf *told = NULL;
	struct err e;

	digest_hex(hex, of);
	snprintf(path, sizeof path, "%s/etc/ringhold/told", s->p->root);
	return file_read(&told, path, 4096, &e) == 0 && !strncmp(told->data, hex, DIGEST_HEX_LEN);
}

/* ---- the host, kept and put back ---- */

static inline void sweep_prepare(struct sweep *s, struct endpoint *p, enum sweep_end end)
{
	char kept[200];

	memset(s, 0, sizeof *s);
	s->p = p;
	s->start = sweep_agent_start;
	s->end = end;
	if (end == SWEEP_STOPPED)
		sweep_reload(p);
	s->one = endpoint_bundle(p, SWEEP_GOOD, 110, NULL);
	endpoint_assign(p, &s->one, NULL, 1, 10, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &s->one, 2000);
	s->two = endpoint_bundle(p, SWEEP_GOOD, 111, NULL);
	if (end == SWEEP_STOPPED) {
		endpoint_assign(p, &s->two, &s->one, 1, 10, 0);
		endpoint_until(p, "the second bundle is committed", endpoint_runs_committed, &s->two, 2000);
	}
	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	if (end == SWEEP_STOPPED)
		endpoint_stop(p, &s->two);
	else
		endpoint_assign(p, &s->two, &s->one, 1, 10, 0);
	snprintf(kept, sizeof kept, "%s/kept", p->dir);
	shell_must("rm -rf %s && cp -a %s %s", kept, p->root, kept);
	s->clock_ms = *p->clock_ms;
}

static inline void sweep_put_back(struct sweep *s)
{
	char kept[200];

	endpoint_agent_end(s->p, SIGKILL);
	endpoint_sensor_stop(s->p);
	snprintf(kept, sizeof kept, "%s/kept", s->p->dir);
	shell_must("rm -rf %s && cp -a %s %s", s->p->root, kept, s->p->root);
	*s->p->clock_ms = s->clock_ms;
	endpoint_sensor_start(s->p);
}

/* ---- runs ---- */

static inline void sweep_turn(struct endpoint *p, const struct sweep *s)
{
	struct pollfd f = { .fd = p->sensor.notify, .events = POLLIN };

	if (poll(&f, 1, 10) > 0 && ringhold_switched(&p->sensor)) {
		struct boot_report why;
		uint8_t now[BOOT_DIGEST_LEN] = { 0 };

		(void)!boot_link_get(p->sensor.run, now, &why);
		p->sensor_refuses = s->end == SWEEP_REVERTED && !memcmp(now, s->two.digest.bytes, DIGEST_LEN);
		endpoint_sensor_load(p);
	}
	*p->clock_ms += 1000;
}

static inline int sweep_is_stop(void *arg, const struct journal_line *line, struct err *e)
{
	(void)e;
	*(bool *)arg |= strstr(line->text, "stop") && !strcmp(line->what, "local");
	return 0;
}

/* The record says it first; it is over when people and sensor were told. */
static inline bool sweep_told_of_stop(const struct sweep *s)
{
	AUTO(journal) struct journal *j = NULL;
	bool told = false;
	struct err e;

	assert_ok(journal_open(&j, s->p->root, &e));
	assert_ok(journal_history(j, "edr", 20, sweep_is_stop, &told, &e));
	return told;
}

static inline bool sweep_over(const struct sweep *s, const struct seen *seen)
{
	const struct digest *end = s->end == SWEEP_COMMITTED ? &s->two.digest : &s->one.digest;

	if (s->end == SWEEP_STOPPED)
		return endpoint_runs_committed(seen, &s->one) && sweep_told_of_stop(s) && sweep_sensor_told(s, &s->one.digest);
	return seen->state.phase == PHASE_IDLE && digest_equal(&seen->state.last.assigned, &s->two.digest) && seen->state.last.say == SAY_NOTHING &&
	       digest_equal(&seen->running, end) && seen->record.mode == BOOT_COMMITTED;
}

/* True: the end is reached. False: the agent ended before, or stands still. */
static inline bool sweep_run(struct sweep *s, int64_t limit_ms)
{
	int64_t until = clock_work_ms() + limit_ms;

	while (clock_work_ms() < until) {
		struct seen seen = endpoint_look(s->p);

		if (sweep_over(s, &seen))
			return true;
		if (waitpid(s->p->agent, NULL, WNOHANG) != 0) {
			s->p->agent = 0;
			return false;
		}
		sweep_turn(s->p, s);
	}
	return false;
}

/* ---- what must hold ---- */

static inline void sweep_slot_whole(struct endpoint *p, const struct digest *d, const char *when)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	digest_hex(hex, d);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY);
	if (dir < 0 || tree_verify(dir, d, NULL, NULL, NULL, &e) < 0)
		fail_msg("%s: slot %s is not whole", when, hex);
}

/* Old or new runs, whole, by a record that can be read; answers the record's number. */
static inline uint64_t sweep_whole(struct sweep *s, const char *when)
{
	struct seen seen = endpoint_look(s->p);

	if (!digest_equal(&seen.running, &s->one.digest) && !digest_equal(&seen.running, &s->two.digest))
		fail_msg("%s: neither old nor new runs", when);
	sweep_slot_whole(s->p, &seen.running, when);
	return seen.record.seq;
}

static inline bool sweep_is_clean(const struct sweep *s)
{
	return shell_ok("cd %s" HOME_CHANNELS "/edr && test -z \"$(find slots incoming -mindepth 1 -maxdepth 1 -name '.*' -o -path 'incoming/*')\" &&"
			" test $(ls quarantine.d | wc -l) = %d",
			s->p->root, s->end == SWEEP_REVERTED);
}

/* The agent tidies up after it has told of the end. */
static inline void sweep_clean(struct sweep *s, const char *when)
{
	int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;

	while (!sweep_is_clean(s)) {
		if (clock_work_ms() > until)
			fail_msg("%s: something half-done stays, or a quarantine without cause", when);
		sweep_turn(s->p, s);
	}
}

static inline void sweep_told(struct sweep *s, const char *when)
{
	static const char *const words[] = { [SWEEP_COMMITTED] = "survived", [SWEEP_REVERTED] = "failed", [SWEEP_STOPPED] = "is stopped" };
	char *out = NULL;

	assert_int_equal(endpoint_command(s->p, &out, "history", "edr", NULL), 0);
	if (!strstr(out, words[s->end]))
		fail_msg("%s: history does not tell of the end:\n%s", when, out);
	free(out);
}

/* ---- the sweep ---- */

static inline unsigned sweep_calls(const struct sweep *s, const char *stage, const char *name, const char *what)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->calls.count; i++) {
		const struct call *c = &s->calls.list[i];

		n += !strcmp(c->stage, stage) && !strcmp(c->name, name) && strstr(c->text, what);
	}
	return n;
}

/* A sweep that leaves a phase out shows nothing of it. */
static inline void sweep_has_every_phase(const struct sweep *s)
{
	if (s->end == SWEEP_STOPPED) {
		assert_int_equal(sweep_calls(s, phase_name(PHASE_IDLE), "fsync", "/channels/edr/boot>"), 1);
		return;
	}
	for (int at = 0; at < PHASES; at++)
		if (!sweep_calls(s, phase_name((enum phase)at), "fdatasync", "/agent.db-wal>"))
			fail_msg("no sync of the journal in phase %s is in the sweep", phase_name((enum phase)at));
	assert_true(sweep_calls(s, "start", "fsync", "/channels/edr/boot>"));
	assert_int_equal(sweep_calls(s, phase_name(PHASE_IDLE), "fsync", "/channels/edr/boot>"), 1);    /* commit, or revert */
	assert_int_equal(sweep_calls(s, phase_name(PHASE_IDLE), "fsync", "/channels/edr/quarantine.d>"), s->end == SWEEP_REVERTED);
}

/* Which calls there are: one whole run. */
static inline void sweep_count(struct sweep *s)
{
	char trace[200];

	snprintf(trace, sizeof trace, "%s/trace", s->p->dir);
	sweep_put_back(s);
	s->start(s->p, "trace=" CALLS_NAMES, trace);
	if (!sweep_run(s, ENDPOINT_LIMIT_MS))
		fail_msg("no end under strace");
	endpoint_agent_end(s->p, SIGKILL);
	assert_true(calls_read(&s->calls, trace, s->p->root, SWEEP_AGAIN));
	if (s->start == sweep_agent_start)
		sweep_has_every_phase(s);
	else
		assert_int_equal(sweep_calls(s, "start", "fsync", ""), 2 * sweep_calls(s, "start", "renameat", ""));
}

/* fault: "signal=KILL", "error=EIO"; lasting: all further calls of this name too. */
static inline void sweep_one(struct sweep *s, const struct call *c, const char *fault, bool lasting)
{
	char option[100], when[400];
	uint64_t seq;

	snprintf(option, sizeof option, "inject=%s:%s:when=%u%s", c->name, fault, c->when, lasting ? "+" : "");
	snprintf(when, sizeof when, "%s (%s)", option, c->text);
	sweep_put_back(s);
	s->start(s->p, option, "/dev/null");
	/* It may end over a fault; but if it lives it goes on, once the fault is over. */
	if (!sweep_run(s, lasting ? SWEEP_RUN_MS : ENDPOINT_LIMIT_MS) && s->p->agent && !lasting) {
		endpoint_print_log(s->p);
		fail_msg("%s: the agent stands still", when);
	}
	endpoint_agent_end(s->p, SIGKILL);
	seq = sweep_whole(s, when);
	endpoint_agent_start(s->p);
	if (!sweep_run(s, ENDPOINT_LIMIT_MS)) {
		endpoint_print_log(s->p);
		fail_msg("%s: the next agent does not come to the end", when);
	}
	sweep_clean(s, when);
	endpoint_agent_end(s->p, SIGKILL);
	assert_true(sweep_whole(s, when) >= seq);
	sweep_told(s, when);
}

#endif
