#include "rollout/verdict.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "rollout/gate_background.h"
#include "rollout/silence.h"

#define LEFT_OUT_PER 5          /* one in five: 20 % */
#define COVERAGE_LEAST 3        /* survivors of a coverage pass */
#define NAMED_OFFERS 100000     /* of larger rings no record need tell which stratum a failure is of */
#define COVERAGE_PERCENT 80     /* of the members */

static const char *const verdict_names[] = { "continue", "hold", "pass", "halt" };
static const char *const cause_names[] = {
#define X(name, word) word,
	VERDICT_CAUSES(X)
#undef X
};

/* What the facts come to, worked out once. */
struct view {
	const struct verdict_facts *f;
	const struct policy_ring *ring;
	uint32_t survived, bad, lost, left_out;
	bool e_all, e_known;            /* at the limit */
	bool strata_all, strata_known;  /* the mean over the strata, likewise */
	bool covered;                   /* a coverage ring, and covered */
	uint32_t short_by;              /* strata that lack survivors, of those that the policy wants */
	bool lacking;                   /* the bound would be reached, but for them */
};

static void say(struct verdict_result *out, enum verdict v, enum verdict_cause c)
{
	out->verdict = v;
	out->cause = c;
}

#define SENTENCE(out, ...) snprintf((out)->sentence, sizeof (out)->sentence, __VA_ARGS__)

static double saturate(long double v)
{
	return v > DBL_MAX ? DBL_MAX : (double)v;
}

int64_t verdict_in_flight(const struct policy_ring *ring, uint32_t survived)
{
	return MIN(ring->cap, MAX(ring->m0, (int64_t)survived));
}

static bool past_deadline(const struct verdict_facts *f)
{
	return f->began != 0 && f->now - f->began - f->closed_s >= f->ring->deadline_s;
}

/* Asked at the deadline, a person let the ring go on as it is. */
static bool person_answered_deadline(const struct verdict_facts *f)
{
	return f->continue_anyway && past_deadline(f);
}

/* How many strata more must have their survivors. */
static uint32_t short_by(const struct verdict_facts *f)
{
	int64_t covered;

	if (f->ring->strata_covered == POLICY_STRATA_ALL || !f->strata)
		return f->strata_lacking;
	covered = (int64_t)strata_large_count(f->strata) - f->strata_lacking;
	return (uint32_t)MAX(f->ring->strata_covered - covered, 0);
}

/* The bound, if strata let it count; by numbers, else by covering a small ring. */
static void look_at_bound(struct view *v, struct verdict_result *out)
{
	const struct verdict_facts *f = v->f;
	bool by_numbers = gate_passes(f->sums.lambda, v->ring->beta);
	/* who covers all of a small ring has covered its strata, unless there are too few of them */
	bool wanted = v->short_by > 0 && (by_numbers || v->ring->strata_covered != POLICY_STRATA_ALL);

	/* pooled numbers say nothing of a stratum that was hardly tried */
	v->lacking = wanted && (by_numbers || v->covered) && !person_answered_deadline(f);
	out->bound_reached = by_numbers && !v->lacking;
	if (out->bound_reached || !v->covered || (v->lacking && v->ring->strata_covered != POLICY_STRATA_ALL))
		return;
	out->bound_reached = out->by_coverage = true;
	out->excluded_rate = gate_excluded_rate(f->members_survived);
}

