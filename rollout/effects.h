/*
 * effects: what content does to a host that is no crash: verdicts, CPU, memory.
 *
 * Member "effects" of a channel in a check-in. Counters begin at 0 when the
 * sensor takes a content over, or starts, and only rise until the next time;
 * a sum over check-ins is wrong, the latest one says it all. Each half names
 * the seconds it covers, by a clock that does not jump, so that rates can be
 * compared: of a host with itself before, of offered hosts with waiting ones.
 */
#ifndef ROLLOUT_EFFECTS_H
#define ROLLOUT_EFFECTS_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/json.h"
#include "base/name.h"

#define EFFECTS_RULES_MAX 64            /* in a check-in: those with the most verdicts */

enum effects_verdict { EFFECTS_OBSERVE, EFFECTS_ALERT, EFFECTS_BLOCK, EFFECTS_QUARANTINE, EFFECTS_VERDICTS };
const char *effects_verdict_name(enum effects_verdict v);

struct effects_rule {
	char rule[RULE_LEN_MAX + 1];    /* no control character */
	uint64_t n;                     /* events it was the verdict of */
};

struct effects {
	struct digest digest;           /* the content they are of; zero: none is loaded */
	/* what the sensor counts; it may be one that does not count */
	bool counted;
	uint64_t counted_s;
	uint64_t events;                /* judged */
	uint64_t errors;                /* of them, malformed or over a limit */
	uint64_t verdicts[EFFECTS_VERDICTS];
	uint64_t would[EFFECTS_VERDICTS];       /* verdicts that were only observed because of the trial; block and quarantine */
	uint64_t load_ms;               /* the last load */
	struct effects_rule *rules;     /* owned; most first */
	size_t rule_count;
	/* what the agent measures of the sensor's process */
	bool measured;
	uint64_t measured_s;
	uint64_t cpu_ms;                /* used in these seconds */
	uint64_t rss_bytes;             /* now */
};

/* Of an object in a check-in. */
int effects_parse(struct effects **out, const struct json_doc *d, const struct json *o, struct err *e) MUST_CHECK;
void effects_free(struct effects *f);           /* NULL is fine */

/* Rules are left out, the least first, so that it takes at most about `room` bytes. */
void effects_put(struct json_writer *w, const char *key, const struct effects *f, size_t room);

AUTO_DEFINE(effects, struct effects *, effects_free);

#endif
