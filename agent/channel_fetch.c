/* channel_fetch: FETCHING: download, verify, unpack; by delta when there is one, else whole. */
#include <stdio.h>
#include <string.h>

#include "agent/channel.h"
#include "agent/slots.h"
#include "agent/transfer.h"
#include "base/log.h"
#include "schema/reason.h"

#define LOOK_MS 1000
#define DELTA_TRIES 3

static struct transfer transfer_of(const struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;

	return c->by_delta ? transfer_named(o->delta_path, &o->delta_sha256, o->delta_length) : transfer_named(o->path, &o->sha256, o->length);
}

static int unpack(struct channel *c, const struct transfer *t, struct err *e)
{
	const struct message_verdict *o = &c->state.offer;
	struct message_unpack m = { .delta = c->by_delta, .digest = o->digest, .from = o->delta_from, .size = o->size,
				    .window_log = o->window_log, .length = t->length };
	struct digest baseline = trial_at(&c->boot, RUNG_BASELINE);
	AUTO_FD int file = transfer_open(c, t, e);

	if (file < 0)
		return e->code;
	if (job_unpack(&c->job, c->host->s, file, c->boot.dir, &m, e) < 0)
		return e->code;
	if (c->by_delta && digest_equal(&o->delta_from, &baseline))
		job_share_nothing(&c->job);
	return 0;
}

/* The delta did not do: the whole archive, at once. */
static void without_delta(struct channel *c, const char *why)
{
	struct journal_channel before = c->state;
	struct err e;

	log_warn("channel %s: the delta cannot be used, the whole archive is fetched: %s", c->state.name, why);
	c->state.no_delta = true;
	if (channel_store(c, "", "", "", &e) < 0) {
		log_error("channel %s: %s", c->state.name, e.msg);
		c->state = before;
		c->state.no_delta = true;
	}
}

/* A line that is cut is no fault of the delta, whose bytes so far are kept; only again and again it is. */
static void not_transferred(struct channel *c, bool passing, const char *reason, const char *why)
{
	if (c->by_delta && !c->state.no_delta && (!passing || c->state.tries + 1 >= DELTA_TRIES))
		without_delta(c, why);
	else
		channel_later(c, reason, why);
}

/* Will the same request do some other time? */
static bool passing(int code)
{
	return code < 0 ? code == ERR_NET || code == ERR_TIMEOUT || code == ERR_SPACE || code == ERR_IO : code == 408 || code == 429 || code >= 500;
}

static const char *reason_of(const struct err *e)
{
	return reason_word(e->code == ERR_SPACE ? REASON_DISK_FULL : e->code == ERR_MEMORY ? REASON_MEMORY : REASON_DISK_BAD);
}

int64_t channel_fetch(struct channel *c)
{
	const struct message_verdict *o = &c->state.offer;
	struct transfer t;
	struct err e = { 0 };
	int rc;

	if (slots_have(c->boot.dir, &o->digest)) {
		if (slots_sync(c->boot.dir, &e) < 0)
			channel_later(c, reason_of(&e), e.msg);
		else
			channel_event(c, ON_STAGED, "", "");
		return 0;
	}
	c->by_delta = o->has_delta && !c->state.no_delta && slots_have(c->boot.dir, &o->delta_from);
	t = transfer_of(c);
	rc = transfer_verified(c, &t, &e);
	if (rc == ERR_REFUSED) {
		transfer_forget(c, &t);
		not_transferred(c, false, reason_word(REASON_DIGEST), e.msg);
		return 0;
	}
	if (rc == 1)
		rc = unpack(c, &t, &e);
	else if (rc == 0 && channel_line_free(c) && channel_may_transfer(c, o, t.length))
		rc = transfer_download(c, &t, &e);
	if (rc < 0)
		not_transferred(c, false, reason_of(&e), e.msg);
	return LOOK_MS;
}

static void unpacked(struct channel *c, const struct job_result *r)
{
	const struct message_verdict *o = &c->state.offer;
	struct transfer t = transfer_of(c);
	struct err e;

	if (r->outcome == RESULT_OK) {
		transfer_forget(c, &t);
		channel_note(c, "fetched", "%s, %llu bytes", c->by_delta ? "delta" : "archive", (unsigned long long)t.length);
		if (journal_serial_set(c->host->journal, c->state.name, &o->digest, o->serial, &e) < 0 ||
		    journal_slot_source(c->host->journal, c->state.name, o, &e) < 0)
			channel_later(c, reason_word(REASON_DISK_BAD), e.msg);
		else
			channel_event(c, ON_STAGED, "", "");
		return;
	}
	if (r->outcome == RESULT_ENVIRONMENT && !c->by_delta) {
		channel_later(c, r->reason, r->text);
		return;
	}
	if (c->by_delta) {
		transfer_forget(c, &t);
		without_delta(c, r->text);
	} else if (r->outcome == RESULT_REFUSED || c->state.tries >= 2) {
		transfer_forget(c, &t);
		channel_event(c, ON_REFUSED, r->reason, r->text);
	} else {
		channel_later(c, r->reason, r->text);
	}
}

void channel_transferred(struct channel *c, const struct job_result *r)
{
	struct transfer t = transfer_of(c);

	if (r->kind == JOB_UNPACK) {
		unpacked(c, r);
	} else if (r->outcome != RESULT_OK) {
		if (r->code == ERR_LIMIT || r->code == 416)     /* not ours: begin anew */
			transfer_forget(c, &t);
		not_transferred(c, passing(r->code), r->reason, r->text);
	} else {
		struct err e = { 0 };
		int rc = transfer_verified(c, &t, &e);

		if (rc == 1)    /* the next look unpacks it */
			return;
		transfer_forget(c, &t);
		if (rc == 0)
			err_set(&e, ERR_NET, "%s: shorter than the %llu bytes that were signed", t.path, (unsigned long long)t.length);
		not_transferred(c, false, rc == 0 || rc == ERR_REFUSED ? reason_word(REASON_DIGEST) : reason_of(&e), e.msg);
	}
}
