/* judge_decide: from signed documents and this host's facts to one verdict per channel. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/judge.h"
#include "base/json.h"
#include "base/log.h"
#include "boot/record.h"
#include "rollout/activate.h"
#include "rollout/approvals.h"
#include "rollout/stops.h"

#define FLOOR_MAX 4096
#define WORDS_MAX 64

/* ---- rings ---- */

int judge_resolve(struct judge *j, int *position, struct err *e)
{
	const char *attributes[WORDS_MAX], *tags[WORDS_MAX];
	char sensor[300];
	struct ringmap_facts f = { .attributes = attributes, .tags = tags, .os = j->facts.os, .sensor = sensor, .host = j->facts.host };
	AUTO(ringmap) struct ringmap *map = NULL;
	const struct buf *bytes;
	const char *ring;

	*position = 0;
	if (judge_document(j, judge_repo(j, REPO_RINGS), RINGMAP_PATH, RINGMAP_MAX, &bytes, e) < 0 ||
	    ringmap_parse(&map, RINGMAP_PATH, bytes->data, bytes->len, e) < 0)
		return e->code;
	/* Never from the server: a taken-over one would put everybody into the first ring. */
	for (char **a = j->s->attributes; a && *a && f.attribute_count < WORDS_MAX; a++)
		attributes[f.attribute_count++] = *a;
	for (char **t = j->s->tags; t && *t && f.tag_count < WORDS_MAX; t++)
		tags[f.tag_count++] = *t;
	snprintf(sensor, sizeof sensor, "%s/%s", j->facts.sensor, j->facts.sensor_version);
	f.device = *j->begin.device ? j->begin.device : *j->s->device ? j->s->device : NULL;
	ring = ringmap_resolve(map, &f, NULL);
	*position = ringmap_position(map, ring);
	for (size_t i = 0; i < j->channel_count; i++)
		snprintf(j->channels[i].ring, sizeof j->channels[i].ring, "%s", ring);
	return 0;
}

/* What cannot be read is told, but for what is simply absent, or belongs to a repository whose trouble is told as a whole. */
static void tell(const struct judge_repo *r, const struct err *why)
{
	if (why->code != ERR_NOT_FOUND && !r->stored_only)
		log_warn("%s", why->msg);
}

/* ---- stops, recalls, floor, approvals: the union of both repositories ---- */

struct taken {
	struct digest *stopped, *recalled, *urgent;
	size_t stopped_count, recalled_count, urgent_count;
	size_t kept;            /* of the stops by online keys */
	uint64_t floor;
};

static void taken_release(struct taken *t)
{
	free(t->stopped);
	free(t->recalled);
	free(t->urgent);
}

static bool known_stop(const struct judge *j, const char *channel, const struct digest *d, bool by_people)
{
	for (size_t i = 0; i < j->stop_count; i++)
		if (digest_equal(&j->stops[i].digest, d) && !strcmp(j->stops[i].channel, channel) &&
		    (j->stops[i].by_people || !by_people))
			return true;
	return false;
}

/*
 * What is new is told before any verdict, so that it is kept before anything is done about it.
 * Beyond what is kept of an online key, which could list any number in time, it counts while it is listed.
 */
static int new_stop(struct judge *j, const char *channel, const struct stop_entry *entry, bool by_people, struct taken *t, struct err *e)
{
	struct message_stop m = { .digest = entry->digest, .by_people = by_people };

	if (known_stop(j, channel, &entry->digest, by_people))
		return 0;
	snprintf(m.channel, sizeof m.channel, "%s", channel);
	snprintf(m.reason, sizeof m.reason, "%s", entry->reason);
	if (judge_know_stop(j, channel, &entry->digest, by_people, e) < 0)
		return e->code;
	if (!by_people && t->kept++ >= JUDGE_STOPS_KEPT)
		return 0;
	return judge_say(j, MSG_STOP, &m, e);
}

