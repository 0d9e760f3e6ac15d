/*
 * contract: what one build of a sensor really accepts; shipped with the sensor.
 *
 *   {"format":1,"sensor":"ringhold-sensor","version":"7.11",
 *    "accepts":{"rules":{"versions":[1],
 *                        "schema":{JSON Schema 2020-12 for each file of the type},
 *                        "templates":{"ipc":{"fields":[{"name":"image","type":"path"},
 *                                                      {"name":"verb","type":"enum","values":["open","read"]}]}},
 *                        "limits":{"files":200,"bytes":8388608,"rules":5000,"fields":64,"regex_steps":100000}},
 *               "yara":{"versions":["4.2"],"limits":{"files":2000}}},
 *    "ceilings":{"load_ms":2000,"rss_bytes":268435456,"us_per_event":200,"matches_per_10000":50,"sensor_cpu_percent":50},
 *    "protected":["/usr/lib/systemd/systemd","/usr/lib/"]}
 *
 * `templates` lists, in order, the inputs the sensor supplies to a rule: names,
 * types and therefore their number. Content that names another field, or more
 * of them, is refused against this and never by luck. Lists, limits and
 * ceilings may be left out; a limit that is left out is CONTRACT_UNLIMITED, so
 * that `value > limit` is always the test.
 */
#ifndef SCHEMA_CONTRACT_H
#define SCHEMA_CONTRACT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "schema/schema.h"

#define CONTRACT_FORMAT 1
#define CONTRACT_BYTES_MAX ((size_t)4 << 20)
#define CONTRACT_TYPES_MAX 64
#define CONTRACT_TEMPLATES_MAX 1024     /* per type */
#define CONTRACT_FIELDS_MAX 1024        /* per template */
#define CONTRACT_VALUES_MAX 1024        /* per enum field */
#define CONTRACT_VERSIONS_MAX 64        /* per type */
#define CONTRACT_PROTECTED_MAX 1024
#define CONTRACT_NAME_MAX 64            /* bytes of a template's, field's or sensor's name */
#define CONTRACT_UNLIMITED INT64_MAX

/* What a sensor can supply, and what a matcher may be written against. */
#define CONTRACT_FIELD_TABLE(X)                                              \
	X(CONTRACT_STRING, "string")    /* UTF-8 text */                     \
	X(CONTRACT_INTEGER, "integer")  /* signed, 64 bits */                \
	X(CONTRACT_IP, "ip")            /* an IPv4 or IPv6 address */        \
	X(CONTRACT_PATH, "path")        /* of a file on the host */          \
	X(CONTRACT_ENUM, "enum")        /* one of `values` */                \
	X(CONTRACT_BYTES, "bytes")      /* any bytes, in hexadecimal */

enum contract_field_type {
#define X(name, text) name,
	CONTRACT_FIELD_TABLE(X)
#undef X
	CONTRACT_FIELD_TYPES
};

struct contract_field {
	const char *name;
	enum contract_field_type type;
	const char *const *values;      /* of an enum, in the contract's order; else NULL */
	size_t value_count;
};

struct contract_template {
	const char *name;
	const struct contract_field *fields;    /* the order in which the sensor supplies them */
	size_t field_count;
};

/* name in the document and in the struct */
#define CONTRACT_LIMIT_TABLE(X)                                              \
	X(files)                /* files of this type in one bundle */       \
	X(bytes)                /* of all of them together */                \
	X(rules)                /* rules in all of them together */          \
	X(fields)               /* matchers in one rule */                   \
	X(regex_steps)          /* that matching one pattern may take */

#define CONTRACT_CEILING_TABLE(X)                                            \
	X(load_ms)              /* wall time to load one bundle */           \
	X(rss_bytes)            /* peak memory of the canary process */      \
	X(us_per_event)         /* mean time, microseconds */                \
	X(matches_per_10000)    /* events of the benign corpora that match */ \
	X(sensor_cpu_percent)   /* on probation: the running sensor, of one processor */ \
	X(sensor_rss_bytes)     /* of its process, all content and engines in it */ \
	X(verdicts_per_minute)  /* alert, block and quarantine, observed ones included */

#define X(name) int64_t name;
struct contract_limits {
	CONTRACT_LIMIT_TABLE(X)
};
struct contract_ceilings {
	CONTRACT_CEILING_TABLE(X)
};
#undef X

struct contract_type {
	const char *name;               /* "rules", "yara", ...: name_valid() */
	const char *const *versions;    /* as text: 1 in the document is "1" here; at least one */
	size_t version_count;
	const struct schema *schema;    /* for each file of the type; NULL: the contract has none */
	const struct json *schema_text; /* the same as the document has it */
	const struct contract_template *templates;
	size_t template_count;
	struct contract_limits limits;
};

struct contract {                       /* everything beneath is owned by it */
	const char *sensor;             /* "ringhold-sensor" */
	const char *version;            /* "7.11" */
	const struct contract_type *types;
	size_t type_count;
	struct contract_ceilings ceilings;
	const char *const *protected;   /* absolute paths; one that ends in '/' stands for everything beneath */
	size_t protected_count;
	struct digest digest;           /* SHA-256 of the document's bytes: the contract's identity */
	struct contract_memory *memory; /* private */
};

/*
 * Parse len bytes; nothing is borrowed from them. `name` is what errors call
 * the document. On failure *out is untouched: ERR_FORMAT, ERR_LIMIT, or
 * ERR_UNSUPPORTED for an unknown format, need, or JSON Schema keyword.
 * Unknown members are ignored, as in every document we read. Pure.
 */
int contract_parse(struct contract **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
int contract_load(struct contract **out, const char *path, struct err *e) MUST_CHECK;  /* the same for a file */
void contract_free(struct contract *c); /* NULL is fine */

const struct contract_type *contract_find_type(const struct contract *c, const char *name);     /* NULL: not accepted */
bool contract_offers(const struct contract_type *t, const char *version);
const struct contract_template *contract_find_template(const struct contract_type *t, const char *name);       /* NULL: none */
int contract_find_field(const struct contract_template *t, const char *name);   /* its index, or -1 */
const char *contract_field_type_name(enum contract_field_type type);    /* "integer" */
bool contract_field_type_parse(enum contract_field_type *out, const char *name);
bool contract_field_allows(const struct contract_field *f, const char *value);  /* value is one of an enum's values */
bool contract_protects(const struct contract *c, const char *path);

/*
 * Is content of this type and version accepted at all? Else ERR_REFUSED with
 * "contract SENSOR VERSION: ...". version may be NULL: any.
 */
int contract_accepts(const struct contract *c, const char *type, const char *version, struct err *e) MUST_CHECK;

/*
 * Does it contradict itself? ERR_REFUSED: no content could keep to it, or the
 * header made from it would not compile. For authors; a host takes what its
 * sensor came with.
 */
int contract_check(const struct contract *c, struct err *e) MUST_CHECK;

/*
 * Appends a C11 header for the sensor's own source: per template an enum of
 * field indexes, RINGHOLD_<TEMPLATE>_FIELDS (its arity), an X-macro of fields
 * with their types, and RINGHOLD_<TEMPLATE>_SUPPLIED_BY(array), which does not
 * compile unless the array has exactly that many elements. Limits are macros.
 */
int contract_header(struct buf *out, const struct contract *c, struct err *e) MUST_CHECK;

AUTO_DEFINE(contract, struct contract *, contract_free);

#endif
