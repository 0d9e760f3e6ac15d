/*
 * command_install: install PATH. Hashes, asks, copies, and follows what comes
 * of it; what is decided is decided by the orders (install.c), in the running
 * agent or, when none runs, here under its lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/command.h"
#include "agent/command_json.h"
#include "agent/home.h"
#include "agent/install.h"
#include "agent/orders.h"
#include "base/clock.h"
#include "base/log.h"

#define WAIT_DEFAULT_S 120
#define LOOK_MS 200

struct installing {
	const struct settings *s;
	const char *only;               /* channel; NULL: any */
	const char *mirror;             /* absolute directory; NULL: a file */
	int64_t until;                  /* clock_work_ms() */
	struct json_writer *w;          /* NULL: for people */
};

/* What came of it in one channel: a word for programs, a sentence for people. */
static void PRINTF_LIKE(5, 6) say(const struct installing *in, const char *channel, const char *outcome, const struct digest *d,
				  const char *fmt, ...)
{
	bool refused = !strcmp(outcome, "refused");
	char text[2 * MESSAGE_TEXT], hex[DIGEST_HEX_LEN + 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (!in->w) {
		fprintf(refused ? stderr : stdout, "%s%s\n", refused ? "ringhold-agent: " : "", text);
		return;
	}
	if (d)
		digest_hex(hex, d);
	json_open_object(in->w, NULL);
	json_put_text(in->w, "channel", channel);
	json_put_text(in->w, "outcome", outcome);
	json_put_text(in->w, "digest", d ? hex : NULL);
	json_put_text(in->w, "text", text);
	json_close_object(in->w);
}

/* What is not the end of it: people see that something goes on. */
static void progress(const struct installing *in, const char *text)
{
	if (!in->w)
		printf("%s\n", text);
}

static bool meant(const struct installing *in, const char *channel)
{
	return !in->only || !strcmp(in->only, channel);
}

/* ---- a look at a channel ---- */

struct seen {
	enum phase phase;
	struct digest running;
	bool wants_permit;
	char waits[300], path[MESSAGE_PATH], reason[MESSAGE_TEXT];  /* path: in the repository, of what is fetched */
};

static int look(struct seen *out, const struct installing *in, const char *channel, struct err *e)
{
	struct host h = { 0 };
	int rc = host_open(&h, in->s, true, e);
	const struct channel *c = rc >= 0 ? host_channel(&h, channel) : NULL;

	if (c) {
		out->phase = c->state.phase;
		out->running = trial_running(&c->boot);
		out->wants_permit = channel_wants_permit(c);
		channel_waits(c, out->waits, sizeof out->waits);
		snprintf(out->path, sizeof out->path, "%s", c->state.offer.path);
		snprintf(out->reason, sizeof out->reason, "%s", c->state.last.reason);
	}
	host_close(&h);
	return rc < 0 ? rc : 0;
}

/* ---- one file ---- */

static int open_path(const char *path, struct stat *st, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_REFUSED, "%s: a symbolic link: name the file itself", path);
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (fstat(fd, st) == 0 && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
		return fd;
	close(fd);
	return err_set(e, ERR_REFUSED, "%s: neither a file nor a directory", path);
}

/* Nothing was to be done: it runs, or is on its way already. */
static const char *outcome_so_far(const struct installing *in, const char *channel)
{
	struct err ignored;
	struct seen seen;

	if (look(&seen, in, channel, &ignored) < 0)
		return "under-way";
	return seen.phase == PHASE_IDLE ? "running" : phase_on_trial(seen.phase) ? "on-trial" : "under-way";
}

/* 1 and what is in it when it was taken, 0 when nothing is to be done. */
static int hand_over(const struct installing *in, const char *channel, int file, const struct digest *sha256, uint64_t length,
		     struct digest *content, struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1], order[MESSAGE_TEXT], answer[MESSAGE_TEXT];
	AUTO_FD int stage = -1;
	bool wanted;

	digest_hex(hex, sha256);
	snprintf(order, sizeof order, "ask %s %" PRIu64, hex, length);
	if (orders_give(in->s, "install", channel, order, answer, sizeof answer, e) < 0)
		return e->code;
	wanted = !strncmp(answer, INSTALL_WANTED, strlen(INSTALL_WANTED)) &&
		 digest_parse(content, answer + strlen(INSTALL_WANTED), DIGEST_HEX_LEN);
	if (wanted) {
		stage = install_stage(in->s->root, file, sha256, length, e);
		if (stage < 0)
			return e->code;
		snprintf(order, sizeof order, "take %s %" PRIu64, hex, length);
		if (orders_give(in->s, "install", channel, order, answer, sizeof answer, e) < 0) {
			unlinkat(stage, hex, 0);
			return e->code;
		}
	}
	if (wanted)
		progress(in, answer);
	else
		say(in, channel, outcome_so_far(in, channel), NULL, "%s", answer);
	return wanted;
}

