/* check_leaf: what can be said about texts, numbers and literals, and about any value as a whole. */
#include "schema/checker.h"

/* ---- const and enum ---- */

static bool has_text(const struct values *e, const struct json *v)
{
	return text_find(&e->table, e->texts, sizeof *e->texts, text_head(v->u.text, v->count), v->u.text, v->count);
}

static bool has_value(struct check *c, const struct values *e, const struct json *v)
{
	const struct json *number;
	size_t at = 0;

	if (v->type == JSON_STRING)
		return has_text(e, v);
	if (v->type == JSON_NUMBER && e->numbers.cap) {
		while ((number = table_next(&e->numbers, json_hash(v), &at)))
			if (json_equal(number, v))
				return true;
		return false;
	}
	if (!spend(c, v, e->weight))
		return false;
	for (uint32_t i = 0; i < e->other_count; i++)
		if (json_equal(e->others[i], v))
			return true;
	return false;
}

bool check_values(struct check *c, const struct node *n, const struct json *v)
{
	if (n->constant && !json_equal(n->constant, v))
		return report_constant(c, n, v);
	if (n->values && !has_value(c, n->values, v))
		return report_values(c, n, v);
	return true;
}

/* ---- numbers and strings ---- */

static bool in_bounds(const struct number_rules *r, const struct json *v)
{
	return (!r->least || json_compare(v, r->least) >= 0) && (!r->most || json_compare(v, r->most) <= 0) &&
	       (!r->above || json_compare(v, r->above) > 0) && (!r->below || json_compare(v, r->below) < 0) &&
	       (!r->multiple || json_divides(r->multiple, v) == 1);
}

bool check_number(struct check *c, const struct node *n, const struct json *v)
{
	const struct number_rules *r = n->number;
	int64_t x;
	bool small = json_to_int(v, &x);

	if (!small && n->whole && !json_is_integer(v))
		return report_type(c, n, v);
	if (!r)
		return true;
	if (small && r->small ? x >= r->small_least && x <= r->small_most : in_bounds(r, v))
		return true;
	return report_number(c, n, v);
}

static uint64_t code_points(const struct json *v)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < v->count; i++)
		count += ((unsigned char)v->u.text[i] & 0xc0) != 0x80;
	return count;
}

bool check_match(struct check *c, const struct pattern *p, const struct json *place, const char *text, size_t len)
{
	int rc;

	if (!spend(c, place, 1 + len / 16))
		return false;
	rc = pattern_match(p, text, len, &c->patterns, &c->steps);
	if (rc == ERR_LIMIT)
		return report_fatal(c, place, rc, "matching the pattern \"%.160s\" of the schema takes too many steps",
				    pattern_text(p));
	if (rc < 0)
		return report_fatal(c, place, rc, "no memory to match a pattern");
	return rc;
}

bool check_text(struct check *c, const struct node *n, const struct json *v)
{
	const struct string_rules *r = n->string;
	uint64_t len;

	if (v->count > r->max || (v->count + (uint64_t)3) / 4 < r->min) {
		if (!spend(c, v, v->count / 16))
			return false;
		len = code_points(v);
		if (len < r->min || len > r->max)
			return report_length(c, n, v, len);
	}
	if (r->pattern && !check_match(c, r->pattern, v, v->u.text, v->count))
		return c->fatal ? false : report_pattern(c, n, v);
	if (r->format && (!spend(c, v, 1 + v->count / 16) || !r->format->fits(v->u.text, v->count)))
		return c->fatal ? false : report_format(c, n, v);
	return true;
}

/* A character has one to four bytes: mostly there is no need to count. */
static bool check_string(struct check *c, const struct node *n, const struct json *v)
{
	const struct string_rules *r = n->string;

	if (!r || (v->count <= r->max && (v->count + (uint64_t)3) / 4 >= r->min && !r->pattern && !r->format))
		return true;
	return check_text(c, n, v);
}

bool check_leaf(struct check *c, const struct node *n, const struct json *v)
{
	if (!(n->types >> v->type & 1))
		return report_type(c, n, v);
	if (v->type == JSON_STRING && n->values && !n->constant)
		return has_text(n->values, v) ? check_string(c, n, v) : report_values(c, n, v);
	if (n->valued && !check_values(c, n, v))
		return false;
	if (v->type == JSON_STRING)
		return check_string(c, n, v);
	return v->type != JSON_NUMBER || !(n->number || n->whole) || check_number(c, n, v);
}
