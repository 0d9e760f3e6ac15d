#include "rollout/assignment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/field.h"

static const char *const permits[] = { "none", "required" };

void assignment_path(char out[PATH_LEN_MAX + 1], const char *ring, const char *channel)
{
	snprintf(out, PATH_LEN_MAX + 1, "rings/%s/%s.json", ring, channel);
}

void bundle_path(char out[PATH_LEN_MAX + 1], const char *channel, uint64_t serial)
{
	snprintf(out, PATH_LEN_MAX + 1, "bundles/%s/%" PRIu64 ".tar.gz", channel, serial);
}

void bundle_delta_path(char out[PATH_LEN_MAX + 1], const char *channel, uint64_t from, uint64_t to)
{
	snprintf(out, PATH_LEN_MAX + 1, "bundles/%s/%" PRIu64 "-%" PRIu64 ".zst", channel, from, to);
}

/* ---- reading ---- */

/* The path of a bundle follows from its channel and serial: exactly three segments, nothing to choose. */
static int parse_bundle(struct bundle_ref *b, const char *channel, const struct json_doc *d, const struct json *o, struct err *e)
{
	char want[PATH_LEN_MAX + 1];

	if (field_want_path(d, o, "path", b->path, e) < 0 || field_want_count(d, o, "serial", 1, &b->serial, e) < 0 ||
	    field_want_text(d, o, "version", b->version, VERSION_LEN_MAX, e) < 0 ||
	    field_want_digest(d, o, "digest", &b->digest, e) < 0)
		return e->code;
	bundle_path(want, channel, b->serial);
	if (strcmp(b->path, want) != 0)
		return json_error(d, json_get(o, "path"), e, ERR_FORMAT, "path is not %s", want);
	return 0;
}

static int parse_bundles(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const struct json *bundle, *previous = NULL;

	if (json_want_object(d, d->root, "bundle", &bundle, e) < 0 || parse_bundle(&a->bundle, a->channel, d, bundle, e) < 0 ||
	    json_may_object(d, d->root, "previous", &previous, e) < 0)
		return e->code;
	return previous ? parse_bundle(&a->previous, a->channel, d, previous, e) : 0;
}

static int parse_permit(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const char *text;

	if (json_want_text(d, d->root, "permit", 16, &text, e) < 0)
		return e->code;
	a->permit_required = strcmp(text, permits[1]) == 0;
	if (!a->permit_required && strcmp(text, permits[0]) != 0)
		return json_error(d, json_get(d->root, "permit"), e, ERR_FORMAT, "permit is \"required\" or \"none\"");
	return 0;
}

static int parse_probation(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const struct json *o;

	if (json_want_object(d, d->root, "probation", &o, e) < 0 ||
	    json_want_int(d, o, "seconds", 0, 366 * 24 * 3600, &a->probation_s, e) < 0 ||
	    json_want_int(d, o, "boots", 0, 16, &a->probation_boots, e) < 0 ||
	    json_may_bool(d, o, "observe", &a->observe, e) < 0)
		return e->code;
	return 0;
}

