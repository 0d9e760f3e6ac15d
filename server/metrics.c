/* metrics: what is counted. */
#include "server/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "server/route.h"

/* Rows of counters: one for each row of the route table, one for what matches none. */
#define ROUTES_MAX 128

typedef _Atomic uint64_t counter;

static const short statuses[] = { 200, 201, 202, 204, 206, 304, 400, 401, 403, 404, 405, 409, 412, 413, 414,
				  415, 416, 417, 422, 429, 431, 500, 501, 503, 505, 0 /* any other */ };
static const double second_bounds[] = { .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10 };
static const double batch_bounds[] = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 };

#define STATUSES ARRAY_LEN(statuses)
#define SECONDS ARRAY_LEN(second_bounds)
#define BATCHES ARRAY_LEN(batch_bounds)

struct seconds {
	counter buckets[SECONDS + 1], sum_us;
};

struct per_route {
	counter by_status[STATUSES];
	struct seconds took;
};

struct metrics {
	struct per_route routes[ROUTES_MAX + 1];
	counter connections, accepted, dropped;
	counter refused[LIMITS];
	counter commits, failed_commits;
	struct seconds commit;
	counter batches[BATCHES + 1], batch_sum;
};

struct metrics *metrics_new(void)
{
	return calloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *m)
{
	free(m);
}

/* ---- counting ---- */

static void add(counter *c, uint64_t by)
{
	atomic_fetch_add_explicit(c, by, memory_order_relaxed);
}

static uint64_t read_count(const counter *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static size_t bucket_of(const double *bounds, size_t count, double value)
{
	size_t i = 0;

	while (i < count && value > bounds[i])
		i++;
	return i;
}

static void took(struct seconds *s, int64_t us)
{
	add(&s->buckets[bucket_of(second_bounds, SECONDS, (double)us / 1e6)], 1);
	add(&s->sum_us, (uint64_t)us);
}

static size_t row_of(const struct route *r)
{
	return r >= routes && r < routes + MIN(route_count, (size_t)ROUTES_MAX) ? (size_t)(r - routes) : ROUTES_MAX;
}

void metrics_answered(struct metrics *m, const struct route *r, int status, int64_t us)
{
	size_t i = 0;

	if (!m)
		return;
	while (statuses[i] && statuses[i] != status)
		i++;
	add(&m->routes[row_of(r)].by_status[i], 1);
	took(&m->routes[row_of(r)].took, MAX(us, 0));
}

void metrics_connection(struct metrics *m, int by)
{
	if (!m)
		return;
	add(&m->connections, (uint64_t)(int64_t)by);
	if (by > 0)
		add(&m->accepted, 1);
}

void metrics_dropped(struct metrics *m)
{
	if (m)
		add(&m->dropped, 1);
}

void metrics_refused(struct metrics *m, enum metrics_limit limit)
{
	if (m)
		add(&m->refused[limit], 1);
}

void metrics_commit(struct metrics *m, size_t submissions, int64_t us, bool good)
{
	if (!m)
		return;
	add(good ? &m->commits : &m->failed_commits, 1);
	took(&m->commit, MAX(us, 0));
	add(&m->batches[bucket_of(batch_bounds, BATCHES, (double)submissions)], 1);
	add(&m->batch_sum, submissions);
}

/* ---- shown ---- */

static void write_seconds(struct exposition *x, const struct label *labels, const struct seconds *s)
{
	uint64_t counts[SECONDS + 1];

	for (size_t i = 0; i <= SECONDS; i++)
		counts[i] = read_count(&s->buckets[i]);
	expose_histogram(x, labels, second_bounds, counts, SECONDS, (double)read_count(&s->sum_us) / 1e6);
}

static const char *route_name(size_t i)
{
	return i < route_count ? routes[i].pattern : "none";
}

static const char *method_of(size_t i)
{
	return i < route_count ? http_method_name(routes[i].method) : "any";
}

static uint64_t answers(const struct per_route *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < STATUSES; i++)
		sum += read_count(&r->by_status[i]);
	return sum;
}

static void write_requests(const struct metrics *m, struct exposition *x)
{
	metrics_family(x, METRIC_REQUESTS);
	for (size_t i = 0; i <= ROUTES_MAX; i++)
		for (size_t k = 0; k < STATUSES; k++) {
			uint64_t count = read_count(&m->routes[i].by_status[k]);
			char code[8];

			snprintf(code, sizeof code, "%d", statuses[k]);
			if (count)
				expose_count(x, LABELS({ "method", method_of(i) }, { "route", route_name(i) }, { "code", code }), count);
		}
	metrics_family(x, METRIC_DURATION);
	for (size_t i = 0; i <= ROUTES_MAX; i++)
		if (answers(&m->routes[i]))
			write_seconds(x, LABELS({ "method", method_of(i) }, { "route", route_name(i) }), &m->routes[i].took);
}

static void write_commits(const struct metrics *m, struct exposition *x)
{
	uint64_t counts[BATCHES + 1];

	for (size_t i = 0; i <= BATCHES; i++)
		counts[i] = read_count(&m->batches[i]);
	metrics_family(x, METRIC_COMMITS);
	expose_count(x, LABELS({ "result", "done" }), read_count(&m->commits));
	expose_count(x, LABELS({ "result", "failed" }), read_count(&m->failed_commits));
	metrics_family(x, METRIC_COMMIT_DURATION);
	write_seconds(x, NO_LABELS, &m->commit);
	metrics_family(x, METRIC_COMMIT_BATCH);
	expose_histogram(x, NO_LABELS, batch_bounds, counts, BATCHES, (double)read_count(&m->batch_sum));
}

void metrics_write(const struct metrics *m, struct exposition *x)
{
	static const char *const limits[LIMITS] = { [LIMIT_OPERATOR] = "operator", [LIMIT_DEVICE] = "device", [LIMIT_ADDRESS] = "address",
						    [LIMIT_BAD_TOKENS] = "bad-tokens" };

	write_requests(m, x);
	metrics_family(x, METRIC_CONNECTIONS);
	expose_count(x, NO_LABELS, read_count(&m->connections));
	metrics_family(x, METRIC_ACCEPTED);
	expose_count(x, NO_LABELS, read_count(&m->accepted));
	metrics_family(x, METRIC_DROPPED);
	expose_count(x, NO_LABELS, read_count(&m->dropped));
	metrics_family(x, METRIC_REFUSALS);
	for (size_t i = 0; i < LIMITS; i++)
		expose_count(x, LABELS({ "limit", limits[i] }), read_count(&m->refused[i]));
	write_commits(m, x);
}