static int read_stops(struct judge *j, struct judge_repo *r, const char *channel, enum stops_kind kind, struct taken *t, struct err *e)
{
	AUTO(stops) struct stops *s = NULL;
	char path[PATH_LEN_MAX + 1];
	const struct buf *bytes;
	struct err why = { 0 };

	stops_path(path, kind, channel);
	if (judge_document(j, r, path, STOPS_MAX, &bytes, &why) < 0 ||
	    stops_parse(&s, kind, path, bytes->data, bytes->len, &why) < 0) {
		tell(r, &why);
		return 0;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (s->entries[i].urgent) {
			if (t->urgent_count < STOPS_ENTRIES_MAX)
				t->urgent[t->urgent_count++] = s->entries[i].digest;
		} else if (new_stop(j, channel, &s->entries[i], kind == STOPS_RECALL, t, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

static void read_floor(struct judge *j, const char *channel, struct taken *t)
{
	struct judge_repo *r = judge_repo(j, REPO_CONTENT);
	char path[PATH_LEN_MAX + 1];
	const struct buf *bytes;
	struct err why = { 0 };
	uint64_t floor = 0;

	floor_path(path, channel);
	if (judge_document(j, r, path, FLOOR_MAX, &bytes, &why) == 0 &&
	    floor_parse(&floor, channel, path, bytes->data, bytes->len, &why) == 0)
		t->floor = MAX(t->floor, floor);
	else
		tell(r, &why);
}

static int read_taken(struct judge *j, const struct message_channel *c, struct taken *t, struct err *e)
{
	t->floor = c->floor;
	t->urgent = calloc(STOPS_ENTRIES_MAX, sizeof *t->urgent);
	if (!t->urgent)
		return err_memory(e);
	for (size_t i = 0; i < j->stop_count; i++)
		t->kept += !j->stops[i].by_people && !strcmp(j->stops[i].channel, c->channel);
	for (size_t i = 0; i < judge_repo_count(j); i++) {
		struct judge_repo *r = judge_repo(j, i ? REPO_RINGS : REPO_CONTENT);

		if (read_stops(j, r, c->channel, STOPS_STOP, t, e) < 0 || read_stops(j, r, c->channel, STOPS_RECALL, t, e) < 0)
			return e->code;
	}
	t->stopped = calloc(j->stop_count + 1, sizeof *t->stopped);
	t->recalled = calloc(j->stop_count + 1, sizeof *t->recalled);
	if (!t->stopped || !t->recalled)
		return err_memory(e);
	for (size_t i = 0; i < j->stop_count; i++) {
		if (strcmp(j->stops[i].channel, c->channel) != 0)
			continue;
		if (j->stops[i].by_people)
			t->recalled[t->recalled_count++] = j->stops[i].digest;
		else
			t->stopped[t->stopped_count++] = j->stops[i].digest;
	}
	read_floor(j, c->channel, t);
	return 0;
}

/* The party's document of one repository. *out NULL: there is none that can be read. */
static void read_approvals(struct approvals **out, struct judge *j, struct judge_repo *r, const char *party, const char *channel)
{
	char path[PATH_LEN_MAX + 1];
	const struct buf *bytes;
	struct err why = { 0 };

	*out = NULL;
	approvals_path(path, party, channel);
	if (judge_document(j, r, path, APPROVALS_MAX, &bytes, &why) == 0 &&
	    approvals_parse(out, path, bytes->data, bytes->len, &why) == 0)
		return;
	tell(r, &why);
}

static bool approves(struct judge *j, const char *word, const char *channel, const struct digest *d)
{
	char party[NAME_LEN_MAX + 1];
	enum settings_repo only;

	if (!settings_party(j->s, word, party, &only))
		return false;
	for (size_t i = 0; i < judge_repo_count(j); i++) {
		struct judge_repo *r = judge_repo(j, i ? REPO_RINGS : REPO_CONTENT);
		AUTO(approvals) struct approvals *a = NULL;

		if (only != SETTINGS_REPOS && only != r->which)
			continue;
		read_approvals(&a, j, r, party, channel);
		if (approvals_has(a, d) && !strcmp(a->channel, channel))
			return true;
	}
	return false;
}

/* ---- targets ---- */

static bool ringhold_custom(const struct tuf_target *t, const char *kind, const struct json **out)
{
	*out = t && t->target->custom ? json_get(t->target->custom, "ringhold") : NULL;
	return *out && json_is(json_get(*out, "kind"), kind);
}

static bool digest_member(const struct json *o, const char *key, struct digest *out)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING && digest_parse(out, v->u.text, v->count);
}

static bool count_member(const struct json *o, const char *key, uint64_t *out)
{
	const struct json *v = json_get(o, key);
	int64_t n;

	if (!v || !json_to_int(v, &n) || n < 0)
		return false;
	*out = (uint64_t)n;
	return true;
}

/* The vendor's word about the archive; fills how to get it. False: not listed as an archive of this channel. */
static bool vendor_lists(struct judge *j, const struct message_channel *c, const struct assignment *a, struct activate_target *out,
			 struct message_verdict *v, struct err *e)
{
	struct judge_repo *r = judge_repo(j, REPO_CONTENT);
	AUTO(buf) struct buf *name = buf_new(MESSAGE_PATH - 1);
	const struct tuf_target *t;
	const struct json *custom;

	if (!name || judge_find(j, r, a->bundle.path, &t, e) < 0)
		return false;
	if (!ringhold_custom(t, "full", &custom) || !json_is(json_get(custom, "channel"), c->channel) ||
	    !count_member(custom, "serial", &out->serial) || !digest_member(custom, "digest", &out->digest) ||
	    !count_member(custom, "size", &v->size) || !t->target->has_sha256 || t->target->file.length < 0)
		return false;
	if (tuf_client_target_name(r->client, t->target, name, e) < 0 || buf_check(name, e) < 0)
		return false;
	out->path = a->bundle.path;
	snprintf(v->path, sizeof v->path, "%s", name->data);
	v->sha256 = t->target->sha256;
	v->length = (uint64_t)t->target->file.length;
	return true;
}

static const struct message_slot *slot_at(const struct judge *j, const char *channel, uint64_t rung)
{
	for (size_t i = 0; i < j->slot_count; i++)
		if (!strcmp(j->slots[i].channel, channel) && j->slots[i].rung == rung)
			return &j->slots[i];
	return NULL;
}

/* A delta from what runs, when there is one; anything odd about it means: none. */
static void find_delta(struct judge *j, const struct message_channel *c, const struct assignment *a, struct message_verdict *v)
{
	struct judge_repo *r = judge_repo(j, REPO_CONTENT);
	const struct message_slot *from = slot_at(j, c->channel, c->rung);
	AUTO(buf) struct buf *name = buf_new(MESSAGE_PATH - 1);
	char path[PATH_LEN_MAX + 1];
	const struct tuf_target *t;
	const struct json *custom;
	struct digest old, new;
	uint64_t size, window;
	struct err why;

	if (!name || !from || !from->serial || digest_is_zero(&from->digest))
		return;
	bundle_delta_path(path, c->channel, from->serial, a->bundle.serial);
	if (judge_find(j, r, path, &t, &why) < 0 || !ringhold_custom(t, "delta", &custom) ||
	    !digest_member(custom, "from_digest", &old) || !digest_equal(&old, &from->digest) ||
	    !digest_member(custom, "digest", &new) || !digest_equal(&new, &a->bundle.digest) ||
	    !count_member(custom, "size", &size) || size != v->size || !count_member(custom, "window_log", &window) || window > 24 ||
	    !t->target->has_sha256 || t->target->file.length < 0 || tuf_client_target_name(r->client, t->target, name, &why) < 0 ||
	    buf_check(name, &why) < 0)
		return;
	v->has_delta = 1;
	snprintf(v->delta_path, sizeof v->delta_path, "%s", name->data);
	v->delta_sha256 = t->target->sha256;
	v->delta_from = old;
	v->delta_length = (uint64_t)t->target->file.length;
	v->window_log = window;
}

/* ---- the decision ---- */

static int read_assignment(struct assignment **out, struct judge *j, const struct message_channel *c, struct err *e)
{
	char path[PATH_LEN_MAX + 1];
	const struct buf *bytes;

	assignment_path(path, c->ring, c->channel);
	if (judge_document(j, judge_repo(j, REPO_RINGS), path, ASSIGNMENT_MAX, &bytes, e) < 0)
		return e->code;
	if (assignment_parse(out, path, bytes->data, bytes->len, e) < 0)
		return e->code;
	if (assignment_check_place(*out, c->channel, c->ring, e) < 0) {
		assignment_free(TAKE(*out));
		return e->code;
	}
	return 0;
}

static void fill_slots(struct activate_facts *f, const struct judge *j, const struct message_channel *c)
{
	static const enum activate_slot slots[] = {
		[RUNG_TRIAL] = SLOT_TRIAL, [RUNG_CURRENT] = SLOT_CURRENT, [RUNG_PREVIOUS] = SLOT_PREVIOUS,
		[RUNG_BASELINE] = SLOT_BASELINE, [RUNG_NONE] = SLOT_NONE,
	};

	f->running = slots[MIN(c->rung, (uint64_t)RUNG_NONE)];
	for (uint64_t rung = RUNG_TRIAL; rung < RUNG_NONE; rung++) {
		const struct message_slot *s = slot_at(j, c->channel, rung);

		if (s)
			f->slots[slots[rung]] = (struct activate_content){ s->digest, s->serial };
	}
}

static bool quarantined(const struct judge *j, const struct message_channel *c, const struct assignment *a)
{
	for (size_t i = 0; a && i < j->quarantine_count; i++)
		if (!strcmp(j->quarantine[i].channel, c->channel) && digest_equal(&j->quarantine[i].digest, &a->bundle.digest) &&
		    j->quarantine[i].attempt == a->attempt)
			return true;
	return false;
}

static int64_t fresh_at(struct judge *j, enum settings_repo which)
{
	return j->begin.offline ? j->begin.fresh_at : judge_repo(j, which)->fresh_at;
}

/*
 * Clauses that only time or a refresh mend: what is under way waits for them and is not thrown away.
 * Nor is it for what a repository that cannot be reached does not say.
 */
static bool patient(const struct activate_decision *d, enum activate_clause c)
{
	if (!d->clauses[CLAUSE_FRESH].holds && (c == CLAUSE_ASSIGNED || c == CLAUSE_LISTED))
		return true;
	return c == CLAUSE_FRESH || c == CLAUSE_AGE || c == CLAUSE_WINDOW || c == CLAUSE_NOT_HELD || c == CLAUSE_APPROVED;
}

static enum verdict_say say_of(const struct activate_decision *d, const struct message_channel *c, const struct assignment *a)
{
	bool trial = c->rung == RUNG_TRIAL;

	if (d->action == ACTIVATE_INSTALL)
		return SAY_INSTALL;
	if (d->action == ACTIVATE_SWITCH || d->action == ACTIVATE_LEAVE)
		return SAY_SWITCH;
	if (!trial && !digest_is_zero(&c->offered)) {
		if (a && (!digest_equal(&a->bundle.digest, &c->offered) || a->attempt != c->attempt))
			return SAY_WITHDRAW;
		for (int i = 0; i < ACTIVATE_CLAUSES; i++)
			if (!d->clauses[i].holds && !patient(d, (enum activate_clause)i) && (a || i == CLAUSE_ENABLED))
				return SAY_WITHDRAW;
	}
	return d->clauses[CLAUSE_FRESH].holds ? SAY_NOTHING : SAY_UNKNOWN;
}

static int say_clauses(struct judge *j, const struct message_channel *c, const struct activate_decision *d, struct err *e)
{
	for (int i = 0; j->begin.explain && i < ACTIVATE_CLAUSES; i++) {
		struct message_clause m = { .holds = d->clauses[i].holds };

		memcpy(m.channel, c->channel, sizeof m.channel);
		snprintf(m.name, sizeof m.name, "%s", activate_clause_name((enum activate_clause)i));
		snprintf(m.sentence, sizeof m.sentence, "%s", d->clauses[i].sentence);
		if (judge_say(j, MSG_CLAUSE, &m, e) < 0)
			return e->code;
	}
	return 0;
}

static int say_drops(struct judge *j, const struct message_channel *c, const struct assignment *a, struct err *e)
{
	for (size_t i = 0; i < a->drop_count; i++) {
		struct message_drop m = { 0 };

		memcpy(m.channel, c->channel, sizeof m.channel);
		snprintf(m.rule, sizeof m.rule, "%s", a->drops[i].rule);
		if (judge_say(j, MSG_DROP, &m, e) < 0)
			return e->code;
	}
	return 0;
}

/* For new content, and when the list for what runs is another one now. */
static bool wants_drops(const struct message_channel *c, const struct assignment *a, const struct message_verdict *v)
{
	return v->say == SAY_INSTALL || (digest_equal(&a->bundle.digest, &c->running) && !digest_equal(&v->drop, &c->drop));
}

static int say_verdict(struct judge *j, const struct message_channel *c, const struct assignment *a, const struct activate_decision *d,
		       const struct taken *t, struct message_verdict *v, struct err *e)
{
	memcpy(v->channel, c->channel, sizeof v->channel);
	memcpy(v->ring, c->ring, sizeof v->ring);
	v->say = say_of(d, c, a);
	v->digest = d->digest;
	v->serial = d->serial;
	v->floor = t->floor;
	v->evaluated = j->now;
	v->again_at = d->again_at == INT64_MAX ? 0 : d->again_at;
	v->online_stop = d->by_online_stop;
	snprintf(v->word, sizeof v->word, "%s", d->reason);
	snprintf(v->reason, sizeof v->reason, "%s", d->sentence);
	if (a) {
		v->assigned = a->bundle.digest;
		v->assigned_serial = a->bundle.serial;
		v->attempt = a->attempt;
		v->permit = a->permit_required;
		v->probation_s = (uint64_t)MAX(a->probation_s, 0);
		v->boots = (uint64_t)MIN(MAX(a->probation_boots, 0), 255);
		v->observe = a->observe;
		v->granted = a->granted;
		for (size_t i = 0; i < t->urgent_count; i++)
			v->urgent |= digest_equal(&t->urgent[i], &a->bundle.digest);
		v->not_before = a->windowed ? a->window_start : 0;
		v->not_after = a->windowed ? a->window_end : 0;
		snprintf(v->version, sizeof v->version, "%s", a->bundle.version);
		if (assignment_drop_digest(&v->drop, a, e) < 0)
			return e->code;
		if (wants_drops(c, a, v) && say_drops(j, c, a, e) < 0)
			return e->code;
	}
	if (say_clauses(j, c, d, e) < 0)
		return e->code;
	return judge_say(j, MSG_VERDICT, v, e);
}

/* Everything but what follows from other facts already filled in. */
static void fill_facts(struct activate_facts *f, struct judge *j, const struct message_channel *c, const struct assignment *a,
		       const struct taken *t)
{
	f->stopped = (struct activate_set){ t->stopped, t->stopped_count };
	f->recalled = (struct activate_set){ t->recalled, t->recalled_count };
	f->urgent = (struct activate_set){ t->urgent, t->urgent_count };
	f->floor = t->floor;
	f->assignment = a;
	f->quarantined = quarantined(j, c, a);
	f->first_seen = a && digest_equal(&c->first_seen, &a->bundle.digest) ? c->first_seen_at : 0;
	fill_slots(f, j, c);
}

int judge_decide(struct judge *j, const struct message_channel *c, int position, bool retreats, struct err *e)
{
	static struct activate_decision d;
	static struct message_verdict v;
	const char *parties[SETTINGS_APPROVALS_MAX];
	bool present[SETTINGS_APPROVALS_MAX];
	AUTO(assignment) struct assignment *a = NULL;
	struct activate_target vendor = { 0 };
	struct taken t = { 0 };
	struct err why = { 0 };
	struct activate_facts f = {
		.now = j->now, .channel = c->channel, .ring = c->ring, .ring_position = position,
		.content_at = fresh_at(j, REPO_CONTENT), .rings_at = fresh_at(j, REPO_RINGS), .high_water = c->high_water, .pinned = c->pinned,
		.disabled = !strcmp(c->held, "disabled"), .held = !strcmp(c->held, "hold"),
		.approvals_demanded = parties, .approvals_present = present, .stop_left_at = c->stop_left_at,
		.min_age_s = position >= 0 && position < SETTINGS_RINGS_MAX ? j->s->min_age_s[position] : -1,
	};
	int rc;

	memset(&v, 0, sizeof v);
	if (*c->ring && read_assignment(&a, j, c, &why) < 0)
		tell(judge_repo(j, REPO_RINGS), &why);
	rc = read_taken(j, c, &t, e);
	if (rc == 0) {
		fill_facts(&f, j, c, a, &t);
		if (a && vendor_lists(j, c, a, &vendor, &v, &why)) {
			f.vendor = &vendor;
			find_delta(j, c, a, &v);
		}
		for (char **p = j->s->approvals; a && p && *p && f.approval_count < SETTINGS_APPROVALS_MAX; p++) {
			parties[f.approval_count] = *p;
			present[f.approval_count++] = approves(j, *p, c->channel, &a->bundle.digest);
		}
		activate_decide(&d, &f);
		if (!retreats || d.action == ACTIVATE_LEAVE || d.action == ACTIVATE_SWITCH)
			rc = say_verdict(j, c, a, &d, &t, &v, e) < 0 ? e->code : 1;
	}
	taken_release(&t);
	return rc;
}
