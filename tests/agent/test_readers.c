/*
 * test_readers: engines that read while the real switch goes back and forth a
 * thousand times and the real clean-up takes every slot that it may. Each file
 * of a bundle names the bundle, so a mix of two would be seen.
 */
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/home.h"
#include "agent/slots.h"
#include "agent/trial.h"
#include "base/clock.h"
#include "base/file.h"
#include "boot/ringhold-sensor.h"
#include "content/bundle.h"
#include "content/loader.h"
#include "content/tree.h"
#include "test.h"

#define FILES 8
#define READERS 3
#define SWITCHES 1000
#define READS_EACH 50           /* that every reader has to come to as well */

static char root[128];
static int channel_dir;

/* Between the switching process and the readers. */
static struct shared {
	volatile bool stop;
	volatile uint64_t reads[READERS], switched_under[READERS];
	volatile int failed;
	char why[READERS][300];
	char names[2][DIGEST_HEX_LEN + 1];
} *shared;

static struct bundle_here {
	char letter, archive[200];
	struct digest digest;
	uint64_t serial;
} bundles[2];

/* ---- two bundles ---- */

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[400];
	struct err e;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
}

static void make_bundle(struct bundle_here *out, char letter, uint64_t serial)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	char dir[160], name[32], text[400];
	struct err e;

	snprintf(dir, sizeof dir, "%s/source-%c", root, letter);
	assert_ok(file_mkdirs(dir, 0755, &e));
	snprintf(text, sizeof text, "{\"format\":1,\"channel\":\"edr\",\"serial\":%d,\"version\":\"%c\",\"created\":\"2026-02-01T08:00:00Z\","
		 "\"severity\":\"normal\",\"notes\":\"%c\",\"types\":[{\"match\":\"*.json\",\"type\":\"rules\"}],\"selftest\":[],"
		 "\"leave_out\":[],\"requires\":[]}", (int)serial, letter, letter);
	write_file(dir, "bundle.json", text);
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof name, "r%d.json", i);
		snprintf(text, sizeof text, "{\"format\":1%s,\"instances\":[{\"id\":\"bundle-%c-%d\",\"template\":\"p\",\"verdict\":\"alert\","
			 "\"match\":{\"image\":{\"prefix\":\"/%c\"}}}]}",
			 i ? "" : ",\"templates\":[{\"name\":\"p\",\"fields\":[{\"name\":\"image\",\"type\":\"path\"}]}]", letter, i, letter);
		write_file(dir, name, text);
	}
	assert_ok(bundle_build(&b, dir, &o, &e));
	*out = (struct bundle_here){ .letter = letter, .digest = b->digest, .serial = serial };
	snprintf(out->archive, sizeof out->archive, "%s/%c.tar.gz", root, letter);
	assert_ok(file_replace(out->archive, b->archive->data, b->archive->len, 0644, &e));
}

static void put_slot(const struct bundle_here *b)
{
	char slots[200], name[DIGEST_HEX_LEN + 1];
	struct err e;

	snprintf(slots, sizeof slots, "%s" HOME_CHANNELS "/edr/slots", root);
	digest_hex(name, &b->digest);
	assert_ok(bundle_unpack(b->archive, NULL, slots, name, NULL, NULL, &e));
}

/* ---- readers: in processes of their own, so nothing here may assert ---- */

static int PRINTF_LIKE(2, 3) complain(int reader, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(shared->why[reader], sizeof shared->why[reader], fmt, args);
	va_end(args);
	shared->failed++;
	return -1;
}

/* Every byte beneath the directory that was opened, slowly enough for a switch to come between. */
static int read_files(int reader, const struct ringhold_content *c, char letter)
{
	char name[32], want[32], other[32];

	snprintf(want, sizeof want, "\"bundle-%c-", letter);
	snprintf(other, sizeof other, "\"bundle-%c-", letter == 'a' ? 'b' : 'a');
	for (int i = 0; i < FILES; i++) {
		AUTO(buf) struct buf *text = NULL;
		struct err e;

		snprintf(name, sizeof name, "r%d.json", i);
		if (file_readat(&text, c->dir, name, 65536, &e) < 0)
			return complain(reader, "%s: %s", name, e.msg);
		if (!strstr(text->data, want) || strstr(text->data, other))
			return complain(reader, "%s is of the other bundle than the one opened, %s", name, c->digest_hex);
		if (i == FILES / 2)
			usleep(500);
	}
	return 0;
}

