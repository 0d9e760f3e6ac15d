/* rules_matcher: which matcher fits which type, and how it is compiled. */
#include "content/rules_matcher_parts.h"

#include <stdlib.h>
#include <string.h>

#define BIT(t) (1u << (t))
#define TEXT (BIT(RULES_STRING) | BIT(RULES_PATH))
#define ALL (BIT(RULES_TYPES) - 1)

static const struct {
	const char *name;
	unsigned types;                 /* that it fits */
	unsigned cost;                  /* relative; the cheap are tried first */
} kinds[RULES_KINDS] = {
	[RULES_ANY] =      { "any",      ALL,                      0 },
	[RULES_EQUALS] =   { "equals",   ALL,                      1 },
	[RULES_PREFIX] =   { "prefix",   TEXT | BIT(RULES_BYTES),  1 },
	[RULES_SUFFIX] =   { "suffix",   TEXT | BIT(RULES_BYTES),  1 },
	[RULES_CONTAINS] = { "contains", TEXT | BIT(RULES_BYTES),  4 },
	[RULES_GLOB] =     { "glob",     TEXT,                    16 },
	[RULES_SET] =      { "set",      ALL,                      2 },
	[RULES_RANGE] =    { "range",    BIT(RULES_INTEGER),       1 },
	[RULES_CIDR] =     { "cidr",     BIT(RULES_IP),            2 },
	[RULES_REGEX] =    { "regex",    TEXT,                    64 },
};

const char *rules_kind_name(enum rules_kind k)
{
	return kinds[k].name;
}

bool rules_kind_fits(enum rules_kind k, enum rules_type t)
{
	return kinds[k].types & BIT(t);
}

enum rules_kind rules_matcher_kind(const struct rules_matcher *m)
{
	return m->kind;
}

unsigned rules_matcher_cost(const struct rules_matcher *m)
{
	return kinds[m->kind].cost;
}

const char *rules_matcher_text(const struct rules_matcher *m, size_t i)
{
	bool listed = m->kind == RULES_EQUALS || m->kind == RULES_SET;

	return listed && m->texts && i < m->count ? m->texts[i].bytes : NULL;
}

const char *rules_matcher_pattern(const struct rules_matcher *m, size_t *len)
{
	if (m->kind != RULES_REGEX)
		return NULL;
	*len = m->texts[0].len;
	return m->texts[0].bytes;
}

bool rules_matcher_refers(const struct rules_matcher *m)
{
	return m->kind == RULES_REGEX && rules_regex_refers(m->regex, m->texts[0].bytes, m->texts[0].len);
}

void rules_matcher_free(struct rules_matcher *m)
{
	if (!m)
		return;
	for (size_t i = 0; m->texts && i < m->count; i++)
		free(m->texts[i].bytes);
	free(m->texts);
	free(m->numbers);
	free(m->networks);
	rules_glob_free(m->glob);
	rules_regex_free(m->regex);
	free(m);
}

AUTO_DEFINE(rules_matcher, struct rules_matcher *, rules_matcher_free);

/* ---- compiling ---- */

/* What compiling one matcher needs to know and to tell. */
struct compile {
	const struct rules_field *field;
	const struct json **at;
	enum rules_fault *fault;
	struct err *e;
};

static int fail(const struct compile *c, const struct json *at, enum rules_fault fault)
{
	*c->at = at;
	*c->fault = fault;
	return c->e->code;
}

static int allocate(struct rules_matcher *m, size_t count, struct err *e)
{
	switch (m->type) {
	case RULES_INTEGER:
		m->numbers = calloc(count, sizeof(*m->numbers));
		return m->numbers ? 0 : err_memory(e);
	case RULES_IP:
		m->networks = calloc(count, sizeof(*m->networks));
		return m->networks ? 0 : err_memory(e);
	case RULES_ENUM:
		return 0;
	case RULES_STRING:
	case RULES_PATH:
	case RULES_BYTES:
		m->texts = calloc(count, sizeof(*m->texts));
		return m->texts ? 0 : err_memory(e);
	}
	return err_set(e, ERR_INTERNAL, "a matcher of type %d", (int)m->type);
}

