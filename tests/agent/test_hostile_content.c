/*
 * test_hostile_content: content that attacks, on the real agent. Its check
 * command does to the host whatever the content says, or its archive is
 * forged under the vendor's own keys. Each is refused with its reason, its
 * digest is quarantined, nothing is left behind, and the host goes on: what
 * ran still runs, and the next bundle, and another channel's, come through.
 */
#include <dirent.h>
#include <zlib.h>

#include "content/sandbox.h"
#include "endpoint.h"
#include "processes.h"

#define GOOD "deploy/demo/edr-good"
#define CHECK "/etc/ringhold/loaders/misbehave"

/* What the command does, by the first word of the content. */
static const char misbehave[] =
	"#!/bin/sh\n"
	"read -r file; read -r what <\"$1/$file\"\n"
	"case $what in\n"
	"fork) bomb() { bomb & bomb; }; bomb ;;\n"
	"loop) while :; do :; done ;;\n"
	"stop) setsid sleep 86399 & kill -STOP $$ ;;\n"
	"ten-gigabytes) exec perl -e '$n = 10_000_000_000; $x = \"x\" x $n; sleep 1000' ;;\n"
	"many-processes) for i in 1 2 3 4 5 6 7 8 9 10; do perl -e '$n = 40_000_000; $x = \"x\" x $n; sleep 1000' & done; wait ;;\n"
	"killed) kill -KILL $$ ;;\n"
	"crash) kill -SEGV $$ ;;\n"
	"flood) while :; do echo 01234567890123456789012345678901234567890123456789; done ;;\n"
	"million-files) exec perl -e 'for (1 .. 1_000_000) { open(F, \">\", \"$ENV{TMPDIR}/$_\") or die \"file $_: $!\\n\" }' ;;\n"
	"full-disk) exec perl -e '$x = \"x\" x 50_000_000; for (1 .. 100) {"
	" open(F, \">\", \"$ENV{TMPDIR}/$_\") or die; (print F $x and close F) or die \"disk: $!\\n\" }' ;;\n"
	"large-file) exec perl -e '$SIG{XFSZ} = \"IGNORE\"; $x = \"x\" x 50_000_000; open(F, \">\", \"$ENV{TMPDIR}/x\") or die;"
	" for (1 .. 100) { print F $x or die \"file: $!\\n\" } close F or die \"file: $!\\n\"' ;;\n"
	"escape)\n"
	"  root=${1%/var/lib/*}; ln -s /etc \"$TMPDIR/out\"\n"
	"  for to in \"$1/evil\" \"$1/../evil\" \"$root/etc/ringhold/evil\" \"$TMPDIR/out/evil\" \"$TMPDIR/../../evil\" /tmp/evil; do\n"
	"    { echo evil >\"$to\"; } 2>/dev/null && { echo \"wrote $to\"; exit 0; }; done\n"
	"  for from in \"$root/var/lib/ringhold/device.json\" \"$root/etc/ringhold/vouch.key\" /etc/shadow; do\n"
	"    { cat <\"$from\"; } >/dev/null 2>&1 && { echo \"read $from\"; exit 0; }; done\n"
	"  echo nothing to reach; exit 7 ;;\n"
	"esac\n";

struct hostile {
	const char *what;               /* first word of the content */
	const char *reason;             /* of schema/reason.h */
	const char *says;               /* in the sentence */
	bool retried;                   /* three times, before the content is blamed */
};

/* ---- what is left of it ---- */

/* The namespace dies with its first process; the kernel may take a moment over the rest. */
static void expect_no_process(struct endpoint *p)
{
	char check[400];

	snprintf(check, sizeof check, "%s" CHECK, p->root);
	for (int i = 0; i < 1000 && (processes_naming(check) || processes_naming("86399")); i++)
		poll(NULL, 0, 10);
	assert_int_equal(processes_naming(check), 0);
	assert_int_equal(processes_naming("86399"), 0);
}

