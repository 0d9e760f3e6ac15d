/* fuzz_manifest: what parses is written again, and that reads back to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "content/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(manifest) struct manifest *m = NULL;
	AUTO(manifest) struct manifest *again = NULL;
	AUTO(buf) struct buf *one = buf_new(0);
	AUTO(buf) struct buf *two = buf_new(0);
	struct err e;

	if (!one || !two || manifest_parse(&m, (const char *)data, len, &e) < 0)
		return 0;
	for (size_t i = 0; i < m->file_count; i++)
		if (manifest_find(m, m->files[i].path) != &m->files[i])
			abort();
	if (manifest_write(one, m, &e) < 0 || manifest_parse(&again, one->data, one->len, &e) < 0 ||
	    manifest_write(two, again, &e) < 0)
		abort();
	if (one->len != two->len || memcmp(one->data, two->data, one->len))
		abort();
	return 0;
}
