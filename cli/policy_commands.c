/* policy_commands: what the gates of a policy ask for, and what that costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/policy_file.h"
#include "cli/remote.h"
#include "rollout/gate.h"
#include "rollout/gate_exact.h"
#include "rollout/policy.h"

#define EXACT_OFFERS 5000

struct policy_options {
	struct remote_options remote;
	struct cli_list members;
	const char *at;
	bool exact;
};

#define AT(field) offsetof(struct policy_options, field)

static const struct cli_option check_rows[] = {
	{ "members", 'm', CLI_MANY, AT(members), "[RING=]N", "endpoints in that ring, or in each [as the server counts them; without a server, unknown]" },
	{ "at", 'a', CLI_TEXT, AT(at), "TIME", "when the rollout begins, such as 2026-12-18T12:00:00Z: windows and freezes count from there [now]" },
	{ "exact", 'e', CLI_FLAG, AT(exact), NULL, "work out how often each gate errs" },
	REMOTE_ROWS(AT(remote)),
};
/* "N" for every ring, "RING=N" for one. */
static int parse_members(int64_t members[POLICY_RINGS_MAX], const struct policy *p, const struct cli_list *given, struct err *e)
{
	for (size_t k = 0; k < given->count; k++) {
		const char *text = given->items[k], *equals = strchr(text, '=');
		AUTO_FREE char *ring = equals ? strndup(text, (size_t)(equals - text)) : NULL;
		int64_t n;
		int at = ring ? policy_position(p, ring) : -1;

		if (!number_parse(&n, equals ? equals + 1 : text) || n < 1 || n > 1000000000)
			return err_set(e, ERR_USAGE, "--members %.80s: a number of endpoints from 1 on", text);
		if (equals && at < 0)
			return err_set(e, ERR_USAGE, "--members %.80s: the policy has no such ring", text);
		for (size_t i = 0; i < p->count; i++)
			if (!equals || (int)i == at)
				members[i] = n;
	}
	return 0;
}

/* As the ring map has them now; without a server nothing is known of them. */
static int ask_members(int64_t members[POLICY_RINGS_MAX], const struct policy *p, const struct remote_options *o, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	const struct json *items;

	if (remote_open(&r, o, e) < 0)
		return e->code == ERR_USAGE && !o->server && !o->home ? 0 : e->code;
	if (remote_call(r, "GET", "/v1/rings", NULL, &answer, e) < 0)
		return err_wrap(e, "how many endpoints a ring has is asked of the server, unless --members says it");
	if (json_want_array(answer.doc, answer.doc->root, "items", 4096, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		const char *ring;
		int64_t count;
		int at;

		if (json_want_text(answer.doc, &items->u.items[i], "ring", NAME_LEN_MAX, &ring, e) < 0 ||
		    json_want_int(answer.doc, &items->u.items[i], "members", 0, INT64_MAX, &count, e) < 0)
			return e->code;
		at = policy_position(p, ring);
		if (at >= 0)
			members[at] = count;
	}
	return 0;
}

struct row {
	const struct policy_ring *ring;
	int64_t members;                /* 0: unknown */
	struct policy_exposure x;
	struct gate_bracket false_pass, pass, false_halt, halt;
};

/* As rollout/verdict asks of both tests. */
static int work_out(struct row *row, struct err *e)
{
	const struct policy_ring *r = row->ring;
	double share = POLICY_SHARE_POOLED * r->alpha;

	if (gate_exact_pass(&row->false_pass, r->p0, r->p1, r->beta, r->p1, EXACT_OFFERS, e) < 0 ||
	    gate_exact_pass(&row->pass, r->p0, r->p1, r->beta, r->p0, EXACT_OFFERS, e) < 0 ||
	    gate_exact_halt(&row->false_halt, r->p0, r->p1, share, r->p0, EXACT_OFFERS, e) < 0 ||
	    gate_exact_halt(&row->halt, r->p0, r->p1, share, r->p1, EXACT_OFFERS, e) < 0)
		return e->code;
	return 0;
}

static void print_rows(const struct row *rows, size_t count)
{
	static const char *const titles[] = { "RING", "MEMBERS", "CLEAN TO PASS", "FAILURES THAT HALT", "WORST CASE EXPOSED", "BEST CASE", "PASSES BY" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));

	for (size_t i = 0; t && i < count; i++) {
		const struct policy_exposure *x = &rows[i].x;
		char cells[5][32];

		snprintf(cells[0], sizeof cells[0], "%lld", (long long)rows[i].members);
		snprintf(cells[1], sizeof cells[1], "%lld", (long long)x->clean_to_pass);
		snprintf(cells[2], sizeof cells[2], "%lld", (long long)x->failures_to_halt);
		snprintf(cells[3], sizeof cells[3], "%lld", (long long)x->worst_exposed);
		if (!rows[i].ring->permit_required && !rows[i].members)
			snprintf(cells[3], sizeof cells[3], "all");
		if (x->best_s == CALENDAR_NEVER)
			snprintf(cells[4], sizeof cells[4], "never");
		else
			snprintf(cells[4], sizeof cells[4], "%lld min", (long long)(x->best_s + 59) / 60);
		cli_table_row(t, (const char *const[]){ rows[i].ring->name, rows[i].members ? cells[0] : "unknown", cells[1], cells[2], cells[3], cells[4],
							x->by_coverage ? "coverage" : "its bound" });
	}
	if (t)
		cli_table_print(t, stdout);
	cli_table_free(t);
}

