/*
 * check_pattern: regular expressions that a short text drives beyond the budget.
 *
 * Whether a pattern backtracks without end is found by trying: texts are made
 * of its own characters, one or two of them repeated, after the beginning it
 * wants and before an end that most cannot match. Steps are counted exactly,
 * so every machine comes to the same answer. A pattern that costs more than
 * the budget on a few hundred bytes is more than quadratic: it refuses the
 * content. What this does not find is still stopped by the budget at run time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "content/check_work.h"

#define PUMPED 256              /* bytes */
#define LETTERS 14              /* that are pumped: common ones, then the pattern's own */
#define STEPS_MAX 60000000ull   /* in one check: some seconds at most */

struct pump {
	const struct rules_matcher *matcher;
	uint64_t budget;                /* steps of one match */
	uint64_t *left;                 /* of the whole check */
	uint64_t worst;
	char letters[LETTERS];
	size_t letter_count;
	char text[PUMPED + LETTERS + 2];
	size_t len;
	char worst_text[24];
};

static void try_text(struct pump *p)
{
	const struct rules_value v = { .present = true, .type = RULES_STRING, .text = p->text, .len = p->len };
	const struct rules_value path = { .present = true, .type = RULES_PATH, .text = p->text, .len = p->len };
	struct rules_budget b = { .left = UINT64_MAX / 2, .regex_steps = p->budget + 1 };
	uint64_t spent;

	/* A matcher is of one of the two types and ignores the other. */
	(void)!rules_matcher_try(p->matcher, &v, &b);
	(void)!rules_matcher_try(p->matcher, &path, &b);
	spent = UINT64_MAX / 2 - b.left;
	*p->left -= MIN(*p->left, spent);
	if (spent <= p->worst)
		return;
	p->worst = spent;
	snprintf(p->worst_text, sizeof(p->worst_text), "%.20s", p->text);
}

static void pump(struct pump *p, const char *head, size_t head_len, const char *body, size_t body_len)
{
	p->len = MIN(head_len, (size_t)32);
	memcpy(p->text, head, p->len);
	while (p->len + body_len <= PUMPED) {
		memcpy(p->text + p->len, body, body_len);
		p->len += body_len;
	}
	/* An end that most cannot match; behind it all letters, or a search that misses one of them would not even begin. */
	p->text[p->len++] = '\n';
	memcpy(p->text + p->len, p->letters, p->letter_count);
	p->len += p->letter_count;
	p->text[p->len] = '\0';
	try_text(p);
}

/* The characters a pattern is written with, and some that classes stand for. */
static size_t letters_of(char out[LETTERS], const char *text, size_t len)
{
	static const char common[] = "a0 x=/";
	size_t count = 0;

	for (size_t i = 0; i < sizeof(common) - 1; i++)
		out[count++] = common[i];
	for (size_t i = 0; i < len && count < LETTERS; i++)
		if ((unsigned char)text[i] < 0x80 && !strchr("()[]{}*+?|^$\\.", text[i]) && !memchr(out, text[i], count))
			out[count++] = text[i];
	return count;
}

/* The literal beginning, without which a match may never start. */
static size_t head_of(char out[32], const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = text[0] == '^' ? 1 : 0; i < len && count < 31 && !strchr("()[]{}*+?|^$.", text[i]); i++) {
		if (text[i] == '\\' && ++i >= len)
			break;
		out[count++] = text[i];
	}
	return count;
}

static void pump_all(struct pump *p, const char *text, size_t len)
{
	char head[32], pair[2];
	size_t count = p->letter_count = letters_of(p->letters, text, len), head_len = head_of(head, text, len);
	const char *letters = p->letters;

	for (size_t i = 0; i < count && p->worst <= p->budget && *p->left; i++) {
		pump(p, head, head_len, &letters[i], 1);
		for (size_t k = 0; k < count && p->worst <= p->budget && *p->left; k++) {
			pair[0] = letters[i];
			pair[1] = letters[k];
			pump(p, head, head_len, pair, 2);
			pump(p, &letters[k], 1, &letters[i], 1);
		}
	}
}

static void check_one(struct check *c, const struct rules_instance *in, const char *field, const struct rules_matcher *m,
		      uint64_t budget, uint64_t *left)
{
	struct pump p = { .matcher = m, .budget = budget, .left = left };
	size_t len = 0;
	const char *text = rules_matcher_pattern(m, &len);

	if (rules_matcher_refers(m)) {
		check_note(c, CHECK_ERROR, check_place_of(c, in->file, in->at), in->id, REASON_LINT,
			   "instance %s: field \"%s\": the regular expression refers back to what it matched, or to itself: it cannot be matched in linear time",
			   in->id, field);
		return;
	}
	pump_all(&p, text, len);
	if (p.worst > budget)
		check_note(c, CHECK_ERROR, check_place_of(c, in->file, in->at), in->id, REASON_LINT,
			   "instance %s: field \"%s\": the regular expression takes more than the %" PRIu64
			   " steps allowed on %d bytes such as \"%s...\"",
			   in->id, field, budget, PUMPED, p.worst_text);
}

void check_patterns(struct check *c, const struct rules_model *m, const struct rules *r)
{
	uint64_t left = STEPS_MAX;

	for (size_t g = 0; g < r->count; g++)
		for (size_t i = 0; i < r->groups[g].count; i++) {
			const struct rules_rule *rule = &r->groups[g].rules[i];

			if (!left) {
				check_note(c, CHECK_WARNING, check_place_of(c, m->instances[rule->order].file, m->instances[rule->order].at),
					   rule->id, REASON_LINT, "instance %s: the patterns before it took too long to try this one and those after it",
					   rule->id);
				return;
			}
			for (size_t k = 0; k < rule->count && left; k++)
				if (rules_matcher_kind(rule->conditions[k].matcher) == RULES_REGEX)
					check_one(c, &m->instances[rule->order], r->groups[g].fields[rule->conditions[k].field].name,
						  rule->conditions[k].matcher, r->limits.regex_steps, &left);
		}
}