static unsigned entries(struct endpoint *p, const char *path)
{
	char full[512];
	struct dirent *d;
	unsigned n = 0;
	DIR *dir;

	snprintf(full, sizeof full, "%s%s", p->root, path);
	dir = opendir(full);
	while (dir && (d = readdir(dir)))
		n += strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0;
	if (dir)
		closedir(dir);
	return n;
}

static int find_cause(void *arg, const struct quarantine *q, struct err *e)
{
	struct quarantine *want = arg;

	(void)e;
	if (digest_equal(&q->digest, &want->digest) && q->attempt == want->attempt)
		*want = *q;
	return 0;
}

static void expect_quarantined(struct endpoint *p, const struct published *b, const struct hostile *h)
{
	struct quarantine q = { .digest = b->digest, .attempt = 1 };
	char path[512];
	struct err e;
	AUTO_FD int dir = -1;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr", p->root);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_ok(quarantine_each(dir, find_cause, &q, &e));
	if (strcmp(q.cause, h->reason) != 0 || !strstr(q.evidence, h->says)) {
		endpoint_print_log(p);
		fail_msg("%s: quarantined for \"%s\": %s", h->what, q.cause, q.evidence);
	}
}

static unsigned tries_in_log(struct endpoint *p)
{
	AUTO(buf) struct buf *log = NULL;
	char path[256];
	unsigned n = 0;
	struct err e;

	snprintf(path, sizeof path, "%s/agent.log", p->dir);
	assert_ok(file_read(&log, path, 1 << 24, &e));
	for (const char *at = log->data; at && (at = strstr(at, "(try ")); at++)
		n++;
	return n;
}

/* ---- the host ---- */

static void configure(struct endpoint *p, const char *wall)
{
	AUTO(buf) struct buf *ini = NULL, *contract = NULL;
	AUTO_FREE char *text = NULL, *accepts = NULL;
	char path[512];
	struct err e;
	size_t at;

	snprintf(path, sizeof path, "%s" SETTINGS_PATH, p->root);
	assert_ok(file_read(&ini, path, 1 << 20, &e));
	assert_true(asprintf(&text, "%sexec = hostile=" CHECK "\ncanary-wall = %s\n[channel waf]\nwatch = no\n", ini->data, wall) > 0);
	endpoint_write(p, SETTINGS_PATH, text, 0644);
	assert_ok(file_read(&contract, "deploy/demo/contract.json", 1 << 20, &e));
	at = (size_t)(strstr(contract->data, "\"accepts\": {") - contract->data) + strlen("\"accepts\": {");
	assert_true(asprintf(&accepts, "%.*s\"hostile\": {\"versions\": [1]},%s", (int)at, contract->data, contract->data + at) > 0);
	memcpy(strstr(accepts, "268435456"), "67108864 ", 9);
	endpoint_write(p, "/etc/ringhold/contract.json", accepts, 0644);
	endpoint_write(p, CHECK, misbehave, 0755);
	endpoint_write(p, HOME_STATE "/device.json", "{\"format\":1,\"device\":\"0011223344556677\",\"token\":\"\",\"server\":\"\",\"pin\":\"\"}", 0600);
	endpoint_write(p, HOME_ETC "/vouch.key", "secret of this host", 0600);
}

static struct published begin(struct endpoint *p, const char *wall)
{
	struct published one;

