/* fuzz_archive: a gzipped archive, and the same bytes as the stream inside; what is accepted hashes to D. */
#include <stdlib.h>
#include <zlib.h>

#include "content/archive_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int read_gz(const void *gz, size_t len, struct digest *digest)
{
	const struct archive_want want = { .size = (uint64_t)1 << 20 };
	static const struct archive_want any;
	AUTO(archive_reader) struct archive_reader *r = archive_reader_new(len % 2 ? &want : &any, NULL);
	uint64_t size;
	struct err e;

	if (!r || archive_reader_add(r, gz, len / 2, &e) < 0 ||
	    archive_reader_add(r, (const char *)gz + len / 2, len - len / 2, &e) < 0 ||
	    archive_reader_finish(r, &e) < 0)
		return -1;
	archive_reader_result(r, digest, &size);
	return 0;
}

/* Stored, not compressed: the fuzzer must see through it. */
static size_t wrap(uint8_t **out, const uint8_t *data, size_t len)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len };
	size_t room;

	if (deflateInit2(&z, 0, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	room = deflateBound(&z, len);
	*out = malloc(room);
	z.next_out = *out;
	z.avail_out = (uInt)room;
	if (!*out || deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	deflateEnd(&z);
	return room - z.avail_out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO_FREE uint8_t *gz = NULL;
	struct digest got, plain;
	size_t gz_len;

	(void)read_gz(data, len, &got);
	gz_len = wrap(&gz, data, len);
	if (read_gz(gz, gz_len, &got) < 0)
		return 0;
	hash_bytes(&plain, data, len);
	if (!digest_equal(&got, &plain))
		abort();
	return 0;
}
