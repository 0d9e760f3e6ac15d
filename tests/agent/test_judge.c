/*
 * test_judge: the judge process against every answer a server can give, with
 * this test as its supervisor and as its fetch process.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/message.h"
#include "agent/role.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "rollout/checkin.h"
#include "test.h"

static char root[128];
static struct settings *settings;

struct court {
	int sock, fetch;        /* our ends */
	pid_t judge;
	char request[65536];    /* the last one */
	char path[MESSAGE_SHORT], token[MESSAGE_TOKEN];
	unsigned calls;
};

static void open_court(struct court *c)
{
	int sock[2], fetch[2];
	struct err e;

	memset(c, 0, sizeof *c);
	assert_ok(wire_pair(sock, &e));
	assert_ok(wire_pair(fetch, &e));
	c->judge = fork();
	assert_true(c->judge >= 0);
	if (c->judge == 0) {
		close(sock[0]);
		close(fetch[0]);
		_exit(role_judge(settings, sock[1], fetch[1]));
	}
	close(sock[1]);
	close(fetch[1]);
	c->sock = sock[0];
	c->fetch = fetch[0];
}

static int close_court(struct court *c)
{
	int status;

	close(c->sock);
	close(c->fetch);
	assert_int_equal(waitpid(c->judge, &status, 0), c->judge);
	return status;
}

static void say(struct court *c, enum message_type type, const void *body)
{
	struct err e;

	assert_ok(message_send(c->sock, type, body, -1, &e));
}

/* What the next round says besides; NULL: nothing, and a short sentence. */
static const struct message_effects *effects_said;
static const char *evidence_said;

/* A brief round with some events; enrolment "" for none. */
static void begin(struct court *c, const char *token, const char *enrolment, unsigned events)
{
	static struct message_begin b;
	struct message_channel channel = { .channel = "edr", .ring = "canary", .phase = "validated", .rung = 1 };
	struct message_want want = { .channel = "edr", .attempt = 1 };
	struct message_go go = { .count = 0 };

	memset(&b, 0, sizeof b);
	b.check_in = b.brief = 1;
	b.epoch = 0x1234;
	b.seq = 5;
	snprintf(b.token, sizeof b.token, "%s", token);
	snprintf(b.enrolment, sizeof b.enrolment, "%s", enrolment);
	memset(want.digest.bytes, 7, DIGEST_LEN);
	say(c, MSG_BEGIN, &b);
	say(c, MSG_CHANNEL, &channel);
	if (effects_said) {
		const struct message_effect rules[] = { { "ipc-0001", 9 }, { "ipc-0002", 1 } };

		say(c, MSG_EFFECTS, effects_said);
		say(c, MSG_EFFECT, &rules[0]);
		say(c, MSG_EFFECT, &rules[1]);
	}
	for (unsigned i = 1; i <= events; i++) {
		struct message_event event = { .n = i, .at = 1000, .channel = "edr", .attempt = 1, .kind = "failed", .reason = "load",
					       .evidence = "it \"said\" no" };

		if (evidence_said)
			snprintf(event.evidence, sizeof event.evidence, "%s", evidence_said);
		memset(event.digest.bytes, 7, DIGEST_LEN);
		say(c, MSG_EVENT, &event);
	}
	say(c, MSG_WANT, &want);
	say(c, MSG_GO, &go);
}

/* Takes the judge's next request and answers it. */
static void answer(struct court *c, long status, int64_t retry_after, const char *body)
{
	static const enum message_type calls[] = { MSG_CALL, 0 };
	static struct message m;
	struct message_answer a = { .status = status, .retry_after = retry_after, .size = strlen(body) };
	AUTO(buf) struct buf *request = NULL;
	AUTO_FD int fd = memfd_create("answer", MFD_CLOEXEC);
	struct err e;

	assert_int_equal(message_receive(c->fetch, &m, calls, 20000, &e), 1);
	c->calls++;
	memcpy(c->path, m.u.call.path, sizeof c->path);
	memcpy(c->token, m.u.call.token, sizeof c->token);
	assert_ok(file_read_fd(&request, m.fd, sizeof c->request - 1, &e));
	snprintf(c->request, sizeof c->request, "%s", request->data ? request->data : "");
	message_release(&m);
	assert_ok(file_write_all(fd, body, strlen(body), &e));
	lseek(fd, 0, SEEK_SET);
	assert_ok(message_send(c->fetch, MSG_BODY, &a, fd, &e));
}

