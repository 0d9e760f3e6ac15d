/* reason: why something was refused, reverted or put off; one closed table. */
#include "schema/reason.h"

#include <string.h>

static const struct {
	const char *word, *sentence;
	enum reason_class class;
} rows[REASONS] = {
#define X(name, word, class, sentence) [name] = { word, sentence, REASON_##class },
	REASON_TABLE(X)
#undef X
};

const char *reason_word(enum reason r)
{
	return rows[r].word;
}

const char *reason_sentence(enum reason r)
{
	return rows[r].sentence;
}

bool reason_parse(enum reason *out, const char *word)
{
	for (enum reason r = 0; r < REASONS; r++)
		if (strcmp(rows[r].word, word) == 0) {
			*out = r;
			return true;
		}
	return false;
}

enum reason_class reason_class(const char *word)
{
	enum reason r;

	return word && reason_parse(&r, word) ? rows[r].class : REASON_CONTENT;
}

const char *reason_class_name(enum reason_class c)
{
	static const char *const names[] = {
		[REASON_CONTENT] = "content",
		[REASON_ENVIRONMENT] = "environment",
		[REASON_OPERATOR] = "operator",
	};

	return names[c];
}
