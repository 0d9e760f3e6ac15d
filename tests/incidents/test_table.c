/*
 * test_table: bad content of 2005 to 2025, and what of Ringhold stops it alone.
 *
 * Each incident has a bundle with its defect, the contracts of the sensors of
 * its day, and harmless events. Each mechanism is tried on it with all others
 * switched off; the table that is printed is what came out, and each row is
 * held against what we say of ourselves. An engine that cannot be had is stood
 * in for by one with its defect (engines.h).
 */
#include "tests/test.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "boot/machine.h"
#include "cli/author_check.h"
#include "engines.h"
#include "rollout/policy.h"
#include "rollout/sequence.h"
#include "rollout/verdict.h"
#include "schema/contract.h"
#include "tests/program.h"

enum mechanism { PUBLISH, HOST, CANARY, CORPUS, CEILINGS, GUARD, GATE, MECHANISMS };

static const char *const titles[MECHANISMS] = {
	"publish check", "host validation", "canary process", "false-positive corpus", "ceilings", "boot guard", "gate",
};

/* What becomes of an endpoint that has the defect, as far as it can be seen from outside. */
enum symptom { UNSEEN, FAILS /* health, ceiling, silence */, CRASHES /* engine or kernel */ };

struct incident {
	const char *dir, *name;
	const char *host;               /* contract of the hosts that were hit */
	const struct loader *engine;    /* NULL: our own */
	enum symptom symptom;
	unsigned strata_hit;            /* of six in the first ring */
	bool unbootable;
	const char *stops;              /* a letter per mechanism: what we say */
};

static const struct incident incidents[] = {
	{ "crowdstrike-291", "CrowdStrike 291, July 2024", "sensor-7.11", &engine_out_of_bounds, CRASHES, 6, true, "PHC--BG" },
	{ "mcafee-5958", "McAfee DAT 5958, April 2010", "engine-5400", NULL, FAILS, 1, true, "---F-BG" },
	{ "symantec-2007", "Symantec, May 2007", "engine", NULL, FAILS, 1, true, "---F-BG" },
	{ "bitdefender-2010", "Bitdefender, March 2010", "x86-64", NULL, FAILS, 3, true, "P--F-BG" },
	{ "trendmicro-594", "Trend Micro 594, April 2005", "engine-7.5", &engine_endless, FAILS, 2, false, "----L-G" },
	{ "cloudflare-2019", "Cloudflare WAF, July 2019", "waf", &engine_backtracking, FAILS, 6, false, "PH--L-G" },
	{ "cloudflare-2025", "Cloudflare bots, November 2025", "proxy", &engine_fixed_array, CRASHES, 6, false, "PHC---G" },
	{ "google-2025", "Google Cloud, June 2025", "service-control", &engine_trusting, CRASHES, 6, false, "PHC---G" },
	{ "sophos-2012", "Sophos, September 2012", "endpoint-10", NULL, FAILS, 6, false, "PH-F--G" },
	{ "panda-2015", "Panda, March 2015", "endpoint", NULL, FAILS, 6, true, "PH-F-BG" },
	{ "webroot-2017", "Webroot, April 2017", "agent", NULL, UNSEEN, 6, false, "---F---" },
	{ "defender-2023", "Defender ASR, January 2023", "mde", NULL, UNSEEN, 6, false, "---F---" },
};

/* What was found, for the table. */
static struct finding {
	bool tried, stops;
	char why[160];
} found[ARRAY_LEN(incidents)][MECHANISMS];

static char *path_of(const struct incident *in, const char *beneath)
{
	char *path = NULL;

	assert_true(asprintf(&path, "tests/incidents/%s/%s", in->dir, beneath) > 0);
	return path;
}

static bool stopped(struct finding *f, const char *why)
{
	snprintf(f->why, sizeof f->why, "%.150s", why);
	return true;
}

/* ---- validation ---- */

static bool check_refuses(const struct author_tree *t, const char *contract, struct finding *f)
{
	AUTO(contract) struct contract *c = NULL;
	AUTO(check_report) struct check_report *r = NULL;
	struct check_job job = { .dir = t->dir, .manifest = t->manifest };
	struct err e;

	assert_ok(contract_load(&c, contract, &e));
	job.contract = c;
	assert_ok(check_content(&r, &job, &e));
	return check_verdict(r, &e) < 0 && stopped(f, e.msg);
}

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* Every registered contract is asked: that one architecture accepts it does not help. */
static bool publish_check(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	AUTO_FREE char *dir = path_of(in, "contracts");
	struct dirent **files = NULL;
	int count = scandir(dir, &files, visible, alphasort);
	bool refused = false;

	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		AUTO_FREE char *path = file_join(dir, files[i]->d_name);

		refused = refused || check_refuses(t, path, f);
		free(files[i]);
	}
	free(files);
	return refused;
}

