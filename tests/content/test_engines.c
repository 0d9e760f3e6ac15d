/*
 * test_engines: libyara and the check commands of deploy/loaders with the real
 * engines, inside the canary's confinement: a sound bundle passes, a broken one
 * is refused in the engine's own words, and one that would disturb benign events
 * is refused, too.
 */
#include "content_tree.h"

#include <dirent.h>
#include <time.h>

#include "base/log.h"
#include "content/canary.h"
#include "content/sandbox.h"
#include "program.h"

#define NOBODY 65534
#define CONTRACT(type)                                                                                              \
	"{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"" type "\":{\"versions\":[1]}},"            \
	"\"ceilings\":{\"load_ms\":60000,\"rss_bytes\":1073741824,\"us_per_event\":5000000},\"protected\":[\"/usr/bin/passwd\"]}"

struct rig {
	char dir[200], scratch[256], corpus[256], command[512];
	char conf[256];                 /* of the command; "": none */
	struct canary_result r;
};

static struct rig rig;

/* One try, as another user where that is possible, with a scratch directory of its own. */
static void try_with(const char *type, const char *contract, const struct content_file *files, const char *benign)
{
	AUTO(content_tree) struct content_tree *t = content_tree_new(files);
	const char *argv[] = { rig.command, NULL }, *corpora[] = { rig.corpus };
	const struct loader_exec exec = { .type = type, .argv = argv };
	const char *reads[] = { rig.conf };
	struct canary_job job = { .slot = t->path, .digest = "d", .contract = contract, .contract_len = strlen(contract), .exec = &exec,
				  .reads = reads, .read_count = *rig.conf ? 1 : 0,
				  .exec_count = 1, .scratch = rig.scratch, .wall_ms = 120000, .benign = corpora,
				  .benign_count = benign ? 1 : 0, .uid = geteuid() ? 0 : NOBODY, .gid = geteuid() ? 0 : NOBODY };
	struct err e = { 0 };

	assert_ok(file_remove_tree(rig.scratch, &e));
	assert_int_equal(mkdir(rig.scratch, 0700), 0);
	if (geteuid() == 0)
		assert_int_equal(chown(rig.scratch, NOBODY, NOBODY), 0);
	if (benign)
		content_write(rig.corpus, "site.ndjson", benign);
	assert_ok(canary_run(&job, &rig.r, &e));
}

static void expect(enum canary_outcome outcome, const char *reason, const char *words)
{
	if (rig.r.outcome != outcome || strcmp(rig.r.reason, reason) != 0 || !strstr(rig.r.sentence, words))
		fail_msg("%s, reason \"%s\": %s", canary_outcome_name(rig.r.outcome), rig.r.reason, rig.r.sentence);
	assert_true(rig.r.confinement & CANARY_SECCOMP);
	if (sandbox_landlock_abi())
		assert_true(rig.r.confinement & CANARY_LANDLOCK);
}

/* A copy: whoever tries it must be able to get there. */
static void use(const char *name)
{
	AUTO(buf) struct buf *text = NULL;
	char shipped[256];
	struct err e;

	snprintf(shipped, sizeof shipped, "deploy/loaders/%s", name);
	snprintf(rig.command, sizeof rig.command, "%s/%s", rig.dir, name);
	assert_ok(file_read(&text, shipped, 1 << 20, &e));
	assert_ok(file_replace(rig.command, text->data, text->len, 0755, &e));
}

/* ---- ClamAV ---- */

#define CLAMAV CONTRACT("clamav")
#define EVIL_NDB "Evil.Test-1:0:*:4556494c2d535452494e47\n"     /* EVIL-STRING */
#define CLAMAV_TESTS                                                                                                          \
	"{\"event\":{\"text\":\"an EVIL-STRING\",\"name\":\"/tmp/x\"},\"expect\":{\"verdict\":\"quarantine\",\"rule\":\"Evil.Test-1\"}}\n" \
	"{\"event\":{\"file\":\"samples/zipped\"},\"expect\":{\"verdict\":\"none\"}}\n"                                   \
	"{\"event\":{\"base64\":\"QW4gZXZpbCBzdHJpbmc=\"},\"expect\":{\"verdict\":\"none\"}}\n"

#define NEED_CLAMAV()                                    \
	do {                                             \
		if (!test_other_program("clamscan"))     \
			skip_missing_program("clamscan"); \
		use("clamav");                           \
	} while (0)

