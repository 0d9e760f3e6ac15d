/*
 * test_ajv: an editor can use our published schemas: ajv takes every one of
 * them, and says what we say of every example and of thousands of changes of
 * them: members dropped and added, values of every type, numbers and texts
 * beyond every bound.
 */
#include <dirent.h>
#include <unistd.h>

#include "base/proc.h"
#include "published.h"
#include "schema/schema.h"
#include "scratch.h"

#define PEER "tests/peers/ajv.mjs"
#define SCHEMAS_MAX 64
#define OUTPUT_MAX ((size_t)4 << 20)

static struct err e;
/* ---- one schema, its documents, and our answers ---- */

struct subject {
	char schema_path[160], documents_path[400];
	struct buf *raw;
	struct json_doc *doc;
	struct schema *schema;
	FILE *documents;
	struct buf answers;             /* '0' and '1' */
	size_t valid;
};

static void subject_open(struct subject *s, const char *name)
{
	*s = (struct subject){ .valid = 0 };
	snprintf(s->schema_path, sizeof s->schema_path, "schema/%s.schema.json", name);
	snprintf(s->documents_path, sizeof s->documents_path, "%s/%s.ndjson", scratch, name);
	assert_ok(file_read(&s->raw, s->schema_path, 1 << 20, &e));
	assert_ok(json_parse(&s->doc, s->schema_path, s->raw->data, s->raw->len, NULL, &e));
	assert_ok(schema_compile(&s->schema, s->doc, s->doc->root, &e));
	s->documents = fopen(s->documents_path, "we");
	assert_non_null(s->documents);
}

static void subject_release(struct subject *s)
{
	if (s->documents)
		fclose(s->documents);
	schema_free(s->schema);
	json_free(s->doc);
	buf_free(s->raw);
	buf_release(&s->answers);
}

/* JavaScript's numbers are doubles: beyond 2^53 it cannot tell neighbours apart, and we can. */
static bool exact(const struct json *v)
{
	double n;

	if (v->type == JSON_NUMBER)
		return json_to_double(v, &n) && n <= 9007199254740992.0 && n >= -9007199254740992.0;
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count; i++)
		if (!exact(&v->u.items[i]))
			return false;
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++)
		if (!exact(&v->u.members[i].value))
			return false;
	return true;
}

static void put_document(struct subject *s, const struct buf *text)
{
	AUTO(json) struct json_doc *d = NULL;
	int rc;

	assert_false(text->failed);
	if (json_parse(&d, "document", text->data, text->len, NULL, &e) < 0 || !exact(d->root))
		return;         /* a change that is no JSON, such as a member a second time */
	rc = schema_check(s->schema, d, d->root, NULL, &e);
	if (rc != 0 && rc != ERR_FORMAT)
		fail_msg("%s: %s", s->schema_path, e.msg);
	buf_addc(&s->answers, rc == 0 ? '1' : '0');
	s->valid += rc == 0;
	assert_int_equal(fprintf(s->documents, "%s\n", text->data), text->len + 1);
}

/* ---- changes ---- */

#define LONG_TEXT 5000

static const char *const replacements[] = {
	"null", "true", "0", "-1", "1", "1.5", "1.0", "9007199254740991", "\"\"", "\"x\"", "\"A b\"", "\"a/../b\"", "\"/x\"",
	"\"\\u0000\"", "\"\xf0\x9f\x98\x80\"", "[]", "[null]", "{}",
	"\"0000000000000000000000000000000000000000000000000000000000000000\"", "\"2026-02-30T12:00:00Z\"",
};

/* Which place of a document is changed, and how. */
struct change {
	unsigned place, kind;           /* the place'th value, in order; kinds: see changed() */
	unsigned at;                    /* counts places */
	bool done, idle;                /* there is such a place; the kind means nothing there */
};

enum { DROP, SURPLUS, TWICE, LONGER, HUGE, MORE, LESS, NEWLINE, REPLACE };     /* REPLACE + i: by replacements[i] */
#define KINDS (REPLACE + ARRAY_LEN(replacements))

static void put_raw(struct json_writer *w, const char *key, const char *json)
{
	AUTO(json) struct json_doc *d = NULL;

	assert_ok(json_parse(&d, "replacement", json, strlen(json), NULL, &e));
	json_put_value(w, key, d->root);
}

