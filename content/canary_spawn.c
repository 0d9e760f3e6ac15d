/*
 * canary_spawn: a try from a program with threads: the program runs itself as
 * `program canary ...`, and the record comes back over its standard output.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "base/proc.h"
#include "content/canary.h"
#include "schema/contract.h"
#include "schema/reason.h"

#define SPAWN_MAGIC UINT64_C(0x314e574150534852)
#define ARGS_MAX 4096
#define EXEC_MAX 16
#define GRACE_MS 10000                  /* beyond the try's own time: start and record */

struct spawn_record {
	uint64_t magic;
	uint64_t size;                  /* of the result: both sides are the same program */
	struct canary_result result;
};

/* ---- arguments: a flat list of texts ---- */

struct args {
	char *items[ARGS_MAX];
	size_t count;
	bool failed;
};

static void arg(struct args *a, const char *text)
{
	if (a->count >= ARGS_MAX - 1 || !(a->items[a->count] = strdup(text))) {
		a->failed = true;
		return;
	}
	a->count++;
}

static void arg_number(struct args *a, const char *name, int64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, v);
	arg(a, name);
	arg(a, text);
}

static void arg_exec(struct args *a, const struct loader_exec *x)
{
	size_t n = 0;

	while (x->argv[n])
		n++;
	arg(a, "--exec");
	arg(a, x->type);
	arg_number(a, "--timeout", x->timeout_ms);
	arg_number(a, "--words", (int64_t)n);
	for (size_t i = 0; i < n; i++)
		arg(a, x->argv[i]);
}

static void write_args(struct args *a, const char *program, const struct canary_job *job)
{
	arg(a, program);
	arg(a, "canary");
	arg(a, "--slot");
	arg(a, job->slot);
	if (job->digest) {
		arg(a, "--digest");
		arg(a, job->digest);
	}
	if (job->contract)
		arg(a, "--contract-on-stdin");
	for (size_t i = 0; i < job->drop_count; i++) {
		arg(a, "--drop");
		arg(a, job->drop[i]);
	}
	for (size_t i = 0; i < job->benign_count; i++) {
		arg(a, "--benign");
		arg(a, job->benign[i]);
	}
	for (size_t i = 0; i < job->exec_count; i++)
		arg_exec(a, &job->exec[i]);
	arg_number(a, "--wall-ms", job->wall_ms);
	arg_number(a, "--uid", (int64_t)job->uid);
	arg_number(a, "--gid", (int64_t)job->gid);
}

static void args_free(struct args *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->count; i++)
		free(a->items[i]);
	free(a);
}

AUTO_DEFINE(args, struct args *, args_free);

/* ---- the caller ---- */

static int contract_fd(const struct canary_job *job, struct err *e)
{
	int fd = memfd_create("contract", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "canary: memory file");
	if (file_write_all(fd, job->contract, job->contract_len, e) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return e->code ? e->code : err_errno(e, "canary: memory file");
	}
	return fd;
}

static void no_record(struct canary_result *out, const struct proc_result *p)
{
	char words[160];

	memset(out, 0, sizeof(*out));
	proc_result_words(p, words, sizeof(words));
	out->outcome = CANARY_ENVIRONMENT;
	snprintf(out->reason, sizeof(out->reason), "%s", reason_word(REASON_INTERNAL));
	snprintf(out->sentence, sizeof(out->sentence), "the canary's helper gave no result: %s", words);
}

static void take_record(struct canary_result *out, const struct proc_result *p)
{
	struct spawn_record r;

	if (!p->output || p->output->len < sizeof(r)) {
		no_record(out, p);
		return;
	}
	memcpy(&r, p->output->data + p->output->len - sizeof(r), sizeof(r));
	if (r.magic != SPAWN_MAGIC || r.size != sizeof(r.result)) {
		no_record(out, p);
		return;
	}
	*out = r.result;
	out->reason[sizeof(out->reason) - 1] = '\0';
	out->sentence[sizeof(out->sentence) - 1] = '\0';
}

int canary_spawn(const char *program, const struct canary_job *job, struct canary_result *out, struct err *e)
{
	AUTO(args) struct args *a = calloc(1, sizeof(*a));
	AUTO_FD int stdin_fd = -1;
	struct proc_result result = { 0 };
	struct proc_run run = { .path = program, .stdin_fd = -1, .output_max = 1 << 20,
				.timeout_ms = 2 * (job->wall_ms > 0 ? job->wall_ms : 60000) + GRACE_MS };

	if (!a)
		return err_memory(e);
	if (!job->slot || job->loaders)
		return err_set(e, ERR_USAGE, "canary: a job that cannot cross to another process");
	write_args(a, program, job);
	if (a->failed)
		return err_set(e, ERR_LIMIT, "canary: more than %d arguments", ARGS_MAX);
	if (job->contract) {
		stdin_fd = contract_fd(job, e);
		if (stdin_fd < 0)
			return e->code;
	}
	run.argv = a->items;
	run.stdin_fd = stdin_fd;
	if (proc_run(&run, &result, e) < 0)
		return e->code;
	take_record(out, &result);
	proc_result_release(&result);
	return 0;
}

