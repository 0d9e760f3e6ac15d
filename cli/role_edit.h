/*
 * role_edit: the next version of a role that people sign, made from the one a
 * server publishes.
 *
 * The server only hands over what stands now. What it hands over is believed
 * as far as a key at hand signed it before: otherwise a taken-over server
 * could slip targets in and have them signed. The first signature under a
 * role, or one after all keys changed, needs `adopt`.
 */
#ifndef CLI_ROLE_EDIT_H
#define CLI_ROLE_EDIT_H

#include "cli/remote.h"
#include "signing/author.h"

struct role_edit;

/* ERR_AUTH: none of the keys belongs to the role, or none of them signed what stands now. keys is borrowed. */
int role_edit_open(struct role_edit **out, struct remote *r, const char *role, const struct keyring *keys, bool adopt, struct err *e) MUST_CHECK;
void role_edit_free(struct role_edit *x);

const struct metadata *role_edit_now(const struct role_edit *x);        /* what stands; borrowed; NULL: it was never published */
struct author *role_edit_author(struct role_edit *x);                   /* to be changed; borrowed */

/*
 * Shows what changes on standard error, then signs: the next version, valid for
 * 400 days. Answers how many signatures others must add: what is sent then
 * becomes a signing request.
 */
int role_edit_finish(struct role_edit *x, int64_t now, struct buf **out, struct err *e) MUST_CHECK;

/* The server's answer: others must sign, too. Then it says how. */
bool role_edit_waits(const struct remote_answer *a);

AUTO_DEFINE(role_edit, struct role_edit *, role_edit_free);

#endif