static void look(struct view *v, struct verdict_result *out, const struct verdict_facts *f)
{
	const struct policy_ring *r = f->ring;
	const struct sequence_sums *s = &f->sums;
	double share = POLICY_SHARE_POOLED * r->alpha;
	double strata_share = POLICY_SHARE_STRATA * r->alpha;
	struct gate_halt all = { .max_e = s->max_e }, known = { .max_e = s->max_e_known };
	struct gate_halt strata = { .max_e = s->strata.max }, strata_known = { .max_e = s->strata_known.max };

	*v = (struct view){ .f = f, .ring = r, .survived = s->of[OUTCOME_SURVIVED], .lost = s->of[OUTCOME_LOST] };
	v->bad = s->of[OUTCOME_FAILED] + v->lost;
	v->left_out = s->of[OUTCOME_AWAY] + s->of[OUTCOME_ENVIRONMENT];
	v->e_all = gate_halts(&all, share);
	v->e_known = gate_halts(&known, share);
	v->strata_all = gate_halts(&strata, strata_share);
	v->strata_known = gate_halts(&strata_known, strata_share);

	out->lambda = s->lambda;
	out->lambda_limit = -log(1 / r->beta);
	out->e = saturate(s->max_e);
	out->e_known = saturate(s->max_e_known);
	out->e_limit = 1 / share;
	out->strata_e = saturate(s->strata.max);
	out->strata_e_known = saturate(s->strata_known.max);
	out->strata_e_limit = 1 / strata_share;
	out->e_at = v->e_known ? s->max_at_known : s->max_at;
	out->left_out = v->left_out;
	out->in_flight_max = verdict_in_flight(r, v->survived);
	out->coverage_ring = f->eligible < gate_clean_to_pass(r->p0, r->p1, r->beta);
	v->covered = out->coverage_ring && v->bad == 0 && f->members_survived >= COVERAGE_LEAST &&
		     (uint64_t)f->members_survived * 100 >= (uint64_t)f->eligible * COVERAGE_PERCENT &&
		     (uint64_t)f->members_survived + f->members_away >= f->eligible;
	v->short_by = short_by(f);
	look_at_bound(v, out);
}

/* ---- the reasons, in the order in which they count; each says whether it applies ---- */

static bool halt_by_evidence(struct verdict_result *out, const struct view *v)
{
	bool with_lost = !v->e_known && v->e_all && v->f->background_known;

	if (!v->e_known && !with_lost)
		return false;
	if (v->f->failed_in)
		SENTENCE(out, "%u of the first %u endpoints of stratum %.120s %s%s; E = %.4g, limit %.4g", with_lost ? v->bad : v->bad - v->lost,
			 v->f->failed_in_offers, v->f->failed_in, v->f->content_crash ? "crashed" : "failed", with_lost ? " or were lost" : "",
			 with_lost ? out->e : out->e_known, out->e_limit);
	else
		SENTENCE(out, "%u of the first %u offers %s%s; E = %.4g, limit %.4g", with_lost ? v->bad : v->bad - v->lost, out->e_at,
			 v->f->content_crash ? "crashed" : "failed", with_lost ? " or were lost" : "", with_lost ? out->e : out->e_known,
			 out->e_limit);
	return true;
}

/* One kind of endpoint fails where the others do not. */
static bool halt_by_stratum(struct verdict_result *out, const struct view *v)
{
	const struct verdict_facts *f = v->f;
	bool with_lost = !v->strata_known && v->strata_all && f->background_known;
	const struct strata_mean *m = with_lost ? &f->sums.strata : &f->sums.strata_known;
	char number[32];

	if (!v->strata_known && !with_lost)
		return false;
	snprintf(number, sizeof number, "number %u", m->stratum + 1);
	SENTENCE(out, "endpoints of stratum %.120s failed%s; E over the strata = %.4g, limit %.4g", f->strata ? strata_name(f->strata, m->stratum) : number,
		 with_lost ? " or were lost" : "", with_lost ? out->strata_e : out->strata_e_known, out->strata_e_limit);
	out->e_at = m->at;
	return true;
}

static bool halt_by_silence(struct verdict_result *out, const struct view *v)
{
	struct silence s = { .max = v->f->silence };
	double share = POLICY_SHARE_SILENCE * v->ring->alpha;

	if (!silence_halts(&s, share))
		return false;
	SENTENCE(out, "endpoints with the content fall silent more often than those that wait; W = %.4g, limit %.4g", saturate(s.max), 1 / share);
	return true;
}

static bool halt_by_crash(struct verdict_result *out, const struct view *v)
{
	if (!v->f->first || !v->f->content_crash)
		return false;
	SENTENCE(out, "the content crashed an engine or a kernel in the first ring %s", v->ring->name);
	return true;
}

static bool stands_out(struct verdict_result *out, const struct view *v, enum policy_effects then)
{
	const struct policy_ring *r = v->ring;
	const struct effects_bounds bounds = { .ratio = r->effects_ratio, .least = r->effects_least, .cpu_ms_s = r->effects_cpu_ms_s,
					       .rss_bytes = r->effects_rss_bytes, .load_ms = r->effects_load_ms };
	char sentence[EFFECTS_RAIL_SENTENCE];

	if (v->ring->effects != then || !v->f->effects || !(v->ring->effects_ratio > 0) || v->f->continue_anyway ||
	    !effects_rail(sentence, v->f->effects, &bounds))
		return false;
	SENTENCE(out, "%s", sentence);
	return true;
}