static void clamav_loads_a_sound_bundle_and_its_verdicts_are_compared(void **state)
{
	static const struct content_file files[] = {
		{ "db/evil.ndb", "clamav", EVIL_NDB },
		{ "db/hashes.hdb", "clamav", "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n" },
		{ "db/rules.yar", "clamav", "rule loud { strings: $a = \"LOUD-STRING\" condition: $a }\n" },
		{ "samples/zipped", "doc", "nothing" },
		{ "t.ndjson", "selftest", CLAMAV_TESTS
		  "{\"event\":{\"text\":\"a LOUD-STRING\"},\"expect\":{\"verdict\":\"quarantine\",\"rule\":\"YARA.loud\"}}\n" },
		{ 0 },
	};

	(void)state;
	NEED_CLAMAV();
	try_with("clamav", CLAMAV, files, "{\"text\":\"good\",\"name\":\"/usr/bin/passwd\"}\n{\"template\":\"of another sensor\"}\n");
	expect(CANARY_OK, "", "");
	assert_int_equal(rig.r.rules, 3);
	assert_int_equal(rig.r.files, 3);
	assert_int_equal(rig.r.selftests, 4);
	assert_int_equal(rig.r.benign_events, 2);
	assert_true(rig.r.load_ms > 0);
	assert_true(SANDBOX_SANITIZED || rig.r.rss_bytes > 1 << 20);
}

static void clamav_refuses_signatures_it_cannot_load_in_its_own_words(void **state)
{
	static const struct { const char *name, *text, *says; } rows[] = {
		{ "db/a.ndb", EVIL_NDB "Half.Byte:0:*:455\n", "Malformed hexstring: 455 (length: 3);Problem parsing database at line 2;"
		  "Can't load a.ndb: Malformed database" },
		{ "db/a.hdb", "xyz\n", "Can't load a.hdb: Malformed database" },
		/* clamscan itself goes on without this one */
		{ "db/a.yar", "rule x { strings: }\n", "a.yar line 1 syntax error" },
		{ "db/a.cvd", "ClamAV-VDB:01 Jan 2020 00-00 +0000:1:1:1:x:x:x:1\n", "exit status 1" },
		{ "db/a.unknown", "x\n", "No supported database files" },
	};

	(void)state;
	NEED_CLAMAV();
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct content_file files[] = { { rows[i].name, "clamav", rows[i].text }, { 0 } };

		try_with("clamav", CLAMAV, files, NULL);
		expect(CANARY_REFUSED, "load", rows[i].says);
		assert_true(canary_is_final(rig.r.outcome));
	}
}

/* The shipped command, but for where it finds the host's word on it. */
static void clamav_says(const char *conf)
{
	static const char shipped[] = "/etc/ringhold/loaders/clamav.conf";
	AUTO(buf) struct buf *text = NULL, *out = buf_new(0);
	const char *at;
	struct err e;

	snprintf(rig.conf, sizeof rig.conf, "%s/clamav.conf", rig.dir);
	assert_ok(file_replace(rig.conf, conf, strlen(conf), 0644, &e));
	assert_ok(file_read(&text, rig.command, 1 << 20, &e));
	at = strstr(text->data, "\nconf=");
	assert_true(at && !strncmp(at + 6, shipped, sizeof shipped - 1));
	buf_addf(out, "%.*s%s%s", (int)(at + 6 - text->data), text->data, rig.conf, at + 6 + sizeof shipped - 1);
	assert_ok(file_replace(rig.command, out->data, out->len, 0755, &e));
}

/* Heads alone: nobody but its makers signs a database, and the engine looks at the age first. */
static void clamav_refuses_a_database_that_is_older_than_the_host_allows(void **state)
{
	static const struct { int days; const char *conf, *says; } rows[] = {
		{ 40, "max_age=30\n", "older than 30 days" },
		{ 40, "max_age=50\n", "verify database integrity" },
		{ 40, "", "verify database integrity" },
	};
	char head[513], when[40];
	time_t now = time(NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		time_t built = now - (time_t)rows[i].days * 86400;
		const struct content_file files[] = { { "db/a.cvd", "clamav", head }, { 0 } };
		struct tm tm;

		NEED_CLAMAV();
		clamav_says(rows[i].conf);
		strftime(when, sizeof when, "%d %b %Y %H-%M +0000", gmtime_r(&built, &tm));
		memset(head, ' ', sizeof head - 1);
		head[sizeof head - 1] = '\0';
		head[snprintf(head, sizeof head, "ClamAV-VDB:%s:1:1:90:d41d8cd98f00b204e9800998ecf8427e:x:x:%lld", when, (long long)built)] = ' ';
		try_with("clamav", CLAMAV, files, NULL);
		expect(CANARY_REFUSED, "load", rows[i].says);
	}
	rig.conf[0] = '\0';
}

