/* test_loaders: ClamAV's own signatures on the real agent, tried by the shipped check command and the real engine. */
#include "endpoint.h"
#include "program.h"

#define LOADER "/usr/lib/ringhold/loaders/clamav"
#define BUNDLE                                                                                                 \
	"{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\",\"types\":[{\"match\":\"db/*\"," \
	"\"type\":\"clamav\"}],\"selftest\":[\"*.ndjson\"]}"
#define EVIL "Evil.Test-1:0:*:4556494c2d535452494e47\n"         /* EVIL-STRING */
#define TESTS                                                                                                         \
	"{\"event\":{\"text\":\"an EVIL-STRING\"},\"expect\":{\"verdict\":\"quarantine\",\"rule\":\"Evil.Test-1\"}}\n" \
	"{\"event\":{\"text\":\"a sound one\"},\"expect\":{\"verdict\":\"none\"}}\n"
#define CONTRACT                                                                                                    \
	"{\"format\":1,\"sensor\":\"clamd\",\"version\":\"1.4\",\"accepts\":{\"clamav\":{\"versions\":[1]}},"        \
	"\"ceilings\":{\"load_ms\":60000,\"rss_bytes\":1073741824},\"protected\":[\"/usr/sbin/sshd\"]}"

static void write_below(const char *dir, const char *name, const char *text)
{
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

static struct published signatures(struct endpoint *p, uint64_t serial, const char *ndb)
{
	char dir[256], db[300];
	struct err e;

	snprintf(dir, sizeof dir, "%s/signatures-%llu", p->dir, (unsigned long long)serial);
	snprintf(db, sizeof db, "%s/db", dir);
	assert_ok(file_mkdirs(db, 0755, &e));
	write_below(dir, "bundle.json", BUNDLE);
	write_below(dir, "t.ndjson", TESTS);
	write_below(db, "evil.ndb", ndb);
	return endpoint_bundle(p, dir, serial, NULL);
}

static void configure(struct endpoint *p)
{
	AUTO(buf) struct buf *ini = NULL, *loader = NULL;
	AUTO_FREE char *text = NULL;
	char path[512];
	struct err e;

	snprintf(path, sizeof path, "%s" SETTINGS_PATH, p->root);
	assert_ok(file_read(&ini, path, 1 << 20, &e));
	assert_true(asprintf(&text, "%sexec = clamav=" LOADER "\n", ini->data) > 0);
	endpoint_write(p, SETTINGS_PATH, text, 0644);
	endpoint_write(p, "/etc/ringhold/contract.json", CONTRACT, 0644);
	assert_ok(file_read(&loader, "deploy/loaders/clamav", 1 << 20, &e));
	endpoint_write(p, LOADER, loader->data, 0755);
	endpoint_write(p, HOME_BENIGN_SITE "/sshd.ndjson", "{\"text\":\"OpenSSH server, root:x:0:0\",\"name\":\"/usr/sbin/sshd\"}\n", 0644);
}

static bool refused(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static void signatures_are_committed_or_refused_by_the_engine_itself(void **state)
{
	static const struct { const char *ndb, *says; } rows[] = {
		{ EVIL "Half.Byte:0:*:455\n", "Malformed hexstring: 455 (length: 3);Problem parsing database at line 2" },
		{ "Evil.Test-1:0:*:00112233445566\n", "t.ndjson:1: expected quarantine by Evil.Test-1, got none" },
		{ EVIL "Too.Broad:0:*:726f6f743a783a30\n", "benign.d/sshd.ndjson:1: rule Too.Broad would quarantine the protected object" },
	};
	struct endpoint *p = *state;
	struct published one, next;

	if (access(p->bin, X_OK) < 0)
		skip_named("%s is not built", p->bin);
	if (geteuid())
		skip_named("not root: check commands have no place to write");
	if (!test_other_program("clamscan"))
		skip_missing_program("clamscan");
	configure(p);
	one = signatures(p, 1, EVIL);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the signatures are committed", endpoint_runs_committed, &one, 1000);
	assert_true(endpoint_has_history(p, "1 rules loaded"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct published bad = signatures(p, 2 + i, rows[i].ndb);
		struct seen s;

		endpoint_assign(p, &bad, &one, 1, 5, 0);
		endpoint_until(p, "the signatures are refused", refused, &bad, 1000);
		assert_true(endpoint_has_history(p, rows[i].says));
		s = endpoint_look(p);
		assert_true(digest_equal(&s.running, &one.digest));
	}
	next = signatures(p, 2 + ARRAY_LEN(rows), EVIL "Evil.Test-2:0:*:4556494c2d544f4f\n");
	endpoint_assign(p, &next, &one, 1, 5, 0);
	endpoint_until(p, "the next signatures are committed", endpoint_runs_committed, &next, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(signatures_are_committed_or_refused_by_the_engine_itself, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
