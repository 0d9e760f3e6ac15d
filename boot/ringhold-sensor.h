/*
 * libringhold-sensor: what a security sensor needs to load content delivered by Ringhold.
 *
 * C, libc only, no allocation, no threads of its own; one sensor, one thread at
 * a time. The way of a sensor (docs/integrate.md has a whole one):
 *
 *     ringhold_open(&s, "", "edr", &why);
 *     ringhold_content_open(&c, &s, &why);     1: content, 0: none to load
 *     ... load everything beneath c.dir with openat(); keep c open while in use ...
 *     ringhold_report(&s, &c, RINGHOLD_HEALTHY, "", time(NULL), &why);
 *     poll() s.notify; when readable and ringhold_switched(&s): open the new content,
 *     load it, then ringhold_content_close() the old one and report again.
 *
 * A switch is atomic and may happen at any moment: resolve once, open all files
 * beneath the descriptor, and never follow `current` a second time. While a
 * content is open its slot is locked (shared), so that it is not cleaned away.
 *
 * Functions answer -1 with a sentence in *why when they fail.
 */
#ifndef RINGHOLD_SENSOR_H
#define RINGHOLD_SENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RINGHOLD_MUST_CHECK __attribute__((warn_unused_result))

struct ringhold_why {
	char text[320];
};

struct ringhold_sensor {
	char channel[65];
	int run;                /* <root>/run/ringhold/<channel> */
	int notify;             /* becomes readable when ringhold_switched() may have news */
	int alive;              /* a lock that tells the agent this process lives */
};

struct ringhold_content {
	int dir;                /* the slot, read only, locked; -1: none */
	uint8_t digest[32];
	char digest_hex[65];
};

/* Zero, or -1. root is "" or a directory; the run directory is made when absent. */
int ringhold_open(struct ringhold_sensor *s, const char *root, const char *channel, struct ringhold_why *why) RINGHOLD_MUST_CHECK;
void ringhold_close(struct ringhold_sensor *s);

/* 1 opened, 0 no content is to be loaded (dir is -1), -1 failed. */
int ringhold_content_open(struct ringhold_content *out, const struct ringhold_sensor *s, struct ringhold_why *why) RINGHOLD_MUST_CHECK;
void ringhold_content_close(struct ringhold_content *c);        /* may be repeated */

/* Takes what is waiting on s->notify; true when `current` or a list of rules may have changed. Never blocks. */
bool ringhold_switched(struct ringhold_sensor *s);

/*
 * Rules of this content that are to be treated otherwise: left out, or, while
 * it is on trial, observed where they would block or quarantine. Calls `rule`
 * with each id, which lives for the call only; "*" on a list to observe means
 * every rule, "PATH:*" every rule of that file, "PATH:NAME" one rule of a file
 * of YARA rules. The number of rules, 0 none, -1 when the list cannot be read
 * or `rule` answered other than 0. A change of a list is told as a switch is;
 * the content may be the same then.
 */
enum ringhold_list { RINGHOLD_DROP, RINGHOLD_OBSERVE };
int ringhold_list(const struct ringhold_sensor *s, const struct ringhold_content *c, enum ringhold_list which,
		  int (*rule)(void *arg, const char *id), void *arg, struct ringhold_why *why) RINGHOLD_MUST_CHECK;

enum ringhold_state {
	RINGHOLD_STARTING,      /* up, nothing loaded yet */
	RINGHOLD_HEALTHY,       /* runs the reported content */
	RINGHOLD_UNHEALTHY,     /* failed to load the reported content, or is degraded by it */
	RINGHOLD_STOPPED,       /* went away in order */
	RINGHOLD_STATES,
};

/*
 * Publishes the state for the agent; `content` NULL: none. `now` in seconds
 * since the epoch; `reason` is one short line and may be "".
 */
int ringhold_report(const struct ringhold_sensor *s, const struct ringhold_content *content, enum ringhold_state state,
		    const char *reason, int64_t now, struct ringhold_why *why) RINGHOLD_MUST_CHECK;

/* Whether this boot runs content on trial; false also when the guard did not run. */
bool ringhold_on_trial(const struct ringhold_sensor *s);

/*
 * What the content does, for the agent: it reverts content on trial that
 * raises a storm of verdicts, and the figures go on with its check-ins. All
 * count from 0 since the content was taken over. A few times a minute is
 * enough; a report costs one small file in memory and a rename.
 */
#define RINGHOLD_RULE_MAX 128   /* bytes of a rule's id; printable */
#define RINGHOLD_RULES_MAX 256  /* of a report */

struct ringhold_rule {
	const char *id;
	uint64_t verdicts;      /* it gave; what was only observed included */
};

struct ringhold_effects {
	uint64_t seconds;       /* since the content was taken over, by a clock that does not jump */
	uint64_t events;        /* judged */
	uint64_t errors;        /* of them, malformed or over a limit */
	uint64_t observe, alert, block, quarantine;     /* events with that verdict */
	uint64_t would_block, would_quarantine;         /* events with that verdict but for the list to observe */
	uint64_t load_ms;       /* how long the load took */
	const struct ringhold_rule *rules;      /* those with the most verdicts first; beyond RINGHOLD_RULES_MAX not read */
	size_t rule_count;
};

int ringhold_effects(const struct ringhold_sensor *s, const struct ringhold_content *content, const struct ringhold_effects *effects,
		     struct ringhold_why *why) RINGHOLD_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
