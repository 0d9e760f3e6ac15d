/* rollout_explain: why a rollout stands where it stands: every gate's decision, decided again here from its recorded inputs. */
#ifndef CLI_ROLLOUT_EXPLAIN_H
#define CLI_ROLLOUT_EXPLAIN_H

#include "cli/remote.h"

/* Prints them, oldest first. ERR_REFUSED when one does not come to what the server says it came to. */
int rollout_explain(struct remote *r, const char *id, bool json, struct err *e) MUST_CHECK;

#endif
