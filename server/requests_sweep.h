/* requests_sweep: what nobody needs any more goes, but nothing that an open request is about. */
#ifndef SERVER_REQUESTS_SWEEP_H
#define SERVER_REQUESTS_SWEEP_H

#include "server/server.h"

/* Uploads that nothing was published from within a day, and pieces that a killed server left; those of bundles that wait stay. */
int requests_sweep_uploads(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* Files of the repository (desk_sweep()); what the drafts of open requests list stays. How many, *bytes together. */
int requests_sweep_repository(struct server *s, int64_t now, uint64_t *bytes, struct err *e) MUST_CHECK;

#endif
