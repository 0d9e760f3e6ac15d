#include "cli/promoter_judge.h"

#include <string.h>

#include "base/clock.h"
#include "rollout/replay.h"

#define SLACK 900       /* seconds by which two clocks may differ */

static int refuse(const struct judge_case *c, struct err *e)
{
	return err_wrap(e, "ring %s, channel %s", c->ring, c->channel);
}

#define REFUSE(...) err_set(e, ERR_REFUSED, __VA_ARGS__)

/* ---- what every change must be ---- */

static int check_pace(const struct judge_case *c, bool promotion, struct err *e)
{
	size_t count = witness_signed_since(c->witness, c->ring, c->channel, promotion, c->now - JUDGE_DAY, c->request);

	if ((int64_t)count >= c->per_day)
		return err_set(e, ERR_CONFLICT, "%zu changes of this kind were signed within 24 hours, which is all one ring may have", count);
	return 0;
}

static bool leaves_out(const struct assignment *a, const char *rule)
{
	for (size_t i = 0; a && i < a->drop_count; i++)
		if (strcmp(a->drops[i].rule, rule) == 0)
			return true;
	return false;
}

/* Detections that this ring has had so far are taken from it by people; what they signed once stands for later bundles. */
static int check_left_out(const struct judge_case *c, struct err *e)
{
	for (size_t i = 0; i < c->wanted->drop_count; i++)
		if (!leaves_out(c->current, c->wanted->drops[i].rule))
			return REFUSE("it leaves rule %.80s out, which people sign", c->wanted->drops[i].rule);
	return 0;
}

static int check_wanted(const struct judge_case *c, struct err *e)
{
	const struct assignment *a = c->wanted;

	if (c->wanted_stopped)
		return REFUSE("serial %llu is stopped or recalled", (unsigned long long)a->bundle.serial);
	if (!c->vendor_signed)
		return REFUSE("the vendor signs no bundle %s with serial %llu and this digest", a->bundle.path,
			      (unsigned long long)a->bundle.serial);
	if (a->issued > c->now + SLACK)
		return REFUSE("it is dated in the future");
	return check_left_out(c, e);
}

/* ---- forward ---- */

static int check_assignment(const struct judge_case *c, const struct policy_ring *ring, struct err *e)
{
	const struct assignment *a = c->wanted;
	uint64_t greatest = witness_greatest(c->witness, c->ring, c->channel);

	if (a->granted)
		return REFUSE("it grants a step back to a bundle that this ring never had");
	if (a->bundle.serial < greatest)
		return REFUSE("serial %llu is older than serial %llu, which this ring had", (unsigned long long)a->bundle.serial,
			      (unsigned long long)greatest);
	if (a->permit_required != ring->permit_required || a->probation_s != ring->probation_s || a->probation_boots != ring->boots ||
	    a->observe != ring->audit_first)
		return REFUSE("permit and probation are not what our policy says");
	if (!digest_is_zero(&a->previous.digest) && !witness_in_force(c->witness, c->ring, c->channel, &a->previous.digest))
		return REFUSE("it names serial %llu as the bundle before, which this ring never had",
			      (unsigned long long)a->previous.serial);
	return 0;
}

/* A server counts what devices say; here nobody survives sooner than the probation lasts. */
static int check_probation(const struct gate_record *r, const struct policy_ring *before, struct err *e)
{
	uint32_t hasty = 0;

	for (uint32_t i = 0; i < r->offer_count; i++) {
		const struct outcome_facts *f = &r->offers[i].facts;

		hasty += !f->voided && f->survived && f->survived - f->offered + r->policy->checkin_s < before->probation_s;
	}
	if (hasty)
		return REFUSE("%u endpoints of ring %s are said to have survived sooner than after %lld s of probation", hasty, before->name,
			      (long long)before->probation_s);
	return 0;
}

static int check_record(const struct judge_case *c, const struct policy_ring *before, struct err *e)
{
	const struct gate_record *r = c->record;
	const struct assignment *a = c->wanted;
	const struct witness_distrust *x;
	struct replay replay;

	if (!r)
		return REFUSE("no gate record was given: nothing says that ring %s passed", before->name);
	/* what an older server decided without is for people to judge */
	if (r->format < GATE_RECORD_FORMAT)
		return REFUSE("the gate record is of format %lld, which says nothing about strata and silence: people may sign",
			      (long long)r->format);
	x = witness_distrusted(c->witness, r->rollout);
	if (x)
		return REFUSE("rollout %llu is not believed any more: %s", (unsigned long long)r->rollout, x->sentence);
	if (witness_halted(c->witness, r->rollout))
		return REFUSE("rollout %llu was halted", (unsigned long long)r->rollout);
	if (strcmp(r->ring, before->name) != 0 || strcmp(r->channel, c->channel) != 0)
		return REFUSE("the gate record is of ring %s, channel %s", r->ring, r->channel);
	if (!digest_equal(&r->bundle.digest, &a->bundle.digest) || r->bundle.serial != a->bundle.serial || r->attempt != a->attempt)
		return REFUSE("the gate record is of another bundle or attempt");
	if (replay_same_policy(c->policy, r->policy, e) < 0)
		return err_wrap(e, "the policy it was judged by is not ours");
	if (replay_record(&replay, r, e) < 0)
		return err_wrap(e, "replay");
	if (strcmp(r->event, "pass") != 0 || replay.result.verdict != VERDICT_PASS)
		return REFUSE("ring %s did not pass: %s", before->name, replay.result.sentence);
	if (r->facts.now > c->now + SLACK)
		return REFUSE("the gate record is dated in the future");
	return check_probation(r, before, e);
}

