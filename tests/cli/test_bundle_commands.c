/* bundle_commands: what an author types, and what comes of it. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "cli/commands.h"
#include "content/bundle.h"
#include "tests/test.h"

#define RECIPE                                                                              \
	"{\"format\":1,\"channel\":\"edr\",\"serial\":110,\"created\":\"2026-02-01T12:00:00Z\"," \
	"\"types\":[{\"match\":\"doc/*\",\"type\":\"doc\"}]}"

struct fixture {
	char *dir;
	char here[4096];
};

static void put(const char *path, const char *text)
{
	struct err e;

	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

/* Each test works in a directory of its own. */
static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *tmp = getenv("TMPDIR");

	f->dir = file_join(tmp && *tmp ? tmp : "/tmp", "ringhold-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_non_null(getcwd(f->here, sizeof(f->here)));
	assert_int_equal(chdir(f->dir), 0);
	assert_int_equal(mkdir("src", 0755), 0);
	assert_int_equal(mkdir("src/doc", 0755), 0);
	put("src/bundle.json", RECIPE);
	put("src/doc/a", "one\n");
	unsetenv("SOURCE_DATE_EPOCH");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e;

	assert_int_equal(chdir(f->here), 0);
	assert_ok(file_remove_tree(f->dir, &e));
	free(f->dir);
	free(f);
	return 0;
}

