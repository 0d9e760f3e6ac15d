/* promoter_watch: keeps up with what the server recorded and what endpoints vouch for, and believes no history that changes. */
#include "cli/promoter_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "rollout/checkin.h"
#include "rollout/replay.h"
#include "rollout/vouch.h"

#define PAGE 200                        /* gate records in one answer */
#define PAGES_MAX 50                    /* in one look */
#define EVENTS 1000                     /* in one answer */

/* ---- watching ---- */

int promoter_watch_assignments(struct promoter *p, int64_t now, struct err *e)
{
	for (size_t i = 0; i < p->policy_count; i++)
		for (size_t k = 0; k < p->policies[i]->count; k++) {
			AUTO(assignment) struct assignment *a = NULL;

			if (promoter_view_assignment(p->view, p->policies[i]->rings[k].name, p->policies[i]->channel, &a, e) < 0)
				return e->code;
			if (a && witness_note_assigned(p->witness, a, now, e) < 0)
				return e->code;
		}
	return 0;
}

static char *record_path(const struct promoter *p, uint64_t rollout, const char *ring)
{
	char *path;

	return asprintf(&path, "%s/%llu.%s.json", p->records, (unsigned long long)rollout, ring) < 0 ? NULL : path;
}

static int get_record(struct promoter *p, const struct digest *digest, struct buf **out, struct err *e)
{
	char path[128], hex[DIGEST_HEX_LEN + 1];
	AUTO_ANSWER answer = { 0 };
	struct digest is;

	digest_hex(hex, digest);
	snprintf(path, sizeof path, "/v1/gate-records/%s", hex);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0)
		return e->code;
	hash_bytes(&is, answer.text->data, answer.text->len);
	if (!digest_equal(&is, digest))
		return err_set(e, ERR_REFUSED, "gate record %.16s: the bytes are others than its name says", hex);
	*out = TAKE(answer.text);
	return 0;
}

/* It must follow the last one of its ring that was seen. */
static int check_history(struct promoter *p, const struct gate_record *r, struct err *e)
{
	AUTO_FREE char *path = record_path(p, r->rollout, r->ring);
	AUTO(gate_record) struct gate_record *last = NULL;
	AUTO(buf) struct buf *text = NULL;

	if (!witness_last_record(p->witness, r->rollout, r->ring))
		return 0;
	if (!path)
		return err_memory(e);
	if (file_read(&text, path, GATE_RECORD_MAX, e) < 0 || gate_record_parse(&last, path, text->data, text->len, e) < 0)
		return e->code;
	return replay_follows(last, r, e);
}

static int keep_record(struct promoter *p, const struct gate_record *r, const struct digest *digest, const struct buf *text, int64_t now,
		       struct err *e)
{
	AUTO_FREE char *path = record_path(p, r->rollout, r->ring);

	if (!path)
		return err_memory(e);
	/* First the bytes, then the line that counts on them. */
	if (file_replace(path, text->data, text->len, 0600, e) < 0)
		return e->code;
	return witness_note_record(p->witness, r, digest, now, e);
}

/* A record new to us: replayed, held against what was seen, and noted. That history was rewritten is never forgotten. */
int promoter_take_record(struct promoter *p, const struct digest *digest, struct gate_record **out, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(gate_record) struct gate_record *r = NULL;
	struct replay replay;
	struct err why;

	if (get_record(p, digest, &text, e) < 0 || gate_record_parse(&r, "gate record", text->data, text->len, e) < 0)
		return e->code;
	if (!witness_knows_record(p->witness, digest)) {
		if (replay_record(&replay, r, e) < 0)
			return e->code;
		if (check_history(p, r, &why) < 0) {
			if (why.code == ERR_REFUSED && witness_note_distrust(p->witness, r->rollout, why.msg, now, e) < 0)
				return e->code;
			*e = why;
			return e->code;
		}
		if (keep_record(p, r, digest, text, now, e) < 0)
			return e->code;
	}
	*out = TAKE(r);
	return 0;
}

int promoter_digest_member(struct digest *out, const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING && digest_parse(out, v->u.text, v->count) ? 0 : ERR_FORMAT;
}

/* One page of the list; 1: there may be more. */
static int watch_page(struct promoter *p, int64_t now, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[96];

	snprintf(path, sizeof path, "/v1/gate-records?after=%llu&limit=%d", (unsigned long long)p->after, PAGE);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", PAGE, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		AUTO(gate_record) struct gate_record *r = NULL;
		struct digest digest;
		int64_t id;
		struct err why;

		if (json_want_int(answer.doc, &items->u.items[i], "id", 1, INT64_MAX, &id, e) < 0)
			return e->code;
		if (promoter_digest_member(&digest, &items->u.items[i], "digest") < 0)
			return err_set(e, ERR_FORMAT, "gate record %lld: no digest", (long long)id);
		if (!witness_knows_record(p->witness, &digest) && promoter_take_record(p, &digest, &r, now, &why) < 0) {
			if (why.code == ERR_NET || why.code == ERR_TIMEOUT || why.code == ERR_IO || why.code == ERR_SPACE || why.code == ERR_STORE) {
				*e = why;
				return e->code;
			}
			promoter_say(p, "a gate record", &why);
		}
		p->after = (uint64_t)id;
	}
	return items->count == PAGE;
}

int promoter_watch_records(struct promoter *p, int64_t now, struct err *e)
{
	int more = 1;

	for (int i = 0; i < PAGES_MAX && more > 0; i++)
		more = watch_page(p, now, e);
	return more < 0 ? more : 0;
}

/* ---- what endpoints say themselves ---- */

static int hear_event(struct promoter *p, const struct json_doc *d, const struct json *o, int64_t now, struct err *e)
{
	const char *detail = NULL, *channel = NULL;
	struct digest digest;

	if (!json_is(json_get(o, "kind"), "survived") || promoter_digest_member(&digest, o, "digest") < 0)
		return 0;
	if (json_may_text(d, o, "sentence", CHECKIN_DETAIL_MAX, &detail, e) < 0 ||
	    json_may_text(d, o, "channel", NAME_LEN_MAX, &channel, e) < 0)
		return e->code;
	for (size_t i = 0; detail && channel && i < p->vouchers.count; i++) {
		const struct promoter_voucher *v = &p->vouchers.items[i];

		if (vouch_check(detail, v->key->data, v->key->len, channel, &digest) &&
		    witness_note_vouched(p->witness, v->ring, channel, v->name, &digest, now, e) < 0)
			return e->code;
	}
	return 0;
}

static int hear_page(struct promoter *p, int64_t now, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[96];
	int64_t last;

	snprintf(path, sizeof path, "/v1/events?after=%llu&limit=%d", (unsigned long long)p->vouchers.after, EVENTS);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", EVENTS, &items, e) < 0 ||
	    json_want_int(answer.doc, answer.doc->root, "last", 0, INT64_MAX, &last, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++)
		if (hear_event(p, answer.doc, &items->u.items[i], now, e) < 0)
			return e->code;
	p->vouchers.after = (uint64_t)last;
	return items->count == EVENTS;
}

/* Only where somebody has a key. Where it was is no secret and need not be remembered: a word counts once. */
int promoter_hear_endpoints(struct promoter *p, int64_t now, struct err *e)
{
	int more = p->vouchers.count > 0;

	for (int i = 0; i < PAGES_MAX && more > 0; i++)
		more = hear_page(p, now, e);
	return more < 0 ? more : 0;
}