/* When a ring makes offers: the best case waits for that. */
static void print_hours(const struct row *rows, size_t count, int64_t now)
{
	for (size_t i = 0; i < count; i++) {
		struct calendar_state s = calendar_at(&rows[i].ring->calendar, now);
		char when[CLOCK_TEXT_LEN + 1];

		if (calendar_always(&rows[i].ring->calendar) || s.until == CALENDAR_NEVER)
			continue;
		clock_text(when, s.until);
		printf("%s: %s until %s%s%s\n", rows[i].ring->name, s.open ? "open" : s.freeze ? "frozen" : "closed", when,
		       s.freeze && s.freeze->reason[0] ? ": " : "", s.freeze ? s.freeze->reason : "");
	}
}

/* What no best case can tell. */
static void print_boots(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].ring->boots > 0)
			printf("%s: an endpoint counts as survived only after %lld restarts, so it is open for as long as it takes to restart by itself;\n"
			       "  `ringhold plan simulate` shows how long that is. Without a verdict the ring asks a person after %lld h.\n", rows[i].ring->name,
			       (long long)rows[i].ring->boots, (long long)rows[i].ring->deadline_s / 3600);
}

static void print_exact(const struct row *rows, size_t count)
{
	static const char *const titles[] = { "RING", "PASSES AT P1", "BETA", "PASSES AT P0", "HALTS AT P0", "SHARE OF ALPHA", "HALTS AT P1" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));

	for (size_t i = 0; t && i < count; i++) {
		const struct row *r = &rows[i];
		char cells[6][48];

		snprintf(cells[0], sizeof cells[0], "%.4g", r->false_pass.high);
		snprintf(cells[1], sizeof cells[1], "%g", r->ring->beta);
		snprintf(cells[2], sizeof cells[2], "%.5f", r->pass.low);
		snprintf(cells[3], sizeof cells[3], "%.3g to %.3g", r->false_halt.low, r->false_halt.high);
		snprintf(cells[4], sizeof cells[4], "%g", POLICY_SHARE_POOLED * r->ring->alpha);
		snprintf(cells[5], sizeof cells[5], "%.5f", r->halt.low);
		cli_table_row(t, (const char *const[]){ r->ring->name, cells[0], cells[1], cells[2], cells[3], cells[4], cells[5] });
	}
	printf("\nprobabilities within %d offers, worked out exactly:\n", EXACT_OFFERS);
	if (t)
		cli_table_print(t, stdout);
	cli_table_free(t);
}

