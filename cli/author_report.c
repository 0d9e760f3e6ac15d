/* author_report: what a check and a try came to: for people, for programs, for a vendor's own pipeline. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "cli/author_check.h"
#include "content/selftest.h"

#define FAILURES_SHOWN 50

static const char *const outcome_names[] = { [SELFTEST_PASSED] = "passed", [SELFTEST_FAILED] = "failed", [SELFTEST_SKIPPED] = "skipped" };

/* "selftest/ipc.ndjson:12" */
static void test_name(char out[400], const struct author_result *r, const struct canary_test *t)
{
	const struct manifest *m = r->tree->manifest;

	snprintf(out, 400, "%s:%u", t->selftest < m->selftest_count ? m->selftests[t->selftest] : "self-test", t->line);
}

/* ---- for people ---- */

void author_print_findings(const struct author_result *r, FILE *to)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct check_report *report = r->rounds[i].report;

		for (size_t k = 0; k < report->count; k++) {
			AUTO(buf) struct buf *line = buf_new(0);

			if (!line)
				return;
			check_finding_text(line, &report->items[k]);
			fprintf(to, "%s\n", line->data ? line->data : "");
		}
		fprintf(to, "%s: %zu errors, %zu warnings%s\n", r->rounds[i].sensor, report->errors, report->warnings,
			report->cut ? ", not all shown" : "");
	}
}

static void print_figures(const struct author_round *r, FILE *to)
{
	const struct canary_result *got = &r->result;
	char missing[128];

	fprintf(to,
		"tried for %s: %" PRIu64 " files, %" PRIu64 " rules, load %" PRId64 " ms, %" PRId64 " KiB, %" PRIu64 " self-tests, %" PRIu64
		" benign events, %" PRId64 " us an event\n",
		r->sensor, got->files, got->rules, got->load_ms, got->rss_bytes / 1024, got->selftests, got->benign_events,
		got->us_per_event);
	canary_confinement_words(CANARY_CONFINEMENT_ALL & ~got->confinement, missing, sizeof missing);
	if (*missing)
		fprintf(to, "warning: tried without %s\n", missing);
}

static void print_tests(const struct author_result *r, const struct author_round *round, FILE *to)
{
	uint64_t slowest = 0, failed = 0;
	char name[400], where[400] = "";
	struct canary_test t;

	for (size_t i = 0; canary_test(round->tests, i, &t); i++) {
		test_name(name, r, &t);
		if (t.outcome == SELFTEST_FAILED && failed++ < FAILURES_SHOWN) {
			AUTO(buf) struct buf *line = buf_new(0);

			if (line) {
				log_escape(line, t.sentence, strlen(t.sentence));
				fprintf(to, "failed: %s\n", line->data ? line->data : "");
			}
		}
		if (t.ns > slowest) {
			slowest = t.ns;
			memcpy(where, name, sizeof where);
		}
	}
	if (failed > FAILURES_SHOWN)
		fprintf(to, "%" PRIu64 " self-tests failed in all\n", failed);
	if (*where)
		fprintf(to, "slowest event: %" PRIu64 " us, %s\n", (slowest + 999) / 1000, where);
}

/* A field that no test makes differ is one nobody has tried. */
static void print_coverage(const struct check_report *report, FILE *to)
{
	static const char *const titles[] = { "TEMPLATE", "FIELD", "TYPE", "RULES", "ACCEPTED", "REJECTED", "" };
	struct cli_table *t = report->field_count ? cli_table_new(titles, ARRAY_LEN(titles)) : NULL;
	size_t tried = 0;

	for (size_t i = 0; t && i < report->field_count; i++) {
		const struct check_field *f = &report->fields[i];
		bool covered = f->accepted && f->rejected;
		char rules[24], accepted[24], rejected[24];

		snprintf(rules, sizeof rules, "%zu", f->rules);
		snprintf(accepted, sizeof accepted, "%" PRIu64, f->accepted);
		snprintf(rejected, sizeof rejected, "%" PRIu64, f->rejected);
		cli_table_row(t, (const char *const[]){ f->template, f->name, f->type, rules, accepted, rejected, covered ? "" : "untried" });
		tried += covered;
	}
	if (!t)
		return;
	cli_table_print(t, to);
	cli_table_free(t);
	fprintf(to, "%zu of %zu fields tried\n", tried, report->field_count);
}

