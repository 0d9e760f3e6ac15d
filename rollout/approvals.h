/*
 * approvals: what a third party agrees to, approvals/<party>/<channel>.json:
 * {"format":1,"channel":"edr","digests":["<64 hex>",...]}
 *
 * Signed by the role approve-<party>. Hosts that demand a party's approval
 * activate nothing it does not list; taking a digest out again stops nothing
 * that runs: that is what stops and recalls are for.
 */
#ifndef ROLLOUT_APPROVALS_H
#define ROLLOUT_APPROVALS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/name.h"

#define APPROVALS_MAX (2 * 1024 * 1024) /* bytes of a document */
#define APPROVALS_DIGESTS_MAX 16384

struct approvals {
	char channel[NAME_LEN_MAX + 1];
	struct digest *digests;         /* owned */
	size_t count;
};

struct approvals *approvals_new(const char *channel);   /* empty; NULL without memory or when the name is none */
void approvals_free(struct approvals *a);

int approvals_parse(struct approvals **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;
int approvals_write(struct buf *out, const struct approvals *a, struct err *e) MUST_CHECK;

bool approvals_has(const struct approvals *a, const struct digest *d);  /* a may be NULL */
int approvals_add(struct approvals *a, const struct digest *d, struct err *e) MUST_CHECK;      /* there already: ERR_CONFLICT */
bool approvals_remove(struct approvals *a, const struct digest *d);    /* false: was not there */

void approvals_path(char out[PATH_LEN_MAX + 1], const char *party, const char *channel);

AUTO_DEFINE(approvals, struct approvals *, approvals_free);

#endif
