/*
 * loader_exec: content that only the sensor itself can judge.
 *
 * The host configures a command for the type; it gets the slot's path, the
 * channel, the digest and the serial, and nothing that came from the content.
 * Exit status 0 accepts. There are no events: such content is watched on
 * probation.
 */
#include "content/loader.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "content/manifest.h"

#define TIMEOUT_MS 30000
#define OUTPUT_MAX 4096
#define ARGS_MAX 64

struct exec_engine {
	struct loader_stats stats;
};

/* The last line that says anything: where programs put their reason. */
static void last_line(const struct buf *output, char *out, size_t cap)
{
	size_t end = output ? output->len : 0, from;

	while (end && strchr("\r\n \t", output->data[end - 1]))
		end--;
	for (from = end; from && output->data[from - 1] != '\n'; from--)
		;
	snprintf(out, cap, "%.*s", (int)MIN(end - from, 200), end ? output->data + from : "");
}

static int judge(const struct loader_exec *x, const struct proc_result *r, struct err *e)
{
	char words[128], said[256];

	if (r->exit_status == 0)
		return 0;
	proc_result_words(r, words, sizeof(words));
	last_line(r->output, said, sizeof(said));
	return err_set(e, r->timed_out ? ERR_TIMEOUT : r->exit_status < 0 ? ERR_CRASH : ERR_REFUSED,
		       "%s (type \"%s\"): %s%s%s", x->argv[0], x->type, words, *said ? ": " : "", said);
}

static int run(const struct loader_exec *x, const struct loader_job *job, struct err *e)
{
	char serial[24];
	const char *argv[ARGS_MAX + 5];
	struct proc_result result = { 0 };
	struct proc_run command = { .path = x->argv[0], .stdin_fd = -1, .output_max = OUTPUT_MAX,
				    .timeout_ms = x->timeout_ms ? x->timeout_ms : TIMEOUT_MS };
	size_t n = 0;
	int rc;

	if (!x->argv[0] || x->argv[0][0] != '/')
		return err_set(e, ERR_USAGE, "the check command of type \"%s\" has no absolute path", x->type);
	while (n < ARGS_MAX && x->argv[n]) {
		argv[n] = x->argv[n];
		n++;
	}
	snprintf(serial, sizeof(serial), "%" PRIu64, job->manifest->serial);
	argv[n++] = job->slot_path ? job->slot_path : "";
	argv[n++] = job->manifest->channel;
	argv[n++] = job->digest ? job->digest : "";
	argv[n++] = serial;
	argv[n] = NULL;
	command.argv = (char *const *)argv;
	if (proc_run(&command, &result, e) < 0)
		return e->code;
	rc = judge(x, &result, e);
	proc_result_release(&result);
	return rc;
}

/* Is this type the business of a loader of its own? */
static bool is_mine(const char *type)
{
	if (loader_is_data(type))
		return false;
	for (const struct loader *const *l = loader_builtin; *l; l++)
		if ((*l)->type && strcmp((*l)->type, type) == 0)
			return false;
	return true;
}

static int load(void **engine, const struct loader_job *job, struct err *e)
{
	struct exec_engine *x = calloc(1, sizeof(*x));

	if (!x)
		return err_memory(e);
	for (size_t i = 0; i < job->manifest->file_count; i++)
		if (is_mine(job->manifest->files[i].type)) {
			x->stats.files++;
			x->stats.bytes += job->manifest->files[i].size;
		}
	for (size_t i = 0; i < job->exec_count; i++) {
		bool used = false;

		for (size_t k = 0; k < job->manifest->file_count && !used; k++)
			used = strcmp(job->manifest->files[k].type, job->exec[i].type) == 0;
		if (!used || !is_mine(job->exec[i].type))
			continue;
		if (run(&job->exec[i], job, e) < 0) {
			free(x);
			return e->code;
		}
	}
	*engine = x;
	return 0;
}

static void stats(const void *engine, struct loader_stats *out)
{
	*out = ((const struct exec_engine *)engine)->stats;
}

static void release(void *engine)
{
	free(engine);
}

const struct loader loader_exec = {
	.name = "exec",
	.load = load,
	.stats = stats,
	.free = release,
};