/* What was taken, and where. */
struct taken {
	char channel[NAME_LEN_MAX + 1];
	struct digest digest;
};

/* Offered to the channels in turn: the first that wants it has it; each that does not says why. As hand_over(). */
static int bring(const struct installing *in, const char *path, const char *only, struct taken *taken, struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest sha256;
	uint64_t length = 0;
	struct stat st;
	AUTO_FD int file = open_path(path, &st, e);
	int rc;

	if (file < 0)
		return e->code;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_REFUSED, "%s: no file", path);
	if (hash_fd(&sha256, file, &length, e) < 0)
		return err_wrap(e, "%s", path);
	digest_hex(hex, &sha256);
	for (size_t i = 0; i < in->s->channel_count; i++) {
		const char *channel = in->s->channels[i].name;

		if (only && strcmp(only, channel) != 0)
			continue;
		snprintf(taken->channel, sizeof taken->channel, "%s", channel);
		rc = hand_over(in, channel, file, &sha256, length, &taken->digest, e);
		if (rc >= 0)
			return rc;
		say(in, channel, "refused", NULL, "%s (SHA-256 %s): %s", path, hex, e->msg);
		if (e->code != ERR_REFUSED)
			return e->code;
	}
	return err_set(e, ERR_REFUSED, "%s: not taken", path);
}

/* ---- what comes of it ---- */

/* What a person is told, when it is the end of what this command can bring about; NULL: it goes on. */
static const char *outcome_of(const struct seen *s, const struct digest *d, char *words, size_t cap)
{
	if (*s->waits || (s->phase == PHASE_VALIDATED && s->wants_permit)) {
		snprintf(words, cap, "%s", *s->waits ? s->waits : "accepted by the contract; waits for the permit of its server");
		return "waits";
	}
	if (phase_on_trial(s->phase)) {
		snprintf(words, cap, "on trial");
		return "on-trial";
	}
	if (s->phase != PHASE_IDLE)
		return NULL;
	if (digest_equal(&s->running, d)) {
		snprintf(words, cap, "runs, and is committed");
		return "running";
	}
	snprintf(words, cap, "refused: ringhold-agent history");
	return "failed";
}

/* A verdict must be fresh at the switch too: then the mirror is read once more. */
static int follow(const struct installing *in, const struct taken *t, struct err *e)
{
	char words[300] = "", answer[MESSAGE_TEXT];
	const char *outcome = NULL;
	struct seen seen;
	AUTO_FD int lock = -1;

	lock = home_lock(in->s->root, NULL, e);
	if (lock < 0 && e->code != ERR_CONFLICT)
		return e->code;
	if (lock >= 0) {
		say(in, t->channel, "needs-agent", &t->digest, "channel %s: goes on when the agent runs", t->channel);
		return 0;
	}
	while (!outcome && clock_work_ms() < in->until) {
		if (look(&seen, in, t->channel, e) < 0)
			return e->code;
		outcome = outcome_of(&seen, &t->digest, words, sizeof words);
		if (!outcome && seen.phase == PHASE_CANARIED && in->mirror &&
		    orders_give(in->s, "mirror", t->channel, in->mirror, answer, sizeof answer, e) < 0)
			return e->code;
		if (!outcome)
			poll(NULL, 0, LOOK_MS);
	}
	say(in, t->channel, outcome ? outcome : "under-way", &t->digest, "channel %s: %s", t->channel,
	    outcome ? words : "under way: ringhold-agent status");
	return outcome && !strcmp(outcome, "failed") ? 1 : 0;
}

