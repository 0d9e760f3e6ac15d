/* operator_rollouts: bundles and rollouts, seen and moved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "rollout/gate_background.h"
#include "server/background.h"
#include "server/control.h"
#include "server/handlers.h"
#include "server/now.h"

#define OFFERS_MAX 10000        /* of one ring, in one answer */
#define PAGE 200
#define PAGE_MAX 1000

/* ---- bundles ---- */

/* A list under way: whose it is decides what is in it. */
struct listing {
	struct request *q;
	struct handler_page page;
};

static int list_bundle(const struct store_bundle *b, void *arg, struct err *e)
{
	struct listing *l = arg;
	struct json_writer *w = &l->page.w;
	char key[HANDLER_CURSOR_MAX + 1];

	(void)e;
	snprintf(key, sizeof key, "%s %llu", b->channel, (unsigned long long)b->serial);
	if (!handler_sees(l->q, b->channel) || !handler_page_takes(&l->page, key))
		return 0;
	json_open_object(w, NULL);
	json_put_text(w, "channel", b->channel);
	json_put_int(w, "serial", (int64_t)b->serial);
	json_put_text(w, "version", b->version);
	handler_put_digest(w, "digest", &b->digest);
	json_put_text(w, "path", b->path);
	json_put_int(w, "size", (int64_t)b->size);
	json_put_int(w, "length", (int64_t)b->length);
	json_put_time(w, "published", b->published);
	json_put_text(w, "by", b->by);
	handler_put_text(w, "reason", b->reason);
	json_close_object(w);
	return 0;
}

void operator_bundles(struct request *q)
{
	char channel[NAME_LEN_MAX + 1] = "";
	struct listing l = { .q = q };
	struct err e;

	if (!handler_query_text(q, "channel", channel, sizeof channel) || !handler_page_begin(q, &l.page, PAGE, PAGE_MAX))
		return;
	if (store_each_bundle(q->server->store, channel, list_bundle, &l, &e) < 0)
		reply_error(&q->reply, &e);
	else
		handler_page_end(q, &l.page);
}

/* ---- rollouts; with `lock` ---- */

static void put_sums(struct json_writer *w, struct stage *g)
{
	struct sequence_sums sums;

	sequence_sums(g->sequence, &sums);
	json_open_object(w, "offers");
	json_put_int(w, "total", sums.offers);
	for (int o = 0; o < OUTCOME_COUNT; o++)
		json_put_int(w, outcome_name((enum outcome)o), sums.of[o]);
	json_close_object(w);
	json_put_double(w, "lambda", g->last.lambda);
	json_put_double(w, "lambda_limit", g->last.lambda_limit);
	json_put_double(w, "e", g->last.e);
	json_put_double(w, "e_limit", g->last.e_limit);
}

static void put_strata(struct json_writer *w, const struct stage *g)
{
	struct verdict_facts f = { .ring = g->policy };

	verdict_strata(&f, g->strata, g->sequence);
	json_open_object(w, "strata");
	json_put_int(w, "count", g->strata ? strata_count(g->strata) : 0);
	json_put_int(w, "blocked", sequence_strata_blocked(g->sequence));
	json_put_int(w, "lacking", f.strata_lacking);
	json_close_object(w);
}

/* With one side only nothing is compared: that is not the same as nothing found. */
static void put_silence(struct json_writer *w, const struct stage *g)
{
	json_open_object(w, "silence");
	json_put_text(w, "state", g->compared ? "armed" : "unarmed");
	json_put_double(w, "w", (double)MIN(g->silence.max, 1e300L));
	json_put_double(w, "limit", 1 / (POLICY_SHARE_SILENCE * g->policy->alpha));
	json_put_int(w, "at_risk", g->at_risk);
	json_put_int(w, "waiting", g->compared);
	json_put_int(w, "events", g->silenced_count);
	json_close_object(w);
}

static void put_background(struct json_writer *w, struct server *s, const struct stage *g)
{
	int64_t placebos, lost;

	background_figures(s->background, g->rollout->channel, g->policy->name, g->policy->observe_s, server_now(s), &placebos, &lost);
	json_open_object(w, "background");
	json_put_int(w, "placebos", placebos);
	json_put_int(w, "lost", lost);
	json_put_bool(w, "known", gate_background_known(g->policy->p0, (uint64_t)placebos, (uint64_t)lost));
	json_close_object(w);
}

