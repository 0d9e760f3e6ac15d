/* table: pointers found by a 64-bit hash; open addressing, grows. Keys are the caller's: he compares what he gets. */
#ifndef SCHEMA_TABLE_H
#define SCHEMA_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct table {                  /* starts as {0} */
	struct table_slot { uint64_t hash; void *value; } *slots;
	size_t count, cap;
};

int table_add(struct table *t, uint64_t hash, void *value, struct err *e) MUST_CHECK;  /* beside others of that hash */
/* The values of one hash, one after the other: *at starts at 0; NULL behind the last. */
void *table_next(const struct table *t, uint64_t hash, size_t *at);
void table_release(struct table *t);

static inline uint64_t table_address(const void *p)
{
	uint64_t h = (uintptr_t)p * 0x9e3779b97f4a7c15;

	return h ^ h >> 32;
}

#endif