static bool halt_by_effects(struct verdict_result *out, const struct view *v)
{
	return stands_out(out, v, EFFECTS_HALT);
}

static bool hold_by_effects(struct verdict_result *out, const struct view *v)
{
	return stands_out(out, v, EFFECTS_HOLD);
}

static bool hold_by_operator(struct verdict_result *out, const struct view *v)
{
	if (!v->f->operator_hold)
		return false;
	SENTENCE(out, "an operator paused this ring");
	return true;
}

static bool hold_by_decline(struct verdict_result *out, const struct view *v)
{
	if (!v->f->first || !v->f->declined || v->f->continue_anyway)
		return false;
	SENTENCE(out, "a sensor's contract in the first ring %s refuses the content", v->ring->name);
	return true;
}

/* The least p0 that this background would fit: by what was measured, else by what was lost here. */
static void say_fitting(char out[64], const struct view *v)
{
	const struct verdict_facts *f = v->f;
	uint32_t final = v->survived + v->bad;
	double p0 = f->placebos ? gate_background_p0((uint64_t)f->placebos, (uint64_t)f->placebos_lost) : final ? 2.0 * v->lost / final : 1;

	if (2 * p0 > v->ring->p1)
		snprintf(out, 64, "no p0 below p1/2 would fit");
	else
		snprintf(out, 64, "p0 %.2g %% would fit", 100 * p0);
}

static bool hold_by_background(struct verdict_result *out, const struct view *v)
{
	char fitting[64];

	if (!v->e_all && !v->strata_all)
		return false;
	say_fitting(fitting, v);
	SENTENCE(out, "%u offers were lost and E%s = %.4g reaches %.4g only with them: background loss unknown or too high; %s", v->lost,
		 v->e_all ? "" : " over the strata", v->e_all ? out->e : out->strata_e, v->e_all ? out->e_limit : out->strata_e_limit, fitting);
	return true;
}

static bool hold_by_telemetry(struct verdict_result *out, const struct view *v)
{
	const struct verdict_facts *f = v->f;

	if (f->checkins_expected <= 0 || f->checkins_seen >= f->checkins_expected - f->checkins_seen)
		return false;
	SENTENCE(out, "telemetry is missing: %lld of %lld expected check-ins came over the last two intervals",
		 (long long)f->checkins_seen, (long long)f->checkins_expected);
	return true;
}

static bool hold_by_left_out(struct verdict_result *out, const struct view *v)
{
	if ((uint64_t)v->left_out * LEFT_OUT_PER <= v->f->sums.offers)
		return false;
	SENTENCE(out, "%u of %u offered endpoints are away or kept by their environment: above 20 %%", v->left_out,
		 v->f->sums.offers);
	return true;
}

static bool hold_by_coverage(struct verdict_result *out, const struct view *v)
{
	if (!out->coverage_ring || v->bad == 0 || out->bound_reached || v->f->continue_anyway)
		return false;
	SENTENCE(out, "%u of %u endpoints of this small ring failed or were lost, so covering it can no longer pass: a person must decide",
		 v->bad, v->f->eligible);
	return true;
}

static void say_lacking(char out[192], const struct view *v)
{
	const struct verdict_facts *f = v->f;

	if (v->ring->strata_covered == POLICY_STRATA_ALL || f->strata_lacking)
		snprintf(out, 192, "%u strata have too few survivors: %.120s is one", v->short_by, f->strata_lacks ? f->strata_lacks : "a small one");
	else
		snprintf(out, 192, "%u of the %lld strata that the policy asks for are not in this ring", v->short_by, (long long)v->ring->strata_covered);
}

