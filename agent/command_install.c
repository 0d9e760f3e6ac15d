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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/command.h"
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
};

static bool meant(const struct installing *in, const char *channel)
{
	return !in->only || !strcmp(in->only, channel);
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
	printf("%s\n", answer);
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
		fprintf(stderr, "ringhold-agent: %s (SHA-256 %s): %s\n", path, hex, e->msg);
		if (e->code != ERR_REFUSED)
			return e->code;
	}
	return err_set(e, ERR_REFUSED, "%s: not taken", path);
}

/* ---- what comes of it ---- */

enum step { GOES_ON, CANARIED, OVER };

/* What a person is told, when it is the end of what this command can bring about. */
static enum step step_of(struct channel *c, const struct digest *d, char *words, size_t cap)
{
	struct digest running = trial_running(&c->boot);
	enum phase phase = c->state.phase;

	channel_waits(c, words, cap);
	if (phase_on_trial(phase))
		snprintf(words, cap, "on trial");
	else if (phase == PHASE_IDLE)
		snprintf(words, cap, "%s", digest_equal(&running, d) ? "runs, and is committed" : "refused: ringhold-agent history");
	else if (phase == PHASE_VALIDATED && channel_wants_permit(c) && !*words)
		snprintf(words, cap, "accepted by the contract; waits for the permit of its server");
	return *words ? OVER : phase == PHASE_CANARIED ? CANARIED : GOES_ON;
}

static int look(const struct installing *in, const struct taken *t, enum step *step, bool *failed, char *words, size_t cap,
		struct err *e)
{
	struct host h = { 0 };
	int rc = host_open(&h, in->s, true, e);
	struct channel *c = rc >= 0 ? host_channel(&h, t->channel) : NULL;

	if (c) {
		struct digest running = trial_running(&c->boot);

		*step = step_of(c, &t->digest, words, cap);
		*failed = c->state.phase == PHASE_IDLE && !digest_equal(&running, &t->digest);
	}
	host_close(&h);
	return rc < 0 ? rc : 0;
}

/* A verdict must be fresh at the switch too: then the mirror is read once more. */
static int follow(const struct installing *in, const struct taken *t, struct err *e)
{
	char words[300] = "", answer[MESSAGE_TEXT];
	enum step step = GOES_ON;
	bool failed = false;
	AUTO_FD int lock = -1;

	lock = home_lock(in->s->root, NULL, e);
	if (lock < 0 && e->code != ERR_CONFLICT)
		return e->code;
	if (lock >= 0) {
		printf("channel %s: goes on when the agent runs\n", t->channel);
		return 0;
	}
	while (step != OVER && clock_work_ms() < in->until) {
		if (look(in, t, &step, &failed, words, sizeof words, e) < 0)
			return e->code;
		if (step == CANARIED && in->mirror && orders_give(in->s, "mirror", t->channel, in->mirror, answer, sizeof answer, e) < 0)
			return e->code;
		if (step != OVER)
			poll(NULL, 0, LOOK_MS);
	}
	printf("channel %s: %s\n", t->channel, step == OVER ? words : "under way: ringhold-agent status");
	return failed ? 1 : 0;
}

/* ---- a mirror ---- */

/* 1: the path of what is to be brought; 0: nothing is, and the channel says why. */
static int offer_of(const struct installing *in, const char *channel, char path[HOME_PATH_MAX], struct err *e)
{
	const char *repo = *in->s->rings_repo ? settings_repo_name(in->s, REPO_CONTENT) : "";
	struct host h = { 0 };
	int rc = host_open(&h, in->s, true, e);
	const struct channel *c = rc >= 0 ? host_channel(&h, channel) : NULL;

	if (c && c->state.phase == PHASE_FETCHING) {
		rc = home_pathf(path, e, in->mirror, "%s%s/targets/%s", *repo ? "/" : "", repo, c->state.offer.path) < 0 ? e->code : 1;
	} else if (c) {
		printf("channel %s: %s\n", channel, c->state.phase == PHASE_IDLE ? c->state.last.reason : phase_name(c->state.phase));
	}
	host_close(&h);
	return rc;
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
	printf("%s\n", answer);
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
			fprintf(stderr, "ringhold-agent: %s\n", e->msg);
		worst |= rc != 0;
	}
	return worst;
}

int command_install(int argc, char **argv, const void *options, struct err *e)
{
	const struct install_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	struct installing in = { .only = o->channel };
	char real[PATH_MAX];
	struct taken taken;
	AUTO_FD int path = -1;
	struct stat st;
	int rc;

	(void)argc;
	log_init("agent", LOG_WARN);
	if (settings_load(&s, command_root(), NULL, e) < 0)
		return e->code;
	if (o->channel && !settings_channel(s, o->channel))
		return err_set(e, ERR_NOT_FOUND, "channel %s: not configured in agent.ini", o->channel);
	path = open_path(argv[0], &st, e);
	if (path < 0)
		return e->code;
	in.s = s;
	in.until = clock_work_ms() + (o->wait_s > 0 ? o->wait_s : WAIT_DEFAULT_S) * 1000;
	if (S_ISDIR(st.st_mode)) {
		if (!realpath(argv[0], real))
			return err_errno(e, "%s", argv[0]);
		in.mirror = real;
		return from_mirror(&in, e);
	}
	rc = bring(&in, argv[0], in.only, &taken, e);
	return rc == 1 ? follow(&in, &taken, e) : rc;
}
