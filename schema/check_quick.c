/*
 * check_quick: the first pass over what most documents are made of: plain
 * objects, arrays of one kind, and leaves whose rule is one comparison.
 * Everything else goes to check_node().
 */
#include <string.h>

#include "schema/checker.h"

static bool quick_object(struct check *c, const struct node *n, const struct json *v);
static bool quick_array(struct check *c, const struct node *n, const struct json *v);

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define EACH(byte) (0x0101010101010101 * (uint64_t)(byte))

/* Up to eight digits at once: the lexeme moved up to the last byte of a word, zeros before it. */
static inline bool few_digits(const struct json *v, int64_t *out)
{
	unsigned unused = 8 * (8 - v->count) & 63;
	uint64_t w;

	if (v->count > sizeof w)
		return false;
	memcpy(&w, v->u.text, sizeof w);
	w = w << unused ^ EACH('0') << unused;
	if (((w + EACH(0x80 - 10)) | w) & EACH(0x80))
		return false;
	w = (w * 10 + (w >> 8)) & 0x00ff00ff00ff00ff;
	w = (w * 100 + (w >> 16)) & 0x0000ffff0000ffff;
	*out = (int64_t)((w * 10000 + (w >> 32)) & 0xffffffff);
	return true;
}
#else
static inline bool few_digits(const struct json *v, int64_t *out)
{
	(void)v;
	(void)out;
	return false;
}
#endif

static NOINLINE bool within(const struct node *n, const struct json *v)
{
	int64_t x;

	return json_to_int(v, &x) && x >= n->least && x <= n->most;
}

static inline bool quick_integer(const struct node *n, const struct json *v)
{
	int64_t x;

	return LIKELY(few_digits(v, &x)) ? x >= n->least && x <= n->most : within(n, v);
}

static inline bool quick_values(const struct values *e, const struct json *v)
{
	return text_find(&e->table, e->texts, sizeof *e->texts, text_head(v->u.text, v->count), v->u.text, v->count);
}

static inline bool quick_constant(const struct node *n, const struct json *v)
{
	return n->constant->count == v->count && memcmp(n->constant->u.text, v->u.text, v->count) == 0;
}

static inline bool quick_pattern(struct check *c, const struct node *n, const struct json *v)
{
	uint64_t price = 1 + (uint64_t)v->count / 16;

	if (c->steps < price)
		return false;
	c->steps -= price;
	return pattern_simple_match(n->simple, v->u.text, v->count);
}

static inline __attribute__((always_inline)) bool check_one(struct check *c, const struct node *n, const struct json *v)
{
	bool fits = false;

	switch ((enum quick)n->quick[v->type]) {
	case QUICK_FITS:
		return true;
	case QUICK_TEXT:
		fits = v->count - n->easy_least <= n->easy_more;
		break;
	case QUICK_VALUES:
		fits = quick_values(n->values, v);
		break;
	case QUICK_CONSTANT:
		fits = quick_constant(n, v);
		break;
	case QUICK_PATTERN:
		fits = quick_pattern(c, n, v);
		break;
	case QUICK_INTEGER:
		fits = quick_integer(n, v);
		break;
	case QUICK_OBJECT:
		return quick_object(c, n, v);
	case QUICK_ARRAY:
		return quick_array(c, n, v);
	case QUICK_NODE:
		break;
	}
	return LIKELY(fits) || check_node(c, n, v);
}

/* One step down to the children; false: check_node() says why not. */
static inline bool go_down(struct check *c, const struct node *n, const struct json *v)
{
	if (c->depth == DEPTH_MAX || c->steps <= v->count)
		return false;
	c->steps -= 1 + (uint64_t)v->count;
	c->way[c->depth++] = n;
	return true;
}

static bool quick_array(struct check *c, const struct node *n, const struct json *v)
{
	const struct array_rules *r = n->array;
	const struct json *item = v->u.items, *end = item + v->count;

	if (v->count < r->min || v->count > r->max)
		return false;
	if (!r->items_quick)
		return true;
	if (!go_down(c, n, v))
		return check_node(c, n, v);
	while (item < end && check_one(c, r->items_quick, item))
		item++;
	c->depth--;
	return item == end;
}

/* Documents mostly keep the schema's order: `next` is the property behind the last one found. */
static inline const struct property *find_property(const struct object_rules *o, const struct json_string *key,
						   const struct property *next)
{
	uint64_t head;
	uint32_t at;

	if (!(o->lengths >> (key->len & 63) & 1))
		return NULL;
	head = text_head(key->text, key->len);
	if (next < o->properties + o->property_count && text_equal(&next->name, head, key->text, key->len))
		return next;
	at = text_find(&o->table, o->properties, sizeof *o->properties, head, key->text, key->len);
	return at ? &o->properties[at - 1] : NULL;
}

bool check_simple(struct check *c, const struct object_rules *o, const struct json *v)
{
	const struct json_member *m = v->u.members, *end = m + v->count;
	const struct property *next = o->properties;
	uint32_t required = 0;

	for (; m < end; m++) {
		const struct property *p = find_property(o, &m->key, next);
		const struct node *n = o->additional_quick;

		if (p) {
			next = p + 1;
			required += p->required;
			n = p->quick ? p->quick : n;
		}
		if (n && !check_one(c, n, &m->value))
			return false;
	}
	return required == o->required_count;
}

static bool quick_object(struct check *c, const struct node *n, const struct json *v)
{
	bool valid;

	if (v->count < n->object->min || v->count > n->object->max)
		return false;
	if (!go_down(c, n, v))
		return check_node(c, n, v);
	valid = check_simple(c, n->object, v);
	c->depth--;
	return valid;
}

bool check_quick(struct check *c, const struct node *n, const struct json *v)
{
	while (n->alias)
		n = n->alias;
	return check_one(c, n, v) && !c->fatal;
}
