/* operator_feed: what happened. */
#include "server/handlers.h"

static int list_event(const struct store_feed *f, void *arg, struct err *e)
{
	struct handler_feed *p = arg;

	(void)e;
	if (!handler_feed_takes(p, f->id, f->d.channel))
		return 0;
	json_open_object(&p->w, NULL);
	json_put_int(&p->w, "id", (int64_t)f->id);
	json_put_time(&p->w, "at", f->d.at);
	json_put_text(&p->w, "kind", f->d.kind);
	handler_put_text(&p->w, "channel", f->d.channel);
	handler_put_text(&p->w, "ring", f->d.ring);
	if (f->d.rollout)
		json_put_int(&p->w, "rollout", (int64_t)f->d.rollout);
	else
		json_put_null(&p->w, "rollout");
	handler_put_text(&p->w, "device", f->d.device);
	handler_put_digest(&p->w, "digest", &f->d.digest);
	handler_put_text(&p->w, "from", f->d.from);
	handler_put_text(&p->w, "to", f->d.to);
	handler_put_text(&p->w, "cause", f->d.cause);
	handler_put_text(&p->w, "sentence", f->d.sentence);
	json_close_object(&p->w);
	return 0;
}

void operator_events(struct request *q)
{
	struct store *store = q->server->store;
	struct handler_feed p;
	int64_t rollout;
	struct err e;
	int got;

	if (!handler_query_int(q, "rollout", 0, INT64_MAX, &rollout) || !handler_feed_begin(q, &p))
		return;
	got = rollout ? store_each_feed_of(store, (uint64_t)rollout, p.after, p.limit, list_event, &p, &e) :
			store_each_feed(store, p.after, p.limit, list_event, &p, &e);
	if (got < 0)
		reply_error(&q->reply, &e);
	else
		handler_feed_end(&p);
}
