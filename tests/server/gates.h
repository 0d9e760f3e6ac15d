/*
 * gates: a first ring that asks for permits and says what became of it, judged
 * by a real server and its store. After every test each decision that was
 * recorded is replayed from its record alone (world.h).
 */
#ifndef TESTS_SERVER_GATES_H
#define TESTS_SERVER_GATES_H

#include "world.h"

#define CROWD 100

static inline void ring_of(struct world *w, size_t debian, size_t alpine)
{
	world_policy(w, "{\"name\":\"canary\",\"boots\":0},{\"name\":\"early\",\"boots\":0}");
	for (size_t i = 0; i < debian + alpine; i++)
		add_machine(w, "canary")->os = i >= debian ? "alpine-3" : NULL;
	all_check_in(w);
	pass_time(2 * INTERVAL + 1);
	all_check_in(w);
	pass_time(INTERVAL);
	all_check_in(w);
}

/* A first ring of a hundred, six of them of another system; nobody in the others. */
static inline int crowd(void **state)
{
	struct world *w = world_new();

	ring_of(w, CROWD - 6, 6);
	*state = w;
	return 0;
}

static inline int few(void **state)
{
	struct world *w = world_new();

	ring_of(w, 5, 0);
	*state = w;
	return 0;
}

static inline bool alpine(const struct machine *m)
{
	return m->os && strcmp(m->os, "alpine-3") == 0;
}

static inline bool offered(struct rollout *r, struct world *w, const struct machine *m)
{
	return stage_offer_of(&r->stages[0], fleet_find(&w->s->fleet, m->id)) != NULL;
}

/* Everybody of one kind asks, so the order is theirs; answers how many may go. */
static inline size_t ask(struct world *w, struct rollout *r, bool (*who)(const struct machine *))
{
	size_t go = 0;

	for (size_t i = 0; i < w->count; i++)
		if (!who || who(&w->machines[i]))
			go += gets_permit(w, &w->machines[i], &r->bundle.digest);
	return go;
}

static inline bool debian(const struct machine *m)
{
	return !alpine(m);
}

/* Those with an open offer say what became of them. */
static inline void all_report(struct world *w, struct rollout *r, const char *kind, const char *reason)
{
	for (size_t i = 0; i < w->count; i++) {
		struct offer *o = stage_offer_of(&r->stages[0], fleet_find(&w->s->fleet, w->machines[i].id));

		if (o && o->outcome == OUTCOME_PENDING)
			report(w, &w->machines[i], &r->bundle.digest, kind, reason);
	}
	tick(w);
}

/* As many as may go have theirs, and were heard of since. */
static inline void begin(struct world *w, struct rollout *r)
{
	assert_int_equal(ask(w, r, NULL), 10);
	pass_time(INTERVAL);
	ask(w, r, NULL);
	tick(w);
}

#endif
