/* test_panic_loop: a real kernel panics over content on trial; the guard takes it back by itself. */
#include "story.h"

static void a_kernel_that_panics_over_a_trial_gets_the_content_before_back(void **state)
{
	struct endpoint *p = *state;
	struct published good;
	AUTO(vm_report) struct vm_report *r = NULL;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	(void)story_on_trial(p, STORY_BOMB, 111, &good);
	struct vm_boot how = { .disk = story_power_off(p, NULL), .options = "rh.fault=sysrq", .most = 8 };

	r = story_boots(&how, VM_HEALTHY, &good);
	assert_int_equal(r->panics, 2);         /* a trial has two tries */
	assert_int_equal(r->boots, 3);
	story_tells(r, "boot-failed");          /* the healthy boot reports, with no network */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_kernel_that_panics_over_a_trial_gets_the_content_before_back, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
