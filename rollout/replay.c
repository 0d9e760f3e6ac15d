#include "rollout/replay.h"

#include <stdlib.h>
#include <string.h>

/* What became of the offers, in order, and which stratum each is of. */
struct history {
	enum outcome *outcomes;
	uint32_t *groups;
	uint32_t count;
};

static void history_release(struct history *h)
{
	free(h->outcomes);
	free(h->groups);
}

static int history_room(struct history *h, uint64_t count, struct err *e)
{
	h->outcomes = calloc(count + 1, sizeof *h->outcomes);
	h->groups = calloc(count + 1, sizeof *h->groups);
	h->count = (uint32_t)count;
	return h->outcomes && h->groups ? 0 : err_memory(e);
}

/* One token of the runs: "/3:" sets the stratum, "12s" is a run. Answers what follows it, or NULL. */
static const char *run_token(const struct gate_record *r, const char *p, unsigned long *number, enum outcome *o, bool *group)
{
	const char *digits = p + (*p == '/'), *letter;
	char *end;

	*group = *p == '/';
	*number = strtoul(digits, &end, 10);
	if (end == digits || *digits < '0' || *digits > '9' || (*digits == '0' && (!*group || end != digits + 1)))
		return NULL;
	if (*group)
		return *end == ':' && r->strata && *number < r->strata_count ? end + 1 : NULL;
	letter = *end ? memchr(gate_run_letters, *end, OUTCOME_COUNT) : NULL;
	if (!letter || *number > SEQUENCE_MAX)
		return NULL;
	*o = (enum outcome)(letter - gate_run_letters);
	return end + 1;
}

