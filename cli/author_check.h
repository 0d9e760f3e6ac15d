/*
 * author_check: what the server and every host will check, on the author's machine.
 *
 * Static checks against each contract given (without one: what holds for every
 * sensor), then one try in the confined canary process: load, self-tests,
 * benign corpora. Findings go to standard error, one a line; figures to
 * standard output.
 */
#ifndef CLI_AUTHOR_CHECK_H
#define CLI_AUTHOR_CHECK_H

#include "base/cli.h"
#include "base/hash.h"

struct author_check {
	struct cli_list contracts;      /* paths of contract.json files */
	struct cli_list benign;         /* directories of *.ndjson events that must stay undisturbed */
};

/* slot: an unpacked bundle. ERR_REFUSED with the first reason. */
int author_check(const char *slot, const struct digest *digest, const struct author_check *how, struct err *e) MUST_CHECK;

#endif
