/* What proves this host to its server is read from files that nobody else may read: the real agent refuses others. */
#include "endpoint.h"

#define DEVICE "/var/lib/ringhold/device.json"
#define ENROL "/etc/ringhold/enrol"
#define CREDENTIALS "{\"format\":1,\"device\":\"0011223344556677\",\"token\":\"t\",\"server\":\"https://127.0.0.1:1\",\"pin\":\"\"}"

#define STRING "rh1:127.0.0.1:1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA:token"

static const mode_t open_modes[] = { 0640, 0604 };

/* Runs the agent with a file of this mode until its log says something. */
static void run_until(struct endpoint *p, const char *file, const char *text, mode_t mode, const char *says)
{
	int64_t until = clock_work_ms() + ENDPOINT_LIMIT_MS;
	char path[512], log[512];
	bool said = false;

	endpoint_write(p, file, text, 0600);
	snprintf(path, sizeof path, "%s%s", p->root, file);
	snprintf(log, sizeof log, "%s/agent.log", p->dir);
	assert_int_equal(chmod(path, mode), 0);
	unlink(log);
	endpoint_agent_start(p);
	while (!said) {
		AUTO(buf) struct buf *b = NULL;
		struct err e;

		said = file_read(&b, log, 1 << 20, &e) == 0 && strstr(b->data, says);
		if (!said && clock_work_ms() > until) {
			endpoint_print_log(p);
			fail_msg("%s, mode %04o: the agent never said \"%s\"", file, (unsigned)mode, says);
		}
		poll(NULL, 0, 20);
		*p->clock_ms += 1000;
	}
	endpoint_agent_end(p, SIGTERM);
	unlink(path);
}

#define NEED_AGENT(p)                                            \
	do {                                                     \
		if (access((p)->bin, X_OK) < 0)                  \
			skip_named("%s is not built", (p)->bin); \
	} while (0)

static void a_device_token_that_others_can_read_is_not_used(void **state)
{
	struct endpoint *p = *state;

	NEED_AGENT(p);
	for (size_t i = 0; i < ARRAY_LEN(open_modes); i++)
		run_until(p, DEVICE, CREDENTIALS, open_modes[i], "device.json: mode");
	run_until(p, DEVICE, CREDENTIALS, 0600, "127.0.0.1");   /* it is used: its server is called */
}

static void an_enrolment_string_that_others_can_read_enrols_nobody(void **state)
{
	struct endpoint *p = *state;

	NEED_AGENT(p);
	for (size_t i = 0; i < ARRAY_LEN(open_modes); i++)
		run_until(p, ENROL, STRING, open_modes[i], "this host does not enrol");
	run_until(p, ENROL, STRING, 0600, "127.0.0.1");
}

#define T(name) cmocka_unit_test_setup_teardown(name, endpoint_setup, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_device_token_that_others_can_read_is_not_used),
		T(an_enrolment_string_that_others_can_read_enrols_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