static void put_changed(struct json_writer *w, const char *key, const struct json *v, struct change *c);

static void put_children(struct json_writer *w, const struct json *v, struct change *c, unsigned kind, bool here)
{
	bool object = v->type == JSON_OBJECT;

	for (uint32_t i = 0; i < v->count; i++)
		put_changed(w, object ? v->u.members[i].key.text : NULL, object ? &v->u.members[i].value : &v->u.items[i], c);
	if (!here)
		return;
	if (kind == SURPLUS)
		json_put_text(w, object ? "surplus" : NULL, "x");
	if (kind == TWICE && !object && v->count)
		json_put_value(w, NULL, &v->u.items[0]);
	if (kind == HUGE && !object)
		for (int i = 0; i < 1100; i++)
			json_put_int(w, NULL, i);
}

static void put_string(struct json_writer *w, const char *key, const struct json *v, unsigned kind)
{
	AUTO(buf) struct buf *text = buf_new(0);
	size_t more = kind == LONGER ? 1 : kind == HUGE ? LONG_TEXT : 0;

	buf_add(text, v->u.text, kind == LESS && v->count ? v->count - 1 : v->count);
	for (size_t i = 0; i < more; i++)
		buf_addc(text, 'a');
	if (kind == NEWLINE)
		buf_addc(text, '\n');
	json_put_textn(w, key, text->data ? text->data : "", text->len);
}

static void put_number(struct json_writer *w, const char *key, const struct json *v, unsigned kind)
{
	int64_t n;

	if (json_to_int(v, &n) && kind == MORE && n < INT64_MAX)
		json_put_int(w, key, n + 1);
	else if (json_to_int(v, &n) && kind == LESS && n > INT64_MIN)
		json_put_int(w, key, n - 1);
	else
		json_put_value(w, key, v);
}

/* Does the kind change such a value at all? */
static bool means_something(const struct json *v, unsigned kind, bool root)
{
	switch (kind) {
	case DROP:
		return !root;
	case SURPLUS:
		return v->type == JSON_OBJECT || v->type == JSON_ARRAY;
	case TWICE:
		return v->type == JSON_ARRAY && v->count;
	case HUGE:
		return v->type == JSON_ARRAY || v->type == JSON_STRING;
	case LONGER:
	case NEWLINE:
		return v->type == JSON_STRING;
	case MORE:
		return v->type == JSON_NUMBER;
	case LESS:
		return v->type == JSON_NUMBER || (v->type == JSON_STRING && v->count);
	default:
		return true;
	}
}

/* v, or v with the change when this is its place. */
static void put_changed(struct json_writer *w, const char *key, const struct json *v, struct change *c)
{
	bool here = c->at++ == c->place;
	bool object = v->type == JSON_OBJECT;

	if (here) {
		c->done = true;
		c->idle = !means_something(v, c->kind, w->depth == 0);
		if (c->kind == DROP && w->depth)
			return;
		if (c->kind >= REPLACE) {
			put_raw(w, key, replacements[c->kind - REPLACE]);
			return;
		}
	}
	if (object || v->type == JSON_ARRAY) {
		(object ? json_open_object : json_open_array)(w, key);
		put_children(w, v, c, c->kind, here);
		(object ? json_close_object : json_close_array)(w);
	} else if (here && v->type == JSON_STRING) {
		put_string(w, key, v, c->kind);
	} else if (here && v->type == JSON_NUMBER) {
		put_number(w, key, v, c->kind);
	} else {
		json_put_value(w, key, v);
	}
}

static void put_changes(struct subject *s, const struct json *v)
{
	for (unsigned place = 0;; place++)
		for (unsigned kind = 0; kind < KINDS; kind++) {
			AUTO(buf) struct buf *b = buf_new(0);
			struct json_writer w = { .out = b };
			struct change c = { .place = place, .kind = kind };

			put_changed(&w, NULL, v, &c);
			if (!c.done)
				return;
			if (!c.idle)
				put_document(s, b);
		}
}