/* "/0:12s/3:1f3p" once more as outcomes; none may be more than can be replayed. */
static int from_runs(struct history *h, const struct gate_record *r, struct err *e)
{
	for (int pass = 0; pass < 2; pass++) {
		uint64_t at = 0;
		uint32_t current = 0;

		for (const char *p = r->runs, *next; *p; p = next) {
			unsigned long number;
			enum outcome o = OUTCOME_PENDING;
			bool group;

			next = run_token(r, p, &number, &o, &group);
			if (!next)
				return err_set(e, ERR_FORMAT, "runs of outcomes: \"%.20s\" is none", p);
			if (group) {
				current = (uint32_t)number;
				continue;
			}
			if (at + number > GATE_RECORD_MAX)
				return err_set(e, ERR_LIMIT, "runs of outcomes: more offers than can be replayed");
			for (uint64_t i = 0; pass && i < number; i++) {
				h->outcomes[at + i] = o;
				h->groups[at + i] = current;
			}
			at += number;
		}
		if (!pass && history_room(h, at, e) < 0)
			return e->code;
	}
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

static int history_of(struct history *h, const struct gate_record *r, struct err *e)
{
	int64_t silence_s = policy_silence_s(r->policy);

	if (r->runs)
		return from_runs(h, r, e);
	if (history_room(h, r->offer_count, e) < 0)
		return e->code;
	for (uint32_t n = 1; n <= r->offer_count; n++) {
		if (check_offer(r, n, e) < 0)
			return e->code;
		h->outcomes[n - 1] = outcome_of(&r->offers[n - 1].facts, r->facts.ring->observe_s, silence_s, r->facts.now);
		h->groups[n - 1] = r->offers[n - 1].stratum;
	}
	return 0;
}

/* ---- silence ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Silent endpoints by name: nobody counts twice. */
static int check_once(const struct gate_record *r, struct err *e)
{
	AUTO_FREE const char **names = calloc((size_t)r->silenced_count + 1, sizeof *names);

	if (!names)
		return err_memory(e);
	for (uint32_t i = 0; i < r->silenced_count; i++)
		names[i] = r->silenced[i].device;
	qsort(names, r->silenced_count, sizeof *names, by_name);
	for (uint32_t i = 1; i < r->silenced_count; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			return err_set(e, ERR_REFUSED, "the silence of the device %s is counted twice", names[i]);
	return 0;
}

/* Names are sorted, and an offer begins with its device's: from the one to the other. */
static int check_sides(const struct gate_record *r, struct err *e)
{
	AUTO_FREE const char **names = calloc((size_t)r->offer_count + 1, sizeof *names);

	if (!names)
		return err_memory(e);
	for (uint32_t i = 0; i < r->offer_count; i++)
		names[i] = r->offers[i].device;
	qsort(names, r->offer_count, sizeof *names, by_name);
	for (uint32_t i = 0; i < r->silenced_count; i++) {
		const struct gate_silenced *v = &r->silenced[i];
		const char *name = v->device, *const *met = bsearch(&name, names, r->offer_count, sizeof *names, by_name);
		const struct gate_offer *o = met ? (const void *)*met : NULL;

		/* an endpoint that waited may be offered something later */
		if (v->treated ? !o || o->facts.offered >= v->at : o && o->facts.offered + r->policy->checkin_s < v->at)
			return err_set(e, ERR_REFUSED, "silence %u: the endpoint stands on the wrong side", i + 1);
	}
	return 0;
}

static int replay_silence(struct verdict_facts *f, const struct gate_record *r, struct err *e)
{
	struct silence s = r->silence_before;
	int64_t last = 0;

	for (uint32_t i = 0; i < r->silenced_count; i++) {
		const struct gate_silenced *v = &r->silenced[i];

		if (v->at < last || v->at > f->now + r->policy->checkin_s || (v->treated ? v->at_risk : v->waiting) == 0)
			return err_set(e, ERR_REFUSED, "silence %u: out of its time, or nobody was at risk", i + 1);
		last = v->at;
		silence_event(&s, v->treated, v->at_risk, v->waiting);
	}
	f->silence = s.max;
	if (check_once(r, e) < 0)
		return e->code;
	return r->runs ? 0 : check_sides(r, e);
}

/* ---- strata ---- */

static int replay_strata(struct verdict_facts *f, const struct gate_record *r, const struct history *h, struct err *e)
{
	if (!r->has_given)
		return verdict_strata_plain(f, r->strata, h->outcomes, h->groups, e);
	if (!r->runs)
		return err_set(e, ERR_REFUSED, "what strata come to is given, where it can be summed up");
	f->strata = r->strata;
	f->sums.strata = r->given.all;
	f->sums.strata_known = r->given.known;
	f->strata_lacking = r->given.lacking;
	f->strata_lacks = f->strata_lacking ? strata_name(r->strata, r->given.lacks) : NULL;
	return 0;
}

static int check_facts(const struct verdict_facts *f, struct err *e)
{
	if (f->members_survived > f->eligible || f->members_away > f->eligible)
		return err_set(e, ERR_REFUSED, "more members survived or are away than the ring has");
	if (f->bound_at && (f->bound_at > f->now || f->bound_at < f->began))
		return err_set(e, ERR_REFUSED, "the bound was reached outside the ring's time");
	if (f->closed_s > MAX(f->now - f->began, 0))
		return err_set(e, ERR_REFUSED, "the ring was closed for longer than it has been there");
	if (f->placebos_lost > f->placebos)
		return err_set(e, ERR_REFUSED, "more placebo offers were lost than made");
	if (f->checkins_seen > f->checkins_expected)
		return err_set(e, ERR_REFUSED, "more check-ins were seen than expected");
	return 0;
}

static int compare(const struct verdict_result *is, const struct gate_record *r, struct err *e)
{
	if (is->verdict != r->verdict || is->cause != r->cause)
		return err_set(e, ERR_REFUSED, "the inputs say %s (%s: %.120s), the record says %s (%s)", verdict_name(is->verdict),
			       verdict_cause_name(is->cause), is->sentence, verdict_name(r->verdict), verdict_cause_name(r->cause));
	/* what is said has been put better since format 1; what is decided has not */
	if (r->format > 1 && strcmp(is->sentence, r->sentence) != 0)
		return err_set(e, ERR_REFUSED, "the inputs say \"%.100s\", the record says \"%.100s\"", is->sentence, r->sentence);
	return 0;
}

static int replay_facts(struct verdict_facts *f, const struct gate_record *r, struct err *e)
{
	struct history h = { 0 };
	int got = history_of(&h, r, e);

	if (got == 0) {
		sequence_sums_plain(&f->sums, f->ring->p0, f->ring->p1, h.outcomes, h.count);
		got = replay_strata(f, r, &h, e);
	}
	if (got == 0)
		got = replay_silence(f, r, e);
	history_release(&h);
	return got;
}

int replay_record(struct replay *out, const struct gate_record *r, struct err *e)
{
	*out = (struct replay){ .facts = r->facts };
	if (check_facts(&r->facts, e) < 0 || replay_facts(&out->facts, r, e) < 0)
		return err_wrap(e, "gate record of ring %s", r->ring);
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

static bool same_silenced(const struct gate_silenced *a, const struct gate_silenced *b)
{
	return strcmp(a->device, b->device) == 0 && a->at == b->at && a->group == b->group && a->treated == b->treated &&
	       a->at_risk == b->at_risk && a->waiting == b->waiting;
}

/* The plan is frozen, and silence only goes on. */
static int check_frozen(const struct gate_record *was, const struct gate_record *is, struct err *e)
{
	if (is->format < was->format)
		return err_set(e, ERR_REFUSED, "history was rewritten: its newest record is of an older format");
	if (was->strata && !strata_same(was->strata, is->strata))
		return err_set(e, ERR_REFUSED, "history was rewritten: the strata of ring %s are others now", is->ring);
	if (was->silence_before.armed || is->silence_before.armed)
		return 0;
	if (is->silenced_count < was->silenced_count)
		return err_set(e, ERR_REFUSED, "history was rewritten: %u silent endpoints became %u", was->silenced_count, is->silenced_count);
	for (uint32_t i = 0; i < was->silenced_count; i++)
		if (!same_silenced(&was->silenced[i], &is->silenced[i]))
			return err_set(e, ERR_REFUSED, "history was rewritten: silence %u is another one now", i + 1);
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
	if (check_frozen(earlier, later, e) < 0)
		return e->code;
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

static int same_calendar(const struct policy_ring *a, const struct policy_ring *b, struct err *e)
{
	const struct policy_ring *rings[2] = { a, b };
	struct buf texts[2] = { { .max = POLICY_MAX }, { .max = POLICY_MAX } };
	int got = 0;

	for (size_t i = 0; i < 2; i++) {
		struct json_writer w = { .out = &texts[i] };

		json_open_object(&w, NULL);
		calendar_write(&w, &rings[i]->calendar);
		json_close_object(&w);
	}
	if (buf_check(&texts[0], e) < 0 || buf_check(&texts[1], e) < 0)
		got = e->code;
	else if (strcmp(texts[0].data, texts[1].data) != 0)
		got = err_set(e, ERR_REFUSED, "ring %s: its windows or freezes are others here and there", a->name);
	buf_release(&texts[0]);
	buf_release(&texts[1]);
	return got;
}

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
		{ "effects", a->effects, b->effects }, { "effects_ratio", a->effects_ratio, b->effects_ratio },
		{ "effects_least", (double)a->effects_least, (double)b->effects_least },
		{ "effects_cpu_ms_s", (double)a->effects_cpu_ms_s, (double)b->effects_cpu_ms_s },
		{ "effects_rss_bytes", (double)a->effects_rss_bytes, (double)b->effects_rss_bytes },
		{ "effects_load_ms", (double)a->effects_load_ms, (double)b->effects_load_ms },
		{ "emergency_soak_s", (double)a->emergency_soak_s, (double)b->emergency_soak_s },
		{ "last_share", a->last_share, b->last_share }, { "strata", a->strata, b->strata },
		{ "strata_survivors", (double)a->strata_survivors, (double)b->strata_survivors },
		{ "strata_covered", (double)a->strata_covered, (double)b->strata_covered },
		{ "approvals", (double)a->approvals.count, (double)b->approvals.count },
		{ "lag.bundles", (double)a->lag_bundles, (double)b->lag_bundles },
		{ "lag.hours", (double)a->lag_hours, (double)b->lag_hours },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		if (numbers[i].ours < numbers[i].theirs || numbers[i].ours > numbers[i].theirs)
			return err_set(e, ERR_REFUSED, "ring %s: %s is %g here and %g there", a->name, numbers[i].what, numbers[i].ours,
				       numbers[i].theirs);
	if (strcmp(a->approvals.role, b->approvals.role) != 0)
		return err_set(e, ERR_REFUSED, "ring %s: role %s approves here and %s there", a->name, a->approvals.role, b->approvals.role);
	return same_calendar(a, b, e);
}

int replay_same_policy(const struct policy *ours, const struct policy *theirs, struct err *e)
{
	if (strcmp(ours->channel, theirs->channel) != 0)
		return err_set(e, ERR_REFUSED, "the policy of channel %s was asked about channel %s", ours->channel, theirs->channel);
	if (ours->checkin_s != theirs->checkin_s)
		return err_set(e, ERR_REFUSED, "checkin_s is %lld here and %lld there", (long long)ours->checkin_s,
			       (long long)theirs->checkin_s);
	if (ours->emergency.count != theirs->emergency.count || strcmp(ours->emergency.role, theirs->emergency.role) != 0)
		return err_set(e, ERR_REFUSED, "the emergency lane asks %lld %s here and %lld %s there", (long long)ours->emergency.count,
			       ours->emergency.role, (long long)theirs->emergency.count, theirs->emergency.role);
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
