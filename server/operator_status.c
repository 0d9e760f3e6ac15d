/* operator_status: the state of everything on one page, and what waits for a person. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/handlers.h"
#include "server/now.h"
#include "server/requests.h"
#include "signing/repo.h"

#define ROLES_MAX 128
#define CONTENTS_MAX 64         /* different digests told apart in one ring */
#define EMERGENCY_DAYS 90
#define EXPIRY_WARNING (60 * 86400)
#define TOKEN_WARNING (14 * 86400)

/* What runs in one ring, by digest. */
struct running {
	struct digest digest;
	uint32_t devices;
};

struct ring_counts {
	uint32_t devices, silent;
	struct running running[CONTENTS_MAX];
	size_t count;
};

/* ---- lists of sentences ---- */

static void say(struct buf *lines, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct buf *lines, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	buf_add(lines, text, strlen(text) + 1);
}

static void put_lines(struct json_writer *w, const char *key, const struct buf *lines)
{
	json_open_array(w, key);
	for (size_t at = 0; at < lines->len; at += strlen(lines->data + at) + 1)
		json_put_text(w, NULL, lines->data + at);
	json_close_array(w);
}

/* ---- rings; with `lock` ---- */

static void count_running(struct ring_counts *c, const struct digest *digest)
{
	size_t i = 0;

	while (i < c->count && !digest_equal(&c->running[i].digest, digest))
		i++;
	if (i == CONTENTS_MAX)
		return;
	if (i == c->count)
		c->running[c->count++] = (struct running){ .digest = *digest };
	c->running[i].devices++;
}

static void count_ring(const struct server *s, const char *channel, const char *ring, int64_t now, struct ring_counts *out)
{
	int64_t checkin_s = server_checkin_s(s);

	*out = (struct ring_counts){ 0 };
	for (size_t i = 0; i < s->fleet.count; i++) {
		const struct device *d = s->fleet.items[i];
		const struct checkin_channel *c = device_channel(d, channel);

		if (!d->ring || strcmp(d->ring, ring) != 0 || d->revoked || !c)
			continue;
		out->devices++;
		out->silent += !device_away(d) && now - d->last_seen > 2 * checkin_s;
		count_running(out, &c->running);
	}
}

static void put_running(const struct server *s, struct json_writer *w, const char *channel, const struct ring_counts *c)
{
	json_open_array(w, "running");
	for (size_t i = 0; i < c->count; i++) {
		const struct rollout *r = rollouts_of(&s->rollouts, channel, &c->running[i].digest);

		json_open_object(w, NULL);
		handler_put_digest(w, "digest", &c->running[i].digest);
		if (r && !digest_is_zero(&c->running[i].digest))
			json_put_int(w, "serial", (int64_t)r->bundle.serial);
		else
			json_put_null(w, "serial");
		json_put_int(w, "devices", c->running[i].devices);
		json_close_object(w);
	}
	json_close_array(w);
}

static void put_stage(struct json_writer *w, const struct stage *g)
{
	bool live = g && (g->state == RING_OFFERING || g->state == RING_BAKING) && g->looked_at;

	if (g)
		json_put_int(w, "rollout", (int64_t)g->rollout->id);
	else
		json_put_null(w, "rollout");
	json_put_text(w, "state", g ? state_name(g->state) : NULL);
	handler_put_text(w, "cause", !g ? NULL : live ? verdict_cause_name(g->last.cause) : g->cause);
	handler_put_text(w, "sentence", !g ? NULL : live ? g->last.sentence : g->sentence);
}

static void note_stage(const struct stage *g, struct buf *actions)
{
	const struct rollout *r = g->rollout;

	if (g->trouble)
		say(actions, "channel %s serial %llu ring %s: %s", r->channel, (unsigned long long)r->bundle.serial,
		    g->policy->name, g->problem);
	if (g->state == RING_AWAITING_APPROVAL && g->policy->approvals.count > 0)
		say(actions, "rollout %llu: ring %s waits for people: %lld of %lld with the role %s agreed", (unsigned long long)r->id, g->policy->name,
		    (long long)rollout_approvals(r, g->position, APPROVAL_RING), (long long)g->policy->approvals.count, g->policy->approvals.role);
	else if (g->state == RING_AWAITING_APPROVAL)
		say(actions, "rollout %llu: ring %s waits for a person: promote it or abort it", (unsigned long long)r->id,
		    g->policy->name);
	if (g->state == RING_QUEUED && strcmp(g->cause, "hook") == 0)
		say(actions, "rollout %llu: ring %s: %s", (unsigned long long)r->id, g->policy->name, g->sentence);
	if (state_held(g->state) && !verdict_cause_ends_itself((enum verdict_cause)MAX(verdict_cause_parse(g->cause), 0)))
		say(actions, "rollout %llu: ring %s is held (%s): resume, promote, halt or abort it", (unsigned long long)r->id,
		    g->policy->name, g->cause);
}

