/* pool: zeroed memory that lives until all of it is released at once. */
#include "schema/pool.h"

#include <stdlib.h>

struct pool_block {
	struct pool_block *next;
	_Alignas(16) char bytes[];
};

void *pool_take(struct pool *p, size_t count, size_t size)
{
	size_t len;
	struct pool_block *b;

	if (__builtin_mul_overflow(count, size, &len) || __builtin_add_overflow(len, sizeof *b + 1, &len))
		return NULL;
	b = calloc(1, len);
	if (!b)
		return NULL;
	b->next = p->blocks;
	p->blocks = b;
	return b->bytes;
}

void pool_release(struct pool *p)
{
	while (p->blocks) {
		struct pool_block *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
}