/* Who agreed, of how many. */
static void put_approvals(struct json_writer *w, const char *key, const struct rollout *r, int ring, enum approval_kind kind,
			  const struct policy_approvals *wanted)
{
	json_open_object(w, key);
	json_put_int(w, "wanted", wanted->count);
	json_put_text(w, "role", wanted->role);
	json_open_array(w, "by");
	for (size_t i = 0; i < r->approval_count; i++) {
		const struct approval *a = &r->approvals[i];

		if (a->ring != ring || a->kind != kind)
			continue;
		json_open_object(w, NULL);
		json_put_text(w, "who", a->who);
		json_put_time(w, "at", a->at);
		handler_put_text(w, "reason", a->reason);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

/* What keeps it back, and the hours in which it makes offers. */
static void put_waits(struct json_writer *w, struct server *s, struct stage *g, int64_t now)
{
	struct calendar_state hours = stage_hours(g, now);
	char waits[CONTROL_WAITS];

	control_waits(s, g, now, waits);
	handler_put_text(w, "waits", waits);
	json_open_object(w, "hours");
	json_put_bool(w, "open", hours.open);
	handler_put_time(w, "until", hours.until == CALENDAR_NEVER ? 0 : hours.until);
	handler_put_text(w, "freeze", hours.freeze ? hours.freeze->reason[0] ? hours.freeze->reason : "frozen" : "");
	json_close_object(w);
}

/* The lane: null when nobody asked for it. */
static void put_emergency(struct json_writer *w, const struct rollout *r)
{
	const struct approval *asked = rollout_approval(r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY_ASKED, NULL);
	int64_t since = rollout_emergency(r);

	if (!asked) {
		json_put_null(w, "emergency");
		return;
	}
	json_open_object(w, "emergency");
	json_put_text(w, "state", since ? "open" : "asked");
	json_put_text(w, "by", asked->who);
	json_put_time(w, "asked", asked->at);
	handler_put_text(w, "reason", asked->reason);
	handler_put_time(w, "since", since);
	put_approvals(w, "approvals", r, ROLLOUT_WHOLE, APPROVAL_EMERGENCY, &r->policy->emergency);
	json_close_object(w);
}

static void put_stage(struct json_writer *w, struct server *s, struct stage *g)
{
	/* a held or passed ring shows why it is so; a running one what its gate says now */
	bool live = (g->state == RING_OFFERING || g->state == RING_BAKING) && g->looked_at;

	json_open_object(w, NULL);
	json_put_text(w, "ring", g->policy->name);
	json_put_text(w, "state", state_name(g->state));
	handler_put_text(w, "cause", live ? verdict_cause_name(g->last.cause) : g->cause);
	handler_put_text(w, "sentence", live ? g->last.sentence : g->sentence);
	handler_put_text(w, "problem", g->problem);
	handler_put_time(w, "changed", g->changed);
	handler_put_time(w, "began", g->began);
	handler_put_time(w, "passed", g->passed_at);
	json_put_bool(w, "by_coverage", g->by_coverage);
	json_put_int(w, "members", g->eligible);
	put_waits(w, s, g, server_now(s));
	put_approvals(w, "approvals", g->rollout, g->position, APPROVAL_RING, &g->policy->approvals);
	put_sums(w, g);
	put_strata(w, g);
	put_silence(w, g);
	put_background(w, s, g);
	json_close_object(w);
}

static void put_offers(struct json_writer *w, struct rollout *r)
{
	json_open_array(w, "offers");
	for (size_t i = 0; i < r->policy->count; i++)
		for (uint32_t n = 1; n <= r->stages[i].count && n <= OFFERS_MAX; n++) {
			const struct offer *o = &r->stages[i].offers[n - 1];

			json_open_object(w, NULL);
			json_put_text(w, "ring", r->stages[i].policy->name);
			json_put_int(w, "n", n);
			json_put_text(w, "device", o->device->id);
			json_put_text(w, "outcome", outcome_name(o->outcome));
			handler_put_text(w, "reason", o->reason);
			json_put_time(w, "at", o->facts.offered);
			json_close_object(w);
		}
	json_close_array(w);
}

static void put_rollout(struct json_writer *w, struct server *s, struct rollout *r, bool offers)
{
	char version[ROLLOUT_VERSION_MAX];

	rollout_version(r, version);
	json_open_object(w, NULL);
	json_put_int(w, "id", (int64_t)r->id);
	json_put_text(w, "channel", r->channel);
	json_put_int(w, "serial", (int64_t)r->bundle.serial);
	json_put_text(w, "version", r->bundle.version);
	handler_put_digest(w, "digest", &r->bundle.digest);
	json_put_int(w, "attempt", (int64_t)r->attempt);
	json_put_time(w, "created", r->created);
	json_put_text(w, "by", r->by);
	handler_put_text(w, "reason", r->reason);
	json_put_text(w, "state", rollout_state(r));
	json_put_bool(w, "restored", r->restored);
	json_put_int(w, "policy_version", (int64_t)r->policy_version);
	put_emergency(w, r);
	json_put_text(w, "etag", version);
	json_open_array(w, "rings");
	for (size_t i = 0; i < r->policy->count; i++)
		put_stage(w, s, &r->stages[i]);
	json_close_array(w);
	if (offers)
		put_offers(w, r);
	json_close_object(w);
}

void operator_rollouts(struct request *q)
{
	char channel[NAME_LEN_MAX + 1] = "";
	struct server *s = q->server;
	struct handler_page page;

	if (!handler_query_text(q, "channel", channel, sizeof channel) || !handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	pthread_mutex_lock(&s->lock);
	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		char key[24];

		snprintf(key, sizeof key, "%llu", (unsigned long long)r->id);
		if ((!channel[0] || strcmp(channel, r->channel) == 0) && handler_sees(q, r->channel) && handler_page_takes(&page, key))
			put_rollout(&page.w, s, r, false);
	}
	pthread_mutex_unlock(&s->lock);
	handler_page_end(q, &page);
}

/* The number in the address; false: the reply says why not. */
static bool rollout_id(struct request *q, uint64_t *id)
{
	int64_t n;

	if (number_parse(&n, q->params[0]) && n > 0) {
		*id = (uint64_t)n;
		return true;
	}
	reply_problem(&q->reply, PROBLEM_NOT_FOUND, "there is no such rollout");
	return false;
}

void operator_rollout(struct request *q)
{
	struct server *s = q->server;
	struct rollout *r;
	uint64_t id;

	if (!rollout_id(q, &id))
		return;
	pthread_mutex_lock(&s->lock);
	r = rollouts_find(&s->rollouts, id);
	if (r && handler_may(q, r->channel)) {
		char version[ROLLOUT_VERSION_MAX];
		struct json_writer w = reply_json(&q->reply, 200);

		put_rollout(&w, s, r, true);
		rollout_version(r, version);
		handler_etag(q, "%s", version);
	}
	pthread_mutex_unlock(&s->lock);
	if (!r)
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "there is no rollout %llu", (unsigned long long)id);
}

/* Is the rollout there, and one of who asks? A rollout never changes its channel. */
static bool may_move(struct request *q, uint64_t id)
{
	const struct rollout *r;
	bool may = false;

	pthread_mutex_lock(&q->server->lock);
	r = rollouts_find(&q->server->rollouts, id);
	if (r)
		may = handler_may(q, r->channel);
	else
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "there is no rollout %llu", (unsigned long long)id);
	pthread_mutex_unlock(&q->server->lock);
	return may;
}