void author_print_try(const struct author_result *r, FILE *to)
{
	for (size_t i = 0; i < r->count; i++) {
		const struct author_round *round = &r->rounds[i];

		if (round->untried_type)
			fprintf(to, "%s: not tried: type %s is loaded by a command of the hosts\n", round->sensor, round->untried_type);
		if (!round->tried)
			continue;
		print_figures(round, to);
		print_tests(r, round, to);
	}
	print_coverage(r->rounds[0].report, to);
}

/* ---- for programs ---- */

static void json_findings(struct json_writer *w, const struct check_report *report)
{
	json_open_array(w, "findings");
	for (size_t i = 0; i < report->count; i++) {
		const struct check_finding *f = &report->items[i];

		json_open_object(w, NULL);
		json_put_text(w, "severity", f->severity == CHECK_ERROR ? "error" : "warning");
		json_put_text(w, "file", f->file);
		json_put_int(w, "line", f->line);
		json_put_int(w, "column", f->column);
		json_put_text(w, "subject", f->subject);
		json_put_text(w, "reason", f->reason);
		json_put_text(w, "sentence", f->sentence);
		json_close_object(w);
	}
	json_close_array(w);
}

static void json_fields(struct json_writer *w, const struct check_report *report)
{
	json_open_array(w, "fields");
	for (size_t i = 0; i < report->field_count; i++) {
		const struct check_field *f = &report->fields[i];

		json_open_object(w, NULL);
		json_put_text(w, "template", f->template);
		json_put_text(w, "field", f->name);
		json_put_text(w, "type", f->type);
		json_put_int(w, "rules", (int64_t)f->rules);
		json_put_int(w, "accepted", (int64_t)f->accepted);
		json_put_int(w, "rejected", (int64_t)f->rejected);
		json_close_object(w);
	}
	json_close_array(w);
}

static void json_try(struct json_writer *w, const struct author_result *r, const struct author_round *round)
{
	const struct canary_result *got = &round->result;
	struct canary_test t;
	char name[400];

	json_open_object(w, "try");
	json_put_text(w, "outcome", canary_outcome_name(got->outcome));
	json_put_text(w, "reason", got->reason);
	json_put_text(w, "sentence", got->sentence);
	json_put_int(w, "rules", (int64_t)got->rules);
	json_put_int(w, "load_ms", got->load_ms);
	json_put_int(w, "rss_bytes", got->rss_bytes);
	json_put_int(w, "us_per_event", got->us_per_event);
	json_put_int(w, "benign_events", (int64_t)got->benign_events);
	json_put_int(w, "benign_matches", (int64_t)got->benign_matches);
	json_open_array(w, "selftests");
	for (size_t i = 0; canary_test(round->tests, i, &t); i++) {
		test_name(name, r, &t);
		json_open_object(w, NULL);
		json_put_text(w, "name", name);
		json_put_text(w, "outcome", outcome_names[t.outcome]);
		json_put_int(w, "ns", t.ns);
		if (*t.sentence)
			json_put_text(w, "sentence", t.sentence);
		json_close_object(w);
	}
	json_close_array(w);
	json_close_object(w);
}