static const struct message *hear(struct court *c, enum message_type type)
{
	static const enum message_type any[] = { MSG_TOKEN, MSG_ACKED, MSG_POISONED, MSG_RESYNC, MSG_PERMIT, MSG_NEXT, MSG_STOP,
						 MSG_DROP, MSG_CLAUSE, MSG_VERDICT, MSG_DONE, 0 };
	static struct message m;
	struct err e;

	assert_int_equal(message_receive(c->sock, &m, any, 20000, &e), 1);
	if (m.type != type)
		fail_msg("record %d instead of %d%s%s", m.type, type, m.type == MSG_DONE ? ": " : "",
			 m.type == MSG_DONE ? m.u.done.text : "");
	return &m;
}

#define ANSWER(acked, permits, token)                                                                                  \
	"{\"acked\":" acked ",\"permits\":[" permits "],\"next_checkin_s\":240,\"timestamps\":{\"main\":7},"            \
	"\"refresh\":false,\"token\":" token "}"
#define SEVENS "0707070707070707070707070707070707070707070707070707070707070707"

static void a_good_answer_brings_permits_a_new_token_and_the_next_time(void **state)
{
	const struct message *m;
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "old-token", "", 2);
	answer(&c, 200, -1, ANSWER("2", "{\"channel\":\"edr\",\"digest\":\"" SEVENS "\",\"attempt\":1,\"answer\":\"go\",\"valid_s\":600,"
			       "\"reason\":\"\"}", "\"new-token\""));
	assert_string_equal(c.path, "device/v1/checkin");
	assert_string_equal(c.token, "old-token");
	assert_non_null(strstr(c.request, "\"epoch\":\"0000000000001234\""));
	assert_non_null(strstr(c.request, "it \\\"said\\\" no"));
	m = hear(&c, MSG_ACKED);
	assert_int_equal(m->u.acked.n, 2);
	m = hear(&c, MSG_PERMIT);
	assert_int_equal(m->u.permit.answer, PERMIT_GO);
	assert_int_equal(m->u.permit.valid_s, 600);
	m = hear(&c, MSG_TOKEN);
	assert_string_equal(m->u.token.token, "new-token");
	m = hear(&c, MSG_NEXT);
	assert_int_equal(m->u.next.seconds, 240);
	assert_int_equal(m->u.next.fresh, 1);
	m = hear(&c, MSG_DONE);
	assert_int_equal(m->u.done.code, 0);
	assert_int_equal(close_court(&c), 0);
}

static void a_server_cannot_acknowledge_what_it_was_not_sent(void **state)
{
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "t", "", 2);
	answer(&c, 200, -1, ANSWER("9007199254740991", "", "null"));
	assert_int_equal(hear(&c, MSG_ACKED)->u.acked.n, 2);
	hear(&c, MSG_NEXT);
	hear(&c, MSG_DONE);
	close_court(&c);
}

static void a_poisoned_event_is_named_by_number_or_by_place(void **state)
{
	static const struct { const char *body; uint64_t n; } cases[] = {
		{ "{\"detail\":\"no such kind\",\"poisoned\":{\"n\":2,\"index\":1}}", 2 },
		{ "{\"detail\":\"unreadable\",\"poisoned\":{\"n\":null,\"index\":2}}", 3 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "t", "", 3);
		answer(&c, 400, -1, cases[i].body);
		assert_int_equal(hear(&c, MSG_POISONED)->u.poisoned.n, cases[i].n);
		assert_true(hear(&c, MSG_DONE)->u.done.code < 0);
		close_court(&c);
	}
}

static void a_400_that_names_nothing_loses_nothing(void **state)
{
	static const char *const bodies[] = { "", "<html>", "{}", "{\"poisoned\":{\"n\":null,\"index\":99}}", "{\"poisoned\":7}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "t", "", 1);
		answer(&c, 400, -1, bodies[i]);
		assert_true(hear(&c, MSG_DONE)->u.done.code < 0);
		close_court(&c);
	}
}

static void an_unknown_device_forgets_its_token_and_nothing_else(void **state)
{
	static const char *const slugs[] = { "unauthenticated", "token-replaced" };
	char body[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(slugs); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "t", "", 1);
		snprintf(body, sizeof body, "{\"type\":\"urn:ringhold:problem:%s\",\"detail\":\"who are you?\"}", slugs[i]);
		answer(&c, 401, -1, body);
		assert_string_equal(hear(&c, MSG_TOKEN)->u.token.token, "");
		const struct message *m = hear(&c, MSG_DONE);

		assert_int_equal(m->u.done.code, ERR_AUTH);
		assert_non_null(strstr(m->u.done.text, "who are you?"));
		close_court(&c);
	}
}

