#include "rollout/replay.h"

#include <stdlib.h>
#include <string.h>

/* "12s1f3p" once more as outcomes; none may be more than any ring holds. */
static int from_runs(enum outcome **out, uint32_t *count, const char *runs, struct err *e)
{
	AUTO_FREE enum outcome *all = NULL;
	uint64_t total = 0;

	for (int pass = 0; pass < 2; pass++) {
		const char *p = runs;
		uint64_t at = 0;

		while (*p) {
			char *end;
			unsigned long run = strtoul(p, &end, 10);
			const char *letter = *end ? memchr(gate_run_letters, *end, OUTCOME_COUNT) : NULL;

			if (end == p || *p < '1' || *p > '9' || !letter || run > SEQUENCE_MAX)
				return err_set(e, ERR_FORMAT, "runs of outcomes: \"%.20s\" is none", p);
			for (uint64_t i = 0; pass && i < run; i++)
				all[at + i] = (enum outcome)(letter - gate_run_letters);
			at += run;
			p = end + 1;
			if (at > GATE_RECORD_MAX)
				return err_set(e, ERR_LIMIT, "runs of outcomes: more offers than can be replayed");
		}
		total = at;
		if (!pass && !(all = calloc(total + 1, sizeof *all)))
			return err_memory(e);
	}
	*count = (uint32_t)total;
	*out = TAKE(all);
	return 0;
}

/* What one offer says must be possible. */
static int check_offer(const struct gate_record *r, uint32_t n, struct err *e)
{
	const struct gate_offer *o = &r->offers[n - 1];
	const struct outcome_facts *f = &o->facts;
	const int64_t proofs[] = { f->survived, f->failed, f->lost, f->renewed, f->environment };
	/* A server's clock may be set back a little while it runs. */
	const int64_t slack = r->policy->checkin_s;

	if (f->offered == 0 || f->offered > r->facts.now + slack || (r->facts.began && f->offered < r->facts.began - slack))
		return err_set(e, ERR_REFUSED, "offer %u was made at %lld, outside the ring's time", n, (long long)f->offered);
	for (size_t i = 0; i < ARRAY_LEN(proofs); i++)
		if (proofs[i] && (proofs[i] < f->offered - slack || proofs[i] > r->facts.now + slack))
			return err_set(e, ERR_REFUSED, "offer %u: what is said to have happened at %lld lies outside its time", n,
				       (long long)proofs[i]);
	return 0;
}

static int outcomes_of(enum outcome **out, uint32_t *count, const struct gate_record *r, struct err *e)
{
	AUTO_FREE enum outcome *all = NULL;
	int64_t silence_s = policy_silence_s(r->policy);

	if (r->runs)
		return from_runs(out, count, r->runs, e);
	all = calloc((size_t)r->offer_count + 1, sizeof *all);
	if (!all)
		return err_memory(e);
	for (uint32_t n = 1; n <= r->offer_count; n++) {
		if (check_offer(r, n, e) < 0)
			return e->code;
		all[n - 1] = outcome_of(&r->offers[n - 1].facts, r->facts.ring->observe_s, silence_s, r->facts.now);
	}
	*count = r->offer_count;
	*out = TAKE(all);
	return 0;
}

static int check_facts(const struct verdict_facts *f, struct err *e)
{
	if (f->members_survived > f->eligible || f->members_away > f->eligible)
		return err_set(e, ERR_REFUSED, "more members survived or are away than the ring has");
	if (f->bound_at && (f->bound_at > f->now || f->bound_at < f->began))
		return err_set(e, ERR_REFUSED, "the bound was reached outside the ring's time");
	if (f->checkins_seen > f->checkins_expected)
		return err_set(e, ERR_REFUSED, "more check-ins were seen than expected");
	return 0;
}

static int compare(const struct verdict_result *is, const struct gate_record *r, struct err *e)
{
	if (is->verdict != r->verdict || is->cause != r->cause)
		return err_set(e, ERR_REFUSED, "the inputs say %s (%s: %.120s), the record says %s (%s)", verdict_name(is->verdict),
			       verdict_cause_name(is->cause), is->sentence, verdict_name(r->verdict), verdict_cause_name(r->cause));
	if (strcmp(is->sentence, r->sentence) != 0)
		return err_set(e, ERR_REFUSED, "the inputs say \"%.100s\", the record says \"%.100s\"", is->sentence, r->sentence);
	return 0;
}

int replay_record(struct replay *out, const struct gate_record *r, struct err *e)
{
	AUTO_FREE enum outcome *outcomes = NULL;
	uint32_t count = 0;

	*out = (struct replay){ .facts = r->facts };
	if (check_facts(&r->facts, e) < 0 || outcomes_of(&outcomes, &count, r, e) < 0)
		return err_wrap(e, "gate record of ring %s", r->ring);
	sequence_sums_plain(&out->facts.sums, r->facts.ring->p0, r->facts.ring->p1, outcomes, count);
	if (out->facts.sums.offers && !r->facts.began)
		return err_set(e, ERR_REFUSED, "gate record of ring %s: it has offers, but never began", r->ring);
	verdict_of(&out->result, &out->facts);
	return compare(&out->result, r, e) < 0 ? err_wrap(e, "gate record of ring %s", r->ring) : 0;
}