static void put_bracket(struct json_writer *w, const char *key, const struct gate_bracket *b)
{
	json_open_array(w, key);
	json_put_double(w, NULL, b->low);
	json_put_double(w, NULL, b->high);
	json_close_array(w);
}

static int print_json(const struct row *rows, size_t count, bool exact, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct json_writer w = { .out = out, .indent = true };

	if (!out)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < count; i++) {
		const struct row *r = &rows[i];

		json_open_object(&w, NULL);
		json_put_text(&w, "ring", r->ring->name);
		if (r->members)
			json_put_int(&w, "members", r->members);
		json_put_int(&w, "clean_to_pass", r->x.clean_to_pass);
		json_put_int(&w, "failures_to_halt", r->x.failures_to_halt);
		json_put_int(&w, "worst_exposed", r->x.worst_exposed);
		if (r->x.best_s == CALENDAR_NEVER)
			json_put_null(&w, "best_s");
		else
			json_put_int(&w, "best_s", r->x.best_s);
		json_put_int(&w, "boots", r->ring->boots);
		json_put_text(&w, "passes_by", r->x.by_coverage ? "coverage" : "bound");
		if (exact) {
			json_put_int(&w, "exact_offers", EXACT_OFFERS);
			put_bracket(&w, "passes_at_p1", &r->false_pass);
			put_bracket(&w, "passes_at_p0", &r->pass);
			put_bracket(&w, "halts_at_p0", &r->false_halt);
			put_bracket(&w, "halts_at_p1", &r->halt);
		}
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	return policy_file_print(out, e);
}

static int check(int argc, char **argv, const void *options, struct err *e)
{
	const struct policy_options *o = options;
	int64_t members[POLICY_RINGS_MAX] = { 0 };
	struct row rows[POLICY_RINGS_MAX] = { 0 };
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = NULL;
	int64_t now = clock_now();

	(void)argc;
	if (o->at && !clock_parse(&now, o->at, strlen(o->at)))
		return err_set(e, ERR_USAGE, "--at %.40s: wanted a time such as 2026-12-18T12:00:00Z", o->at);
	if (policy_file_read(&p, &text, argv[0], e) < 0 || policy_resolve(p, e) < 0 ||
	    (o->members.count ? parse_members(members, p, &o->members, e) : ask_members(members, p, &o->remote, e)) < 0)
		return e->code;
	for (size_t i = 0; i < p->count; i++) {
		rows[i].ring = &p->rings[i];
		rows[i].members = members[i];
		policy_exposure(&rows[i].x, p, i, members[i], now);
		if (o->exact && work_out(&rows[i], e) < 0)
			return err_wrap(e, "ring %s", p->rings[i].name);
	}
	if (o->remote.json && print_json(rows, p->count, o->exact, e) < 0)
		return e->code;
	if (!o->remote.json) {
		print_rows(rows, p->count);
		print_hours(rows, p->count, now);
		print_boots(rows, p->count);
		if (o->exact)
			print_exact(rows, p->count);
	}
	fflush(stdout);
	for (size_t i = 0; i < p->count; i++)
		if (policy_check_size(p, i, members[i], now, e) < 0)
			return e->code;
	return 0;
}

#define COMMAND(function, arguments, rows_, what)                                                              \
	.args = arguments, .help = what, .min_args = 1, .max_args = 1, .run = function, .options = rows_,      \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct policy_options)

const struct cli_command policy_commands[] = {
	{ .name = "policy check", COMMAND(check, "FILE", check_rows, "check a policy and print what it can cost"),
	  .more = "Refuses a policy under which a ring of that size could never pass, or that never opens. The best case waits for windows and\n"
		  "freezes. Members are those that the server counts; a ring that has none yet is not refused for it." },
};
const size_t policy_command_count = ARRAY_LEN(policy_commands);