static char *host_contract(const struct incident *in)
{
	char name[100];

	snprintf(name, sizeof name, "contracts/%s.json", in->host);
	return path_of(in, name);
}

static bool host_validation(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	AUTO_FREE char *path = host_contract(in);

	return check_refuses(t, path, f);
}

/* ---- the canary process: the same try, looked at for three different reasons ---- */

static void try(const struct incident *in, const struct author_tree *t, struct canary_job *job, struct canary_result *out)
{
	static const struct loader *loaders[2];
	struct err e;

	loaders[0] = in->engine;
	job->slot = t->slot;
	job->checked = true;            /* validation is switched off */
	job->loaders = in->engine ? loaders : NULL;
	job->wall_ms = 3000;
	assert_ok(canary_run(job, out, &e));
	assert_int_not_equal(out->outcome, CANARY_ENVIRONMENT);
}

static bool reason_is(const struct canary_result *r, const char *a, const char *b)
{
	return strcmp(r->reason, a) == 0 || strcmp(r->reason, b) == 0;
}

static bool canary_process(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	struct canary_job job = { 0 };
	struct canary_result r;

	try(in, t, &job, &r);
	return (r.outcome == CANARY_CRASH || (r.outcome == CANARY_REFUSED && reason_is(&r, "load", "selftest"))) && stopped(f, r.sentence);
}

static bool false_positive_corpus(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	static const char contract[] = "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"rules\":{\"versions\":[1]}},"
				       "\"ceilings\":{\"matches_per_10000\":0}}";
	AUTO_FREE char *corpus = path_of(in, "benign");
	const char *benign[] = { corpus };
	struct canary_job job = { .contract = contract, .contract_len = sizeof contract - 1, .benign = benign, .benign_count = 1 };
	struct canary_result r;

	try(in, t, &job, &r);
	return r.outcome == CANARY_REFUSED && reason_is(&r, "benign", "protected") && stopped(f, r.sentence);
}

static bool ceilings(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	AUTO_FREE char *path = host_contract(in);
	AUTO(buf) struct buf *text = NULL;
	struct canary_job job = { 0 };
	struct canary_result r;
	struct err e;

	assert_ok(file_read(&text, path, 1 << 20, &e));
	job.contract = text->data;
	job.contract_len = text->len;
	try(in, t, &job, &r);
	return (r.outcome == CANARY_HANG || r.outcome == CANARY_MEMORY || r.outcome == CANARY_CEILING_EVENT ||
		r.outcome == CANARY_CEILING_LOAD || r.outcome == CANARY_CEILING_RSS) && stopped(f, r.sentence);
}

/* ---- the boot guard ---- */

static void boot(int n)
{
	const char *const argv[] = { "ringhold-bootguard", "--root", root, NULL };
	struct proc_run how = { .path = test_program("ringhold-bootguard"), .argv = (char *const *)(uintptr_t)argv, .stdin_fd = -1,
				.timeout_ms = 60000, .output_max = 65536 };
	struct proc_result got = { 0 };
	struct err e;

	shell_must("printf '%08x-0000-0000-0000-000000000000\\n' %d >%s/proc/sys/kernel/random/boot_id", n, n, root);
	assert_ok(proc_run(&how, &got, &e));
	assert_int_equal(got.exit_status, 0);
	proc_result_release(&got);
}