/* ---- one after the other ---- */

static int rewritten(struct err *e, uint32_t n, const char *what)
{
	return err_set(e, ERR_REFUSED, "history was rewritten: offer %u %s", n, what);
}

static int check_kept(uint32_t n, const struct gate_offer *was, const struct gate_offer *is, struct err *e)
{
	if (strcmp(was->device, is->device) != 0 || was->stratum != is->stratum || was->facts.offered != is->facts.offered)
		return rewritten(e, n, "is another one now");
	if (is->facts.voided)
		return 0;       /* an operator took it out, which both records show */
	if (was->facts.failed && is->facts.failed != was->facts.failed)
		return rewritten(e, n, "failed, and is said not to have");
	if (was->facts.lost && is->facts.lost != was->facts.lost)
		return rewritten(e, n, "was lost, and is said not to be");
	if (was->facts.survived && is->facts.survived != was->facts.survived)
		return rewritten(e, n, "survived at another time");
	return 0;
}

int replay_follows(const struct gate_record *earlier, const struct gate_record *later, struct err *e)
{
	if (earlier->rollout != later->rollout || strcmp(earlier->ring, later->ring) != 0 ||
	    strcmp(earlier->channel, later->channel) != 0 || !digest_equal(&earlier->bundle.digest, &later->bundle.digest))
		return err_set(e, ERR_REFUSED, "history was rewritten: rollout %llu ring %s is of another bundle",
			       (unsigned long long)later->rollout, later->ring);
	if (later->attempt < earlier->attempt || later->facts.now < earlier->facts.now)
		return err_set(e, ERR_REFUSED, "history was rewritten: a decision of %lld comes after one of %lld",
			       (long long)later->facts.now, (long long)earlier->facts.now);
	if (earlier->facts.began && later->facts.began != earlier->facts.began)
		return err_set(e, ERR_REFUSED, "history was rewritten: ring %s began at another time", later->ring);
	if (earlier->facts.content_crash && !later->facts.content_crash)
		return err_set(e, ERR_REFUSED, "history was rewritten: a crash in ring %s is gone", later->ring);
	if (earlier->runs || later->runs)
		return 0;
	if (later->offer_count < earlier->offer_count)
		return err_set(e, ERR_REFUSED, "history was rewritten: %u offers became %u", earlier->offer_count, later->offer_count);
	for (uint32_t n = 1; n <= earlier->offer_count; n++)
		if (check_kept(n, &earlier->offers[n - 1], &later->offers[n - 1], e) < 0)
			return e->code;
	return 0;
}

/* ---- policies ---- */

static int same_ring(const struct policy_ring *a, const struct policy_ring *b, struct err *e)
{
	const struct {
		const char *what;
		double ours, theirs;
	} numbers[] = {
		{ "p0", a->p0, b->p0 }, { "p1", a->p1, b->p1 }, { "alpha", a->alpha, b->alpha }, { "beta", a->beta, b->beta },
		{ "m0", (double)a->m0, (double)b->m0 }, { "cap", (double)a->cap, (double)b->cap },
		{ "soak_s", (double)a->soak_s, (double)b->soak_s }, { "observe_s", (double)a->observe_s, (double)b->observe_s },
		{ "deadline_s", (double)a->deadline_s, (double)b->deadline_s }, { "boots", (double)a->boots, (double)b->boots },
		{ "probation_s", (double)a->probation_s, (double)b->probation_s },
		{ "min_age_s", (double)a->min_age_s, (double)b->min_age_s },
		{ "coverage", a->coverage, b->coverage }, { "promote", a->promote, b->promote },
		{ "permit", a->permit_required, b->permit_required }, { "audit_first", a->audit_first, b->audit_first },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].ours < numbers[i].theirs || numbers[i].ours > numbers[i].theirs)
			return err_set(e, ERR_REFUSED, "ring %s: %s is %g here and %g there", a->name, numbers[i].what, numbers[i].ours,
				       numbers[i].theirs);
	return 0;
}

int replay_same_policy(const struct policy *ours, const struct policy *theirs, struct err *e)
{
	if (strcmp(ours->channel, theirs->channel) != 0)
		return err_set(e, ERR_REFUSED, "the policy of channel %s was asked about channel %s", ours->channel, theirs->channel);
	if (ours->checkin_s != theirs->checkin_s)
		return err_set(e, ERR_REFUSED, "checkin_s is %lld here and %lld there", (long long)ours->checkin_s,
			       (long long)theirs->checkin_s);
	if (ours->count != theirs->count)
		return err_set(e, ERR_REFUSED, "%zu rings here and %zu there", ours->count, theirs->count);
	for (size_t i = 0; i < ours->count; i++) {
		if (strcmp(ours->rings[i].name, theirs->rings[i].name) != 0)
			return err_set(e, ERR_REFUSED, "ring %zu is %s here and %s there", i + 1, ours->rings[i].name,
				       theirs->rings[i].name);
		if (same_ring(&ours->rings[i], &theirs->rings[i], e) < 0)
			return e->code;
	}
	return 0;
}
