/* canary_try: check, load, test and measure a bundle, confined; every failure becomes an outcome with a reason. */
#include "content/canary_try.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "content/canary_confine.h"
#include "content/check.h"
#include "content/selftest.h"
#include "content/tree.h"
#include "schema/contract.h"
#include "schema/reason.h"

#define PROGRAMS_MAX 32
#define RSS_SLACK ((uint64_t)64 << 20)  /* address space is always more than what is resident */

struct trial {
	struct canary_try *t;
	struct canary_result *out;
	struct contract *contract;      /* NULL: none */
	struct manifest *manifest;
	struct loader_set *engine;
	struct selftest_figures figures;
	int64_t rss_before;
	int64_t load_cpu_ms;
	struct { int64_t load_ms, rss_bytes, us_per_event; } ceiling;
};

static void doing(struct trial *t, const char *what, const char *at)
{
	snprintf(t->t->page->at, sizeof(t->t->page->at), "%s", at);
	snprintf(t->t->page->doing, sizeof(t->t->page->doing), "%s", what);
}

static int ended(struct trial *t, enum canary_outcome outcome, const char *reason, const char *sentence)
{
	t->out->outcome = outcome;
	snprintf(t->out->reason, sizeof(t->out->reason), "%s", reason);
	snprintf(t->out->sentence, sizeof(t->out->sentence), "%s", sentence);
	return -1;
}

/* What an error says about the content: `refused` is the reason when it is simply the content's fault. */
static int failed(struct trial *t, enum reason refused, const struct err *e)
{
	static const struct { int code; enum canary_outcome outcome; enum reason reason; } rows[] = {
		{ ERR_MEMORY, CANARY_MEMORY, REASON_CEILING_RSS },      { ERR_TIMEOUT, CANARY_HANG, REASON_HANG },
		{ ERR_CRASH, CANARY_CRASH, REASON_CRASH },              { ERR_SPACE, CANARY_ENVIRONMENT, REASON_DISK_FULL },
		{ ERR_IO, CANARY_ENVIRONMENT, REASON_DISK_BAD },        { ERR_USAGE, CANARY_ENVIRONMENT, REASON_INTERNAL },
		{ ERR_INTERNAL, CANARY_ENVIRONMENT, REASON_INTERNAL },
		{ ERR_NOT_FOUND, CANARY_ENVIRONMENT, REASON_DISK_BAD }, /* the tree was whole when it was verified */
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].code == e->code)
			return ended(t, rows[i].outcome, reason_word(rows[i].reason), e->msg);
	return ended(t, CANARY_REFUSED, reason_word(refused), e->msg);
}

static int64_t peak_rss(int whose)
{
	struct rusage use;

	getrusage(whose, &use);
	return (int64_t)use.ru_maxrss * 1024;
}

/*
 * Of this process what the content added; of a check command all it had. A
 * child begins as a copy of us: what is no more than that says nothing.
 */
static int64_t rss_used(int64_t before)
{
	int64_t own = peak_rss(RUSAGE_SELF), command = peak_rss(RUSAGE_CHILDREN);

	return MAX(own - before, command > own ? command : 0);
}

