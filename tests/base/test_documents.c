/* test_documents: one file, many documents: what is read, where errors are, what they do not end. */
#include <unistd.h>

#include "base/documents.h"
#include "base/file.h"
#include "scratch.h"

static struct err e;
static char path[300];

static const char *put(const char *name, const void *text, size_t len)
{
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	assert_ok(file_replace(path, text, len, 0644, &e));
	return path;
}

static const char *put_text(const char *name, const char *text)
{
	return put(name, text, strlen(text));
}

/* Everything a stream says, one line each: a document with its place, or an error behind the path. */
static char *told(enum documents_kind kind, const struct json_limits *limits)
{
	AUTO(documents) struct documents *s = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	const struct json_doc *d;
	unsigned line, column;
	int rc;

	assert_ok(documents_open(&s, path, kind, limits, &e));
	while ((rc = documents_next(s, &d, &e))) {
		if (rc < 0) {
			buf_addf(b, "!%s\n", e.msg + strlen(path));
			continue;
		}
		json_place(d, d->root, &line, &column);
		buf_addf(b, "%u:%u ", line, column);
		json_put_value(&(struct json_writer){ .out = b }, NULL, d->root);
		buf_addc(b, '\n');
	}
	assert_int_equal(documents_next(s, &d, &e), 0);
	return buf_take(b);
}

#define assert_told(kind, want)                               \
	do {                                                  \
		AUTO_FREE char *told_ = told(kind, NULL);     \
		assert_string_equal(told_, want);             \
	} while (0)

static void every_line_of_ndjson_is_a_document_with_its_place_in_the_file(void **state)
{
	(void)state;
	put_text("a.ndjson", "{\"a\":1}\n\n  [2]\r\n \t\nnull");
	assert_told(DOCUMENTS_BY_NAME, "1:1 {\"a\":1}\n3:3 [2]\n5:1 null\n");
	put_text("a.jsonl", "1\n2\n");
	assert_told(DOCUMENTS_BY_NAME, "1:1 1\n2:1 2\n");
	put_text("empty.ndjson", "\n\n");
	assert_told(DOCUMENTS_BY_NAME, "");
}

static void a_bad_line_does_not_end_the_stream(void **state)
{
	(void)state;
	put_text("a.ndjson", "1\n{\"a\":}\n{\"a\":1,\"a\":2}\n4\n[");
	assert_told(DOCUMENTS_BY_NAME, "1:1 1\n!:2:6: expected a value, found '}'\n!:3:8: the key \"a\" a second time in one object\n4:1 4\n"
				       "!:5:2: expected a value, found the end of the text\n");
}

static void a_line_over_the_limit_is_skipped_whole(void **state)
{
	struct json_limits limits = { .bytes = 100 };
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO_FREE char *said = NULL;

	(void)state;
	for (int part = 0; part < 3; part++) {
		buf_addf(b, "%d\n\"", part);
		for (int i = 0; i < (part == 1 ? 500000 : 200); i++)
			buf_addc(b, 'x');
		buf_adds(b, "\"\n");
	}
	put("long.ndjson", b->data, b->len);
	said = told(DOCUMENTS_BY_NAME, &limits);
	assert_string_equal(said, "1:1 0\n!:2:1: a line of more than the 100 bytes allowed\n3:1 1\n"
				  "!:4:1: a line of more than the 100 bytes allowed\n5:1 2\n!:6:1: a line of more than the 100 bytes allowed\n");
}

static void the_ending_of_the_name_or_the_caller_says_what_it_is(void **state)
{
	(void)state;
	put_text("a.json", "[1,\n 2]\n");
	assert_told(DOCUMENTS_BY_NAME, "1:1 [1,2]\n");
	put_text("b.json", "1\n2\n");
	assert_told(DOCUMENTS_BY_NAME, "!:2:1: expected the end of the text, found '2'\n");
	assert_told(DOCUMENTS_NDJSON, "1:1 1\n2:1 2\n");
	put_text("c.yml", "a: no\n---\n- 1\n");
	assert_told(DOCUMENTS_BY_NAME, "1:1 {\"a\":\"no\"}\n3:1 [1]\n");
	put_text("d.yaml", "a: 1\n---\na: [\n");
	assert_told(DOCUMENTS_BY_NAME, "1:1 {\"a\":1}\n!:4:1: did not find expected node content, while parsing a flow node that began on line 4\n");
	put_text("e.yaml", "{\"a\":1}");
	assert_told(DOCUMENTS_JSON, "1:1 {\"a\":1}\n");
}

static void what_is_not_there_is_not_found(void **state)
{
	struct documents *s = NULL;
	struct json_doc *d = NULL;
	struct buf *text = NULL;

	(void)state;
	assert_refused(documents_open(&s, "/nonexistent/x.json", DOCUMENTS_BY_NAME, NULL, &e), ERR_NOT_FOUND, "/nonexistent/x.json: open");
	assert_refused(documents_read(&d, &text, "/nonexistent/x.yaml", NULL, &e), ERR_NOT_FOUND, "/nonexistent/x.yaml");
	assert_ok(documents_open(&s, scratch, DOCUMENTS_NDJSON, NULL, &e));
	assert_refused(documents_next(s, (const struct json_doc **)&d, &e), ERR_IO, "read: Is a directory");
	assert_int_equal(documents_next(s, (const struct json_doc **)&d, &e), 0);
	documents_close(s);
}

static void one_document_is_read_from_json_and_from_yaml(void **state)
{
	static const char *const names[] = { "s.json", "s.yaml" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(buf) struct buf *text = NULL;
		AUTO(json) struct json_doc *d = NULL;

		put_text(names[i], "{\"type\": \"object\"}");
		assert_ok(documents_read(&d, &text, path, NULL, &e));
		assert_true(json_is(json_get(d->root, "type"), "object"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_of_ndjson_is_a_document_with_its_place_in_the_file),
		cmocka_unit_test(a_bad_line_does_not_end_the_stream),
		cmocka_unit_test(a_line_over_the_limit_is_skipped_whole),
		cmocka_unit_test(the_ending_of_the_name_or_the_caller_says_what_it_is),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(one_document_is_read_from_json_and_from_yaml),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
