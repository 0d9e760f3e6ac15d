/*
 * program: what schema_compile() makes and schema_check() runs; private to the room.
 *
 * One node per schema object or boolean, found by its address in the parsed
 * schema, so that references and cycles are plain pointers. A node holds its
 * rules grouped by the type of value they speak about; a check looks only at
 * the group that fits. What may be decided before a document is seen is
 * decided here: which types pass as a mask, which bounds are machine integers,
 * which names follow each other, which nodes accept everything.
 */
#ifndef SCHEMA_PROGRAM_H
#define SCHEMA_PROGRAM_H

#include "schema/format.h"
#include "schema/pattern.h"
#include "schema/pool.h"
#include "schema/schema.h"
#include "schema/table.h"

#define DEPTH_MAX 2048          /* schemas inside schemas, on one way down */

enum {                          /* types as a mask: 1 << enum json_type */
	IS_NULL = 1 << JSON_NULL, IS_BOOLEAN = 1 << JSON_FALSE | 1 << JSON_TRUE, IS_NUMBER = 1 << JSON_NUMBER,
	IS_STRING = 1 << JSON_STRING, IS_ARRAY = 1 << JSON_ARRAY, IS_OBJECT = 1 << JSON_OBJECT,
	IS_ANY = IS_NULL | IS_BOOLEAN | IS_NUMBER | IS_STRING | IS_ARRAY | IS_OBJECT,
};

struct node;

/* A schema with an identity of its own: the root of a document, or what has an $id. */
struct resource {
	const char *uri;                /* "" when it has none */
	const struct json_doc *doc;
	const struct json *root;
	const struct json *top;         /* where pointers of its document start */
	const struct json *unknown;     /* its $schema, when nobody knows that dialect */
	bool draft_07, formats;
	bool ambiguous;                 /* another one has the same URI */
	bool reached;                   /* there is a node of it */
	uint8_t vocabularies;           /* mask */
};

struct text {                   /* a string that others are compared with */
	uint64_t head;                  /* its first bytes, see text_head() */
	const char *text;
	uint32_t len;
};

struct text_table {             /* where a text stands in an array, see text_find() */
	uint64_t seed;
	uint32_t *at;                   /* text_hash() -> index + 1; a power of two long, mostly without collisions */
	uint32_t mask;
};

struct property {               /* a name that `properties` or `required` knows */
	struct text name;
	const struct node *node;        /* NULL: only required */
	const struct node *quick;       /* where a reference leads that says nothing else */
	bool required;
};

struct pattern_property {
	struct pattern *pattern;
	const struct node *node;
};

struct dependency {             /* when `name` is there */
	struct json_string name;
	const struct json *required;    /* an array of names; NULL: none */
	const struct node *node;        /* NULL: none */
	const char *keyword;            /* what says so */
};

struct object_rules {
	struct property *properties;    /* in the schema's order */
	uint32_t property_count, required_count;
	struct text_table table;        /* of properties */
	uint64_t lengths;               /* of the names, as a mask of their last six bits */
	const struct node *additional_quick;
	bool simple;                    /* nothing but properties, additionalProperties and counts */
	struct pattern_property *patterns;
	uint32_t pattern_count;
	struct dependency *dependencies;
	uint32_t dependency_count;
	const struct node *additional;  /* NULL: anything */
	const struct node *names;       /* propertyNames; NULL: anything */
	uint64_t min, max;
};

struct array_rules {
	const struct node **prefix;
	uint32_t prefix_count;
	const struct node *items;       /* behind the prefix; NULL: anything */
	const struct node *items_quick;
	const struct node *contains;
	uint64_t contains_min, contains_max;
	uint64_t min, max;
	bool unique;
};

struct string_rules {
	uint64_t min, max;              /* code points */
	struct pattern *pattern;
	const struct format *format;    /* asserted; NULL: none */
};

struct number_rules {
	const struct json *least, *most, *above, *below, *multiple;     /* NULL: none */
	bool small;                     /* no rule but these bounds, for values that fit */
	int64_t small_least, small_most;
};

struct values {                 /* enum */
	const struct json *list;        /* the array */
	struct text *texts;             /* its strings */
	uint32_t text_count;
	struct text_table table;        /* of texts */
	const struct json **others;     /* its other values */
	uint32_t other_count;
	struct table numbers;           /* by json_hash(), when they are many */
	uint64_t weight;                /* steps that comparing with all others takes */
};

struct nodes {
	const struct node **at;
	uint32_t count;
};

/* Where $dynamicRef may lead: the resources that have a dynamic anchor of this name. */
struct dynamic {
	struct json_string name;
	struct dynamic_target { const struct resource *resource; const struct node *node; } *targets;
	size_t count, cap;
};

/*
 * How the first pass finds out that a value of one type fits. All but NODE,
 * FITS, OBJECT and ARRAY only say yes: where they do not, check_node() decides.
 */
