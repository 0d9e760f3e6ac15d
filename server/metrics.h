/*
 * metrics: what is counted, and every name under which it is shown.
 *
 * Counting is for any thread: one relaxed atomic addition, no lock, no memory.
 * What need not be counted is read when it is asked for (metrics_page.h).
 * Labels are rings, channels, roles, routes and words of ours: never a device,
 * an address or a person, so there are as many series as there are rings.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "base/err.h"
#include "server/exposition.h"

struct route;

enum metric {
	METRIC_BUILD_INFO, METRIC_PROCESS_CPU, METRIC_PROCESS_RESIDENT, METRIC_PROCESS_VIRTUAL, METRIC_PROCESS_FDS,
	METRIC_PROCESS_MAX_FDS, METRIC_PROCESS_START, METRIC_READY, METRIC_REQUESTS, METRIC_DURATION, METRIC_CONNECTIONS,
	METRIC_CONNECTIONS_MAX, METRIC_ACCEPTED, METRIC_DROPPED, METRIC_REFUSALS, METRIC_COMMITS, METRIC_COMMIT_DURATION,
	METRIC_COMMIT_BATCH, METRIC_STORE_BYTES, METRIC_FREE_BYTES, METRIC_DEVICES, METRIC_RING_DEVICES, METRIC_RING_SILENT,
	METRIC_RING_STATE, METRIC_RING_ROLLOUT, METRIC_RING_CHANGED, METRIC_RING_MEMBERS, METRIC_RING_OFFERS, METRIC_RING_OUTCOMES,
	METRIC_GATE_E, METRIC_GATE_E_LIMIT, METRIC_GATE_LAMBDA, METRIC_GATE_LAMBDA_LIMIT, METRIC_ROLLOUTS, METRIC_OFFERS, METRIC_HALTS, METRIC_EMERGENCIES,
	METRIC_WAITING, METRIC_REQUESTS_OPEN, METRIC_ROLE_EXPIRY, METRIC_KEYS_HELD, METRIC_ROLE_THRESHOLD,
	METRIC_CERTIFICATE_EXPIRY, METRIC_TOKENS, METRIC_TOKEN_EXPIRY, METRIC_BACKUP, METRIC_AUDIT, METRIC_AUDIT_CHECKPOINT,
	METRIC_FOLLOW_FRESH, METRIC_CLOCK_DOUBTED, METRIC_CLOCK_JUMPS, METRIC_WEBHOOK_QUEUE, METRIC_WEBHOOK_OLDEST, METRIC_WEBHOOK_DEAD,
	METRIC_WEBHOOK_DELIVERIES, METRIC_SCRAPE,
	METRICS
};

struct metric_family {
	const char *name, *type, *help;
};
extern const struct metric_family metric_families[METRICS];

void metrics_family(struct exposition *x, enum metric m);       /* begins it */

struct metrics;

struct metrics *metrics_new(void);      /* NULL when there is no memory */
void metrics_free(struct metrics *m);   /* NULL is fine */

/* ---- counting; m NULL: nothing ---- */

void metrics_answered(struct metrics *m, const struct route *r /* NULL: none matched */, int status, int64_t us);
void metrics_connection(struct metrics *m, int by);     /* +1, -1 */
void metrics_dropped(struct metrics *m);
enum metrics_limit { LIMIT_OPERATOR, LIMIT_DEVICE, LIMIT_ADDRESS, LIMIT_BAD_TOKENS, LIMITS };
void metrics_refused(struct metrics *m, enum metrics_limit limit);
void metrics_commit(struct metrics *m, size_t submissions, int64_t us, bool good);

/* ---- shown ---- */

/* Each family counted here, with its samples. */
void metrics_write(const struct metrics *m, struct exposition *x);

AUTO_DEFINE(metrics, struct metrics *, metrics_free);

#endif
