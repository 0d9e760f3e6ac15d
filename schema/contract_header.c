/* contract_header: the contract as C, so that a sensor which supplies too few inputs does not compile. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "schema/contract.h"

/* "net-conn" becomes "NET_CONN" or "net_conn". */
static void put_word(struct buf *out, const char *name, bool upper)
{
	for (; *name; name++) {
		char c = *name == '-' || *name == '.' ? '_' : *name;

		buf_addc(out, upper ? (char)toupper((unsigned char)c) : c);
	}
}

/* RINGHOLD_<TEMPLATE>_<rest> */
static void put_macro(struct buf *out, const struct contract_template *t, const char *rest)
{
	buf_adds(out, "RINGHOLD_");
	put_word(out, t->name, true);
	buf_addc(out, '_');
	buf_adds(out, rest);
}

static void put_index(struct buf *out, const struct contract_template *t, const struct contract_field *f)
{
	put_macro(out, t, "FIELD_");
	put_word(out, f->name, true);
}

static void put_indexes(struct buf *out, const struct contract_template *t)
{
	buf_adds(out, "enum ringhold_");
	put_word(out, t->name, false);
	buf_adds(out, "_field {\n");
	for (size_t i = 0; i < t->field_count; i++) {
		buf_addc(out, '\t');
		put_index(out, t, &t->fields[i]);
		buf_addf(out, " = %zu,\n", i);
	}
	buf_addc(out, '\t');
	put_macro(out, t, "FIELDS");
	buf_addf(out, " = %zu\n};\n", t->field_count);
}

/* X(index, "name", TYPE) for each field, in order. */
static void put_each(struct buf *out, const struct contract_template *t)
{
	buf_adds(out, "#define ");
	put_macro(out, t, "EACH(X)");
	for (size_t i = 0; i < t->field_count; i++) {
		const struct contract_field *f = &t->fields[i];

		buf_adds(out, " \\\n\tX(");
		put_index(out, t, f);
		buf_addf(out, ", \"%s\", RINGHOLD_TYPE_", f->name);
		put_word(out, contract_field_type_name(f->type), true);
		buf_addc(out, ')');
	}
	buf_addc(out, '\n');
}

static void put_assert(struct buf *out, const struct contract_template *t)
{
	buf_adds(out, "#define ");
	put_macro(out, t, "SUPPLIED_BY(array) \\\n");
	buf_adds(out, "\t_Static_assert(sizeof(array) / sizeof((array)[0]) == ");
	put_macro(out, t, "FIELDS");
	buf_addf(out, ", \\\n\t\t\"template %s: the contract has %zu fields, \" #array \" supplies another number\"); \\\n",
		 t->name, t->field_count);
	buf_adds(out, "\tenum { ringhold_supplied_");
	put_word(out, t->name, false);
	buf_adds(out, " = 1 }\n");
}

static void put_template(struct buf *out, const struct contract_template *t)
{
	buf_addf(out, "\n/* template %s: what the sensor supplies, in this order */\n", t->name);
	put_indexes(out, t);
	put_each(out, t);
	put_assert(out, t);
}

static void put_limit(struct buf *out, const char *of, const char *name, int64_t v)
{
	if (v == CONTRACT_UNLIMITED)
		return;
	buf_adds(out, "#define RINGHOLD_");
	if (of) {
		put_word(out, of, true);
		buf_adds(out, "_MAX_");
	} else {
		buf_adds(out, "CEILING_");
	}
	put_word(out, name, true);
	buf_addf(out, " INT64_C(%" PRId64 ")\n", v);
}

static void put_type(struct buf *out, const struct contract_type *t)
{
	buf_addf(out, "\n/* content type %s */\n", t->name);
#define X(limit) put_limit(out, t->name, #limit, t->limits.limit);
	CONTRACT_LIMIT_TABLE(X)
#undef X
	for (size_t i = 0; i < t->template_count; i++)
		put_template(out, &t->templates[i]);
}

static void put_head(struct buf *out, const struct contract *c)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &c->digest);
	buf_addf(out,
		 "/* Made from the contract of %s %s; do not edit. */\n"
		 "#ifndef RINGHOLD_CONTRACT_H\n#define RINGHOLD_CONTRACT_H\n\n#include <stdint.h>\n\n"
		 "#define RINGHOLD_CONTRACT_SENSOR \"%s\"\n"
		 "#define RINGHOLD_CONTRACT_VERSION \"%s\"\n"
		 "#define RINGHOLD_CONTRACT_DIGEST \"%s\"\n\n",
		 c->sensor, c->version, c->sensor, c->version, hex);
	buf_adds(out, "enum ringhold_type {\n");
	for (enum contract_field_type t = 0; t < CONTRACT_FIELD_TYPES; t++) {
		buf_adds(out, "\tRINGHOLD_TYPE_");
		put_word(out, contract_field_type_name(t), true);
		buf_adds(out, ",\n");
	}
	buf_adds(out, "};\n\n");
#define X(ceiling) put_limit(out, NULL, #ceiling, c->ceilings.ceiling);
	CONTRACT_CEILING_TABLE(X)
#undef X
}

/* A sensor that forgets a SUPPLIED_BY stops compiling at this macro. */
static void put_complete(struct buf *out, const struct contract *c)
{
	buf_adds(out, "\n/* Once, behind all SUPPLIED_BY: does not compile when one is missing. */\n"
		      "#define RINGHOLD_CONTRACT_COMPLETE _Static_assert(1");
	for (size_t i = 0; i < c->type_count; i++)
		for (size_t j = 0; j < c->types[i].template_count; j++) {
			buf_adds(out, " && ringhold_supplied_");
			put_word(out, c->types[i].templates[j].name, false);
		}
	buf_adds(out, ", \"every template of the contract is supplied\")\n\n#endif\n");
}

int contract_header(struct buf *out, const struct contract *c, struct err *e)
{
	put_head(out, c);
	for (size_t i = 0; i < c->type_count; i++)
		put_type(out, &c->types[i]);
	put_complete(out, c);
	return buf_check(out, e);
}
