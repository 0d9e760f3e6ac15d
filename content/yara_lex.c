/* yara_lex: after lexer.l of libyara 4.2, whose words the comments use. */
#include "content/yara_lex.h"

#include <string.h>

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"
#define BLANKS " \t\r\n"
#define OF_BYTES DIGITS "abcdefABCDEF" BLANKS "-|~?[]()"

void yara_lex_init(struct yara_lex *l, const char *text, size_t len)
{
	*l = (struct yara_lex){ .at = text, .end = text + len, .text = text };
}

bool yara_lex_is(const struct yara_lex *l, const char *text)
{
	return l->len == strlen(text) && !memcmp(l->text, text, l->len);
}

static bool among(const char *set, char c)
{
	return c && strchr(set, c);
}

static bool of_word(char c)
{
	return among(LETTERS DIGITS "_", c);
}

static enum yara_token lost(struct yara_lex *l, const char *why)
{
	l->lost = why;
	l->at = l->end;
	return YARA_LOST;
}

static enum yara_token done(struct yara_lex *l, const char *end, enum yara_token which)
{
	l->len = (size_t)(end - l->text);
	l->at = end;
	return which;
}

/* ---- blanks and comments ---- */

/* Behind a comment that begins at p; NULL: it does not end. *is_one false: none begins there. */
static const char *comment_end(const char *p, const char *end, bool *is_one)
{
	const char *close;

	*is_one = end - p >= 2 && p[0] == '/' && (p[1] == '/' || p[1] == '*');
	if (!*is_one)
		return p;
	if (p[1] == '/') {
		close = memchr(p, '\n', (size_t)(end - p));
		return close ? close : end;
	}
	close = memmem(p + 2, (size_t)(end - p) - 2, "*/", 2);
	return close ? close + 2 : NULL;
}

static bool skip(struct yara_lex *l)
{
	bool is_one = true;

	while (l->at < l->end && is_one) {
		const char *next;

		while (l->at < l->end && among(BLANKS, *l->at))
			l->at++;
		next = comment_end(l->at, l->end, &is_one);
		if (!next)
			return false;
		l->at = next;
	}
	return true;
}

/* ---- what has a beginning and an end ---- */

static enum yara_token string(struct yara_lex *l)
{
	for (const char *p = l->text + 1; p < l->end && *p != '\n'; p++) {
		if (*p == '"')
			return done(l, p + 1, YARA_STRING);
		if (*p == '\\' && ++p < l->end && *p == '\n')
			break;
	}
	return lost(l, "a string that does not end in its line");
}

static enum yara_token regexp(struct yara_lex *l)
{
	for (const char *p = l->text + 1; p < l->end && *p != '\n'; p++) {
		if (*p == '/') {
			p++;
			p += p < l->end && *p == 'i';
			p += p < l->end && *p == 's';
			return done(l, p, YARA_REGEXP);
		}
		if (*p == '\\' && ++p < l->end && *p == '\n')
			break;
	}
	return lost(l, "a regular expression that does not end in its line");
}

/* libyara takes the longest match, which a brace or another comment in a comment may move: that is not followed. */
static bool plain_comment(const char *from, const char *to)
{
	size_t len = (size_t)(to - from);

	return !memchr(from, '}', len) && !memmem(from + 2, len - 2, "/*", 2);
}

static enum yara_token bytes(struct yara_lex *l)
{
	const char *p = l->text + 1;

	while (p < l->end && *p != '}') {
		bool is_one;
		const char *next = comment_end(p, l->end, &is_one);

		if (!next || (is_one && !plain_comment(p, next)))
			return lost(l, "a comment among bytes that is not followed");
		if (!is_one && !among(OF_BYTES, *p))
			return lost(l, "something else among bytes");
		p = is_one ? next : p + 1;
	}
	return p < l->end ? done(l, p + 1, YARA_BYTES) : lost(l, "bytes that do not end");
}

/* ---- words ---- */

static const char *word_end(const char *p, const char *end)
{
	while (p < end && of_word(*p))
		p++;
	return p;
}

/* 10, 10KB, 0x1f, 0o17; a word right behind it is a token of its own there, and not followed here. */
static enum yara_token number(struct yara_lex *l)
{
	const char *p = l->text, *end = word_end(p, l->end), *digits = DIGITS;

	if (end - p > 2 && p[0] == '0' && (p[1] == 'x' || p[1] == 'o')) {
		digits = p[1] == 'x' ? DIGITS "abcdefABCDEF" : "01234567";
		p += 2;
	} else if (end - p > 2 && (!memcmp(end - 2, "KB", 2) || !memcmp(end - 2, "MB", 2))) {
		end -= 2;
	}
	while (p < end && among(digits, *p))
		p++;
	return p == end ? done(l, word_end(p, l->end), YARA_NUMBER) : lost(l, "a number with a word behind it");
}

static enum yara_token cut(struct yara_lex *l, bool equals)
{
	char c = *l->text;

	if (among(LETTERS "_", c))
		return done(l, word_end(l->text, l->end), YARA_WORD);
	if (among(DIGITS, c))
		return number(l);
	if (among("$#@!", c))
		return done(l, word_end(l->text + 1, l->end), YARA_VARIABLE);
	if (c == '"')
		return string(l);
	if (c == '/')   /* to divide is written with a backslash */
		return regexp(l);
	if (c == '{' && equals)
		return bytes(l);
	return c > ' ' && c < 127 ? done(l, l->text + 1, YARA_SIGN) : lost(l, "a character that YARA has no use for");
}

enum yara_token yara_lex_next(struct yara_lex *l)
{
	bool equals = l->equals;
	enum yara_token t;

	if (l->lost)
		return YARA_LOST;
	l->equals = false;
	if (!skip(l))
		return lost(l, "a comment that does not end");
	l->text = l->at;
	l->len = 0;
	if (l->at == l->end)
		return YARA_END;
	t = cut(l, equals);
	l->equals = t == YARA_SIGN && *l->text == '=';
	return t;
}