/* Runs the words; what was printed on either stream comes back in *said. */
static int run(char **said, const char *const *words)
{
	struct cli_command commands[16];
	const struct cli_program program = { .name = "ringhold", .purpose = "test", .commands = commands,
					     .count = bundle_command_count + lint_command_count };
	int out = dup(1), error = dup(2);
	int to = open("said", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *argv[24] = { (char *)(uintptr_t)"ringhold" };
	AUTO(buf) struct buf *text = NULL;
	int argc = 1, status;
	struct err e;

	assert_true(program.count <= ARRAY_LEN(commands));
	memcpy(commands, bundle_commands, bundle_command_count * sizeof(*commands));
	memcpy(commands + bundle_command_count, lint_commands, lint_command_count * sizeof(*commands));
	while (words[argc - 1]) {
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
		argc++;
	}
	fflush(NULL);
	dup2(to, 1);
	dup2(to, 2);
	status = cli_run(&program, argc, argv);
	fflush(NULL);
	dup2(out, 1);
	dup2(error, 2);
	close(out);
	close(error);
	close(to);
	assert_ok(file_read(&text, "said", 1 << 20, &e));
	assert_int_equal(unlink("said"), 0);
	if (said)
		*said = buf_take(text);
	return status;
}

#define RUN(said, ...) run(said, (const char *const[]){ __VA_ARGS__, NULL })

/* Exit status and a word of the sentence. */
#define assert_says(status, text, ...)                                               \
	do {                                                                         \
		AUTO_FREE char *said_ = NULL;                                        \
		int got_ = RUN(&said_, __VA_ARGS__);                                 \
		if (got_ != (status) || !strstr(said_, text))                        \
			fail_msg("status %d, expected %d and \"%s\": %s", got_, status, text, said_); \
	} while (0)

static void build_names_the_archive_after_channel_and_serial(void **state)
{
	struct digest digest;
	AUTO_FREE char *said = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct err e;

	(void)state;
	assert_int_equal(RUN(&said, "bundle", "build", "src"), 0);
	assert_ok(bundle_check("edr-110.tar.gz", NULL, NULL, &digest, NULL, &e));
	digest_hex(hex, &digest);
	assert_non_null(strstr(said, hex));
	assert_says(0, "edr 7", "bundle", "build", "src", "--serial", "7", "-o", "seven");
	assert_true(file_exists("seven"));
	assert_says(0, "x 7", "bundle", "build", "src", "--serial=7", "--channel", "x", "--version", "v",
		    "--created", "2026-01-01T00:00:00Z");
	assert_true(file_exists("x-7.tar.gz"));
}

static void wrong_use_writes_nothing(void **state)
{
	(void)state;
	assert_says(2, "--serial", "bundle", "build", "src", "--serial", "0");
	assert_says(2, "--serial", "bundle", "build", "src", "--serial", "1x");
	assert_says(2, "--created", "bundle", "build", "src", "--created", "today");
	assert_says(2, "--type", "bundle", "build", "src", "--type", "yara");
	assert_says(2, "channel", "bundle", "build", "src", "--channel", "A");
	assert_says(2, "", "bundle", "build");
	assert_says(1, "nowhere", "bundle", "build", "nowhere");
	setenv("SOURCE_DATE_EPOCH", "yesterday", 1);
	assert_says(2, "SOURCE_DATE_EPOCH", "bundle", "build", "src");
	unsetenv("SOURCE_DATE_EPOCH");
	assert_false(file_exists("edr-110.tar.gz"));
}

static void the_time_of_creation_is_never_the_clock(void **state)
{
	(void)state;
	put("src/bundle.json", "{\"format\":1,\"channel\":\"edr\",\"serial\":110,"
			       "\"types\":[{\"match\":\"doc/*\",\"type\":\"doc\"}]}");
	assert_says(2, "SOURCE_DATE_EPOCH", "bundle", "build", "src");
	setenv("SOURCE_DATE_EPOCH", "86400", 1);
	assert_says(0, "1970-01-02T00:00:00Z", "bundle", "build", "src");
	unsetenv("SOURCE_DATE_EPOCH");
}

static void show_checks_and_prints_what_is_in_it(void **state)
{
	AUTO_FREE char *json = NULL;
	AUTO(json) struct json_doc *doc = NULL;
	AUTO(buf) struct buf *raw = NULL;
	struct err e;

	(void)state;
	assert_int_equal(RUN(NULL, "bundle", "build", "src", "-o", "a"), 0);
	assert_says(0, "doc/a", "bundle", "show", "a");
	assert_int_equal(RUN(&json, "bundle", "show", "a", "--json"), 0);
	assert_ok(json_parse(&doc, "shown", json, strlen(json), NULL, &e));
	assert_true(json_is(json_get(json_get(doc->root, "manifest"), "channel"), "edr"));
	assert_ok(file_read(&raw, "a", 1 << 20, &e));
	raw->data[raw->len / 2] ^= 1;
	assert_ok(file_replace("a", raw->data, raw->len, 0644, &e));
	assert_says(1, "a: archive", "bundle", "show", "a");
	assert_says(1, "no-such", "bundle", "show", "no-such");
}

static void what_no_reader_takes_is_refused_with_its_place(void **state)
{
	(void)state;
	put("src/bundle.json", "{\"format\":1,\"channel\":\"edr\",\"serial\":110,\"created\":\"2026-02-01T12:00:00Z\","
			       "\"types\":[{\"match\":\"doc/*\",\"type\":\"rules\"}]}");
	assert_says(1, "doc/a:1:1", "bundle", "build", "src");
	assert_false(file_exists("edr-110.tar.gz"));
	assert_says(0, "edr 110", "bundle", "build", "src", "--unchecked");
	assert_says(1, "doc/a:1:1", "bundle", "test", "edr-110.tar.gz");
	assert_says(1, "contract", "bundle", "test", "edr-110.tar.gz", "--contract", "no-such");
}

static void a_contract_that_knows_no_such_type_refuses(void **state)
{
	(void)state;
	put("contract", "{\"format\":1,\"sensor\":\"s\",\"version\":\"7.11\",\"accepts\":{}}");
	assert_int_equal(RUN(NULL, "bundle", "build", "src"), 0);
	assert_says(0, "tried", "bundle", "test", "edr-110.tar.gz", "--contract", "contract");
	put("src/bundle.json", "{\"format\":1,\"channel\":\"edr\",\"serial\":110,\"created\":\"2026-02-01T12:00:00Z\","
			       "\"types\":[{\"match\":\"doc/*\",\"type\":\"snort\"}]}");
	assert_says(0, "snort", "bundle", "build", "src");
	assert_says(1, "snort", "bundle", "build", "src", "--contract", "contract");
}

static void a_delta_is_made_and_proved(void **state)
{
	(void)state;
	assert_int_equal(RUN(NULL, "bundle", "build", "src", "-o", "a"), 0);
	put("src/doc/a", "two\n");
	assert_int_equal(RUN(NULL, "bundle", "build", "src", "--serial", "111", "-o", "b"), 0);
	assert_says(0, "window log", "bundle", "delta", "a", "b");
	assert_true(file_exists("edr-110-111.zst"));
	assert_int_equal(RUN(NULL, "bundle", "build", "src", "--channel", "other", "-o", "c"), 0);
	assert_says(2, "channel", "bundle", "delta", "a", "c", "-o", "d");
	assert_says(1, "nothing", "bundle", "delta", "a", "nothing", "-o", "d");
	assert_false(file_exists("d"));
}

static void nothing_is_left_behind(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *tmp = file_join(f->dir, "tmp");
	char *was = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;

	assert_int_equal(mkdir(tmp, 0700), 0);
	setenv("TMPDIR", tmp, 1);
	assert_int_equal(RUN(NULL, "bundle", "build", "src", "-o", "a"), 0);
	assert_int_equal(RUN(NULL, "bundle", "test", "a"), 0);
	assert_int_equal(RUN(NULL, "bundle", "delta", "a", "a", "-o", "d"), 0);
	assert_int_equal(rmdir(tmp), 0);
	if (was)
		setenv("TMPDIR", was, 1);
	else
		unsetenv("TMPDIR");
	free(was);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(build_names_the_archive_after_channel_and_serial),
		CASE(wrong_use_writes_nothing),
		CASE(the_time_of_creation_is_never_the_clock),
		CASE(show_checks_and_prints_what_is_in_it),
		CASE(what_no_reader_takes_is_refused_with_its_place),
		CASE(a_contract_that_knows_no_such_type_refuses),
		CASE(a_delta_is_made_and_proved),
		CASE(nothing_is_left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
