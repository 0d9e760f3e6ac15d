/* err: codes and sentences. */
#include "tests/test.h"

#include <errno.h>

#include "base/err.h"

static void a_layer_adds_its_phrase_in_front(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(err_set(&e, ERR_FORMAT, "line %d", 7), ERR_FORMAT);
	assert_int_equal(err_wrap(&e, "trust %s", "root.json"), ERR_FORMAT);
	assert_string_equal(e.msg, "trust root.json: line 7");
	assert_int_equal(e.code, ERR_FORMAT);
}

static void an_errno_becomes_a_code_and_its_words(void **state)
{
	static const struct {
		int number, code;
	} rows[] = {
		{ ENOSPC, ERR_SPACE }, { EDQUOT, ERR_SPACE },	 { ENOMEM, ERR_MEMORY },
		{ EACCES, ERR_IO },    { ENOENT, ERR_NOT_FOUND },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		errno = rows[i].number;
		assert_int_equal(err_errno(&e, "open"), rows[i].code);
		assert_non_null(strstr(e.msg, strerror(rows[i].number)));
	}
}

static void a_long_sentence_is_cut_and_ends(void **state)
{
	char longer[2000];
	struct err e;

	(void)state;
	memset(longer, 'x', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	err_set(&e, ERR_IO, "%s", longer);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	err_wrap(&e, "%s", longer);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
	errno = EIO;
	err_errno(&e, "%s", longer);
	assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
}

static void every_code_has_words_and_an_exit_status(void **state)
{
	(void)state;
#define X(name, value, words)                                        \
	assert_string_equal(err_words(name), words);                 \
	assert_int_equal(err_exit_status(name), name == ERR_USAGE ? 2 : 1);
	ERR_TABLE(X)
#undef X
	assert_int_equal(err_exit_status(ERR_OK), 0);
	assert_non_null(err_words(-9999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_layer_adds_its_phrase_in_front),
		cmocka_unit_test(an_errno_becomes_a_code_and_its_words),
		cmocka_unit_test(a_long_sentence_is_cut_and_ends),
		cmocka_unit_test(every_code_has_words_and_an_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
