/* policy_commands: what the gates of a policy ask for, what that costs, and what would fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/number.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "rollout/gate.h"
#include "rollout/gate_background.h"
#include "rollout/gate_exact.h"
#include "rollout/policy.h"

#define EXACT_OFFERS 5000
#define LOSSES_MAX 32

struct policy_options {
	struct remote_options remote;
	struct cli_list members, losses;
	const char *at;
	bool exact, json;
};

#define AT(field) offsetof(struct policy_options, field)

static const struct cli_option check_rows[] = {
	{ "members", 'm', CLI_MANY, AT(members), "[RING=]N", "endpoints in that ring, or in each [unknown]" },
	{ "at", 'a', CLI_TEXT, AT(at), "TIME", "when the rollout begins, such as 2026-12-18T12:00:00Z: windows and freezes count from there [now]" },
	{ "exact", 'e', CLI_FLAG, AT(exact), NULL, "work out how often each gate errs" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "for programs" },
};
static const struct cli_option suggest_rows[] = {
	{ "loss", 'l', CLI_MANY, AT(losses), "[RING:]TIME=LOST/PLACEBOS", "endpoints lost without an offer, were TIME the observation [as the server measured]" },
	REMOTE_ROWS(AT(remote)),
};

static int read_policy(struct policy **out, struct buf **text, const char *path, struct err *e)
{
	if (file_read(text, path, POLICY_MAX, e) < 0)
		return e->code;
	return policy_parse(out, path, (*text)->len ? (*text)->data : "", (*text)->len, e);
}

static int print_buf(struct buf *out, struct err *e)
{
	buf_adds(out, "\n");
	return buf_check(out, e) < 0 ? e->code : file_write_all(STDOUT_FILENO, out->data, out->len, e);
}

/* ---- check ---- */

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
	return print_buf(out, e);
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
	if (read_policy(&p, &text, argv[0], e) < 0 || parse_members(members, p, &o->members, e) < 0 || policy_resolve(p, e) < 0)
		return e->code;
	for (size_t i = 0; i < p->count; i++) {
		rows[i].ring = &p->rings[i];
		rows[i].members = members[i];
		policy_exposure(&rows[i].x, p, i, members[i], now);
		if (o->exact && work_out(&rows[i], e) < 0)
			return err_wrap(e, "ring %s", p->rings[i].name);
	}
	if (o->json && print_json(rows, p->count, o->exact, e) < 0)
		return e->code;
	if (!o->json) {
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

/* ---- suggest ---- */

/* What was measured: so many placebo offers were lost, had this been D. */
struct loss {
	int ring;               /* -1: of every ring */
	int64_t observe_s, lost, placebos;
};

static int parse_loss(struct loss *out, const struct policy *p, const char *text, struct err *e)
{
	const char *colon = strchr(text, ':'), *equals = strchr(text, '='), *slash = equals ? strchr(equals, '/') : NULL;
	AUTO_FREE char *ring = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	const char *from = colon ? colon + 1 : text;
	AUTO_FREE char *time = equals && equals > from ? strndup(from, (size_t)(equals - from)) : NULL;
	AUTO_FREE char *lost = slash ? strndup(equals + 1, (size_t)(slash - equals - 1)) : NULL;

	out->ring = ring ? policy_position(p, ring) : -1;
	if (ring && out->ring < 0)
		return err_set(e, ERR_USAGE, "--loss %.80s: the policy has no such ring", text);
	if (!time || !lost || !number_parse_seconds(&out->observe_s, time) || !number_parse(&out->lost, lost) ||
	    !number_parse(&out->placebos, slash + 1) || out->observe_s < 1 || out->lost < 0 || out->placebos < 1 || out->lost > out->placebos)
		return err_set(e, ERR_USAGE, "--loss %.80s: wanted such as 1h=12/20000 or broad:1h=12/20000", text);
	return 0;
}

/* The server's own figures; rings that the policy does not have, and what was not measured yet, are left out. */
static int ask_losses(struct loss losses[LOSSES_MAX], size_t *count, const struct policy *p, const struct remote_options *o, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[NAME_LEN_MAX + 40];

	snprintf(path, sizeof path, "/v1/policies/%s/background", p->channel);
	if (remote_open(&r, o, e) < 0 || remote_call(r, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", 4096, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count && *count < LOSSES_MAX; i++) {
		const struct json *v = &items->u.items[i];
		struct loss *l = &losses[*count];
		const char *ring;

		if (json_want_text(answer.doc, v, "ring", NAME_LEN_MAX, &ring, e) < 0 ||
		    json_want_int(answer.doc, v, "observe_s", 1, INT64_MAX, &l->observe_s, e) < 0 ||
		    json_want_int(answer.doc, v, "placebos", 0, INT64_MAX, &l->placebos, e) < 0 ||
		    json_want_int(answer.doc, v, "lost", 0, l->placebos, &l->lost, e) < 0)
			return e->code;
		l->ring = policy_position(p, ring);
		*count += l->ring >= 0 && l->placebos > 0;
	}
	return *count ? 0 : err_set(e, ERR_NOT_FOUND, "channel %s: the server has measured no background loss yet; it begins with the first rollout",
				    p->channel);
}

/* What fits a ring. */
struct fit {
	const struct loss *by;  /* NULL: nothing measured fits */
	double upper, p0;
	bool as_it_is;          /* p0 and D may stay */
};

/* The shortest observation that keeps p0; else the least p0. */
static void fit(struct fit *out, const struct policy *p, size_t ring, const struct loss *losses, size_t count)
{
	const struct policy_ring *r = &p->rings[ring];
	int64_t least = r->probation_s + policy_silence_s(p);

	*out = (struct fit){ 0 };
	for (size_t i = 0; i < count; i++) {
		const struct loss *l = &losses[i];
		double p0 = fmax(gate_background_p0((uint64_t)l->placebos, (uint64_t)l->lost), r->p0);
		bool better;

		if ((l->ring >= 0 && l->ring != (int)ring) || l->observe_s < least || l->observe_s + r->soak_s >= r->deadline_s || 2 * p0 > r->p1)
			continue;
		better = !out->by || p0 < out->p0 || (!(p0 > out->p0) && l->observe_s < out->by->observe_s);
		if (better)
			*out = (struct fit){ .by = l, .upper = gate_background_upper((uint64_t)l->placebos, (uint64_t)l->lost), .p0 = p0 };
	}
	out->as_it_is = out->by && !(out->p0 > r->p0) && out->by->observe_s == r->observe_s;
}

static void say_fit(const struct policy_ring *r, const struct fit *f)
{
	if (!f->by)
		printf("%s: no p0 up to %g %% fits what was measured; more placebo offers, a longer observation or a larger p1 would help\n", r->name,
		       50 * r->p1);
	else
		printf("%s: \"p0\": %g, \"observe_s\": %lld%s; background loss %lld of %lld, at most %.3g %%; %llu clean to pass\n", r->name, f->p0,
		       (long long)f->by->observe_s, f->as_it_is ? " (as it is)" : "", (long long)f->by->lost, (long long)f->by->placebos,
		       100 * f->upper, (unsigned long long)gate_clean_to_pass(f->p0, r->p1, r->beta));
}

static void put_fit(struct json_writer *w, const struct policy_ring *r, const struct fit *f)
{
	json_open_object(w, NULL);
	json_put_text(w, "ring", r->name);
	json_put_bool(w, "fits", f->by != NULL);
	if (f->by) {
		json_put_double(w, "p0", f->p0);
		json_put_int(w, "observe_s", f->by->observe_s);
		json_put_double(w, "background_upper", f->upper);
		json_put_bool(w, "unchanged", f->as_it_is);
	}
	json_close_object(w);
}

static int suggest(int argc, char **argv, const void *options, struct err *e)
{
	const struct policy_options *o = options;
	AUTO(policy) struct policy *p = NULL;
	AUTO(buf) struct buf *text = NULL, *out = buf_new(0);
	struct json_writer w = { .out = out, .indent = true };
	struct loss losses[LOSSES_MAX];
	size_t count = 0;
	bool all = true;

	(void)argc;
	if (!out)
		return err_memory(e);
	if (o->losses.count > LOSSES_MAX)
		return err_set(e, ERR_USAGE, "--loss: at most %d times", LOSSES_MAX);
	if (read_policy(&p, &text, argv[0], e) < 0)
		return e->code;
	for (; count < o->losses.count; count++)
		if (parse_loss(&losses[count], p, o->losses.items[count], e) < 0)
			return e->code;
	if (count == 0 && ask_losses(losses, &count, p, &o->remote, e) < 0)
		return e->code;
	json_open_object(&w, NULL);
	json_open_array(&w, "rings");
	for (size_t i = 0; i < p->count; i++) {
		struct fit f;

		fit(&f, p, i, losses, count);
		all &= f.by != NULL;
		put_fit(&w, &p->rings[i], &f);
		if (!o->remote.json)
			say_fit(&p->rings[i], &f);
	}
	json_close_array(&w);
	json_close_object(&w);
	if (o->remote.json && print_buf(out, e) < 0)
		return e->code;
	return all ? 0 : 1;
}

#define COMMAND(function, arguments, rows_, what)                                                              \
	.args = arguments, .help = what, .min_args = 1, .max_args = 1, .run = function, .options = rows_,      \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct policy_options)

const struct cli_command policy_commands[] = {
	{ .name = "policy check", COMMAND(check, "FILE", check_rows, "check a policy and print what it can cost"),
	  .more = "Refuses a policy under which a ring of that size could never pass, or that never opens. The best case waits for windows and\n"
		  "freezes. `ringhold policy set --dry-run` takes the members that each ring really has." },
	{ .name = "policy suggest", COMMAND(suggest, "FILE", suggest_rows, "p0 and observation that fit a measured background loss"),
	  .more = "The 97.5 % upper bound of the background loss must be at most p0/2, or lost endpoints only hold a ring.\n"
		  "Without --loss the server is asked what its placebo offers came to: in each ring, were the observation that of\n"
		  "its policy, four and 24 times as long. Of several measurements the one that keeps p0 with the shortest observation is taken." },
};
const size_t policy_command_count = ARRAY_LEN(policy_commands);