static void put_examples(struct subject *s, const char *name)
{
	static const char *const lists[] = { "good", "bad", "beyond", "tolerated" };
	struct published p;

	published_open(&p, name);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const struct json *items = json_get(p.doc->root, lists[i]);

		for (uint32_t k = 0; k < items->count; k++) {
			AUTO(buf) struct buf *b = buf_new(0);

			published_text(b, &p, &items->u.items[k]);
			put_document(s, b);
			if (i == 0 && k < 2)
				put_changes(s, &items->u.items[k]);
		}
	}
	published_close(&p);
}

/* ---- ajv ---- */

/* The line of a file, for the message. */
static void show_line(const struct subject *s, size_t number)
{
	AUTO(buf) struct buf *raw = NULL;
	const char *line;

	assert_ok(file_read(&raw, s->documents_path, (size_t)256 << 20, &e));
	for (line = raw->data; number--; line = strchr(line, '\n') + 1)
		;
	print_error("%.*s\n", (int)MIN(strcspn(line, "\n"), (size_t)2000), line);
}

static void hold_answers(const struct subject *s, const char *theirs, size_t len)
{
	unsigned wrong = 0;

	if (len != s->answers.len)
		fail_msg("%s: %zu answers to %zu documents: %.200s", s->schema_path, len, s->answers.len, theirs);
	for (size_t i = 0; i < len && wrong < 5; i++)
		if (theirs[i] != s->answers.data[i]) {
			print_error("%s: document %zu: ajv says %c, we say %c\n", s->schema_path, i + 1, theirs[i], s->answers.data[i]);
			show_line(s, i);
			wrong++;
		}
	if (wrong)
		fail_msg("%s: ajv disagrees", s->schema_path);
}

static size_t open_all(struct subject *subjects)
{
	DIR *d = opendir("schema");
	size_t count = 0;

	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));) {
		const char *end = strstr(entry->d_name, ".schema.json");
		char name[64];

		if (!end || strcmp(end, ".schema.json") != 0)
			continue;
		assert_true(count < SCHEMAS_MAX);
		snprintf(name, sizeof name, "%.*s", (int)(end - entry->d_name), entry->d_name);
		subject_open(&subjects[count], name);
		put_examples(&subjects[count++], name);
	}
	closedir(d);
	return count;
}

/* The path of node; false: none. */
static bool find_node(char out[600])
{
	const char *path = getenv("PATH");
	AUTO_FREE char *copy = strdup(path ? path : "/usr/bin:/usr/local/bin");
	char *save = NULL;

	for (char *part = strtok_r(copy, ":", &save); part; part = strtok_r(NULL, ":", &save)) {
		snprintf(out, 600, "%s/node", part);
		if (access(out, X_OK) == 0)
			return true;
	}
	return false;
}

static void ajv_says_what_we_say(void **state)
{
	struct subject subjects[SCHEMAS_MAX];
	char *argv[2 * SCHEMAS_MAX + 3] = { NULL }, node[600], peer[] = PEER, *answer;
	struct proc_run run = { .path = node, .argv = argv, .stdin_fd = -1, .timeout_ms = 300000, .output_max = OUTPUT_MAX };
	struct proc_result got = { 0 };
	size_t count, documents = 0, valid = 0, argc = 0;

	(void)state;
	if (!find_node(node))
		skip_missing_program("node");
	if (access("tests/peers/node_modules/ajv", R_OK) != 0)
		skip_missing_program("tests/peers/node_modules/ajv");
	count = open_all(subjects);
	assert_true(count >= 13);
	argv[argc++] = node;
	argv[argc++] = peer;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(fflush(subjects[i].documents), 0);
		argv[argc++] = subjects[i].schema_path;
		argv[argc++] = subjects[i].documents_path;
		documents += subjects[i].answers.len;
		valid += subjects[i].valid;
	}
	assert_ok(proc_run(&run, &got, &e));
	if (got.exit_status != 0)
		fail_msg("ajv: status %d: %s", got.exit_status, got.output->data ? got.output->data : "");
	answer = got.output->data;
	for (size_t i = 0; i < count; i++) {
		size_t len = strcspn(answer, "\n");

		hold_answers(&subjects[i], answer, len);
		answer += len + (answer[len] == '\n');
		subject_release(&subjects[i]);
	}
	proc_result_release(&got);
	print_message("%zu schemas, %zu documents, %zu of them valid\n", count, documents, valid);
	assert_true(valid > 500 && documents - valid > 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ajv_says_what_we_say),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
