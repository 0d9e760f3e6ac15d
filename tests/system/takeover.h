/* takeover: an attacker with every key of server and vendor signs what they like. */
#ifndef TESTS_SYSTEM_TAKEOVER_H
#define TESTS_SYSTEM_TAKEOVER_H

#include "watch.h"

/* Lists the bundle in the content role and assigns it to all three rings; the server must not run. */
int takeover_assign_everywhere(struct world *w, const struct bundle_made *b, struct err *e) MUST_CHECK;

#endif
