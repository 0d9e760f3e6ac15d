/* loader_answers: lines of a check command, strictly. Pure. */
#include "content/loader_answers.h"

#include <stdio.h>
#include <string.h>

#include "base/number.h"

#define PREFIX "ringhold "
#define LINE_MAX_LEN (DETECTION_RULE_MAX + 64)
#define REASON_MAX_LEN 300

struct line {
	const char *text;
	size_t len;
};

/* Takes the next line off the text, without its end; false when there is none. */
static bool next_line(struct line *out, const char **at, const char *end)
{
	const char *stop;

	if (*at >= end)
		return false;
	stop = memchr(*at, '\n', (size_t)(end - *at));
	out->text = *at;
	out->len = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	while (out->len && strchr(" \t\r", out->text[out->len - 1]) && out->text[out->len - 1])
		out->len--;
	return true;
}

static bool is_ours(const struct line *l)
{
	return l->len >= strlen(PREFIX) && memcmp(l->text, PREFIX, strlen(PREFIX)) == 0;
}

/* The next word of the line, NUL-terminated in place; NULL: no more. */
static char *word(char **at)
{
	char *from = *at + strspn(*at, " ");

	if (!*from)
		return NULL;
	*at = from + strcspn(from, " ");
	if (**at)
		*(*at)++ = '\0';
	return from;
}

static bool is_rule_name(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
			return false;
	return true;
}

static bool count_of(int64_t *out, const char *digits)
{
	return digits && number_parse(out, digits) && *out >= 0;
}

static bool verdict(struct loader_answers *out, char *rest)
{
	const char *number = word(&rest), *action = word(&rest), *rule = word(&rest);
	struct detection *d;
	enum detection_action said;
	int64_t n;

	if (!count_of(&n, number) || n < 1 || (uint64_t)n > out->count || !action || !detection_parse(&said, action) || word(&rest) ||
	    (rule && (said == DETECTION_NONE || strlen(rule) > DETECTION_RULE_MAX || !is_rule_name(rule))))
		return false;
	d = &out->of[n - 1].detection;
	out->of[n - 1].given = true;
	d->matches += said != DETECTION_NONE;
	if (said > d->action) {
		d->action = said;
		snprintf(d->rule, sizeof d->rule, "%s", rule ? rule : "");
	}
	return true;
}

static bool understand(struct loader_answers *out, const struct line *l)
{
	char text[LINE_MAX_LEN + 1], *rest = text, *what;
	int64_t n;

	if (l->len > LINE_MAX_LEN || memchr(l->text, '\0', l->len))
		return false;
	memcpy(text, l->text, l->len);
	text[l->len] = '\0';
	rest += strlen(PREFIX);
	what = word(&rest);
	if (!what)
		return false;
	if (strcmp(what, "verdict") == 0)
		return verdict(out, rest);
	if (strcmp(what, "events") == 0 && !word(&rest)) {
		out->events = true;
		return true;
	}
	if (strcmp(what, "rules") != 0 || !count_of(&n, word(&rest)) || word(&rest))
		return false;
	out->rules = (uint64_t)n;
	return true;
}

int loader_answers_parse(struct loader_answers *out, const char *text, size_t len, struct err *e)
{
	const char *at = text, *end = text + len;
	struct line l;

	for (unsigned number = 1; next_line(&l, &at, end); number++)
		if (is_ours(&l) && !understand(out, &l))
			return err_set(e, ERR_FORMAT, "line %u of its answer is none: %.*s", number, (int)MIN(l.len, (size_t)100), l.text);
	return 0;
}

void loader_answers_reason(const char *text, size_t len, char *out, size_t cap)
{
	const char *at = text, *end = text + len;
	struct line l, last = { "", 0 };

	while (next_line(&l, &at, end))
		if (l.len && !is_ours(&l))
			last = l;
	snprintf(out, cap, "%.*s", (int)MIN(last.len, (size_t)REASON_MAX_LEN), last.text);
}
