/* background: who is watched without an offer, and what came of it. */
#include "server/background.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/gate_background.h"
#include "server/now.h"
#include "server/server.h"

#define DAY 86400
#define DAYS (GATE_BACKGROUND_S / DAY)
#define SAMPLE_S 60             /* seconds from one choice to the next */
#define SAMPLES 2               /* endpoints chosen of each ring */
#define WINDOWS 3
#define WATCHED_MOST 65536
#define HEARD_INTERVALS 2

static const int64_t windows[WINDOWS] = { 1, 4, 24 };   /* of the policy's observation */

/* One endpoint, watched as if it had an offer. */
struct placebo {
	struct device *device;
	const struct stage *stage;      /* whose policy it is watched by; a stage lives until the server ends */
	struct outcome_facts facts;
	uint64_t boot;                  /* of its boot then */
	bool counted[WINDOWS];
};

/* What came of them on one day. */
struct tally {
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	int64_t observe, day, placebos, lost;
	int64_t kept_placebos, kept_lost;       /* of them in the store */
};

struct background {
	struct tally *tallies;
	size_t tally_count, tally_cap;
	struct placebo *watched;
	size_t watched_count, watched_cap;
	int64_t next;                   /* when others are chosen */
	uint64_t chance;
};

static uint64_t draw(struct background *b)
{
	uint64_t z = b->chance += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void *more(void *items, size_t *cap, size_t size)
{
	size_t wanted = *cap ? 2 * *cap : 32;
	void *grown = reallocarray(items, wanted, size);

	if (grown)
		*cap = wanted;
	return grown;
}

static bool same(const struct tally *t, const char *channel, const char *ring, int64_t observe)
{
	return t->observe == observe && strcmp(t->ring, ring) == 0 && strcmp(t->channel, channel) == 0;
}

/* NULL: no memory; then this one is not counted. */
static struct tally *tally_of(struct background *b, const char *channel, const char *ring, int64_t observe, int64_t day)
{
	struct tally *t;

	for (size_t i = b->tally_count; i-- > 0; )
		if (b->tallies[i].day == day && same(&b->tallies[i], channel, ring, observe))
			return &b->tallies[i];
	if (b->tally_count == b->tally_cap) {
		struct tally *grown = more(b->tallies, &b->tally_cap, sizeof *grown);

		if (!grown)
			return NULL;
		b->tallies = grown;
	}
	t = &b->tallies[b->tally_count++];
	*t = (struct tally){ .observe = observe, .day = day };
	snprintf(t->channel, sizeof t->channel, "%s", channel);
	snprintf(t->ring, sizeof t->ring, "%s", ring);
	return t;
}

static int load(const struct store_background *row, void *arg, struct err *e)
{
	struct tally *t = tally_of(arg, row->channel, row->ring, row->observe, row->day);

	if (!t)
		return err_memory(e);
	t->placebos = t->kept_placebos = row->placebos;
	t->lost = t->kept_lost = row->lost;
	return 0;
}

int background_open(struct background **out, struct store *store, int64_t now, struct err *e)
{
	struct background *b = calloc(1, sizeof *b);

	if (!b)
		return err_memory(e);
	if (random_bytes(&b->chance, sizeof b->chance, e) < 0 || store_each_background(store, now / DAY - DAYS, load, b, e) < 0) {
		background_close(b);
		return e->code;
	}
	*out = b;
	return 0;
}

void background_close(struct background *b)
{
	if (!b)
		return;
	free(b->tallies);
	free(b->watched);
	free(b);
}

/* ---- what becomes of them ---- */

static uint64_t boot_of(const struct device *d)
{
	uint64_t h = 14695981039346656037u;

	for (const char *p = d->said ? d->said->boot_id : ""; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	return h;
}

static bool in_ring(const struct device *d, const struct stage *g)
{
	return d->ring && strcmp(d->ring, g->policy->name) == 0 && !d->revoked && !d->flagged && !device_away(d) &&
	       device_channel(d, g->rollout->channel);
}

/* Something was offered to it since then, or is under way. */
static bool offered(const struct device *d, int64_t since)
{
	for (const struct offer_link *l = d->offers; l; l = l->next) {
		const struct offer *o = &l->stage->offers[l->n - 1];

		if (o->facts.offered >= since || !outcome_final(o->outcome))
			return true;
	}
	return false;
}

static void count(struct background *b, struct placebo *p, int window, bool lost, int64_t now)
{
	const struct stage *g = p->stage;
	struct tally *t = tally_of(b, g->rollout->channel, g->policy->name, windows[window] * g->policy->observe_s, now / DAY);

	p->counted[window] = true;
	if (!t)
		return;
	t->placebos++;
	t->lost += lost;
}

/* False: nothing more can be learnt of it. */
static bool judge(struct background *b, struct placebo *p, int64_t quiet_until, int64_t now)
{
	const struct policy_ring *r = p->stage->policy;
	const struct device *d = p->device;
	bool open = false;

	if (!in_ring(d, p->stage) || offered(d, p->facts.offered))
		return false;
	p->facts.last_seen = d->last_seen;
	p->facts.quiet_until = quiet_until;
	if (d->last_seen >= p->facts.offered + r->probation_s && (r->boots == 0 || boot_of(d) != p->boot))
		p->facts.survived = d->last_seen;
	for (int i = 0; i < WINDOWS; i++) {
		enum outcome o = outcome_of(&p->facts, windows[i] * r->observe_s, policy_silence_s(p->stage->rollout->policy), now);

		if (!p->counted[i] && (o == OUTCOME_SURVIVED || o == OUTCOME_LOST))
			count(b, p, i, o == OUTCOME_LOST, now);
		open |= !p->counted[i];
	}
	return open;
}

static void judge_all(struct background *b, int64_t quiet_until, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->watched_count; i++)
		if (judge(b, &b->watched[i], quiet_until, now))
			b->watched[kept++] = b->watched[i];
	b->watched_count = kept;
}

/* ---- who is watched ---- */

static bool is_watched(const struct background *b, const struct device *d, const struct stage *g)
{
	for (size_t i = 0; i < b->watched_count; i++)
		if (b->watched[i].device == d && strcmp(b->watched[i].stage->rollout->channel, g->rollout->channel) == 0)
			return true;
	return false;
}

static void watch(struct background *b, struct device *d, const struct stage *g, int64_t now)
{
	if (is_watched(b, d, g) || b->watched_count >= WATCHED_MOST)
		return;
	if (b->watched_count == b->watched_cap) {
		struct placebo *grown = more(b->watched, &b->watched_cap, sizeof *grown);

		if (!grown)
			return;
		b->watched = grown;
	}
	b->watched[b->watched_count++] = (struct placebo){
		.device = d, .stage = g, .boot = boot_of(d), .facts = { .offered = now, .last_seen = d->last_seen } };
}

/* Of every ring a few, each member as likely as any other. */
static void choose(struct server *s, struct rollout *r, int64_t now)
{
	struct background *b = s->background;
	struct device *chosen[POLICY_RINGS_MAX][SAMPLES];
	uint64_t met[POLICY_RINGS_MAX] = { 0 };

	for (size_t i = 0; i < s->fleet.count; i++) {
		struct device *d = s->fleet.items[i];
		int ring = d->ring ? policy_position(r->policy, d->ring) : -1;
		uint64_t at;

		if (ring < 0 || d->last_seen < now - HEARD_INTERVALS * r->policy->checkin_s || !in_ring(d, &r->stages[ring]) ||
		    offered(d, now - r->policy->rings[ring].observe_s))
			continue;
		at = met[ring] < SAMPLES ? met[ring] : draw(b) % (met[ring] + 1);
		met[ring]++;
		if (at < SAMPLES)
			chosen[ring][at] = d;
	}
	for (size_t i = 0; i < r->policy->count; i++)
		for (uint64_t k = 0; k < MIN(met[i], SAMPLES); k++)
			watch(b, chosen[i][k], &r->stages[i], now);
}

/* No newer one of its channel. */
static bool newest(const struct server *s, const struct rollout *r)
{
	for (const struct rollout *o = s->rollouts.newest; o != r; o = o->older)
		if (strcmp(o->channel, r->channel) == 0)
			return false;
	return true;
}

void background_look(struct server *s, int64_t now)
{
	struct background *b = s->background;

	if (now < b->next && now > b->next - 2 * SAMPLE_S)
		return;
	b->next = now + SAMPLE_S;
	judge_all(b, s->quiet_until, now);
	if (now < s->quiet_until)
		return;
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		if (newest(s, r))
			choose(s, r, now);
}

void background_moved(struct background *b, int64_t by)
{
	b->next += b->next ? by : 0;
	for (size_t i = 0; i < b->watched_count; i++)
		b->watched[i].facts.offered += by;
}

/* ---- the store ---- */

#define ROWS 64

static bool unkept(const struct tally *t)
{
	return t->placebos > t->kept_placebos;
}

static bool counts(const struct tally *t, int64_t now)
{
	return t->day > now / DAY - DAYS;
}

/* What is in the store and too old to be asked for: a server runs for longer than 28 days. */
static void forget_old(struct background *b, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < b->tally_count; i++)
		if (counts(&b->tallies[i], now) || unkept(&b->tallies[i]))
			b->tallies[kept++] = b->tallies[i];
	b->tally_count = kept;
}

