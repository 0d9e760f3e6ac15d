/* device_enrol: how a machine becomes a device, and what it may read about itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "server/handlers.h"
#include "server/now.h"

struct search {
	struct digest hash;
	int64_t expires;
	char *attributes;
	char name[NAME_LEN_MAX + 1];
	bool found;
};

static int find(const struct store_enrolment *row, void *arg, struct err *e)
{
	struct search *f = arg;

	if (!digest_equal(&row->hash, &f->hash))
		return 0;
	f->found = true;
	f->expires = row->expires;
	snprintf(f->name, sizeof f->name, "%s", row->name);
	f->attributes = strdup(row->attributes);
	return f->attributes ? 1 : err_memory(e);
}

/* After the commit, in its order: the device is there before its token is out. */
static void add_device(struct write *w)
{
	struct server *s = w->arg;
	const struct store_device *row = &w->append.records[0].u.device;
	struct err e;

	pthread_mutex_lock(&s->lock);
	if (device_load(&s->fleet, row, &e) < 0)
		log_error("%s", e.msg);
	pthread_mutex_unlock(&s->lock);
}

/* What a machine says when it enrols. */
struct asking {
	const char *nonce;              /* "" none: then a repetition is another device */
	const char *host;
};

static bool nonce_fine(const char *nonce)
{
	size_t len = strlen(nonce);

	return len == 0 || (len >= 16 && len <= 64 && strspn(nonce, "0123456789abcdef") == len);
}

/*
 * The id of the device to be. True: it is there already, and was not heard of
 * since: the machine asks again because it never got the answer.
 */
static bool asked_before(struct server *s, const struct search *token, const char *certificate, const struct asking *ask, char id[DEVICE_ID_LEN + 1], struct err *e)
{
	uint8_t bytes[DEVICE_ID_LEN / 2];
	const struct device *d = NULL;
	bool waits = false;

	if (ask->nonce[0]) {
		token_device_id(id, &s->token_key, &token->hash, ask->nonce, ask->host);
		pthread_mutex_lock(&s->lock);
		d = fleet_find(&s->fleet, id);
		waits = d && !d->last_seen && !d->revoked && d->generation == 1 &&
			(!d->certificate || client_identity_same(d->certificate, certificate));
		pthread_mutex_unlock(&s->lock);
	}
	if (waits || (ask->nonce[0] && !d))
		return waits;
	id[0] = '\0';
	if (random_bytes(bytes, sizeof bytes, e) == 0)
		hex_encode(id, bytes, sizeof bytes);
	return false;
}

static int enrol(struct request *q, const struct search *token, const char *id, struct err *e)
{
	int64_t now = server_now(q->server);
	char sentence[160];
	struct store_record records[4] = { { .kind = STORE_DEVICE_NEW }, { .kind = STORE_ENROLMENT_USE }, { .kind = STORE_DECISION }, { .kind = STORE_AUDIT } };
	struct write w = { .append = { .records = records, .count = ARRAY_LEN(records) }, .committed = add_device,
			   .arg = q->server };

	snprintf(sentence, sizeof sentence, "enrolled with the token %s", token->name);
	records[0].u.device = (struct store_device){ .id = id, .enrolled = now, .generation = 1, .issued = now, .old_epochs = "",
						     .attributes = token->attributes, .certificate = q->certificate };
	records[1].u.enrolment.hash = token->hash;
	records[2].u.decision = (struct store_decision){ .at = now, .kind = "enrolled", .channel = "", .ring = "", .device = id,
							 .from = "", .to = "", .cause = "", .sentence = sentence, .inputs = "" };
	records[3].u.audit = (struct audit_entry){ .at = now, .who = "ringholdd", .action = "enrol", .subject = id, .detail = sentence,
						   .becomes = token->attributes };
	return writer_submit(q->server->writer, &w, e);
}

static void put_attributes(struct json_writer *w, const struct device *d)
{
	json_open_array(w, "attributes");
	for (size_t i = 0; d && i < d->attribute_count; i++)
		json_put_text(w, NULL, d->attributes[i]);
	json_close_array(w);
}

static void answer(struct request *q, const char *id)
{
	struct server *s = q->server;
	char token[TOKEN_MAX];
	struct json_writer w = reply_json(&q->reply, 201);

	token_device(token, &s->token_key, id, 1);
	json_open_object(&w, NULL);
	json_put_text(&w, "device", id);
	json_put_text(&w, "token", token);
	pthread_mutex_lock(&s->lock);
	put_attributes(&w, fleet_find(&s->fleet, id));
	json_put_int(&w, "next_checkin_s", server_checkin_s(s));
	pthread_mutex_unlock(&s->lock);
	json_close_object(&w);
}

static int read_asking(struct asking *out, const struct json_doc *d, struct err *e)
{
	const struct json *facts;

	if (json_want_format(d, 1, NULL, e) < 0 || json_may_text(d, d->root, "nonce", 64, &out->nonce, e) < 0 ||
	    json_want_object(d, d->root, "facts", &facts, e) < 0 || json_may_text(d, facts, "host", CHECKIN_TEXT_MAX, &out->host, e) < 0)
		return e->code;
	return nonce_fine(out->nonce) ? 0 : err_set(e, ERR_FORMAT, "nonce: 16 to 64 lower-case hex digits");
}

#define TRIES 3

static void use_token(struct request *q, const struct search *token, const struct asking *ask)
{
	char id[DEVICE_ID_LEN + 1];
	struct err e = { 0 };
	int got, tries = 0;

	/*
	 * A conflict: the machine asks twice at once. The first of both is in memory by now, and its answer is the other's;
	 * but not when there was no memory for it: then it is there after a restart, and until then the machine hears of a conflict.
	 */
	do {
		if (asked_before(q->server, token, q->certificate, ask, id, &e)) {
			answer(q, id);
			return;
		}
		if (!id[0]) {
			reply_error(&q->reply, &e);
			return;
		}
		if (token->expires <= server_now(q->server)) {
			reply_problem(&q->reply, PROBLEM_FORBIDDEN, "the enrolment token is expired");
			return;
		}
		got = enrol(q, token, id, &e);
	} while (got == ERR_CONFLICT && ++tries < TRIES);
	if (got < 0)
		reply_error(&q->reply, &e);
	else
		answer(q, id);
}

void device_enrol(struct request *q)
{
	static const char *const members[] = { "format", "nonce", "facts", NULL };
	struct search token = { .found = false };
	struct asking ask = { "", "" };
	AUTO(json) struct json_doc *d = handler_body(q, members);
	struct err e;

	if (!d)
		return;
	if (read_asking(&ask, d, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	token_hash(&token.hash, token_bearer(q->http));
	if (store_each_enrolment(q->server->store, find, &token, &e) < 0)
		reply_error(&q->reply, &e);
	else if (!token.found)
		reply_problem(&q->reply, PROBLEM_UNAUTHENTICATED, "the enrolment token is not known");
	else
		use_token(q, &token, &ask);
	free(token.attributes);
}

void device_self(struct request *q)
{
	struct server *s = q->server;
	struct json_writer w = reply_json(&q->reply, 200);
	struct device *d;

	json_open_object(&w, NULL);
	json_put_text(&w, "device", q->who);
	pthread_mutex_lock(&s->lock);
	d = fleet_find(&s->fleet, q->who);
	put_attributes(&w, d);
	json_put_text(&w, "ring", d ? d->ring : NULL);
	pthread_mutex_unlock(&s->lock);
	json_close_object(&w);
}
