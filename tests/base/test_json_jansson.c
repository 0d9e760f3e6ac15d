/*
 * test_json_jansson: the same documents through jansson. Documents are
 * generated, then mutated, from a fixed seed; tests/jansson.h says what is set
 * aside. tests/fuzz/fuzz_json_jansson.c is the same for a fuzzer.
 */
#include "json_jansson.h"
#include "test.h"

#define ROUNDS 6000

static struct jansson j;
static uint64_t seed = 0x5eed;

static uint32_t any(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* ---- documents ---- */

static void put_spaces(struct buf *b)
{
	static const char *const spaces[] = { "", "", "", " ", "\n", "\t", "  \r\n" };

	buf_adds(b, spaces[any(ARRAY_LEN(spaces))]);
}

static void put_text(struct buf *b)
{
	static const char *const parts[] = { "a", "key", "\\n", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
					     "\\\"", "\\\\", "\\/", "long enough for a word", "\\u0000", "\x7f", " " };

	buf_addc(b, '"');
	for (uint32_t i = any(5); i; i--)
		buf_adds(b, parts[any(ARRAY_LEN(parts))]);
	buf_addc(b, '"');
}

static void put_any(struct buf *b, unsigned depth)
{
	static const char *const scalars[] = { "null", "true", "false", "0", "-0", "1", "-17", "1.5", "1e5", "-2.5E-3", "123456789012345", "0.1" };
	uint32_t kind = any(depth ? 8 : 4);

	put_spaces(b);
	if (kind < 2) {
		buf_adds(b, scalars[any(ARRAY_LEN(scalars))]);
	} else if (kind < 4) {
		put_text(b);
	} else {
		bool object = kind & 1;

		buf_addc(b, object ? '{' : '[');
		for (uint32_t i = 0, n = any(6); i < n; i++) {
			if (i)
				buf_addc(b, ',');
			if (object) {
				put_spaces(b);
				put_text(b);
				put_spaces(b);
				buf_addc(b, ':');
			}
			put_any(b, depth - 1);
		}
		put_spaces(b);
		buf_addc(b, object ? '}' : ']');
	}
	put_spaces(b);
}

static void mutate(struct buf *b)
{
	static const char bytes[] = "{}[]\",:\\u0d8eE+-.1 \n\t\x01\x80\xc0\xed\xf4\xff/tfn";

	for (uint32_t i = 1 + any(2); i && b->len; i--) {
		uint32_t at = any((uint32_t)b->len);

		switch (any(4)) {
		case 0:
			b->data[at] = bytes[any(sizeof bytes - 1)];
			break;
		case 1:
			memmove(b->data + at, b->data + at + 1, b->len-- - at);
			break;
		case 2:
			buf_addc(b, ' ');
			memmove(b->data + at + 1, b->data + at, b->len - 1 - at);
			b->data[at] = bytes[any(sizeof bytes - 1)];
			break;
		default:
			b->len = at;
		}
		b->data[b->len] = '\0';
	}
}

/* ---- the comparison ---- */

static void compare(const struct buf *b, unsigned *both)
{
	char why[300];

	switch (jansson_compare(&j, b->data, b->len, why)) {
	case JANSSON_DIFFERS:
		fail_msg("%s: %s", b->data, why);
		break;
	case JANSSON_AGREES_YES:
		++*both;
		break;
	default:
		break;
	}
}

static int find_jansson(void **state)
{
	(void)state;
	return jansson_open(&j) || !j.library ? 0 : -1;
}

static void generated_documents_are_read_alike(void **state)
{
	unsigned both = 0;

	(void)state;
	if (!j.library)
		skip_named("libjansson.so.4 is not installed");
	for (int i = 0; i < ROUNDS; i++) {
		AUTO(buf) struct buf *b = buf_new(0);

		put_any(b, 4);
		compare(b, &both);
	}
	assert_true(both > ROUNDS / 2);         /* some have duplicate keys */
}

static void mutated_documents_are_answered_alike(void **state)
{
	unsigned both = 0;

	(void)state;
	if (!j.library)
		skip_named("libjansson.so.4 is not installed");
	for (int i = 0; i < ROUNDS; i++) {
		AUTO(buf) struct buf *b = buf_new(0);

		put_any(b, 4);
		mutate(b);
		if (b->len)
			compare(b, &both);
	}
	assert_true(both > ROUNDS / 50 && both < ROUNDS - ROUNDS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated_documents_are_read_alike),
		cmocka_unit_test(mutated_documents_are_answered_alike),
	};

	return cmocka_run_group_tests(tests, find_jansson, NULL);
}