int author_json(const struct author_result *r, struct buf *out, struct err *e)
{
	struct json_writer w = { .out = out, .indent = true };
	char digest[DIGEST_HEX_LEN + 1];

	digest_hex(digest, &r->tree->digest);
	json_open_object(&w, NULL);
	json_put_text(&w, "channel", r->tree->manifest->channel);
	json_put_int(&w, "serial", (int64_t)r->tree->manifest->serial);
	json_put_text(&w, "digest", digest);
	json_open_array(&w, "sensors");
	for (size_t i = 0; i < r->count; i++) {
		const struct author_round *round = &r->rounds[i];

		json_open_object(&w, NULL);
		json_put_text(&w, "sensor", round->sensor);
		json_put_int(&w, "errors", (int64_t)round->report->errors);
		json_put_int(&w, "warnings", (int64_t)round->report->warnings);
		json_findings(&w, round->report);
		json_fields(&w, round->report);
		if (round->tried)
			json_try(&w, r, round);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	buf_addc(out, '\n');
	return buf_check(out, e);
}

/* ---- JUnit XML, as the common pipelines read it ---- */

/* XML 1.0 has no way to write control characters: they are shown escaped, as in a log. */
static void xml_text(struct buf *out, const char *text)
{
	AUTO(buf) struct buf *safe = buf_new(0);

	if (!safe)
		return;
	log_escape(safe, text, strlen(text));
	for (size_t i = 0; i < safe->len; i++)
		switch (safe->data[i]) {
		case '&': buf_adds(out, "&amp;"); break;
		case '<': buf_adds(out, "&lt;"); break;
		case '>': buf_adds(out, "&gt;"); break;
		case '"': buf_adds(out, "&quot;"); break;
		default: buf_addc(out, safe->data[i]);
		}
}

static void xml_case(struct buf *out, const char *class, const char *name, uint64_t ns, enum selftest_outcome outcome, const char *sentence)
{
	buf_addf(out, "    <testcase classname=\"%s\" name=\"", class);
	xml_text(out, name);
	buf_addf(out, "\" time=\"%.6f\"", (double)ns / 1e9);
	if (outcome == SELFTEST_PASSED) {
		buf_adds(out, "/>\n");
		return;
	}
	buf_adds(out, outcome == SELFTEST_FAILED ? "><failure message=\"" : "><skipped message=\"");
	xml_text(out, sentence);
	buf_adds(out, "\"/></testcase>\n");
}

static void xml_findings(struct buf *out, const struct check_report *report, bool strict, size_t *cases, size_t *failures)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct check_finding *f = &report->items[i];
		char name[600];

		if (f->severity != CHECK_ERROR && !strict)
			continue;
		snprintf(name, sizeof name, "%s:%u:%u", f->file, f->line, f->column);
		xml_case(out, "lint", name, 0, SELFTEST_FAILED, f->sentence);
		++*cases;
		++*failures;
	}
	if (*failures)
		return;
	xml_case(out, "lint", "everything", 0, SELFTEST_PASSED, "");
	++*cases;
}

static void xml_round(struct buf *out, const struct author_result *r, const struct author_round *round)
{
	AUTO(buf) struct buf *cases = buf_new(0);
	size_t count = 0, failures = 0, skipped = 0;
	struct canary_test t;
	char name[400];

	if (!cases)
		return;
	xml_findings(cases, round->report, r->strict, &count, &failures);
	for (size_t i = 0; round->tests && canary_test(round->tests, i, &t); i++, count++) {
		test_name(name, r, &t);
		xml_case(cases, "selftest", name, t.ns, t.outcome, t.sentence);
		failures += t.outcome == SELFTEST_FAILED;
		skipped += t.outcome == SELFTEST_SKIPPED;
	}
	if (round->tried) {
		bool ok = round->result.outcome == CANARY_OK;

		xml_case(cases, "canary", "load, self-tests, benign corpora, ceilings", (uint64_t)round->result.wall_ms * 1000000,
			 ok ? SELFTEST_PASSED : SELFTEST_FAILED, round->result.sentence);
		count++;
		failures += !ok;
	}
	buf_addf(out, "  <testsuite name=\"%s %" PRIu64 " for ", r->tree->manifest->channel, r->tree->manifest->serial);
	xml_text(out, round->sensor);
	buf_addf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" time=\"%.3f\">\n", count, failures, skipped,
		 (double)round->result.wall_ms / 1e3);
	buf_add(out, cases->data, cases->len);
	buf_adds(out, "  </testsuite>\n");
}

int author_junit(const struct author_result *r, struct buf *out, struct err *e)
{
	buf_adds(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
	for (size_t i = 0; i < r->count; i++)
		xml_round(out, r, &r->rounds[i]);
	buf_adds(out, "</testsuites>\n");
	return buf_check(out, e);
}
