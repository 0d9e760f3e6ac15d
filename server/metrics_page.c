/* metrics_page: everything that is counted, and everything that is read when asked, on one page. */
#include "server/metrics_page.h"

#include "base/cli.h"
#include "base/clock.h"
#include "server/now.h"
#include "server/ready.h"

#define PAGE_MAX_BYTES ((size_t)8 << 20)

bool scrape_sees(const struct scrape *p, const char *channel)
{
	return !p->asked->identity || handler_sees(p->asked, channel);
}

void scrape_one(struct scrape *p, enum metric m, double value)
{
	metrics_family(&p->x, m);
	expose(&p->x, NO_LABELS, value);
}

static void put_ready(struct scrape *p)
{
	char why[READY_CONDITIONS][READY_WHY];

	ready_look(p->server, p->now, why);
	metrics_family(&p->x, METRIC_READY);
	for (int c = 0; c < READY_CONDITIONS; c++)
		expose_count(&p->x, LABELS({ "condition", ready_name((enum ready)c) }), !why[c][0]);
}

static void put_page(struct scrape *p)
{
	int64_t began = clock_work_us();

	metrics_family(&p->x, METRIC_BUILD_INFO);
	expose_count(&p->x, LABELS({ "version", RINGHOLD_VERSION }), 1);
	metrics_process(p);
	put_ready(p);
	if (p->server->metrics)
		metrics_write(p->server->metrics, &p->x);
	metrics_fleet(p);
	metrics_rollouts(p);
	metrics_upkeep(p);
	scrape_one(p, METRIC_SCRAPE, (double)(clock_work_us() - began) / 1e6);
}

void metrics_page(struct request *q)
{
	struct scrape p = { .server = q->server, .asked = q, .now = server_now(q->server) };

	if (q->server->config->metrics_off && q->route->may != MAY_ANYBODY) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "metrics = off: they are not shown at this address");
		return;
	}
	reply_release(&q->reply);
	q->reply.body = buf_new(PAGE_MAX_BYTES);
	if (!q->reply.body) {
		reply_problem(&q->reply, PROBLEM_UNAVAILABLE, "out of memory");
		return;
	}
	p.x.out = q->reply.body;
	put_page(&p);
	q->reply.status = 200;
	q->reply.type = EXPOSITION_TYPE;
}
