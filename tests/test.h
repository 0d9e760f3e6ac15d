/* test: what every cmocka test file includes. */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A skip always has a name: tests/run.sh counts these lines and CI judges them. */
#define skip_named(...)                                \
	do {                                           \
		fprintf(stderr, "SKIP %s: ", __func__); \
		fprintf(stderr, __VA_ARGS__);          \
		fputc('\n', stderr);                   \
		skip();                                \
	} while (0)

/* A program that deploy/bootstrap.sh installs is missing: a skip by hand, a failure in CI. */
#define skip_missing_program(name)                                           \
	do {                                                                 \
		if (getenv("CI"))                                            \
			fail_msg("%s is missing; run deploy/bootstrap.sh", name); \
		skip_named("%s is not installed", name);                     \
	} while (0)

/* A call of ours succeeded; else the test fails with our own sentence. */
#define assert_ok(call)                                                          \
	do {                                                                     \
		if ((call) < 0)                                                  \
			fail_msg("%s: %s", #call, e.msg);                        \
	} while (0)

/* A call of ours failed with this code and a sentence that holds this text. */
#define assert_refused(call, want, text)                                              \
	do {                                                                          \
		int got_ = (call);                                                    \
		if (got_ != (want))                                                   \
			fail_msg("%s: %d instead of %s (%s)", #call, got_, #want,     \
				 got_ < 0 ? e.msg : "success");                       \
		if (!strstr(e.msg, text))                                             \
			fail_msg("%s: the sentence lacks \"%s\": %s", #call, text, e.msg); \
	} while (0)

#endif
