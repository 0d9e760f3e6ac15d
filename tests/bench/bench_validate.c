/*
 * bench_validate: rules against their schema, as NDJSON: parse alone and parse
 * with validation, beside JSON.parse with ajv on the same file and schema, in
 * turns, the best of each, with the targets; then the memory of a run over 16
 * and over 160 MB.
 * Files are generated, the same on every machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "schema/schema.h"

#define SCHEMA "schema/rules.schema.json"
#define PEER "tests/peers/validate.mjs"
#define MEGABYTE ((size_t)1000000)
#define BYTES (16 * MEGABYTE)
#define TURNS 3                 /* of ours, then theirs */
#define ROUNDS 5                /* in each turn */
#define ADDS_MOST 50            /* targets: percent of the time of parsing that validation adds */
#define FASTER_LEAST 2.5        /* parse and validate, times ajv */
#define FASTER_STRETCH 3.5

static struct err e;

/* ---- what is checked ---- */

static void put_instance(struct json_writer *w, unsigned n, unsigned i)
{
	static const char *const verdicts[] = { "observe", "alert", "alert", "block" };
	char id[32], path[64], net[32];

	snprintf(id, sizeof id, "ipc-%04u-%02u", n % 10000, i);
	snprintf(path, sizeof path, "/usr/lib/service-%u/bin/run-%u", n % 97, i);
	snprintf(net, sizeof net, "10.%u.%u.0/24", n % 200, i);
	json_open_object(w, NULL);
	json_put_text(w, "id", id);
	json_put_text(w, "template", "ipc");
	json_put_text(w, "verdict", verdicts[(n + i) % 4]);
	json_put_text(w, "note", "a service that talks to a pipe \"it\" never \\ used before");
	json_open_object(w, "match");
	json_open_object(w, "image");
	json_put_text(w, i % 2 ? "suffix" : "prefix", path);
	json_close_object(w);
	if (i % 3) {
		json_open_object(w, "pid");
		json_open_array(w, "range");
		json_put_int(w, NULL, n);
		json_put_int(w, NULL, n + i * 1000);
		json_close_array(w);
		json_close_object(w);
	} else {
		json_open_object(w, "remote");
		json_put_text(w, "cidr", net);
		json_close_object(w);
	}
	json_close_object(w);
	json_close_object(w);
}

static void put_template(struct json_writer *w)
{
	static const char *const fields[][2] = {
		{ "image", "path" }, { "pid", "integer" }, { "remote", "ip" }, { "user", "string" }, { "pipe", "string" },
	};

	json_open_object(w, NULL);
	json_put_text(w, "name", "ipc");
	json_open_array(w, "fields");
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		json_open_object(w, NULL);
		json_put_text(w, "name", fields[i][0]);
		json_put_text(w, "type", fields[i][1]);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

/* One line: a rules file of so many instances. */
static void put_line(struct buf *out, unsigned n, unsigned instances)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	if (instances > 1) {
		json_open_array(&w, "templates");
		put_template(&w);
		json_close_array(&w);
	}
	json_open_array(&w, "instances");
	for (unsigned i = 0; i < instances; i++)
		put_instance(&w, n, i + (instances == 1) * (n % 7));
	json_close_array(&w);
	json_close_object(&w);
	buf_addc(out, '\n');
}

static int write_lines(const char *path, size_t bytes, unsigned instances)
{
	FILE *f = fopen(path, "w");
	size_t written = 0;
	int rc = f ? 0 : err_errno(&e, "%s", path);

	for (unsigned n = 0; rc == 0 && written < bytes; n++) {
		struct buf b = { 0 };

		put_line(&b, n, instances);
		written += b.len;
		if (b.failed || fwrite(b.data, 1, b.len, f) != b.len)
			rc = err_set(&e, ERR_IO, "%s: not written", path);
		free(buf_take(&b));
	}
	if (f && fclose(f) != 0 && rc == 0)
		rc = err_errno(&e, "%s", path);
	return rc;
}

/* ---- ours ---- */

static struct json_doc *schema_doc;
static struct schema *schema;

/* CPU microseconds for all lines; negative: one of them failed. s NULL: parse alone. */
static int64_t ours(const struct buf *text, const struct schema *s, unsigned *documents)
{
	int64_t start = clock_cpu_us();
	const char *at = text->data, *end = at + text->len, *nl;

	for (*documents = 0; at < end && (nl = memchr(at, '\n', (size_t)(end - at))); at = nl + 1) {
		AUTO(json) struct json_doc *d = NULL;

		++*documents;
		if (json_parse(&d, "line", at, (size_t)(nl - at), NULL, &e) < 0 ||
		    (s && schema_check(s, d, d->root, NULL, &e) < 0))
			return -1;
	}
	return clock_cpu_us() - start;
}

struct times { int64_t parse, both; };

static int best_of_ours(struct times *best, const struct buf *text, unsigned *documents)
{
	for (int i = 0; i < ROUNDS; i++) {
		int64_t parse = ours(text, NULL, documents), both = ours(text, schema, documents);

		if (parse < 0 || both < 0)
			return e.code;
		best->parse = MIN(best->parse, parse);
		best->both = MIN(best->both, both);
	}
	return 0;
}

/* ---- theirs ---- */

