/* fuzz_sigreq: whatever is carried as a signing request is read, told and written again, or refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "signing/change_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(sigreq) struct sigreq *q = NULL, *again = NULL;
	AUTO(change_text) struct change_text *t = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	if (!text || sigreq_parse(&q, "request", (const char *)data, len, &e) < 0)
		return 0;
	if (change_text_of(&t, q, NULL, NULL, &e) == 0)
		change_text_print(text, t);
	(void)sigreq_met(q, NULL);
	buf_clear(text);
	/* what was taken is written so that it is taken again, as the same request */
	if (sigreq_write(text, q, &e) < 0 || sigreq_parse(&again, "again", text->data, text->len, &e) < 0 || strcmp(again->id, q->id) != 0)
		abort();
	return 0;
}
