#include "rollout/ringmap.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every map gives every endpoint one of its rings. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const labels[] = { "pool=lab", "pilot" };
	static const struct ringmap_facts f = { .device = "d1", .attributes = labels, .attribute_count = 1, .tags = labels, .tag_count = 2,
						.os = "debian-12", .sensor = "acme/7.11", .host = "a.lab" };
	AUTO(ringmap) struct ringmap *m = NULL;
	struct err e;

	if (ringmap_parse(&m, "fuzz", (const char *)data, len, &e) == 0 && ringmap_position(m, ringmap_resolve(m, &f, NULL)) < 0)
		abort();
	return 0;
}
