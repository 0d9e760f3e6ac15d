/* pool: zeroed memory that lives until all of it is released at once. */
#ifndef SCHEMA_POOL_H
#define SCHEMA_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {                   /* starts as {0} */
	struct pool_block *blocks;
	char *free;             /* in the newest block */
	size_t left;
};

void *pool_take(struct pool *p, size_t count, size_t size);     /* at least one byte; NULL when there is no memory */
void pool_release(struct pool *p);

#endif
