/* test_verdicts: how what a machine printed is read; no machine runs. */
#include "test.h"

#include "vm.h"

#define HEALTHY_ON(digest) "vm: boot 1\r\nvm: content " digest "\r\nvm: healthy\r\n"
#define PANIC(n, digest) "vm: boot " n "\r\nvm: content " digest "\r\nvm: panic\r\n[ 2.1] Kernel panic - not syncing: sysrq triggered crash\r\n"

static enum vm_verdict verdict(const char *serial, enum vm_end end, const char *content)
{
	struct vm_report r = { 0 };

	vm_read(&r, serial, end, content);
	return r.verdict;
}

static void a_healthy_end_is_told_with_its_boots_panics_and_content(void **state)
{
	struct vm_report r = { 0 };

	(void)state;
	vm_read(&r, PANIC("1", "bad") PANIC("2", "bad") "vm: boot 3\r\nvm: content good\r\nvm: healthy\r\nvm: boot complete\r\nvm: history x\r\n", VM_END_OFF,
		"good");
	assert_int_equal(r.verdict, VM_HEALTHY);
	assert_int_equal(r.boots, 3);
	assert_int_equal(r.panics, 2);
	assert_string_equal(r.content, "good");
}

static void a_panic_that_is_only_reported_is_none(void **state)
{
	struct vm_report r = { 0 };

	(void)state;
	vm_read(&r, PANIC("1", "a") HEALTHY_ON("a") "agent: msg=\"the kernel crashed before this boot: Kernel panic - not syncing: sysrq triggered crash\"\r\n"
		"vm: history failed kernel-crash: Kernel panic - not syncing: sysrq triggered crash\r\n",
		VM_END_OFF, "a");
	assert_int_equal(r.panics, 1);
	assert_int_equal(r.verdict, VM_HEALTHY);
}

static void wrong_content_is_neither_healthy_nor_a_panic(void **state)
{
	(void)state;
	assert_int_equal(verdict(HEALTHY_ON("aaaa"), VM_END_OFF, "bbbb"), VM_WRONG_CONTENT);
	assert_int_equal(verdict(HEALTHY_ON("aaaa"), VM_END_OFF, "none"), VM_WRONG_CONTENT);
	assert_int_equal(verdict(HEALTHY_ON("none"), VM_END_OFF, "aaaa"), VM_WRONG_CONTENT);
	assert_int_equal(verdict(HEALTHY_ON("aaaa"), VM_END_OFF, NULL), VM_HEALTHY);
	/* The last boot counts, and a part of a digest is not the digest. */
	assert_int_equal(verdict(PANIC("1", "good") HEALTHY_ON("bad"), VM_END_OFF, "good"), VM_WRONG_CONTENT);
	assert_int_equal(verdict(HEALTHY_ON("aaa"), VM_END_OFF, "aaaa"), VM_WRONG_CONTENT);
}

static void a_machine_that_is_given_up_panicked_too_often(void **state)
{
	(void)state;
	assert_int_equal(verdict(PANIC("1", "a") PANIC("2", "a") "vm: boot 3\r\nvm: too many boots\r\n", VM_END_OFF, "a"), VM_TOO_MANY_PANICS);
}

static void a_time_out_is_told_whatever_was_printed_before(void **state)
{
	(void)state;
	assert_int_equal(verdict("", VM_END_CUT, NULL), VM_TIMEOUT);
	assert_int_equal(verdict(PANIC("1", "a") PANIC("2", "a"), VM_END_CUT, "a"), VM_TIMEOUT);
	assert_int_equal(verdict(HEALTHY_ON("a"), VM_END_CUT, "a"), VM_TIMEOUT);
}

static void what_no_guest_may_do_is_broken(void **state)
{
	(void)state;
	assert_int_equal(verdict("", VM_END_OFF, NULL), VM_BROKEN);
	assert_int_equal(verdict("vm: boot 1\r\nvm: content a\r\nvm: no word from the sensor\r\n", VM_END_OFF, "a"), VM_BROKEN);
	assert_int_equal(verdict("vm: boot 1\r\nvm: content a\r\nvm: panic\r\nvm: survived its own panic\r\n", VM_END_OFF, "a"), VM_BROKEN);
	assert_int_equal(verdict(HEALTHY_ON("a"), VM_END_FAILED, "a"), VM_BROKEN);
}

static void every_verdict_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = VM_HEALTHY; a <= VM_BROKEN; a++)
		for (int b = VM_HEALTHY; b < a; b++)
			assert_string_not_equal(vm_verdict_name(a), vm_verdict_name(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_healthy_end_is_told_with_its_boots_panics_and_content),
		cmocka_unit_test(a_panic_that_is_only_reported_is_none),
		cmocka_unit_test(wrong_content_is_neither_healthy_nor_a_panic),
		cmocka_unit_test(a_machine_that_is_given_up_panicked_too_often),
		cmocka_unit_test(a_time_out_is_told_whatever_was_printed_before),
		cmocka_unit_test(what_no_guest_may_do_is_broken),
		cmocka_unit_test(every_verdict_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
