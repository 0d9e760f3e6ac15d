/*
 * bench_gates: what judging costs, and plans for 8.5 million endpoints. Each
 * must take less than a minute of one core, whoever else uses the machine, or
 * this fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "rollout/gate_exact.h"
#include "rollout/sequence.h"
#include "rollout/simulate.h"

#define FLEET 8500000
#define OFFERS 1000000
#define LOOKS 2000
#define MINUTE_S 60
#define MONDAY 1748854800               /* 2025-06-02T09:00:00Z */

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

/* As `ringhold plan simulate` asks by default. 1: it took longer than a minute of one core. */
static int plan(const char *what, const struct policy *p, const struct simulate_trace *trace, double defect, struct err *e)
{
	struct simulate_report r;
	struct simulate_plan s = { .policy = p, .begins = MONDAY, .trace = trace, .fleet = FLEET, .defect = defect, .stratum = -1, .seed = 1,
				   .way = SIMULATE_CRASH };
	int64_t start = clock_work_ms();
	clock_t began = clock();
	double cpu;

	if (simulate(&r, &s, SIMULATE_RUNS, SIMULATE_WORK, e) < 0)
		return e->code;
	cpu = (double)(clock() - began) / CLOCKS_PER_SEC;
	printf("%s, %u endpoints, %u runs: ", what, (unsigned)FLEET, r.runs);
	if (r.cover_s.worst < 0)
		printf("%lld hit at worst, halted after %lld s", (long long)r.hit.worst, (long long)r.halt_s.worst);
	else
		printf("covered after %.1f d", (double)r.cover_s.worst / 86400);
	printf(": %.1f s, %.1f s of processor time; the worst run %.1f million steps\n", seconds(start), cpu,
	       (double)r.worst.work / 1e6);
	return cpu > MINUTE_S;
}

/* Everything that makes a plan long: hours, lag, people, endpoints that fall silent, restarts. */
static int hard(struct err *e)
{
	static const char policy[] =
		"{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"p0\":0.05,\"p1\":0.5,\"strata_survivors\":1,\"boots\":1},"
		"{\"name\":\"early\",\"p0\":0.05,\"p1\":0.3,\"boots\":1,\"approvals\":{\"count\":2,\"role\":\"approver\"},\"lag\":{\"bundles\":1,\"hours\":24}},"
		"{\"name\":\"broad\",\"p0\":0.05,\"p1\":0.3,\"boots\":1,\"windows\":[{\"days\":\"mon-sun\",\"from\":\"09:00\",\"to\":\"17:00\",\"zone\":\"UTC\"}]}]}";
	static const char fleet[] = "{\"format\":1,\"placebos\":80000,\"people\":{\"answer_s\":3600,\"windows\":[{\"days\":\"mon-fri\",\"from\":\"08:00\","
				    "\"to\":\"17:00\",\"zone\":\"UTC\"}]},\"kinds\":[{\"name\":\"restless\",\"share\":1,\"silent_a_day\":0.01,\"online\":"
				    "[0.2,0.2,0.2,0.2,0.2,0.2,0.4,0.6,0.9,1,1,1,1,1,1,1,0.9,0.8,0.6,0.5,0.4,0.4,0.3,0.2]}]}";
	AUTO(policy) struct policy *p = NULL;
	struct simulate_trace trace;
	int got;

	if (policy_parse(&p, "policy", policy, sizeof policy - 1, e) < 0 || policy_resolve(p, e) < 0 ||
	    simulate_trace_parse(&trace, p, "fleet", fleet, sizeof fleet - 1, e) < 0)
		return e->code;
	got = plan("sound, with windows, lag, approvals, restarts and background loss", p, &trace, 0, e);
	simulate_trace_release(&trace);
	return got;
}

static int plans(const struct policy *p, struct err *e)
{
	struct simulate_trace trace;
	int late = 0, got;

	simulate_trace_default(&trace, p);
	if ((got = plan("every load boot-loops", p, &trace, 1, e)) < 0 || (late += got, got = plan("sound", p, &trace, 0, e)) < 0 ||
	    (late += got, got = hard(e)) < 0)
		return got;
	return late + got;
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
		fprintf(stderr, "bench_gates: a plan took more than a minute of one core\n");
	return late != 0;
}
