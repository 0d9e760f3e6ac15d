/* control_order: what people order, and whether it means anything now. */
#include <stdio.h>
#include <string.h>

#include "server/control_parts.h"
#include "server/http.h"
#include "server/now.h"

static const char *const orders[] = {
	[ORDER_PROMOTE] = "promote", [ORDER_PAUSE] = "pause", [ORDER_RESUME] = "resume",
	[ORDER_HALT] = "halt",       [ORDER_ABORT] = "abort", [ORDER_APPROVE] = "approve", [ORDER_RETRY] = "retry",
	[ORDER_EMERGENCY] = "emergency",
};

const char *control_order_name(enum control_order o)
{
	return orders[o];
}

int control_order_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		if (strcmp(orders[i], name) == 0)
			return (int)i;
	return -1;
}

static bool named(const struct stage *g, const char *ring)
{
	return !ring || !ring[0] || strcmp(g->policy->name, ring) == 0;
}

/* ---- one order to one ring: whether it means anything there, and what it does ---- */

static bool can_pause(const struct stage *g)
{
	return !g->operator_hold && (state_next(g->state, RING_HOLD) >= 0 || state_held(g->state));
}

static int pause_stage(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e)
{
	struct stage next = control_copy(s, g);

	next.operator_hold = true;
	if (control_keep(s, g, &next, "operator", m, now, e) < 0)
		return e->code;
	return state_held(g->state) ? 0 : control_move(s, g, RING_HOLD, m, now, e);
}

static bool can_resume(const struct stage *g)
{
	return state_held(g->state);
}

static int resume(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e)
{
	struct stage next = control_copy(s, g);

	next.operator_hold = false;
	next.continue_anyway = true;
	return control_keep(s, g, &next, "operator", m, now, e);
}

#define ORDER_TEXT 80
static void order_text(char out[ORDER_TEXT], uint64_t attempt, bool restored)
{
	snprintf(out, ORDER_TEXT, "{\"attempt\":%llu,\"restored\":%s}", (unsigned long long)attempt, restored ? "true" : "false");
}

/* Keeps what is written into the row of the rollout, with the order. */
static int keep_rollout(struct server *s, const struct rollout *r, const struct store_rollout *row, const char *action, const struct motive *m,
			int64_t now, struct err *e)
{
	struct server_batch b = { .count = 0 };
	struct store_record *record = server_record(&b, STORE_ROLLOUT), *decision = server_record(&b, STORE_DECISION);
	char subject[32], was[ORDER_TEXT], becomes[ORDER_TEXT];

	record->u.rollout = *row;
	decision->u.decision = (struct store_decision){
		.at = now, .kind = "operator", .channel = r->channel, .ring = "", .device = "", .rollout = r->id,
		.digest = r->bundle.digest, .from = "", .to = "", .cause = m->cause, .sentence = m->sentence, .inputs = "",
	};
	snprintf(subject, sizeof subject, "rollout %llu", (unsigned long long)r->id);
	order_text(was, r->attempt, r->restored);
	order_text(becomes, row->attempt, row->restored);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = m->who, .action = action, .subject = subject, .why = m->sentence,
							    .was = was, .becomes = becomes });
	return server_write(s, &b, e) < 0 ? err_wrap(e, "%s", subject) : 0;
}

