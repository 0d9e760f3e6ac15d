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
	bool open;              /* a complement: holds all characters beyond ASCII */
};

struct pattern_simple {
	bool tail;              /* ends in $ */
	uint32_t count;
	struct item items[];
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

struct pattern_simple *pattern_simple_new(const char *text, size_t len)
{
	struct reader r = { .s = text + 1, .end = text + len };
	struct item items[ITEMS_MAX];
	struct pattern_simple *p;
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
	if (!never_goes_back(items, count))
		return NULL;
	p = malloc(sizeof *p + count * sizeof *items);
	if (!p)
		return NULL;
	p->tail = tail;
	p->count = count;
	memcpy(p->items, items, count * sizeof *items);
	return p;
}

bool pattern_simple_match(const struct pattern_simple *p, const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text, *end = s + len;

	for (uint32_t i = 0; i < p->count; i++) {
		const struct item *item = &p->items[i];
		size_t left = (size_t)(end - s);
		const unsigned char *stop = left > item->max ? s + item->max : end, *start = s;

		while (s < stop && has(item, *s))
			s++;
		if ((size_t)(s - start) < item->min)
			return false;
	}
	return !p->tail || s == end;
}