	configure(p, wall);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 5, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

static bool refused(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->state.phase == PHASE_IDLE && digest_equal(&s->state.last.assigned, &b->digest) && s->state.last.say == SAY_NOTHING;
}

static void expect_host_unaffected(struct endpoint *p, const struct published *runs, const char *what)
{
	struct seen s = endpoint_look(p);

	if (waitpid(p->agent, NULL, WNOHANG) != 0)
		fail_msg("%s: the agent is gone", what);
	assert_true(digest_equal(&s.running, &runs->digest));
	expect_no_process(p);
	assert_int_equal(entries(p, HOME_CHANNELS "/edr/slots"), 1);
	assert_int_equal(entries(p, HOME_CHANNELS "/edr/incoming"), 0);
	assert_int_equal(entries(p, HOME_SCRATCH), 0);
	assert_int_equal(access("/tmp/evil", F_OK), -1);
}

static void expect_refused(struct endpoint *p, const struct published *runs, const struct published *bad, const struct hostile *h)
{
	unsigned before = tries_in_log(p);

	endpoint_assign(p, bad, runs, 1, 5, 0);
	endpoint_until(p, h->what, refused, bad, 2500);
	expect_quarantined(p, bad, h);
	assert_int_equal(tries_in_log(p) - before, h->retried ? 2 : 0);
	expect_host_unaffected(p, runs, h->what);
}

static bool waf_committed(struct endpoint *p, const struct published *b)
{
	struct seen s = endpoint_look_at(p, "waf");

	return endpoint_runs_committed(&s, b);
}

struct of_waf {
	struct endpoint *p;
	const struct published *b;
};

static bool waf_done(const struct seen *s, const void *arg)
{
	const struct of_waf *w = arg;

	(void)s;
	return waf_committed(w->p, w->b);
}

/* After all that: sound content of this channel and of another one. */
static void expect_next_comes_through(struct endpoint *p, const struct published *runs, uint64_t serial)
{
	struct published next = endpoint_bundle(p, GOOD, serial, NULL), waf = endpoint_bundle_of(p, "waf", GOOD, 1, NULL);
	const struct of_waf other = { p, &waf };

	endpoint_assign(p, &waf, NULL, 1, 5, 0);
	endpoint_until(p, "another channel commits", waf_done, &other, 1000);
	endpoint_assign(p, &next, runs, 1, 5, 0);
	endpoint_until(p, "the next bundle is committed", endpoint_runs_committed, &next, 1000);
}

/* ---- content that its own check command carries out ---- */

static struct published hostile_bundle(struct endpoint *p, const char *what, uint64_t serial)
{
	char dir[256], path[320], text[128];
	struct err e;

