/* pattern: regular expressions as JSON Schema writes them, run by PCRE2. */
#include "schema/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define HEAP_KIB 4096

struct pattern {
	pcre2_code *code;
	pcre2_match_context *limits;
};

/* ---- from ECMA-262 to PCRE2 ---- */

struct translator {
	const char *text, *s, *end;
	struct buf *out;
	bool class;             /* inside [...] */
	bool quantifiable;      /* the last thing was a quantifier: a '+' now would be possessive */
	struct err *e;
};

#define SPACES "\\s\\u00a0\\ufeff\\u2028\\u2029\\p{Zs}"

static int refuse(const struct translator *t, const char *what)
{
	return err_set(t->e, ERR_FORMAT, "the pattern has %s at character %zu, which ECMA-262 does not know", what,
		       (size_t)(t->s - t->text) + 1);
}

/* General categories by their long names, which PCRE2 does not know. */
static const struct { const char *name, *category; } categories[] = {
	{ "Letter", "L" }, { "Lowercase_Letter", "Ll" }, { "Uppercase_Letter", "Lu" }, { "Titlecase_Letter", "Lt" },
	{ "Modifier_Letter", "Lm" }, { "Other_Letter", "Lo" }, { "Mark", "M" }, { "Nonspacing_Mark", "Mn" },
	{ "Number", "N" }, { "Decimal_Number", "Nd" }, { "digit", "Nd" }, { "Letter_Number", "Nl" }, { "Other_Number", "No" },
	{ "Punctuation", "P" }, { "punct", "P" }, { "Symbol", "S" }, { "Math_Symbol", "Sm" }, { "Currency_Symbol", "Sc" },
	{ "Separator", "Z" }, { "Space_Separator", "Zs" }, { "Other", "C" }, { "Control", "Cc" }, { "cntrl", "Cc" },
};

/* \p{...}, \P{...}, \u{...} and \k<...> with what stands in their brackets. */
static int translate_named(struct translator *t)
{
	char open = t->s[1] == 'k' ? '<' : '{';
	const char *name = t->s + 3;
	const char *end = t->s + 2 < t->end && t->s[2] == open ? memchr(name, open == '<' ? '>' : '}', (size_t)(t->end - name)) : NULL;
	size_t len = end ? (size_t)(end - name) : 0;

	if (!end)
		return refuse(t, "an escape without its name");
	buf_add(t->out, t->s, 3);
	for (size_t i = 0; i < ARRAY_LEN(categories); i++)
		if (strlen(categories[i].name) == len && memcmp(categories[i].name, name, len) == 0) {
			name = categories[i].category;
			len = strlen(name);
		}
	buf_add(t->out, name, len);
	buf_addc(t->out, *end);
	t->s = end + 1;
	return 0;
}

static int translate_escape(struct translator *t)
{
	static const char known[] = "bBcdDfknpPrtuvwWxsS0123456789";
	char c = t->s + 1 < t->end ? t->s[1] : '\0';
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

	if (!c)
		return refuse(t, "a lone backslash");
	if (letter && !strchr(known, c))
		return refuse(t, "an escape");
	if (c == 'p' || c == 'P' || c == 'k' || (c == 'u' && t->s + 2 < t->end && t->s[2] == '{'))
		return translate_named(t);
	if (t->class && c == 'S')
		return refuse(t, "\\S inside a class (it has, but this validator has not)");
	if (c == 's' || c == 'S')
		buf_adds(t->out, t->class ? SPACES : c == 's' ? "[" SPACES "]" : "[^" SPACES "]");
	else
		buf_add(t->out, t->s, 2);
	t->s += 2;
	return 0;
}

static int translate_group(struct translator *t)
{
	static const char *const heads[] = { "(?:", "(?=", "(?!", "(?<" };
	size_t left = (size_t)(t->end - t->s);

	if (left > 1 && t->s[1] == '*')
		return refuse(t, "(*");
	if (left > 1 && t->s[1] == '?') {
		size_t i;

		for (i = 0; i < ARRAY_LEN(heads); i++)
			if (left >= 3 && memcmp(t->s, heads[i], 3) == 0)
				break;
		if (i == ARRAY_LEN(heads))
			return refuse(t, "a kind of group");
		buf_add(t->out, t->s, 3);
		t->s += 3;
		return 0;
	}
	buf_addc(t->out, *t->s++);
	return 0;
}

