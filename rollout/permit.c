#include "rollout/permit.h"

#include <string.h>

#include "base/hash.h"

static const char turn_order[] = "order", turn_place[] = "in-flight";

/*
 * An offer stands while its ring bakes, and while the ring waits for just such
 * endpoints to return; any other hold, or a halt, ends that too.
 */
static bool may_go_on(const struct permit_facts *f)
{
	if (f->offered && (f->state == RING_BAKING || (state_held(f->state) && f->awaits_offered)))
		return true;
	return f->state != RING_BAKING && state_permits(f->state);
}

static const char *refusal(const struct permit_facts *f)
{
	if (f->flagged)
		return "flagged";
	if (f->stopped)
		return "stopped";
	if (!f->assigned)
		return "not-assigned";
	if (f->offered && f->offer_bad)
		return "failed-here";
	if (!may_go_on(f))
		return "not-offering";
	if (f->stratum_blocked)
		return "stratum";
	if (f->window_closed)
		return "window";
	if (f->offered)
		return NULL;
	if (f->kept_for_last)
		return turn_order;
	if (f->in_flight >= f->in_flight_max)
		return turn_place;
	if (f->order_ahead >= f->in_flight_max - f->in_flight)
		return turn_order;
	return NULL;
}

void permit_decide(struct permit_answer *out, const struct permit_facts *f)
{
	const char *why = refusal(f);

	out->go = why == NULL;
	out->turn = why == turn_order || why == turn_place;
	out->new_offer = out->go && !f->offered;
	out->reason = why ? why : f->offered ? "again" : "go";
	out->valid_s = out->go ? PERMIT_VALID_S : 0;
}

uint64_t permit_order(const void *secret, size_t secret_len, const char *device)
{
	struct digest mac;
	uint64_t key = 0;

	hash_hmac(&mac, secret, secret_len, device, strlen(device));
	for (int i = 0; i < 8; i++)
		key = key << 8 | mac.bytes[i];
	return key;
}

bool permit_is_last(uint64_t order, double share)
{
	return (double)order >= (1 - share) * 0x1p64;
}