/* An assignment is read from the repository: not with `lock` held. */
static void put_assigned(struct server *s, struct json_writer *w, const char *channel, const char *ring, struct buf *warnings)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	if (desk_assignment(s->desk, ring, channel, &a, &e) < 0) {
		json_put_null(w, "assigned");
		return;
	}
	json_open_object(w, "assigned");
	json_put_int(w, "serial", (int64_t)a->bundle.serial);
	json_put_text(w, "version", a->bundle.version);
	handler_put_digest(w, "digest", &a->bundle.digest);
	json_put_int(w, "attempt", (int64_t)a->attempt);
	json_put_bool(w, "granted", a->granted);
	json_put_int(w, "left_out", (int64_t)a->drop_count);
	json_close_object(w);
	if (a->drop_count)
		say(warnings, "channel %s ring %s: the assignment leaves %zu rules out", channel, ring, a->drop_count);
}

static void put_ring(struct server *s, struct json_writer *w, const char *channel, const char *ring, int64_t now, struct buf *warnings,
		     struct buf *actions)
{
	struct ring_counts *counts = malloc(sizeof *counts);
	struct stage *g;

	json_open_object(w, NULL);
	json_put_text(w, "ring", ring);
	put_assigned(s, w, channel, ring, warnings);
	pthread_mutex_lock(&s->lock);
	g = rollouts_in_ring(&s->rollouts, channel, ring);
	put_stage(w, g);
	if (counts) {
		count_ring(s, channel, ring, now, counts);
		json_put_int(w, "devices", counts->devices);
		json_put_int(w, "silent", counts->silent);
		put_running(s, w, channel, counts);
	}
	if (g)
		note_stage(g, actions);
	pthread_mutex_unlock(&s->lock);
	json_close_object(w);
	free(counts);
}

/* ---- channels ---- */

/* Rollouts are never removed, so a pointer to one outlives the lock. */
static const struct rollout *first_of_channel(const struct server *s, const struct rollout *r)
{
	for (const struct rollout *o = s->rollouts.newest; o != r; o = o->older)
		if (strcmp(o->channel, r->channel) == 0)
			return NULL;
	return r;
}

/* How often the emergency lane was opened, and by which rollouts it is now: one that is used every week is no lane for emergencies. */
static void put_emergencies(struct server *s, struct json_writer *w, const char *channel, int64_t now, struct buf *warnings, struct buf *actions)
{
	int64_t total = 0, recent = 0, under_way = 0;

	pthread_mutex_lock(&s->lock);
	for (const struct rollout *r = s->rollouts.newest; r; r = r->older) {
		int64_t since = strcmp(r->channel, channel) == 0 ? rollout_emergency(r) : 0;

		total += since > 0;
		recent += since > 0 && now - since < EMERGENCY_DAYS * 86400;
		under_way += since > 0 && rollout_under_way(r);
		if (since && rollout_under_way(r))
			say(warnings, "rollout %llu: channel %s serial %llu goes by the emergency lane", (unsigned long long)r->id, channel,
			    (unsigned long long)r->bundle.serial);
		else if (strcmp(r->channel, channel) == 0 && !since && rollout_lives(r) && rollout_approval(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY_ASKED, NULL))
			say(actions, "rollout %llu: the emergency lane is asked for: %lld of %lld with the role %s agreed", (unsigned long long)r->id,
			    (long long)rollout_approvals(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY), (long long)r->policy->emergency.count,
			    r->policy->emergency.role);
	}
	pthread_mutex_unlock(&s->lock);
	json_open_object(w, "emergencies");
	json_put_int(w, "total", total);
	json_put_int(w, "last_90_days", recent);
	json_put_int(w, "under_way", under_way);
	json_close_object(w);
}

