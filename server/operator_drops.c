/* operator_drops: single rules that a channel leaves out: which, and where they are left out already. */
#include <stdio.h>
#include <string.h>

#include "server/control_parts.h"
#include "server/handlers.h"
#include "server/now.h"

/* Endpoints of the ring that run its assigned bundle, and those of them that say they leave out what it says. */
static void count_devices(struct server *s, const struct assignment *a, const struct digest *list, int64_t *runs, int64_t *follow)
{
	*runs = *follow = 0;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->fleet.count; i++) {
		const struct device *d = s->fleet.items[i];
		const struct checkin_channel *c = device_channel(d, a->channel);

		if (!c || d->revoked || !d->ring || strcmp(d->ring, a->ring) != 0 || !digest_equal(&c->running, &a->bundle.digest))
			continue;
		++*runs;
		*follow += digest_equal(&c->drop, list);
	}
	pthread_mutex_unlock(&s->lock);
}

static void put_ring(struct json_writer *w, struct server *s, const char *channel, const char *ring, const char *version)
{
	AUTO(assignment) struct assignment *a = NULL;
	char own[CONTROL_DROP_VERSION];
	int64_t runs, follow;
	struct digest list;
	struct err e;

	if (desk_assignment(s->desk, ring, channel, &a, &e) < 0 || assignment_drop_digest(&list, a, &e) < 0)
		return;
	count_devices(s, a, &list, &runs, &follow);
	control_drop_version(own, a);
	json_open_object(w, NULL);
	json_put_text(w, "ring", ring);
	json_put_int(w, "serial", (int64_t)a->bundle.serial);
	json_put_int(w, "rules", (int64_t)a->drop_count);
	json_put_bool(w, "signed", strcmp(own, version) == 0);
	json_put_int(w, "devices", runs);
	json_put_int(w, "following", follow);
	json_close_object(w);
}

static void put_rings(struct json_writer *w, struct server *s, const char *channel, const char *version)
{
	char rings[POLICY_RINGS_MAX][NAME_LEN_MAX + 1];
	size_t count = 0;

	pthread_mutex_lock(&s->lock);
	for (const struct rollout *r = s->rollouts.newest; r && !count; r = r->older)
		if (strcmp(r->channel, channel) == 0)
			for (; count < r->policy->count; count++)
				snprintf(rings[count], sizeof rings[count], "%s", r->policy->rings[count].name);
	pthread_mutex_unlock(&s->lock);
	json_open_array(w, "rings");
	for (size_t i = 0; i < count; i++)
		put_ring(w, s, channel, rings[i], version);
	json_close_array(w);
}

static void reply_drops(struct request *q, const char *channel)
{
	struct server *s = q->server;
	AUTO(assignment) struct assignment *first = NULL;
	char version[CONTROL_DROP_VERSION];
	struct json_writer w;
	struct err e;
	int got;

	pthread_mutex_lock(&s->control);
	got = control_first(s, channel, &first, &e);
	pthread_mutex_unlock(&s->control);
	if (got < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	control_drop_version(version, first);
	w = reply_json(&q->reply, 200);
	json_open_object(&w, NULL);
	json_put_text(&w, "channel", channel);
	json_put_text(&w, "etag", version);
	json_open_array(&w, "drop");
	for (size_t i = 0; i < first->drop_count; i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "rule", first->drops[i].rule);
		json_put_text(&w, "reason", first->drops[i].reason);
		json_close_object(&w);
	}
	json_close_array(&w);
	put_rings(&w, s, channel, version);
	json_close_object(&w);
	handler_etag(q, "%s", version);
}

void operator_drops(struct request *q)
{
	reply_drops(q, q->params[0]);
}

static int read_rules(const struct json_doc *d, const char *rules[ASSIGNMENT_DROPS_MAX], struct control_drop *w, struct err *e)
{
	const struct json *list;

	if (json_want_array(d, d->root, "rules", ASSIGNMENT_DROPS_MAX, &list, e) < 0 ||
	    json_want_text(d, d->root, "reason", REASON_LEN_MAX, &w->reason, e) < 0 ||
	    json_may_bool(d, d->root, "undo", &w->undo, e) < 0)
		return e->code;
	if (list->count == 0)
		return json_error(d, list, e, ERR_FORMAT, "rules names one rule at least");
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type != JSON_STRING || v->count == 0 || v->count > RULE_LEN_MAX || strlen(v->u.text) != v->count)
			return json_error(d, v, e, ERR_FORMAT, "a rule's id is a text of 1 to %d bytes", RULE_LEN_MAX);
		rules[w->count++] = v->u.text;
	}
	return 0;
}

void operator_drop(struct request *q)
{
	static const char *const members[] = { "rules", "reason", "undo", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	const char *rules[ASSIGNMENT_DROPS_MAX];
	struct control_drop w = { .rules = rules, .who = q->who, .match = http_header(q->http, "if-match"), .dry_run = handler_dry_run(q) };
	struct err e;

	if (!d)
		return;
	if (read_rules(d, rules, &w, &e) < 0)
		reply_error(&q->reply, &e);
	else if (control_drop(q->server, q->params[0], &w, &e) == 0)
		reply_drops(q, q->params[0]);
	else if (w.refused == CONTROL_CHANGED)
		reply_problem(&q->reply, PROBLEM_PRECONDITION, "%s", e.msg);
	else
		reply_error(&q->reply, &e);
}
