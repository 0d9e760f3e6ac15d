/* pattern_translate: from the syntax of ECMA-262 to that of PCRE2. */
#include <string.h>

#include "schema/pattern.h"

struct translator {
	const char *text, *s, *end;
	struct buf *out;
	bool class;             /* inside [...] */
	bool quantifiable;      /* the last thing was a quantifier: a '+' now would be possessive */
	struct err *e;
};

/* White space and line ends of ECMA-262, and everything else. */
#define SPACES "\\t-\\r \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff"
#define NO_SPACES                                                                                       \
	"\\x00-\\x08\\x0e-\\x1f!-\\u009f\\u00a1-\\u167f\\u1681-\\u1fff\\u200b-\\u2027\\u202a-\\u202e\\u2030-\\u205e" \
	"\\u2060-\\u2fff\\u3001-\\ufefe\\uff00-\\u{10ffff}"

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
	if (c == 's' || c == 'S')
		buf_adds(t->out, t->class ? c == 's' ? SPACES : NO_SPACES : c == 's' ? "[" SPACES "]" : "[" NO_SPACES "]");
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

int pattern_translate(struct buf *out, const char *text, size_t len, struct err *e)
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
