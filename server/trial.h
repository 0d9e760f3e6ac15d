/*
 * trial: what a bundle is worth before it is published: its archive, every
 * registered contract, its self-tests.
 */
#ifndef SERVER_TRIAL_H
#define SERVER_TRIAL_H

#include "base/json.h"
#include "server/server.h"

struct trial;

/* Sensors whose refusal a person overrides, by name: "SENSOR/VERSION". Borrowed. */
struct trial_override {
	const char *const *sensors;
	size_t count;
};

/*
 * Unpacks the archive and asks everybody. Negative when the archive itself is
 * not what was signed (ERR_REFUSED, ERR_FORMAT, ...) or the asking failed; what
 * contracts and self-tests say is in the trial.
 */
int trial_run(struct trial **out, struct server *s, const char *archive, const char *channel, uint64_t serial, const char *version,
	      const struct digest *digest, uint64_t size, const struct trial_override *override, struct err *e) MUST_CHECK;
void trial_free(struct trial *t);       /* removes the unpacked tree; NULL is fine */

bool trial_refuses(const struct trial *t);      /* it must not go out: publish_matrix.h says when */
void trial_sentence(const struct trial *t, char *out, size_t cap);      /* why */
size_t trial_overridden(const struct trial *t, char *out, size_t cap); /* refusals that count for nothing here, by name: how many */
/* Members "findings", and "matrix" and "unknown_sensors", of the object that is open in w. */
void trial_write_findings(const struct trial *t, struct json_writer *w);
void trial_write_matrix(const struct trial *t, struct json_writer *w);

#endif
