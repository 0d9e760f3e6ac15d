/*
 * rules: typed field matching, the content type "rules", in the manner of EDR templates.
 *
 * A file is one JSON document:
 *   {"format":1,
 *    "templates":[{"name":"ipc","fields":[{"name":"image","type":"path"},
 *                                         {"name":"operation","type":"enum","values":["read","write"]}]}],
 *    "instances":[{"id":"ipc-0001","template":"ipc","verdict":"alert","note":"...",
 *                  "match":{"image":{"suffix":"/nc"},"pid":{"range":[1,100]}}}]}
 * All files of a bundle count as one: a template may stand in one and its
 * instances in another. Names of templates and fields are [a-z][a-z0-9_]{0,63},
 * ids [A-Za-z0-9][A-Za-z0-9._-]{0,95}. Every field's matchers must all hold;
 * a field that is not named may be anything.
 *
 *   type      in an event         matchers
 *   string    text                any equals prefix suffix contains glob set regex
 *   path      text                the same; in a glob * and ? stop at '/', ** does not
 *   integer   64-bit integer      any equals set range
 *   ip        IPv4 or IPv6 text   any equals set cidr
 *   enum      text                any equals set
 *   bytes     hexadecimal text    any equals prefix suffix contains set
 *
 *   any true · equals V · set [V...] · range [min|null, max|null] inclusive ·
 *   cidr "10.0.0.0/8" or a list of them · glob: * ? ** and \ before a literal
 *   one, no classes · regex: PCRE2 syntax, UTF-8, searched anywhere
 *
 * An IPv4-mapped IPv6 address is its IPv4 address. Text is compared by bytes.
 *
 * An event is {"template":"ipc","fields":{"image":"/usr/bin/nc","pid":42}}. A
 * missing or null field matches only `any`; a field the template does not
 * declare is ignored; a field of the wrong type makes the event an error. The
 * strongest verdict wins, between equals the first in file order.
 *
 * Nothing here can run away: every comparison draws from one budget of steps
 * per event; globs run as a bit-parallel automaton; regular expressions count
 * every item they try and every byte they pass, within PCRE2's own limits on
 * matches, depth and memory. Beyond a limit the event is ERR_LIMIT: never a
 * match, never a miss.
 */
#ifndef CONTENT_RULES_H
#define CONTENT_RULES_H

#include "content/loader.h"

enum rules_type { RULES_STRING, RULES_INTEGER, RULES_IP, RULES_PATH, RULES_ENUM, RULES_BYTES };
#define RULES_TYPES 6

const char *rules_type_name(enum rules_type t);
bool rules_type_parse(enum rules_type *out, const char *name);

#define RULES_FIELDS_MAX 128            /* of one template, whatever a contract says */
#define RULES_TEMPLATES_MAX 1024        /* of a bundle */
#define RULES_NAME_MAX 64
#define RULES_VALUES_MAX 256            /* of an enum */
#define RULES_TEXT_MAX 4096             /* bytes of one value of a matcher */
#define RULES_SET_MAX 10000

struct rules_limits {
	uint64_t files, bytes;          /* of type rules in a bundle */
	uint64_t rules;                 /* instances in all */
	uint64_t fields;                /* of one template */
	uint64_t regex_steps;           /* of one regular expression on one field of one event */
	uint64_t event_steps;           /* of one event */
};

void rules_limits_default(struct rules_limits *out);
void rules_limits_contract(struct rules_limits *out, const struct contract *c); /* c NULL: the defaults */

struct rules;

/* Adjust engine, immutable but for counters and scratch: one thread at a time. */
int rules_match(struct rules *r, const struct json_doc *d, const struct json *event, struct detection *out,
		struct err *e) MUST_CHECK;
bool rules_has(const struct rules *r, const char *id);
void rules_observe(struct rules *r, const struct observe *o);     /* borrowed until the next call */
void rules_stats(const struct rules *r, struct loader_stats *out);
void rules_free(struct rules *r);

AUTO_DEFINE(rules, struct rules *, rules_free);

#endif