static void clamav_that_misses_a_self_test_or_a_benign_file_is_refused(void **state)
{
	static const struct content_file misses[] = { { "a.ndb", "clamav", "Evil.Test-1:0:*:00112233445566\n" },
						      { "samples/zipped", "doc", "nothing" },
						      { "t.ndjson", "selftest", CLAMAV_TESTS },
						      { 0 } };
	/* root:x:0: is in every passwd, and in what asks for it */
	static const struct content_file broad[] = { { "a.ndb", "clamav", "Too.Broad:0:*:726f6f743a783a30\n" }, { 0 } };

	(void)state;
	NEED_CLAMAV();
	try_with("clamav", CLAMAV, misses, NULL);
	expect(CANARY_REFUSED, "selftest", "t.ndjson:1: expected quarantine by Evil.Test-1, got none");
	try_with("clamav", CLAMAV, broad, "{\"text\":\"root:x:0:0\",\"name\":\"/usr/bin/passwd\"}\n");
	expect(CANARY_REFUSED, "protected", "site.ndjson:1: rule Too.Broad would quarantine the protected object /usr/bin/passwd");
}

static void clamav_is_measured_against_the_ceilings(void **state)
{
	static const struct content_file files[] = { { "a.ndb", "clamav", EVIL_NDB }, { 0 } };
#define LOW(ceiling) "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"clamav\":{\"versions\":[1]}},\"ceilings\":{" ceiling "}}"

	(void)state;
	NEED_CLAMAV();
	try_with("clamav", LOW("\"load_ms\":1"), files, NULL);
	expect(CANARY_CEILING_LOAD, "ceiling-load", "the ceiling is 1");
	if (SANDBOX_SANITIZED)
		skip_named("a sanitizer's own memory hides a small engine's");
	try_with("clamav", LOW("\"rss_bytes\":4194304"), files, NULL);
	expect(CANARY_CEILING_RSS, "ceiling-rss", "the ceiling is 4194304");
}

/* ---- YARA ---- */

#ifdef RINGHOLD_YARA
static void yara_of_the_real_library_passes_refuses_and_is_held_against_the_corpora(void **state)
{
	static const char rule[] = "rule evil { meta: verdict = \"block\" strings: $a = \"EVIL-STRING\" condition: $a }";
	static const char tests[] = "{\"event\":{\"text\":\"an EVIL-STRING\"},\"expect\":{\"verdict\":\"block\",\"rule\":\"evil\"}}\n";
	static const struct content_file files[] = { { "a.yar", "yara", rule }, { "t.ndjson", "selftest", tests }, { 0 } };
	static const struct content_file broken[] = { { "a.yar", "yara", "rule x {\n strings: }" }, { 0 } };
	static const char benign[] = "{\"text\":\"root:x:0:0\",\"name\":\"/usr/bin/passwd\"}\n";
	static const struct content_file broad[] = {
		{ "a.yar", "yara", "rule broad { meta: verdict = \"quarantine\" strings: $a = \"root:\" condition: $a }" }, { 0 }
	};

	(void)state;
	try_with("none", CONTRACT("yara"), files, benign);
	expect(CANARY_OK, "", "");
	try_with("none", CONTRACT("yara"), broken, NULL);
	expect(CANARY_REFUSED, "load", "a.yar:2: ");
	try_with("none", CONTRACT("yara"), broad, benign);
	expect(CANARY_REFUSED, "protected", "site.ndjson:1: rule broad would quarantine the protected object /usr/bin/passwd");
}
#endif

/* ---- SpamAssassin ---- */

#define SPAMASSASSIN CONTRACT("spamassassin")
#define PILLS "body EVIL_PILLS /cheap evil pills/i\nscore EVIL_PILLS 6.0\nrequired_score 5\n"
#define MESSAGE(text) "From: a@example.org\\nTo: b@example.org\\nSubject: hello\\n\\n" text "\\n"