/* A rollout that came back with a backup: from now on it is like any other. */
static int resume_restored(struct server *s, struct rollout *r, const struct motive *m, int64_t now, struct err *e)
{
	struct store_rollout row;

	/* What stopped it may be newer than the backup. */
	if (desk_stopped(s->desk, r->channel, &r->bundle.digest))
		return err_set(e, ERR_CONFLICT, "rollout %llu: its bundle is stopped: halt it or give it up", (unsigned long long)r->id);
	rollout_row(r, &row);
	row.restored = false;
	if (keep_rollout(s, r, &row, "resume", m, now, e) < 0)
		return e->code;
	pthread_mutex_lock(&s->lock);
	r->restored = false;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

/* Endpoints that put the bundle aside take it up again: quarantines are of an attempt. The next tick signs it (control_reissue.c). */
static int retry(struct server *s, struct rollout *r, const struct motive *m, int64_t now, struct err *e)
{
	struct store_rollout row;

	rollout_row(r, &row);
	row.attempt++;
	if (keep_rollout(s, r, &row, "retry", m, now, e) < 0)
		return e->code;
	pthread_mutex_lock(&s->lock);
	r->attempt = row.attempt;
	pthread_mutex_unlock(&s->lock);
	s->reissued_at = 0;
	return 0;
}

static bool can_retry(const struct server *s, const struct rollout *r)
{
	bool entered = false;

	for (size_t i = 0; i < r->policy->count; i++)
		entered = entered || state_armed(r->stages[i].state);
	return entered && !r->restored && !desk_stopped(s->desk, r->channel, &r->bundle.digest);
}

static bool can_halt(const struct stage *g)
{
	return state_next(g->state, RING_HALT) >= 0;
}

static const struct {
	bool (*means)(const struct stage *g);
	int (*act)(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e);
	bool once;      /* the first ring is enough: it takes the others along */
} by_stage[] = {
	[ORDER_PAUSE] = { can_pause, pause_stage, false },
	[ORDER_RESUME] = { can_resume, resume, false },
	[ORDER_HALT] = { can_halt, control_halt, true },
};

/* What a hook holds is promoted by asking people; they approve once the ring is theirs to approve. */
static bool passes_hook(const struct stage *g, const struct control_wish *w)
{
	return w->order == ORDER_PROMOTE && control_held_by_hook(g) && !control_hook_passed(g);
}

/* Every ring that asks, or the one that is named. */
static int agree(struct server *s, struct rollout *r, struct control_wish *w, const struct motive *m, int64_t now, struct err *e)
{
	int moved = 0;

	for (size_t i = 0; i < r->policy->count; i++) {
		struct stage *g = &r->stages[i];

		if (!named(g, w->ring) || (!control_asks_now(g) && !passes_hook(g, w)))
			continue;
		if (passes_hook(g, w)) {
			if (!w->dry_run && control_pass_hook(s, g, m, now, e) < 0)
				return e->code;
			moved++;
			continue;
		}
		if ((w->order == ORDER_APPROVE && control_may_agree(r, g, w, e) < 0) || (!w->dry_run && control_agree(s, g, w, m, now, e) < 0))
			return e->code;
		moved++;
	}
	return moved;
}

/* Of what no ring can halt any more; a dry run is refused as the order would be. */
static int stop(struct server *s, struct rollout *r, const struct control_wish *w, const struct motive *m, int64_t now, struct err *e)
{
	if (control_may_stop(s, r, e) < 0)
		return e->code;
	return !w->dry_run && control_stop(s, r, m, now, e) < 0 ? e->code : 1;
}

/* How many rings it moved, or would move. */
static int apply(struct server *s, struct rollout *r, struct control_wish *w, const struct motive *m, int64_t now, struct err *e)
{
	int moved = 0;

	if (w->order == ORDER_ABORT) {
		if (!rollout_lives(r))
			return 0;
		return !w->dry_run && control_abort(s, r, 0, m, now, e) < 0 ? e->code : 1;
	}
	if (w->order == ORDER_EMERGENCY || w->emergency)
		return control_emergency(s, r, w, m, now, e);
	if (w->order == ORDER_PROMOTE || w->order == ORDER_APPROVE)
		return agree(s, r, w, m, now, e);
	if (w->order == ORDER_RETRY) {
		if (!can_retry(s, r))
			return 0;
		return !w->dry_run && retry(s, r, m, now, e) < 0 ? e->code : 1;
	}
	if (w->order == ORDER_HALT && !(w->ring && w->ring[0]) && control_can_stop(s, r))
		return stop(s, r, w, m, now, e);
	if (w->order == ORDER_RESUME && r->restored)
		return !w->dry_run && resume_restored(s, r, m, now, e) < 0 ? e->code : 1;
	for (size_t i = 0; i < r->policy->count; i++) {
		struct stage *g = &r->stages[i];

		if (!named(g, w->ring) || !by_stage[w->order].means(g))
			continue;
		if (!w->dry_run && by_stage[w->order].act(s, g, m, now, e) < 0)
			return e->code;
		moved++;
		if (by_stage[w->order].once)
			break;
	}
	return moved;
}

/* ---- an order ---- */

static int check(struct server *s, const struct rollout *r, struct control_wish *w, struct err *e)
{
	char version[ROLLOUT_VERSION_MAX];

	if ((w->order == ORDER_PROMOTE || w->order == ORDER_APPROVE) && strcmp(r->by, w->who) == 0) {
		w->refused = CONTROL_REQUESTER;
		return err_set(e, ERR_AUTH, "rollout %llu is by %s: another has to %s it", (unsigned long long)r->id, r->by, orders[w->order]);
	}
	if (!w->match)
		return 0;
	pthread_mutex_lock(&s->lock);
	rollout_version(r, version);
	pthread_mutex_unlock(&s->lock);
	if (http_tag_matches(w->match, version))
		return 0;
	w->refused = CONTROL_CHANGED;
	return err_set(e, ERR_CONFLICT, "rollout %llu is at version \"%s\" now: look at it again", (unsigned long long)r->id, version);
}

static int wish(struct server *s, uint64_t rollout, struct control_wish *w, int64_t now, struct err *e)
{
	struct motive m = { .cause = verdict_cause_name(CAUSE_OPERATOR), .sentence = w->reason, .who = w->who };
	struct rollout *r = rollouts_find(&s->rollouts, rollout);
	int got;

	if (!r)
		return err_set(e, ERR_NOT_FOUND, "there is no rollout %llu", (unsigned long long)rollout);
	if (w->ring && w->ring[0] && !rollout_stage(r, w->ring))
		return err_set(e, ERR_NOT_FOUND, "rollout %llu has no ring %s", (unsigned long long)rollout, w->ring);
	if (check(s, r, w, e) < 0)
		return e->code;
	got = apply(s, r, w, &m, now, e);
	return got ? got : err_set(e, ERR_CONFLICT, "rollout %llu is %s: nothing to %s", (unsigned long long)rollout, rollout_state(r),
				   orders[w->order]);
}

int control_wish(struct server *s, uint64_t rollout, struct control_wish *w, struct err *e)
{
	int got;

	w->refused = CONTROL_NO_REFUSAL;
	pthread_mutex_lock(&s->control);
	got = wish(s, rollout, w, server_now(s), e);
	pthread_mutex_unlock(&s->control);
	if (got > 0 && !w->dry_run)
		control_tick(s);
	return got < 0 ? got : 0;
}

int control_order(struct server *s, uint64_t rollout, const char *ring, enum control_order o, const char *who, const char *reason,
		  struct err *e)
{
	struct control_wish w = { .order = o, .ring = ring, .who = who, .reason = reason };

	return control_wish(s, rollout, &w, e);
}
