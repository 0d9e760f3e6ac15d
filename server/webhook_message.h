/*
 * webhook_message: what a webhook is told and how it is signed, pure.
 *
 * A message is a CloudEvent 1.0 in structured JSON; its signature, name and
 * time are headers as Standard Webhooks has them: HMAC-SHA-256 under the
 * secret's bytes over "name.time.body".
 */
#ifndef SERVER_WEBHOOK_MESSAGE_H
#define SERVER_WEBHOOK_MESSAGE_H

#include "base/buf.h"
#include "server/store.h"

#define WEBHOOK_MESSAGE_MAX ((size_t)32 << 10)
#define WEBHOOK_TYPE_MAX 64
#define WEBHOOK_SECRET "whsec_"
#define WEBHOOK_SECRET_BYTES 32
#define WEBHOOK_SECRET_TEXT 64  /* room for whsec_ and base64 */
#define WEBHOOK_SIGNATURES 128  /* room for two */

/* "ringhold.ring.halted"; docs/webhooks.md lists them. */
void webhook_type(char out[WEBHOOK_TYPE_MAX], const struct store_feed *f);
/* Is the type one of these, or beneath one of them ("ringhold.ring" holds "ringhold.ring.halted")? */
bool webhook_wants(const char *types, const char *type);
/* Nothing is sent about a single device unless it is asked for. */
#define WEBHOOK_TYPES "ringhold.bundle ringhold.ring ringhold.rollout ringhold.signing-request"

/* The CloudEvent of a line of the feed. source: URI of this server. */
int webhook_event(struct buf *out, const struct store_feed *f, const char *source, struct err *e) MUST_CHECK;

int webhook_secret(char out[WEBHOOK_SECRET_TEXT], struct err *e) MUST_CHECK;   /* a new one */
/* "v1,<base64>" for the secret and, unless it is "", " v1,<base64>" for the old one. ERR_FORMAT: a secret is none. */
int webhook_sign(char out[WEBHOOK_SIGNATURES], const char *secret, const char *old_secret, const char *name, int64_t at, const char *body,
		 size_t len, struct err *e) MUST_CHECK;

/* Seconds until the next attempt, after so many; jitter 0..999 spreads it by a fifth. */
#define WEBHOOK_WAIT_MAX 3600
int64_t webhook_wait(int64_t attempts, unsigned jitter);

#endif