enum quick {
	QUICK_NODE,                     /* by check_node() */
	QUICK_FITS,                     /* it does, whatever it is */
	QUICK_TEXT,                     /* by its length in bytes */
	QUICK_VALUES,                   /* texts: is it in the enum? */
	QUICK_CONSTANT,                 /* texts: is it this one? */
	QUICK_PATTERN,                  /* by a pattern that needs no PCRE2 */
	QUICK_INTEGER,                  /* by bounds that are machine integers */
	QUICK_OBJECT,                   /* by simple rules alone */
	QUICK_ARRAY,                    /* by the number of its elements, and what each must be */
};

struct node {
	uint8_t quick[JSON_OBJECT + 1]; /* enum quick, by type */
	uint8_t types;                  /* mask */
	uint8_t enough;                 /* mask: values of these types fit, whatever they are */
	uint32_t easy_least, easy_more; /* texts of so many bytes, up to so many more, fit, whatever they say */
	bool special;                   /* never, in_place or unevaluated */
	bool valued;                    /* constant or values */
	bool never;                     /* the schema `false` */
	bool in_place;                  /* applies others to the same value */
	bool unevaluated;               /* has unevaluatedItems or unevaluatedProperties */
	bool whole;                     /* numbers must be integers */
	uint8_t colour;                 /* while looking for cycles */
	const struct node *alias;       /* nothing but a reference inside the same resource: checks may start there */
	const struct pattern_simple *simple;    /* for QUICK_PATTERN */
	int64_t least, most;            /* for QUICK_INTEGER */
	const struct json *constant;
	struct values *values;
	struct object_rules *object;
	struct array_rules *array;
	struct string_rules *string;
	struct number_rules *number;
	/* applied to the same value */
	const struct node *ref, *not, *when, *then, *otherwise;
	const struct node *dynamic_ref; /* where it leads when no scope says otherwise */
	const struct dynamic *dynamic;  /* NULL: nowhere else */
	struct nodes all, any, one;
	const struct node *unevaluated_items, *unevaluated_properties;
	/* who it is */
	const struct json *at;          /* where it stands in the schema */
	const struct resource *resource;
	uint32_t edge;                  /* while looking for cycles */
};

struct schema {
	const struct json_doc *doc;
	const struct json *at;          /* "#" */
	const struct node *root;
	struct pattern **patterns;      /* owned */
	size_t pattern_count, pattern_cap;
	struct json_doc **builtin;      /* metaschemas that were needed; owned */
	size_t builtin_count, builtin_cap;
	struct values **values;         /* whose tables are to be released */
	size_t values_count, values_cap;
	struct dynamic **dynamics;
	size_t dynamic_count, dynamic_cap;
	uint64_t seed;                  /* where the seeds of text_hash() begin */
	struct pool pool;               /* all other memory */
};

/* The first eight bytes of a text of a parsed document, shorter ones filled with zeros: json.h's copies may be read so far. */
static inline uint64_t text_head(const char *text, size_t len)
{
	/* two shifts: there is none by 64 bits */
	unsigned half = 4 * (unsigned)(len < sizeof(uint64_t) ? sizeof(uint64_t) - len : 0);
	uint64_t head;

	__builtin_memcpy(&head, text, sizeof head);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return head & ~(uint64_t)0 >> half >> half;
#else
	return head & ~(uint64_t)0 << half << half;
#endif
}

static inline bool text_equal(const struct text *t, uint64_t head, const char *text, size_t len)
{
	if (t->len != len || t->head != head)
		return false;
	return len <= sizeof head || __builtin_memcmp(t->text + sizeof head, text + sizeof head, len - sizeof head) == 0;
}

/* Keyed, so that nobody prepares names that collide. */
static inline uint64_t text_hash(uint64_t seed, uint64_t head, const char *text, size_t len)
{
	unsigned __int128 wide;
	uint64_t tail = 0;

	if (len > 2 * sizeof head)
		return json_hash_text(text, len);
	if (len > sizeof head)
		__builtin_memcpy(&tail, text + len - sizeof tail, sizeof tail);
	wide = (unsigned __int128)(head ^ seed) * ((tail ^ seed >> 7) + 2 * len + 1);
	return (uint64_t)wide ^ (uint64_t)(wide >> 64);
}

/* Index + 1 among texts, each the first member of something of `stride` bytes; 0: it is not there. */
static inline __attribute__((always_inline)) uint32_t text_find(const struct text_table *t, const void *texts, size_t stride,
								uint64_t head, const char *text, size_t len)
{
	uint64_t at = text_hash(t->seed, head, text, len) & t->mask;

	for (; t->at[at]; at = (at + 1) & t->mask)
		if (text_equal((const void *)((const char *)texts + (t->at[at] - 1) * stride), head, text, len))
			return t->at[at];
	return 0;
}

#endif