int background_fold(struct server *s, struct err *e)
{
	struct background *b = s->background;
	struct store_record records[ROWS];
	struct tally before[ROWS];
	size_t which[ROWS];
	struct write w = { .append = { .records = records } };
	int got;

	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < b->tally_count && w.append.count < ROWS; i++) {
		size_t n = w.append.count;

		if (!unkept(&b->tallies[i]))
			continue;
		which[n] = i;
		before[n] = b->tallies[i];
		records[n] = (struct store_record){ .kind = STORE_BACKGROUND, .u.background = {
			.channel = before[n].channel, .ring = before[n].ring, .observe = before[n].observe, .day = before[n].day,
			.placebos = before[n].placebos - before[n].kept_placebos, .lost = before[n].lost - before[n].kept_lost } };
		w.append.count++;
	}
	pthread_mutex_unlock(&s->lock);
	if (w.append.count == 0)
		return 0;
	got = writer_submit(s->writer, &w, e);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < w.append.count && got == 0; i++) {
		b->tallies[which[i]].kept_placebos = before[i].placebos;
		b->tallies[which[i]].kept_lost = before[i].lost;
	}
	forget_old(b, server_now(s));     /* here alone: `which` are places in the list */
	pthread_mutex_unlock(&s->lock);
	return got < 0 ? err_wrap(e, "keeping the background loss") : 0;
}

/* ---- figures ---- */

void background_figures(const struct background *b, const char *channel, const char *ring, int64_t observe_s, int64_t now,
			int64_t *placebos, int64_t *lost)
{
	*placebos = *lost = 0;
	for (size_t i = 0; i < b->tally_count; i++)
		if (counts(&b->tallies[i], now) && same(&b->tallies[i], channel, ring, observe_s)) {
			*placebos += b->tallies[i].placebos;
			*lost += b->tallies[i].lost;
		}
}

void background_each(const struct background *b, int64_t now, void (*visit)(const struct store_background *total, void *arg), void *arg)
{
	for (size_t i = 0; i < b->tally_count; i++) {
		const struct tally *t = &b->tallies[i];
		struct store_background total = { .channel = t->channel, .ring = t->ring, .observe = t->observe };
		bool first = true;

		for (size_t k = 0; k < i && first; k++)
			first = !same(&b->tallies[k], t->channel, t->ring, t->observe);
		if (!first)
			continue;
		background_figures(b, t->channel, t->ring, t->observe, now, &total.placebos, &total.lost);
		visit(&total, arg);
	}
}
