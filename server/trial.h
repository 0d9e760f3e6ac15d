/*
 * trial: what a bundle is worth before it is published: its archive, every
 * registered contract, its self-tests.
 */
#ifndef SERVER_TRIAL_H
#define SERVER_TRIAL_H

#include "base/json.h"
#include "server/server.h"

struct trial;

/* What a person decided not to wait for. Texts are borrowed. */
struct trial_override {
	struct digest contracts[64];
	size_t count;
	bool everything;
	const char *reason;             /* NULL: nothing is overridden */
};

/*
 * Unpacks the archive and asks everybody. Negative when the archive itself is
 * not what was signed (ERR_REFUSED, ERR_FORMAT, ...) or the asking failed; what
 * contracts and self-tests say is in the trial.
 */
int trial_run(struct trial **out, struct server *s, const char *archive, const char *channel, uint64_t serial, const char *version,
	      const struct digest *digest, uint64_t size, const struct trial_override *override, struct err *e) MUST_CHECK;
void trial_free(struct trial *t);       /* removes the unpacked tree; NULL is fine */

bool trial_refuses(const struct trial *t);
void trial_sentence(const struct trial *t, char *out, size_t cap);      /* the first refusal */
/* Members "findings" and "matrix" of the object that is open in w. */
void trial_write_findings(const struct trial *t, struct json_writer *w);
void trial_write_matrix(const struct trial *t, struct json_writer *w);

#endif