static bool hold_by_deadline(struct verdict_result *out, const struct view *v)
{
	const struct verdict_facts *f = v->f;

	if (out->bound_reached || !past_deadline(f) || f->continue_anyway)
		return false;
	if (v->lacking) {
		char lacking[192];

		say_lacking(lacking, v);
		SENTENCE(out, "no verdict after %lld s: %s; a person must decide", (long long)v->ring->deadline_s, lacking);
		return true;
	}
	if (v->ring->boots > 0 && f->sums.open > 0)
		SENTENCE(out, "no verdict after %lld s: %u survived, %u failed or were lost, %u are open, which may only wait for the %lld restarts "
			 "that the policy asks for; a person must decide", (long long)v->ring->deadline_s, v->survived, v->bad, f->sums.open,
			 (long long)v->ring->boots);
	else
		SENTENCE(out, "no verdict after %lld s: %u survived, %u failed or were lost, %u open; a person must decide",
			 (long long)v->ring->deadline_s, v->survived, v->bad, f->sums.open);
	return true;
}

static bool hold_for_approval(struct verdict_result *out, const struct view *v)
{
	if (!out->by_coverage || v->ring->coverage != COVERAGE_APPROVE || v->f->coverage_approved)
		return false;
	SENTENCE(out, "all %u endpoints at hand survived, which excludes a failure rate of %.3g %% at 95 %%: the policy asks a person",
		 v->f->members_survived, 100 * out->excluded_rate);
	return true;
}

static const struct {
	enum verdict verdict;
	enum verdict_cause cause;
	bool (*applies)(struct verdict_result *out, const struct view *v);
} reasons[] = {
	{ VERDICT_HALT, CAUSE_EVIDENCE, halt_by_evidence },
	{ VERDICT_HALT, CAUSE_EVIDENCE, halt_by_stratum },
	{ VERDICT_HALT, CAUSE_EVIDENCE, halt_by_silence },
	{ VERDICT_HALT, CAUSE_FIRST_RING_CRASH, halt_by_crash },
	{ VERDICT_HALT, CAUSE_EFFECTS, halt_by_effects },
	{ VERDICT_HOLD, CAUSE_OPERATOR, hold_by_operator },
	{ VERDICT_HOLD, CAUSE_DECLINED, hold_by_decline },
	{ VERDICT_HOLD, CAUSE_COVERAGE_IMPOSSIBLE, hold_by_coverage },
	{ VERDICT_HOLD, CAUSE_BACKGROUND, hold_by_background },
	{ VERDICT_HOLD, CAUSE_TELEMETRY, hold_by_telemetry },
	{ VERDICT_HOLD, CAUSE_EFFECTS, hold_by_effects },
	{ VERDICT_HOLD, CAUSE_LEFT_OUT, hold_by_left_out },
	{ VERDICT_HOLD, CAUSE_DEADLINE, hold_by_deadline },
	{ VERDICT_HOLD, CAUSE_COVERAGE_APPROVE, hold_for_approval },
};

/* No reason against: the bound and the soak decide. */
static void conclude(struct verdict_result *out, const struct view *v)
{
	const struct verdict_facts *f = v->f;
	int64_t soaked = f->bound_at ? f->now - f->bound_at : 0, soak_s = policy_soak_s(v->ring, f->emergency);
	char lacking[192];

	if (!out->bound_reached && v->lacking) {
		say(out, VERDICT_CONTINUE, CAUSE_RUNNING);
		say_lacking(lacking, v);
		SENTENCE(out, "the bound is reached, but %s", lacking);
	} else if (!out->bound_reached) {
		say(out, VERDICT_CONTINUE, CAUSE_RUNNING);
		SENTENCE(out, "%u survived, %u failed or were lost, %u open; lambda = %.4g, passes at %.4g", v->survived, v->bad,
			 f->sums.open, out->lambda, out->lambda_limit);
	} else if (soaked < soak_s) {
		say(out, VERDICT_CONTINUE, CAUSE_SOAK);
		SENTENCE(out, "the bound is reached; %lld of %lld s of soak are over%s", (long long)soaked, (long long)soak_s,
			 f->emergency ? ", in the emergency lane" : "");
	} else if (out->by_coverage) {
		say(out, VERDICT_PASS, CAUSE_COVERAGE);
		SENTENCE(out, "coverage: %u of %u endpoints survived and none failed, which excludes a failure rate of %.3g %% at 95 %%",
			 f->members_survived, f->eligible, 100 * out->excluded_rate);
	} else {
		say(out, VERDICT_PASS, CAUSE_BOUND);
		SENTENCE(out, "%u of %u observed endpoints survived; lambda = %.4g, limit %.4g", v->survived, v->survived + v->bad,
			 out->lambda, out->lambda_limit);
	}
}