/* By our own clock and eyes: what a server says of the past is worth nothing here. */
static int check_time(const struct judge_case *c, const struct policy_ring *before, struct err *e)
{
	const struct gate_record *r = c->record;
	const struct witness_assigned *first = witness_first(c->witness, before->name, c->channel, &c->wanted->bundle.digest, c->wanted->attempt);
	int64_t bound = witness_bound_since(c->witness, r->rollout, before->name), wait;

	if (!first)
		return REFUSE("serial %llu was never seen assigned to ring %s", (unsigned long long)c->wanted->bundle.serial, before->name);
	if (r->facts.began < first->issued - SLACK)
		return REFUSE("ring %s is said to have begun before it had an assignment", before->name);
	wait = first->at + before->probation_s + before->soak_s - c->now;
	if (wait > 0)
		return err_set(e, ERR_CONFLICT, "ring %s has had serial %llu for %lld s: %lld s are missing", before->name,
			       (unsigned long long)c->wanted->bundle.serial, (long long)(c->now - first->at), (long long)wait);
	if (!bound)
		return REFUSE("no record of ring %s reaching its bound was seen", before->name);
	wait = bound + before->soak_s - c->now;
	if (wait > 0)
		return err_set(e, ERR_CONFLICT, "%lld of %lld s of soak were watched here", (long long)(c->now - bound),
			       (long long)before->soak_s);
	return 0;
}

/* What no server can invent: endpoints that say so themselves, under keys it never had. */
static int check_vouchers(const struct judge_case *c, const struct policy_ring *before, struct err *e)
{
	size_t count = witness_vouchers(c->witness, before->name, c->channel, &c->wanted->bundle.digest);

	if ((int64_t)count < c->vouchers)
		return err_set(e, ERR_CONFLICT, "%zu of the %lld endpoints of ring %s that must vouch for serial %llu did so", count,
			       (long long)c->vouchers, before->name, (unsigned long long)c->wanted->bundle.serial);
	return 0;
}

static int check_promotion(const struct judge_case *c, int position, struct err *e)
{
	const struct policy_ring *before = &c->policy->rings[position - 1];

	if (check_assignment(c, &c->policy->rings[position], e) < 0 || check_record(c, before, e) < 0 || check_time(c, before, e) < 0 ||
	    check_vouchers(c, before, e) < 0)
		return e->code;
	return check_pace(c, true, e);
}

/* ---- back ---- */

/* To what this ring had: the safe direction, whatever the gates say. */
static int check_back(const struct judge_case *c, struct err *e)
{
	const struct assignment *a = c->wanted;
	uint64_t most = MAX(c->vendor_greatest, witness_greatest(c->witness, NULL, c->channel));

	if (a->granted && a->grant_max_serial > most)
		return REFUSE("it grants steps back from serial %llu, and the greatest is %llu", (unsigned long long)a->grant_max_serial,
			      (unsigned long long)most);
	return check_pace(c, false, e);
}

static int check_removal(const struct judge_case *c, struct err *e)
{
	if (c->current && !c->current_stopped)
		return REFUSE("it takes serial %llu away, which is not stopped", (unsigned long long)c->current->bundle.serial);
	return 0;
}

/* The same bundle, signed anew with other words, is forward: its evidence is still there. */
static bool goes_back(const struct judge_case *c)
{
	const struct digest *d = &c->wanted->bundle.digest;

	if (c->current && digest_equal(&c->current->bundle.digest, d))
		return false;
	return witness_in_force(c->witness, c->ring, c->channel, d);
}

int judge_change(const struct judge_case *c, enum judge_kind *kind, struct err *e)
{
	int position = policy_position(c->policy, c->ring), got;

	*kind = !c->wanted ? JUDGE_REMOVAL : goes_back(c) ? JUDGE_BACK : JUDGE_PROMOTION;
	if (position < 0)
		got = REFUSE("our policy has no such ring");
	else if (position == 0)
		got = REFUSE("it is the first ring, which needs no promoter");
	else if (*kind == JUDGE_REMOVAL)
		got = check_removal(c, e);
	else if (check_wanted(c, e) < 0)
		got = e->code;
	else
		got = *kind == JUDGE_BACK ? check_back(c, e) : check_promotion(c, position, e);
	return got < 0 ? refuse(c, e) : 0;
}
