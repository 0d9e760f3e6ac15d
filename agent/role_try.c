/*
 * role_try: the two processes that look into content. `check` re-hashes a slot,
 * holds it against the contract, or compares it with another by the names of
 * what they detect, and no engine runs; `canary` loads it with its engine in a
 * child that content/canary.c confines.
 */
#include "agent/role.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/message.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "content/canary.h"
#include "content/check.h"
#include "content/detections.h"
#include "content/novel.h"
#include "content/sandbox.h"
#include "content/tree.h"
#include "schema/contract.h"
#include "schema/reason.h"

#define LEAVE_OUT_MAX 1024

static int answer(int sock, const struct message_result *r)
{
	struct err e;

	if (message_send(sock, MSG_RESULT, r, -1, &e) == 0)
		return 0;
	log_error("%s", e.msg);
	return 1;
}

static void refuse(struct message_result *r, enum result_outcome outcome, const char *reason, const struct err *why)
{
	r->outcome = outcome;
	r->code = why->code;
	snprintf(r->reason, sizeof r->reason, "%s", reason);
	snprintf(r->text, sizeof r->text, "%s", why->msg);
}

/* ---- check ---- */

static int contract_of(struct contract **out, const struct settings *s, struct err *e)
{
	char path[HOME_PATH_MAX];

	*out = NULL;
	if (!*s->contract)
		return 0;
	if (home_path(path, s->root, s->contract, e) < 0)
		return e->code;
	return contract_load(out, path, e);
}

/* ---- rules that may act and did not before ---- */

static int say_one(void *arg, const char *id, struct err *e)
{
	struct message_rule m = { .change = RULE_NEW };
	const int *sock = arg;

	snprintf(m.rule, sizeof m.rule, "%s", id);
	return message_send(*sock, MSG_RULE, &m, -1, e);
}

