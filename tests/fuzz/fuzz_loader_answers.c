/* fuzz_loader_answers: whatever a check command prints is read or refused, and its reason is short. */
#include <string.h>

#include "content/loader_answers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct loader_answer of[4];
	struct loader_answers a = { .of = of, .count = 4 };
	char reason[64];
	struct err e;

	memset(of, 0, sizeof of);
	(void)!loader_answers_parse(&a, (const char *)data, len, &e);
	loader_answers_reason((const char *)data, len, reason, sizeof reason);
	return 0;
}
