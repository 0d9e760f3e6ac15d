/*
 * control_stop: a bundle is taken away, whatever became of its rollout.
 *
 * A rollout that was superseded or given up is over, and its bundle may run all
 * the same: what was committed stays. So a stop asks only whether the digest is
 * stopped already, and no ring keeps an assignment that names what is stopped
 * or recalled. Looked at again until that is so, as every other act.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/control_parts.h"

int control_sign_stop(struct server *s, const struct rollout *r, const char *why, int64_t now, struct err *e)
{
	struct stop_entry entry = { .digest = r->bundle.digest, .serial = r->bundle.serial, .at = now };

	if (desk_stopped(s->desk, r->channel, &entry.digest))
		return 0;
	snprintf(entry.reason, sizeof entry.reason, "%.255s", why);
	if (desk_stop(s->desk, r->channel, &entry, now, e) < 0)
		return e->code;
	log_info("channel %s serial %llu: stopped", r->channel, (unsigned long long)entry.serial);
	return 1;
}

/* ---- the assignment before ---- */

static int unassign(struct server *s, const char *ring, const char *channel, const char *why, int64_t now, struct requests_info *info,
		    struct err *e)
{
	if (desk_can_assign(s->desk, ring))
		return desk_unassign(s->desk, ring, channel, now, e);
	return requests_unassign(s, ring, channel, why, now, info, e);
}

/* What the ring had before, and before that, until one is not stopped; digest zero: nothing. */
static struct bundle_ref way_back(const struct server *s, const struct stage *g)
{
	const char *ring = g->policy->name, *channel = g->rollout->channel;
	struct bundle_ref back = g->previous;

	while (!digest_is_zero(&back.digest) && desk_stopped(s->desk, channel, &back.digest)) {
		struct rollout *r = rollouts_of(&s->rollouts, channel, &back.digest);
		const struct stage *before = r && r->id < g->rollout->id ? rollout_stage(r, ring) : NULL;

		if (!before)
			return (struct bundle_ref){ 0 };
		g = before;
		back = g->previous;
	}
	return back;
}

/* The ring's assignment before this bundle, again, with a grant for hosts that committed it or a newer one. */
static int assign_back(struct server *s, const struct stage *g, const struct assignment *current, const struct bundle_ref *back,
		       const char *why, int64_t now, struct requests_info *info, struct err *e)
{
	const struct rollout *before = rollouts_of(&s->rollouts, g->rollout->channel, &back->digest);
	struct assignment a;

	control_describe(g, now, &a);
	a.bundle = *back;
	a.previous = (struct bundle_ref){ 0 };
	a.attempt = before ? before->attempt : 1;
	a.permit_required = false;
	a.granted = true;
	a.grant_max_serial = current->granted ? MAX(current->grant_max_serial, g->rollout->bundle.serial) : g->rollout->bundle.serial;
	snprintf(a.grant_reason, sizeof a.grant_reason, "serial %llu was halted", (unsigned long long)g->rollout->bundle.serial);
	snprintf(a.reason, sizeof a.reason, "%.255s", why);
	/* What is signed for this ring already: nobody has to think about the way back. */
	a.drops = current->drops;
	a.drop_count = current->drop_count;
	return control_assign(s, &a, NULL, now, info, e);
}

int control_take_back(struct server *s, struct stage *g, const char *why, int64_t now, struct requests_info *info, struct err *e)
{
	AUTO(assignment) struct assignment *current = NULL;
	struct bundle_ref back;
	int got = desk_assignment(s->desk, g->policy->name, g->rollout->channel, &current, e);

	if (got == ERR_NOT_FOUND)
		return 0;
	if (got < 0)
		return got;
	if (!digest_equal(&current->bundle.digest, &g->rollout->bundle.digest))
		return 0;
	back = way_back(s, g);
	if (digest_is_zero(&back.digest))
		return unassign(s, g->policy->name, g->rollout->channel, why, now, info, e);
	return assign_back(s, g, current, &back, why, now, info, e);
}

/* ---- no ring names what is stopped ---- */

/* Halts of rollouts that live take their assignments back themselves. */
static bool halts_itself(const struct stage *g)
{
	return g && (state_armed(g->state) || g->state == RING_HALTED);
}

/* 1: it waits for signatures, of the way back or of what comes instead, or for a halt. */
static int clear_ring(struct server *s, const char *channel, const char *ring, int64_t now, struct err *e)
{
	AUTO(assignment) struct assignment *current = NULL;
	struct requests_info info;
	struct rollout *r;
	struct stage *g;
	char why[80];
	int got = desk_assignment(s->desk, ring, channel, &current, e);

	if (got < 0)
		return got == ERR_NOT_FOUND ? 0 : got;
	if (!desk_stopped(s->desk, channel, &current->bundle.digest))
		return 0;
	r = rollouts_of(&s->rollouts, channel, &current->bundle.digest);
	g = r ? rollout_stage(r, ring) : NULL;
	if (halts_itself(g) || control_awaits(s, channel, ring))
		return 1;
	snprintf(why, sizeof why, "serial %llu is stopped", (unsigned long long)current->bundle.serial);
	return g ? control_take_back(s, g, why, now, &info, e) : unassign(s, ring, channel, why, now, &info, e);
}

