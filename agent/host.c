/* host: opening everything the agent stands on. */
#include "agent/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/confine.h"
#include "agent/home.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "schema/contract.h"
#include "schema/reason.h"

static void no_ceilings(struct contract_ceilings *l)
{
#define X(name) l->name = CONTRACT_UNLIMITED;
	CONTRACT_CEILING_TABLE(X)
#undef X
}

/* The ceilings of probation come from it; whether content fits it is the check process's question. */
static int read_contract(struct host *h, struct err *e)
{
	AUTO(contract) struct contract *c = NULL;
	AUTO(buf) struct buf *bytes = NULL;
	char path[HOME_PATH_MAX];
	struct stat seen;
	struct err why;

	if (digest_is_zero(&h->contract))
		no_ceilings(&h->ceilings);
	if (!*h->s->contract)
		return 0;
	/* The look comes first: what is replaced in between is read again at the next. */
	if (home_path(path, h->s->root, h->s->contract, e) < 0)
		return e->code;
	if (stat(path, &seen) < 0)
		return err_errno(e, "contract %s", path);
	if (file_read(&bytes, path, CONTRACT_BYTES_MAX, e) < 0)
		return err_wrap(e, "contract");
	h->contract_file = seen;
	hash_bytes(&h->contract, bytes->data, bytes->len);
	no_ceilings(&h->ceilings);
	if (contract_parse(&c, path, bytes->data, bytes->len, &why) == 0)
		h->ceilings = c->ceilings;
	else
		log_warn("%s; no ceiling of it holds on probation", why.msg);
	return 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static int lift(struct channel *c, struct err *e)
{
	int lifted = quarantine_lift(c->boot.dir, &c->host->contract, e);

	if (lifted > 0)
		channel_log(c, "%d quarantines lifted: the sensor's contract is another one now", lifted);
	/* Whatever was found out about it was found out under the old one. */
	if (c->state.phase != PHASE_IDLE && !phase_on_trial(c->state.phase))
		channel_event(c, ON_WITHDRAWN, reason_word(REASON_CONTRACT_CHANGED), "");
	else
		channel_stop_job(c);
	return lifted < 0 ? lifted : 0;
}

int host_look_at_contract(struct host *h, struct err *e)
{
	struct digest before = h->contract;
	char path[HOME_PATH_MAX];
	struct stat st;
	struct err why;
	int rc = 1;

	if (!*h->s->contract || home_path(path, h->s->root, h->s->contract, e) < 0 || stat(path, &st) < 0 ||
	    same_file(&st, &h->contract_file))
		return 0;
	if (read_contract(h, e) < 0) {
		bool told = same_file(&st, &h->contract_unread);

		h->contract_unread = st;
		return told ? 0 : e->code;
	}
	if (digest_equal(&before, &h->contract))
		return 0;
	log_info("the sensor's contract is another one now: what runs is proved anew");
	h->round_wanted = true;
	/* Each channel, whatever became of the one before: nobody looks at this change again. */
	for (size_t i = 0; i < h->channel_count; i++)
		if (lift(&h->channels[i], &why) < 0) {
			*e = why;
			rc = why.code;
		}
	return rc;
}

struct giving {
	struct confine_identity to;
	const char *top;
};

static int give(const char *rel, bool is_dir, void *arg, struct err *e)
{
	const struct giving *g = arg;
	char path[HOME_PATH_MAX];

	(void)is_dir;
	if (home_pathf(path, e, g->top, "%s%s", *rel ? "/" : "", rel) < 0)
		return e->code;
	return lchown(path, g->to.uid, g->to.gid) < 0 ? err_errno(e, "give %s to uid %u", path, (unsigned)g->to.uid) : 0;
}

/* tuf/ belongs to the judge's own user, its only writer. */
static int prepare_judge(const struct settings *s, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct giving g = { .top = path };

	if (home_make(s->root, HOME_STATE "/tuf", false, e) < 0 || home_path(path, s->root, HOME_STATE "/tuf", e) < 0)
		return e->code;
	if (geteuid() != 0)
		return 0;
	if (confine_identity(&g.to, s, CONFINE_JUDGE, e) < 0)
		return e->code;
	return give("", true, &g, e) < 0 ? e->code : file_walk(path, give, &g, e);
}

/*
 * Content on trial has to answer for a crash of the kernel, probation sees to
 * that. Else the report of a step of the ladder holds it, or it was nobody's:
 * a fact about this host, that counts against no content. Killed in between it
 * is told twice rather than never.
 */
static int tell_crash(struct host *h, struct err *e)
{
	char words[sizeof h->crash.words + 64];

	if (host_other_trial(h, NULL))
		return 0;
	snprintf(words, sizeof words, "the kernel crashed with nothing on trial: %s", h->crash.words);
	if (h->crash.found && !h->crash.attached && host_event(h, "", "env", reason_word(REASON_KERNEL), words, e) < 0)
		return e->code;
	return crash_told(&h->crash, h->journal, e);
}

/* Time is taken to be that of the build then, and stands still: what is dated by this host is wrong until somebody sets its clock. */
static int tell_clock(struct host *h, struct err *e)
{
	char now[2 * BOOT_ID_LEN + 1], known[sizeof now], says[CLOCK_TEXT_LEN + 1], built[CLOCK_TEXT_LEN + 1], words[200];
	int64_t at;

	if (!h->channel_count || !clock_behind(&at))
		return 0;
	hex_encode(now, h->channels[0].boot.boot_id, BOOT_ID_LEN);
	if (journal_get(h->journal, "clock_told", known, sizeof known, e) == 1 && !strcmp(known, now))
		return 0;
	clock_text(says, at);
	clock_text(built, clock_now());
	snprintf(words, sizeof words, "the clock says %s, which is before this program was built: it is taken to be %s", says, built);
	log_warn("%s", words);
	if (host_event(h, "", "env", reason_word(REASON_CLOCK), words, e) < 0)
		return e->code;
	return journal_set(h->journal, "clock_told", now, e);
}

int host_open(struct host *h, const struct settings *s, bool look, struct err *e)
{
	memset(h, 0, sizeof *h);
	h->s = s;
	if (read_contract(h, e) < 0 || journal_open(&h->journal, s->root, e) < 0 || credentials_load(&h->credentials, s, e) < 0)
		return e->code;
	/* An agent that can write nothing down would stand still for ever. */
	if (!look && journal_writable(h->journal, e) < 0)
		return e->code;
	if (!look && (prepare_judge(s, e) < 0 || crash_look(&h->crash, s->root, h->journal, e) < 0))
		return e->code;
	h->channels = calloc(s->channel_count, sizeof *h->channels);
	if (!h->channels)
		return err_memory(e);
	for (size_t i = 0; i < s->channel_count; i++) {
		h->channel_count++;
		if (channel_open(&h->channels[i], h, &s->channels[i], look, e) < 0)
			return err_wrap(e, "channel %s", s->channels[i].name);
	}
	h->round_wanted = true;
	return look || (tell_crash(h, e) == 0 && tell_clock(h, e) == 0) ? 0 : e->code;
}

void host_close(struct host *h)
{
	for (size_t i = 0; i < h->channel_count; i++)
		channel_close(&h->channels[i]);
	free(TAKE(h->channels));
	h->channel_count = 0;
	journal_close(TAKE(h->journal));
}

struct channel *host_channel(struct host *h, const char *name)
{
	for (size_t i = 0; i < h->channel_count; i++)
		if (!strcmp(h->channels[i].state.name, name))
			return &h->channels[i];
	return NULL;
}

bool host_other_trial(const struct host *h, const struct channel *c)
{
	for (size_t i = 0; i < h->channel_count; i++)
		if (&h->channels[i] != c && (trial_on(&h->channels[i].boot) || phase_on_trial(h->channels[i].state.phase)))
			return true;
	return false;
}

bool host_other_download(const struct host *h, const struct channel *c)
{
	for (size_t i = 0; i < h->channel_count; i++)
		if (&h->channels[i] != c && h->channels[i].job.kind == JOB_DOWNLOAD)
			return true;
	return false;
}

int host_event(struct host *h, const char *channel, const char *kind, const char *reason, const char *evidence, struct err *e)
{
	struct message_event event = { .at = clock_now() };

	snprintf(event.channel, sizeof event.channel, "%s", channel);
	snprintf(event.kind, sizeof event.kind, "%s", kind);
	snprintf(event.reason, sizeof event.reason, "%s", reason);
	snprintf(event.evidence, sizeof event.evidence, "%s", evidence);
	h->round_wanted = true;
	if (journal_begin(h->journal, e) < 0)
		return e->code;
	if (journal_event(h->journal, &event, e) < 0 || journal_end(h->journal, e) < 0) {
		journal_undo(h->journal);
		return e->code;
	}
	return 0;
}
