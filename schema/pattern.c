/* pattern: regular expressions as JSON Schema writes them, run by PCRE2. */
#include "schema/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#define HEAP_KIB 4096
#define FIRST_STEPS 4000        /* of the first try, shared by all places where the match may begin */
#define FIRST_STEPS_EACH 64     /* but so many at least for each of them */
#define FIRST_LEN 64            /* bytes up to which a match that may begin anywhere has a first try: a step may look at all of them */

struct pattern {
	struct pattern_simple *simple;  /* does the whole work, if there is one */
	pcre2_code *fast, *counted;     /* the same; the second calls out at every item */
	bool anchored;                  /* a match begins at the first character or nowhere */
	size_t len;
	char text[];
};

struct pattern_memory {
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint64_t steps;                 /* left to the match that is counted */
	size_t at;                      /* where its last call-out was */
};

#define OPTIONS (PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | \
		 PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES)

static int compile(pcre2_code **out, const struct buf *b, uint32_t more, struct err *e)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	unsigned char why[120];
	PCRE2_SIZE at;
	int error;

	if (!context)
		return err_memory(e);
	pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
	*out = pcre2_compile((PCRE2_SPTR)(b->data ? b->data : ""), b->len, OPTIONS | more, &error, &at, context);
	pcre2_compile_context_free(context);
	if (*out)
		return 0;
	pcre2_get_error_message(error, why, sizeof why);
	return err_set(e, ERR_FORMAT, "the pattern is malformed: %s", (const char *)why);
}

static bool is_anchored(const pcre2_code *code)
{
	uint32_t options = 0;

	return pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options) == 0 && (options & PCRE2_ANCHORED);
}

int pattern_compile(struct pattern **out, const char *text, size_t len, bool jit, struct err *e)
{
	AUTO(pattern) struct pattern *p = NULL;
	AUTO(buf) struct buf *b = buf_new((size_t)256 * PATTERN_LEN_MAX);
	int rc;

	if (len > PATTERN_LEN_MAX)
		return err_set(e, ERR_LIMIT, "a pattern of %zu bytes, more than %d", len, PATTERN_LEN_MAX);
	p = calloc(1, sizeof *p + len + 1);
	if (!p || !b)
		return err_memory(e);
	memcpy(p->text, text, len);
	p->len = len;
	rc = pattern_translate(b, text, len, e);
	if (rc < 0 || (rc = compile(&p->fast, b, 0, e)) < 0)
		return rc;
	p->simple = pattern_simple_new(text, len);
	if (p->simple) {
		pcre2_code_free(TAKE(p->fast));         /* it has said that the pattern is well-formed */
	} else {
		rc = compile(&p->counted, b, PCRE2_AUTO_CALLOUT, e);
		if (rc < 0)
			return rc;
		p->anchored = is_anchored(p->fast);
		if (jit)        /* without it, the interpreter does the same */
			(void)pcre2_jit_compile(p->fast, PCRE2_JIT_COMPLETE);
	}
	*out = TAKE(p);
	return 0;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->fast);
	pcre2_code_free(p->counted);
	free(p->simple);
	free(p);
}

bool pattern_is(const struct pattern *p, const char *text, size_t len)
{
	return p->len == len && memcmp(p->text, text, len) == 0;
}

const char *pattern_text(const struct pattern *p)
{
	return p->text;
}

const struct pattern_simple *pattern_is_simple(const struct pattern *p)
{
	return p->simple;
}

/* ---- matching ---- */

static int charge(pcre2_callout_block *block, void *arg)
{
	struct pattern_memory *m = arg;
	size_t at = block->current_position;
	uint64_t price = 1 + (at > m->at ? at - m->at : 0);

	m->at = at;
	if (price > m->steps)
		return PCRE2_ERROR_MATCHLIMIT;
	m->steps -= price;
	return 0;
}

static struct pattern_memory *memory_new(void)
{
	struct pattern_memory *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (!m->data || !m->context) {
		pattern_memory_free(m);
		return NULL;
	}
	pcre2_set_heap_limit(m->context, HEAP_KIB);
	return m;
}

void pattern_memory_free(struct pattern_memory *m)
{
	if (!m)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	free(m);
}

static int run(const pcre2_code *code, const char *text, size_t len, struct pattern_memory *m, size_t limit)
{
	uint32_t most = (uint32_t)MIN(limit, UINT32_MAX);

	pcre2_set_match_limit(m->context, most);
	pcre2_set_depth_limit(m->context, most);
	return pcre2_match(code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, m->data, m->context);
}

static int run_counted(const struct pattern *p, const char *text, size_t len, struct pattern_memory *m, uint64_t *steps)
{
	uint64_t most = MIN(*steps, PATTERN_STEPS + (uint64_t)PATTERN_STEPS_PER_BYTE * len);
	int rc;

	m->steps = most;
	m->at = 0;
	pcre2_set_callout(m->context, charge, m);
	rc = run(p->counted, text, len, m, most);
	pcre2_set_callout(m->context, NULL, NULL);
	*steps -= most - m->steps;
	return rc;
}

int pattern_match(const struct pattern *p, const char *text, size_t len, struct pattern_memory **memory,
		  uint64_t *steps)
{
	int rc;

	if (p->simple)
		return pattern_simple_match(p->simple, text, len);
	if (!*memory && !(*memory = memory_new()))
		return ERR_MEMORY;
	rc = PCRE2_ERROR_MATCHLIMIT;
	if (p->anchored || len <= FIRST_LEN)
		rc = run(p->fast, text, len, *memory, FIRST_STEPS_EACH + FIRST_STEPS / (len + 1));
	if (rc < 0 && rc != PCRE2_ERROR_NOMATCH)
		rc = run_counted(p, text, len, *memory, steps);
	if (rc >= 0)
		return 1;
	return rc == PCRE2_ERROR_NOMATCH ? 0 : ERR_LIMIT;
}