struct ring_names {
	char names[POLICY_RINGS_MAX + RINGMAP_RINGS_MAX][NAME_LEN_MAX + 1];
	size_t count;
};

/* Those of the policy, and those that left it while endpoints are in them. */
static void name_rings(struct server *s, const struct policy *policy, struct ring_names *out)
{
	out->count = 0;
	for (size_t i = 0; i < policy->count; i++)
		snprintf(out->names[out->count++], NAME_LEN_MAX + 1, "%s", policy->rings[i].name);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; s->ringmap && i < ringmap_rings(s->ringmap); i++)
		if (!policy_find(policy, ringmap_ring(s->ringmap, i)))
			snprintf(out->names[out->count++], NAME_LEN_MAX + 1, "%s", ringmap_ring(s->ringmap, i));
	pthread_mutex_unlock(&s->lock);
}

int control_clear_stopped(struct server *s, const struct rollout *newest, int64_t now, struct err *e)
{
	struct err first = { 0 };
	struct ring_names rings;
	int waits = 0;

	name_rings(s, newest->policy, &rings);
	for (size_t i = 0; i < rings.count; i++) {
		int got = clear_ring(s, newest->channel, rings.names[i], now, e);

		waits = waits || got > 0;
		if (got < 0 && !first.code) {
			first = *e;
			(void)!err_wrap(&first, "channel %s ring %s", newest->channel, rings.names[i]);
		}
	}
	if (first.code)
		*e = first;
	return first.code ? first.code : waits;
}

/* ---- by a person, when there is no ring to halt ---- */

bool control_can_stop(const struct server *s, const struct rollout *r)
{
	for (size_t i = 0; i < r->policy->count; i++)
		if (halts_itself(&r->stages[i]))
			return false;
	return !desk_stopped(s->desk, r->channel, &r->bundle.digest);
}

static int record(struct server *s, const struct rollout *r, const struct motive *m, int64_t now, struct err *e)
{
	struct server_batch b = { .count = 0 };
	char subject[32];

	snprintf(subject, sizeof subject, "rollout %llu", (unsigned long long)r->id);
	server_record(&b, STORE_DECISION)->u.decision = (struct store_decision){
		.at = now, .kind = "stop", .channel = r->channel, .ring = "", .device = "", .rollout = r->id,
		.digest = r->bundle.digest, .from = "", .to = "", .cause = m->cause, .sentence = m->sentence, .inputs = "",
	};
	server_audit_entry(&b, &(const struct audit_entry){ .at = now, .who = m->who, .action = "stop", .subject = subject, .why = m->sentence,
							    .was = "{\"stopped\":false}", .becomes = "{\"stopped\":true}" });
	return server_write(s, &b, e);
}

int control_may_stop(struct server *s, const struct rollout *r, struct err *e)
{
	if (desk_can_stop(s->desk))
		return 0;
	return err_set(e, ERR_AUTH, "rollout %llu: the key of role stop is not here: people have to recall it", (unsigned long long)r->id);
}

static int sign_ordered(struct server *s, struct rollout *r, int64_t now, struct err *e)
{
	if (control_sign_stop(s, r, r->stop_ordered, now, e) < 0)
		return err_wrap(e, "rollout %llu", (unsigned long long)r->id);
	free(TAKE(r->stop_ordered));
	return 0;
}

int control_stop(struct server *s, struct rollout *r, const struct motive *m, int64_t now, struct err *e)
{
	if (control_may_stop(s, r, e) < 0)
		return e->code;
	/* Written down first: a stop that nobody ordered must not be found in the repository. */
	if (control_abort(s, r, 0, m, now, e) < 0 || record(s, r, m, now, e) < 0 || rollout_order_stop(r, m->sentence, e) < 0)
		return e->code;
	return sign_ordered(s, r, now, e);
}

/* Of one channel, whose lists are read once: after a start every stop there ever was is looked for in them. */
static int sign_missing(struct server *s, const char *channel, int64_t now, struct err *e)
{
	AUTO(stops) struct stops *stopped = NULL, *recalled = NULL;
	struct err first = { 0 };

	if (desk_stops(s->desk, STOPS_STOP, channel, &stopped, e) < 0 || desk_stops(s->desk, STOPS_RECALL, channel, &recalled, e) < 0)
		return e->code;
	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		const struct digest *d = &r->bundle.digest;

		if (!r->stop_ordered || strcmp(r->channel, channel) != 0)
			continue;
		if (stops_find(stopped, d) || stops_find(recalled, d))
			free(TAKE(r->stop_ordered));
		else if (sign_ordered(s, r, now, e) < 0 && !first.code)
			first = *e;
	}
	if (first.code)
		*e = first;
	return first.code;
}

/* Of those whose stop is ordered, the newest of its channel. */
static bool leads(const struct server *s, const struct rollout *r)
{
	for (const struct rollout *newer = s->rollouts.newest; newer != r; newer = newer->older)
		if (newer->stop_ordered && strcmp(newer->channel, r->channel) == 0)
			return false;
	return true;
}

int control_stops(struct server *s, int64_t now, struct err *e)
{
	struct err first = { 0 };

	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		if (r->stop_ordered && leads(s, r) && sign_missing(s, r->channel, now, e) < 0 && !first.code)
			first = *e;
	if (first.code)
		*e = first;
	return first.code;
}
