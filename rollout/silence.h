/*
 * silence: do endpoints that took the content fall silent more often than those
 * still waiting for it? The third test of a ring.
 *
 * At each event (an endpoint not heard for G, no goodbye) it is asked how
 * likely the offered side was to be the one, given who was at risk: a
 * two-sample sequential test after Cox, mixed over hazard ratios. It needs no
 * known rate of silence, so it stands when the background loss is unknown; it
 * only halts. Events of all strata multiply into one test.
 */
#ifndef ROLLOUT_SILENCE_H
#define ROLLOUT_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SILENCE_RATIOS 3        /* hazard ratios 3, 10 and 30 */
#define SILENCE_EVENTS_MAX 100000       /* of one ring and bundle; then the test is over, and unarmed */

struct silence {
	long double w[SILENCE_RATIOS];
	long double max;        /* the greatest mean so far; at least the initial 1 */
	uint64_t armed;         /* events that had somebody at risk on both sides; 0: the test is unarmed, not clean */
};

void silence_init(struct silence *s);
/*
 * One event of one stratum; ties are fed one by one, in the ring's order.
 * treated: the silent endpoint had taken its offer and checked in since.
 * at_risk, waiting: how many of both sides were there just before, this one included.
 */
void silence_event(struct silence *s, bool treated, uint64_t at_risk, uint64_t waiting);
long double silence_mean(const struct silence *s);

/* Endpoints found silent at one look. */
struct silence_found {
	int64_t at;                     /* when the silence was full */
	uint64_t order;                 /* the endpoint's place in the ring: breaks ties */
	uint32_t group;                 /* its stratum */
	bool treated;
	uint32_t at_risk, waiting;      /* answered: of its stratum just before, itself included */
	void *who;                      /* the caller's */
};
/*
 * Puts them into the order in which they count, and says who was at risk then.
 * at_risk[] and waiting[], by stratum, hold who is heard of still; they are
 * used up.
 */
void silence_ties(struct silence_found *found, size_t count, uint32_t *at_risk, uint32_t *waiting);

bool silence_halts(const struct silence *s, double alpha);      /* max >= 1/alpha, alpha being the share of this test */

#endif
