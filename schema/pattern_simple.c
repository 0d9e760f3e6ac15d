/*
 * pattern_simple: patterns that need no way back.
 *
 * A ^, then items, each a set of ASCII characters (or the complement of one)
 * with a quantifier, then perhaps a $. An item of variable length takes all it
 * can. That is the only way to match when whatever may come next shares no
 * character with it: had it stopped earlier, the next character would belong
 * to it and to no item behind it. Patterns where this does not hold are not
 * of this kind.
 */
#include <stdlib.h>
#include <string.h>

#include "schema/pattern.h"

#define ITEMS_MAX 128
#define MANY UINT32_MAX

struct item {
	uint64_t set[4];        /* of bytes */
	uint32_t min, max;      /* MANY: no end */
	uint32_t number;        /* of its set, among different ones */
	bool open;              /* a complement: holds all characters beyond ASCII */
};

#define SETS_MAX 32

struct step {
	uint32_t set;           /* one bit of the table's masks */
	uint32_t min, max;
};

struct pattern_simple {
	uint32_t members[256];  /* byte -> mask of the sets that hold it */
	bool tail;              /* ends in $ */
	uint32_t count;
	struct step steps[];
};

struct reader {
	const char *s, *end;
};

static bool has(const struct item *i, unsigned char c)
{
	return i->set[c >> 6] >> (c & 63) & 1;
}

static void add_range(struct item *i, unsigned first, unsigned last)
{
	for (unsigned c = first; c <= last; c++)
		i->set[c >> 6] |= (uint64_t)1 << (c & 63);
}

/* The character that an escape stands for, or -1. */
static int escaped_char(char c)
{
	static const char names[] = "tnvfr", meanings[] = "\t\n\v\f\r";
	const char *at = c ? strchr(names, c) : NULL;

	if (at)
		return meanings[at - names];
	return c && strchr("^$\\.*+?()[]{}|/-", c) ? c : -1;
}

/* \d or \w, added to i. */
static bool add_named(struct item *i, char c)
{
	if (c != 'd' && c != 'w')
		return false;
	add_range(i, '0', '9');
	if (c == 'w') {
		add_range(i, 'a', 'z');
		add_range(i, 'A', 'Z');
		add_range(i, '_', '_');
	}
	return true;
}

/* One character of a class; -1: something else. */
static int class_char(struct reader *r)
{
	int c;

	if (r->s >= r->end || (unsigned char)*r->s >= 0x80 || *r->s == ']' || *r->s == '[')
		return -1;
	if (*r->s != '\\')
		return *r->s++;
	if (r->s + 1 >= r->end)
		return -1;
	c = escaped_char(r->s[1]);
	r->s += 2;
	return c;
}

static bool read_class(struct reader *r, struct item *i)
{
	r->s++;
	i->open = r->s < r->end && *r->s == '^';
	r->s += i->open;
	if (r->s < r->end && *r->s == ']')
		return false;
	while (r->s < r->end && *r->s != ']') {
		int first, last;

		if (*r->s == '\\' && r->s + 1 < r->end && add_named(i, r->s[1])) {
			r->s += 2;
			/* "[\w-x]" is no range, but "[\w-]" is what it looks like */
			if (r->end - r->s >= 2 && r->s[0] == '-' && r->s[1] != ']')
				return false;
			continue;
		}
		first = last = class_char(r);
		if (r->end - r->s >= 2 && r->s[0] == '-' && r->s[1] != ']') {
			r->s++;
			last = class_char(r);
		}
		if (first < 0 || last < first)
			return false;
		add_range(i, (unsigned)first, (unsigned)last);
	}
	if (r->s >= r->end)
		return false;
	r->s++;
	for (int k = 0; i->open && k < 4; k++)
		i->set[k] = ~i->set[k];
	return true;
}

static bool read_set(struct reader *r, struct item *i)
{
	int c;

	if (*r->s == '[')
		return read_class(r, i);
	if (*r->s == '\\') {
		if (r->s + 1 >= r->end)
			return false;
		c = escaped_char(r->s[1]);
		r->s += 2;
		if (c < 0)
			return add_named(i, r->s[-1]);
	} else {
		c = (unsigned char)*r->s++;
		if (c >= 0x80 || strchr("^$.*+?()]{}|", c))
			return false;
	}
	add_range(i, (unsigned)c, (unsigned)c);
	return true;
}

