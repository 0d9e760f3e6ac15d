/*
 * fuzz_json: what is accepted can be written and read again as the same value;
 * its canonical form is a fixed point.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define REQUIRE(condition)       \
	do {                     \
		if (!(condition)) \
			abort(); \
	} while (0)

static void written_and_read_again(const struct json_doc *d, bool indent)
{
	AUTO(buf) struct buf *b = buf_new(0);
	AUTO(json) struct json_doc *again = NULL;
	struct json_writer w = { .out = b, .indent = indent };
	struct err e;

	json_put_value(&w, NULL, d->root);
	REQUIRE(b && !b->failed);
	REQUIRE(json_parse(&again, "again", b->data, b->len, NULL, &e) == 0);
	REQUIRE(json_equal(d->root, again->root));
	REQUIRE(json_hash(d->root) == json_hash(again->root));
}

/* Raw control characters are canonical and no JSON, so only documents without them can be read again. */
static void canonical_is_a_fixed_point(const struct json_doc *d)
{
	AUTO(buf) struct buf *one = buf_new(0);
	AUTO(buf) struct buf *two = buf_new(0);
	AUTO(json) struct json_doc *again = NULL;
	struct err e;

	if (json_canonical(one, d->root, &e) < 0)
		return;
	for (size_t i = 0; i < one->len; i++)
		if ((unsigned char)one->data[i] < 0x20)
			return;
	REQUIRE(json_parse(&again, "again", one->data, one->len, NULL, &e) == 0);
	REQUIRE(json_equal(d->root, again->root));
	REQUIRE(json_canonical(two, again->root, &e) == 0);
	REQUIRE(one->len == two->len && memcmp(one->data, two->data, one->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(json) struct json_doc *d = NULL;
	struct err e;
	unsigned line, column;

	if (json_parse(&d, "fuzz", (const char *)data, len, NULL, &e) < 0) {
		REQUIRE(e.code < 0 && strncmp(e.msg, "fuzz:", 5) == 0);
		return 0;
	}
	json_place(d, d->root, &line, &column);
	REQUIRE(line >= 1 && column >= 1);
	written_and_read_again(d, false);
	written_and_read_again(d, true);
	canonical_is_a_fixed_point(d);
	return 0;
}
