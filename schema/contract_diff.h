/*
 * contract_diff: what content that one contract accepts meets at another one.
 *
 * Types and versions, the schema of each type, what templates supply, limits,
 * ceilings and protected objects. Pointers are into the later contract, or the
 * earlier one for what is gone.
 */
#ifndef SCHEMA_CONTRACT_DIFF_H
#define SCHEMA_CONTRACT_DIFF_H

#include "schema/contract.h"
#include "schema/diff.h"

/* Pure. ERR_LIMIT as schema_diff(). */
int contract_diff(struct diff **out, const struct contract *before, const struct contract *after, struct err *e) MUST_CHECK;

#endif
