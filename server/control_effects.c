/* control_effects: sums up what endpoints report that is no crash: those with the content, the same before, those that wait. */
#include <stdlib.h>

#include "server/control_parts.h"

#define LOOKS_PER_INTERVAL 10

static void add_offered(struct effects_sums *sums, const struct stage *g, const struct device *d)
{
	const struct device_effects *x = device_effects(d, g->rollout->channel);

	if (!x || !x->now || !digest_equal(&x->now->digest, &g->rollout->bundle.digest))
		return; /* it does not run the content, or does no more */
	effects_rail_add(sums, EFFECTS_OFFERED, x->now);
	if (x->before)
		effects_rail_add(sums, EFFECTS_BEFORE, x->before);
}

static void add_waiting(struct effects_sums *sums, const struct stage *g, const struct device *d)
{
	const struct device_effects *x = device_effects(d, g->rollout->channel);

	if (x && x->now && !digest_equal(&x->now->digest, &g->rollout->bundle.digest))
		effects_rail_add(sums, EFFECTS_WAITING, x->now);
}

void control_effects(struct server *s, struct stage *g, int64_t now)
{
	int64_t pause = MAX(1, server_checkin_s(s) / LOOKS_PER_INTERVAL);

	if (s->fleet.effects == 0 || (now < g->effects_due && now > g->effects_due - 2 * pause))
		return;
	g->effects_due = now + pause;
	if (!g->effects && !(g->effects = calloc(1, sizeof *g->effects)))
		return; /* at the next look */
	*g->effects = (struct effects_sums){ .rule_count = 0 };
	for (uint32_t n = 1; n <= g->count; n++)
		if (!g->offers[n - 1].device->flagged && !g->offers[n - 1].facts.voided)
			add_offered(g->effects, g, g->offers[n - 1].device);
	for (const struct waiting *w = NULL; (w = waitlist_next(&g->waiting, w)); )
		if (!w->device->flagged && !w->device->revoked)
			add_waiting(g->effects, g, w->device);
}
