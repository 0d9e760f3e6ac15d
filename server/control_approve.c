/* control_approve: how many people agree, with which role, and what their agreement opens. */
#include <stdio.h>
#include <string.h>

#include "server/control_parts.h"

const struct approval *control_hook_passed(const struct stage *g)
{
	return rollout_approval(g->rollout, g->position, APPROVAL_HOOK_PASSED, NULL);
}

/* How many have to agree before anybody promotes: a hook is passed over by nobody alone. */
static int64_t needed(const struct stage *g)
{
	return MAX(g->policy->approvals.count, control_hook_passed(g) ? 1 : 0);
}

/* A ring that is only promoted by hand is content with whoever agrees first. */
static int64_t wanted(const struct stage *g)
{
	return MAX(needed(g), g->policy->promote == PROMOTE_MANUAL ? 1 : 0);
}

static bool covered(const struct stage *g)
{
	return state_held(g->state) && strcmp(g->cause, verdict_cause_name(CAUSE_COVERAGE_APPROVE)) == 0;
}

static enum approval_kind kind_of(const struct stage *g)
{
	return covered(g) ? APPROVAL_COVERAGE : APPROVAL_RING;
}

bool control_asks(const struct stage *g)
{
	return wanted(g) > 0;
}

bool control_asks_now(const struct stage *g)
{
	return g->state == RING_AWAITING_APPROVAL || covered(g);
}

void control_say_asked(const struct stage *g, char *out, size_t cap)
{
	const struct policy_approvals *a = &g->policy->approvals;
	const char *then = g->policy->promote == PROMOTE_MANUAL ? ", and a person who promotes it" : "";
	const struct approval *passed = control_hook_passed(g);

	if (passed)
		snprintf(out, cap, "%.40s passes over a hook: %lld with the role %s must agree%s", passed->who, (long long)needed(g), a->role, then);
	else if (a->count == 0)
		snprintf(out, cap, "the policy asks a person before this ring");
	else
		snprintf(out, cap, "the policy asks %lld %s with the role %s before this ring%s", (long long)a->count, a->count == 1 ? "person" : "people",
			 a->role, then);
}

bool control_approved(const struct stage *g)
{
	bool by_hand = g->policy->promote == PROMOTE_MANUAL && needed(g) > 0;

	return !by_hand && rollout_approvals(g->rollout, g->position, APPROVAL_RING) >= wanted(g);
}

bool control_coverage_approved(const struct stage *g)
{
	return g->coverage_approved || rollout_approvals(g->rollout, g->position, APPROVAL_COVERAGE) >= MAX(g->policy->approvals.count, 1);
}

/* ---- may they? ---- */

int control_may_agree(const struct rollout *r, const struct stage *g, struct control_wish *w, struct err *e)
{
	const struct policy_approvals *a = g ? &g->policy->approvals : &r->policy->emergency;
	const struct approval *asked = g ? control_hook_passed(g) : rollout_approval(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY_ASKED, NULL);
	enum role role;

	if (asked && strcmp(asked->who, w->who) == 0) {
		w->refused = CONTROL_REQUESTER;
		return err_set(e, ERR_AUTH, "%s asked %s: another has to agree", w->who, g ? "to pass over a hook" : "for the emergency lane");
	}
	if (!w->identity || (role_parse(&role, a->role) && access_channel(w->identity, 1u << role | MAY(ADMIN), r->channel)))
		return 0;
	w->refused = CONTROL_ROLE;
	return err_set(e, ERR_AUTH, "the policy of channel %s asks the role %s to agree%s%s, which %s does not have", r->channel, a->role,
		       g ? " before ring " : " to the emergency lane", g ? g->policy->name : "", w->who);
}

/* ---- kept ---- */

