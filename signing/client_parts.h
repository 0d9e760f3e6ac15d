/* client_parts: the state that client.c and client_search.c share; for these two only. */
#ifndef SIGNING_CLIENT_PARTS_H
#define SIGNING_CLIENT_PARTS_H

#include "signing/client.h"
#include "signing/delegation.h"
#include "signing/verify.h"

enum client_state {
	CLIENT_IDLE,            /* nothing begun, or a refusal ended it */
	CLIENT_ROOT,            /* fetching the next root */
	CLIENT_TIMESTAMP_LOCAL,
	CLIENT_SNAPSHOT_LOCAL,
	CLIENT_TIMESTAMP,
	CLIENT_SNAPSHOT,
	CLIENT_ROLE_LOCAL,      /* a targets role: c->want */
	CLIENT_ROLE,
	CLIENT_SEARCH,          /* walking delegations, between two roles */
	CLIENT_DONE,
	CLIENT_STATES
};

/* Verified state is per role and delegator. */
struct client_role {
	char *name;                             /* owned */
	const struct metadata *delegator;       /* root, or one of the loaded */
	struct metadata *m;                     /* owned; NULL: wanted, not loaded yet */
};

struct tuf_client {
	enum tuf_rules rules;
	int64_t now;
	bool offline;
	bool refreshed;         /* a refresh ended in TUF_DONE: what it verified stands, whatever becomes of searches */
	enum client_state state;
	unsigned root_steps;

	struct metadata *root, *timestamp, *snapshot;
	struct metadata *old_snapshot;          /* from the store: what the next one may not fall behind, */
	bool rotated;                           /* unless the keys of timestamp or snapshot changed since */
	struct client_role *loaded;             /* targets and delegated roles, in the order they were verified */
	size_t loaded_count;
	struct client_role want;                /* being loaded; name NULL: none */
	enum client_state after;                /* where the loaded role leads */

	/* the step under way */
	struct buf *step_name;
	size_t step_max;
	bool answered, too_long;
	enum tuf_answer answer;
	struct buf *got;                        /* the answer's bytes */
	const struct metadata *to_store;
	char *store_name;                       /* owned: the role whose file it is */

	/* the search */
	char *path;                             /* owned */
	size_t path_len;
	struct client_role *stack;              /* roles still to visit, the next one last */
	size_t stack_count, stack_cap;
	char *visited[TUF_SEARCH_ROLES + 1];    /* owned */
	size_t visited_count;
	struct tuf_target found;                /* target NULL: not (yet) */
};

/* For the table of states in client.c: what to ask (or where to go on), and what to do with the answer. */
int client_role_local_ask(struct tuf_client *c, struct tuf_step *out, struct err *e);
int client_role_local_take(struct tuf_client *c, struct err *e);
int client_role_ask(struct tuf_client *c, struct tuf_step *out, struct err *e);
int client_role_take(struct tuf_client *c, struct err *e);
int client_search_ask(struct tuf_client *c, struct tuf_step *out, struct err *e);

/* Begins to load a role: CLIENT_ROLE_LOCAL, then `after`. */
int client_want(struct tuf_client *c, const char *role, const struct metadata *delegator, enum client_state after, struct err *e);
const struct metadata *client_loaded(const struct tuf_client *c, const char *role, const struct metadata *delegator);
void client_role_release(struct client_role *r);
void client_search_clear(struct tuf_client *c);

/* Shared steps. */
int client_ask_load(struct tuf_client *c, struct tuf_step *out, const char *role, struct err *e);
int client_ask_fetch(struct tuf_client *c, struct tuf_step *out, int64_t version, const char *role, size_t max, struct err *e);
int client_got(struct tuf_client *c, const char *role, struct err *e);  /* the answer to a fetch that must succeed */
int client_size(const struct metadata_file *f, size_t otherwise, size_t *max, const char *role, struct err *e);
int client_fresh(const struct tuf_client *c, const struct metadata *m, const char *role, struct err *e);
int client_keep(struct tuf_client *c, const struct metadata *m, const char *role, struct err *e);       /* store it next */
/* Parses the answer and checks the signatures. */
int client_verified(struct tuf_client *c, struct metadata **out, enum metadata_type type, const char *role,
		    const struct authority *by, struct err *e);

#endif
