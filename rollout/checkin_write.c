/* checkin_write: a request in the bytes that checkin_parse() reads. */
#include "rollout/checkin.h"
#include "rollout/field.h"

static void put_or_null(struct json_writer *w, const char *key, const char *text)
{
	json_put_text(w, key, text[0] ? text : NULL);
}

static void put_facts(struct json_writer *w, const struct checkin_facts *f)
{
	json_open_object(w, "facts");
	put_or_null(w, "os", f->os);
	put_or_null(w, "arch", f->arch);
	put_or_null(w, "host", f->host);
	put_or_null(w, "sensor", f->sensor);
	put_or_null(w, "sensor_version", f->sensor_version);
	put_or_null(w, "locale", f->locale);
	field_put_digest(w, "contract", &f->contract);
	json_open_array(w, "tags");
	for (size_t i = 0; i < f->tag_count; i++)
		json_put_text(w, NULL, f->tags[i]);
	json_close_array(w);
	json_close_object(w);
}

static void put_channel(struct json_writer *w, const struct checkin_channel *c, size_t effects_room)
{
	json_open_object(w, NULL);
	json_put_text(w, "channel", c->channel);
	json_put_text(w, "ring", c->ring);
	put_or_null(w, "phase", c->phase);
	put_or_null(w, "rung", c->rung);
	field_put_digest(w, "running", &c->running);
	field_put_digest(w, "drop", &c->drop);
	json_put_int(w, "high_water", (int64_t)c->high_water);
	put_or_null(w, "held", c->held);
	if (c->effects)
		effects_put(w, "effects", c->effects, effects_room);
	json_close_object(w);
}

static void put_event(struct json_writer *w, const struct checkin_event *v)
{
	json_open_object(w, NULL);
	json_put_int(w, "n", (int64_t)v->n);
	json_put_int(w, "at", v->at);
	put_or_null(w, "channel", v->channel);
	field_put_digest(w, "digest", &v->digest);
	json_put_int(w, "attempt", (int64_t)v->attempt);
	json_put_text(w, "kind", checkin_kind_name(v->kind));
	put_or_null(w, "reason", v->reason);
	put_or_null(w, "detail", v->detail);
	json_close_object(w);
}

static void put_want(struct json_writer *w, const struct checkin_want *v)
{
	json_open_object(w, NULL);
	json_put_text(w, "channel", v->channel);
	field_put_digest(w, "digest", &v->digest);
	json_put_int(w, "attempt", (int64_t)v->attempt);
	json_close_object(w);
}

int checkin_write(struct buf *out, const struct checkin *c, struct err *e)
{
	struct json_writer w = { .out = out };
	size_t before = out->len;

	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "epoch", c->epoch);
	json_put_int(&w, "seq", (int64_t)c->seq);
	json_put_int(&w, "sent", c->sent);
	put_or_null(&w, "boot_id", c->boot_id);
	put_facts(&w, &c->facts);
	json_open_array(&w, "channels");
	for (size_t i = 0; i < c->channel_count; i++)
		put_channel(&w, &c->channels[i], CHECKIN_EFFECTS_ROOM / c->channel_count);
	json_close_array(&w);
	json_open_array(&w, "events");
	for (size_t i = 0; i < c->event_count; i++)
		put_event(&w, &c->events[i]);
	json_close_array(&w);
	json_open_array(&w, "want");
	for (size_t i = 0; i < c->want_count; i++)
		put_want(&w, &c->wants[i]);
	json_close_array(&w);
	json_close_object(&w);
	if (buf_check(out, e) < 0)
		return e->code;
	if (out->len - before > CHECKIN_MAX)
		return err_set(e, ERR_LIMIT, "a check-in of %zu bytes: at most %d; send fewer events", out->len - before, CHECKIN_MAX);
	return 0;
}
