/* run: the life of a sensor. */
#include "sensor/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "sensor/engine.h"
#include "sensor/events.h"
#include "sensor/inputs.h"

#define READ_CHUNK ((size_t)64 * 1024)

struct run {
	const struct run_options *options;
	struct ringhold_sensor sensor;
	struct contract *contract;
	struct engine *engine;          /* NULL: no content */
	struct events events;
	struct buf out;                 /* verdicts not yet written */
	int signals;
	bool loaded_once, healthy, stop, input_ended, output_lost;
};

static void report(struct run *r, const struct ringhold_content *about, enum ringhold_state state,
		   const char *reason)
{
	struct ringhold_why why;

	if (ringhold_report(&r->sensor, about, state, reason, clock_now(), &why) < 0)
		log_warn("state: not published: %s", why.text);
}

#ifdef RINGHOLD_TEST
/*
 * The defect of the demonstration: while the machine boots there is no session
 * table yet, and some kinds of rules look into it. A canary, or a sensor that
 * is up, never takes this way. Rules named boot-bomb-NNNN always do, late-bomb-NNNN
 * from 2030 on; RINGHOLD_SENSOR_DEFECT names one rule more, as an upgrade of the
 * sensor may break on content that was good. Rules named hang-bomb-NNNN wait for
 * the table instead: where the sensor goes before everything else, as a driver
 * does, the machine stands still with it.
 */
#define LATE_BOMB_FROM 1893456000       /* 2030-01-01T00:00:00Z */

static bool has_bomb(struct run *r, const char *kind)
{
	char id[32];

	for (int i = 0; i < 100; i++) {
		snprintf(id, sizeof id, "%s-bomb-%04d", kind, i);
		if (loader_set_has_rule(engine_rules(r->engine), id))
			return true;
	}
	return false;
}

/* It dies of it on purpose: of the signal, in every build, and no sanitizer has anything to report. */
__attribute__((no_sanitize("undefined")))
static void look_into_sessions(struct run *r)
{
	static int *volatile sessions;
	const char *defect = getenv("RINGHOLD_SENSOR_DEFECT");

	if (r->loaded_once || !r->options->at_boot)
		return;
	while (has_bomb(r, "hang") && !sessions)
		;
	if (has_bomb(r, "boot") || (clock_now() >= LATE_BOMB_FROM && has_bomb(r, "late")) ||
	    (defect && loader_set_has_rule(engine_rules(r->engine), defect))) {
		signal(SIGSEGV, SIG_DFL);
		*sessions = 1;
	}
}
#endif

/* Takes the content over that `current` leads to; keeps what runs when that fails. */
static void load(struct run *r)
{
	struct ringhold_content tried;
	struct engine *next = NULL;
	struct err e = { 0 };
	int got = engine_load(&next, &r->sensor, r->contract, &tried, &e);

	if (got < 0) {
		log_error("%s; %s", e.msg, r->engine ? "the content loaded before stays" : "no content runs");
		report(r, &tried, RINGHOLD_UNHEALTHY, e.msg);
		r->healthy = false;
		return;
	}
	engine_free(r->engine);
	r->engine = next;
	r->healthy = true;
#ifdef RINGHOLD_TEST
	if (next)
		look_into_sessions(r);
#endif
	r->loaded_once = true;
	if (next)
		log_info("channel %s: content %.12s, serial %llu%s", r->options->channel,
			 engine_content(next)->digest_hex, (unsigned long long)engine_serial(next),
			 ringhold_on_trial(&r->sensor) ? ", on trial" : "");
	else
		log_info("channel %s: no content", r->options->channel);
	report(r, next ? engine_content(next) : NULL, RINGHOLD_HEALTHY, "");
}

/* Loads only when something else is to run: a list that ends with the trial changes no rule. */
static void take_over(struct run *r)
{
	struct err e = { 0 };

	if (r->engine && r->healthy && engine_keep(r->engine, &r->sensor, &e) == 1)
		report(r, engine_content(r->engine), RINGHOLD_HEALTHY, "");
	else
		load(r);
}

