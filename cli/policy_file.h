/* policy_file: a policy that somebody works on, from its file. */
#ifndef CLI_POLICY_FILE_H
#define CLI_POLICY_FILE_H

#include "base/buf.h"
#include "rollout/policy.h"

/* Its bytes and what they say; the caller frees both. */
int policy_file_read(struct policy **out, struct buf **text, const char *path, struct err *e) MUST_CHECK;
/* On standard output, with a line feed. */
int policy_file_print(struct buf *text, struct err *e) MUST_CHECK;

#endif
