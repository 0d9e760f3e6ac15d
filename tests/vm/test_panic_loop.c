/* test_panic_loop: a real kernel panics over content on trial; the guard takes it back by itself. */
#include "story.h"

static void a_kernel_that_panics_over_a_trial_gets_the_content_before_back(void **state)
{
	struct endpoint *p = *state;
	struct published good, bomb;
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	good = story_settled(p, "deploy/demo/edr-good", 110);
	bomb = story_on_trial(p, "deploy/demo/edr-bootbomb", 111, &good);
	r = story_boots(p, "rh.fault=sysrq", 8);
	story_expect(r, VM_HEALTHY, &good);
	assert_int_equal(r->panics, 2);         /* a trial has two tries */
	assert_int_equal(r->boots, 3);
	story_tells(r, "boot-failed");          /* the healthy boot reports, with no network */
	(void)bomb;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_kernel_that_panics_over_a_trial_gets_the_content_before_back, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
