/*
 * webhooks: whom the server tells what happened, and whom it asks before a ring is entered.
 *
 * The feed of decisions and events in the store is the queue: a webhook has a
 * cursor in it, and what it wants becomes messages of its own in the same
 * transaction that moves the cursor. So nothing is lost that was committed,
 * wherever the server is killed, and the name of a message does not change
 * however often it is sent. Each webhook has a thread, which alone waits for
 * its receiver: no other webhook, no request and no gate does.
 *
 * A message that is not taken (any status but 2xx, redirects among them) is
 * sent again, after five seconds at first and an hour at last, or when
 * Retry-After says; after `webhook-give-up`, or at once when the receiver says
 * 410, it is a dead letter, until a person sends it again.
 *
 * A hook is asked before a ring other than the first takes a bundle, or before
 * the rings it names: any status but 2xx, or none in time, holds the ring and
 * is asked again, after half a minute at first and five at last.
 */
#ifndef SERVER_WEBHOOKS_H
#define SERVER_WEBHOOKS_H

#include "server/exposition.h"
#include "server/rollouts.h"
#include "server/server.h"
#include "server/webhook_message.h"

#define WEBHOOKS_MAX 16
#define WEBHOOK_URL_MAX 1024
#define WEBHOOK_LIST_MAX 1024   /* bytes of a list of types, channels or rings */
#define WEBHOOK_TIMEOUT_MAX 30

enum webhook_kind { WEBHOOK_EVENTS, WEBHOOK_BEFORE_RING };
const char *webhook_kind_name(enum webhook_kind k);     /* "events", "before-ring" */
int webhook_kind_parse(const char *name);               /* -1: unknown */

/* A row with room for its own texts, while it is looked at or changed. */
struct webhook {
	bool used;                      /* private */
	struct store_webhook row;
	char name[NAME_LEN_MAX + 1], url[WEBHOOK_URL_MAX + 1], by[ACCESS_WHO_MAX + 1];
	char types[WEBHOOK_LIST_MAX + 1], channels[WEBHOOK_LIST_MAX + 1], rings[WEBHOOK_LIST_MAX + 1];
	char secret[WEBHOOK_SECRET_TEXT], old_secret[WEBHOOK_SECRET_TEXT];
};
void webhook_point(struct webhook *w);  /* the row's texts are those of the struct */
int webhook_take(struct webhook *w, const struct store_webhook *row, struct err *e) MUST_CHECK;        /* a copy of row and texts */

int webhooks_open(struct server *s, struct err *e) MUST_CHECK;  /* reads them; nothing is sent yet */
int webhooks_start(struct server *s, struct err *e) MUST_CHECK;
void webhooks_stop(struct server *s);   /* waits for requests under way, which are bounded */
void webhooks_close(struct server *s);

/*
 * People's changes, kept with an audit row and then in effect. put: ERR_LIMIT
 * when there are too many. put, end: ERR_CONFLICT when `version` (of the one
 * before; 0: there is none) is no longer so. end, again: ERR_NOT_FOUND.
 */
struct webhooks_by {
	const char *who, *why;
	int64_t now;
};
int webhooks_put(struct server *s, const struct store_webhook *w, uint64_t version, const struct webhooks_by *by, struct err *e) MUST_CHECK;
int webhooks_end(struct server *s, const char *name, uint64_t version, const struct webhooks_by *by, struct err *e) MUST_CHECK;
/* A message that tests the way. */
int webhooks_test(struct server *s, const char *name, const struct webhooks_by *by, struct err *e) MUST_CHECK;
/* Dead letters are due at once; message "": all of them. */
int webhooks_again(struct server *s, const char *name, const char *message, const struct webhooks_by *by, struct err *e) MUST_CHECK;

/* One, or each by name; texts are borrowed for the call, which must not wait. ERR_NOT_FOUND. */
struct webhook_view {
	const struct store_webhook *row;
	uint64_t delivered, failed, dead;       /* attempts since the start */
	const char *trouble;            /* of the last attempt; "": it was taken */
};
int webhooks_get(struct server *s, const char *name, int (*visit)(const struct webhook_view *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int webhooks_each(struct server *s, int (*visit)(const struct webhook_view *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;

/* May the bundle enter the ring? Asks whoever wants to be asked; without waiting. With `control` held. */
enum hook_answer { HOOK_GO, HOOK_PENDING, HOOK_HOLDS };
#define HOOK_WHY 200
enum hook_answer webhooks_before_ring(struct server *s, const struct stage *g, int64_t now, char why[HOOK_WHY]);

#endif