/* ---- a mirror ---- */

/* 1: the path of what is to be brought; 0: nothing is, and the channel says why. */
static int offer_of(const struct installing *in, const char *channel, char path[HOME_PATH_MAX], struct err *e)
{
	const char *repo = *in->s->rings_repo ? settings_repo_name(in->s, REPO_CONTENT) : "";
	struct seen seen;

	if (look(&seen, in, channel, e) < 0)
		return e->code;
	if (seen.phase == PHASE_FETCHING)
		return home_pathf(path, e, in->mirror, "%s%s/targets/%s", *repo ? "/" : "", repo, seen.path) < 0 ? e->code : 1;
	if (seen.phase == PHASE_IDLE)
		say(in, channel, "nothing", NULL, "channel %s: %s", channel, seen.reason);
	else
		say(in, channel, phase_on_trial(seen.phase) ? "on-trial" : "under-way", NULL, "channel %s: %s", channel, phase_name(seen.phase));
	return 0;
}

static int from_mirror(const struct installing *in, struct err *e)
{
	char path[HOME_PATH_MAX], answer[MESSAGE_TEXT];
	const char *first = in->only ? in->only : in->s->channels[0].name;
	struct taken taken;
	int worst = 0, rc;

	if (strlen(in->mirror) >= MESSAGE_TEXT)
		return err_set(e, ERR_LIMIT, "%s: path too long", in->mirror);
	if (orders_give(in->s, "mirror", first, in->mirror, answer, sizeof answer, e) < 0)
		return e->code;
	progress(in, answer);
	for (size_t i = 0; i < in->s->channel_count; i++) {
		const char *channel = in->s->channels[i].name;

		if (!meant(in, channel))
			continue;
		rc = offer_of(in, channel, path, e);
		if (rc == 1)
			rc = bring(in, path, channel, &taken, e);
		if (rc == 1)
			rc = follow(in, &taken, e);
		if (rc < 0)
			say(in, channel, "refused", NULL, "%s", e->msg);
		worst |= rc != 0;
	}
	return worst;
}

static int install(struct installing *in, const char *name, struct err *e)
{
	char real[PATH_MAX];
	struct taken taken;
	struct stat st;
	AUTO_FD int path = -1;
	int rc;

	if (in->only && !settings_channel(in->s, in->only))
		return err_set(e, ERR_NOT_FOUND, "channel %s: not configured in agent.ini", in->only);
	path = open_path(name, &st, e);
	if (path < 0)
		return e->code;
	if (S_ISDIR(st.st_mode)) {
		if (!realpath(name, real))
			return err_errno(e, "%s", name);
		in->mirror = real;
		return from_mirror(in, e);
	}
	rc = bring(in, name, in->only, &taken, e);
	return rc == 1 ? follow(in, &taken, e) : rc;
}

static int as_json(struct installing *in, const char *name, struct err *e)
{
	struct command_json j;
	struct err why;
	int rc = command_json_open(&j, e);

	if (rc < 0)
		return rc;
	in->w = &j.w;
	json_put_text(&j.w, "path", name);
	json_open_array(&j.w, "channels");
	rc = install(in, name, e);
	json_close_array(&j.w);
	json_put_text(&j.w, "error", rc < 0 ? e->msg : NULL);
	if (command_json_print(&j, &why) < 0) {
		*e = why;
		rc = why.code;
	}
	command_json_close(&j);
	return rc;
}

int command_install(int argc, char **argv, const void *options, struct err *e)
{
	const struct install_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	struct installing in = { .only = o->channel };

	(void)argc;
	log_init("agent", LOG_WARN);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	in.s = s;
	in.until = clock_work_ms() + (o->wait_s > 0 ? o->wait_s : WAIT_DEFAULT_S) * 1000;
	return o->json ? as_json(&in, argv[0], e) : install(&in, argv[0], e);
}
