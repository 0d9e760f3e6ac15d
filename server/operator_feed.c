/* operator_feed: what happened. */
#include "server/handlers.h"

#define PAGE 200
#define PAGE_MAX 1000

struct feed {
	struct request *q;
	struct json_writer w;
	uint64_t last;
};

static int list_event(const struct store_feed *f, void *arg, struct err *e)
{
	struct feed *p = arg;

	(void)e;
	p->last = f->id;
	if (!handler_sees(p->q, f->d.channel))
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

static bool page_of(struct request *q, int64_t *after, int64_t *limit)
{
	return handler_query_int(q, "after", 0, INT64_MAX, after) && handler_query_int(q, "limit", PAGE, PAGE_MAX, limit);
}

static void end_page(struct feed *p)
{
	json_close_array(&p->w);
	json_put_int(&p->w, "last", (int64_t)p->last);
	json_close_object(&p->w);
}

void operator_events(struct request *q)
{
	struct store *store = q->server->store;
	int64_t after, limit, rollout;
	struct feed p;
	struct err e;
	int got;

	if (!page_of(q, &after, &limit) || !handler_query_int(q, "rollout", 0, INT64_MAX, &rollout))
		return;
	p = (struct feed){ q, reply_json(&q->reply, 200), (uint64_t)after };
	json_open_object(&p.w, NULL);
	json_open_array(&p.w, "items");
	got = rollout ? store_each_feed_of(store, (uint64_t)rollout, (uint64_t)after, limit, list_event, &p, &e) :
			store_each_feed(store, (uint64_t)after, limit, list_event, &p, &e);
	if (got < 0)
		reply_error(&q->reply, &e);
	else
		end_page(&p);
}