static void put_channels(const struct request *q, struct json_writer *w, int64_t now, struct buf *warnings, struct buf *actions)
{
	struct server *s = q->server;
	const struct rollout *r;

	pthread_mutex_lock(&s->lock);
	r = s->rollouts.newest;
	pthread_mutex_unlock(&s->lock);
	json_open_array(w, "channels");
	for (; r; r = r->older) {
		if (!first_of_channel(s, r) || !handler_sees(q, r->channel))
			continue;
		json_open_object(w, NULL);
		json_put_text(w, "channel", r->channel);
		put_emergencies(s, w, r->channel, now, warnings, actions);
		json_open_array(w, "rings");
		for (size_t i = 0; i < r->policy->count; i++)
			put_ring(s, w, r->channel, r->policy->rings[i].name, now, warnings, actions);
		json_close_array(w);
		json_close_object(w);
	}
	json_close_array(w);
}

/* ---- keys ---- */

static void judge_role(const struct desk_role_status *r, int64_t now, const char *first_ring, struct buf *warnings, struct buf *actions)
{
	bool whole = r->held >= (size_t)r->threshold && r->threshold > 0;

	if (whole && (strcmp(r->role, "root") == 0 || strcmp(r->role, "targets") == 0 || strncmp(r->role, "content-", 8) == 0 ||
		      strcmp(r->role, "recall") == 0 || strncmp(r->role, "approve-", 8) == 0))
		say(warnings, "the keys of %s are on this server: they belong to people elsewhere", r->role);
	if (whole && strncmp(r->role, "ring-", 5) == 0 && first_ring && strcmp(r->role + 5, first_ring) != 0)
		say(warnings, "the server alone can sign for the ring %s: without a promoter whoever takes it over reaches that ring",
		    r->role + 5);
	if (r->version > 0 && r->expires <= now)
		say(actions, "%s is expired: nothing new installs before it is signed again", r->role);
	else if (r->version > 0 && !whole && r->expires - now < EXPIRY_WARNING)
		say(actions, "%s expires in %lld days and must be signed by people", r->role,
		    (long long)((r->expires - now) / 86400));
	if (repo_is_people(r->role) && r->version < r->reserved)
		say(actions, "%s: version %lld is published and version %lld was before: the repository is an older copy; put the newer file back",
		    r->role, (long long)r->version, (long long)r->reserved);
}

static void put_roles(struct server *s, struct json_writer *w, int64_t now, struct buf *warnings, struct buf *actions)
{
	static const struct desk_role_status none;
	struct desk_role_status *roles = calloc(ROLES_MAX, sizeof *roles);
	char first[NAME_LEN_MAX + 1] = "";
	size_t count = roles ? desk_roles(s->desk, roles, ROLES_MAX) : 0;

	pthread_mutex_lock(&s->lock);
	if (s->ringmap)
		snprintf(first, sizeof first, "%s", ringmap_ring(s->ringmap, 0));
	pthread_mutex_unlock(&s->lock);
	json_open_array(w, "roles");
	for (size_t i = 0; i < count && i < ROLES_MAX; i++) {
		const struct desk_role_status *r = roles ? &roles[i] : &none;

		json_open_object(w, NULL);
		json_put_text(w, "role", r->role);
		json_put_int(w, "version", r->version);
		json_put_int(w, "reserved", r->reserved);
		handler_put_time(w, "expires", r->expires);
		json_put_int(w, "threshold", r->threshold);
		json_put_int(w, "keys", (int64_t)r->keys);
		json_put_int(w, "held", (int64_t)r->held);
		json_close_object(w);
		judge_role(r, now, first[0] ? first : NULL, warnings, actions);
	}
	json_close_array(w);
	free(roles);
}

/* ---- the clock ---- */

static void put_clock(struct server *s, struct json_writer *w, int64_t now, struct buf *warnings, struct buf *actions)
{
	struct desk_clock c;

	desk_clock_status(s->desk, now, &c);
	json_open_object(w, "clock");
	json_put_text(w, "state", c.doubted ? "doubted" : c.behind_s ? "behind" : "steady");
	handler_put_time(w, "signing", c.signing);
	json_put_int(w, "behind_s", c.behind_s);
	handler_put_time(w, "jumped", c.jumped_at);
	json_put_int(w, "jump_s", c.jump_s);
	json_put_int(w, "jumps", (int64_t)c.jumps);
	json_close_object(w);
	if (c.behind_s)
		say(actions, "the clock is %lld s before the last signature: set it right, or, when it was wrong then, rotate the timestamp's key",
		    (long long)c.behind_s);
	else if (c.doubted)
		say(actions, "the clock jumped by %+lld s and is not believed yet: look whether it is right", (long long)c.jump_s);
	else if (c.jumps)
		say(warnings, "the clock jumped by %+lld s", (long long)c.jump_s);
}