static int keep(struct server *s, struct rollout *r, int ring, enum approval_kind kind, const char *action, const char *said,
		const struct motive *m, int64_t now, struct err *e)
{
	struct server_batch b = { .count = 0 };
	struct store_record *row = server_record(&b, STORE_APPROVAL), *decision = server_record(&b, STORE_DECISION);
	const char *name = ring < 0 ? "" : r->policy->rings[ring].name;
	char subject[NAME_LEN_MAX * 2 + 32];
	int got;

	row->u.approval = (struct store_approval){
		.rollout = r->id, .ring = ring, .kind = kind, .who = m->who, .reason = m->sentence, .at = now, .attempt = r->attempt,
		.digest = r->bundle.digest, .policy_version = r->policy_version,
	};
	decision->u.decision = (struct store_decision){
		.at = now, .kind = action, .channel = r->channel, .ring = name, .device = "", .rollout = r->id,
		.digest = r->bundle.digest, .from = "", .to = "", .cause = verdict_cause_name(CAUSE_OPERATOR), .sentence = said, .inputs = "",
	};
	snprintf(subject, sizeof subject, "rollout %llu%s%s", (unsigned long long)r->id, name[0] ? " ring " : "", name);
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = m->who, .action = action, .subject = subject, .detail = said,
							    .why = m->sentence, .was = "{\"agreed\":false}", .becomes = "{\"agreed\":true}" });
	if (server_write(s, &b, e) < 0)
		return err_wrap(e, "%s", subject);
	pthread_mutex_lock(&s->lock);
	got = rollout_add_approval(r, &row->u.approval, e);
	pthread_mutex_unlock(&s->lock);
	return got;
}

/* ---- a ring ---- */

/* By hand: what was agreed to is there, or nobody is asked to. */
static int promote(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e)
{
	int64_t have = rollout_approvals(g->rollout, g->position, kind_of(g));
	const struct policy_approvals *a = &g->policy->approvals;
	struct stage next = control_copy(s, g);

	if (have < needed(g))
		return err_set(e, ERR_CONFLICT, "rollout %llu: %lld of %lld people with the role %s agreed to ring %s",
			       (unsigned long long)g->rollout->id, (long long)have, (long long)needed(g), a->role, g->policy->name);
	if (g->state == RING_AWAITING_APPROVAL)
		return control_move(s, g, RING_APPROVED, m, now, e);
	next.coverage_approved = true;
	return control_keep(s, g, &next, "operator", m, now, e);
}

/* One more; what they open together the next tick does, also after a restart. */
int control_agree(struct server *s, struct stage *g, const struct control_wish *w, const struct motive *m, int64_t now, struct err *e)
{
	enum approval_kind kind = kind_of(g);
	int64_t have = rollout_approvals(g->rollout, g->position, kind), want = MAX(needed(g), 1);
	char said[REASON_LEN_MAX + 64];

	if (w->order == ORDER_PROMOTE)
		return promote(s, g, m, now, e);
	if (rollout_approval(g->rollout, g->position, kind, m->who))
		return 0;       /* once is enough */
	snprintf(said, sizeof said, "%lld of %lld agreed: %s", (long long)have + 1, (long long)want, m->sentence);
	return keep(s, g->rollout, g->position, kind, "approve", said, m, now, e);
}

int control_pass_hook(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e)
{
	char said[REASON_LEN_MAX + 256];

	snprintf(said, sizeof said, "%s: passed over by %s: %s", g->sentence, m->who, m->sentence);
	return keep(s, g->rollout, g->position, APPROVAL_HOOK_PASSED, "hook-passed", said, m, now, e);
}

/* ---- the emergency lane ---- */

int control_emergency(struct server *s, struct rollout *r, struct control_wish *w, const struct motive *m, int64_t now, struct err *e)
{
	const struct policy_approvals *a = &r->policy->emergency;
	bool asks = w->order == ORDER_EMERGENCY;
	const struct approval *asked = rollout_approval(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY_ASKED, NULL);
	int64_t have = rollout_approvals(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY);
	char said[REASON_LEN_MAX + 96];
	int got;

	if (!rollout_lives(r) || r->restored || (asks ? asked != NULL : !asked || rollout_emergency(r)))
		return 0;
	if (!asks && control_may_agree(r, NULL, w, e) < 0)
		return e->code;
	if (w->dry_run || (!asks && rollout_approval(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY, m->who)))
		return 1;
	if (asks)
		snprintf(said, sizeof said, "the emergency lane is asked for, and opens when %lld people with the role %s agree: %s", (long long)a->count,
			 a->role, m->sentence);
	else
		snprintf(said, sizeof said, "%lld of %lld agreed to the emergency lane: %s", (long long)have + 1, (long long)a->count, m->sentence);
	got = keep(s, r, ROLLOUT_WHOLE, asks ? APPROVAL_EMERGENCY_ASKED : APPROVAL_EMERGENCY, "emergency", said, m, now, e);
	return got < 0 ? got : 1;
}
