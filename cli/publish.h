/*
 * publish: an archive becomes a signed bundle of its channel on a server.
 *
 * The vendor's side of it: the role content-<channel> gets the archive and,
 * when the bundle before can be had, a delta; it is signed here, never there.
 */
#ifndef CLI_PUBLISH_H
#define CLI_PUBLISH_H

#include "cli/role_edit.h"
#include "content/manifest.h"

struct publish {
	const char *archive;            /* path */
	const struct keyring *keys;
	const char *reason;             /* why; may be NULL */
	struct cli_list allowed;        /* "SENSOR/VERSION" whose refusal is overridden */
	bool dry_run;                   /* the server checks and answers, and publishes nothing */
	bool no_delta, adopt;
	int64_t now;
	/* filled in by publish_prepare(): */
	struct manifest *manifest;
	struct digest digest;
	uint64_t size;                  /* bytes unpacked */
	struct buf *bytes;              /* of the archive */
	struct buf *delta;              /* NULL: none */
	uint64_t delta_from;            /* serial */
	char note[200];                 /* why there is no delta; "" otherwise */
	struct buf *role;               /* the signed file */
	bool known;                     /* the role lists this very archive already */
};

/* Checks, makes the delta, signs. Nothing is sent. ERR_CONFLICT: the serial is taken by other bytes. */
int publish_prepare(struct publish *p, struct remote *r, struct err *e) MUST_CHECK;

/* Uploads and publishes. On refusal *answer holds the server's findings. */
int publish_send(struct publish *p, struct remote *r, struct remote_answer *answer, struct err *e) MUST_CHECK;
void publish_release(struct publish *p);        /* what prepare filled in */

#endif