/* The machine dies in every boot that runs the trial; nobody ever says that a boot was good. */
static bool boot_guard(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	struct boot_record r = machine_record(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	int boots = 0;
	char why[80];

	(void)t;
	if (!in->unbootable)
		return false;
	machine_install("edr", &r);
	do
		boot(++boots);
	while (machine_runs("edr") == 'T' && boots < 10);
	shell_must("rm -rf %s/run %s/var", root, root);
	snprintf(why, sizeof why, "%d boots died with it; boot %d ran the content before", boots - 1, boots);
	return boots < 10 && stopped(f, why);
}

/* ---- the gate ---- */

#define ENDPOINTS 60
#define STRATA 6

/* Sixty endpoints in six strata, offered and heard of one after the other under the shipped gate of a first ring. */
static bool gate(const struct incident *in, const struct author_tree *t, struct finding *f)
{
	static const char *const rings[] = { "canary", "early", "broad" };
	AUTO(policy) struct policy *p = NULL;
	AUTO(sequence) struct sequence *q = NULL;
	struct verdict_facts facts = { .first = true, .began = 1000, .eligible = ENDPOINTS };
	struct verdict_result v;
	unsigned hit = 0;
	struct err e;

	(void)t;
	assert_ok(policy_default(&p, "edr", rings, 3, &e));
	assert_ok(sequence_new(&q, p->rings[0].p0, p->rings[0].p1, &e));
	facts.ring = &p->rings[0];
	for (unsigned i = 0; i < ENDPOINTS; i++) {
		unsigned stratum = i * 7 % STRATA;
		bool has_it = stratum < in->strata_hit && in->symptom != UNSEEN;

		assert_ok(sequence_offer(q, stratum, &e));
		sequence_set(q, i + 1, has_it ? OUTCOME_FAILED : OUTCOME_SURVIVED, 1000 + i);
		hit += has_it;
		facts.content_crash |= has_it && in->symptom == CRASHES;
		facts.members_survived += !has_it;
		facts.now = 1000 + i;
		sequence_sums(q, &facts.sums);
		verdict_of(&v, &facts);
		if (v.verdict == VERDICT_HALT) {
			char why[160];

			snprintf(why, sizeof why, "%u of %u hit: %.120s", hit, ENDPOINTS, v.sentence);
			return stopped(f, why);
		}
	}
	return false;
}

/* ---- a test for each ---- */

static bool (*const mechanisms[MECHANISMS])(const struct incident *, const struct author_tree *, struct finding *) = {
	publish_check, host_validation, canary_process, false_positive_corpus, ceilings, boot_guard, gate,
};

static void incident_is_stopped_by(void **state)
{
	const struct incident *in = *state;
	struct finding *row = found[in - incidents];
	AUTO_FREE char *dir = path_of(in, "bundle");
	AUTO(author_tree) struct author_tree *t = NULL;
	char got[MECHANISMS + 1] = "-------";
	struct err e;

	assert_ok(author_tree_open(&t, dir, &e));
	for (int m = 0; m < MECHANISMS; m++) {
		row[m].tried = true;
		row[m].stops = mechanisms[m](in, t, &row[m]);
		if (row[m].stops)
			got[m] = "PHCFLBG"[m];
	}
	assert_string_equal(got, in->stops);
}

/* The letter of a mechanism stands in `stops` at its own place or not at all; else the comparison above says nothing. */
static void rows_are_written_as_they_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(incidents); i++)
		for (int m = 0; m < MECHANISMS; m++)
			assert_true(incidents[i].stops[m] == '-' || incidents[i].stops[m] == "PHCFLBG"[m]);
}

/* A gate that sees the same ring without the defect passes it: it does not stop whatever it is shown. */
static void the_same_mechanisms_let_sound_content_pass(void **state)
{
	static const struct incident sound = { "sound", "sound content", "sensor", NULL, UNSEEN, 6, false, "-------" };
	AUTO_FREE char *dir = path_of(&sound, "bundle");
	AUTO(author_tree) struct author_tree *t = NULL;
	struct finding f;
	struct err e;

	(void)state;
	assert_ok(author_tree_open(&t, dir, &e));
	for (int m = 0; m < MECHANISMS; m++) {
		f.why[0] = '\0';
		if (mechanisms[m](&sound, t, &f))
			fail_msg("%s stops it: %s", titles[m], f.why);
	}
}

static void print_table(void)
{
	printf("\nWhat stops it alone:\n\n  %-31s", "");
	for (int m = 0; m < MECHANISMS; m++)
		printf("  %s", titles[m]);
	putchar('\n');
	for (size_t i = 0; i < ARRAY_LEN(incidents); i++) {
		printf("  %-31s", incidents[i].name);
		for (int m = 0; m < MECHANISMS; m++)
			printf("  %-*s", (int)strlen(titles[m]), !found[i][m].tried ? "?" : found[i][m].stops ? "stops" : "-");
		putchar('\n');
	}
	printf("\nIn their words:\n");
	for (size_t i = 0; i < ARRAY_LEN(incidents); i++) {
		printf("\n  %s\n", incidents[i].name);
		for (int m = 0; m < MECHANISMS; m++)
			if (found[i][m].stops)
				printf("    %-22s %s\n", titles[m], found[i][m].why);
	}
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(incidents) + 2] = {
		cmocka_unit_test(rows_are_written_as_they_are_read),
		cmocka_unit_test(the_same_mechanisms_let_sound_content_pass),
	};
	int failed;

	if (!mkdtemp(root) || !shell_ok("mkdir -p %s/proc/sys/kernel/random", root))
		return 2;
	for (size_t i = 0; i < ARRAY_LEN(incidents); i++)
		tests[i + 2] = (struct CMUnitTest){ .name = incidents[i].dir, .test_func = incident_is_stopped_by,
						    .initial_state = (void *)(uintptr_t)&incidents[i] };
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	print_table();
	shell_ok("rm -rf %s", root);
	return failed;
}
