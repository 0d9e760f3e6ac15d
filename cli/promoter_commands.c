/* promoter_commands: `ringhold promoter`: the second signature of later rings. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/promoter.h"

#define LEAST_MS 200            /* between two looks, also where a test clock makes everybody hurry */

struct promoter_options {
	struct remote_options remote;
	struct keys_options keys;
	bool once;
};

#define AT(field) offsetof(struct promoter_options, field)

static const struct cli_option promoter_rows[] = {
	{ "once", 0, CLI_FLAG, AT(once), NULL, "one look, then leave: 0 nothing refused, 1 otherwise" },
	KEYS_ROWS(AT(keys)),
	REMOTE_ROWS(AT(remote)),
};

static volatile sig_atomic_t stopping;

static void stop(int signal)
{
	(void)signal;
	stopping = 1;
}

/* Signals come through only while it sleeps. */
static void wait_for_next(int64_t ms, const sigset_t *asleep)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	if (ppoll(NULL, 0, &t, asleep) < 0 && errno != EINTR)
		log_warn("ppoll: %s", strerror(errno));
}

static void catch_signals(sigset_t *asleep)
{
	struct sigaction a = { .sa_handler = stop };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, asleep);
	sigdelset(asleep, SIGTERM);
	sigdelset(asleep, SIGINT);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGINT, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* The same trouble is told once until it is over. */
static void tell(char last[256], int got, const struct err *e)
{
	if (got < 0 && strncmp(last, e->msg, 255) != 0)
		log_warn("%s", e->msg);
	snprintf(last, 256, "%.255s", got < 0 ? e->msg : "");
}

static int look_for_ever(struct promoter *p)
{
	char last[256] = "";
	sigset_t asleep;

	catch_signals(&asleep);
	log_info("watching");
	while (!stopping) {
		struct promoter_round round;
		struct err e;

		tell(last, promoter_look(p, clock_now(), &round, &e), &e);
		wait_for_next(MAX(clock_poll_ms(promoter_poll_s(p) * 1000), LEAST_MS), &asleep);
	}
	return 0;
}

static int look_once(struct promoter *p, bool json, struct err *e)
{
	struct promoter_round round;

	if (promoter_look(p, clock_now(), &round, e) < 0)
		return e->code;
	if (json)
		printf("{\"signed\":%u,\"waiting\":%u,\"refused\":%u}\n", round.signatures, round.waiting, round.refused);
	else
		printf("%u co-signed, %u too early, %u refused\n", round.signatures, round.waiting, round.refused);
	return round.refused ? err_set(e, ERR_REFUSED, "%u signing requests are refused; the log says why", round.refused) : 0;
}

static int run(int argc, char **argv, const void *options, struct err *e)
{
	const struct promoter_options *o = options;
	struct promoter_settings s = { .dir = argv[0], .remote = &o->remote };
	AUTO(promoter) struct promoter *p = NULL;

	(void)argc;
	log_init("promoter", LOG_INFO);
	if ((o->keys.keys.count || o->keys.dir) && keys_open(&s.keys, &o->keys, e) < 0)
		return e->code;
	if (promoter_open(&p, &s, e) < 0)
		return e->code;
	return o->once ? look_once(p, o->remote.json, e) : look_for_ever(p);
}

const struct cli_command promoter_commands[] = {
	{ .name = "promoter", .args = "DIR", .help = "co-sign what later rings get, when the gate's inputs say the same here",
	  .min_args = 1, .max_args = 1, .run = run, .options = promoter_rows, .option_count = ARRAY_LEN(promoter_rows),
	  .options_size = sizeof(struct promoter_options),
	  .more = "DIR is what `ringhold init` made: promoter.ini, keys/, root.json, policies/, token. Run it as its own user,\n"
		  "better on its own machine; the server needs nothing of it." },
};
const size_t promoter_command_count = ARRAY_LEN(promoter_commands);