static int parse_grant(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const struct json *o = NULL;

	if (json_may_object(d, d->root, "grant", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	a->granted = true;
	if (field_want_count(d, o, "max_serial", 1, &a->grant_max_serial, e) < 0 ||
	    field_want_text(d, o, "reason", a->grant_reason, REASON_LEN_MAX, e) < 0)
		return e->code;
	return 0;
}

static int parse_drops(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const struct json *list = NULL;

	if (json_may_array(d, d->root, "drop", ASSIGNMENT_DROPS_MAX, &list, e) < 0)
		return e->code;
	if (!list || list->count == 0)
		return 0;
	a->drops = calloc(list->count, sizeof *a->drops);
	if (!a->drops)
		return err_memory(e);
	for (; a->drop_count < list->count; a->drop_count++) {
		const struct json *o = &list->u.items[a->drop_count];
		struct assignment_drop *drop = &a->drops[a->drop_count];

		if (o->type != JSON_OBJECT)
			return json_error(d, o, e, ERR_FORMAT, "a dropped rule is an object");
		if (field_want_text(d, o, "rule", drop->rule, RULE_LEN_MAX, e) < 0 ||
		    field_may_text(d, o, "reason", drop->reason, REASON_LEN_MAX, e) < 0)
			return e->code;
		if (!drop->rule[0] || strchr(drop->rule, '\n'))
			return json_error(d, json_get(o, "rule"), e, ERR_FORMAT, "a rule's id is one line of text");
	}
	return 0;
}

static int parse_window(struct assignment *a, const struct json_doc *d, struct err *e)
{
	const struct json *o = NULL;

	if (json_may_object(d, d->root, "window", &o, e) < 0)
		return e->code;
	if (!o)
		return 0;
	a->windowed = true;
	if (json_want_time(d, o, "start", &a->window_start, e) < 0 || json_want_time(d, o, "end", &a->window_end, e) < 0)
		return e->code;
	if (a->window_start >= a->window_end)
		return json_error(d, o, e, ERR_FORMAT, "the window ends before it starts");
	return 0;
}

int assignment_parse(struct assignment **out, const char *name, const char *text, size_t len, struct err *e)
{
	static const struct json_limits limits = { .bytes = ASSIGNMENT_MAX, .depth = 16 };
	AUTO(json) struct json_doc *d = NULL;
	AUTO(assignment) struct assignment *a = calloc(1, sizeof *a);

	if (!a)
		return err_memory(e);
	if (json_parse(&d, name, text, len, &limits, e) < 0 || json_want_format(d, 1, NULL, e) < 0 ||
	    field_want_name(d, d->root, "channel", a->channel, e) < 0 || field_want_name(d, d->root, "ring", a->ring, e) < 0 ||
	    field_want_count(d, d->root, "attempt", 1, &a->attempt, e) < 0 ||
	    json_want_time(d, d->root, "issued", &a->issued, e) < 0 ||
	    field_may_text(d, d->root, "reason", a->reason, REASON_LEN_MAX, e) < 0 || parse_bundles(a, d, e) < 0 ||
	    parse_permit(a, d, e) < 0 || parse_probation(a, d, e) < 0 || parse_grant(a, d, e) < 0 || parse_drops(a, d, e) < 0 ||
	    parse_window(a, d, e) < 0)
		return e->code;
	*out = TAKE(a);
	return 0;
}

void assignment_free(struct assignment *a)
{
	if (!a)
		return;
	free(a->drops);
	free(a);
}

int assignment_check_place(const struct assignment *a, const char *channel, const char *ring, struct err *e)
{
	if (strcmp(a->channel, channel) != 0 || strcmp(a->ring, ring) != 0)
		return err_set(e, ERR_REFUSED, "rings/%s/%s.json is an assignment of channel %s to ring %s", ring, channel, a->channel,
			       a->ring);
	return 0;
}

/* ---- writing ---- */

static void write_bundle(struct json_writer *w, const char *key, const struct bundle_ref *b)
{
	if (digest_is_zero(&b->digest)) {
		json_put_null(w, key);
		return;
	}
	json_open_object(w, key);
	json_put_text(w, "path", b->path);
	json_put_int(w, "serial", (int64_t)b->serial);
	json_put_text(w, "version", b->version);
	field_put_digest(w, "digest", &b->digest);
	json_close_object(w);
}

static void write_grant(struct json_writer *w, const struct assignment *a)
{
	if (!a->granted) {
		json_put_null(w, "grant");
		return;
	}
	json_open_object(w, "grant");
	json_put_int(w, "max_serial", (int64_t)a->grant_max_serial);
	json_put_text(w, "reason", a->grant_reason);
	json_close_object(w);
}

static void write_window(struct json_writer *w, const struct assignment *a)
{
	if (!a->windowed) {
		json_put_null(w, "window");
		return;
	}
	json_open_object(w, "window");
	json_put_time(w, "start", a->window_start);
	json_put_time(w, "end", a->window_end);
	json_close_object(w);
}

static void write_all(struct json_writer *w, const struct assignment *a)
{
	json_open_object(w, NULL);
	json_put_int(w, "format", 1);
	json_put_text(w, "channel", a->channel);
	json_put_text(w, "ring", a->ring);
	json_put_int(w, "attempt", (int64_t)a->attempt);
	json_put_time(w, "issued", a->issued);
	json_put_text(w, "reason", a->reason);
	write_bundle(w, "bundle", &a->bundle);
	write_bundle(w, "previous", &a->previous);
	json_put_text(w, "permit", permits[a->permit_required]);
	json_open_object(w, "probation");
	json_put_int(w, "seconds", a->probation_s);
	json_put_int(w, "boots", a->probation_boots);
	if (a->observe)
		json_put_bool(w, "observe", true);
	json_close_object(w);
	write_grant(w, a);
	json_open_array(w, "drop");
	for (size_t i = 0; i < a->drop_count; i++) {
		json_open_object(w, NULL);
		json_put_text(w, "rule", a->drops[i].rule);
		json_put_text(w, "reason", a->drops[i].reason);
		json_close_object(w);
	}
	json_close_array(w);
	write_window(w, a);
	json_close_object(w);
}

int assignment_write(struct buf *out, const struct assignment *a, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(ASSIGNMENT_MAX);
	AUTO(assignment) struct assignment *back = NULL;
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	write_all(&w, a);
	if (buf_check(text, e) < 0 || assignment_parse(&back, "new assignment", text->data, text->len, e) < 0)
		return e->code;
	buf_add(out, text->data, text->len);
	return buf_check(out, e);
}

/* ---- what a host says it left out ---- */

static int by_rule(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int assignment_drop_digest(struct digest *out, const struct assignment *a, struct err *e)
{
	AUTO_FREE const char **rules = calloc(a->drop_count + 1, sizeof *rules);
	AUTO(hash) struct hash *h = hash_new();

	if (!rules || !h)
		return err_memory(e);
	*out = (struct digest){ { 0 } };
	if (a->drop_count == 0)
		return 0;
	for (size_t i = 0; i < a->drop_count; i++)
		rules[i] = a->drops[i].rule;
	qsort(rules, a->drop_count, sizeof *rules, by_rule);
	for (size_t i = 0; i < a->drop_count; i++) {
		hash_add(h, rules[i], strlen(rules[i]));
		hash_add(h, "\n", 1);
	}
	hash_final(h, out);
	return 0;
}
