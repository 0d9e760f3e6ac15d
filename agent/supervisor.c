/* supervisor: wait for whatever comes first, then let everybody look. */
#include "agent/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/home.h"
#include "agent/install.h"
#include "agent/orders.h"
#include "agent/round.h"
#include "agent/schedule.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "schema/reason.h"

#define GOODBYE_MS 5000
#define BACKOFF_FIRST_S 5
#define LOCK_WAIT_MS 5000
#define LOCK_LOOK_MS 20
#define ROUND_GAP_MS 200        /* between two wanted rounds, so that nothing ever spins through the server */

struct supervisor {
	struct host host;
	struct round round;
	int signals;                    /* signalfd */
	bool stop, once, rounds_done;
	int64_t next_round;             /* clock_ticks_ms() */
	int64_t last_round;             /* clock_work_ms() of its end */
};

static uint64_t chance(void)
{
	uint64_t v = 0;
	struct err ignored;

	(void)!random_bytes(&v, sizeof v, &ignored);
	return v;
}

static int open_signals(struct err *e)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_errno(e, "signals");
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 ? fd : err_errno(e, "signals");
}

/* A command has something for us: orders, or a new enrolment. */
static void told(struct supervisor *v)
{
	struct credentials now;
	struct err e;

	if (orders_run(&v->host, &e) < 0)
		log_error("%s", e.msg);
	if (credentials_load(&now, v->host.s, &e) < 0) {
		log_error("%s", e.msg);
		return;
	}
	if (!strcmp(now.now.token, v->host.credentials.now.token) && !strcmp(now.enrolment, v->host.credentials.enrolment))
		return;
	v->host.credentials = now;
	v->host.round_wanted = true;
	v->round.failures = 0;
	round_stop(&v->round);  /* the next fetch process learns of the other server */
}

