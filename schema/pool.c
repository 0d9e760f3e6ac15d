/* pool: zeroed memory that lives until all of it is released at once. */
#include "schema/pool.h"

#include <stdlib.h>
#include <stdint.h>

#include "base/defs.h"

#define BLOCK ((size_t)16 << 10)        /* what is asked for together stays together */
#define ALIGN 16

struct pool_block {
	struct pool_block *next;
	_Alignas(ALIGN) char bytes[];
};

void *pool_take(struct pool *p, size_t count, size_t size)
{
	size_t len;
	struct pool_block *b;
	void *taken;

	if (__builtin_mul_overflow(count, size, &len) || len > SIZE_MAX / 2)
		return NULL;
	len = (MAX(len, 1) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (len > p->left) {
		b = calloc(1, sizeof *b + MAX(len, BLOCK));
		if (!b)
			return NULL;
		b->next = p->blocks;
		p->blocks = b;
		p->free = b->bytes;
		p->left = MAX(len, BLOCK);
	}
	taken = p->free;
	p->free += len;
	p->left -= len;
	return taken;
}

void pool_release(struct pool *p)
{
	while (p->blocks) {
		struct pool_block *next = p->blocks->next;

		free(p->blocks);
		p->blocks = next;
	}
	p->left = 0;
}
