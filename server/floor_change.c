/* floor_change: what a vendor's role may change without /v1/bundles. */
#include "server/floor_change.h"

#include <string.h>

#include "rollout/stops.h"

static bool same_json(const struct json *a, const struct json *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

static bool same_target(const struct metadata_target *a, const struct metadata_target *b)
{
	return a && b && a->file.length == b->file.length && same_json(a->file.hashes, b->file.hashes) && same_json(a->custom, b->custom);
}

/* Everything of `from`, the floor aside, is in `in`. */
static bool all_in(const struct metadata *from, const struct metadata *in, const char *floor)
{
	for (size_t i = 0; from && i < from->target_count; i++) {
		const struct metadata_target *t = &from->targets[i];

		if (t->path.len == strlen(floor) && !memcmp(t->path.text, floor, t->path.len))
			continue;
		if (!in || !same_target(t, metadata_target(in, t->path.text, t->path.len)))
			return false;
	}
	return true;
}

bool floor_change_only(const char *role, const struct metadata *now, const struct metadata *next)
{
	char floor[PATH_LEN_MAX + 1];

	if (strncmp(role, "content-", 8) != 0 || !name_valid(role + 8, strlen(role + 8)))
		return false;
	floor_path(floor, role + 8);
	return !next->delegation_count && !next->succinct.bit_length && metadata_target(next, floor, strlen(floor)) && all_in(next, now, floor) &&
	       all_in(now, next, floor);
}
