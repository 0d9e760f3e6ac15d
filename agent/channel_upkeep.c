/*
 * channel_upkeep: what is done with content on disk, beside the phases: first
 * whether what runs fits the contract of now, then whether its bytes are
 * right, then which single rules are left out of it, then what a hold leaves
 * out. A phase that begins takes the job away;
 * all of this finds its place again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/schedule.h"
#include "agent/slots.h"
#include "agent/transfer.h"
#include "base/clock.h"
#include "base/log.h"

#define RETRY_FIRST_S 60
#define RETRY_MOST_S 3600
#define LOOK_MS 1000

int upkeep_slot(struct message_attempt *t, const struct channel *c, const struct digest *d, struct err *e)
{
	memset(t, 0, sizeof *t);
	memcpy(t->channel, c->state.name, sizeof t->channel);
	t->digest = *d;
	return slots_path(t->slot, sizeof t->slot, c->host->s->root, c->state.name, d, e);
}

int64_t upkeep_later(uint64_t *tries)
{
	uint64_t chance = 0;
	struct err ignored;

	(void)!random_bytes(&chance, sizeof chance, &ignored);
	++*tries;
	return clock_now() + schedule_backoff_ms(*tries, RETRY_FIRST_S, RETRY_MOST_S, chance) / 1000;
}

/* ---- a canary load of any slot ---- */

struct leave_out {
	char (*rules)[256];
	size_t count;
};

static int add_rule(void *arg, const char *rule, struct err *e)
{
	struct leave_out *l = arg;

	if (l->count == CHANNEL_DROPS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d rules to leave out", CHANNEL_DROPS_MAX);
	snprintf(l->rules[l->count++], sizeof l->rules[0], "%s", rule);
	return 0;
}

int upkeep_canary_without(struct channel *c, const struct digest *d, const char (*rules)[256], size_t count, struct err *e)
{
	static const char *list[CHANNEL_DROPS_MAX];
	static struct message_attempt t;

	for (size_t i = 0; i < count; i++)
		list[i] = rules[i];
	if (upkeep_slot(&t, c, d, e) < 0)
		return e->code;
	return job_canary(&c->job, c->host->s, &t, list, count, c->cfg->canary_wall_s * 1000, e);
}

int upkeep_canary(struct channel *c, const struct digest *d, struct err *e)
{
	struct leave_out l = { .rules = calloc(CHANNEL_DROPS_MAX, sizeof *l.rules) };
	int rc = l.rules ? journal_drops(c->host->journal, c->state.name, d, add_rule, &l, e) : err_memory(e);

	if (rc == 0)
		rc = upkeep_canary_without(c, d, l.rules, l.count, e);
	free(l.rules);
	return rc;
}

/* ---- bringing a slot ---- */

int upkeep_bring(struct channel *c, const struct message_verdict *source, bool mend, struct err *e)
{
	struct transfer t = transfer_named(source->path, &source->sha256, source->length);
	struct message_unpack m = { .digest = source->digest, .size = source->size, .length = source->length };
	int rc = transfer_verified(c, &t, e);

	c->upkeep.source = *source;
	c->upkeep.mend = mend;
	c->upkeep.bringing = true;
	if (rc == 1) {
		AUTO_FD int file = transfer_open(c, &t, e);

		if (file < 0)
			return e->code;
		c->upkeep.task = UPKEEP_UNPACK;
		rc = mend ? job_replace(&c->job, c->host->s, file, c->boot.dir, &m, e)
			  : job_unpack(&c->job, c->host->s, file, c->boot.dir, &m, e);
	} else {
		if (rc == ERR_REFUSED)
			transfer_forget(c, &t);
		if (rc < 0)
			return rc;
		c->upkeep.task = UPKEEP_FETCH;
		rc = transfer_download(c, &t, e);
	}
	if (rc < 0)
		c->upkeep.task = UPKEEP_NONE;
	return rc;
}

static void bring_later(struct channel *c, const char *why)
{
	struct upkeep *u = &c->upkeep;

	log_warn("channel %s: serial %llu cannot be fetched again now: %s", c->state.name, (unsigned long long)u->source.assigned_serial, why);
	if (u->mend)
		u->mend_at = upkeep_later(&u->mend_tries);
	else
		u->peek_at = upkeep_later(&u->peek_tries);
	if (!u->mend)
		u->bringing = false;
}

static void brought(struct channel *c, const struct job_result *r)
{
	struct upkeep *u = &c->upkeep;
	struct transfer t = transfer_named(u->source.path, &u->source.sha256, u->source.length);
	struct err e;

	if (r->outcome != RESULT_OK) {
		if (r->kind == JOB_UNPACK || r->code == ERR_LIMIT || r->code == 416)
			transfer_forget(c, &t);
		bring_later(c, r->text);
		return;
	}
	if (r->kind == JOB_DOWNLOAD) {
		if (upkeep_bring(c, &u->source, u->mend, &e) < 0)
			bring_later(c, e.msg);
		return;
	}
	transfer_forget(c, &t);
	u->bringing = false;
	if (u->mend)
		mend_brought(c);
}

/* ---- turns ---- */

void channel_upkept(struct channel *c, const struct job_result *r)
{
	enum upkeep_task task = c->upkeep.task;

	c->upkeep.task = UPKEEP_NONE;
	switch (task) {
	case UPKEEP_FETCH:
	case UPKEEP_UNPACK:
		brought(c, r);
		break;
	case UPKEEP_REHASH:
		mend_rehashed(c, r);
		break;
	case UPKEEP_COMPARE:
		missed_compared(c, r);
		break;
	case UPKEEP_REDROP:
		redrop_tried(c, r);
		break;
	default:
		prove_tried(c, r);
		break;
	}
}

static bool started(const struct channel *c)
{
	return c->job.kind != JOB_NONE;
}

int64_t channel_upkeep(struct channel *c)
{
	int64_t wait = -1;

	if (*c->state.ending)
		return -1;
	if (c->state.phase == PHASE_IDLE || phase_on_trial(c->state.phase))
		wait = prove_look(c);
	if (!started(c) && wait < 0 && (c->state.phase == PHASE_IDLE || c->state.phase == PHASE_ACTIVE))
		wait = redrop_look(c);
	if (started(c) || wait >= 0 || c->state.phase != PHASE_IDLE)
		return started(c) ? LOOK_MS : wait;
	(void)mend_look(c);
	if (!started(c))
		(void)missed_look(c);
	return started(c) ? LOOK_MS : -1;
}
