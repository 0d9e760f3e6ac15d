/* takeover: an attacker with keys of the server, and of others, signs what they like. */
#ifndef TESTS_SYSTEM_TAKEOVER_H
#define TESTS_SYSTEM_TAKEOVER_H

#include "watch.h"

/* With every key of server, promoter and vendor: lists the bundle and assigns it to all three rings; the server must not run. */
int takeover_assign_everywhere(struct world *w, const struct bundle_made *b, struct err *e) MUST_CHECK;

#endif
