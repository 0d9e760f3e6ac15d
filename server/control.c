/* control: who moves rollouts: moves, and how a rollout begins. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/control_parts.h"
#include "server/now.h"

static const char *text(const char *s)
{
	return s ? s : "";
}

static void describe(struct store_decision *d, const struct stage *g, const char *kind, const struct motive *m, int64_t now)
{
	*d = (struct store_decision){
		.at = now, .kind = kind, .channel = g->rollout->channel, .ring = g->policy->name, .device = "",
		.rollout = g->rollout->id, .digest = g->rollout->bundle.digest, .from = "", .to = "",
		.cause = text(m->cause), .sentence = text(m->sentence), .inputs = "",
	};
}

struct stage control_copy(struct server *s, const struct stage *g)
{
	struct stage copy;

	pthread_mutex_lock(&s->lock);
	copy = *g;
	pthread_mutex_unlock(&s->lock);
	return copy;
}

/* What only control changes; flags that devices raise stay as they are. */
static void settle(struct server *s, struct stage *g, const struct stage *next)
{
	pthread_mutex_lock(&s->lock);
	g->state = next->state;
	g->changed = next->changed;
	g->bound_at = next->bound_at;
	g->passed_at = next->passed_at;
	memcpy(g->cause, next->cause, sizeof g->cause);
	memcpy(g->sentence, next->sentence, sizeof g->sentence);
	g->operator_hold = next->operator_hold;
	g->coverage_approved = next->coverage_approved;
	g->continue_anyway = next->continue_anyway;
	g->by_coverage = next->by_coverage;
	g->previous = next->previous;
	pthread_mutex_unlock(&s->lock);
}

/* What an operator can move of a ring; for the audit log. */
#define STATE_TEXT 160
static void state_text(char out[STATE_TEXT], const struct stage *g)
{
	snprintf(out, STATE_TEXT, "{\"continue_anyway\":%s,\"coverage_approved\":%s,\"operator_hold\":%s,\"state\":\"%s\"}",
		 g->continue_anyway ? "true" : "false", g->coverage_approved ? "true" : "false", g->operator_hold ? "true" : "false",
		 state_name(g->state));
}

static int keep(struct server *s, struct stage *g, const struct stage *next, const char *kind, const struct motive *m, int64_t now,
		struct err *e)
{
	struct server_batch b = { .count = 0 };
	struct buf previous = { .max = 4096 }, record = { .max = GATE_RECORD_MAX };
	char subject[NAME_LEN_MAX * 2 + 32], inputs[CONTROL_INPUTS], was[STATE_TEXT], becomes[STATE_TEXT];
	struct store_record *row = server_record(&b, STORE_RING), *decision = server_record(&b, STORE_DECISION);
	int got = stage_row(next, &row->u.ring, &previous, e);

	describe(&decision->u.decision, g, kind, m, now);
	if (g->state != next->state) {
		decision->u.decision.from = state_name(g->state);
		decision->u.decision.to = state_name(next->state);
	}
	snprintf(subject, sizeof subject, "rollout %llu ring %s", (unsigned long long)g->rollout->id, g->policy->name);
	state_text(was, g);
	state_text(becomes, next);
	if (m->who)
		server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = m->who, .action = kind, .subject = subject,
								    .why = text(m->sentence), .was = was, .becomes = becomes });
	/* A halt is not put off because its inputs cannot be written down. */
	if (got == 0 && m->record && control_put_record(&b, m->record, &record, inputs, e) == 0)
		decision->u.decision.inputs = inputs;
	else if (got == 0 && m->record)
		log_error("%s: moved without a record: %s", subject, e->msg);
	if (got == 0)
		got = server_write(s, &b, e);
	buf_release(&record);
	buf_release(&previous);
	if (got < 0)
		return err_wrap(e, "%s", subject);
	settle(s, g, next);
	return 0;
}

int control_keep(struct server *s, struct stage *g, const struct stage *next, const char *kind, const struct motive *m, int64_t now,
		 struct err *e)
{
	return keep(s, g, next, kind, m, now, e);
}

int control_note(struct server *s, const char *kind, const struct stage *g, const char *device, const char *sentence, int64_t now,
		 struct err *e)
{
	struct server_batch b = { .count = 0 };
	struct motive m = { .sentence = sentence };
	struct store_record *r = server_record(&b, STORE_DECISION);

	describe(&r->u.decision, g, kind, &m, now);
	r->u.decision.device = text(device);
	return server_write(s, &b, e);
}

int control_move(struct server *s, struct stage *g, enum ring_event on, const struct motive *m, int64_t now, struct err *e)
{
	int to = state_next(g->state, on);
	struct stage next = control_copy(s, g);

	if (to < 0)
		return err_set(e, ERR_CONFLICT, "rollout %llu: ring %s is %s, which knows no %s", (unsigned long long)g->rollout->id,
			       g->policy->name, state_name(g->state), state_event_name(on));
	next.state = (enum ring_state)to;
	next.changed = now;
	snprintf(next.cause, sizeof next.cause, "%s", text(m->cause));
	snprintf(next.sentence, sizeof next.sentence, "%s", text(m->sentence));
	if (on == RING_BOUND)
		next.bound_at = now;
	if (on == RING_REOPEN)
		next.bound_at = 0;
	if (on == RING_PASS)
		next.passed_at = now;
	log_info("channel %s serial %llu ring %s: %s -> %s (%s): %s", g->rollout->channel,
		 (unsigned long long)g->rollout->bundle.serial, g->policy->name, state_name(g->state), state_name(next.state),
		 next.cause, next.sentence);
	return keep(s, g, &next, "state", m, now, e);
}

