/* plan_commands: a rollout before it is one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "rollout/simulate.h"

#define DAY_S ((int64_t)86400)

struct plan_options {
	const char *policy, *defect, *trace, *way, *svg, *at;
	int64_t fleet, runs, seed;
	bool json;
};

#define AT(field) offsetof(struct plan_options, field)

static const struct cli_option rows[] = {
	{ "fleet", 'n', CLI_INT, AT(fleet), "N", "endpoints" },
	{ "policy", 'p', CLI_TEXT, AT(policy), "FILE", "the gates [the shipped ones: canary, early, broad]" },
	{ "defect", 'd', CLI_TEXT, AT(defect), "RATE[,STRATUM]", "share of the loads that fail, in one stratum or everywhere [0]" },
	{ "way", 'w', CLI_TEXT, AT(way), "crash|fail|silent", "how they fail [crash]" },
	{ "trace", 't', CLI_TEXT, AT(trace), "FILE", "how the fleet behaves: hours, boots, strata, rings [built in]" },
	{ "at", 'a', CLI_TEXT, AT(at), "TIME", "when it is published, such as 2026-12-18T12:00:00Z: windows and freezes count from there [the coming Monday, 9:00 UTC]" },
	{ "runs", 'r', CLI_INT, AT(runs), "N", "as many as a minute allows, at most [200]" },
	{ "seed", 0, CLI_INT, AT(seed), "N", "the same seed gives the same runs [1]" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "for programs" },
	{ "svg", 0, CLI_TEXT, AT(svg), "FILE", "draw the worst run" },
};

static int read_policy(struct policy **out, const char *path, struct err *e)
{
	static const char *const names[] = { "canary", "early", "broad" };
	AUTO(buf) struct buf *text = NULL;

	if (!path)
		return policy_default(out, "default", names, ARRAY_LEN(names), e);
	if (file_read(&text, path, POLICY_MAX, e) < 0 || policy_parse(out, path, text->len ? text->data : "", text->len, e) < 0)
		return e->code;
	return policy_resolve(*out, e);
}

static int read_trace(struct simulate_trace *out, const struct policy *p, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	simulate_trace_default(out, p);
	if (!path)
		return 0;
	if (file_read(&text, path, SIMULATE_TRACE_MAX, e) < 0)
		return e->code;
	return simulate_trace_parse(out, p, path, text->len ? text->data : "", text->len, e);
}

/* "0.02" or "0.02,debian-12/7.11/zh_CN" */
static int parse_defect(struct simulate_plan *plan, const char *text, struct err *e)
{
	char *end;

	plan->stratum = -1;
	if (!text)
		return 0;
	plan->defect = strtod(text, &end);
	if (end == text || (*end && *end != ',') || !(plan->defect >= 0 && plan->defect <= 1))
		return err_set(e, ERR_USAGE, "--defect %.80s: a share from 0 to 1, and perhaps a stratum after a comma", text);
	if (*end == '\0')
		return 0;
	for (size_t i = 0; i < plan->trace->stratum_count; i++)
		if (strcmp(plan->trace->strata[i].name, end + 1) == 0)
			plan->stratum = (int)i;
	return plan->stratum >= 0 ? 0 : err_set(e, ERR_USAGE, "--defect: the fleet has no stratum %.80s; one is %s", end + 1,
						 plan->trace->strata[0].name);
}

/* What is not told begins on a working morning: the same whenever it is asked, but for dated freezes. */
static int parse_at(struct simulate_plan *plan, const char *text, struct err *e)
{
	int64_t today = clock_now() / DAY_S;

	plan->begins = (today + 7 - (today + 3) % 7) * DAY_S + 9 * 3600;       /* 1970-01-01 was a Thursday */
	if (text && (!clock_parse(&plan->begins, text, strlen(text)) || plan->begins <= 0))
		return err_set(e, ERR_USAGE, "--at %.40s: a time after 1970, such as 2026-12-18T12:00:00Z", text);
	return 0;
}

static int parse_way(enum simulate_way *out, const char *text, struct err *e)
{
	static const char *const words[] = { [SIMULATE_FAIL] = "fail", [SIMULATE_CRASH] = "crash", [SIMULATE_SILENT] = "silent" };

	*out = SIMULATE_CRASH;
	for (size_t i = 0; text && i < ARRAY_LEN(words); i++)
		if (strcmp(words[i], text) == 0) {
			*out = (enum simulate_way)i;
			return 0;
		}
	return text ? err_set(e, ERR_USAGE, "--way %.40s: crash, fail or silent", text) : 0;
}

/* "17 min", "3.2 h", "12.0 d" */
static const char *time_text(char out[32], int64_t s)
{
	if (s < 0)
		return "never";
	if (s < 2 * 3600)
		snprintf(out, 32, "%lld min", (long long)(s + 59) / 60);
	else if (s < 2 * 86400)
		snprintf(out, 32, "%.1f h", (double)s / 3600);
	else
		snprintf(out, 32, "%.1f d", (double)s / 86400);
	return out;
}

static void time_row(struct cli_table *t, const char *what, const struct simulate_spread *s)
{
	char a[32], b[32], c[32];

	cli_table_row(t, (const char *const[]){ what, time_text(a, s->median), time_text(b, s->p95), time_text(c, s->worst) });
}