/* The order as it came, given when everything about it is right. */
static void give_order(struct request *q, uint64_t id, const struct json_doc *d, enum control_order order)
{
	struct control_wish wish = { .order = order, .ring = "", .who = q->who, .match = http_header(q->http, "if-match"), .identity = q->identity,
				     .dry_run = handler_dry_run(q) };
	struct err e;

	if (json_want_text(d, d->root, "reason", REASON_LEN_MAX, &wish.reason, &e) < 0 ||
	    json_may_text(d, d->root, "ring", NAME_LEN_MAX, &wish.ring, &e) < 0 ||
	    json_may_bool(d, d->root, "emergency", &wish.emergency, &e) < 0)
		reply_error(&q->reply, &e);
	else if (control_wish(q->server, id, &wish, &e) == 0)
		operator_rollout(q);
	else if (wish.refused == CONTROL_CHANGED)
		reply_problem(&q->reply, PROBLEM_PRECONDITION, "%s", e.msg);
	else if (wish.refused == CONTROL_ROLE)
		reply_problem(&q->reply, PROBLEM_FORBIDDEN, "%s", e.msg);
	else if (wish.refused == CONTROL_REQUESTER)
		reply_problem(&q->reply, PROBLEM_REQUESTER, "%s", e.msg);
	else
		reply_error(&q->reply, &e);
}