static void who_is_no_server_makes_nobody_forget_a_token(void **state)
{
	static const struct { long status; const char *body; } others[] = {
		{ 403, "<html>Access denied by the proxy</html>" }, { 401, "" }, { 403, "{\"detail\":\"who are you?\"}" },
		{ 403, "{\"type\":\"urn:ringhold:problem:client-certificate\",\"detail\":\"another one\"}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "t", "", 1);
		answer(&c, others[i].status, -1, others[i].body);
		assert_int_equal(hear(&c, MSG_DONE)->u.done.code, ERR_AUTH);
		close_court(&c);
	}
}

static void a_lost_place_asks_for_a_new_epoch(void **state)
{
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "t", "", 1);
	answer(&c, 409, -1, "{}");
	hear(&c, MSG_RESYNC);
	assert_true(hear(&c, MSG_DONE)->u.done.code < 0);
	close_court(&c);
}

static void a_busy_server_is_left_alone_as_long_as_it_wants(void **state)
{
	const struct message *m;
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "t", "", 1);
	answer(&c, 503, 1234, "");
	m = hear(&c, MSG_NEXT);
	assert_int_equal(m->u.next.seconds, 1234);
	assert_int_equal(m->u.next.fresh, 0);
	assert_true(hear(&c, MSG_DONE)->u.done.code < 0);
	close_court(&c);
}

static size_t events_in(const char *request)
{
	size_t n = 0;

	for (const char *at = request; (at = strstr(at, "\"kind\":\"failed\"")); at++)
		n++;
	return n;
}

static void what_content_does_goes_with_the_check_in(void **state)
{
	const struct message_effects effects = { .counted = 1, .measured = 1, .counted_s = 60, .events = 12, .alert = 10, .would_block = 2,
						 .load_ms = 3, .measured_s = 61, .cpu_ms = 40, .rss_bytes = 4096 };
	AUTO(checkin) struct checkin *said = NULL;
	const struct effects *f;
	struct court c;
	struct err e;

	(void)state;
	open_court(&c);
	effects_said = &effects;
	begin(&c, "old-token", "", 1);
	effects_said = NULL;
	answer(&c, 200, -1, ANSWER("1", "", "null"));
	assert_ok(checkin_parse(&said, c.request, strlen(c.request), NULL, NULL, &e));
	f = said->channels[0].effects;
	assert_non_null(f);
	assert_true(f->counted && f->measured);
	assert_int_equal(f->verdicts[EFFECTS_ALERT], 10);
	assert_int_equal(f->would[EFFECTS_BLOCK], 2);
	assert_int_equal(f->cpu_ms, 40);
	assert_int_equal(f->rule_count, 2);
	assert_string_equal(f->rules[0].rule, "ipc-0001");
	close_court(&c);
}

/* However much has happened, the oldest of it gets through, and the rest later. */
static void more_than_a_check_in_holds_goes_in_several(void **state)
{
	char evidence[400];
	struct court c;

	(void)state;
	memset(evidence, 'e', sizeof evidence - 1);
	evidence[sizeof evidence - 1] = 0;
	open_court(&c);
	evidence_said = evidence;
	begin(&c, "old-token", "", 256);
	evidence_said = NULL;
	answer(&c, 200, -1, ANSWER("64", "", "null"));
	assert_true(events_in(c.request) >= 32 && events_in(c.request) <= 128);
	assert_int_equal(hear(&c, MSG_ACKED)->u.acked.n, 64);
	close_court(&c);
}

static void too_much_is_split_until_it_fits(void **state)
{
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "t", "", 8);
	answer(&c, 413, -1, "");
	assert_int_equal(events_in(c.request), 8);
	answer(&c, 413, -1, "");
	assert_int_equal(events_in(c.request), 4);
	answer(&c, 200, -1, ANSWER("2", "", "null"));
	assert_int_equal(events_in(c.request), 2);
	assert_int_equal(hear(&c, MSG_ACKED)->u.acked.n, 2);
	hear(&c, MSG_NEXT);
	hear(&c, MSG_DONE);
	close_court(&c);
}