/* The engine the rules are for, from the same descriptor. */
static int load(int reader, const struct ringhold_content *c, char letter)
{
	AUTO(loader_set) struct loader_set *set = NULL;
	AUTO(manifest) struct manifest *m = NULL;
	struct loader_job job = { .slot = c->dir };
	char id[32];
	struct err e;

	if (tree_manifest(c->dir, &m, NULL, &e) < 0)
		return complain(reader, "manifest: %s", e.msg);
	job.manifest = m;
	if (loader_set_load(&set, &job, NULL, &e) < 0)
		return complain(reader, "load: %s", e.msg);
	for (int i = 0; i < FILES; i++) {
		snprintf(id, sizeof id, "bundle-%c-%d", letter, i);
		if (!loader_set_has_rule(set, id))
			return complain(reader, "%s is missing in %s", id, c->digest_hex);
		id[7] = letter == 'a' ? 'b' : 'a';
		if (loader_set_has_rule(set, id))
			return complain(reader, "%s is of another bundle than %s", id, c->digest_hex);
	}
	return 0;
}

static int read_once(int reader, struct ringhold_sensor *s)
{
	struct ringhold_content c = { .dir = -1 };
	struct ringhold_why why;
	int rc = ringhold_content_open(&c, s, &why), at;

	if (rc < 0)
		return complain(reader, "open: %s", why.text);
	if (rc == 0)
		return complain(reader, "nothing runs");
	at = strcmp(c.digest_hex, shared->names[0]) != 0;
	if (strcmp(c.digest_hex, shared->names[at]) != 0)
		return complain(reader, "%s is no bundle of ours", c.digest_hex);
	rc = read_files(reader, &c, at ? 'b' : 'a');
	if (rc == 0)
		rc = load(reader, &c, at ? 'b' : 'a');
	if (ringhold_switched(s))
		shared->switched_under[reader]++;
	ringhold_content_close(&c);
	shared->reads[reader]++;
	return rc;
}

static void reader_main(int reader)
{
	struct ringhold_sensor s;
	struct ringhold_why why;

	if (ringhold_open(&s, root, "edr", &why) < 0)
		complain(reader, "sensor: %s", why.text);
	else
		while (!shared->stop && read_once(reader, &s) == 0)
			;
	_exit(0);
}

/* ---- the switch ---- */

static bool enough(uint64_t switches)
{
	bool all = switches >= SWITCHES;

	for (int i = 0; i < READERS; i++)
		all = all && shared->reads[i] >= READS_EACH;
	return all || shared->failed;
}

static void readers_never_see_a_mix_and_never_lose_what_they_read(void **state)
{
	uint64_t cleaned = 0, spared = 0, switches = 0, under = 0;
	int64_t until = clock_work_ms() + 240000;
	pid_t pids[READERS];
	struct trial t;
	struct err e;

	(void)state;
	assert_ok(trial_open(&t, root, "edr", &e));
	put_slot(&bundles[0]);
	assert_ok(trial_arm(&t, &bundles[0].digest, 1, &e));
	assert_ok(trial_commit(&t, bundles[0].serial, &e));
	for (int i = 0; i < READERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			reader_main(i);
	}
	for (; !enough(switches) && clock_work_ms() < until; switches++) {
		const struct bundle_here *to = &bundles[(switches + 1) % 2], *from = &bundles[switches % 2];

		if (!slots_have(channel_dir, &to->digest))
			put_slot(to);
		assert_ok(trial_arm(&t, &to->digest, switches + 2, &e));
		assert_ok(trial_commit(&t, to->serial, &e));
		assert_true(slots_clean(channel_dir, &to->digest, 1, &e) >= 0);
		if (slots_have(channel_dir, &from->digest))
			spared++;
		else
			cleaned++;
	}
	shared->stop = true;
	for (int i = 0; i < READERS; i++) {
		waitpid(pids[i], NULL, 0);
		under += shared->switched_under[i];
		if (*shared->why[i])
			fail_msg("reader %d after %llu reads: %s", i, (unsigned long long)shared->reads[i], shared->why[i]);
	}
	assert_true(switches >= SWITCHES);
	/* All of it happened: switches under a reader, slots that went, and slots that a reader kept. */
	assert_true(under > 0);
	assert_true(cleaned > 0);
	assert_true(spared > 0);
	trial_close(&t);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct err e;

	(void)state;
	snprintf(root, sizeof root, "%s/ringhold-readers.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_ok(home_make_channel(root, "edr", &e));
	channel_dir = home_open(root, HOME_CHANNELS "/edr", &e);
	assert_true(channel_dir >= 0);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	for (int i = 0; i < 2; i++) {
		make_bundle(&bundles[i], i ? 'b' : 'a', 110 + (uint64_t)i);
		digest_hex(shared->names[i], &bundles[i].digest);
	}
	return 0;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	munmap(shared, sizeof *shared);
	close(channel_dir);
	assert_ok(file_remove_tree(root, &e));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_never_see_a_mix_and_never_lose_what_they_read, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
