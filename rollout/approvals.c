#include "rollout/approvals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

void approvals_path(char out[PATH_LEN_MAX + 1], const char *party, const char *channel)
{
	snprintf(out, PATH_LEN_MAX + 1, "approvals/%.*s/%.*s.json", NAME_LEN_MAX, party, NAME_LEN_MAX, channel);
}

struct approvals *approvals_new(const char *channel)
{
	struct approvals *a = name_valid(channel, strlen(channel)) ? calloc(1, sizeof *a) : NULL;

	if (a)
		memcpy(a->channel, channel, strlen(channel) + 1);
	return a;
}

void approvals_free(struct approvals *a)
{
	if (!a)
		return;
	free(a->digests);
	free(a);
}

static int parse_digests(struct approvals *a, const struct json_doc *d, struct err *e)
{
	const struct json *list;

	if (json_want_array(d, d->root, "digests", APPROVALS_DIGESTS_MAX, &list, e) < 0)
		return e->code;
	a->digests = calloc((size_t)list->count + 1, sizeof *a->digests);
	if (!a->digests)
		return err_memory(e);
	for (uint32_t i = 0; i < list->count; i++) {
		const struct json *v = &list->u.items[i];
		struct digest *next = &a->digests[a->count];

		if (v->type != JSON_STRING || !digest_parse(next, v->u.text, v->count) || digest_is_zero(next))
			return json_error(d, v, e, ERR_FORMAT, "an approved digest is 64 lower-case hex digits, not all zero");
		a->count++;
	}
	return 0;
}

int approvals_parse(struct approvals **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = APPROVALS_MAX, .depth = 32 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(approvals) struct approvals *a = calloc(1, sizeof *a);

	if (!a)
		return err_memory(e);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    field_want_name(d, d->root, "channel", a->channel, e) < 0 || parse_digests(a, d, e) < 0)
		return e->code;
	*out = TAKE(a);
	return 0;
}

int approvals_write(struct buf *out, const struct approvals *a, struct err *e)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "channel", a->channel);
	json_open_array(&w, "digests");
	for (size_t i = 0; i < a->count; i++)
		field_put_digest(&w, NULL, &a->digests[i]);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

static size_t place_of(const struct approvals *a, const struct digest *d)
{
	size_t i = 0;

	while (i < a->count && !digest_equal(&a->digests[i], d))
		i++;
	return i;
}

bool approvals_has(const struct approvals *a, const struct digest *d)
{
	return a && place_of(a, d) < a->count;
}

int approvals_add(struct approvals *a, const struct digest *d, struct err *e)
{
	struct digest *grown;

	if (digest_is_zero(d))
		return err_set(e, ERR_USAGE, "channel %s: nothing to approve: the digest is empty", a->channel);
	if (approvals_has(a, d))
		return err_set(e, ERR_CONFLICT, "channel %s: this digest is approved already", a->channel);
	if (a->count == APPROVALS_DIGESTS_MAX)
		return err_set(e, ERR_LIMIT, "channel %s: at most %d approvals", a->channel, APPROVALS_DIGESTS_MAX);
	grown = realloc(a->digests, (a->count + 1) * sizeof *grown);
	if (!grown)
		return err_memory(e);
	a->digests = grown;
	a->digests[a->count++] = *d;
	return 0;
}

bool approvals_remove(struct approvals *a, const struct digest *d)
{
	size_t at = place_of(a, d);

	if (at == a->count)
		return false;
	a->count--;
	memmove(&a->digests[at], &a->digests[at + 1], (a->count - at) * sizeof *a->digests);
	return true;
}
