/* tool_run: ringhold-tuf, run with arguments. */
#ifndef TESTS_SIGNING_TOOL_RUN_H
#define TESTS_SIGNING_TOOL_RUN_H

#include "base/proc.h"
#include "tests/test.h"

/* args end with NULL. Its exit status, or minus the signal that ended it; what it printed in said. */
static inline int tool_run(const char *tool, const char *const *args, char *said, size_t cap)
{
	const char *argv[32] = { tool };
	struct proc_run r = { .path = tool, .argv = (char *const *)(uintptr_t)argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = cap - 1 };
	struct proc_result result;
	struct err e;
	int status;

	for (int i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	assert_ok(proc_run(&r, &result, &e));
	status = result.signal ? -result.signal : result.exit_status;
	snprintf(said, cap, "%s", result.output->data ? result.output->data : "");
	proc_result_release(&result);
	return status;
}

#endif
