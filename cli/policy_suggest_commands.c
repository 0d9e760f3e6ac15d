/* policy_suggest_commands: what would fit a background loss that was measured. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "cli/commands.h"
#include "cli/policy_file.h"
#include "cli/remote.h"
#include "rollout/gate.h"
#include "rollout/gate_background.h"

#define LOSSES_MAX 32

struct suggest_options {
	struct remote_options remote;
	struct cli_list losses;
};

#define AT(field) offsetof(struct suggest_options, field)

static const struct cli_option suggest_rows[] = {
	{ "loss", 'l', CLI_MANY, AT(losses), "[RING:]TIME=LOST/PLACEBOS", "endpoints lost without an offer, were TIME the observation [as the server measured]" },
	REMOTE_ROWS(AT(remote)),
};

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
	const struct suggest_options *o = options;
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
	if (policy_file_read(&p, &text, argv[0], e) < 0)
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
	if (o->remote.json && policy_file_print(out, e) < 0)
		return e->code;
	return all ? 0 : 1;
}

const struct cli_command policy_suggest_commands[] = {
	{ .name = "policy suggest", .args = "FILE", .help = "p0 and observation that fit a measured background loss", .min_args = 1, .max_args = 1,
	  .run = suggest, .options = suggest_rows, .option_count = ARRAY_LEN(suggest_rows), .options_size = sizeof(struct suggest_options),
	  .more = "The 97.5 % upper bound of the background loss must be at most p0/2, or lost endpoints only hold a ring.\n"
		  "Without --loss the server is asked what its placebo offers came to: in each ring, were the observation that of\n"
		  "its policy, four and 24 times as long. Of several measurements the one that keeps p0 with the shortest observation is taken." },
};
const size_t policy_suggest_command_count = ARRAY_LEN(policy_suggest_commands);