static void print_text(const struct simulate_plan *p, const struct simulate_report *r)
{
	static const char *const titles[] = { "", "MEDIAN", "95 %", "WORST" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	char hit[3][32], when[32], then[32];

	if (!t)
		return;
	snprintf(hit[0], sizeof hit[0], "%lld", (long long)r->hit.median);
	snprintf(hit[1], sizeof hit[1], "%lld", (long long)r->hit.p95);
	snprintf(hit[2], sizeof hit[2], "%lld", (long long)r->hit.worst);
	printf("%u endpoints, defect %g %% of %s, %u runs: %u halted, %u held for lost endpoints, %u covered all\n\n", p->fleet, 100 * p->defect,
	       p->stratum < 0 ? "all" : p->trace->strata[p->stratum].name, r->runs, r->halted, r->held, r->covered);
	cli_table_row(t, (const char *const[]){ "endpoints hit", hit[0], hit[1], hit[2] });
	time_row(t, "time to halt", &r->halt_s);
	time_row(t, "time to full coverage", &r->cover_s);
	cli_table_print(t, stdout);
	cli_table_free(t);
	printf("\nworst run: %u hit of %u; the first ring begins with %u in flight\n", r->worst.hit, p->fleet, r->first_limit);
	for (size_t i = 0; i < p->policy->count && r->worst.entered_s[i] >= 0; i++)
		printf("  %s begins after %s, %s%s\n", p->policy->rings[i].name, time_text(when, r->worst.entered_s[i]),
		       r->worst.passed_s[i] < 0 ? "does not pass" : "passes after ", r->worst.passed_s[i] < 0 ? "" : time_text(then, r->worst.passed_s[i]));
	if (r->worst.halt_s >= 0)
		printf("  %s %s after %s: %s\n", p->policy->rings[r->worst.ring].name, simulate_end_name(r->worst.end),
		       time_text(when, r->worst.halt_s), r->worst.sentence);
	else if (r->worst.end == SIMULATE_UNFINISHED)
		printf("  after %d days it is not through: %s\n", SIMULATE_DAYS, r->worst.sentence[0] ? r->worst.sentence : "a ring did not take it");
	if (r->worst.asked)
		printf("  people were asked %u %s, and let it go on\n", r->worst.asked, r->worst.asked == 1 ? "time" : "times");
}

static int print_json(const struct simulate_plan *p, const struct simulate_report *r, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct json_writer w = { .out = out, .indent = true };

	if (!out)
		return err_memory(e);
	simulate_json(&w, p, r);
	buf_adds(out, "\n");
	return buf_check(out, e) < 0 ? e->code : file_write_all(STDOUT_FILENO, out->data, out->len, e);
}

static int draw(const char *path, const struct simulate_plan *p, const struct simulate_report *r, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);

	if (!out)
		return err_memory(e);
	simulate_svg(out, p, r);
	return buf_check(out, e) < 0 ? e->code : file_replace(path, out->data, out->len, 0644, e);
}

static int check_numbers(const struct plan_options *o, struct err *e)
{
	if (o->fleet < 1 || o->fleet > SIMULATE_FLEET_MAX)
		return err_set(e, ERR_USAGE, "--fleet is a number of endpoints from 1 to %d", SIMULATE_FLEET_MAX);
	if (o->runs < 0 || o->runs > SIMULATE_RUNS_MAX || o->seed < 0)
		return err_set(e, ERR_USAGE, "--runs is from 1 to %d, and --seed not negative", SIMULATE_RUNS_MAX);
	return 0;
}

static int play(struct simulate_plan *plan, const struct plan_options *o, struct err *e)
{
	struct simulate_report report;

	if (parse_defect(plan, o->defect, e) < 0 || parse_way(&plan->way, o->way, e) < 0 ||
	    simulate(&report, plan, o->runs ? (uint32_t)o->runs : SIMULATE_RUNS, SIMULATE_WORK, e) < 0 || (o->svg && draw(o->svg, plan, &report, e) < 0))
		return e->code;
	if (o->json)
		return print_json(plan, &report, e);
	print_text(plan, &report);
	return 0;
}

static int plan_simulate(int argc, char **argv, const void *options, struct err *e)
{
	const struct plan_options *o = options;
	AUTO(policy) struct policy *policy = NULL;
	struct simulate_trace trace;
	int got;
	struct simulate_plan plan = { .trace = &trace, .fleet = (uint32_t)o->fleet, .seed = o->seed ? (uint64_t)o->seed : 1 };

	(void)argc;
	(void)argv;
	if (check_numbers(o, e) < 0 || parse_at(&plan, o->at, e) < 0 || read_policy(&policy, o->policy, e) < 0 ||
	    read_trace(&trace, policy, o->trace, e) < 0)
		return e->code;
	plan.policy = policy;
	got = play(&plan, o, e);
	simulate_trace_release(&trace);
	return got;
}

const struct cli_command plan_commands[] = {
	{ .name = "plan simulate", .help = "let a made-up fleet meet a bad bundle, judged by these gates", .run = plan_simulate, .options = rows,
	  .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct plan_options),
	  .more = "Counts endpoints hit when the canary process notices nothing.\n"
		  "A trace is {\"format\":1,\"kinds\":[{\"name\",\"share\",\"online\":[24 shares],\"boot_s\",\"silent_a_day\",\"silent_s\"}],\n"
		  "\"strata\":[{\"name\",\"share\"}],\"rings\":[{\"name\",\"share\",\"lag_s\"}],\"people\":{\"answer_s\",\"windows\",\"freezes\"},\n"
		  "\"bundle_every_s\",\"placebos\"}; what it leaves out is as built in (docs/gates.md)." },
};
const size_t plan_command_count = ARRAY_LEN(plan_commands);
