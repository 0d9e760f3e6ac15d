/*
 * bench_delta: what a delta weighs on the wire, manifest included, beside the
 * best of bsdiff, xdelta3 and zstd on the same pair of uncompressed archives.
 * The pair is two weeks of a public YARA set, from $RINGHOLD_SHARED or ../shared,
 * forwards and back. Bytes are no matter of the machine: one delta that is beyond
 * the limit, and one tool that is not there to be compared with, fail it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "content/bundle.h"
#include "content/delta.h"

#define RATIO_MAX 1.15
#define TOOL_MS 600000

static char work[] = "/tmp/bench_delta.XXXXXX";

static int fail(const struct err *e)
{
	fprintf(stderr, "bench_delta: %s\n", e->msg);
	return 1;
}

/* The bundle of a directory as work/N.tar.gz, work/N.tar and the tree work/N. */
static int prepare(const char *shared, const char *set, int n, struct err *e)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	char dir[1024], path[128], name[8], *argv[] = { (char *)"gzip", (char *)"-dk", path, NULL };
	struct proc_run run = { .path = "/usr/bin/gzip", .argv = argv, .stdin_fd = -1, .timeout_ms = TOOL_MS, .output_max = 4096 };
	struct proc_result r;

	snprintf(dir, sizeof dir, "%s/content/%s", shared, set);
	snprintf(path, sizeof path, "%s/%d.tar.gz", work, n);
	snprintf(name, sizeof name, "%d", n);
	o.channel = "yara";
	o.type = "yara";
	o.serial = n;
	o.created = 1700000000 + n;
	if (bundle_build(&b, dir, &o, e) < 0 || file_replace(path, b->archive->data, b->archive->len, 0644, e) < 0 ||
	    bundle_unpack(path, NULL, work, name, NULL, NULL, e) < 0 || proc_run(&run, &r, e) < 0)
		return e->code;
	proc_result_release(&r);
	return 0;
}

/* Bytes of what a tool makes of the pair. */
static int of_tool(long long *bytes, const char *tool, const char *script, int from, int to, struct err *e)
{
	char command[900], path[128], *argv[] = { (char *)"sh", (char *)"-ec", command, NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .stdin_fd = -1, .timeout_ms = TOOL_MS, .output_max = 4096 };
	struct proc_result r;
	struct stat st = { 0 };

	snprintf(command, sizeof command, "cd %s; from=%d to=%d; rm -f out; %s", work, from, to, script);
	snprintf(path, sizeof path, "%s/out", work);
	if (proc_run(&run, &r, e) < 0)
		return e->code;
	proc_result_release(&r);
	if (stat(path, &st) < 0)
		return err_set(e, ERR_NOT_FOUND, "%s made nothing: is it installed (deploy/bootstrap.sh tests)?", tool);
	printf("  %-26s %9lld bytes\n", tool, (long long)st.st_size);
	*bytes = (long long)st.st_size;
	return 0;
}

/* From work/1 to work/2, or back; 1: beyond the limit. */
static int compare(int from, int to, struct err *e)
{
	static const struct { const char *name, *script; } tools[] = {
		{ "bsdiff", "bsdiff $from.tar $to.tar out" },
		{ "xdelta3 -9", "xdelta3 -9 -e -f -s $from.tar $to.tar out" },
		{ "zstd -19 --patch-from", "zstd -q -f -19 --long=27 --patch-from=$from.tar $to.tar -o out" },
	};
	AUTO(buf) struct buf *delta = buf_new(0);
	struct delta_info info;
	char path[128];
	long long best = 0;
	bool kept;

	snprintf(path, sizeof path, "%s/%d", work, from);
	AUTO_FD int old = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/%d", work, to);
	AUTO_FD int new = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!delta || delta_make(delta, old, new, &info, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		long long n = 0;

		if (of_tool(&n, tools[i].name, tools[i].script, from, to, e) < 0)
			return e->code;
		best = best ? MIN(best, n) : n;
	}
	printf("  %-26s %9zu bytes\n", "ours, manifest included", delta->len);
	kept = (double)delta->len <= RATIO_MAX * (double)best;
	printf("  %.2f x the best of them; at most %.2f is wanted%s\n", (double)delta->len / (double)best, RATIO_MAX, kept ? "" : ": MISSED");
	return !kept;
}

int main(void)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char dir[1024];
	struct err e = { 0 }, ignored;
	int rc, missed = 0;

	log_init("bench", LOG_ERROR);
	shared = shared && *shared ? shared : "../shared";
	snprintf(dir, sizeof dir, "%s/content/yara-2024-03-18", shared);
	printf("delta of two weeks of a public YARA set, on the wire\n");
	if (!file_exists(dir)) {
		printf("  %s is missing: nothing to compare\n", dir);
		return 0;
	}
	if (!mkdtemp(work))
		return 1;
	rc = prepare(shared, "yara-2024-03-04", 1, &e);
	if (rc == 0)
		rc = prepare(shared, "yara-2024-03-18", 2, &e);
	for (int from = 1; rc == 0 && from <= 2; from++) {
		printf(from == 1 ? " forwards\n" : " and back\n");
		rc = compare(from, 3 - from, &e);
		missed |= rc == 1;
		rc = MIN(rc, 0);
	}
	if (file_remove_tree(work, &ignored) < 0)
		fprintf(stderr, "bench_delta: %s\n", ignored.msg);
	return rc < 0 ? fail(&e) : missed;
}