static void take_signals(struct supervisor *v)
{
	struct signalfd_siginfo info;

	while (read(v->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			v->stop = true;
		else if (info.ssi_signo == SIGUSR1)
			told(v);
	}
}

/* ---- rounds ---- */

static void plan_next(struct supervisor *v)
{
	const struct settings *s = v->host.s;
	struct err e;

	v->last_round = clock_work_ms();
	v->rounds_done = true;
	if (v->round.failures)
		v->next_round = clock_ticks_ms() + MAX(schedule_backoff_ms(v->round.failures, MIN(BACKOFF_FIRST_S, s->poll_s), s->poll_max_s, chance()),
						       v->round.next_s * 1000);
	else
		v->next_round = clock_ticks_ms() + schedule_poll_ms(v->round.next_s ? v->round.next_s : s->poll_s, chance());
	if (journal_trim(v->host.journal, (uint64_t)s->keep_events, &e) < 0)
		log_warn("%s", e.msg);
}

/* Milliseconds until the next round is due; 0 now, -1 one is under way. */
static int64_t round_due(const struct supervisor *v)
{
	int64_t planned = v->next_round - clock_ticks_ms(), gap = v->last_round + ROUND_GAP_MS - clock_work_ms();

	if (v->round.open)
		return -1;
	/* Wishes do not hurry a server that is in trouble. */
	if (v->host.round_wanted && !v->round.failures)
		planned = MIN(planned, gap);
	return MAX(planned, 0);
}

static void turn_rounds(struct supervisor *v)
{
	struct err e;

	if (v->round.open && round_turn(&v->round) == 1)
		plan_next(v);
	if (round_due(v) != 0)
		return;
	if (round_start(&v->round, ROUND_FULL, &e) < 0) {
		log_error("%s", e.msg);
		plan_next(v);
	}
}

/* ---- the loop ---- */

static int64_t sooner(int64_t a, int64_t b)
{
	return a < 0 ? b : b < 0 ? a : MIN(a, b);
}

static void wait_for_something(struct supervisor *v, int64_t wait)
{
	struct pollfd p[2 + 2 * SETTINGS_CHANNELS_MAX];
	nfds_t n = 0;

	p[n++] = (struct pollfd){ .fd = v->signals, .events = POLLIN };
	if (v->round.open)
		p[n++] = (struct pollfd){ .fd = v->round.judge.sock, .events = POLLIN };
	for (size_t i = 0; i < v->host.channel_count; i++) {
		const struct channel *c = &v->host.channels[i];

		if (c->job.kind != JOB_NONE)
			p[n++] = (struct pollfd){ .fd = c->job.child.sock, .events = POLLIN };
		if (c->telling.pid)
			p[n++] = (struct pollfd){ .fd = c->telling.out, .events = POLLIN };
	}
	if (poll(p, n, clock_poll_ms(wait)) < 0 && errno != EINTR)
		log_error("wait: %s", strerror(errno));
}

static bool at_rest(const struct supervisor *v)
{
	for (size_t i = 0; i < v->host.channel_count; i++) {
		const struct channel *c = &v->host.channels[i];
		char waits[300];

		if (c->telling.pid)
			return false;
		channel_waits(c, waits, sizeof waits);
		if (*waits && c->job.kind == JOB_NONE && !c->hook.pid)
			continue;
		if (c->job.kind != JOB_NONE || phase_on_trial(c->state.phase) ||
		    (c->state.phase != PHASE_IDLE && c->state.retry_at <= clock_now() && !channel_wants_permit(c)))
			return false;
	}
	return v->rounds_done && !v->round.open && !v->host.round_wanted;
}

static void loop(struct supervisor *v)
{
	while (!v->stop && !(v->once && at_rest(v))) {
		int64_t wait = -1;
		struct err e;

		take_signals(v);
		if (host_look_at_contract(&v->host, &e) < 0)
			log_warn("%s", e.msg);
		turn_rounds(v);
		for (size_t i = 0; i < v->host.channel_count; i++)
			wait = sooner(wait, channel_tick(&v->host.channels[i]));
		wait = sooner(wait, round_due(v));
		if (!v->stop)
			wait_for_something(v, wait);
	}
}

/* What a death left behind. A record that lost its names is no reason to lose the slots too. */
static void clean_up(struct supervisor *v)
{
	for (size_t i = 0; i < v->host.channel_count; i++)
		if (!*v->host.channels[i].boot.trouble)
			channel_clean(&v->host.channels[i]);
	install_clean(v->host.s->root);
}

/* Tells the server, bounded; then the boot records: this is no crash. */
static void goodbye(struct supervisor *v)
{
	int64_t until = clock_work_ms() + GOODBYE_MS;
	struct err e;

	for (size_t i = 0; i < v->host.channel_count; i++) {
		struct channel *c = &v->host.channels[i];

		if (c->boot.record.seq && trial_mark_clean(&c->boot, &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
		if (channel_store(c, "", "", "", &e) < 0)
			log_warn("channel %s: %s", c->state.name, e.msg);
	}
	if (host_event(&v->host, "", "goodbye", reason_word(REASON_SHUTDOWN), "", &e) < 0)
		log_warn("%s", e.msg);
	if (!*v->host.credentials.now.token || v->round.failures)
		return;
	while (v->round.open && clock_work_ms() < until && round_turn(&v->round) == 0)
		wait_for_something(v, until - clock_work_ms());
	if (v->round.open || round_start(&v->round, ROUND_BRIEF, &e) < 0)
		return;
	while (clock_work_ms() < until && round_turn(&v->round) == 0)
		wait_for_something(v, until - clock_work_ms());
}

/* A command at work may hold it for a moment. */
static int take_lock(const char *root, struct err *e)
{
	int64_t until = clock_work_ms() + LOCK_WAIT_MS;

	for (;;) {
		int fd = home_lock(root, NULL, e);

		if (fd >= 0 || e->code != ERR_CONFLICT || clock_work_ms() >= until)
			return fd;
		poll(NULL, 0, LOCK_LOOK_MS);
	}
}

int supervisor_run(const struct settings *s, bool once, struct err *e)
{
	struct supervisor v = { .once = once };
	/* Who finds the lock taken signals its holder, so signals come first. */
	AUTO_FD int signals = open_signals(e);
	AUTO_FD int lock = signals < 0 ? -1 : take_lock(s->root, e);
	int rc;

	if (lock < 0)
		return e->code;
	if (confine_examine_all(s, e) < 0)
		return e->code;
	(void)confine_supervisor();
	v.signals = signals;
	rc = host_open(&v.host, s, false, e);
	if (rc == 0) {
		round_init(&v.round, &v.host);
		v.host.round = &v.round;
		if (orders_run(&v.host, e) < 0)
			log_error("%s", e->msg);
		clean_up(&v);
		log_info("agent %s is up, %zu channels", RINGHOLD_VERSION, v.host.channel_count);
		loop(&v);
		if (v.stop)
			goodbye(&v);
		round_stop(&v.round);
	}
	host_close(&v.host);
	return rc;
}
