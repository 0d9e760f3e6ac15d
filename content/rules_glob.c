/*
 * rules_glob: file-name patterns as a bit-parallel automaton.
 *
 * State i means that the first i tokens have matched. All states advance
 * together over each character, so there is nothing to go back to: time is at
 * most characters times tokens.
 */
#include "content/rules_matcher.h"

#include <stdlib.h>
#include <string.h>

#define TOKENS_MAX 255                  /* so that states 0..TOKENS_MAX fit the words */
#define WORDS 4

/* Above every code point. */
#define ONE 0x110000u                   /* ? */
#define STAR 0x110001u                  /* * */
#define STARS 0x110002u                 /* ** */

struct rules_glob {
	bool path;                      /* * and ? stop at '/' */
	unsigned count;
	uint32_t tokens[];
};

/* The next character of valid UTF-8; a stray byte stands for itself. */
static uint32_t next_char(const char **at, const char *end)
{
	const unsigned char *s = (const unsigned char *)*at;
	unsigned more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
	uint32_t c = more == 3 ? s[0] & 7 : more == 2 ? s[0] & 15 : more == 1 ? s[0] & 31 : s[0];

	if ((size_t)(end - *at) <= more) {
		++*at;
		return s[0];
	}
	for (unsigned i = 1; i <= more; i++)
		c = c << 6 | (s[i] & 63);
	*at += more + 1;
	return c;
}

int rules_glob_new(struct rules_glob **out, const char *text, size_t len, bool path, struct err *e)
{
	const char *at = text, *end = text + len;
	struct rules_glob *g = calloc(1, sizeof(*g) + (TOKENS_MAX + 1) * sizeof(g->tokens[0]));

	if (!g)
		return err_memory(e);
	g->path = path;
	while (at < end) {
		uint32_t c = next_char(&at, end);

		if (c == '[' || (c == '\\' && at == end)) {
			free(g);
			return c == '[' ? err_set(e, ERR_FORMAT, "a glob has no character classes: write \\[ for the character itself")
					: err_set(e, ERR_FORMAT, "a glob cannot end with a single \\");
		}
		if (c == '\\')
			c = next_char(&at, end);
		else if (c == '?')
			c = ONE;
		else if (c == '*' && at < end && *at == '*') {
			while (at < end && *at == '*')
				at++;
			c = STARS;
		} else if (c == '*')
			c = path ? STAR : STARS;
		if (g->count == TOKENS_MAX) {
			free(g);
			return err_set(e, ERR_LIMIT, "a glob of more than %d characters", TOKENS_MAX);
		}
		g->tokens[g->count++] = c;
	}
	*out = g;
	return 0;
}

void rules_glob_free(struct rules_glob *g)
{
	free(g);
}

static void reach(const struct rules_glob *g, uint64_t set[WORDS], unsigned state)
{
	set[state / 64] |= (uint64_t)1 << (state % 64);
	while (state < g->count && g->tokens[state] > ONE) {    /* a star may stand for nothing */
		state++;
		set[state / 64] |= (uint64_t)1 << (state % 64);
	}
}

/* What one character makes of a state; returns the states that were alive. */
static unsigned advance(const struct rules_glob *g, const uint64_t from[WORDS], uint64_t to[WORDS], uint32_t c)
{
	bool stop = g->path && c == '/';
	unsigned alive = 0;

	for (unsigned w = 0; w <= g->count / 64; w++)
		for (uint64_t bits = from[w]; bits; bits &= bits - 1) {
			unsigned state = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint32_t token;

			alive++;
			if (state >= g->count)
				continue;
			token = g->tokens[state];
			if (token == STARS || (token == STAR && !stop))
				reach(g, to, state);
			else if (token == c || (token == ONE && !stop))
				reach(g, to, state + 1);
		}
	return alive;
}

int rules_glob_try(const struct rules_glob *g, const char *text, size_t len, struct rules_budget *b)
{
	uint64_t states[2][WORDS] = { { 0 } };
	const char *at = text, *end = text + len;
	unsigned now = 0;

	reach(g, states[0], 0);
	while (at < end) {
		unsigned alive = advance(g, states[now], states[!now], next_char(&at, end));

		if (!rules_spend(b, 1 + alive))
			return -1;
		if (!alive)
			return 0;
		memset(states[now], 0, sizeof(states[now]));
		now = !now;
	}
	return states[now][g->count / 64] >> (g->count % 64) & 1;
}
