/*
 * yara_lex: the tokens of a file of YARA rules, as libyara 4 cuts them.
 *
 * Made to find rules, not to judge them: of text that libyara takes it finds
 * the same tokens, or says that it does not follow; what libyara refuses may
 * pass here. Pure.
 */
#ifndef CONTENT_YARA_LEX_H
#define CONTENT_YARA_LEX_H

#include <stdbool.h>

#include "base/err.h"

enum yara_token {
	YARA_END,
	YARA_WORD,              /* an identifier or a keyword */
	YARA_NUMBER,
	YARA_VARIABLE,          /* $a, #a, @a, !a, and each of them alone */
	YARA_STRING,            /* with its quotes, nothing unescaped */
	YARA_REGEXP,            /* with its slashes and flags */
	YARA_BYTES,             /* { 4d 5a }, from brace to brace */
	YARA_SIGN,              /* one character of any operator */
	YARA_LOST,              /* not followed from here on; see lost */
};

struct yara_lex {
	const char *at, *end;   /* what is left */
	const char *text;       /* the token, */
	size_t len;             /* and its bytes */
	bool equals;            /* it follows an equals sign: a brace begins bytes, not a rule */
	const char *lost;       /* why; a phrase */
};

void yara_lex_init(struct yara_lex *l, const char *text, size_t len);
enum yara_token yara_lex_next(struct yara_lex *l);
bool yara_lex_is(const struct yara_lex *l, const char *text);   /* the token at hand is this text */

#endif
