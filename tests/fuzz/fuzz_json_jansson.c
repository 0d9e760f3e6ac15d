/* fuzz_json_jansson: our parser and jansson accept the same texts and read them alike; without jansson, nothing. */
#include <stdint.h>

#include "tests/json_jansson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct jansson j;
	char why[300];

	if (!j.library && !jansson_open(&j))
		return 0;
	if (len == 0 || jansson_compare(&j, (const char *)data, len, why) != JANSSON_DIFFERS)
		return 0;
	fprintf(stderr, "%s\n", why);
	abort();
}
