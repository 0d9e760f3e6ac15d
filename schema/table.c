/* table: pointers found by a 64-bit hash. */
#include "schema/table.h"

#include <stdlib.h>

static void put(struct table_slot *slots, size_t cap, uint64_t hash, void *value)
{
	size_t i = hash & (cap - 1);

	while (slots[i].value)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct table_slot){ hash, value };
}

int table_add(struct table *t, uint64_t hash, void *value, struct err *e)
{
	if (2 * (t->count + 1) > t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		struct table_slot *slots = calloc(cap, sizeof *slots);

		if (!slots)
			return err_memory(e);
		for (size_t i = 0; i < t->cap; i++)
			if (t->slots[i].value)
				put(slots, cap, t->slots[i].hash, t->slots[i].value);
		free(t->slots);
		t->slots = slots;
		t->cap = cap;
	}
	put(t->slots, t->cap, hash, value);
	t->count++;
	return 0;
}

void *table_next(const struct table *t, uint64_t hash, size_t *at)
{
	size_t mask = t->cap - 1;

	while (*at < t->cap) {
		const struct table_slot *s = &t->slots[(hash + *at) & mask];

		++*at;
		if (!s->value)
			break;
		if (s->hash == hash)
			return s->value;
	}
	return NULL;
}

void table_release(struct table *t)
{
	free(t->slots);
	*t = (struct table){ 0 };
}