static bool read_number(struct reader *r, uint32_t *out)
{
	const char *start = r->s;

	*out = 0;
	while (r->s < r->end && *r->s >= '0' && *r->s <= '9' && r->s - start < 5)
		*out = 10 * *out + (uint32_t)(*r->s++ - '0');
	return r->s > start;
}

static bool read_braces(struct reader *r, struct item *i)
{
	r->s++;
	if (!read_number(r, &i->min))
		return false;
	i->max = i->min;
	if (r->s < r->end && *r->s == ',') {
		r->s++;
		i->max = MANY;
		if (r->s < r->end && *r->s != '}' && !read_number(r, &i->max))
			return false;
	}
	return r->s < r->end && *r->s++ == '}' && i->min <= i->max;
}

static bool read_quantifier(struct reader *r, struct item *i)
{
	i->min = i->max = 1;
	if (r->s < r->end && strchr("*+?", *r->s)) {
		i->min = *r->s == '+';
		i->max = *r->s == '?' ? 1 : MANY;
		r->s++;
	} else if (r->s < r->end && *r->s == '{' && !read_braces(r, i)) {
		return false;
	}
	if (r->s < r->end && strchr("*+?{", *r->s))
		return false;
	/* of characters beyond ASCII the bytes are counted: only none, some and any are the same */
	return !i->open || (i->min <= 1 && i->max == MANY);
}

static bool disjoint(const struct item *a, const struct item *b)
{
	return !((a->set[0] & b->set[0]) | (a->set[1] & b->set[1]) | (a->set[2] & b->set[2]) | (a->set[3] & b->set[3]));
}

static bool never_goes_back(const struct item *items, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (items[i].min == items[i].max)
			continue;
		for (uint32_t k = i + 1; k < count; k++) {
			if (!disjoint(&items[i], &items[k]))
				return false;
			if (items[k].min)
				break;
		}
	}
	return true;
}

/* The number of the item's set among those of the items before it and its own. */
static uint32_t set_number(const struct item *items, uint32_t which, uint32_t *sets)
{
	for (uint32_t i = 0; i < which; i++)
		if (memcmp(items[i].set, items[which].set, sizeof items[i].set) == 0)
			return items[i].number;
	return (*sets)++;
}

static struct pattern_simple *make(struct item *items, uint32_t count, bool tail)
{
	struct pattern_simple *p;
	uint32_t sets = 0;

	for (uint32_t i = 0; i < count; i++)
		items[i].number = set_number(items, i, &sets);
	if (sets > SETS_MAX)
		return NULL;
	p = calloc(1, sizeof *p + count * sizeof *p->steps);
	if (!p)
		return NULL;
	p->tail = tail;
	p->count = count;
	for (uint32_t i = 0; i < count; i++) {
		p->steps[i] = (struct step){ (uint32_t)1 << items[i].number, items[i].min, items[i].max };
		for (unsigned c = 0; c < 256; c++)
			if (has(&items[i], (unsigned char)c))
				p->members[c] |= p->steps[i].set;
	}
	return p;
}

struct pattern_simple *pattern_simple_new(const char *text, size_t len)
{
	struct reader r = { .s = text + 1, .end = text + len };
	struct item items[ITEMS_MAX];
	uint32_t count = 0;
	bool tail = false;

	if (len < 1 || text[0] != '^' || memchr(text, '\0', len))
		return NULL;
	while (r.s < r.end && !tail) {
		tail = *r.s == '$' && r.s + 1 == r.end;
		if (tail)
			break;
		if (count == ITEMS_MAX)
			return NULL;
		items[count] = (struct item){ 0 };
		if (!read_set(&r, &items[count]) || !read_quantifier(&r, &items[count]))
			return NULL;
		count++;
	}
	return never_goes_back(items, count) ? make(items, count, tail) : NULL;
}

bool pattern_simple_match(const struct pattern_simple *p, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct step *step = &p->steps[i];
		const unsigned char *stop = (size_t)(end - s) > step->max ? s + step->max : end, *start = s;

		while (stop - s >= 4 && (p->members[s[0]] & p->members[s[1]] & p->members[s[2]] & p->members[s[3]] & step->set))
			s += 4;
		while (s < stop && (p->members[*s] & step->set))
			s++;
		if ((size_t)(s - start) < step->min)
			return false;
	}
	return !p->tail || s == end;
}
