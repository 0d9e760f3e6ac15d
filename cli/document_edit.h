/*
 * document_edit: one document under a role that people sign: fetched as it
 * stands, changed by the caller, signed with the keys at hand, published
 * through the server (which can keep it back, and sign none of it).
 */
#ifndef CLI_DOCUMENT_EDIT_H
#define CLI_DOCUMENT_EDIT_H

#include "base/hash.h"
#include "cli/role_edit.h"

struct document_edit;

/* role and path belong together ("recall", "recall/edr/recalls.json"); keys are borrowed. */
int document_edit_open(struct document_edit **out, struct remote *r, const char *role, const char *path, const struct keyring *keys,
		       bool adopt, struct err *e) MUST_CHECK;
void document_edit_free(struct document_edit *d);

const struct buf *document_edit_now(const struct document_edit *d);     /* as published; NULL: there is none */

/* Signs the document with this text; sends it unless `dry`: then *answer says what it would be. */
int document_edit_put(struct document_edit *d, const struct buf *text, bool dry, int64_t now, struct remote_answer *answer,
		      struct err *e) MUST_CHECK;

/*
 * A bundle of a channel by digest (64 hex digits) or serial, as the server
 * knows it. A digest that it does not know is taken as it is, with serial 0.
 */
struct bundle_named {
	struct digest digest;
	uint64_t serial;
};
int bundle_named(struct bundle_named *out, struct remote *r, const char *channel, const char *word, struct err *e) MUST_CHECK;

AUTO_DEFINE(document_edit, struct document_edit *, document_edit_free);

#endif
