/*
 * loader: how content is tried, and used, by the engine it was written for.
 *
 * The table of loaders: "rules" (built in), "yara" (libyara, when compiled in)
 * and "exec" (the sensor's own check command). A type of file in the manifest
 * names its loader: "rules" and "yara" their own, every other type "exec" when
 * the host configured a command for it; a type without any loader is
 * ERR_UNSUPPORTED. Manifest types that no engine loads are in loader_is_data().
 *
 * A loader_set is everything one bundle gave its loaders: immutable once
 * loaded, fed with events, one JSON text each. Bytes here are hostile: run
 * loader_set_load() on new content only inside a canary (canary.h).
 */
#ifndef CONTENT_LOADER_H
#define CONTENT_LOADER_H

#include <stdbool.h>

#include "base/json.h"

struct manifest;        /* content/manifest.h */
struct observe;         /* content/observe.h */
struct contract;        /* schema/contract.h */

/*
 * In rising strength: the strongest of all matching rules is the verdict of an
 * event. Named "detection" in code: rollout/verdict.h has the verdict of a ring.
 */
enum detection_action { DETECTION_NONE, DETECTION_OBSERVE, DETECTION_ALERT, DETECTION_BLOCK, DETECTION_QUARANTINE };

#define DETECTION_RULE_MAX 200    /* bytes of a rule id, without the NUL */

struct detection {
	enum detection_action action;
	char rule[DETECTION_RULE_MAX + 1];        /* of the first rule with that action; "" for none */
	uint32_t matches;                       /* rules that matched, of any verdict */
	enum detection_action would;            /* stronger than action: what it would have been, had no rule been only observed; or NONE */
	char would_rule[DETECTION_RULE_MAX + 1];
};

const char *detection_name(enum detection_action a);        /* "none", "observe", ...; never NULL */
bool detection_parse(enum detection_action *out, const char *name);
bool detection_destructive(enum detection_action a);        /* block, quarantine */

/* The check command of one content type, from the host's configuration. */
struct loader_exec {
	const char *type;               /* content type it stands for */
	const char *const *argv;        /* NULL-terminated; argv[0] an absolute path; slot, channel, digest and serial are appended */
	int64_t timeout_ms;             /* 0: 10 min; the try ends earlier */
};

/* What is loaded, and for whom. All borrowed; slot and manifest must outlive the loader_set. */
struct loader_job {
	int slot;                       /* descriptor of the content tree */
	const char *slot_path;          /* the same as a path; only exec needs it */
	const char *digest;             /* hex of the bundle's digest, for exec; NULL: "" */
	const struct manifest *manifest;
	const struct contract *contract;        /* limits; NULL: the defaults */
	const char *const *drop;        /* rule ids left out at load; one that no rule has is fine */
	size_t drop_count;
	const struct loader_exec *exec;
	size_t exec_count;
	const char *scratch;            /* absolute path of an empty directory where a command may write; NULL: none */
};

struct loader_stats {
	uint64_t files, bytes;  /* loaded */
	uint64_t rules;         /* active */
	uint64_t dropped;       /* ids of `drop` that left something out */
	uint64_t events;        /* matched so far */
	uint64_t event_errors;  /* events that were malformed or went over a limit: never a match */
};

struct loader {
	const char *name;
	const char *type;               /* content type; NULL: any that the host gave a command for */
	/* The whole engine for all files of the type. Errors are "path:line:column: sentence". */
	int (*load)(void **engine, const struct loader_job *job, struct err *e);
	bool (*takes)(const void *engine, const struct json *event);    /* is this event meant for this loader? NULL: it takes none */
	/*
	 * Both NULL: events are judged as they come. Else every event is offered
	 * first, then judged at once, and match() gives the answers; *cpu_ns is
	 * the processor time that took.
	 */
	int (*offer)(void *engine, const struct json_doc *d, const struct json *event, struct err *e);
	int (*judge)(void *engine, uint64_t *cpu_ns, struct err *e);
	int (*match)(void *engine, const struct json_doc *d, const struct json *event, struct detection *out, struct err *e);
	bool (*has_rule)(const void *engine, const char *id);   /* loaded and not dropped */
	void (*observe)(void *engine, const struct observe *o);  /* from now on; o NULL: none. Not for a loader that matches nothing */
	void (*stats)(const void *engine, struct loader_stats *out);
	void (*free)(void *engine);
};

extern const struct loader loader_rules;
extern const struct loader loader_yara;         /* load is ERR_UNSUPPORTED when libyara was not compiled in */
extern const struct loader loader_exec;

/* Ends with NULL; what loader_set_load() uses when not told otherwise. */
extern const struct loader *const loader_builtin[];

/* Types that belong to no engine: "selftest", "benign", "doc", "schema". */
bool loader_is_data(const char *type);

/* The host's command for a type; NULL: none. */
const struct loader_exec *loader_exec_for(const struct loader_job *job, const char *type);

struct loader_set;

/*
 * Loads every file of the bundle with the loader of its type. `loaders` ends
 * with NULL; NULL: loader_builtin. ERR_FORMAT, ERR_LIMIT, ERR_REFUSED,
 * ERR_UNSUPPORTED speak of the content; ERR_IO, ERR_SPACE, ERR_MEMORY of the machine.
 */
int loader_set_load(struct loader_set **out, const struct loader_job *job,
		    const struct loader *const *loaders, struct err *e) MUST_CHECK;
void loader_set_free(struct loader_set *s);

/*
 * Judges one event: one line of JSON of at most LOADER_EVENT_MAX bytes. An
 * event that is malformed or exceeds a limit is ERR_FORMAT or ERR_LIMIT, is
 * counted, and is never a match (*out is then "none"). An event that no
 * loader takes is ERR_FORMAT too.
 */
#define LOADER_EVENT_MAX ((size_t)1 << 20)
int loader_set_match(struct loader_set *s, const char *event, size_t len, struct detection *out, struct err *e) MUST_CHECK;
int loader_set_match_doc(struct loader_set *s, const struct json_doc *event, const struct json *value,
			 struct detection *out, struct err *e) MUST_CHECK;       /* value: the event inside a larger document */

/* Rules whose destructive verdicts are only observed from now on, instead of those named before. */
int loader_set_observe(struct loader_set *s, const char *const *ids, size_t count, struct err *e) MUST_CHECK;

/*
 * Some engines judge all events at once: when this says so, offer every event
 * that will be matched, then judge, before the first match. ERR_REFUSED,
 * ERR_CRASH, ERR_TIMEOUT and ERR_LIMIT speak of the content.
 */
bool loader_set_wants_offers(const struct loader_set *s);
int loader_set_offer(struct loader_set *s, const struct json_doc *d, const struct json *event, struct err *e) MUST_CHECK;
int loader_set_judge(struct loader_set *s, uint64_t *cpu_ns, struct err *e) MUST_CHECK;

/* Before a filter forbids files in memory: what exec will need of them. Once. */
int loader_exec_prepare(struct err *e) MUST_CHECK;

/* The type of a file of the bundle that only a command of the hosts can judge; NULL: none. */
const char *loader_foreign_type(const struct manifest *m);

bool loader_set_has_rule(const struct loader_set *s, const char *id);
void loader_set_stats(const struct loader_set *s, struct loader_stats *out);    /* summed */

AUTO_DEFINE(loader_set, struct loader_set *, loader_set_free);

#endif