static int say_novel(const struct message_attempt *t, int slot, int sock, struct err *e)
{
	AUTO_FD int before = *t->before ? open(t->before, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;

	if (*t->before && before < 0)
		return err_errno(e, "slot %s", t->before);
	return novel_rules(slot, before, say_one, &sock, e);
}

static void check_slot(struct message_result *r, const struct settings *s, const struct message_attempt *t, int sock)
{
	AUTO(check_report) struct check_report *report = NULL;
	AUTO(manifest) struct manifest *m = NULL;
	AUTO(contract) struct contract *c = NULL;
	AUTO_FD int dir = open(t->slot, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct err why = { 0 };

	if (dir < 0) {
		err_errno(&why, "slot %s", t->slot);
		refuse(r, RESULT_ENVIRONMENT, reason_word(REASON_DISK_BAD), &why);
		return;
	}
	if (tree_verify(dir, &t->digest, &m, NULL, NULL, &why) < 0) {
		/* D was right when the slot was built: this is the disk's doing, unless D is right still. */
		if (why.code == ERR_REFUSED)
			refuse(r, RESULT_REFUSED, reason_word(REASON_ARCHIVE), &why);
		else
			refuse(r, RESULT_RETRY, reason_word(REASON_DIGEST), &why);
		return;
	}
	if (t->rehash)
		return;
	if (strcmp(m->channel, t->channel) != 0) {
		err_set(&why, ERR_REFUSED, "manifest.json: of channel %s, not %s", m->channel, t->channel);
		refuse(r, RESULT_REFUSED, reason_word(REASON_ARCHIVE), &why);
		return;
	}
	if (contract_of(&c, s, &why) < 0 || check_content(&report, &(struct check_job){ .dir = dir, .manifest = m, .contract = c }, &why) < 0) {
		refuse(r, RESULT_ENVIRONMENT, reason_word(REASON_INTERNAL), &why);
		return;
	}
	if (check_verdict(report, &why) < 0)
		refuse(r, RESULT_REFUSED, check_reason(report) ? check_reason(report) : reason_word(REASON_CONTRACT), &why);
	else if (t->novel && say_novel(t, dir, sock, &why) < 0)
		refuse(r, RESULT_ENVIRONMENT, reason_word(REASON_INTERNAL), &why);
}

/* ---- compare ---- */

static int say_rule(void *arg, enum detections_change change, const char *name, struct err *e)
{
	static const enum rule_change changes[] = {
		[DETECTIONS_NEW] = RULE_NEW, [DETECTIONS_CHANGED] = RULE_CHANGED, [DETECTIONS_GONE] = RULE_GONE,
	};
	struct message_rule m = { .change = changes[change] };
	const int *sock = arg;

	_Static_assert(sizeof m.rule > DETECTIONS_NAME_MAX, "a name is sent whole");
	snprintf(m.rule, sizeof m.rule, "%s", name);
	json_make_printable(m.rule);
	return message_send(*sock, MSG_RULE, &m, -1, e);
}

static int detections_at(struct detections **out, const char *slot, struct err *e)
{
	AUTO_FD int dir = open(slot, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (dir < 0)
		return err_errno(e, "slot %s", slot);
	return detections_read(out, dir, e);
}

static void compare_slots(struct message_result *r, const struct message_compare *c, int sock)
{
	AUTO(detections) struct detections *from = NULL, *to = NULL;
	struct err why = { 0 };

	if ((*c->from && detections_at(&from, c->from, &why) < 0) || detections_at(&to, c->to, &why) < 0 ||
	    detections_compare(from, to, say_rule, &sock, &why) < 0)
		refuse(r, RESULT_ENVIRONMENT, reason_word(REASON_INTERNAL), &why);
	else
		r->rules = detections_count(to);
}

int role_check(const struct settings *s, int sock)
{
	static const enum message_type allowed[] = { MSG_TRY, MSG_COMPARE, 0 };
	static struct message m;
	struct message_result r = { .outcome = RESULT_OK };
	struct err e = { 0 };

	if (message_receive(sock, &m, allowed, -1, &e) != 1) {
		log_error("%s", e.code ? e.msg : "the supervisor is gone");
		return 1;
	}
	if (m.type == MSG_COMPARE)
		compare_slots(&r, &m.u.compare, sock);
	else
		check_slot(&r, s, &m.u.attempt, sock);
	return answer(sock, &r);
}

/* ---- canary ---- */

struct attempt {
	struct message_attempt what;
	char (*leave_out)[256];
	const char *drop[LEAVE_OUT_MAX];
	size_t drop_count;
};

static int receive_attempt(struct attempt *t, int sock, struct err *e)
{
	static const enum message_type allowed[] = { MSG_TRY, MSG_LEAVE_OUT, MSG_GO, 0 };
	static struct message m;
	int rc;

	while ((rc = message_receive(sock, &m, allowed, -1, e)) == 1) {
		if (m.type == MSG_GO)
			return 0;
		if (m.type == MSG_TRY) {
			t->what = m.u.attempt;
			continue;
		}
		if (t->drop_count == LEAVE_OUT_MAX)
			return err_set(e, ERR_LIMIT, "more than %d rules to leave out", LEAVE_OUT_MAX);
		memcpy(t->leave_out[t->drop_count], m.u.leave_out.rule, sizeof m.u.leave_out.rule);
		t->drop[t->drop_count] = t->leave_out[t->drop_count];
		t->drop_count++;
	}
	return rc < 0 ? rc : err_set(e, ERR_IO, "the supervisor is gone");
}

#define COMMANDS_MAX 16

struct commands {
	struct loader_exec list[COMMANDS_MAX];
	char types[COMMANDS_MAX][NAME_LEN_MAX + 1];
	char paths[COMMANDS_MAX][HOME_PATH_MAX];
	const char *argv[COMMANDS_MAX][2];
	size_t count;
	char corpora[COMMANDS_MAX][HOME_PATH_MAX];
	const char *benign[COMMANDS_MAX];
	size_t benign_count;
	char read_paths[COMMANDS_MAX][HOME_PATH_MAX];
	const char *reads[COMMANDS_MAX];
	size_t read_count;
	char scratch[HOME_PATH_MAX];
};

static int paths_below(char paths[][HOME_PATH_MAX], const char **list, size_t *count, const char *root, char **below, struct err *e)
{
	for (; below && *below; below++) {
		if (*count == COMMANDS_MAX)
			return err_set(e, ERR_LIMIT, "%s: more than %d of its kind", *below, COMMANDS_MAX);
		if (home_path(paths[*count], root, *below, e) < 0)
			return e->code;
		list[*count] = paths[*count];
		(*count)++;
	}
	return 0;
}

/* The sensor vendor's and the site's; either may have none. What is there and cannot be read is trouble, not absence. */
static int corpora_present(struct commands *c, const char *root, struct err *e)
{
	static const char *const places[] = { HOME_BENIGN_VENDOR, HOME_BENIGN_SITE };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char *one[] = { (char *)(uintptr_t)places[i], NULL }, path[HOME_PATH_MAX];

		if (home_path(path, root, places[i], e) < 0)
			return e->code;
		if (access(path, F_OK) < 0 && errno == ENOENT)
			continue;
		if (paths_below(c->corpora, c->benign, &c->benign_count, root, one, e) < 0)
			return e->code;
	}
	return 0;
}

static int commands_of(struct commands *c, const struct settings *s, const struct settings_channel *channel, struct err *e)
{
	for (char **x = channel->exec; x && *x; x++) {
		const char *equals = strchr(*x, '=');
		size_t n = c->count;

		if (n == COMMANDS_MAX)
			return err_set(e, ERR_LIMIT, "channel %s: more than %d exec commands", channel->name, COMMANDS_MAX);
		snprintf(c->types[n], sizeof c->types[n], "%.*s", (int)(equals - *x), *x);
		if (home_path(c->paths[n], s->root, equals + 1, e) < 0 || file_check_private(c->paths[n], false, e) < 0)
			return e->code;
		c->argv[n][0] = c->paths[n];
		c->list[n] = (struct loader_exec){ .type = c->types[n], .argv = c->argv[n] };
		c->count++;
	}
	return corpora_present(c, s->root, e) < 0 || paths_below(c->corpora, c->benign, &c->benign_count, s->root, channel->benign, e) < 0 ||
		       paths_below(c->read_paths, c->reads, &c->read_count, s->root, channel->exec_reads, e) < 0
	       ? e->code : 0;
}

/* Is it ours, and a file system of its own? Where the kernel mounted none, commands write nothing. */
static const char *scratch_of(struct commands *c, const struct settings *s)
{
	char above[HOME_PATH_MAX];
	struct stat in, out;
	struct err e;

	if (home_path(c->scratch, s->root, HOME_SCRATCH, &e) < 0 || home_path(above, s->root, HOME_RUN, &e) < 0 ||
	    stat(c->scratch, &in) < 0 || stat(above, &out) < 0 || in.st_dev == out.st_dev || in.st_uid != geteuid())
		return NULL;
	return c->scratch;
}

static enum result_outcome outcome_of(enum canary_outcome o)
{
	switch (o) {
	case CANARY_OK:
		return RESULT_OK;
	case CANARY_HANG:
	case CANARY_MEMORY:
		return RESULT_RETRY;
	case CANARY_ENVIRONMENT:
		return RESULT_ENVIRONMENT;
	default:
		return RESULT_REFUSED;
	}
}

static int contract_bytes(struct buf **out, const struct settings *s, struct err *e)
{
	char path[HOME_PATH_MAX];

	*out = NULL;
	if (!*s->contract)
		return 0;
	if (home_path(path, s->root, s->contract, e) < 0)
		return e->code;
	return file_read(out, path, CONTRACT_BYTES_MAX, e);
}

/* Of a try that went well: one that broke off may not have come so far. */
static int strict_enough(const struct settings *s, const struct canary_result *r, struct err *e)
{
	uint32_t all = CANARY_CONFINEMENT_ALL & ~(SANDBOX_SANITIZED ? (uint32_t)CANARY_RLIMIT_AS : 0);
	char missing[160];

	if (!s->strict_sandbox || r->outcome != CANARY_OK || !(all & ~r->confinement))
		return 0;
	canary_confinement_words(all & ~r->confinement, missing, sizeof missing);
	return err_set(e, ERR_UNSUPPORTED, "canary: strict-sandbox is on, and the try ran without: %s", missing);
}

static int try_slot(struct message_result *r, const struct settings *s, const struct attempt *t, struct commands *c,
		    struct err *e)
{
	const struct settings_channel *channel = settings_channel(s, t->what.channel);
	AUTO(buf) struct buf *contract = NULL;
	static struct canary_result result;
	char hex[DIGEST_HEX_LEN + 1];
	struct canary_job job = { .slot = t->what.slot, .digest = hex, .drop = t->drop, .drop_count = t->drop_count };

	if (!channel)
		return err_set(e, ERR_INTERNAL, "channel %s is not configured", t->what.channel);
	if (commands_of(c, s, channel, e) < 0 || contract_bytes(&contract, s, e) < 0)
		return e->code;
	digest_hex(hex, &t->what.digest);
	job.contract = contract ? contract->data : NULL;
	job.contract_len = contract ? contract->len : 0;
	job.benign = c->benign;
	job.benign_count = c->benign_count;
	job.exec = c->list;
	job.exec_count = c->count;
	job.reads = c->reads;
	job.read_count = c->read_count;
	job.scratch = c->count ? scratch_of(c, s) : NULL;
	job.wall_ms = channel->canary_wall_s * 1000;
	job.alone = getpid() == 1;
	if (canary_run(&job, &result, e) < 0 || strict_enough(s, &result, e) < 0)
		return e->code;
	r->outcome = outcome_of(result.outcome);
	snprintf(r->reason, sizeof r->reason, "%s", result.reason);
	snprintf(r->text, sizeof r->text, "%s", result.sentence);
	r->load_ms = result.load_ms;
	r->rss_bytes = result.rss_bytes;
	r->us_per_event = result.us_per_event;
	r->rules = result.rules;
	r->dropped = result.dropped;
	r->confinement = result.confinement;
	return 0;
}

int role_canary(const struct settings *s, int sock)
{
	static struct attempt t;
	static struct commands c;
	struct message_result r = { .outcome = RESULT_OK };
	struct err e = { 0 };

	t.leave_out = calloc(LEAVE_OUT_MAX, sizeof *t.leave_out);
	if (!t.leave_out || receive_attempt(&t, sock, &e) < 0) {
		log_error("%s", e.code ? e.msg : "out of memory");
		return 1;
	}
	if (try_slot(&r, s, &t, &c, &e) < 0)
		refuse(&r, RESULT_ENVIRONMENT, reason_word(REASON_INTERNAL), &e);
	free(t.leave_out);
	return answer(sock, &r);
}