static void publish(struct run *r)
{
	struct tally *t = r->engine ? engine_tally(r->engine) : NULL;
	struct err e;

	if (t && tally_due(t) && tally_report(t, &r->sensor, engine_content(r->engine), &e) < 0)
		log_warn("%s", e.msg);
}

/* Nobody may be listening: verdicts are then lost, and the sensor lives on. */
static void write_verdicts(struct run *r)
{
	struct err e;

	if (r->out.len && !r->output_lost && file_write_all(STDOUT_FILENO, r->out.data, r->out.len, &e) < 0) {
		log_warn("standard output: %s; verdicts are lost from now on", e.msg);
		r->output_lost = true;
	}
	buf_clear(&r->out);
}

static void read_events(struct run *r)
{
	static char chunk[READ_CHUNK];
	ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		events_feed(&r->events, r->engine, chunk, (size_t)n);
	} else {
		events_end(&r->events, r->engine);
		r->input_ended = true;
		r->stop |= r->options->once;
	}
	write_verdicts(r);
}

static void take_signal(struct run *r)
{
	struct signalfd_siginfo info;

	if (read(r->signals, &info, sizeof info) != (ssize_t)sizeof info)
		return;
	if (info.ssi_signo == SIGHUP)
		load(r);
	else
		r->stop = true;
}

static int wait_and_serve(struct run *r, struct err *e)
{
	struct pollfd on[] = {
		{ .fd = r->signals, .events = POLLIN },
		{ .fd = r->sensor.notify, .events = POLLIN },
		{ .fd = r->input_ended ? -1 : STDIN_FILENO, .events = POLLIN },
	};

	publish(r);
	if (poll(on, ARRAY_LEN(on), r->engine ? clock_poll_ms(tally_wait_ms(engine_tally(r->engine))) : -1) < 0)
		return errno == EINTR ? 0 : err_errno(e, "poll");
	if (on[0].revents)
		take_signal(r);
	/* A switch that came before an event is taken over before the event is judged. */
	if (on[1].revents && ringhold_switched(&r->sensor))
		take_over(r);
	if (on[2].revents && !r->stop)
		read_events(r);
	return 0;
}

static int open_signals(struct run *r, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals < 0 ? err_errno(e, "signalfd") : 0;
}

static int open_contract(struct run *r, struct err *e)
{
	struct buf text = { 0 };
	int code;

	if (r->options->contract)
		return contract_load(&r->contract, r->options->contract, e);
	inputs_contract(&text);
	code = buf_check(&text, e);
	if (code == 0)
		code = contract_parse(&r->contract, "own contract", text.data, text.len, e);
	buf_release(&text);
	return code;
}

static int live(struct run *r, struct err *e)
{
	report(r, NULL, RINGHOLD_STARTING, "");
	load(r);
	while (!r->stop)
		if (wait_and_serve(r, e) < 0)
			return e->code;
	publish(r);
	if (r->options->once && !r->healthy)
		return err_set(e, ERR_REFUSED, "channel %s: its content could not be loaded",
			       r->options->channel);
	report(r, r->engine ? engine_content(r->engine) : NULL, RINGHOLD_STOPPED, "");
	return 0;
}

int run_sensor(const struct run_options *o, struct err *e)
{
	struct run r = { .options = o, .signals = -1 };
	struct ringhold_why why;
	int code = open_contract(&r, e);

	if (code == 0)
		code = open_signals(&r, e);
	if (code == 0 && ringhold_open(&r.sensor, o->root, o->channel, &why) < 0)
		code = err_set(e, ERR_IO, "channel %s: %s", o->channel, why.text);
	else if (code == 0) {
		r.events.out = &r.out;
		code = live(&r, e);
		ringhold_close(&r.sensor);
	}
	engine_free(r.engine);
	events_release(&r.events);
	buf_release(&r.out);
	contract_free(r.contract);
	fd_freep(&r.signals);
	return code;
}