void verdict_of(struct verdict_result *out, const struct verdict_facts *f)
{
	struct view v;

	*out = (struct verdict_result){ 0 };
	look(&v, out, f);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].applies(out, &v)) {
			say(out, reasons[i].verdict, reasons[i].cause);
			return;
		}
	conclude(out, &v);
}

static void take_lacking(struct verdict_facts *f, const struct strata *plan, const uint32_t survived[])
{
	uint32_t first = 0;

	f->strata_lacking = strata_lacking(plan, survived, f->ring->strata_survivors, &first);
	f->strata_lacks = f->strata_lacking ? strata_name(plan, first) : NULL;
}

/* The stratum of every failure, when it is one among others; else UINT32_MAX. */
static uint32_t only_bad(const struct strata *plan, const uint32_t bad[])
{
	uint32_t only = UINT32_MAX;

	for (uint32_t i = 0; i < strata_count(plan); i++)
		if (bad[i]) {
			if (only != UINT32_MAX || strata_size(plan, i) == strata_ring(plan))
				return UINT32_MAX;
			only = i;
		}
	return only;
}

/* Up to which offer a halt by E looks; 0: there is none. */
static uint32_t halt_at(const struct verdict_facts *f)
{
	struct gate_halt all = { .max_e = f->sums.max_e }, known = { .max_e = f->sums.max_e_known };
	double share = POLICY_SHARE_POOLED * f->ring->alpha;

	if (f->sums.offers > NAMED_OFFERS)
		return 0;
	return gate_halts(&known, share) ? f->sums.max_at_known : gate_halts(&all, share) ? f->sums.max_at : 0;
}

void verdict_strata(struct verdict_facts *f, const struct strata *plan, const struct sequence *q)
{
	uint32_t survived[STRATA_MAX], bad[STRATA_MAX], only, at;

	f->strata = plan;
	if (!plan)
		return;
	for (uint32_t i = 0; i < strata_count(plan); i++) {
		survived[i] = sequence_stratum_survived(q, i);
		bad[i] = sequence_stratum_bad(q, i);
	}
	take_lacking(f, plan, survived);
	only = only_bad(plan, bad);
	at = only == UINT32_MAX ? 0 : halt_at(f);
	f->failed_in = at ? strata_name(plan, only) : NULL;
	for (uint32_t n = 1; n <= at; n++)
		f->failed_in_offers += sequence_stratum(q, n) == only;
}

int verdict_strata_plain(struct verdict_facts *f, const struct strata *plan, const enum outcome *outcomes, const uint32_t *group, struct err *e)
{
	uint32_t survived[STRATA_MAX] = { 0 }, bad[STRATA_MAX] = { 0 }, only, at;

	f->strata = plan;
	if (!plan)
		return 0;
	for (uint32_t i = 0; i < f->sums.offers; i++) {
		survived[group[i]] += outcomes[i] == OUTCOME_SURVIVED;
		bad[group[i]] += outcomes[i] == OUTCOME_FAILED || outcomes[i] == OUTCOME_LOST;
	}
	take_lacking(f, plan, survived);
	only = only_bad(plan, bad);
	at = only == UINT32_MAX ? 0 : halt_at(f);
	f->failed_in = at ? strata_name(plan, only) : NULL;
	for (uint32_t n = 0; n < at; n++)
		f->failed_in_offers += group[n] == only;
	return sequence_strata_plain(&f->sums, f->ring->p0, f->ring->p1, outcomes, group, f->sums.offers, strata_count(plan), e);
}

const char *verdict_name(enum verdict v)
{
	return verdict_names[v];
}

const char *verdict_cause_name(enum verdict_cause c)
{
	return cause_names[c];
}

int verdict_cause_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(cause_names); i++)
		if (strcmp(cause_names[i], name) == 0)
			return (int)i;
	return -1;
}

bool verdict_cause_ends_itself(enum verdict_cause c)
{
	return c == CAUSE_TELEMETRY || c == CAUSE_LEFT_OUT || c == CAUSE_BACKGROUND || c == CAUSE_EFFECTS;
}
