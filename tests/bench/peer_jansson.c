/* peer_jansson: the same work by jansson. */
#include "tests/bench/peer_jansson.h"

#include <jansson.h>

#include "base/clock.h"

int64_t peer_jansson_parse(char *const *texts, const size_t *lens, size_t count)
{
	int64_t start = clock_cpu_us();

	for (size_t i = 0; i < count; i++) {
		json_error_t error;
		json_t *root = json_loadb(texts[i], lens[i], JSON_REJECT_DUPLICATES, &error);

		if (!root)
			return -1;
		json_decref(root);
	}
	return clock_cpu_us() - start;
}
