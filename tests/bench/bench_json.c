/*
 * bench_json: parsing realistic rule documents, beside jansson, in one run.
 * Figures of both and their ratio; machines are noisy, ratios less so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "tests/bench/peer_jansson.h"

#define DOCUMENTS 2000
#define ROUNDS 7

/* About 7 KB of rules, different for every n. */
static void rules_document(struct buf *out, unsigned n)
{
	struct json_writer w = { .out = out };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_open_array(&w, "instances");
	for (unsigned i = 0; i < 32; i++) {
		char id[32], path[64];

		snprintf(id, sizeof id, "ipc-%04u-%02u", n, i);
		snprintf(path, sizeof path, "/usr/lib/service-%u/bin/run-%u", n % 97, i);
		json_open_object(&w, NULL);
		json_put_text(&w, "id", id);
		json_put_text(&w, "template", "ipc");
		json_put_text(&w, "verdict", i % 3 ? "alert" : "observe");
		json_put_text(&w, "note", "a service that talks to a pipe \"it\" never \\ used before");
		json_open_object(&w, "match");
		json_open_object(&w, "image");
		json_put_text(&w, "suffix", path);
		json_close_object(&w);
		json_open_object(&w, "pid");
		json_open_array(&w, "range");
		json_put_int(&w, NULL, n);
		json_put_int(&w, NULL, n + i * 1000);
		json_close_array(&w);
		json_close_object(&w);
		json_close_object(&w);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
}

static int64_t ours(char *const *texts, const size_t *lens, struct err *e)
{
	int64_t start = clock_cpu_us();

	for (unsigned i = 0; i < DOCUMENTS; i++) {
		AUTO(json) struct json_doc *d = NULL;

		if (json_parse(&d, "rules", texts[i], lens[i], NULL, e) < 0)
			return -1;
	}
	return clock_cpu_us() - start;
}

int main(void)
{
	static char *texts[DOCUMENTS];
	static size_t lens[DOCUMENTS];
	int64_t best = INT64_MAX, best_theirs = INT64_MAX;
	size_t bytes = 0;
	struct err e;

	for (unsigned i = 0; i < DOCUMENTS; i++) {
		struct buf b = { 0 };

		rules_document(&b, i);
		lens[i] = b.len;
		bytes += b.len;
		texts[i] = buf_take(&b);
		if (!texts[i])
			return 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		int64_t a = ours(texts, lens, &e), b = peer_jansson_parse(texts, lens, DOCUMENTS);

		if (a < 0 || b < 0) {
			fprintf(stderr, "bench_json: a document was refused\n");
			return 1;
		}
		best = MIN(best, a);
		best_theirs = MIN(best_theirs, b);
	}
	printf("json parse: %u documents of %zu bytes: %.0f MB/s; jansson %.0f MB/s; %.1f times as fast\n", DOCUMENTS,
	       bytes / DOCUMENTS, (double)bytes / (double)best, (double)bytes / (double)best_theirs,
	       (double)best_theirs / (double)best);
	for (unsigned i = 0; i < DOCUMENTS; i++)
		free(texts[i]);
	return 0;
}