/* Adds one value of the field's type. */
static int add_value(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	struct buf scratch = { 0 };
	struct rules_value value;
	int rc = 0;

	if (v->type == JSON_STRING && v->count > RULES_TEXT_MAX) {
		err_set(c->e, ERR_LIMIT, "a value of %u bytes, more than the %d allowed", v->count, RULES_TEXT_MAX);
		return fail(c, v, RULES_OVER_LIMIT);
	}
	if (rules_value_read(&value, c->field, v, &scratch, c->e) < 0) {
		fail(c, v, RULES_BAD_VALUE);
		buf_release(&scratch);
		return c->e->code;
	}
	switch (m->type) {
	case RULES_INTEGER:
		m->numbers[m->count++] = value.number;
		break;
	case RULES_IP:
		memcpy(m->networks[m->count].ip, value.ip, RULES_IP_LEN);
		m->networks[m->count++].bits = 8 * RULES_IP_LEN;
		break;
	case RULES_ENUM:
		if (value.number < 0) {
			err_set(c->e, ERR_FORMAT, "\"%.64s\" is none of its values", value.text);
			rc = fail(c, v, RULES_BAD_VALUE);
		} else {
			m->members[value.number / 64] |= (uint64_t)1 << (value.number % 64);
		}
		break;
	case RULES_STRING:
	case RULES_PATH:
	case RULES_BYTES:
		m->texts[m->count].bytes = malloc(value.len + 1);
		if (!m->texts[m->count].bytes) {
			rc = err_memory(c->e);
			break;
		}
		memcpy(m->texts[m->count].bytes, value.text ? value.text : "", value.len);
		m->texts[m->count].bytes[value.len] = '\0';
		m->texts[m->count++].len = value.len;
		break;
	}
	buf_release(&scratch);
	return rc;
}

static int compile_one(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	if (allocate(m, 1, c->e) < 0)
		return c->e->code;
	return add_value(m, c, v);
}

static int compile_part(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	if (compile_one(m, c, v) < 0)
		return c->e->code;
	if (m->texts[0].len)
		return 0;
	err_set(c->e, ERR_FORMAT, "\"%s\" of nothing holds always: say \"any\"", kinds[m->kind].name);
	return fail(c, v, RULES_BAD_VALUE);
}

static int compile_any(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	(void)m;
	if (v->type == JSON_TRUE)
		return 0;
	err_set(c->e, ERR_FORMAT, "expected true, found %s", json_type_name(v->type));
	return fail(c, v, RULES_BAD_VALUE);
}

static int compile_set(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	if (v->type != JSON_ARRAY || !v->count || v->count > RULES_SET_MAX) {
		err_set(c->e, ERR_FORMAT, "expected a list of 1 to %d values", RULES_SET_MAX);
		return fail(c, v, RULES_BAD_VALUE);
	}
	if (allocate(m, v->count, c->e) < 0)
		return c->e->code;
	for (uint32_t i = 0; i < v->count; i++)
		if (add_value(m, c, &v->u.items[i]) < 0)
			return c->e->code;
	if (m->texts)
		qsort(m->texts, m->count, sizeof(*m->texts), rules_text_compare);
	if (m->numbers)
		qsort(m->numbers, m->count, sizeof(*m->numbers), rules_number_compare);
	if (m->networks)
		qsort(m->networks, m->count, sizeof(*m->networks), rules_network_compare);
	return 0;
}

static int compile_range(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	static const int64_t open[2] = { INT64_MIN, INT64_MAX };

	if (allocate(m, 2, c->e) < 0)
		return c->e->code;
	if (v->type != JSON_ARRAY || v->count != 2) {
		err_set(c->e, ERR_FORMAT, "expected [min, max]");
		return fail(c, v, RULES_BAD_VALUE);
	}
	for (int i = 0; i < 2; i++) {
		if (v->u.items[i].type == JSON_NULL)
			m->numbers[m->count++] = open[i];
		else if (add_value(m, c, &v->u.items[i]) < 0)
			return c->e->code;
	}
	if (m->numbers[0] <= m->numbers[1])
		return 0;
	err_set(c->e, ERR_FORMAT, "an empty range: its minimum is above its maximum");
	return fail(c, v, RULES_BAD_VALUE);
}

static bool parse_network(struct rules_network *out, const struct json *v)
{
	const char *slash = v->type == JSON_STRING ? memchr(v->u.text, '/', v->count) : NULL;
	unsigned bits = 0;
	size_t digits;
	bool v4;

	if (!slash || !rules_ip_parse(out->ip, v->u.text, (size_t)(slash - v->u.text), &v4))
		return false;
	digits = v->count - (size_t)(slash + 1 - v->u.text);
	if (!digits || digits > 3 || (digits > 1 && slash[1] == '0'))
		return false;
	for (size_t i = 1; i <= digits; i++) {
		if (slash[i] < '0' || slash[i] > '9')
			return false;
		bits = 10 * bits + (unsigned)(slash[i] - '0');
	}
	if (bits > (v4 ? 32 : 128))
		return false;
	out->bits = bits + (v4 ? 96 : 0);
	return true;
}