static void move(struct request *q, enum control_order order)
{
	static const char *const plain[] = { "reason", "ring", NULL }, *const approving[] = { "reason", "ring", "emergency", NULL };
	const char *const *members = order == ORDER_APPROVE ? approving : plain;
	AUTO(json) struct json_doc *d = NULL;
	uint64_t id;

	if (!rollout_id(q, &id) || !may_move(q, id))
		return;
	d = handler_body(q, members);
	if (d)
		give_order(q, id, d, order);
}

void operator_move(struct request *q)
{
	int order = control_order_parse(q->params[1]);

	if (order < 0 || order == ORDER_APPROVE)
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "a rollout can be approved, promoted, paused, resumed, halted, aborted or retried, or ask for the emergency lane");
	else
		move(q, (enum control_order)order);
}

void operator_approve(struct request *q)
{
	move(q, ORDER_APPROVE);
}

/* "previous", a serial or a digest. */
static bool where_to(const char *text, struct control_back *b)
{
	int64_t serial;

	if (strcmp(text, "previous") == 0)
		return true;
	if (number_parse(&serial, text)) {
		b->serial = serial > 0 ? (uint64_t)serial : 0;
		return serial > 0;
	}
	return digest_parse(&b->to, text, strlen(text)) && !digest_is_zero(&b->to);
}

static void put_went_back(struct json_writer *w, struct server *s, const char *channel, const struct control_back *b)
{
	const struct policy *p = NULL;

	/* Rollouts are never removed. */
	pthread_mutex_lock(&s->lock);
	for (const struct rollout *r = s->rollouts.newest; r && !p; r = r->older)
		if (strcmp(r->channel, channel) == 0)
			p = r->policy;
	pthread_mutex_unlock(&s->lock);
	json_open_array(w, "rings");
	for (size_t i = 0; p && i < p->count; i++) {
		AUTO(assignment) struct assignment *a = NULL;
		struct err e;

		if (desk_assignment(s->desk, p->rings[i].name, channel, &a, &e) < 0)
			continue;
		json_open_object(w, NULL);
		json_put_text(w, "ring", p->rings[i].name);
		json_put_bool(w, "done", digest_equal(&a->bundle.digest, &b->found.digest));
		json_close_object(w);
	}
	json_close_array(w);
}

void operator_rollback(struct request *q)
{
	static const char *const members[] = { "to", "reason", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct control_back b = { .who = q->who, .match = http_header(q->http, "if-match"), .dry_run = handler_dry_run(q) };
	const char *text;
	struct json_writer w;
	struct err e;

	if (!d)
		return;
	if (json_want_text(d, d->root, "to", DIGEST_HEX_LEN, &text, &e) < 0 ||
	    json_want_text(d, d->root, "reason", REASON_LEN_MAX, &b.reason, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!where_to(text, &b)) {
		reply_problem(&q->reply, PROBLEM_MALFORMED, "to is \"previous\", a serial or a digest");
		return;
	}
	if (control_rollback(q->server, q->params[0], &b, &e) < 0) {
		if (b.refused == CONTROL_CHANGED)
			reply_problem(&q->reply, PROBLEM_PRECONDITION, "%s", e.msg);
		else
			reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "channel", q->params[0]);
	json_put_int(&w, "serial", (int64_t)b.found.serial);
	json_put_text(&w, "version", b.found.version);
	handler_put_digest(&w, "digest", &b.found.digest);
	put_went_back(&w, q->server, q->params[0], &b);
	json_close_object(&w);
}
