/* publish_check: who would get a bundle. */
#include "server/publish_check.h"

#include <stdlib.h>
#include <string.h>

#include "server/control.h"

#define GROUPS_MAX 512          /* of devices that run the same; names are what devices claim */

/* Devices of one ring that run the same, counted under the lock and named by copies. */
struct group {
	struct digest contract;
	char sensor[CHECKIN_TEXT_MAX + 1], version[CHECKIN_TEXT_MAX + 1];
	const char *ring;       /* of the policy; NULL */
	size_t count;
};

struct publish_check {
	struct policy *policy;
	const char *rings[PUBLISH_RINGS_MAX];
	size_t ring_count;
	struct group *groups;
	size_t group_count, group_cap;
	size_t uncounted;       /* beyond GROUPS_MAX */
	struct publish_matrix *matrix;
};

void publish_check_free(struct publish_check *c)
{
	if (!c)
		return;
	publish_matrix_free(c->matrix);
	policy_free(c->policy);
	free(c->groups);
	free(c);
}

const struct publish_matrix *publish_check_matrix(const struct publish_check *c)
{
	return c->matrix;
}

/* The policy's own name of a ring; NULL: it is no target. */
static const char *target_ring(const struct publish_check *c, const char *ring)
{
	for (size_t i = 0; i < c->ring_count; i++)
		if (strcmp(c->rings[i], ring) == 0)
			return c->rings[i];
	return NULL;
}

static bool same(const struct group *g, const struct checkin_facts *f, const char *ring)
{
	return g->ring == ring && digest_equal(&g->contract, &f->contract) && strcmp(g->sensor, f->sensor) == 0 &&
	       strcmp(g->version, f->sensor_version) == 0;
}

static int count_device(struct publish_check *c, const struct checkin_facts *f, const char *ring, struct err *e)
{
	struct group *g;

	for (size_t i = 0; i < c->group_count; i++)
		if (same(&c->groups[i], f, ring)) {
			c->groups[i].count++;
			return 0;
		}
	if (c->group_count == GROUPS_MAX) {
		c->uncounted++;
		return 0;
	}
	if (c->group_count == c->group_cap) {
		size_t cap = c->group_cap ? 2 * c->group_cap : 64;

		g = reallocarray(c->groups, cap, sizeof *g);
		if (!g)
			return err_memory(e);
		c->groups = g;
		c->group_cap = cap;
	}
	g = &c->groups[c->group_count++];
	*g = (struct group){ .contract = f->contract, .ring = ring, .count = 1 };
	memcpy(g->sensor, f->sensor, sizeof g->sensor);
	memcpy(g->version, f->sensor_version, sizeof g->version);
	return 0;
}

/* Who stands in a target ring and takes the channel. Devices that never checked in take nothing yet. */
static int count_fleet(struct publish_check *c, struct server *s, const char *channel, struct err *e)
{
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; rc == 0 && i < s->fleet.count; i++) {
		const struct device *d = s->fleet.items[i];
		const char *ring = d->ring ? target_ring(c, d->ring) : NULL;

		if (d->revoked || !d->said || !device_channel(d, channel) || (d->ring && !ring))
			continue;
		rc = count_device(c, &d->said->facts, ring, e);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int make_matrix(struct publish_check *c, const struct publish_opinion *opinions, size_t count, const char *const *allowed,
		       size_t allowed_count, struct err *e)
{
	AUTO_FREE struct publish_device *devices = calloc(c->group_count + 1, sizeof *devices);

	if (!devices)
		return err_memory(e);
	for (size_t i = 0; i < c->group_count; i++) {
		const struct group *g = &c->groups[i];

		devices[i] = (struct publish_device){ g->count, g->contract, g->sensor, g->version, g->ring };
	}
	if (publish_matrix_new(&c->matrix, opinions, count, devices, c->group_count, c->rings, c->ring_count, allowed, allowed_count, e) < 0)
		return e->code;
	c->matrix->unknown += c->uncounted;
	return 0;
}

int publish_check_new(struct publish_check **out, struct server *s, const char *channel, const struct publish_opinion *opinions,
		      size_t count, const char *const *allowed, size_t allowed_count, struct err *e)
{
	AUTO(publish_check) struct publish_check *c = calloc(1, sizeof *c);
	uint64_t version;

	if (!c)
		return err_memory(e);
	if (control_policy(s, channel, &c->policy, &version, e) < 0)
		return e->code;
	for (; c->ring_count < MIN(c->policy->count, (size_t)PUBLISH_RINGS_MAX); c->ring_count++)
		c->rings[c->ring_count] = c->policy->rings[c->ring_count].name;
	if (count_fleet(c, s, channel, e) < 0 || make_matrix(c, opinions, count, allowed, allowed_count, e) < 0)
		return e->code;
	*out = TAKE(c);
	return 0;
}
