/* hash: SHA-256 and HMAC-SHA-256. */
#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/hash.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void the_vectors_of_the_standard_hold(void **state)
{
	static const char *const rows[][2] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", ABC },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		hash_bytes(&d, rows[i][0], strlen(rows[i][0]));
		digest_hex(hex, &d);
		assert_string_equal(hex, rows[i][1]);
	}
}

/* RFC 4231, test case 2. */
static void the_hmac_vector_holds(void **state)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	(void)state;
	hash_hmac(&d, "Jefe", 4, "what do ya want for nothing?", 28);
	digest_hex(hex, &d);
	assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void pieces_hash_like_the_whole_and_a_hash_can_begin_anew(void **state)
{
	AUTO(hash) struct hash *h = hash_new();
	struct digest whole, pieces;

	(void)state;
	hash_bytes(&whole, "abcdef", 6);
	for (int round = 0; round < 2; round++) {
		hash_add(h, "ab", 2);
		hash_add(h, "", 0);
		hash_add(h, "cdef", 4);
		hash_final(h, &pieces);
		assert_true(digest_equal(&whole, &pieces));
	}
}

static void a_descriptor_is_hashed_from_where_it_stands(void **state)
{
	char path[] = "/tmp/test_hash.XXXXXX";
	AUTO_FD int fd = mkstemp(path);
	struct digest got, want;
	uint64_t size;
	struct err e;

	(void)state;
	unlink(path);
	assert_int_equal(write(fd, "xxabc", 5), 5);
	lseek(fd, 2, SEEK_SET);
	assert_ok(hash_fd(&got, fd, &size, &e));
	hash_bytes(&want, "abc", 3);
	assert_true(digest_equal(&got, &want));
	assert_int_equal(size, 3);
}

static void only_lower_case_hex_of_full_length_is_a_digest(void **state)
{
	struct digest d;

	(void)state;
	assert_true(digest_parse(&d, ABC, DIGEST_HEX_LEN));
	assert_false(digest_is_zero(&d));
	assert_false(digest_parse(&d, ABC, DIGEST_HEX_LEN - 2));
	assert_false(digest_parse(&d, "B" ABC, DIGEST_HEX_LEN));
	assert_false(digest_parse(&d, "g" ABC, DIGEST_HEX_LEN));
}

static void random_bytes_differ(void **state)
{
	struct digest a, b;
	struct err e;

	(void)state;
	assert_ok(random_bytes(&a, sizeof a, &e));
	assert_ok(random_bytes(&b, sizeof b, &e));
	assert_false(digest_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_the_standard_hold),
		cmocka_unit_test(the_hmac_vector_holds),
		cmocka_unit_test(pieces_hash_like_the_whole_and_a_hash_can_begin_anew),
		cmocka_unit_test(a_descriptor_is_hashed_from_where_it_stands),
		cmocka_unit_test(only_lower_case_hex_of_full_length_is_a_digest),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