/* 1: there is an answer, 0: no node or no ajv here. */
static int best_of_theirs(struct times *best, const char *path)
{
	const char *argv[] = { "env", "node", PEER, SCHEMA, path, "5", NULL };
	struct proc_run run = { .path = "/usr/bin/env", .argv = (char *const *)(uintptr_t)argv, .stdin_fd = -1, .timeout_ms = 120000,
				.output_max = 4096 };
	struct proc_result result;
	AUTO(json) struct json_doc *d = NULL;
	int64_t parse, both, invalid;
	int rc = proc_run(&run, &result, &e);

	if (rc < 0)
		return rc;
	if (result.exit_status != 0 || !result.output) {
		rc = 0;
	} else {
		rc = json_parse(&d, "validate.mjs", result.output->data, strcspn(result.output->data, "\n"), NULL, &e);
		if (rc == 0 && (json_want_int(d, d->root, "parse_us", 1, INT64_MAX, &parse, &e) < 0 ||
				json_want_int(d, d->root, "both_us", 1, INT64_MAX, &both, &e) < 0 ||
				json_want_int(d, d->root, "invalid", 0, 0, &invalid, &e) < 0))
			rc = e.code;
		if (rc == 0) {
			best->parse = MIN(best->parse, parse);
			best->both = MIN(best->both, both);
			rc = 1;
		}
	}
	if (d) {
		json_free(d);
		d = NULL;
	}
	proc_result_release(&result);
	return rc;
}

static void print_line(const char *who, const char *what, const struct buf *text, unsigned documents, int64_t us)
{
	printf("  %-12s %-18s %7.0f MB/s %9.0f documents/s\n", who, what, (double)text->len / (double)us,
	       (double)documents * 1e6 / (double)us);
}

static int compare(const char *path, unsigned instances)
{
	struct times us = { INT64_MAX, INT64_MAX }, them = { INT64_MAX, INT64_MAX };
	AUTO(buf) struct buf *text = NULL;
	unsigned documents = 0;
	int rc = 1;

	if (write_lines(path, BYTES, instances) < 0 || file_read(&text, path, 2 * BYTES, &e) < 0)
		return e.code;
	for (int i = 0; i < TURNS && rc == 1; i++) {
		if (best_of_ours(&us, text, &documents) < 0)
			return e.code;
		rc = best_of_theirs(&them, path);
	}
	if (rc < 0)
		return rc;
	printf("%u documents of %zu bytes, %.0f MB:\n", documents, text->len / documents,
	       (double)text->len / (double)MEGABYTE);
	print_line("ringhold", "parse", text, documents, us.parse);
	print_line("ringhold", "parse and validate", text, documents, us.both);
	printf("  validation adds %.0f %% to the time of parsing (target at most %d %%)\n",
	       100.0 * (double)(us.both - us.parse) / (double)us.parse, ADDS_MOST);
	if (rc == 0) {
		printf("  no node with ajv here to compare with\n");
		return 0;
	}
	print_line("node", "JSON.parse", text, documents, them.parse);
	print_line("node", "JSON.parse and ajv", text, documents, them.both);
	printf("  parse and validate %.2f times as fast as node with ajv (target at least %.1f, stretch %.1f), parse alone %.2f times\n",
	       (double)them.both / (double)us.both, FASTER_LEAST, FASTER_STRETCH, (double)them.parse / (double)us.parse);
	return 0;
}

/* ---- memory ---- */

/* In a process of its own: line by line. */
static int stream(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;
	int rc = f ? 0 : -1;

	while (rc == 0 && (len = getline(&line, &cap, f)) > 0) {
		AUTO(json) struct json_doc *d = NULL;

		rc = json_parse(&d, "line", line, (size_t)len, NULL, &e);
		if (rc == 0)
			rc = schema_check(schema, d, d->root, NULL, &e);
	}
	free(line);
	if (f)
		fclose(f);
	return rc;
}

static int measure_memory(const char *path, size_t bytes)
{
	struct rusage usage;
	int status;
	pid_t pid;

	if (write_lines(path, bytes, 32) < 0)
		return e.code;
	pid = fork();
	if (pid < 0)
		return err_errno(&e, "fork");
	if (pid == 0)
		_exit(stream(path) < 0);
	if (wait4(pid, &status, 0, &usage) != pid || status != 0)
		return err_set(&e, ERR_CRASH, "the run over %zu MB failed", bytes / MEGABYTE);
	printf("memory of a run over %zu MB: %.1f MB\n", bytes / MEGABYTE, (double)usage.ru_maxrss / 1000.0);
	return 0;
}

static int run(const char *path)
{
	AUTO(buf) struct buf *raw = NULL;
	int rc;

	if (file_read(&raw, SCHEMA, MEGABYTE, &e) < 0 || json_parse(&schema_doc, SCHEMA, raw->data, raw->len, NULL, &e) < 0 ||
	    schema_compile_as(&schema, schema_doc, schema_doc->root, &(struct schema_options){ .jit = true }, &e) < 0)
		return e.code;
	/* the memory first: a child starts with what its parent has used */
	rc = measure_memory(path, 16 * MEGABYTE);
	if (rc == 0)
		rc = measure_memory(path, 160 * MEGABYTE);
	if (rc == 0)
		rc = compare(path, 32);
	if (rc == 0)
		rc = compare(path, 1);
	schema_free(schema);
	json_free(schema_doc);
	return rc;
}

int main(void)
{
	char path[] = "/dev/shm/bench-validate-XXXXXX";
	int fd = mkstemp(path), rc;

	if (fd < 0) {
		perror("bench_validate");
		return 1;
	}
	close(fd);
	rc = run(path);
	unlink(path);
	if (rc < 0)
		fprintf(stderr, "bench_validate: %s\n", e.msg);
	return rc < 0;
}
