/*
 * program: what schema_compile() makes and schema_check() runs; private to the two.
 *
 * One node per schema object or boolean, found by its address in the parsed
 * schema, so that $ref and cycles are plain pointers. A node holds its rules
 * grouped by the type of value they speak about; a check looks only at the
 * group that fits. Later keywords (contains, dependent*, unevaluated*,
 * $dynamicRef) become further rules of a group or further applicators.
 */
#ifndef SCHEMA_PROGRAM_H
#define SCHEMA_PROGRAM_H

#include "schema/pattern.h"
#include "schema/pool.h"
#include "schema/schema.h"

/* As a mask; an integer is a number, too. */
enum {
	IS_NULL = 1, IS_BOOLEAN = 2, IS_NUMBER = 4, IS_STRING = 8, IS_ARRAY = 16, IS_OBJECT = 32,
	IS_INTEGER = 64,
	IS_ANY = IS_NULL | IS_BOOLEAN | IS_NUMBER | IS_STRING | IS_ARRAY | IS_OBJECT,
};

struct node;

struct property {               /* a name that `properties` or `required` knows */
	struct json_string name;
	const struct node *node;        /* NULL: only required */
	bool required;
};

struct pattern_property {
	struct pattern *pattern;
	const struct node *node;
};

struct object_rules {
	struct property *properties;    /* in the schema's order */
	uint32_t property_count, required_count;
	uint32_t *table;                /* hash -> index + 1 in properties; a power of two long */
	uint32_t table_mask;
	struct pattern_property *patterns;
	uint32_t pattern_count;
	const struct node *additional;  /* NULL: anything */
	const struct node *names;       /* propertyNames; NULL: anything */
	uint64_t min, max;
};

struct array_rules {
	const struct node **prefix;
	uint32_t prefix_count;
	const struct node *items;       /* behind the prefix; NULL: anything */
	uint64_t min, max;
	bool unique;
};

struct string_rules {
	uint64_t min, max;              /* code points */
	struct pattern *pattern;
	const struct json *pattern_text;
};

struct number_rules {
	const struct json *least, *most, *above, *below;        /* NULL: none */
};

struct nodes {
	const struct node **at;
	uint32_t count;
};

struct node {
	const struct json *at;          /* where it stands in the schema */
	bool never;                     /* the schema `false` */
	uint8_t types;                  /* mask; IS_INTEGER without IS_NUMBER: only whole numbers */
	const struct json *constant, *values;   /* const, enum */
	struct object_rules *object;
	struct array_rules *array;
	struct string_rules *string;
	struct number_rules *number;
	/* applied to the same value */
	bool in_place;                  /* there is any of these */
	const struct node *ref, *not, *when, *then, *otherwise;
	struct nodes all, any, one;
	uint8_t colour;                 /* while looking for cycles */
	uint32_t edge;
};

struct schema {
	const struct json_doc *doc;
	const struct json *at;          /* "#" */
	const struct node *root;
	struct node **nodes;            /* open addressing by address of the JSON value */
	size_t node_count, node_cap;
	struct pattern **patterns;      /* owned */
	size_t pattern_count, pattern_cap;
	struct pool pool;               /* all other memory */
};

#endif