int control_halt(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e)
{
	struct rollout *r = g->rollout;
	struct motive others = { .cause = m->cause, .sentence = m->sentence, .who = m->who };

	if (control_move(s, g, RING_HALT, m, now, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->policy->count; i++) {
		struct stage *o = &r->stages[i];
		enum ring_event on = state_next(o->state, RING_HALT) >= 0 ? RING_HALT : RING_ABORT;

		if (o != g && state_next(o->state, on) >= 0 && control_move(s, o, on, &others, now, e) < 0)
			return e->code;
	}
	return 0;
}

int control_abort(struct server *s, struct rollout *r, int from, const struct motive *m, int64_t now, struct err *e)
{
	for (size_t i = r->policy->count; i-- > (size_t)from; ) {
		struct stage *g = &r->stages[i];

		/* What is offered is held first: the table knows no way past that. */
		if (state_next(g->state, RING_ABORT) < 0 && state_next(g->state, RING_HOLD) >= 0 &&
		    control_move(s, g, RING_HOLD, m, now, e) < 0)
			return e->code;
		if (state_next(g->state, RING_ABORT) >= 0 && control_move(s, g, RING_ABORT, m, now, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- a bundle begins its way ---- */

static int begin(struct server *s, const struct store_bundle *b, const struct policy *p, uint64_t policy_version, const char *policy_text,
		 int64_t now, uint64_t *id, struct err *e)
{
	struct server_batch batch = { .count = 0 };
	struct store_record *bundle = server_record(&batch, STORE_BUNDLE), *row = server_record(&batch, STORE_ROLLOUT), *d;
	char subject[NAME_LEN_MAX + 32], sentence[256], hex[DIGEST_HEX_LEN + 1], becomes[DIGEST_HEX_LEN + 60];

	bundle->u.bundle = *b;
	row->u.rollout = (struct store_rollout){
		.id = s->rollouts.last_id + 1, .channel = b->channel, .digest = b->digest, .serial = b->serial,
		.version = b->version, .path = b->path, .attempt = 1, .created = now, .by = b->by, .reason = b->reason,
		.policy = policy_text, .policy_version = policy_version,
	};
	if (random_bytes(&row->u.rollout.secret, sizeof row->u.rollout.secret, e) < 0)
		return e->code;
	snprintf(subject, sizeof subject, "%s %llu", b->channel, (unsigned long long)b->serial);
	snprintf(sentence, sizeof sentence, "bundle %s, version %s, published by %s", subject, b->version, b->by);
	d = server_record(&batch, STORE_DECISION);
	d->u.decision = (struct store_decision){
		.at = now, .kind = "published", .channel = b->channel, .ring = "", .device = "", .rollout = row->u.rollout.id,
		.digest = b->digest, .from = "", .to = "", .cause = "", .sentence = sentence, .inputs = b->matrix,
	};
	for (size_t i = 0; i < p->count; i++) {
		struct store_record *r = server_record(&batch, STORE_RING);

		r->u.ring = (struct store_ring){ .rollout = row->u.rollout.id, .ring = (int)i, .state = RING_QUEUED,
						 .changed = now, .cause = "", .sentence = "", .previous = "" };
	}
	digest_hex(hex, &b->digest);
	snprintf(becomes, sizeof becomes, "{\"digest\":\"%s\",\"rollout\":%llu}", hex, (unsigned long long)row->u.rollout.id);
	server_audit_entry(&batch, &(const struct audit_entry){ .at = now, .who = b->by, .action = "publish", .subject = subject, .detail = sentence,
								.why = b->reason, .becomes = becomes });
	if (server_write(s, &batch, e) < 0)
		return e->code;
	*id = row->u.rollout.id;
	pthread_mutex_lock(&s->lock);
	if (rollouts_add(&s->rollouts, NULL, &row->u.rollout, e) < 0)
		log_error("%s: kept in the store, and begins after a restart", e->msg);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

int control_start(struct server *s, const struct store_bundle *b, uint64_t *rollout, struct err *e)
{
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *body = buf_new(POLICY_MAX);
	uint64_t version;
	int got;

	if (!body)
		return err_memory(e);
	if (control_policy(s, b->channel, &p, &version, e) < 0 || policy_write(body, p, e) < 0 || buf_check(body, e) < 0)
		return e->code;
	pthread_mutex_lock(&s->control);
	got = begin(s, b, p, version, body->data, server_now(s), rollout, e);
	pthread_mutex_unlock(&s->control);
	if (got == 0)
		control_tick(s);
	return got;
}

/* ---- the policy in force ---- */

struct wanted {
	const char *channel;
	struct policy *policy;
	uint64_t version;
};

static int take_policy(const struct store_policy *row, void *arg, struct err *e)
{
	struct wanted *w = arg;

	if (strcmp(row->channel, w->channel) != 0)
		return 0;
	w->version = row->version;
	return policy_parse(&w->policy, "policy", row->body, strlen(row->body), e);
}

int control_policy(struct server *s, const char *channel, struct policy **out, uint64_t *version, struct err *e)
{
	struct wanted w = { .channel = channel };
	const char *rings[RINGMAP_RINGS_MAX];
	size_t count = 0;
	int got;

	if (store_each_policy(s->store, take_policy, &w, e) < 0)
		return err_wrap(e, "channel %s", channel);
	*version = w.version;
	*out = w.policy;
	if (w.policy)
		return 0;
	pthread_mutex_lock(&s->lock);
	for (; s->ringmap && count < ringmap_rings(s->ringmap); count++)
		rings[count] = ringmap_ring(s->ringmap, count);
	got = count ? policy_default(out, channel, rings, count, e) :
		      err_set(e, ERR_NOT_FOUND, "channel %s: no policy is set and no ring map is published", channel);
	pthread_mutex_unlock(&s->lock);
	return got;
}
