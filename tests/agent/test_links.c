/* test_links: the agent holds no code that can sign. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/proc.h"
#include "test.h"

#define NM "/usr/bin/nm"

static void the_agent_links_no_code_that_can_sign(void **state)
{
	static const char *const signing[] = { " seckey_", " author_", " repo_", " keyring_", " pkcs11_", " p11_kit_", "EVP_DigestSign" };
	char bin[512];
	ssize_t n = readlink("/proc/self/exe", bin, sizeof bin - 64);
	char *argv[] = { (char *)"nm", bin, NULL };
	struct proc_run run = { .path = NM, .argv = argv, .stdin_fd = -1, .timeout_ms = 30000, .output_max = (size_t)32 << 20 };
	struct proc_result r;
	struct err e;

	(void)state;
	assert_true(n > 0);
	bin[n] = 0;
	for (int i = 0; i < 3; i++)
		*strrchr(bin, '/') = 0;
	strcat(bin, "/bin/ringhold-agent");
	if (access(NM, X_OK) < 0 || access(bin, X_OK) < 0)
		skip_named("%s or %s is absent", NM, bin);
	assert_ok(proc_run(&run, &r, &e));
	assert_int_equal(r.exit_status, 0);
	assert_non_null(strstr(r.output->data, " tuf_client_refresh"));         /* nm did see symbols */
	for (size_t i = 0; i < sizeof signing / sizeof *signing; i++)
		if (strstr(r.output->data, signing[i]))
			fail_msg("ringhold-agent holds%s...", signing[i]);
	proc_result_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_agent_links_no_code_that_can_sign),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
