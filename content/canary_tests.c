/* canary_tests: results of self-tests in memory that the confined child writes and the parent reads with care. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "content/canary_try.h"
#include "content/selftest.h"

struct canary_tests *canary_tests_new(size_t max)
{
	struct canary_tests *t = calloc(1, sizeof(*t));
	size_t bytes = sizeof(*t->shared) + max * sizeof(t->shared->items[0]);

	if (!t)
		return NULL;
	t->shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t->shared == MAP_FAILED) {
		free(t);
		return NULL;
	}
	t->bytes = bytes;
	t->max = max;
	return t;
}

void canary_tests_free(struct canary_tests *t)
{
	if (!t)
		return;
	munmap(t->shared, t->bytes);
	free(t);
}

size_t canary_test_count(const struct canary_tests *t)
{
	return MIN((size_t)t->shared->count, t->max);
}

bool canary_test(const struct canary_tests *t, size_t at, struct canary_test *out)
{
	if (at >= canary_test_count(t))
		return false;
	*out = t->shared->items[at];
	out->outcome = MIN(out->outcome, (uint32_t)SELFTEST_SKIPPED);
	out->sentence[sizeof(out->sentence) - 1] = '\0';
	return true;
}

void canary_tests_add(struct canary_tests *t, const struct canary_test *one)
{
	if (t->shared->count < t->max)
		t->shared->items[t->shared->count++] = *one;
}
