/* test_schema_commands: what `ringhold schema` answers, says and needs. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "tests/program.h"
#include "tests/scratch.h"

#ifdef __SANITIZE_ADDRESS__
#define SLACK ((int64_t)600 << 20)      /* what was freed is kept for a while */
#else
#define SLACK ((int64_t)8 << 20)
#endif

static struct err e;
static struct proc_result ran;

static int remove_dir(void **state)
{
	proc_result_release(&ran);
	return scratch_remove(state);
}

static char *at(const char *name)
{
	char *path = file_join(scratch, name);

	assert_non_null(path);
	return path;
}

static void put(const char *name, const char *text)
{
	AUTO_FREE char *path = at(name);

	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

/* Words that begin with '@' are files of the directory; "<name" is standard input. Both streams come back in `ran`. */
static int run(const char *const *words)
{
	char *argv[24] = { NULL }, *made[24] = { NULL };
	struct proc_run r = { .path = test_program("ringhold"), .argv = argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 20 };
	int argc = 0, count = 0;

	if (access(r.path, X_OK) != 0)
		skip_named("%s is not built", r.path);
	argv[argc++] = (char *)(uintptr_t)"ringhold";
	for (; *words; words++) {
		if (**words == '@' || **words == '<')
			made[count++] = at(*words + 1);
		if (**words == '<')
			r.stdin_fd = open(made[count - 1], O_RDONLY | O_CLOEXEC);
		else
			argv[argc++] = **words == '@' ? made[count - 1] : (char *)(uintptr_t)*words;
	}
	proc_result_release(&ran);
	memset(&ran, 0, sizeof ran);
	assert_ok(proc_run(&r, &ran, &e));
	if (r.stdin_fd >= 0)
		close(r.stdin_fd);
	while (count)
		free(made[--count]);
	assert_false(ran.timed_out);
	return ran.exit_status;
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static const char *said(void)
{
	return ran.output->data ? ran.output->data : "";
}

#define assert_says(status, text, ...)                                                                            \
	do {                                                                                                      \
		int got_ = RUN(__VA_ARGS__);                                                                      \
		if (got_ != (status) || !strstr(said(), text))                                                    \
			fail_msg("status %d, expected %d and \"%s\": %s", got_, status, text, said());            \
	} while (0)

#define RULES "{\"type\":\"object\",\"required\":[\"id\"],\"properties\":{\"id\":{\"type\":\"string\",\"maxLength\":3},\"next\":{\"$ref\":\"#\"}}}"

static void the_exit_status_tells_valid_invalid_and_unreadable_apart(void **state)
{
	(void)state;
	put("s.json", RULES);
	put("good.json", "{\"id\":\"abc\"}");
	put("bad.json", "{\"id\":\"abcd\"}");
	put("broken.json", "{\"id\":");
	put("nonsense.json", "{\"type\":\"wings\"}");
	assert_says(0, "good.json: valid", "schema", "validate", "@s.json", "@good.json");
	assert_says(1, "bad.json:1:7: /id: expected at most 3 characters, found 4", "schema", "validate", "@s.json", "@bad.json");
	assert_says(1, "good.json: valid", "schema", "validate", "@s.json", "@bad.json", "@good.json");
	assert_says(2, "broken.json:1:7: expected a value", "schema", "validate", "@s.json", "@broken.json");
	assert_says(2, "bad.json:1:7: /id", "schema", "validate", "@s.json", "@broken.json", "@bad.json");
	assert_says(2, "missing.json: open: No such file", "schema", "validate", "@s.json", "@missing.json");
	assert_says(2, "missing.json: open: No such file", "schema", "validate", "@missing.json", "@good.json");
	assert_says(2, "nonsense.json:1:9", "schema", "validate", "@nonsense.json", "@good.json");
	assert_says(2, "ringhold schema validate", "schema", "validate", "@s.json");
	assert_says(2, "draft-07 are known", "schema", "validate", "--draft", "4", "@s.json", "@good.json");
}

static void errors_name_file_line_and_both_pointers(void **state)
{
	(void)state;
	put("s.json", "{\n \"properties\": {\n  \"a~b\": {\"items\": {\"minimum\": 3}}}}\n");
	put("d.json", "{\n  \"a~b\": [3,\n    2]}\n");
	assert_says(1, "d.json:3:5: /a~0b/1: expected", "schema", "validate", "@s.json", "@d.json");
	assert_non_null(strstr(said(), "s.json:3:20 /properties/a~0b/items/minimum"));
}

static void what_a_document_says_reaches_the_terminal_escaped(void **state)
{
	(void)state;
	put("s.json", "{\"additionalProperties\":false}");
	put("d.json", "{\"\\u001b[2J\":1}");
	assert_int_equal(RUN("schema", "validate", "@s.json", "@d.json"), 1);
	assert_null(strchr(said(), '\033'));
}

static void as_many_errors_as_asked_for_are_shown(void **state)
{
	size_t lines = 0;

	(void)state;
	put("s.json", "{\"items\":{\"type\":\"null\"}}");
	put("d.json", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30]");
	assert_says(1, "30 errors in all", "schema", "validate", "@s.json", "@d.json");
	for (const char *c = said(); *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 21);
	assert_says(1, "30 errors in all", "schema", "validate", "--errors", "1", "@s.json", "@d.json");
}

static void json_is_the_basic_output_form_with_the_name_of_the_file(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json *errors;
	char *end;

	(void)state;
	put("s.json", RULES);
	put("d.ndjson", "{\"id\":\"a\"}\n\n{\"id\":\"a\",\"next\":{\"id\":1}}\n");
	assert_int_equal(RUN("schema", "validate", "--json", "@s.json", "@d.ndjson"), 1);
	end = strchr(said(), '\n');
	assert_non_null(end);
	assert_non_null(strstr(said(), "\"line\":1,\"valid\":true}"));
	assert_ok(json_parse(&d, "said", end + 1, strlen(end + 1), NULL, &e));
	assert_int_equal(json_get(d->root, "valid")->type, JSON_FALSE);
	assert_string_equal(json_get(d->root, "line")->u.text, "3");
	errors = json_get(d->root, "errors");
	assert_true(json_is(json_get(&errors->u.items[0], "instanceLocation"), "/next/id"));
	assert_true(json_is(json_get(&errors->u.items[0], "keywordLocation"), "/properties/next/$ref/properties/id/type"));
	assert_non_null(json_get(&errors->u.items[0], "absoluteKeywordLocation"));
}

static void references_reach_what_ref_gives_and_nothing_else(void **state)
{
	(void)state;
	put("s.json", "{\"properties\":{\"a\":{\"$ref\":\"other.json#/$defs/n\"},\"b\":{\"$ref\":\"urn:x\"}}}");
	put("other.json", "{\"$defs\":{\"n\":{\"type\":\"integer\"}}}");
	put("urn.yaml", "$id: urn:x\nenum: [on, off]\n");
	put("d.json", "{\"a\":1,\"b\":\"no\"}");
	assert_says(2, "no schema is known as", "schema", "validate", "@s.json", "@d.json");
	assert_says(1, "d.json:1:12: /b", "schema", "validate", "--ref", "@other.json", "--ref", "@urn.yaml", "@s.json", "@d.json");
	assert_non_null(strstr(said(), "urn.yaml:1:1"));
	assert_says(2, "other.json", "schema", "validate", "--ref", "@other.json", "--ref", "@other.json", "--ref", "@urn.yaml", "@s.json", "@d.json");
}

static void yaml_documents_are_checked_by_the_core_schema_line_by_line(void **state)
{
	(void)state;
	put("s.yaml", "properties:\n  since: {type: string}\n  enabled: {type: boolean}\n");
	put("d.yaml", "since: 2024-07-19\nenabled: true\n---\nsince: x\nenabled: yes\n---\nsince: 1\n");
	assert_says(1, "d.yaml:5:10: /enabled: expected true or false", "schema", "validate", "@s.yaml", "@d.yaml");
	assert_non_null(strstr(said(), "d.yaml:7:8: /since: expected a string"));
	assert_non_null(strstr(said(), "3 documents, 2 invalid"));
	put("twice.yml", "since: a\nsince: b\n");
	assert_says(2, "twice.yml:2:1: the key \"since\" a second time", "schema", "validate", "@s.yaml", "@twice.yml");
	put("bomb.yaml", "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
			 "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n"
			 "g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g,*g]\n");
	assert_says(2, "more than four times as long", "schema", "validate", "@s.yaml", "@bomb.yaml");
	assert_true(ran.max_rss < ((int64_t)100 << 20) + SLACK);
}

static void standard_input_is_a_document_or_a_stream_of_them(void **state)
{
	(void)state;
	put("s.json", RULES);
	put("one", "{\"id\":\"a\"}");
	put("many", "{\"id\":\"a\"}\n{\"id\":7}\n");
	put("yaml", "id: a\n---\nid: no\n");
	assert_says(0, "standard input: valid", "schema", "validate", "@s.json", "-", "<one");
	assert_says(1, "standard input:2:7: /id", "schema", "validate", "--ndjson", "@s.json", "-", "<many");
	assert_says(0, "2 documents, 0 invalid", "schema", "validate", "--yaml", "@s.json", "-", "<yaml");
	assert_says(2, "standard input:2:1", "schema", "validate", "@s.json", "-", "<many");
}

static void a_line_that_is_no_json_does_not_hide_the_lines_behind_it(void **state)
{
	(void)state;
	put("s.json", RULES);
	put("d.jsonl", "{\"id\":\"a\"}\n{\"id\":\n{\"id\":\"abcd\"}\n");
	assert_says(2, "d.jsonl:3:7: /id", "schema", "validate", "@s.json", "@d.jsonl");
	assert_non_null(strstr(said(), "d.jsonl:2:7: expected a value"));
	assert_non_null(strstr(said(), "3 documents, 1 invalid"));
}

static void a_pattern_that_takes_too_long_is_no_verdict(void **state)
{
	AUTO(buf) struct buf *d = buf_new(0);

	(void)state;
	put("s.json", "{\"pattern\":\"^(a|aa|aaa)+\\\\1$\"}");
	buf_addc(d, '"');
	for (int i = 0; i < 3000; i++)
		buf_addc(d, 'a');
	buf_adds(d, "!\"");
	put("d.json", d->data);
	assert_says(2, "(a|aa|aaa)+", "schema", "validate", "@s.json", "@d.json");
}

static void formats_are_asserted_when_asked(void **state)
{
	(void)state;
	put("s.json", "{\"format\":\"ipv4\"}");
	put("d.json", "\"1.2.3.400\"");
	assert_int_equal(RUN("schema", "validate", "@s.json", "@d.json"), 0);
	assert_says(1, "expected an IPv4 address", "schema", "validate", "--formats", "@s.json", "@d.json");
}

static void unknown_keywords_are_refused_when_asked(void **state)
{
	(void)state;
	put("s.json", "{\"maxlength\":1}");
	put("d.json", "\"long\"");
	assert_int_equal(RUN("schema", "validate", "@s.json", "@d.json"), 0);
	assert_says(2, "maxlength", "schema", "validate", "--strict", "@s.json", "@d.json");
}

/* ---- memory ---- */

/* Lines of about 3.5 KB, this many. */
static void put_lines(const char *name, int lines)
{
	AUTO_FREE char *path = at(name);
	AUTO(buf) struct buf *line = buf_new(0);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	buf_adds(line, "{\"id\":\"abc\",\"list\":[");
	for (int i = 0; i < 500; i++)
		buf_addf(line, "%s\"%d\"", i ? "," : "", i);
	buf_adds(line, "]}\n");
	for (int i = 0; i < lines; i++)
		assert_int_equal(fwrite(line->data, 1, line->len, f), line->len);
	assert_int_equal(fclose(f), 0);
}

static void memory_is_bounded_by_the_largest_document_not_by_the_file(void **state)
{
	int64_t small;

	(void)state;
	put("s.json", RULES);
	put_lines("small.ndjson", 10);
	put_lines("large.ndjson", 16000);       /* 55 MB */
	assert_says(0, "10 documents, 0 invalid", "schema", "validate", "@s.json", "@small.ndjson");
	small = ran.max_rss;
	assert_says(0, "16000 documents, 0 invalid", "schema", "validate", "@s.json", "@large.ndjson");
	if (ran.max_rss > small + SLACK)
		fail_msg("%lld KiB for 10 documents, %lld KiB for 16000", (long long)small >> 10, (long long)ran.max_rss >> 10);
}

/* ---- the suite ---- */

static void test_counts_and_names_what_failed(void **state)
{
	(void)state;
	put("t.json", "[{\"description\":\"group\",\"schema\":{\"type\":\"integer\"},\"tests\":["
		      "{\"description\":\"one\",\"data\":1,\"valid\":true},{\"description\":\"two\",\"data\":\"x\",\"valid\":true}]},"
		      "{\"description\":\"broken\",\"schema\":{\"type\":3},\"tests\":[{\"description\":\"three\",\"data\":1,\"valid\":false}]}]");
	assert_says(1, "1 passed, 2 failed\n", "schema", "test", "@t.json");
	assert_non_null(strstr(said(), "t.json: group: two: invalid, expected valid: "));
	assert_non_null(strstr(said(), "t.json: broken: three: not supported, expected invalid"));
	put("n.json", "{}");
	assert_says(2, "expected a list of groups", "schema", "test", "@n.json");
	assert_says(2, "No such file", "schema", "test", "@missing");
}

static void remotes_are_known_below_the_address_the_suite_uses(void **state)
{
	AUTO_FREE char *sub = at("remotes"), *inner = at("remotes/inner");

	(void)state;
	assert_int_equal(mkdir(sub, 0755), 0);
	assert_int_equal(mkdir(inner, 0755), 0);
	put("remotes/inner/x.json", "{\"type\":\"integer\"}");
	put("t.json", "[{\"description\":\"g\",\"schema\":{\"$ref\":\"http://localhost:1234/inner/x.json\"},\"tests\":["
		      "{\"description\":\"one\",\"data\":1,\"valid\":true},{\"description\":\"two\",\"data\":\"x\",\"valid\":false}]}]");
	assert_says(0, "2 passed, 0 failed\n", "schema", "test", "--remotes", "@remotes", "@t.json");
	assert_says(1, "0 passed, 2 failed\n", "schema", "test", "@t.json");
}

static void the_official_suite_passes_whole(void **state)
{
	static const char *const drafts[][2] = { { "draft2020-12", "2020-12" }, { "draft7", "draft-07" } };
	const char *shared = getenv("RINGHOLD_SHARED");
	char root[600], files[700], remotes[700];

	(void)state;
	snprintf(root, sizeof root, "%s/conformance/json-schema", shared ? shared : "../shared");
	if (access(root, R_OK) != 0)
		skip_named("no %s", root);
	snprintf(remotes, sizeof remotes, "%s/remotes", root);
	for (size_t i = 0; i < ARRAY_LEN(drafts); i++) {
		const char *const of_interest[] = { "ref", "refRemote", "unevaluatedProperties", "dynamicRef", "allOf" };

		for (size_t k = 0; k < ARRAY_LEN(of_interest); k++) {
			snprintf(files, sizeof files, "%s/%s/%s.json", root, drafts[i][0], of_interest[k]);
			if (access(files, R_OK) == 0)
				assert_says(0, " passed, 0 failed\n", "schema", "test", "--draft", drafts[i][1], "--remotes", remotes, files);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exit_status_tells_valid_invalid_and_unreadable_apart),
		cmocka_unit_test(errors_name_file_line_and_both_pointers),
		cmocka_unit_test(what_a_document_says_reaches_the_terminal_escaped),
		cmocka_unit_test(as_many_errors_as_asked_for_are_shown),
		cmocka_unit_test(json_is_the_basic_output_form_with_the_name_of_the_file),
		cmocka_unit_test(references_reach_what_ref_gives_and_nothing_else),
		cmocka_unit_test(yaml_documents_are_checked_by_the_core_schema_line_by_line),
		cmocka_unit_test(standard_input_is_a_document_or_a_stream_of_them),
		cmocka_unit_test(a_line_that_is_no_json_does_not_hide_the_lines_behind_it),
		cmocka_unit_test(a_pattern_that_takes_too_long_is_no_verdict),
		cmocka_unit_test(formats_are_asserted_when_asked),
		cmocka_unit_test(unknown_keywords_are_refused_when_asked),
		cmocka_unit_test(memory_is_bounded_by_the_largest_document_not_by_the_file),
		cmocka_unit_test(test_counts_and_names_what_failed),
		cmocka_unit_test(remotes_are_known_below_the_address_the_suite_uses),
		cmocka_unit_test(the_official_suite_passes_whole),
	};

	return cmocka_run_group_tests(tests, scratch_make, remove_dir);
}
