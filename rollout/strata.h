/*
 * strata: endpoints alike in what makes content fail, as a ring's gate counts them.
 *
 * A stratum is "os/sensor version/locale". Those of at least 1 % of the ring or
 * 20 endpoints stand alone; smaller ones are pooled by leaving out the locale,
 * then the patch level of the sensor's version, and what is still too small is
 * "other". A plan is made once, at a ring's first offer, and frozen: nobody who
 * enrols later changes who is compared with whom. A plan is its groups: who is
 * looked for goes by the same steps, so what is stored and read back is the
 * same plan. Names are what devices claim: control characters become "?". Pure.
 */
#ifndef ROLLOUT_STRATA_H
#define ROLLOUT_STRATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define STRATA_NAME_MAX 192     /* bytes of a stratum's name */
#define STRATA_MAX 4096         /* groups of a plan; what does not fit is other */
#define STRATA_OTHER "other"

struct stratum_size {
	char name[STRATA_NAME_MAX + 1]; /* "debian-12/7.11.2/zh_CN" */
	uint32_t size;                  /* endpoints of the ring */
};

/* A name as it is kept: without control characters, and cut before a letter that does not fit. */
void strata_clean(char out[STRATA_NAME_MAX + 1], const char *name);

struct strata;

/* The groups for these endpoints of a ring; names may come in any order and more than once. */
int strata_plan(struct strata **out, const struct stratum_size *raw, size_t count, struct err *e) MUST_CHECK;
/* The plan of these groups once more: by name, each once, other last. ERR_FORMAT. */
int strata_from(struct strata **out, const struct stratum_size *groups, size_t count, struct err *e) MUST_CHECK;
int strata_copy(struct strata **out, const struct strata *s, struct err *e) MUST_CHECK;
void strata_free(struct strata *s);
bool strata_same(const struct strata *a, const struct strata *b);       /* either may be NULL: no plan */

/* Groups, by name; the index is what offers carry. There is always one called other, the last. */
uint32_t strata_count(const struct strata *s);
const char *strata_name(const struct strata *s, uint32_t group);
uint32_t strata_size(const struct strata *s, uint32_t group);
uint32_t strata_ring(const struct strata *s);   /* endpoints in all groups together */
/* The group of an endpoint, also of one whose stratum was not there at the first offer. */
uint32_t strata_find(const struct strata *s, const char *name);

/* At least 1 % of the ring, or 20 endpoints. */
bool strata_large(uint32_t size, uint32_t ring);
uint32_t strata_large_count(const struct strata *s);
/* Survivors that a group must have before the ring passes: min(survivors, size) of a large one, of others none. */
uint32_t strata_wanted(const struct strata *s, uint32_t group, int64_t survivors);
/* Groups that lack survivors, survived[] by group; *first is the first of them. */
uint32_t strata_lacking(const struct strata *s, const uint32_t *survived, int64_t survivors, uint32_t *first);

/* What was pooled when the plan was made, a line each: "debian-12/7.11.2/zh_CN: 3 endpoints counted with debian-12/7.11.2". */
void strata_explain(const struct strata *s, struct buf *out);

AUTO_DEFINE(strata, struct strata *, strata_free);

#endif
