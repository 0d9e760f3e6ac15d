/* checkin_answer: what the server says to a check-in, read and written. */
#include <string.h>

#include "rollout/checkin.h"
#include "rollout/field.h"

static const char *const answers[] = { "wait", "go" };

static int parse_permits(struct checkin_answer *a, const struct json_doc *d, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "permits", CHECKIN_WANTS_MAX, &list, e) < 0)
		return e->code;
	for (; list && a->permit_count < list->count; a->permit_count++) {
		const struct json *o = &list->u.items[a->permit_count];
		struct checkin_permit *p = &a->permits[a->permit_count];
		const char *answer;

		if (o->type != JSON_OBJECT)
			return json_error(d, o, e, ERR_FORMAT, "a permit is an object");
		if (field_want_name(d, o, "channel", p->channel, e) < 0 || field_want_digest(d, o, "digest", &p->digest, e) < 0 ||
		    field_want_count(d, o, "attempt", 1, &p->attempt, e) < 0 || json_want_text(d, o, "answer", 16, &answer, e) < 0 ||
		    json_may_int(d, o, "valid_s", 0, 24 * 3600, &p->valid_s, e) < 0 ||
		    field_may_text(d, o, "reason", p->reason, CHECKIN_REASON_MAX, e) < 0)
			return e->code;
		p->go = strcmp(answer, answers[1]) == 0;        /* any other answer, a newer one too, means wait */
	}
	return 0;
}

static int parse_repos(struct checkin_answer *a, const struct json_doc *d, struct err *e)
{
	const struct json *o = NULL;

	if (json_may_object(d, d->root, "timestamps", &o, e) < 0)
		return e->code;
	if (o && o->count > CHECKIN_REPOS_MAX)
		return json_error(d, o, e, ERR_LIMIT, "more than %d repositories", CHECKIN_REPOS_MAX);
	for (; o && a->repo_count < o->count; a->repo_count++) {
		const struct json_member *m = &o->u.members[a->repo_count];
		struct checkin_repo *r = &a->repos[a->repo_count];

		if (!name_valid(m->key.text, m->key.len))
			return json_error(d, &m->value, e, ERR_FORMAT, "a repository's name is of a-z, 0-9 and inner hyphens");
		memcpy(r->name, m->key.text, m->key.len + 1);
		if (field_want_count(d, o, r->name, 0, &r->timestamp, e) < 0)
			return e->code;
	}
	return 0;
}

int checkin_answer_parse(struct checkin_answer *out, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = CHECKIN_MAX, .depth = 8 };
	AUTO(json) struct json_doc *d = NULL;
	struct checkin_answer a = { .next_checkin_s = 300 };

	if (json_parse(&d, "answer to the check-in", text, len, &limits, e) < 0 ||
	    field_want_count(d, d->root, "acked", 0, &a.acked, e) < 0 || parse_permits(&a, d, e) < 0 ||
	    json_may_int(d, d->root, "next_checkin_s", 1, 7 * 24 * 3600, &a.next_checkin_s, e) < 0 || parse_repos(&a, d, e) < 0 ||
	    json_may_bool(d, d->root, "refresh", &a.refresh, e) < 0 ||
	    field_may_text(d, d->root, "token", a.token, CHECKIN_TOKEN_MAX, e) < 0)
		return e->code;
	*out = a;
	return 0;
}

int checkin_answer_write(struct buf *out, const struct checkin_answer *a, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "acked", (int64_t)a->acked);
	json_open_array(&w, "permits");
	for (size_t i = 0; i < a->permit_count; i++) {
		const struct checkin_permit *p = &a->permits[i];

		json_open_object(&w, NULL);
		json_put_text(&w, "channel", p->channel);
		field_put_digest(&w, "digest", &p->digest);
		json_put_int(&w, "attempt", (int64_t)p->attempt);
		json_put_text(&w, "answer", answers[p->go]);
		json_put_int(&w, "valid_s", p->valid_s);
		json_put_text(&w, "reason", p->reason[0] ? p->reason : NULL);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_put_int(&w, "next_checkin_s", a->next_checkin_s);
	json_open_object(&w, "timestamps");
	for (size_t i = 0; i < a->repo_count; i++)
		json_put_int(&w, a->repos[i].name, (int64_t)a->repos[i].timestamp);
	json_close_object(&w);
	json_put_bool(&w, "refresh", a->refresh);
	json_put_text(&w, "token", a->token[0] ? a->token : NULL);
	json_close_object(&w);
	return buf_check(out, e);
}
