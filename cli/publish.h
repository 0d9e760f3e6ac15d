/*
 * publish: an archive becomes a signed bundle of its channel on a server.
 *
 * The vendor's side of it: the role content-<channel> gets the archive and
 * deltas from the bundles before it; old bundles leave it, but none that a ring
 * of the server is assigned to or would go back to. It is signed here, never there.
 */
#ifndef CLI_PUBLISH_H
#define CLI_PUBLISH_H

#include "cli/role_edit.h"
#include "content/manifest.h"

#define PUBLISH_DELTAS 3                /* when nothing else is asked for */
#define PUBLISH_DELTAS_MAX 16
#define PUBLISH_KEEP 50

struct publish_delta {
	uint64_t from;                  /* serial */
	struct buf *bytes;
};

struct publish {
	const char *archive;            /* path */
	const struct keyring *keys;
	const char *reason;             /* why; may be NULL */
	struct cli_list allowed;        /* "SENSOR/VERSION" whose refusal is overridden */
	bool dry_run;                   /* the server checks and answers, and publishes nothing */
	bool adopt;
	int64_t deltas;                 /* from so many bundles before it, at most PUBLISH_DELTAS_MAX; 0: none */
	int64_t keep;                   /* the newest bundles stay listed, so many; 0: all */
	int64_t now;
	/* filled in by publish_prepare(): */
	struct manifest *manifest;
	struct digest digest;
	uint64_t size;                  /* bytes unpacked */
	struct buf *bytes;              /* of the archive */
	struct publish_delta made[PUBLISH_DELTAS_MAX];  /* newest first */
	size_t made_count;
	char note[200];                 /* why a delta is missing; "" otherwise */
	size_t dropped;                 /* targets that are no longer listed */
	char kept[200];                 /* why none were dropped although some could; "" otherwise */
	struct buf *role;               /* the signed file */
	bool known;                     /* the role lists this very archive already */
};

/* Checks, makes deltas, signs. Nothing is sent. ERR_CONFLICT: the serial is taken by other bytes. */
int publish_prepare(struct publish *p, struct remote *r, struct err *e) MUST_CHECK;

/* Uploads and publishes. On refusal *answer holds the server's findings. */
int publish_send(struct publish *p, struct remote *r, struct remote_answer *answer, struct err *e) MUST_CHECK;
void publish_release(struct publish *p);        /* what prepare filled in */

#endif
