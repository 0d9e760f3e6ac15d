/* operator_gates: what the gates decided from, for who decides it again, and the background loss they go by. */
#include <stdlib.h>
#include <string.h>

#include "rollout/gate_background.h"
#include "server/background.h"
#include "server/handlers.h"
#include "server/now.h"

static int list_gate(const struct store_gate *g, void *arg, struct err *e)
{
	struct handler_feed *p = arg;

	(void)e;
	if (!handler_feed_takes(p, g->id, g->channel))
		return 0;
	json_open_object(&p->w, NULL);
	json_put_int(&p->w, "id", (int64_t)g->id);
	json_put_int(&p->w, "rollout", (int64_t)g->rollout);
	json_put_text(&p->w, "channel", g->channel);
	json_put_text(&p->w, "ring", g->ring_name);
	json_put_time(&p->w, "at", g->at);
	json_put_text(&p->w, "event", g->event);
	json_put_text(&p->w, "verdict", g->verdict);
	json_put_text(&p->w, "cause", g->cause);
	json_put_text(&p->w, "sentence", g->sentence);
	handler_put_digest(&p->w, "digest", &g->digest);
	json_close_object(&p->w);
	return 0;
}

void operator_gate_records(struct request *q)
{
	struct store *store = q->server->store;
	struct handler_feed p;
	int64_t rollout;
	struct err e;
	int got;

	if (!handler_query_int(q, "rollout", 0, INT64_MAX, &rollout) || !handler_feed_begin(q, &p))
		return;
	got = rollout ? store_each_gate_of(store, (uint64_t)rollout, p.after, p.limit, list_gate, &p, &e) :
			store_each_gate(store, p.after, p.limit, list_gate, &p, &e);
	if (got < 0)
		reply_error(&q->reply, &e);
	else
		handler_feed_end(&p);
}

static int copy_body(const struct store_gate *g, void *arg, struct err *e)
{
	struct request *q = arg;
	struct buf *body;

	if (!handler_may(q, g->channel))
		return 1;
	body = reply_json(&q->reply, 200).out;
	buf_adds(body, g->body);
	return buf_check(body, e);
}

/* Byte for byte as recorded: its name is their hash. */
void operator_gate_record(struct request *q)
{
	struct digest digest;
	struct err e;

	if (!digest_parse(&digest, q->params[0], strlen(q->params[0]))) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "a gate record is named by 64 hex digits");
		return;
	}
	if (store_gate(q->server->store, &digest, copy_body, q, &e) < 0)
		reply_error(&q->reply, &e);
}

struct loss_list {
	struct json_writer w;
	const char *channel;
};

static void list_loss(const struct store_background *b, void *arg)
{
	struct loss_list *l = arg;

	if (strcmp(b->channel, l->channel) != 0)
		return;
	json_open_object(&l->w, NULL);
	json_put_text(&l->w, "ring", b->ring);
	json_put_int(&l->w, "observe_s", b->observe);
	json_put_int(&l->w, "placebos", b->placebos);
	json_put_int(&l->w, "lost", b->lost);
	json_put_double(&l->w, "upper", gate_background_upper((uint64_t)b->placebos, (uint64_t)b->lost));
	json_close_object(&l->w);
}

void operator_background(struct request *q)
{
	struct loss_list l = { .channel = q->params[0] };
	struct server *s = q->server;

	if (!name_valid(q->params[0], strlen(q->params[0]))) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "that is no name of a channel");
		return;
	}
	l.w = reply_json(&q->reply, 200);
	json_open_object(&l.w, NULL);
	json_put_text(&l.w, "channel", l.channel);
	json_open_array(&l.w, "items");
	pthread_mutex_lock(&s->lock);
	background_each(s->background, server_now(q->server), list_loss, &l);
	pthread_mutex_unlock(&s->lock);
	json_close_array(&l.w);
	json_close_object(&l.w);
}