/* The bits beyond the prefix must be zero: 10.1.2.3/8 is a slip of the pen. */
static bool network_is_clean(const struct rules_network *n)
{
	for (unsigned bit = n->bits; bit < 8 * RULES_IP_LEN; bit++)
		if (n->ip[bit / 8] & (0x80 >> (bit % 8)))
			return false;
	return true;
}

static int compile_cidr(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	bool list = v->type == JSON_ARRAY;
	size_t count = list ? v->count : 1;

	if (!count || count > RULES_SET_MAX) {
		err_set(c->e, ERR_FORMAT, "expected 1 to %d networks", RULES_SET_MAX);
		return fail(c, v, RULES_BAD_VALUE);
	}
	if (allocate(m, count, c->e) < 0)
		return c->e->code;
	for (; m->count < count; m->count++) {
		const struct json *one = list ? &v->u.items[m->count] : v;
		struct rules_network *n = &m->networks[m->count];

		if (parse_network(n, one) && network_is_clean(n))
			continue;
		if (one->type == JSON_STRING)
			err_set(c->e, ERR_FORMAT, "\"%.60s\" is no network like 10.0.0.0/8, its other bits zero",
				one->u.text);
		else
			err_set(c->e, ERR_FORMAT, "expected a network like \"10.0.0.0/8\", found %s",
				json_type_name(one->type));
		return fail(c, one, RULES_BAD_VALUE);
	}
	return 0;
}

static int compile_pattern(struct rules_matcher *m, const struct compile *c, const struct json *v)
{
	int rc;

	if (v->type != JSON_STRING || !v->count || v->count > RULES_TEXT_MAX) {
		err_set(c->e, ERR_FORMAT, "expected a text of 1 to %d bytes", RULES_TEXT_MAX);
		return fail(c, v, RULES_BAD_VALUE);
	}
	if (compile_one(m, c, v) < 0)
		return c->e->code;
	if (m->kind == RULES_GLOB)
		rc = rules_glob_new(&m->glob, v->u.text, v->count, m->type == RULES_PATH, c->e);
	else
		rc = rules_regex_new(&m->regex, v->u.text, v->count, c->e);
	return rc < 0 ? fail(c, v, c->e->code == ERR_LIMIT ? RULES_OVER_LIMIT : RULES_BAD_VALUE) : 0;
}

static int (*const compilers[RULES_KINDS])(struct rules_matcher *, const struct compile *, const struct json *) = {
	[RULES_ANY] = compile_any,       [RULES_EQUALS] = compile_one,      [RULES_PREFIX] = compile_part,
	[RULES_SUFFIX] = compile_part,   [RULES_CONTAINS] = compile_part,   [RULES_GLOB] = compile_pattern,
	[RULES_SET] = compile_set,       [RULES_RANGE] = compile_range,     [RULES_CIDR] = compile_cidr,
	[RULES_REGEX] = compile_pattern,
};

int rules_matcher_new(struct rules_matcher **out, const struct rules_field *field, const struct json_member *member,
		      const struct json **at, enum rules_fault *fault, struct err *e)
{
	const struct compile c = { .field = field, .at = at, .fault = fault, .e = e };
	AUTO(rules_matcher) struct rules_matcher *m = calloc(1, sizeof(*m));
	unsigned kind = 0;

	if (!m)
		return err_memory(e);
	while (kind < RULES_KINDS && strcmp(kinds[kind].name, member->key.text) != 0)
		kind++;
	if (kind == RULES_KINDS) {
		err_set(e, ERR_FORMAT, "unknown matcher \"%.64s\"", member->key.text);
		return fail(&c, &member->value, RULES_MALFORMED);
	}
	m->kind = (enum rules_kind)kind;
	m->type = field->type;
	if (!rules_kind_fits(m->kind, m->type)) {
		err_set(e, ERR_FORMAT, "\"%s\" does not fit type %s", kinds[kind].name, rules_type_name(m->type));
		return fail(&c, &member->value, RULES_TYPE_MISMATCH);
	}
	if (compilers[kind](m, &c, &member->value) < 0)
		return e->code;
	*out = m->kind == RULES_ANY ? NULL : TAKE(m);
	return 0;
}
