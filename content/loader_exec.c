/*
 * loader_exec: content that only the sensor's own engine can judge.
 *
 * The host configures a command for the type. It gets the slot's path, the
 * channel, the digest and the serial as arguments, the paths of its files on
 * standard input, and nothing else that came from the content. Exit status 0
 * accepts. A command that says so at load is run once more, with all events of
 * self-tests and corpora as files, and answers each with a verdict
 * (loader_answers.h); content of any other is watched on probation only.
 */
#include "content/loader.h"

#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "content/event_sample.h"
#include "content/loader_answers.h"
#include "content/loader_events.h"
#include "content/manifest.h"

#define TIMEOUT_MS 600000
#define CHATTER_MAX ((size_t)256 << 10)
#define ANSWER_MAX ((size_t)512)        /* of one event, chatter about it included */
#define ARGS_MAX 64
#define COMMANDS_MAX 16

struct command {
	const struct loader_exec *x;
	struct loader_events *events;   /* NULL: it judges none */
	int64_t load_cpu_us;
	char home[PATH_MAX];            /* where it may write; "" nowhere */
};

struct exec_engine {
	struct loader_job job;          /* what it points to is the caller's */
	struct command commands[COMMANDS_MAX];
	size_t count;
	struct loader_stats stats;
};

/* ---- one run ---- */

struct run {
	struct loader_answers answers;
	size_t output_max;
	const char *events;             /* directory; NULL: only load */
	int64_t cpu_us;                 /* what it took */
};

static int verdict_of(const struct loader_exec *x, const struct proc_result *r, const char *text, size_t len, struct err *e)
{
	char words[128], said[400];
	int code = ERR_REFUSED;

	if (r->exit_status == 0 && !r->too_much)
		return 0;
	proc_result_words(r, words, sizeof(words));
	loader_answers_reason(text, len, said, sizeof(said));
	if (r->timed_out)
		code = ERR_TIMEOUT;
	else if (r->too_much)
		code = ERR_LIMIT;
	else if (r->signal == SIGKILL)  /* as the system does when memory is short */
		code = ERR_MEMORY;
	else if (r->signal)
		code = r->signal == SIGXCPU ? ERR_TIMEOUT : ERR_CRASH;
	return err_set(e, code, "%s (type \"%s\"): %s%s%s", x->argv[0], x->type, words, *said ? ": " : "", said);
}

static int list = -1;           /* a file in memory that all commands read in turn */

int loader_exec_prepare(struct err *e)
{
	if (list < 0)
		list = memfd_create("files", MFD_CLOEXEC);
	return list < 0 ? err_errno(e, "memory file") : 0;
}

/* The paths of the command's files, a line each, as its standard input. */
static int write_list(const struct loader_job *job, const char *type, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (!text)
		return err_memory(e);
	for (size_t i = 0; i < job->manifest->file_count; i++)
		if (strcmp(job->manifest->files[i].type, type) == 0)
			buf_addf(text, "%s\n", job->manifest->files[i].path);
	if (buf_check(text, e) < 0 || loader_exec_prepare(e) < 0)
		return e->code;
	if (ftruncate(list, 0) < 0 || lseek(list, 0, SEEK_SET) < 0)
		return err_errno(e, "memory file");
	if (file_write_all(list, text->data, text->len, e) < 0)
		return e->code;
	return lseek(list, 0, SEEK_SET) < 0 ? err_errno(e, "memory file") : 0;
}

/* Arguments and environment of one run. */
struct call {
	const char *argv[ARGS_MAX + 5];
	char *env[8];
	char serial[24], type[NAME_LEN_MAX + 32], home[PATH_MAX + 8], tmp[PATH_MAX + 8], events[PATH_MAX + 24], count[40];
};

static void write_arguments(struct call *c, const struct loader_exec *x, const struct loader_job *job)
{
	size_t n = 0;

	while (n < ARGS_MAX && x->argv[n]) {
		c->argv[n] = x->argv[n];
		n++;
	}
	snprintf(c->serial, sizeof(c->serial), "%" PRIu64, job->manifest->serial);
	c->argv[n++] = job->slot_path ? job->slot_path : "";
	c->argv[n++] = job->manifest->channel;
	c->argv[n++] = job->digest ? job->digest : "";
	c->argv[n++] = c->serial;
	c->argv[n] = NULL;
}