/* Ours and our check commands'. */
static int64_t cpu_us(void)
{
	struct rusage children;

	getrusage(RUSAGE_CHILDREN, &children);
	return clock_cpu_us() + (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 + children.ru_utime.tv_usec +
	       children.ru_stime.tv_usec;
}

static int64_t lower(int64_t a, int64_t budget)
{
	return budget > 0 ? MIN(a, budget) : a;
}

/* ---- the steps ---- */

static int confine_step(struct trial *t, struct err *e)
{
	const struct canary_job *job = t->t->job;
	int readable[1 + CANARY_BENIGN_MAX] = { t->t->slot };
	const char *programs[PROGRAMS_MAX + 1] = { NULL };
	AUTO_FD int scratch = t->t->commands && job->scratch ? open(job->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct confine c = { .readable = readable, .readable_count = 1, .commands = t->t->commands, .programs = programs,
			     .reads = job->reads, .read_count = job->read_count, .scratch = scratch,
			     .cpu_s = t->t->wall_ms / 1000 + 2, .uid = job->uid, .gid = job->gid };

	for (size_t i = 0; i < job->benign_count; i++)
		readable[c.readable_count++] = t->t->benign[i];
	for (size_t i = 0; i < MIN(job->exec_count, (size_t)PROGRAMS_MAX); i++)
		programs[i] = job->exec[i].argv[0];
	if (c.commands && loader_exec_prepare(e) < 0)
		return failed(t, REASON_INTERNAL, e);
	if (canary_confine(&c, &t->out->confinement, &t->out->landlock_abi, e) < 0)
		return failed(t, REASON_INTERNAL, e);
	if (!c.commands && (t->out->confinement & CANARY_SECCOMP))
		t->out->confinement |= CANARY_ALONE;    /* it can start nothing */
	t->out->confinement |= t->t->confinement;
	t->t->page->confinement = t->out->confinement;
	t->t->page->landlock_abi = t->out->landlock_abi;
	t->rss_before = peak_rss(RUSAGE_SELF);
	return 0;
}

static int read_step(struct trial *t, struct err *e)
{
	const struct canary_job *job = t->t->job;

	if (job->contract && contract_parse(&t->contract, "contract", job->contract, job->contract_len, e) < 0)
		return ended(t, CANARY_ENVIRONMENT, reason_word(REASON_INTERNAL), e->msg);
	if (tree_manifest(t->t->slot, &t->manifest, NULL, e) < 0)
		return failed(t, REASON_LINT, e);
	t->ceiling.load_ms = lower(t->contract ? t->contract->ceilings.load_ms : INT64_MAX, t->manifest->budget.load_ms);
	t->ceiling.rss_bytes = lower(t->contract ? t->contract->ceilings.rss_bytes : INT64_MAX,
				     t->manifest->budget.rss_bytes);
	t->ceiling.us_per_event = lower(t->contract ? t->contract->ceilings.us_per_event : INT64_MAX,
					t->manifest->budget.us_per_event);
	if (t->ceiling.rss_bytes < INT64_MAX / 4) {
		t->t->page->memory_bound = 2 * (uint64_t)t->ceiling.rss_bytes + RSS_SLACK;
		canary_bound_memory(t->t->page->memory_bound);
	}
	return 0;
}

/* Is there content that only a command of the host can judge? */
static bool wants_commands(const struct trial *t)
{
	const struct loader_job what = { .exec = t->t->job->exec, .exec_count = t->t->job->exec_count };

	for (size_t i = 0; i < t->manifest->file_count; i++) {
		const char *type = t->manifest->files[i].type;

		if (!loader_is_data(type) && strcmp(type, "rules") != 0 && strcmp(type, "yara") != 0 &&
		    loader_exec_for(&what, type))
			return true;
	}
	return false;
}

static int check_step(struct trial *t, struct err *e)
{
	AUTO(check_report) struct check_report *r = NULL;

	if (check_content(&r, &(struct check_job){ .dir = t->t->slot, .manifest = t->manifest, .contract = t->contract }, e) < 0)
		return failed(t, REASON_LINT, e);
	if (check_verdict(r, e) < 0)
		return ended(t, CANARY_REFUSED, check_reason(r), e->msg);
	return 0;
}

static int load_step(struct trial *t, struct err *e)
{
	const struct canary_job *job = t->t->job;
	const struct loader_job what = {
		.slot = t->t->slot, .slot_path = job->slot, .digest = job->digest, .manifest = t->manifest,
		.contract = t->contract, .drop = job->drop, .drop_count = job->drop_count,
		.exec = job->exec, .exec_count = job->exec_count, .scratch = job->scratch,
	};
	int64_t wall = clock_work_ms(), cpu = cpu_us();
	struct loader_stats stats;

	if (loader_set_load(&t->engine, &what, job->loaders, e) < 0)
		return failed(t, REASON_LOAD, e);
	t->out->load_ms = clock_work_ms() - wall;
	t->load_cpu_ms = (cpu_us() - cpu) / 1000;
	loader_set_stats(t->engine, &stats);
	t->out->files = stats.files;
	t->out->rules = stats.rules;
	t->out->dropped = stats.dropped;
	return 0;
}

static void on_progress(void *arg, const char *file, unsigned line)
{
	struct trial *t = arg;

	snprintf(t->t->page->at, sizeof(t->t->page->at), "%s:%u", file, line);
}

static void on_test(void *arg, const char *file, unsigned line, enum selftest_outcome outcome, uint64_t ns, const char *sentence)
{
	struct trial *t = arg;
	struct canary_test one = { .line = line, .outcome = outcome, .ns = (uint32_t)MIN(ns, (uint64_t)UINT32_MAX) };

	while (one.selftest < t->manifest->selftest_count && strcmp(t->manifest->selftests[one.selftest], file) != 0)
		one.selftest++;
	snprintf(one.sentence, sizeof(one.sentence), "%s", sentence);
	canary_tests_add(t->t->job->tests, &one);
}

static int selftest_step(struct trial *t, const struct selftest_run *run, struct err *e)
{
	struct err first = { 0 };

	for (size_t i = 0; i < t->manifest->selftest_count; i++) {
		if (selftest_file(run, t->t->slot, t->manifest->selftests[i], &t->figures, e) == 0)
			continue;
		if (!run->told || e->code == ERR_MEMORY)
			return failed(t, REASON_SELFTEST, e);
		if (!first.code)
			first = *e;
	}
	return first.code ? failed(t, REASON_SELFTEST, &first) : 0;
}

static bool is_corpus(const struct manifest_file *f)
{
	return strcmp(f->type, MANIFEST_TYPE_BENIGN) == 0;
}

static int benign_step(struct trial *t, const struct selftest_run *run, struct err *e)
{
	const struct canary_job *job = t->t->job;

	for (size_t i = 0; i < t->manifest->file_count; i++)
		if (is_corpus(&t->manifest->files[i]) &&
		    selftest_benign_file(run, t->t->slot, t->manifest->files[i].path, &t->figures, e) < 0)
			return failed(t, e->code == ERR_REFUSED ? REASON_PROTECTED : REASON_BENIGN, e);
	for (size_t i = 0; i < job->benign_count; i++)
		if (selftest_benign(run, t->t->benign[i], job->benign[i], &t->figures, e) < 0)
			return failed(t, e->code == ERR_REFUSED ? REASON_PROTECTED : REASON_BENIGN, e);
	if (selftest_benign_verdict(run, &t->figures, e) < 0)
		return failed(t, REASON_BENIGN, e);
	return 0;
}

/* An engine that judges all events at once gets them before the first is asked for. */
static int judge_step(struct trial *t, const struct selftest_run *run, struct err *e)
{
	const struct canary_job *job = t->t->job;
	uint64_t cpu_ns;

	for (size_t i = 0; i < t->manifest->selftest_count; i++)
		if (selftest_offer(run, t->t->slot, t->manifest->selftests[i], e) < 0)
			return failed(t, REASON_SELFTEST, e);
	for (size_t i = 0; i < t->manifest->file_count; i++)
		if (is_corpus(&t->manifest->files[i]) &&
		    selftest_offer_benign_file(run, t->t->slot, t->manifest->files[i].path, e) < 0)
			return failed(t, REASON_BENIGN, e);
	for (size_t i = 0; i < job->benign_count; i++)
		if (selftest_offer_benign(run, t->t->benign[i], job->benign[i], e) < 0)
			return failed(t, REASON_BENIGN, e);
	if (loader_set_judge(t->engine, &cpu_ns, e) < 0)
		return failed(t, REASON_LOAD, e);
	t->figures.cpu_ns += cpu_ns;
	return 0;
}

static int test_step(struct trial *t, struct err *e)
{
	const struct canary_job *job = t->t->job;
	const struct selftest_run run = {
		.engine = t->engine, .drop = job->drop, .drop_count = job->drop_count, .contract = t->contract,
		.progress = on_progress, .progress_arg = t, .told = job->tests ? on_test : NULL, .told_arg = t,
	};

	if (loader_set_wants_offers(t->engine)) {
		doing(t, "judging events", "");
		if (judge_step(t, &run, e) < 0)
			return -1;
	}
	doing(t, "running self-test", "");
	if (selftest_step(t, &run, e) < 0)
		return -1;
	doing(t, "matching benign event", "");
	return benign_step(t, &run, e);
}

/* ---- figures ---- */

static void figures(struct trial *t)
{
	t->out->rss_bytes = rss_used(t->rss_before);
	if (t->figures.timed)
		t->out->us_per_event = (int64_t)(t->figures.cpu_ns / t->figures.timed + 999) / 1000;
	t->out->selftests = t->figures.run;
	t->out->selftests_skipped = t->figures.skipped;
	t->out->benign_events = t->figures.events;
	t->out->benign_matches = t->figures.matches;
}

static int over(struct trial *t, enum canary_outcome outcome, enum reason reason, const char *what, int64_t value,
		int64_t ceiling, const char *unit)
{
	char sentence[200];

	snprintf(sentence, sizeof(sentence), "%s took %" PRId64 " %s, the ceiling is %" PRId64, what, value, unit, ceiling);
	return ended(t, outcome, reason_word(reason), sentence);
}

static int ceilings(struct trial *t)
{
	if (t->out->rss_bytes > t->ceiling.rss_bytes)
		return over(t, CANARY_CEILING_RSS, REASON_CEILING_RSS, "the content", t->out->rss_bytes,
			    t->ceiling.rss_bytes, "bytes");
	if (t->out->load_ms > t->ceiling.load_ms) {
		/* Waiting for a busy machine is no property of the content: that is tried again. */
		bool own = t->load_cpu_ms > t->ceiling.load_ms / 2;

		return over(t, own ? CANARY_CEILING_LOAD : CANARY_HANG, own ? REASON_CEILING_LOAD : REASON_BUSY, "loading",
			    t->out->load_ms, t->ceiling.load_ms, "ms");
	}
	if (t->out->us_per_event > t->ceiling.us_per_event)
		return over(t, CANARY_CEILING_EVENT, REASON_CEILING_EVENT, "an event", t->out->us_per_event,
			    t->ceiling.us_per_event, "us");
	return 0;
}

static int steps(struct trial *t, struct err *e)
{
	doing(t, "preparing", "");
	if (confine_step(t, e) < 0)
		return -1;
	doing(t, "reading", MANIFEST_NAME);
	if (read_step(t, e) < 0)
		return -1;
	if (!t->t->commands && wants_commands(t)) {
		t->t->page->wants_commands = 1;
		return ended(t, CANARY_ENVIRONMENT, reason_word(REASON_INTERNAL), "the content needs a check command");
	}
	doing(t, "checking", "");
	if (!t->t->job->checked && check_step(t, e) < 0)
		return -1;
	doing(t, "loading", "");
	if (load_step(t, e) < 0)
		return -1;
	return test_step(t, e);
}

void canary_try(struct canary_try *try, struct canary_result *out)
{
	struct trial t = { .t = try, .out = out };
	struct err e = { 0 };
	bool done;

	memset(out, 0, sizeof(*out));
	done = steps(&t, &e) == 0;
	figures(&t);
	if (done)
		ceilings(&t);
	doing(&t, "unloading", "");     /* a crash here is a crash, too */
	loader_set_free(t.engine);
	manifest_free(t.manifest);
	contract_free(t.contract);
}
