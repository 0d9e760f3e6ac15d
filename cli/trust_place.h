/*
 * trust_place: where trust is kept: a server, or a repository's directory.
 *
 * Commands that change trust read the roles that stand and hand in a request.
 * A server keeps it until enough people signed. A directory (--repository)
 * keeps nothing: the request publishes at once or not at all, signed by the
 * online keys beside it.
 */
#ifndef CLI_TRUST_PLACE_H
#define CLI_TRUST_PLACE_H

#include "cli/remote.h"
#include "signing/sigreq.h"

struct trust_options {
	struct remote_options remote;
	const char *repository, *online;
};

/* The rows of a command; `at` is the offset of its struct trust_options. */
#define TRUST_ROWS(at)                                                                                                              \
	{ "repository", 0, CLI_TEXT, (at) + offsetof(struct trust_options, repository), "DIR", "a repository's directory instead of a server" }, \
	{ "online-keys", 0, CLI_TEXT, (at) + offsetof(struct trust_options, online), "DIR",                                         \
	  "with --repository: the keys of snapshot and timestamp [DIR/../keys]" },                                                  \
	REMOTE_ROWS((at) + offsetof(struct trust_options, remote))

struct trust_place;

int trust_place_open(struct trust_place **out, const struct trust_options *o, struct err *e) MUST_CHECK;
void trust_place_free(struct trust_place *p);   /* NULL is fine */

/* "root", "targets" or a delegated role as it stands; ERR_NOT_FOUND: never published. The caller frees. */
int trust_place_role(struct trust_place *p, const char *role, struct metadata **out, struct err *e) MUST_CHECK;

/* How many keys of an authority a directory has beside it; of a server its own status tells. */
int64_t trust_place_held(struct trust_place *p, const struct authority *by);
int trust_place_server_status(struct trust_place *p, struct remote_answer *out, struct err *e) MUST_CHECK;

/* What became of a request that was handed in. */
struct trust_result {
	char id[SIGREQ_ID_LEN + 1];
	char state[16];         /* "open", "published", "stale" */
	int64_t added;          /* signatures that were new there */
	char note[400];         /* why it was closed, or what keeps it from being published; "-": nothing to be said */
};
int trust_place_submit(struct trust_place *p, const struct sigreq *q, struct trust_result *out, struct err *e) MUST_CHECK;
void trust_result_print(const struct trust_result *r, bool json);

/* ---- a server's requests; a directory has none ---- */

int trust_place_list(struct trust_place *p, bool all, struct remote_answer *out, struct err *e) MUST_CHECK;
/* The whole id from its beginning, or from a role that an open request drafts; ERR_CONFLICT when several begin so. */
int trust_place_find(struct trust_place *p, const char *prefix, char id[SIGREQ_ID_LEN + 1], struct err *e) MUST_CHECK;
int trust_place_request(struct trust_place *p, const char *id, struct sigreq **out, struct err *e) MUST_CHECK;
int trust_place_withdraw(struct trust_place *p, const char *id, const char *reason /* may be NULL */, struct err *e) MUST_CHECK;

AUTO_DEFINE(trust_place, struct trust_place *, trust_place_free);

#endif
