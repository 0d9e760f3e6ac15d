/*
 * bench_metrics: what counting a request costs, beside the least that a
 * check-in costs: reading a bare heartbeat.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "rollout/checkin.h"
#include "server/metrics.h"
#include "server/route.h"

#define TIMES 200000

static const char heartbeat[] =
	"{\"format\":1,\"epoch\":\"0123456789abcdef\",\"seq\":5,\"sent\":1738324800,\"boot_id\":\"00112233445566778899aabbccddeeff\","
	"\"facts\":{\"os\":\"debian-12\",\"arch\":\"x86_64\",\"sensor\":\"acme\",\"sensor_version\":\"7.11\",\"locale\":\"zh_CN\",\"host\":\"h\"},"
	"\"channels\":[{\"channel\":\"edr\",\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,"
	"\"high_water\":0,\"held\":null}],\"events\":[],\"want\":[]}";

static double read_heartbeats(struct err *e)
{
	int64_t start = clock_work_us();

	for (int i = 0; i < TIMES; i++) {
		struct checkin *c;
		uint64_t n;
		int at;

		if (checkin_parse(&c, heartbeat, sizeof heartbeat - 1, &n, &at, e) < 0)
			return -1;
		checkin_free(c);
	}
	return (double)(clock_work_us() - start) * 1000 / TIMES;
}

/* Everything that a request gets because somebody watches: its id, two looks at the clock, three additions. */
static double count_requests(struct metrics *m)
{
	int64_t start = clock_work_us();
	char id[REQUEST_ID_MAX + 1];

	for (int i = 0; i < TIMES; i++) {
		int64_t began = clock_work_us();

		request_id(id, NULL);
		metrics_answered(m, &routes[i % (int)route_count], 200, clock_work_us() - began);
	}
	return (double)(clock_work_us() - start) * 1000 / TIMES;
}

static double look_at_clock(void)
{
	int64_t start = clock_work_us(), sum = 0;

	for (int i = 0; i < TIMES; i++)
		sum += clock_work_us() - clock_work_us();
	return sum > 0 ? 0 : (double)(clock_work_us() - start) * 1000 / TIMES;
}

int main(void)
{
	AUTO(metrics) struct metrics *m = metrics_new();
	struct err e = { 0 };
	double read_ns, count_ns, clock_ns;

	if (!m)
		return 1;
	read_ns = read_heartbeats(&e);
	count_ns = count_requests(m);
	clock_ns = look_at_clock();
	if (read_ns < 0) {
		fprintf(stderr, "bench_metrics: %s\n", e.msg);
		return 1;
	}
	printf("reading a bare heartbeat: %.0f ns; naming, timing and counting a request: %.0f ns, %.1f %% of it; two looks at the clock alone: %.0f ns\n",
	       read_ns, count_ns, 100 * count_ns / read_ns, clock_ns);
	return 0;
}