	snprintf(dir, sizeof dir, "%s/content-%s", p->dir, what);
	assert_ok(file_mkdirs(dir, 0755, &e));
	snprintf(path, sizeof path, "%s/bundle.json", dir);
	snprintf(text, sizeof text, "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\","
				    "\"types\":[{\"match\":\"*.bin\",\"type\":\"hostile\"}]}");
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	snprintf(path, sizeof path, "%s/x.bin", dir);
	snprintf(text, sizeof text, "%s\n", what);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	return endpoint_bundle(p, dir, serial, NULL);
}

#define NEED_AGENT(p)                                                          \
	do {                                                                   \
		if (access((p)->bin, X_OK) < 0)                                \
			skip_named("%s is not built", (p)->bin);               \
		if (geteuid())                                                 \
			skip_named("not root: no namespaces, no file systems"); \
	} while (0)

static void carry_out(struct endpoint *p, const char *wall, const struct hostile *rows, size_t count)
{
	struct published runs = begin(p, wall), bad;

	for (size_t i = 0; i < count; i++) {
		bad = hostile_bundle(p, rows[i].what, 111 + i);
		expect_refused(p, &runs, &bad, &rows[i]);
	}
	expect_next_comes_through(p, &runs, 111 + count);
}

static void what_takes_too_much_is_refused_at_once(void **state)
{
	static const struct hostile rows[] = {
		{ "fork", "load", "annot fork", false },
		{ "crash", "crash", "signal 11", false },
		{ "flood", "load", "printed more than it may", false },
		{ "million-files", "load", "No space left on device", false },
		{ "full-disk", "load", "No space left on device", false },
		{ "large-file", "load", "File too large", false },
		{ "escape", "load", "exit status 7: nothing to reach", false },
	};

	NEED_AGENT((struct endpoint *)*state);
	carry_out(*state, "60s", rows, ARRAY_LEN(rows));
}

/* What the attempt to escape is worth: unconfined, its first already succeeds. */
static void the_escape_works_where_nothing_confines(void **state)
{
	struct endpoint *p = *state;
	char slot[300], check[300], tmp[200], *argv[] = { check, slot, NULL }, *env[] = { (char *)"PATH=/usr/bin:/bin", tmp, NULL };
	struct proc_run run = { .path = check, .argv = argv, .env = env, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
	struct proc_result r;
	struct err e;

	configure(p, "60s");
	endpoint_write(p, HOME_CHANNELS "/edr/slots/x/x.bin", "escape\n", 0644);
	snprintf(slot, sizeof slot, "%s" HOME_CHANNELS "/edr/slots/x", p->root);
	snprintf(check, sizeof check, "%s" CHECK, p->root);
	snprintf(tmp, sizeof tmp, "TMPDIR=%s", p->dir);
	run.stdin_fd = memfd_create("files", MFD_CLOEXEC);
	assert_ok(file_write_all(run.stdin_fd, "x.bin\n", 6, &e));
	assert_int_equal(lseek(run.stdin_fd, 0, SEEK_SET), 0);
	assert_ok(proc_run(&run, &r, &e));
	close(run.stdin_fd);
	assert_int_equal(r.exit_status, 0);
	assert_non_null(strstr(r.output->data, "wrote "));
	proc_result_release(&r);
}

static void memory_is_refused_whether_one_process_takes_it_or_many(void **state)
{
	static const struct hostile rows[] = {
		{ "ten-gigabytes", "load", "Out of memory", false },
		{ "many-processes", "ceiling-rss", "MB together", true },
		{ "killed", "ceiling-rss", "killed by signal 9", true },
	};

	NEED_AGENT((struct endpoint *)*state);
	if (SANDBOX_SANITIZED)
		skip_named("sanitizers need terabytes of address space, so there is no bound here");
	carry_out(*state, "60s", rows, ARRAY_LEN(rows));
}

static void what_never_ends_is_tried_three_times_and_then_refused(void **state)
{
	static const struct hostile rows[] = {
		{ "loop", "hang", "no end after 2000 ms while loading", true },
		{ "stop", "hang", "no end after 2000 ms while loading", true },
	};

	NEED_AGENT((struct endpoint *)*state);
	carry_out(*state, "2s", rows, ARRAY_LEN(rows));
}

/* ---- archives ---- */

static void inflate_all(struct buf *out, const struct buf *gz)
{
	z_stream z = { .next_in = (Bytef *)gz->data, .avail_in = (uInt)gz->len };
	char *room = buf_grow(out, 1 << 24);

	assert_non_null(room);
	z.next_out = (Bytef *)room;
	z.avail_out = 1 << 24;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	inflateEnd(&z);
}

/* `tail` zeros follow what is in tar. */
static void deflate_all(struct buf *gz, const struct buf *tar, uint64_t tail)
{
	static char zeros[1 << 20];
	z_stream z = { .next_in = (Bytef *)tar->data, .avail_in = (uInt)tar->len };
	int rc;

	buf_clear(gz);
	assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	do {
		char out[1 << 16];

		if (!z.avail_in && tail) {
			z.next_in = (Bytef *)zeros;
			z.avail_in = (uInt)MIN(tail, (uint64_t)sizeof zeros);
			tail -= z.avail_in;
		}
		z.next_out = (Bytef *)out;
		z.avail_out = sizeof out;
		rc = deflate(&z, tail || z.avail_in ? Z_NO_FLUSH : Z_FINISH);
		buf_add(gz, out, sizeof out - z.avail_out);
	} while (rc == Z_OK);
	assert_int_equal(rc, Z_STREAM_END);
	deflateEnd(&z);
}

/* The header of the first file after the manifest. */
static uint8_t *second_header(struct buf *tar)
{
	uint64_t size = strtoull(tar->data + 124, NULL, 8);

	return (uint8_t *)tar->data + 512 + (size + 511) / 512 * 512;
}

static void sum_header(uint8_t *h)
{
	unsigned sum = 0;

	memset(h + 148, ' ', 8);
	for (int i = 0; i < 512; i++)
		sum += h[i];
	snprintf((char *)h + 148, 8, "%06o", sum);
	h[155] = ' ';
}

static void in_tar(struct buf *archive, void (*change)(struct buf *tar), uint64_t tail)
{
	AUTO(buf) struct buf *tar = buf_new(0);

	assert_non_null(tar);
	inflate_all(tar, archive);
	if (change)
		change(tar);
	deflate_all(archive, tar, tail);
}

static void make_symlink(struct buf *tar)
{
	uint8_t *h = second_header(tar);

	h[156] = '2';
	snprintf((char *)h + 157, 100, "/etc/shadow");
	sum_header(h);
}

static void rename_all(struct buf *tar, const char *to)
{
	static const char from[] = "rules/ipc.json";
	char *at;

	assert_int_equal(strlen(to), sizeof from - 1);
	while ((at = memmem(tar->data, tar->len, from, sizeof from - 1)))
		memcpy(at, to, sizeof from - 1);
	sum_header(second_header(tar));
}

static void climb_out(struct buf *tar) { rename_all(tar, "../../../../ev"); }
static void start_at_root(struct buf *tar) { rename_all(tar, "/tmp/evil/evil"); }

/* A manifest that lists more files than anything needs; none of them is behind it. */
static void list_many(struct buf *tar)
{
	AUTO(buf) struct buf *json = buf_new(0);
	uint8_t header[512];

	buf_adds(json, "{\"format\":1,\"channel\":\"edr\",\"serial\":1,\"version\":\"1\",\"created\":\"2026-02-01T08:00:00Z\",\"severity\":\"low\","
		       "\"notes\":\"\",\"files\":[");
	for (int i = 0; i < 200000; i++)
		buf_addf(json, "%s{\"path\":\"f%06d\",\"size\":0,\"sha256\":\"" "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
			       "\",\"type\":\"doc\"}", i ? "," : "", i);
	buf_adds(json, "]}\n");
	memcpy(header, tar->data, 512);
	snprintf((char *)header + 124, 12, "%011zo", json->len);
	sum_header(header);
	buf_clear(tar);
	buf_add(tar, header, 512);
	buf_add(tar, json->data, json->len);
}

static void symlink_member(struct buf *b) { in_tar(b, make_symlink, 0); }
static void climbing_member(struct buf *b) { in_tar(b, climb_out, 0); }
static void absolute_member(struct buf *b) { in_tar(b, start_at_root, 0); }
static void too_many_members(struct buf *b) { in_tar(b, list_many, 0); }
static void bomb(struct buf *b) { in_tar(b, NULL, (uint64_t)512 << 20); }

/* Once more, with another size signed beside it. */
static void claim(struct endpoint *p, const struct published *b, uint64_t size)
{
	char custom[512], hex[DIGEST_HEX_LEN + 1], *file;
	AUTO(buf) struct buf *bytes = NULL;
	struct err e;

	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, b->path, &file, &e));
	assert_ok(file_read(&bytes, file, 1 << 26, &e));
	free(file);
	digest_hex(hex, &b->digest);
	snprintf(custom, sizeof custom,
		 "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"edr\",\"serial\":%llu,\"version\":\"1\",\"digest\":\"%s\",\"size\":%llu}}",
		 (unsigned long long)b->serial, hex, (unsigned long long)size);
	endpoint_put(p, "content-edr", b->path, bytes, custom);
}