/* ---- the helper ---- */

struct parsed {
	struct canary_job job;
	const char *drop[ARGS_MAX], *benign[ARGS_MAX];
	struct loader_exec exec[EXEC_MAX];
	const char *words[ARGS_MAX + EXEC_MAX];         /* the commands' argv, each ended by NULL */
	size_t word_count;
	bool contract;
};

/* argv[*at] is --exec; leaves *at behind its last word. */
static bool parse_exec(struct parsed *p, int argc, char **argv, int *at)
{
	struct loader_exec *x = &p->exec[p->job.exec_count];
	int64_t timeout, words;
	int i = *at;

	if (p->job.exec_count == EXEC_MAX || argc - i < 6 || strcmp(argv[i + 2], "--timeout") != 0 ||
	    strcmp(argv[i + 4], "--words") != 0 || !number_parse(&timeout, argv[i + 3]) ||
	    !number_parse(&words, argv[i + 5]) || words < 1 || words > argc - i - 6)
		return false;
	*x = (struct loader_exec){ .type = argv[i + 1], .argv = &p->words[p->word_count], .timeout_ms = timeout };
	for (int k = 0; k < (int)words; k++)
		p->words[p->word_count++] = argv[i + 6 + k];
	p->words[p->word_count++] = NULL;
	p->job.exec_count++;
	*at = i + 6 + (int)words;
	return true;
}

static bool parse_pair(struct parsed *p, const char *name, char *value)
{
	int64_t n;

	if (strcmp(name, "--slot") == 0)
		p->job.slot = value;
	else if (strcmp(name, "--digest") == 0)
		p->job.digest = value;
	else if (strcmp(name, "--drop") == 0)
		p->drop[p->job.drop_count++] = value;
	else if (strcmp(name, "--benign") == 0)
		p->benign[p->job.benign_count++] = value;
	else if (!number_parse(&n, value) || n < 0)
		return false;
	else if (strcmp(name, "--wall-ms") == 0)
		p->job.wall_ms = n;
	else if (strcmp(name, "--uid") == 0)
		p->job.uid = (uid_t)n;
	else if (strcmp(name, "--gid") == 0)
		p->job.gid = (gid_t)n;
	else
		return false;
	return true;
}

static int parse_args(struct parsed *p, int argc, char **argv, struct err *e)
{
	int at = 0;

	p->job.drop = p->drop;
	p->job.benign = p->benign;
	p->job.exec = p->exec;
	if (argc > ARGS_MAX)
		return err_set(e, ERR_USAGE, "canary: more than %d arguments", ARGS_MAX);
	while (at < argc) {
		bool ok;

		if (strcmp(argv[at], "--contract-on-stdin") == 0) {
			p->contract = true;
			at++;
			continue;
		}
		if (strcmp(argv[at], "--exec") == 0) {
			ok = parse_exec(p, argc, argv, &at);
		} else {
			ok = at + 1 < argc && parse_pair(p, argv[at], argv[at + 1]);
			at += 2;
		}
		if (!ok)
			return err_set(e, ERR_USAGE, "canary: wrong arguments; this mode is for the program itself");
	}
	return 0;
}

static int run_job(struct parsed *p, struct canary_result *out, struct err *e)
{
	AUTO(buf) struct buf *contract = NULL;

	if (p->contract) {
		if (file_read_fd(&contract, STDIN_FILENO, CONTRACT_BYTES_MAX, e) < 0)
			return e->code;
		p->job.contract = contract->data ? contract->data : "";
		p->job.contract_len = contract->len;
	}
	return canary_run(&p->job, out, e);
}

int canary_main(int argc, char **argv)
{
	static struct spawn_record record;
	static struct parsed p;
	struct err e = { 0 };

	if (parse_args(&p, argc, argv, &e) < 0 || run_job(&p, &record.result, &e) < 0) {
		fprintf(stderr, "canary: %s\n", e.msg);
		return err_exit_status(e.code);
	}
	record.magic = SPAWN_MAGIC;
	record.size = sizeof(record.result);
	return file_write_all(STDOUT_FILENO, &record, sizeof(record), &e) < 0 ? 1 : 0;
}