#define NEED_SPAMASSASSIN()                                    \
	do {                                                   \
		if (!test_other_program("spamassassin"))       \
			skip_missing_program("spamassassin");  \
		use("spamassassin");                           \
	} while (0)

static void spamassassin_lints_a_bundle_s_rules_and_judges_messages(void **state)
{
	static const struct content_file files[] = {
		{ "10_evil.cf", "spamassassin", PILLS },
		{ "t.ndjson", "selftest",
		  "{\"event\":{\"text\":\"" MESSAGE("buy cheap evil pills") "\"},\"expect\":{\"verdict\":\"block\",\"rule\":\"EVIL_PILLS\"}}\n"
		  "{\"event\":{\"text\":\"" MESSAGE("lunch?") "\"},\"expect\":{\"verdict\":\"none\"}}\n" },
		{ 0 },
	};
	static const struct content_file broken[] = { { "10_evil.cf", "spamassassin", "body BAD /(unclosed/\nscoree X 1\n" }, { 0 } };
	static const struct content_file broad[] = { { "10_evil.cf", "spamassassin", "body LUNCH /lunch/\nscore LUNCH 9\n" }, { 0 } };

	(void)state;
	NEED_SPAMASSASSIN();
	try_with("spamassassin", SPAMASSASSIN, files, "{\"text\":\"" MESSAGE("dinner?") "\"}\n");
	expect(CANARY_OK, "", "");
	assert_int_equal(rig.r.selftests, 2);
	assert_int_equal(rig.r.benign_matches, 0);
	try_with("spamassassin", SPAMASSASSIN, broken, NULL);
	expect(CANARY_REFUSED, "load", "invalid regexp for BAD '/(unclosed/': Unmatched (");
	expect(CANARY_REFUSED, "load", "failed to parse line in 10_evil.cf (line 2): scoree X 1");
	try_with("spamassassin", SPAMASSASSIN, broad, "{\"text\":\"" MESSAGE("lunch?") "\",\"name\":\"/usr/bin/passwd\"}\n");
	expect(CANARY_REFUSED, "protected", "site.ndjson:1: rule LUNCH would block the protected object /usr/bin/passwd");
}

/* ---- ModSecurity ---- */

#define MODSECURITY CONTRACT("modsecurity")
#define REQUEST(path) "GET " path " HTTP/1.1\\nHost: www.example.org\\nUser-Agent: Mozilla/5.0\\nAccept: */*\\nConnection: close\\n\\n"
#define CRS "/usr/share/modsecurity-crs/rules"
#define CRS_SETUP "/etc/modsecurity/crs/crs-setup.conf"
#define CRS_FILES_MAX 100

#define NEED_MODSECURITY()                                                                                            \
	do {                                                                                                          \
		if (!test_other_program("apache2") || access("/usr/lib/apache2/modules/mod_security2.so", R_OK) < 0) \
			skip_missing_program("apache2 with mod_security2");                                           \
		use("modsecurity-crs");                                                                               \
	} while (0)

static void modsecurity_tests_the_configuration_and_puts_requests_to_it(void **state)
{
	static const struct content_file files[] = {
		{ "10.conf", "modsecurity", "SecRule ARGS \"@contains <script\" \"id:1001,phase:2,deny,status:403,log\"\n"
					    "SecRule ARGS \"@contains hello\" \"id:1002,phase:2,pass,log\"\n" },
		{ "t.ndjson", "selftest",
		  "{\"event\":{\"text\":\"" REQUEST("/?a=<script>") "\"},\"expect\":{\"verdict\":\"block\",\"rule\":\"1001\"}}\n"
		  "{\"event\":{\"text\":\"" REQUEST("/?a=hello") "\"},\"expect\":{\"verdict\":\"observe\",\"rule\":\"1002\"}}\n"
		  "{\"event\":{\"text\":\"" REQUEST("/?a=1") "\"},\"expect\":{\"verdict\":\"none\"}}\n" },
		{ 0 },
	};
	static const struct content_file broken[] = { { "10.conf", "modsecurity", "\nSecRule ARGS \"@rx (unclosed\" \"id:1,deny\"\n" }, { 0 } };
	static const struct content_file broad[] = {
		{ "10.conf", "modsecurity", "SecRule REQUEST_URI \"@contains /\" \"id:7,phase:1,deny,status:403,log\"\n" }, { 0 }
	};

	(void)state;
	NEED_MODSECURITY();
	try_with("modsecurity", MODSECURITY, files, "{\"text\":\"" REQUEST("/index.html") "\"}\n");
	expect(CANARY_OK, "", "");
	assert_int_equal(rig.r.selftests, 3);
	assert_int_equal(rig.r.rules, 2);
	try_with("modsecurity", MODSECURITY, broken, NULL);
	expect(CANARY_REFUSED, "load", "Syntax error on line 2 of 10.conf: Error creating rule: Error compiling pattern");
	try_with("modsecurity", MODSECURITY, broad, "{\"text\":\"" REQUEST("/") "\",\"name\":\"/usr/bin/passwd\"}\n");
	expect(CANARY_REFUSED, "protected", "site.ndjson:1: rule 7 would block the protected object /usr/bin/passwd");
}

