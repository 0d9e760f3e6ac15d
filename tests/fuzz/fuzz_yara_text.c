/* fuzz_yara_text: any bytes have rules with names that are all different, the same every time, or are not followed. */
#include "content/yara_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(yara_text) struct yara_text *t = NULL;
	AUTO(yara_text) struct yara_text *again = NULL;
	struct err e;

	if (yara_text_read(&t, (const char *)data, len, &e) < 0) {
		if (e.code == 0 || !e.msg[0])
			abort();
		return 0;
	}
	if (yara_text_read(&again, (const char *)data, len, &e) < 0 || again->count != t->count)
		abort();
	for (size_t i = 0; i < t->count; i++) {
		if (yara_text_find(t, t->rules[i].name) != &t->rules[i] || !digest_equal(&t->rules[i].sense, &again->rules[i].sense))
			abort();
		if (i && strcmp(t->rules[i - 1].name, t->rules[i].name) >= 0)
			abort();
	}
	return 0;
}
