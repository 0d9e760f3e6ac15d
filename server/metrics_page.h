/*
 * metrics_page: what is read when /metrics is asked for. For server/metrics_*.c only.
 *
 * Each part writes its families whole, begun even when they have no sample, so
 * that the names on the page do not depend on what happened.
 */
#ifndef SERVER_METRICS_PAGE_H
#define SERVER_METRICS_PAGE_H

#include "server/handlers.h"
#include "server/metrics.h"

struct scrape {
	struct exposition x;
	struct server *server;
	const struct request *asked;    /* whose channels they are */
	int64_t now;
};

bool scrape_sees(const struct scrape *p, const char *channel);
/* One family with one sample without labels. */
void scrape_one(struct scrape *p, enum metric m, double value);

void metrics_process(struct scrape *p);         /* metrics_process.c */
void metrics_rollouts(struct scrape *p);        /* metrics_rollouts.c */
void metrics_fleet(struct scrape *p);           /* metrics_fleet.c */
void metrics_upkeep(struct scrape *p);          /* metrics_upkeep.c */

#endif
