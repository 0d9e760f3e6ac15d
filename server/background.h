/*
 * background: how many endpoints are lost although nobody offered them
 * anything (DESIGN section 7, "background loss").
 *
 * Of each ring a few endpoints a minute, chosen at random among those without
 * an offer under way, are watched as if they had been offered something: the
 * same rule tells what became of them. That is asked for the observation of
 * the policy, for four times and for 24 times as long. One that is offered
 * something meanwhile, goes away or changes ring says nothing. What is being
 * watched is memory; what came of it is added up by day and folded into the
 * store in batches.
 */
#ifndef SERVER_BACKGROUND_H
#define SERVER_BACKGROUND_H

#include "server/rollouts.h"

struct background;
struct server;

/* Reads the last 28 days. */
int background_open(struct background **out, struct store *store, int64_t now, struct err *e) MUST_CHECK;
void background_close(struct background *b);    /* NULL is fine */

/* Judges who is watched, and chooses others. With `lock`. */
void background_look(struct server *s, int64_t now);
/* The clock jumped by so much: who is watched is so for as long as was meant. With `lock`. */
void background_moved(struct background *b, int64_t by);
/* What came of it since the last time goes to the store. Takes `lock`. */
int background_fold(struct server *s, struct err *e) MUST_CHECK;

/* Of the last 28 days, were observe_s the observation. With `lock`. */
void background_figures(const struct background *b, const char *channel, const char *ring, int64_t observe_s, int64_t now,
			int64_t *placebos, int64_t *lost);
/* Each (channel, ring, observation) once. With `lock`. */
void background_each(const struct background *b, int64_t now,
		     void (*visit)(const struct store_background *total, void *arg), void *arg);

#endif
