/*
 * bench_gates: what judging costs, and a plan for 8.5 million endpoints, which
 * must take less than a minute or this fails.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rollout/gate_exact.h"
#include "rollout/sequence.h"
#include "rollout/simulate.h"

#define FLEET 8500000
#define OFFERS 1000000
#define LOOKS 2000
#define MINUTE_MS 60000

static double seconds(int64_t from_ms)
{
	return (double)(clock_work_ms() - from_ms) / 1000;
}

/* A ring of a million, looked at after every failure among the newest thousand. */
static int look(struct err *e)
{
	AUTO(sequence) struct sequence *q = NULL;
	struct sequence_sums sums;
	int64_t start = clock_work_ms();

	if (sequence_new(&q, 0.001, 0.01, e) < 0)
		return e->code;
	for (uint32_t n = 1; n <= OFFERS; n++) {
		if (sequence_offer(q, n % 7, e) < 0)
			return e->code;
		sequence_set(q, n, OUTCOME_SURVIVED, n);
	}
	sequence_sums(q, &sums);
	printf("a million offers and outcomes, first look: %.2f s\n", seconds(start));
	start = clock_work_ms();
	for (uint32_t i = 0; i < LOOKS; i++) {
		sequence_set(q, OFFERS - i % 1000, i / 1000 % 2 ? OUTCOME_SURVIVED : OUTCOME_FAILED, OFFERS + i);
		sequence_sums(q, &sums);
	}
	printf("a look after a failure: %.3f ms\n", seconds(start) * 1000 / LOOKS);
	return 0;
}

static int exact(const struct policy *p, struct err *e)
{
	int64_t start = clock_work_ms();

	for (size_t i = 0; i < p->count; i++) {
		const struct policy_ring *r = &p->rings[i];
		struct gate_bracket pass, halt;

		if (gate_exact_pass(&pass, r->p0, r->p1, r->beta, r->p1, 20000, e) < 0 ||
		    gate_exact_halt(&halt, r->p0, r->p1, POLICY_SHARE_POOLED * r->alpha, r->p0, 100000, e) < 0)
			return e->code;
		printf("%s: passes with %.4g at p1 (beta %g); halts with %.4g to %.4g at p0 within 100,000 offers (share %g)\n", r->name, pass.high,
		       r->beta, halt.low, halt.high, POLICY_SHARE_POOLED * r->alpha);
	}
	printf("worked out exactly in %.2f s\n", seconds(start));
	return 0;
}

/* 1: it took longer than a minute. */
static int plan(const char *what, const struct policy *p, double defect, enum simulate_way way, uint32_t runs, struct err *e)
{
	struct simulate_trace trace;
	struct simulate_report r;
	struct simulate_plan s = { .policy = p, .trace = &trace, .fleet = FLEET, .defect = defect, .stratum = -1, .way = way, .seed = 1 };
	int64_t start = clock_work_ms();

	simulate_trace_default(&trace, p);
	if (simulate(&r, &s, runs, 25000000, e) < 0)
		return e->code;
	printf("%s, %u endpoints, %u runs: %lld hit at worst, halted after %lld s, covered after %.1f d: %.2f s\n", what, (unsigned)FLEET, r.runs,
	       (long long)r.hit.worst, (long long)r.halt_s.worst, r.cover_s.worst < 0 ? -1 : (double)r.cover_s.worst / 86400, seconds(start));
	return clock_work_ms() - start > MINUTE_MS;
}

static int plans(struct policy *p, struct err *e)
{
	int late = 0, got;

	got = plan("every load boot-loops", p, 1, SIMULATE_CRASH, 1000, e);
	if (got < 0 || (late += got, got = plan("sound, one boot required", p, 0, SIMULATE_CRASH, 1, e)) < 0)
		return got;
	late += got;
	for (size_t i = 0; i < p->count; i++)
		p->rings[i].boots = 0;
	got = plan("sound, no boot required", p, 0, SIMULATE_CRASH, 1, e);
	return got < 0 ? got : late + got;
}

int main(void)
{
	static const char *const names[] = { "canary", "early", "broad" };
	AUTO(policy) struct policy *p = NULL;
	struct err e;
	int late;

	if (policy_default(&p, "edr", names, 3, &e) < 0 || look(&e) < 0 || exact(p, &e) < 0 || (late = plans(p, &e)) < 0) {
		fprintf(stderr, "bench_gates: %s\n", e.msg);
		return 1;
	}
	if (late)
		fprintf(stderr, "bench_gates: a plan took more than a minute\n");
	return late != 0;
}