static char *whole(const char *path)
{
	AUTO(buf) struct buf *text = NULL;
	struct err e;

	assert_ok(file_read(&text, path, 1 << 22, &e));
	return buf_take(text);
}

/* The Core Rule Set as Debian ships it, as one bundle. */
static void the_core_rule_set_stops_an_injection_and_lets_a_visitor_pass(void **state)
{
	static struct content_file files[CRS_FILES_MAX + 3];
	static char names[CRS_FILES_MAX][300];
	struct dirent *d;
	size_t n = 0;
	DIR *dir;

	(void)state;
	NEED_MODSECURITY();
	dir = opendir(CRS);
	if (!dir)
		skip_missing_program("modsecurity-crs");
	files[n++] = (struct content_file){ "crs-setup.conf", "modsecurity", whole(CRS_SETUP) };
	while ((d = readdir(dir))) {
		char path[600];

		if (d->d_name[0] == '.' || n > CRS_FILES_MAX)
			continue;
		snprintf(names[n], sizeof names[n], "rules/%s", d->d_name);
		snprintf(path, sizeof path, CRS "/%s", d->d_name);
		files[n] = (struct content_file){ names[n], "modsecurity", whole(path) };
		n++;
	}
	closedir(dir);
	files[n] = (struct content_file){ "t.ndjson", "selftest",
		"{\"event\":{\"text\":\"" REQUEST("/?id=1%27%20or%20%271%27=%271") "\"},\"expect\":{\"verdict\":\"block\"}}\n"
		"{\"event\":{\"text\":\"" REQUEST("/?id=1") "\"},\"expect\":{\"verdict\":\"none\"}}\n" };
	try_with("modsecurity", MODSECURITY, files, "{\"text\":\"" REQUEST("/index.html") "\"}\n");
	for (size_t i = 0; i < n; i++)
		free((char *)(uintptr_t)files[i].text);
	expect(CANARY_OK, "", "");
	assert_true(rig.r.rules > 100);
	assert_int_equal(rig.r.selftests, 2);
}

/* ---- set-up ---- */

static int begin(void **state)
{
	struct err e;

	(void)state;
	log_init("test", LOG_ERROR);
	content_temp(rig.dir);
	snprintf(rig.scratch, sizeof rig.scratch, "%s/scratch", rig.dir);
	snprintf(rig.corpus, sizeof rig.corpus, "%s/benign", rig.dir);
	return file_mkdirs(rig.corpus, 0755, &e);
}

static int end(void **state)
{
	struct err e;

	(void)state;
	return file_remove_tree(rig.dir, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clamav_loads_a_sound_bundle_and_its_verdicts_are_compared),
		cmocka_unit_test(clamav_refuses_signatures_it_cannot_load_in_its_own_words),
		cmocka_unit_test(clamav_refuses_a_database_that_is_older_than_the_host_allows),
		cmocka_unit_test(clamav_that_misses_a_self_test_or_a_benign_file_is_refused),
		cmocka_unit_test(clamav_is_measured_against_the_ceilings),
#ifdef RINGHOLD_YARA
		cmocka_unit_test(yara_of_the_real_library_passes_refuses_and_is_held_against_the_corpora),
#endif
		cmocka_unit_test(spamassassin_lints_a_bundle_s_rules_and_judges_messages),
		cmocka_unit_test(modsecurity_tests_the_configuration_and_puts_requests_to_it),
		cmocka_unit_test(the_core_rule_set_stops_an_injection_and_lets_a_visitor_pass),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
