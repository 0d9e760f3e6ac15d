/*
 * rules_regex: PCRE2 on a leash.
 *
 * PCRE2's own match limit starts anew at every position of the text, so it
 * does not bound a search. We therefore compile a call-out before every item
 * and charge each one, and every byte passed since the last: work is bounded
 * exactly, and the same on every machine. PCRE2's limits on matches, depth
 * and memory stand behind that.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "content/rules_matcher.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define PATTERN_MAX 2048                /* bytes */
#define NESTING_MAX 50
#define HEAP_KIB 4096

struct rules_regex {
	pcre2_code *code;
};

struct leash {
	uint64_t steps, most;
	size_t last;                    /* where the text was read at the last call-out */
};

static int charge(pcre2_callout_block *at, void *arg)
{
	struct leash *l = arg;
	size_t here = at->current_position;

	l->steps += 1 + (here > l->last ? here - l->last : l->last - here);
	l->last = here;
	return l->steps > l->most ? PCRE2_ERROR_CALLOUT : 0;
}

int rules_regex_new(struct rules_regex **out, const char *text, size_t len, struct err *e)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	struct rules_regex *x = calloc(1, sizeof(*x));
	PCRE2_SIZE where = 0;
	PCRE2_UCHAR why[120];
	int code = 0;

	if (!context || !x) {
		pcre2_compile_context_free(context);
		free(x);
		return err_memory(e);
	}
	pcre2_set_max_pattern_length(context, PATTERN_MAX);
	pcre2_set_parens_nest_limit(context, NESTING_MAX);
	x->code = pcre2_compile((PCRE2_SPTR)text, len,
				PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT,
				&code, &where, context);
	pcre2_compile_context_free(context);
	if (x->code) {
		*out = x;
		return 0;
	}
	free(x);
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return err_memory(e);
	pcre2_get_error_message(code, why, sizeof(why));
	return err_set(e, ERR_FORMAT, "regular expression: %s, at byte %zu", (const char *)why, (size_t)where);
}

void rules_regex_free(struct rules_regex *x)
{
	if (!x)
		return;
	pcre2_code_free(x->code);
	free(x);
}

/* (?R) (?1) (?&name) (?P>name) (?(1)...) \g<name>: recursion and conditions, outside of classes. */
static bool goes_into_itself(const char *p, size_t len)
{
	bool class = false;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\\') {
			i++;
			if (!class && i + 1 < len && p[i] == 'g' && (p[i + 1] == '<' || p[i + 1] == '\''))
				return true;
		} else if (p[i] == '[' && !class) {
			class = true;
			i += i + 1 < len && p[i + 1] == '^';
			i += i + 1 < len && p[i + 1] == ']';
		} else if (p[i] == ']') {
			class = false;
		} else if (!class && p[i] == '(' && i + 2 < len && p[i + 1] == '?') {
			if (strchr("R&(0123456789", p[i + 2]) || (i + 3 < len && strchr("+-", p[i + 2]) && strchr("0123456789", p[i + 3])) ||
			    (i + 3 < len && p[i + 2] == 'P' && p[i + 3] == '>'))
				return true;
		}
	}
	return false;
}

bool rules_regex_refers(const struct rules_regex *x, const char *text, size_t len)
{
	uint32_t back = 0;

	pcre2_pattern_info(x->code, PCRE2_INFO_BACKREFMAX, &back);
	return back > 0 || goes_into_itself(text, len);
}

int rules_regex_try(const struct rules_regex *x, const char *text, size_t len, struct rules_budget *b)
{
	struct leash leash = { .most = MIN(b->regex_steps, b->left) };
	uint32_t most = (uint32_t)MIN(leash.most, UINT32_MAX);
	pcre2_match_context *context = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc = PCRE2_ERROR_NOMEMORY;

	if (context && data) {
		pcre2_set_callout(context, charge, &leash);
		pcre2_set_match_limit(context, most);
		pcre2_set_depth_limit(context, most);
		pcre2_set_heap_limit(context, HEAP_KIB);
		rc = pcre2_match(x->code, (PCRE2_SPTR)text, len, 0, 0, data, context);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(context);
	if (!rules_spend(b, 1 + leash.steps + len / 16))
		return -1;
	if (rc >= 0)
		return 1;
	return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}
