/* operator_follow: the vendors' repositories that are followed, and beginning the rollout of a bundle of theirs. */
#include "server/follow.h"
#include "server/handlers.h"

static bool sees(const void *arg, const char *channel)
{
	return handler_sees(arg, channel);
}

void operator_follows(struct request *q)
{
	struct json_writer w = reply_json(&q->reply, 200);

	json_open_object(&w, NULL);
	follow_write(q->server, &w, sees, q);
	json_close_object(&w);
}

void operator_begin(struct request *q)
{
	static const char *const members[] = { "serial", "reason", NULL };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct follow_order o = { .who = q->who, .reason = "", .dry_run = handler_dry_run(q) };
	struct json_writer w;
	uint64_t rollout = 0;
	int64_t serial;
	struct err e;

	if (!d)
		return;
	if (json_want_int(d, d->root, "serial", 1, INT64_MAX, &serial, &e) < 0 ||
	    json_may_text(d, d->root, "reason", REASON_LEN_MAX, &o.reason, &e) < 0 ||
	    follow_begin(q->server, q->params[0], (uint64_t)serial, &o, &rollout, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	w = reply_json(&q->reply, o.dry_run ? 200 : 201);
	json_open_object(&w, NULL);
	json_put_text(&w, "channel", q->params[0]);
	json_put_int(&w, "serial", serial);
	if (o.dry_run)
		json_put_null(&w, "rollout");
	else
		json_put_int(&w, "rollout", (int64_t)rollout);
	json_close_object(&w);
}
