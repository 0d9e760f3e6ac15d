/*
 * witness: what a promoter has seen with its own eyes, by its own clock.
 *
 * An append-only file of one JSON object a line, each with the SHA-256 of the
 * line before, durable before anything is decided from it. A server that is
 * taken over can say what it likes now; it cannot change what it said before,
 * nor when that was heard. A last line cut short by a power cut is dropped.
 */
#ifndef CLI_WITNESS_H
#define CLI_WITNESS_H

#include "rollout/assignment.h"
#include "rollout/gate_record.h"

#define WITNESS_MAX ((size_t)256 << 20)  /* bytes of the file */
#define WITNESS_REQUEST 16               /* hex digits of a signing request's id */

/* An assignment as published: enough signatures, verified. */
struct witness_assigned {
	int64_t at;                     /* first seen, seconds by our clock */
	char ring[NAME_LEN_MAX + 1], channel[NAME_LEN_MAX + 1];
	uint64_t serial, attempt;
	struct digest digest, previous; /* previous zero: none */
	int64_t issued;
};

/* A gate record that replays. */
struct witness_record {
	int64_t at;                     /* first seen */
	uint64_t rollout;
	char ring[NAME_LEN_MAX + 1], channel[NAME_LEN_MAX + 1];
	char event[GATE_RECORD_EVENT + 1];
	struct digest bundle, record;
};

/* Something that cannot be true of a rollout: nothing of it is signed any more. */
struct witness_distrust {
	int64_t at;
	uint64_t rollout;
	char sentence[256];
};

struct witness_signed {
	int64_t at;
	char request[WITNESS_REQUEST + 1];
	char ring[NAME_LEN_MAX + 1], channel[NAME_LEN_MAX + 1];
	bool promotion;                 /* else a way back, or a renewal */
};

/* An endpoint's own word that a bundle survived: rollout/vouch.h. */
struct witness_vouched {
	int64_t at;
	char ring[NAME_LEN_MAX + 1], channel[NAME_LEN_MAX + 1], name[NAME_LEN_MAX + 1];
	struct digest digest;
};

struct witness {
	int fd;
	char *path;
	struct digest head;             /* of the last line */
	struct witness_assigned *assigned;
	struct witness_record *records;
	struct witness_distrust *distrust;
	struct witness_signed *signatures;
	struct witness_vouched *vouched;
	size_t vouched_count, assigned_count, record_count, distrust_count, signed_count;
};

/* ERR_CONFLICT: another promoter uses it. ERR_FORMAT: somebody changed it. */
int witness_open(struct witness **out, const char *path, struct err *e) MUST_CHECK;
void witness_close(struct witness *m);

/* Each is durable when it returns. What is known already is not written again. */
int witness_note_assigned(struct witness *m, const struct assignment *a, int64_t now, struct err *e) MUST_CHECK;
int witness_note_record(struct witness *m, const struct gate_record *r, const struct digest *record, int64_t now, struct err *e) MUST_CHECK;
int witness_note_distrust(struct witness *m, uint64_t rollout, const char *sentence, int64_t now, struct err *e) MUST_CHECK;
int witness_note_signed(struct witness *m, const char *request, const char *ring, const char *channel, bool promotion, int64_t now,
		       struct err *e) MUST_CHECK;

int witness_note_vouched(struct witness *m, const char *ring, const char *channel, const char *name, const struct digest *digest,
			 int64_t now, struct err *e) MUST_CHECK;

/* ---- looking back; all borrowed until the next note ---- */

/* The first sight of this attempt at this bundle in a ring; NULL: never seen there. */
const struct witness_assigned *witness_first(const struct witness *m, const char *ring, const char *channel, const struct digest *digest,
					   uint64_t attempt);
/* The bundle was assigned to the ring, or was what an assignment there named as the one before. */
bool witness_in_force(const struct witness *m, const char *ring, const char *channel, const struct digest *digest);
uint64_t witness_greatest(const struct witness *m, const char *ring /* NULL: any */, const char *channel);       /* serial; 0: none */

bool witness_knows_record(const struct witness *m, const struct digest *record);
/* The newest record of a ring; NULL: none. */
const struct witness_record *witness_last_record(const struct witness *m, uint64_t rollout, const char *ring);
/* When the bound was first seen reached that still is, by our clock; 0: it is not. */
int64_t witness_bound_since(const struct witness *m, uint64_t rollout, const char *ring);
bool witness_halted(const struct witness *m, uint64_t rollout);
const struct witness_distrust *witness_distrusted(const struct witness *m, uint64_t rollout);      /* NULL: no */
/* Different endpoints of a ring that vouched for a bundle. */
size_t witness_vouchers(const struct witness *m, const char *ring, const char *channel, const struct digest *digest);
/* Different requests of this ring and channel that were signed since. */
size_t witness_signed_since(const struct witness *m, const char *ring, const char *channel, bool promotions, int64_t since, const char *but);

AUTO_DEFINE(witness, struct witness *, witness_close);

#endif
