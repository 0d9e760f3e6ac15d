/* operator_rings: who is in which ring, and which devices a ring map would move, before it is signed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"

#define PAGE 1000
#define PAGE_MAX 10000
#define AT_ONCE 4096            /* devices between two moments in which others get the lock */

struct simulation {
	const struct ringmap *map;
	const char *rings[2 * RINGMAP_RINGS_MAX];       /* of the map in force and of the new one */
	size_t ring_count;
	int64_t before[2 * RINGMAP_RINGS_MAX], after[2 * RINGMAP_RINGS_MAX];
	int64_t devices, unheard, moved, limit;
	struct json_writer w;
};

static int place(const struct simulation *x, const char *ring)
{
	for (size_t i = 0; ring && i < x->ring_count; i++)
		if (strcmp(x->rings[i], ring) == 0)
			return (int)i;
	return -1;
}

static void add_rings(struct simulation *x, const struct ringmap *m)
{
	for (size_t i = 0; m && i < ringmap_rings(m); i++)
		if (place(x, ringmap_ring(m, i)) < 0)
			x->rings[x->ring_count++] = ringmap_ring(m, i);
}

static void put_tags(struct json_writer *w, const struct device *d, const struct ringmap *map)
{
	const char *const *tags;
	size_t count;

	json_open_array(w, "tags");
	for (size_t i = 0; i < d->said->facts.tag_count; i++)
		json_put_text(w, NULL, d->said->facts.tags[i]);
	json_close_array(w);
	if (!ringmap_override(map, d->id, &tags, &count)) {
		json_put_null(w, "tags_override");
		return;
	}
	json_open_array(w, "tags_override");
	for (size_t i = 0; i < count; i++)
		json_put_text(w, NULL, tags[i]);
	json_close_array(w);
}

static void consider(struct simulation *x, const struct device *d)
{
	int rule = -1, was = place(x, d->ring);
	const char *ring;

	if (d->revoked)
		return;
	x->devices++;
	ring = device_ring(d, x->map, &rule);
	if (!ring) {
		x->unheard++;
		return;
	}
	if (was >= 0)
		x->before[was]++;
	x->after[place(x, ring)]++;
	if (d->ring && strcmp(d->ring, ring) == 0)
		return;
	if (++x->moved > x->limit)
		return;
	json_open_object(&x->w, NULL);
	json_put_text(&x->w, "device", d->id);
	handler_put_text(&x->w, "host", d->said->facts.host);
	json_put_text(&x->w, "from", d->ring);
	json_put_text(&x->w, "to", ring);
	if (rule >= 0)
		json_put_int(&x->w, "rule", rule);
	else
		json_put_null(&x->w, "rule");
	put_tags(&x->w, d, x->map);
	json_close_object(&x->w);
}

/* Devices are never forgotten, so a place among them outlives the lock. */
static void consider_all(struct simulation *x, struct server *s)
{
	bool more = true;

	for (size_t at = 0; more;) {
		pthread_mutex_lock(&s->lock);
		for (size_t end = at + AT_ONCE; at < end && at < s->fleet.count; at++)
			consider(x, s->fleet.items[at]);
		more = at < s->fleet.count;
		pthread_mutex_unlock(&s->lock);
	}
}

/* Rollouts under way go by the rings that their policy pinned. */
static void put_warnings(const struct request *q, struct json_writer *w, const struct ringmap *map)
{
	struct server *s = q->server;
	char text[256];

	json_open_array(w, "warnings");
	pthread_mutex_lock(&s->lock);
	for (const struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; handler_sees(q, r->channel) && rollout_lives(r) && i < r->policy->count; i++)
			if (ringmap_position(map, r->policy->rings[i].name) < 0) {
				snprintf(text, sizeof text, "rollout %llu of channel %s goes through ring %s, which this map does not have",
					 (unsigned long long)r->id, r->channel, r->policy->rings[i].name);
				json_put_text(w, NULL, text);
			}
	pthread_mutex_unlock(&s->lock);
	json_close_array(w);
}

static void put_rings(struct simulation *x)
{
	json_open_array(&x->w, "rings");
	for (size_t i = 0; i < x->ring_count; i++) {
		json_open_object(&x->w, NULL);
		json_put_text(&x->w, "ring", x->rings[i]);
		json_put_int(&x->w, "now", x->before[i]);
		json_put_int(&x->w, "then", x->after[i]);
		json_close_object(&x->w);
	}
	json_close_array(&x->w);
	json_put_int(&x->w, "devices", x->devices);
	json_put_int(&x->w, "unheard", x->unheard);
	json_put_int(&x->w, "moved", x->moved);
}

/* Parsed anew: the server's own may be replaced meanwhile. */
static struct ringmap *in_force(struct server *s, struct err *e)
{
	struct ringmap *m = NULL;

	return desk_ringmap(s->desk, &m, e) < 0 ? NULL : m;
}

void operator_rings_simulate(struct request *q)
{
	AUTO(ringmap) struct ringmap *map = NULL, *now = NULL;
	struct simulation x = { .limit = PAGE };
	struct err e = { 0 };

	if (!handler_query_int(q, "limit", PAGE, PAGE_MAX, &x.limit))
		return;
	if (ringmap_parse(&map, "the ring map", q->body->data ? q->body->data : "", q->body->len, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	now = in_force(q->server, &e);
	x.map = map;
	x.w = reply_json(&q->reply, 200);
	add_rings(&x, now);
	add_rings(&x, map);
	json_open_object(&x.w, NULL);
	json_open_array(&x.w, "items");
	consider_all(&x, q->server);
	json_close_array(&x.w);
	put_rings(&x);
	put_warnings(q, &x.w, map);
	json_close_object(&x.w);
}

/* ---- as it is ---- */

int64_t handler_members(struct server *s, const char *ring)
{
	int64_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->fleet.count; i++) {
		const struct device *d = s->fleet.items[i];

		count += !d->revoked && d->ring && strcmp(d->ring, ring) == 0;
	}
	pthread_mutex_unlock(&s->lock);
	return count;
}

void operator_rings(struct request *q)
{
	AUTO(ringmap) struct ringmap *map = NULL;
	struct json_writer w;
	struct err e;

	if (desk_ringmap(q->server->desk, &map, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_open_array(&w, "items");
	for (size_t i = 0; i < ringmap_rings(map); i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "ring", ringmap_ring(map, i));
		json_put_int(&w, "members", handler_members(q->server, ringmap_ring(map, i)));
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
}