/* ---- signing requests ---- */

struct asking {
	const struct request *q;
	struct json_writer *w;
	struct buf *actions;
};

static int put_request(const struct store_request *row, void *arg, struct err *e)
{
	struct asking *a = arg;

	(void)e;
	if (!handler_sees_roles(a->q, row->roles))
		return 0;
	json_open_object(a->w, NULL);
	json_put_text(a->w, "id", row->id);
	json_put_text(a->w, "roles", row->roles);
	json_put_text(a->w, "reason", row->reason);
	json_put_time(a->w, "created", row->created);
	json_put_time(a->w, "expires", row->expires);
	handler_put_text(a->w, "note", row->note);
	json_close_object(a->w);
	say(a->actions, "signing request %s waits for signatures of %.80s: %.200s%s%.120s", row->id, row->roles, row->reason,
	    row->note[0] ? "; " : "", row->note);
	return 0;
}

static void put_requests(const struct request *q, struct json_writer *w, struct buf *warnings, struct buf *actions)
{
	struct asking a = { q, w, actions };
	struct err e;

	json_open_array(w, "signing_requests");
	if (requests_each_open(q->server, put_request, &a, &e) < 0)
		say(warnings, "signing requests: %s", e.msg);
	json_close_array(w);
}

/* ---- tokens ---- */

struct ageing {
	int64_t now;
	struct buf *warnings;
};

/* One that was used and ends soon is missed by somebody. */
static int note_token(const struct store_token *t, void *arg, struct err *e)
{
	const struct ageing *a = arg;

	(void)e;
	if (!t->revoked && t->used && t->expires > a->now && t->expires - a->now < TOKEN_WARNING)
		say(a->warnings, "the operator token %s expires in %lld days: rotate it, or let it go", t->name,
		    (long long)((t->expires - a->now) / 86400));
	return 0;
}

static void note_tokens(struct server *s, int64_t now, struct buf *warnings)
{
	struct ageing a = { now, warnings };
	struct err e;

	(void)!operators_each(s->operators, note_token, &a, &e);
}

/* ---- the page ---- */

static void put_devices(struct server *s, struct json_writer *w, int64_t now)
{
	int64_t checkin_s, total = 0, silent = 0, flagged = 0;

	pthread_mutex_lock(&s->lock);
	checkin_s = server_checkin_s(s);
	for (size_t i = 0; i < s->fleet.count; i++) {
		const struct device *d = s->fleet.items[i];

		if (d->revoked)
			continue;
		total++;
		silent += !device_away(d) && now - d->last_seen > 2 * checkin_s;
		flagged += d->flagged;
	}
	pthread_mutex_unlock(&s->lock);
	json_open_object(w, "devices");
	json_put_int(w, "total", total);
	json_put_int(w, "silent", silent);
	json_put_int(w, "flagged", flagged);
	json_close_object(w);
}

void operator_status(struct request *q)
{
	AUTO(buf) struct buf *warnings = buf_new(65536), *actions = buf_new(65536);
	struct json_writer w = reply_json(&q->reply, 200);
	int64_t now = server_now(q->server);

	if (!warnings || !actions) {
		reply_problem(&q->reply, PROBLEM_UNAVAILABLE, "out of memory");
		return;
	}
	json_open_object(&w, NULL);
	json_put_time(&w, "now", now);
	json_put_time(&w, "started", q->server->started);
	put_devices(q->server, &w, now);
	put_channels(q, &w, now, warnings, actions);
	put_roles(q->server, &w, now, warnings, actions);
	put_requests(q, &w, warnings, actions);
	put_clock(q->server, &w, now, warnings, actions);
	note_tokens(q->server, now, warnings);
	put_lines(&w, "warnings", warnings);
	put_lines(&w, "actions", actions);
	json_close_object(&w);
}