static void write_environment(struct call *c, const struct command *of, const struct run *run)
{
	size_t n = 0;

	c->env[n++] = (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	c->env[n++] = (char *)"LANG=C";
	snprintf(c->type, sizeof(c->type), "RINGHOLD_TYPE=%s", of->x->type);
	c->env[n++] = c->type;
	if (*of->home) {
		snprintf(c->home, sizeof(c->home), "HOME=%s", of->home);
		snprintf(c->tmp, sizeof(c->tmp), "TMPDIR=%s", of->home);
		c->env[n++] = c->home;
		c->env[n++] = c->tmp;
	}
	if (run->events) {
		snprintf(c->events, sizeof(c->events), "RINGHOLD_EVENTS=%s", run->events);
		snprintf(c->count, sizeof(c->count), "RINGHOLD_COUNT=%zu", run->answers.count);
		c->env[n++] = c->events;
		c->env[n++] = c->count;
	}
	c->env[n] = NULL;
}

static int enter(void *home)
{
	return *(char *)home ? chdir(home) : 0;
}

static int perform(struct command *c, const struct loader_job *job, struct run *run, struct err *e)
{
	const struct loader_exec *x = c->x;
	struct call call;
	struct proc_result result = { 0 };
	struct proc_run command = { .path = x->argv[0], .argv = (char *const *)call.argv, .env = call.env, .output_max = run->output_max,
				    .output_ends = true, .timeout_ms = x->timeout_ms ? x->timeout_ms : TIMEOUT_MS,
				    .confine = enter, .confine_arg = c->home };
	int rc;

	if (write_list(job, x->type, e) < 0)
		return e->code;
	command.stdin_fd = list;
	write_arguments(&call, x, job);
	write_environment(&call, c, run);
	if (proc_run(&command, &result, e) < 0)
		return e->code;
	run->cpu_us = result.cpu_us;
	rc = verdict_of(x, &result, result.output->data, result.output->len, e);
	if (rc == 0 && loader_answers_parse(&run->answers, result.output->data, result.output->len, e) < 0)
		rc = err_wrap(e, "%s (type \"%s\")", x->argv[0], x->type);
	proc_result_release(&result);
	return rc;
}

/* ---- loading ---- */

static bool is_mine(const char *type)
{
	if (loader_is_data(type))
		return false;
	for (const struct loader *const *l = loader_builtin; *l; l++)
		if ((*l)->type && strcmp((*l)->type, type) == 0)
			return false;
	return true;
}

static bool has_files(const struct manifest *m, const char *type)
{
	for (size_t i = 0; i < m->file_count; i++)
		if (strcmp(m->files[i].type, type) == 0)
			return true;
	return false;
}

/* Each command has a part of the scratch directory to itself. */
static int make_home(struct command *c, const char *scratch, struct err *e)
{
	if (!scratch)
		return 0;
	if ((size_t)snprintf(c->home, sizeof(c->home), "%s/%s", scratch, c->x->type) >= sizeof(c->home))
		return err_set(e, ERR_LIMIT, "%s: the path is too long", scratch);
	return mkdir(c->home, 0700) < 0 ? err_errno(e, "%s", c->home) : 0;
}

static int load_one(struct exec_engine *x, const struct loader_exec *command, struct err *e)
{
	struct command *c = &x->commands[x->count];
	struct run run = { .output_max = CHATTER_MAX };

	if (!command->argv[0] || command->argv[0][0] != '/')
		return err_set(e, ERR_USAGE, "the check command of type \"%s\" has no absolute path", command->type);
	if (x->count == COMMANDS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d check commands for one bundle", COMMANDS_MAX);
	*c = (struct command){ .x = command };
	if (make_home(c, x->job.scratch, e) < 0 || perform(c, &x->job, &run, e) < 0)
		return e->code;
	c->load_cpu_us = run.cpu_us;
	x->stats.rules += run.answers.rules;
	if (run.answers.events && !(c->events = loader_events_new()))
		return err_memory(e);
	x->count++;
	return 0;
}

static void release(void *engine)
{
	struct exec_engine *x = engine;

	if (!x)
		return;
	while (x->count)
		loader_events_free(x->commands[--x->count].events);
	free(x);
}

static int load(void **engine, const struct loader_job *job, struct err *e)
{
	struct exec_engine *x = calloc(1, sizeof(*x));

	if (!x)
		return err_memory(e);
	x->job = *job;
	for (size_t i = 0; i < job->manifest->file_count; i++)
		if (is_mine(job->manifest->files[i].type)) {
			x->stats.files++;
			x->stats.bytes += job->manifest->files[i].size;
		}
	for (size_t i = 0; i < job->exec_count; i++) {
		if (!has_files(job->manifest, job->exec[i].type) || !is_mine(job->exec[i].type))
			continue;
		if (load_one(x, &job->exec[i], e) < 0) {
			release(x);
			return e->code;
		}
	}
	*engine = x;
	return 0;
}

/* ---- events ---- */

/* By name; a sample that names no type is for every command. */
static bool is_for(const struct command *c, const struct json *event)
{
	const struct json *type = json_get(event, "type");

	if (!c->events)
		return false;
	if (!type)
		return event_sample_is(event);
	return type->type == JSON_STRING && strcmp(type->u.text, c->x->type) == 0;
}

static bool takes(const void *engine, const struct json *event)
{
	const struct exec_engine *x = engine;

	for (size_t i = 0; i < x->count; i++)
		if (is_for(&x->commands[i], event))
			return true;
	return false;
}

static int offer(void *engine, const struct json_doc *d, const struct json *event, struct err *e)
{
	struct exec_engine *x = engine;

	if (!x->job.scratch)
		return err_set(e, ERR_INTERNAL, "no directory of its own here to hand events to a check command in");
	for (size_t i = 0; i < x->count; i++)
		if (is_for(&x->commands[i], event) && loader_events_add(x->commands[i].events, &x->job, x->commands[i].home, d, event, e) < 0)
			return e->code;
	return 0;
}

static int judge_one(struct exec_engine *x, struct command *c, uint64_t *cpu_ns, struct err *e)
{
	struct run run = { .cpu_us = 0 };
	size_t missing;

	if (!c->events || !loader_events_count(c->events))
		return 0;
	run.events = loader_events_dir(c->events);
	run.output_max = CHATTER_MAX + ANSWER_MAX * loader_events_count(c->events);
	if (loader_events_ask(c->events, &run.answers, e) < 0 || perform(c, &x->job, &run, e) < 0)
		return e->code;
	missing = loader_events_settle(c->events);
	if (missing)
		return err_set(e, ERR_REFUSED, "%s (type \"%s\"): gave no verdict on event %zu of %zu", c->x->argv[0], c->x->type, missing,
			       run.answers.count);
	*cpu_ns += (uint64_t)MAX(run.cpu_us - c->load_cpu_us, (int64_t)0) * 1000;
	return 0;
}

static int judge(void *engine, uint64_t *cpu_ns, struct err *e)
{
	struct exec_engine *x = engine;

	*cpu_ns = 0;
	for (size_t i = 0; i < x->count; i++)
		if (judge_one(x, &x->commands[i], cpu_ns, e) < 0)
			return e->code;
	return 0;
}

/* The strongest of what the commands said. */
static int match(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e)
{
	struct exec_engine *x = engine;
	const struct detection *said;

	x->stats.events++;
	for (size_t i = 0; i < x->count; i++) {
		uint32_t before = out->matches;

		if (!is_for(&x->commands[i], event))
			continue;
		said = loader_events_find(x->commands[i].events, event, e);
		if (!said)
			return e->code ? e->code : json_error(d, event, e, ERR_INTERNAL, "an event that was not offered");
		if (said->action > out->action)
			*out = *said;
		out->matches = before + said->matches;
	}
	return 0;
}

static void stats(const void *engine, struct loader_stats *out)
{
	*out = ((const struct exec_engine *)engine)->stats;
}

const struct loader loader_exec = {
	.name = "exec",
	.load = load,
	.takes = takes,
	.offer = offer,
	.judge = judge,
	.match = match,
	.stats = stats,
	.free = release,
};
