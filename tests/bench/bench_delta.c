/*
 * bench_delta: what a delta weighs on the wire, manifest included, beside the
 * best of bsdiff, xdelta3 and zstd on the same pair of uncompressed archives.
 * The pair is two weeks of a public YARA set, from $RINGHOLD_SHARED or ../shared.
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

/* Bytes of what a tool makes of the pair; 0: the tool is not installed. */
static long long of_tool(const char *tool, const char *script)
{
	char command[900], path[128], *argv[] = { (char *)"sh", (char *)"-ec", command, NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .stdin_fd = -1, .timeout_ms = TOOL_MS, .output_max = 4096 };
	struct proc_result r;
	struct stat st = { 0 };
	struct err e;

	snprintf(command, sizeof command, "cd %s; rm -f out; %s", work, script);
	snprintf(path, sizeof path, "%s/out", work);
	if (proc_run(&run, &r, &e) < 0)
		return 0;
	proc_result_release(&r);
	if (stat(path, &st) < 0)
		printf("  %-26s not installed\n", tool);
	else
		printf("  %-26s %9lld bytes\n", tool, (long long)st.st_size);
	return (long long)st.st_size;
}

static int compare(struct err *e)
{
	static const struct { const char *name, *script; } tools[] = {
		{ "bsdiff", "bsdiff 1.tar 2.tar out" },
		{ "xdelta3 -9", "xdelta3 -9 -e -f -s 1.tar 2.tar out" },
		{ "zstd -19 --patch-from", "zstd -q -f -19 --long=27 --patch-from=1.tar 2.tar -o out" },
	};
	AUTO(buf) struct buf *delta = buf_new(0);
	struct delta_info info;
	char path[128];
	long long best = 0;

	snprintf(path, sizeof path, "%s/1", work);
	AUTO_FD int old = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof path, "%s/2", work);
	AUTO_FD int new = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!delta || delta_make(delta, old, new, &info, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
		long long n = of_tool(tools[i].name, tools[i].script);

		if (n && (!best || n < best))
			best = n;
	}
	printf("  %-26s %9zu bytes\n", "ours, manifest included", delta->len);
	if (best)
		printf("  %.2f x the best of them; at most %.2f is wanted%s\n", (double)delta->len / (double)best, RATIO_MAX,
		       (double)delta->len <= RATIO_MAX * (double)best ? "" : ": MISSED");
	return 0;
}

int main(void)
{
	const char *shared = getenv("RINGHOLD_SHARED");
	char dir[1024];
	struct err e = { 0 }, ignored;
	int rc;

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
	if (rc == 0)
		rc = compare(&e);
	if (file_remove_tree(work, &ignored) < 0)
		fprintf(stderr, "bench_delta: %s\n", ignored.msg);
	return rc < 0 ? fail(&e) : 0;
}
