/*
 * incoming: what every new bundle goes through before its rollout begins,
 * whoever brings it: a publisher (operator_publish.c) or a vendor's repository
 * that this server follows (follow.c). The caller holds `publishing`.
 */
#ifndef SERVER_INCOMING_H
#define SERVER_INCOMING_H

#include "server/trial.h"

/* Verified to be what the vendor's role says; everything is borrowed. */
struct incoming {
	const char *channel;
	uint64_t serial;
	struct digest digest;
	const char *version, *path;     /* target path */
	uint64_t size, length;          /* of the uncompressed archive; of the target */
	const char *archive;            /* file with the target's bytes */
	const char *by, *reason;
	bool dry_run;                   /* it is only asked about: nothing is kept */
};

/* *same: this very bundle began its way before. ERR_CONFLICT: the serial or the digest is taken, or the serial does not rise. */
int incoming_known(struct server *s, const struct incoming *b, bool *same, struct err *e) MUST_CHECK;
/* Contracts and self-tests (trial.h); a refusal, and one that is overridden, is kept and audited. */
int incoming_try(struct trial **out, struct server *s, const struct incoming *b, const struct trial_override *override, struct err *e) MUST_CHECK;
int incoming_start(struct server *s, const struct incoming *b, const struct trial *t, uint64_t *rollout, struct err *e) MUST_CHECK;

#endif
