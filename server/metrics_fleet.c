/* metrics_fleet: devices by state and by ring. */
#include <stdio.h>
#include <string.h>

#include "server/metrics_page.h"

#define AT_ONCE 8192    /* devices looked at with the lock held */

struct ring_count {
	char name[NAME_LEN_MAX + 1];
	uint64_t devices, silent;
};

struct counts {
	uint64_t present, away, silent, flagged, revoked;
	struct ring_count rings[POLICY_RINGS_MAX];
	size_t ring_count;
	int64_t now, checkin_s;
};

static struct ring_count *ring_of(struct counts *c, const char *name)
{
	for (size_t i = 0; i < c->ring_count; i++)
		if (strcmp(c->rings[i].name, name) == 0)
			return &c->rings[i];
	return NULL;
}

static void count(struct counts *c, const struct device *d)
{
	bool away = device_away(d), silent = !away && c->now - d->last_seen > 2 * c->checkin_s;
	struct ring_count *r = d->ring ? ring_of(c, d->ring) : NULL;

	c->revoked += d->revoked;
	if (d->revoked)
		return;
	c->flagged += d->flagged;
	c->away += away;
	c->silent += silent;
	c->present += !away && !silent;
	if (r) {
		r->devices++;
		r->silent += silent;
	}
}

static void take_rings(struct counts *c, const struct server *s)
{
	size_t rings = s->ringmap ? ringmap_rings(s->ringmap) : 0;

	c->ring_count = MIN(rings, (size_t)POLICY_RINGS_MAX);
	for (size_t i = 0; i < c->ring_count; i++)
		snprintf(c->rings[i].name, sizeof c->rings[i].name, "%s", ringmap_ring(s->ringmap, i));
}

/* Devices are never removed: between two pieces of the list the lock is let go. */
static void count_all(struct counts *c, struct server *s)
{
	size_t at = 0, end;

	do {
		pthread_mutex_lock(&s->lock);
		if (at == 0) {
			take_rings(c, s);
			c->checkin_s = server_checkin_s(s);
		}
		for (end = MIN(s->fleet.count, at + AT_ONCE); at < end; at++)
			count(c, s->fleet.items[at]);
		end = s->fleet.count;
		pthread_mutex_unlock(&s->lock);
	} while (at < end);
}

void metrics_fleet(struct scrape *p)
{
	struct counts c = { .now = p->now };
	const struct { const char *state; const uint64_t *count; } states[] = {
		{ "present", &c.present }, { "away", &c.away }, { "silent", &c.silent }, { "flagged", &c.flagged }, { "revoked", &c.revoked },
	};

	count_all(&c, p->server);
	metrics_family(&p->x, METRIC_DEVICES);
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		expose_count(&p->x, LABELS({ "state", states[i].state }), *states[i].count);
	metrics_family(&p->x, METRIC_RING_DEVICES);
	for (size_t i = 0; i < c.ring_count; i++)
		expose_count(&p->x, LABELS({ "ring", c.rings[i].name }), c.rings[i].devices);
	metrics_family(&p->x, METRIC_RING_SILENT);
	for (size_t i = 0; i < c.ring_count; i++)
		expose_count(&p->x, LABELS({ "ring", c.rings[i].name }), c.rings[i].silent);
}
