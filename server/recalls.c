/* recalls: rollouts of what was taken away are halted. */
#include "server/recalls.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "rollout/state.h"
#include "server/control.h"

#define LOOKED_AT_MAX 64        /* rollouts that could be halted at once; the rest at the next look */

static void halt(struct server *s, uint64_t id, const char *who, const char *reason)
{
	struct err e;

	/* A conflict: nothing of it is left to halt. */
	if (control_order(s, id, NULL, ORDER_HALT, who, reason, &e) < 0 && e.code != ERR_CONFLICT)
		log_error("rollout %" PRIu64 " of what was taken away: %s", id, e.msg);
}

void recalls_halt(struct server *s, const char *channel, const struct stops *taken, const char *who, const char *otherwise)
{
	for (size_t i = 0; taken && i < taken->count; i++) {
		const struct stop_entry *t = &taken->entries[i];
		const struct rollout *r;
		uint64_t id = 0;

		if (t->urgent)
			continue;
		pthread_mutex_lock(&s->lock);
		r = rollouts_of(&s->rollouts, channel, &t->digest);
		id = r ? r->id : 0;
		pthread_mutex_unlock(&s->lock);
		if (id)
			halt(s, id, who, t->reason[0] ? t->reason : otherwise);
	}
}

struct candidate {
	uint64_t id;
	char channel[NAME_LEN_MAX + 1];
	struct digest digest;
};

static bool can_halt(const struct rollout *r)
{
	for (size_t i = 0; i < r->policy->count; i++)
		if (state_next(r->stages[i].state, RING_HALT) >= 0)
			return true;
	return false;
}

static size_t candidates(struct server *s, struct candidate out[LOOKED_AT_MAX])
{
	size_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (const struct rollout *r = s->rollouts.newest; r && count < LOOKED_AT_MAX; r = r->older)
		if (can_halt(r)) {
			out[count].id = r->id;
			out[count].digest = r->bundle.digest;
			snprintf(out[count++].channel, sizeof out->channel, "%s", r->channel);
		}
	pthread_mutex_unlock(&s->lock);
	return count;
}

void recalls_look(struct server *s)
{
	struct candidate list[LOOKED_AT_MAX];
	size_t count = candidates(s, list);

	for (size_t i = 0; i < count; i++)
		if (desk_stopped(s->desk, list[i].channel, &list[i].digest))
			halt(s, list[i].id, "server", "it was stopped or recalled");
}