static void a_malformed_answer_changes_nothing(void **state)
{
	static const char *const bodies[] = {
		"", "{", "[]", "{\"acked\":-1}", ANSWER("1", "{\"channel\":\"../x\"}", "null"), ANSWER("1", "", "7"), "\xff\xfe",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "t", "", 1);
		answer(&c, 200, -1, bodies[i]);
		assert_true(hear(&c, MSG_DONE)->u.done.code < 0);
		assert_int_equal(close_court(&c), 0);
	}
}

static void enrolment_comes_before_the_first_check_in(void **state)
{
	static const char string[] = "rh1:host.example:8443:OvgNck2HKduO1RHQVjL0ypEN5A5-QglMYEd6Ydm7J0U:rhe_once";
	const struct message *m;
	struct court c;

	(void)state;
	open_court(&c);
	begin(&c, "", string, 0);
	answer(&c, 201, -1, "{\"device\":\"0123456789abcdef0123456789abcdef\",\"token\":\"device-token\","
	       "\"attributes\":[\"ring=canary\",\"pool=lab\"],\"next_checkin_s\":300}");
	assert_string_equal(c.path, "device/v1/enrol");
	assert_string_equal(c.token, "rhe_once");
	m = hear(&c, MSG_TOKEN);
	assert_string_equal(m->u.token.token, "device-token");
	answer(&c, 200, -1, ANSWER("0", "", "null"));
	assert_string_equal(c.path, "device/v1/checkin");
	assert_string_equal(c.token, "device-token");
	hear(&c, MSG_ACKED);
	hear(&c, MSG_NEXT);
	assert_int_equal(hear(&c, MSG_DONE)->u.done.code, 0);
	close_court(&c);
}

static void a_refused_or_malformed_enrolment_leaves_the_host_as_it_was(void **state)
{
	static const char string[] = "rh1:host.example:8443:OvgNck2HKduO1RHQVjL0ypEN5A5-QglMYEd6Ydm7J0U:rhe_once";
	static const struct { long status; const char *body; } cases[] = {
		{ 403, "{\"detail\":\"used up\"}" }, { 500, "" }, { 201, "" }, { 201, "{}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct court c;

		open_court(&c);
		begin(&c, "", string, 0);
		answer(&c, cases[i].status, -1, cases[i].body);
		const struct message *m = hear(&c, MSG_DONE);

		assert_true(m->u.done.code < 0);
		assert_null(strstr(m->u.done.text, "rhe_once"));
		close_court(&c);
	}
}

static void a_supervisor_out_of_order_ends_the_judge(void **state)
{
	struct message_done done = { .code = 0 };
	struct court c;

	(void)state;
	open_court(&c);
	say(&c, MSG_DONE, &done);
	assert_int_not_equal(close_court(&c), 0);
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	static const char ini[] = "[agent]\ncontract =\n[channel edr]\n";
	char path[256];
	struct err e;

	(void)state;
	log_init("test", (enum log_level)-1);
	signal(SIGPIPE, SIG_IGN);
	snprintf(root, sizeof root, "%s/ringhold-judge.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root))
		return -1;
	snprintf(path, sizeof path, "%s/etc/ringhold", root);
	if (file_mkdirs(path, 0755, &e) < 0)
		return -1;
	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", root);
	return file_replace(path, ini, sizeof ini - 1, 0644, &e) < 0 || settings_load(&settings, root, NULL, &e) < 0;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	settings_free(settings);
	return file_remove_tree(root, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_answer_brings_permits_a_new_token_and_the_next_time),
		cmocka_unit_test(a_server_cannot_acknowledge_what_it_was_not_sent),
		cmocka_unit_test(a_poisoned_event_is_named_by_number_or_by_place),
		cmocka_unit_test(a_400_that_names_nothing_loses_nothing),
		cmocka_unit_test(an_unknown_device_forgets_its_token_and_nothing_else),
		cmocka_unit_test(who_is_no_server_makes_nobody_forget_a_token),
		cmocka_unit_test(a_lost_place_asks_for_a_new_epoch),
		cmocka_unit_test(a_busy_server_is_left_alone_as_long_as_it_wants),
		cmocka_unit_test(too_much_is_split_until_it_fits),
		cmocka_unit_test(a_malformed_answer_changes_nothing),
		cmocka_unit_test(what_content_does_goes_with_the_check_in),
		cmocka_unit_test(more_than_a_check_in_holds_goes_in_several),
		cmocka_unit_test(enrolment_comes_before_the_first_check_in),
		cmocka_unit_test(a_refused_or_malformed_enrolment_leaves_the_host_as_it_was),
		cmocka_unit_test(a_supervisor_out_of_order_ends_the_judge),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
