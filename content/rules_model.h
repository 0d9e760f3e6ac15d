/*
 * rules_model: rules files as they are written, before they are compiled.
 *
 * Both readers of rules files use it: the loader stops at the first error,
 * the check collects them all. Values point into the parsed documents, which
 * the model owns.
 */
#ifndef CONTENT_RULES_MODEL_H
#define CONTENT_RULES_MODEL_H

#include "content/rules.h"

/* What kind of fault; the check turns it into a reason code. */
enum rules_fault { RULES_MALFORMED, RULES_OVER_LIMIT, RULES_DUPLICATE, RULES_UNKNOWN_TEMPLATE, RULES_UNKNOWN_FIELD,
		   RULES_TYPE_MISMATCH, RULES_BAD_VALUE, RULES_UNKNOWN_MEMBER /* only a warning */ };

struct rules_finding {
	enum rules_fault fault;
	const char *file;
	unsigned line, column;
	const char *subject;            /* template, rule or ""; */
	const char *sentence;           /* without the place */
};

/* Where findings go. Returns false when one is enough. */
struct rules_log {
	bool (*found)(void *arg, const struct rules_finding *f);
	void *arg;
	size_t warnings_left;           /* beyond them, warnings cost nothing and are not told */
	bool stop;                      /* found() said so */
	size_t errors;
};

struct rules_file {
	char *path;                     /* owned */
	struct buf *source;             /* owned */
	struct json_doc *doc;           /* owned; NULL when it does not parse */
};

struct rules_field {
	const char *name;
	enum rules_type type;
	const char *const *values;      /* of an enum; owned array */
	size_t value_count;
	const struct json *at;
};

struct rules_template {
	const char *name;
	const struct rules_file *file;
	const struct json *at;
	struct rules_field *fields;     /* owned; their order is the template's */
	size_t field_count;
};

struct rules_instance {
	const char *id;
	const char *template_name;
	const struct rules_template *template;  /* after rules_model_link(); NULL: unknown */
	enum detection_action verdict;
	const struct rules_file *file;
	const struct json *at;          /* the instance */
	const struct json *match;       /* its matchers, an object */
};

struct rules_model {
	struct rules_file **files;
	size_t file_count;
	struct rules_template **templates;
	size_t template_count;
	struct rules_instance *instances;       /* in file order */
	size_t instance_count, instance_cap;
	struct rules_limits limits;
	uint64_t bytes;
};

struct rules_model *rules_model_new(const struct rules_limits *limits);
void rules_model_free(struct rules_model *m);

/*
 * Adds one file; text is taken over, also on failure. Faults of the content go
 * to the log; negative only for lack of memory. Files come in path order.
 */
int rules_model_add(struct rules_model *m, const char *path, struct buf *text, struct rules_log *log, struct err *e) MUST_CHECK;

/* After the last file: duplicates, and the template of every instance. */
int rules_model_link(struct rules_model *m, struct rules_log *log, struct err *e) MUST_CHECK;

const struct rules_template *rules_model_template(const struct rules_model *m, const char *name);

/* Reports a fault at a value; returns false when the log has seen enough. */
bool rules_note(struct rules_log *log, const struct rules_file *f, const struct json *at, enum rules_fault fault,
		const char *subject, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* The same for a sentence that begins with "path:line:column: " already. */
bool rules_note_err(struct rules_log *log, const struct rules_file *f, enum rules_fault fault, const char *subject,
		    const struct err *e);

/* A log that keeps the first error as a sentence with its place, and asks no more. */
struct rules_log rules_log_first(struct err *e);

/*
 * Compiles every instance that has a template and is not dropped. Faults go to
 * the log; with any, *out is still an engine of what was sound.
 */
int rules_compile(struct rules **out, const struct rules_model *m, const char *const *drop, size_t drop_count,
		  struct rules_log *log, struct err *e) MUST_CHECK;

AUTO_DEFINE(rules_model, struct rules_model *, rules_model_free);

#endif
