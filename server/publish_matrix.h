/*
 * publish_matrix: a bundle against every sensor build that is registered.
 *
 * One row for each registered contract: pass, refuse (why), or not addressed,
 * with the devices that run it and would get the bundle. Pure: who is there
 * and what the contracts said are arguments.
 *
 * A bundle goes out unless
 *   - a contract refuses it and devices that run that contract stand in the
 *     target rings and take this channel, or
 *   - no contract at all accepts it, so that nobody could load it,
 * and each such refusal can be overridden by naming its SENSOR/VERSION. Hosts
 * go on refusing it by their own contract.
 */
#ifndef SERVER_PUBLISH_MATRIX_H
#define SERVER_PUBLISH_MATRIX_H

#include "base/json.h"
#include "base/hash.h"

#define PUBLISH_RINGS_MAX 16

enum publish_answer { PUBLISH_PASS, PUBLISH_REFUSE, PUBLISH_NOT_ADDRESSED };
const char *publish_answer_name(enum publish_answer a);        /* "not addressed" */

/* What one contract said. Texts are borrowed. */
struct publish_opinion {
	struct digest contract;
	const char *sensor, *version;
	bool accepts;                   /* checks and canary process are content */
	bool addressed;                 /* it accepts at least one of the bundle's content types */
	const char *why;                /* of a refusal: one sentence */
};

/* Devices of one target ring that take the channel and run the same. Texts are borrowed. */
struct publish_device {
	size_t count;
	struct digest contract;         /* it said it runs; zero: none */
	const char *sensor, *version;
	const char *ring;               /* NULL: in none yet, which counts as the last */
};

struct publish_row {
	enum publish_answer answer;
	size_t opinion;                 /* index */
	size_t present, in_ring[PUBLISH_RINGS_MAX];     /* devices in the target rings */
	bool allowed;                   /* refused, and the operator named it */
	bool blocks;
};

struct publish_matrix {
	const struct publish_opinion *opinions;         /* borrowed; as many as rows */
	struct publish_row *rows;       /* owned */
	size_t count;
	const char *const *rings;       /* borrowed, in order */
	size_t ring_count;
	size_t unknown;                 /* devices whose contract nobody registered: their hosts decide */
	bool nobody;                    /* no contract accepts it */
};

/*
 * A device belongs to the row of its contract's digest, else to the newest one
 * of its sensor and version (contracts are given oldest first). `allowed`:
 * "SENSOR/VERSION", as many as there are; ERR_NOT_FOUND for one that no
 * contract has.
 */
int publish_matrix_new(struct publish_matrix **out, const struct publish_opinion *opinions, size_t count,
		       const struct publish_device *devices, size_t device_count, const char *const *rings, size_t ring_count,
		       const char *const *allowed, size_t allowed_count, struct err *e) MUST_CHECK;
void publish_matrix_free(struct publish_matrix *m);     /* NULL is fine */

bool publish_matrix_blocks(const struct publish_matrix *m);
/* Why it does not go out, naming sensor, devices and rings: one sentence. */
void publish_matrix_sentence(const struct publish_matrix *m, char *out, size_t cap);
/* The refusals that were overridden, "SENSOR/VERSION, ...": how many. */
size_t publish_matrix_allowed(const struct publish_matrix *m, char *out, size_t cap);

/* Members "matrix" and "unknown_sensors" of the object that is open in w. */
void publish_matrix_write(const struct publish_matrix *m, struct json_writer *w);

AUTO_DEFINE(publish_matrix, struct publish_matrix *, publish_matrix_free);

#endif