static void forged_archives_are_refused_before_a_file_is_made(void **state)
{
	static const struct { void (*forge)(struct buf *b); struct hostile h; uint64_t size; } rows[] = {
		{ bomb, { "a zip bomb", "archive", "more than the 13824 bytes it may unpack to", false }, 0 },
		{ symlink_member, { "a symlink", "archive", "header is not the one of", false }, 0 },
		{ climbing_member, { "a path escape", "archive", "path: not a path a bundle may hold", false }, 0 },
		{ absolute_member, { "an absolute path", "archive", "path: not a path a bundle may hold", false }, 0 },
		{ too_many_members, { "a million files", "archive", "200000 elements, more than the 100000 allowed", false }, (uint64_t)1 << 30 },
	};
	struct endpoint *p = *state;
	struct published runs, bad;

	NEED_AGENT(p);
	runs = begin(p, "60s");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bad = endpoint_bundle(p, GOOD, 111 + i, rows[i].forge);
		if (rows[i].size)
			claim(p, &bad, rows[i].size);
		expect_refused(p, &runs, &bad, &rows[i].h);
	}
	expect_next_comes_through(p, &runs, 111 + ARRAY_LEN(rows));
}

/* ---- benign corpora ---- */

/* A rule that blocks an object which the contract protects, and the event that shows it, in one of three places. */
static void a_corpus_from_any_of_the_three_places_refuses_what_would_hurt(void **state)
{
	static const char event[] = "{\"template\":\"process\",\"fields\":{\"image\":\"/usr/sbin/sshd\",\"command_line\":\"sshd -D\"}}\n";
	static const char rules[] =
		"{\"format\":1,\"templates\":[{\"name\":\"process\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"},"
		"{\"name\":\"command_line\",\"type\":\"string\"}]}],\"instances\":[{\"id\":\"too-broad\",\"template\":\"process\","
		"\"verdict\":\"block\",\"match\":{\"command_line\":{\"contains\":\"sshd\"}}}]}";
	static const char *const places[] = { "benign/own.ndjson", HOME_BENIGN_VENDOR "/vendor.ndjson", HOME_BENIGN_SITE "/site.ndjson" };
	struct endpoint *p = *state;
	struct published runs;

	NEED_AGENT(p);
	runs = begin(p, "60s");
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char dir[256], name[320], in_bundle[64] = "", path[512];
		struct hostile h = { "a false positive", "protected", places[i], false };
		struct published bad;
		struct err e;

		snprintf(dir, sizeof dir, "%s/broad-%zu", p->dir, i);
		assert_ok(file_mkdirs(dir, 0755, &e));
		snprintf(name, sizeof name, "%s/r.json", dir);
		assert_ok(file_replace(name, rules, strlen(rules), 0644, &e));
		if (*places[i] == '/') {
			endpoint_write(p, places[i], event, 0644);
		} else {
			snprintf(name, sizeof name, "%s/benign", dir);
			assert_ok(file_mkdirs(name, 0755, &e));
			snprintf(name, sizeof name, "%s/%s", dir, places[i]);
			assert_ok(file_replace(name, event, strlen(event), 0644, &e));
			snprintf(in_bundle, sizeof in_bundle, ",{\"match\":\"benign/*.ndjson\",\"type\":\"benign\"}");
		}
		snprintf(path, sizeof path, "{\"format\":1,\"channel\":\"edr\",\"created\":\"2026-02-01T08:00:00Z\","
			 "\"types\":[{\"match\":\"*.json\",\"type\":\"rules\"}%s]}", in_bundle);
		snprintf(name, sizeof name, "%s/bundle.json", dir);
		assert_ok(file_replace(name, path, strlen(path), 0644, &e));
		bad = endpoint_bundle(p, dir, 111 + i, NULL);
		expect_refused(p, &runs, &bad, &h);
		snprintf(path, sizeof path, "%s%s", p->root, places[i]);
		if (*places[i] == '/')
			assert_int_equal(unlink(path), 0);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_escape_works_where_nothing_confines),
		T(what_takes_too_much_is_refused_at_once),
		T(memory_is_refused_whether_one_process_takes_it_or_many),
		T(what_never_ends_is_tried_three_times_and_then_refused),
		T(forged_archives_are_refused_before_a_file_is_made),
		T(a_corpus_from_any_of_the_three_places_refuses_what_would_hurt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
