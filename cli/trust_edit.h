/*
 * trust_edit: the next version of root or of the top-level targets, as a list
 * of roles whose keys, thresholds and paths are changed, and the request that
 * asks for it.
 */
#ifndef CLI_TRUST_EDIT_H
#define CLI_TRUST_EDIT_H

#include "cli/trust_place.h"

struct trust_edit;

/* m is root's or targets' metadata, borrowed. ERR_UNSUPPORTED: it holds what this program cannot write again (other key types, bins). */
int trust_edit_new(struct trust_edit **out, const struct metadata *m, struct err *e) MUST_CHECK;
void trust_edit_free(struct trust_edit *x);     /* NULL is fine */

/* A delegation at the end of the list. ERR_CONFLICT: there is one. */
int trust_edit_add_role(struct trust_edit *x, const char *role, struct err *e) MUST_CHECK;
int trust_edit_remove_role(struct trust_edit *x, const char *role, struct err *e) MUST_CHECK;
/* A file with a public key, or with a private one whose public half counts. ERR_CONFLICT: the role has it. */
int trust_edit_add_key(struct trust_edit *x, const char *role, const char *file, struct err *e) MUST_CHECK;
/* By its id, the beginning of it, or a file that holds the key. ERR_NOT_FOUND, ERR_CONFLICT when several begin so. */
int trust_edit_remove_key(struct trust_edit *x, const char *role, const char *id, struct err *e) MUST_CHECK;
int trust_edit_set_threshold(struct trust_edit *x, const char *role, int64_t threshold, struct err *e) MUST_CHECK;
int trust_edit_set_paths(struct trust_edit *x, const char *role, const struct cli_list *paths, struct err *e) MUST_CHECK;

/* The file's next version without signatures. ERR_USAGE: a role that nobody could sign. */
int trust_edit_finish(struct trust_edit *x, int64_t now, struct buf **out, struct err *e) MUST_CHECK;

/* ---- requests ---- */

/* A request that builds on what stands at the place. */
int trust_ask(struct sigreq **out, struct trust_place *p, const char *reason, int64_t now, struct err *e) MUST_CHECK;
/* The role once more as it stands, for another life. */
int trust_ask_renewal(struct sigreq *q, struct trust_place *p, const char *role, int64_t now, struct err *e) MUST_CHECK;
/*
 * Adds whatever must be signed again because its keys change: targets under a
 * new root, delegated roles under new targets. Roles that a server signs alone
 * are left to the server.
 */
int trust_ask_companions(struct sigreq *q, struct trust_place *p, int64_t now, struct err *e) MUST_CHECK;

AUTO_DEFINE(trust_edit, struct trust_edit *, trust_edit_free);

#endif
