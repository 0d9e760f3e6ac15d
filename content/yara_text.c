/* yara_text: rules are found first, in the order of the file; then each is hashed, with what it builds on. */
#include "content/yara_text.h"

#include <stdlib.h>
#include <string.h>

#include "content/yara_lex.h"

#define RULES_MAX 100000
#define BUILDS_MAX 10000000     /* references from rule to rule, all together */

struct found {
	struct yara_rule rule;
	const char *from, *to;  /* its text, "private" and "global" included */
	bool global;
	size_t at;              /* in the file's order */
};

struct reading {
	struct yara_lex lex;
	struct found *rules;    /* owned; in the file's order */
	struct found **by_name; /* owned; borrows from rules */
	size_t count, room;
	size_t builds;
	struct hash *hash;      /* owned */
};

static void release(struct reading *r)
{
	free(r->rules);
	free(r->by_name);
	hash_free(r->hash);
}

static int not_followed(const struct reading *r, struct err *e, const char *why)
{
	return err_set(e, ERR_FORMAT, "rule %zu: %s", r->count + 1, r->lex.lost ? r->lex.lost : why);
}

/* ---- finding rules ---- */

static bool mild(const struct yara_lex *l)
{
	static const char *const words[] = { "\"none\"", "\"observe\"", "\"alert\"" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (yara_lex_is(l, words[i]))
			return true;
	return false;
}

/* From behind its opening brace to behind its closing one. Names of strings begin with a dollar, so a `verdict` with an equals sign is of its meta. */
static int find_end(struct reading *r, struct found *f, struct err *e)
{
	bool verdict = false, verdict_is = false;
	enum yara_token t;

	while ((t = yara_lex_next(&r->lex)) != YARA_SIGN || *r->lex.text != '}') {
		if (t == YARA_END || t == YARA_LOST || (t == YARA_SIGN && *r->lex.text == '{'))
			return not_followed(r, e, "a rule that does not end");
		if (t == YARA_WORD && yara_lex_is(&r->lex, "include"))
			return not_followed(r, e, "an include");
		if (t == YARA_STRING && verdict_is && !mild(&r->lex))
			f->rule.acts = true;
		verdict_is = verdict && t == YARA_SIGN && *r->lex.text == '=';
		verdict = t == YARA_WORD && yara_lex_is(&r->lex, "verdict");
	}
	f->to = r->lex.at;
	return 0;
}

static int take_name(struct reading *r, struct found *f, struct err *e)
{
	if (yara_lex_next(&r->lex) != YARA_WORD || r->lex.len > YARA_NAME_MAX)
		return not_followed(r, e, "a rule without a name");
	memcpy(f->rule.name, r->lex.text, r->lex.len);
	return 0;
}

/* The lexer stands on the first word of a rule. */
static int find_rule(struct reading *r, struct found *f, struct err *e)
{
	enum yara_token t = YARA_WORD;

	*f = (struct found){ .from = r->lex.text, .at = r->count };
	for (; t == YARA_WORD && !yara_lex_is(&r->lex, "rule"); t = yara_lex_next(&r->lex)) {
		if (yara_lex_is(&r->lex, "global"))
			f->global = true;
		else if (!yara_lex_is(&r->lex, "private"))
			return not_followed(r, e, "neither an import nor a rule");
	}
	if (t != YARA_WORD)
		return not_followed(r, e, "neither an import nor a rule");
	if (take_name(r, f, e) < 0)
		return e->code;
	t = yara_lex_next(&r->lex);
	if (t == YARA_SIGN && *r->lex.text == ':')
		while ((t = yara_lex_next(&r->lex)) == YARA_WORD)
			;       /* tags */
	if (t != YARA_SIGN || *r->lex.text != '{')
		return not_followed(r, e, "a rule without a body");
	return find_end(r, f, e);
}

static int make_room(struct reading *r, struct err *e)
{
	struct found *more;

	if (r->count < r->room)
		return 0;
	if (r->count == RULES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d rules", RULES_MAX);
	r->room = MIN(MAX(2 * r->room, 64), (size_t)RULES_MAX);
	more = reallocarray(r->rules, r->room, sizeof(*more));
	if (!more)
		return err_memory(e);
	r->rules = more;
	return 0;
}

static int find_rules(struct reading *r, struct err *e)
{
	enum yara_token t;

	while ((t = yara_lex_next(&r->lex)) != YARA_END) {
		if (t != YARA_WORD)
			return not_followed(r, e, "neither an import nor a rule");
		if (yara_lex_is(&r->lex, "import")) {
			if (yara_lex_next(&r->lex) != YARA_STRING)
				return not_followed(r, e, "an import without a name");
			continue;
		}
		if (make_room(r, e) < 0 || find_rule(r, &r->rules[r->count], e) < 0)
			return e->code;
		r->count++;
	}
	return 0;
}

/* ---- by name ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct found *const *)a)->rule.name, (*(struct found *const *)b)->rule.name);
}

static int sort_names(struct reading *r, struct err *e)
{
	r->by_name = calloc(r->count + 1, sizeof(struct found *));
	if (!r->by_name)
		return err_memory(e);
	for (size_t i = 0; i < r->count; i++)
		r->by_name[i] = &r->rules[i];
	qsort(r->by_name, r->count, sizeof(struct found *), by_name);
	for (size_t i = 1; i < r->count; i++)
		if (by_name(&r->by_name[i - 1], &r->by_name[i]) == 0)
			return err_set(e, ERR_FORMAT, "rule %s: twice", r->by_name[i]->rule.name);
	return 0;
}

/* The first whose name is not before the word. */
static size_t first_from(const struct reading *r, const char *word, size_t len)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strncmp(r->by_name[mid]->rule.name, word, len) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* ---- what a rule is made of ---- */

/* Rules may build on those before them only: by name, or as "2 of (name*)". The digests of those are known by now. */
static int add_built_on(struct reading *r, const struct found *f, const char *word, size_t len, bool wild, struct err *e)
{
	for (size_t i = first_from(r, word, len); i < r->count; i++) {
		const struct found *on = r->by_name[i];
		bool exact = strncmp(on->rule.name, word, len) == 0 && !on->rule.name[len];

		if (!exact && (!wild || strncmp(on->rule.name, word, len) != 0))
			break;
		if (++r->builds > BUILDS_MAX)
			return err_set(e, ERR_LIMIT, "rules build on each other more than %d times", BUILDS_MAX);
		if (on->at < f->at)
			hash_add(r->hash, on->rule.sense.bytes, DIGEST_LEN);
	}
	return 0;
}

static void add_token(struct reading *r, const struct yara_lex *l)
{
	uint64_t len = l->len;

	hash_add(r->hash, &len, sizeof(len));
	hash_add(r->hash, l->text, l->len);
}

static int make_sense(struct reading *r, struct found *f, struct err *e)
{
	struct yara_lex l;
	enum yara_token t;

	yara_lex_init(&l, f->from, (size_t)(f->to - f->from));
	for (t = yara_lex_next(&l); t != YARA_END && t != YARA_LOST;) {
		const char *word = t == YARA_WORD ? l.text : NULL;
		size_t len = l.len;

		add_token(r, &l);
		t = yara_lex_next(&l);
		if (word && add_built_on(r, f, word, len, t == YARA_SIGN && *l.text == '*', e) < 0)
			return e->code;
	}
	hash_final(r->hash, &f->rule.sense);
	return 0;
}

/* A global rule must match before any other may, wherever it stands. */
static void add_globals(struct reading *r)
{
	struct digest globals;
	bool any = false;

	for (size_t i = 0; i < r->count; i++) {
		if (!r->rules[i].global)
			continue;
		hash_add(r->hash, r->rules[i].rule.sense.bytes, DIGEST_LEN);
		any = true;
	}
	hash_final(r->hash, &globals);
	for (size_t i = 0; any && i < r->count; i++) {
		hash_add(r->hash, globals.bytes, DIGEST_LEN);
		hash_add(r->hash, r->rules[i].rule.sense.bytes, DIGEST_LEN);
		hash_final(r->hash, &r->rules[i].rule.sense);
	}
}

static int make_senses(struct reading *r, struct err *e)
{
	r->hash = hash_new();
	if (!r->hash)
		return err_memory(e);
	for (size_t i = 0; i < r->count; i++)
		if (make_sense(r, &r->rules[i], e) < 0)
			return e->code;
	add_globals(r);
	return 0;
}

/* ---- the whole ---- */

static int give(struct yara_text **out, const struct reading *r, struct err *e)
{
	AUTO(yara_text) struct yara_text *t = calloc(1, sizeof(*t));

	if (!t)
		return err_memory(e);
	t->rules = calloc(r->count + 1, sizeof(*t->rules));
	if (!t->rules)
		return err_memory(e);
	for (; t->count < r->count; t->count++)
		t->rules[t->count] = r->by_name[t->count]->rule;
	*out = TAKE(t);
	return 0;
}

int yara_text_read(struct yara_text **out, const char *text, size_t len, struct err *e)
{
	struct reading r = { .count = 0 };
	int rc;

	yara_lex_init(&r.lex, text, len);
	rc = find_rules(&r, e);
	if (rc == 0)
		rc = sort_names(&r, e);
	if (rc == 0)
		rc = make_senses(&r, e);
	if (rc == 0)
		rc = give(out, &r, e);
	release(&r);
	return rc;
}

void yara_text_free(struct yara_text *t)
{
	if (!t)
		return;
	free(t->rules);
	free(t);
}

static int rule_by_name(const void *name, const void *rule)
{
	return strcmp(name, ((const struct yara_rule *)rule)->name);
}

const struct yara_rule *yara_text_find(const struct yara_text *t, const char *name)
{
	return t->count ? bsearch(name, t->rules, t->count, sizeof(*t->rules), rule_by_name) : NULL;
}