static int translate_class_char(struct translator *t)
{
	if (*t->s == '[' && t->s + 1 < t->end && strchr(":.=", t->s[1]))
		return refuse(t, "a POSIX class");
	if (*t->s == ']')
		t->class = false;
	if (*t->s == '[')
		buf_addc(t->out, '\\');
	buf_addc(t->out, *t->s++);
	return 0;
}

/* The quantifier {n}, {n,}, {n,m} at s: its length, or 0. */
static size_t braces(const struct translator *t)
{
	const char *s = t->s + 1;
	const char *digits = s;

	while (s < t->end && *s >= '0' && *s <= '9')
		s++;
	if (s == digits)
		return 0;
	if (s < t->end && *s == ',')
		s++;
	while (s < t->end && *s >= '0' && *s <= '9')
		s++;
	return s < t->end && *s == '}' ? (size_t)(s - t->s) + 1 : 0;
}

static int translate_plain(struct translator *t)
{
	bool after_quantifier = t->quantifiable;
	size_t len;

	t->quantifiable = false;
	switch (*t->s) {
	case '\\':
		return translate_escape(t);
	case '(':
		return translate_group(t);
	case '[':
		t->class = true;
		len = t->s + 1 < t->end && t->s[1] == '^' ? 2 : 1;
		buf_add(t->out, t->s, len);
		t->s += len;
		return 0;
	case '.':
		buf_adds(t->out, "[^\\n\\r\\u2028\\u2029]");
		t->s++;
		return 0;
	case '+':
		if (after_quantifier)
			return refuse(t, "a possessive quantifier");
		/* fall through */
	case '*':
	case '?':
		t->quantifiable = !after_quantifier;
		break;
	case '{':
		len = braces(t);
		if (!len)
			return refuse(t, "a lone {");
		buf_add(t->out, t->s, len);
		t->s += len;
		t->quantifiable = true;
		return 0;
	default:
		break;
	}
	buf_addc(t->out, *t->s++);
	return 0;
}

static int translate(struct buf *out, const char *text, size_t len, struct err *e)
{
	struct translator t = { .text = text, .s = text, .end = text + len, .out = out, .e = e };
	int rc = 0;

	while (rc == 0 && t.s < t.end) {
		if (!t.class)
			rc = translate_plain(&t);
		else
			rc = *t.s == '\\' ? translate_escape(&t) : translate_class_char(&t);
	}
	return rc < 0 ? rc : buf_check(out, e);
}

/* ---- PCRE2 ---- */

#define OPTIONS (PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS | \
		 PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES)

static int compile(struct pattern *p, const char *text, size_t len, struct err *e)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	unsigned char why[120];
	PCRE2_SIZE at;
	int error;

	if (!context)
		return err_memory(e);
	pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
	p->code = pcre2_compile((PCRE2_SPTR)text, len, OPTIONS, &error, &at, context);
	pcre2_compile_context_free(context);
	if (p->code)
		return 0;
	pcre2_get_error_message(error, why, sizeof why);
	return err_set(e, ERR_FORMAT, "the pattern is malformed: %s", (const char *)why);
}

int pattern_compile(struct pattern **out, const char *text, size_t len, struct err *e)
{
	AUTO(pattern) struct pattern *p = calloc(1, sizeof *p);
	AUTO(buf) struct buf *b = buf_new((size_t)64 * PATTERN_LEN_MAX);
	int rc;

	if (!p || !b)
		return err_memory(e);
	if (len > PATTERN_LEN_MAX)
		return err_set(e, ERR_LIMIT, "a pattern of %zu bytes, more than %d", len, PATTERN_LEN_MAX);
	rc = translate(b, text, len, e);
	if (rc < 0 || (rc = compile(p, b->data ? b->data : "", b->len, e)) < 0)
		return rc;
	p->limits = pcre2_match_context_create(NULL);
	if (!p->limits)
		return err_memory(e);
	pcre2_set_match_limit(p->limits, PATTERN_STEPS);
	pcre2_set_depth_limit(p->limits, PATTERN_STEPS);
	pcre2_set_heap_limit(p->limits, HEAP_KIB);
	*out = TAKE(p);
	return 0;
}

void pattern_free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_code_free(p->code);
	pcre2_match_context_free(p->limits);
	free(p);
}

int pattern_match(const struct pattern *p, const char *text, size_t len)
{
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int rc;

	if (!data)
		return ERR_MEMORY;
	rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_UTF_CHECK, data, p->limits);
	pcre2_match_data_free(data);
	if (rc >= 0)
		return 1;
	return rc == PCRE2_ERROR_NOMATCH ? 0 : ERR_LIMIT;
}
