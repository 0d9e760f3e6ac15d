/*
 * test_clock: somebody sets the clock of a running ringholdd, forward and
 * back, by hours and days, also while it is stopped: that halts nothing, passes
 * nothing and matures no silence, neither as long as it is not believed, nor
 * when it is; and until then no token expires. Time that really passes does all of that.
 */
#include <inttypes.h>
#include <sys/mman.h>

#include "base/log.h"
#include "rollout/checkin.h"
#include "tests/server/plane.h"

#define HOUR 3600
#define DAY (24 * HOUR)
#define DEVICES 4
#define STEP 240                /* seconds; devices check in so often */
#define DOUBT 660               /* a jump is believed by then */

static volatile int64_t *clocks;        /* [0] of all clocks; [1] of the one that somebody sets */

struct bench {
	struct plane *p;
	struct { char token[CHECKIN_TOKEN_MAX + 1]; int n, seq; } devices[DEVICES];
	char enrolment[128], digest[DIGEST_HEX_LEN + 1];
	char *operator;                 /* a token that lives for three hours */
};

static struct answer must(struct bench *b, long status, const char *token, const char *method, const char *path, const char *body)
{
	struct answer a = ask(b->p, token, method, path, body);

	if (a.status != status)
		fail_msg("%s %s: %ld %s", method, path, a.status, a.text->data);
	return a;
}

/* ---- devices ---- */

static void checkin(struct bench *b, size_t i, const char *kind, bool want)
{
	char body[2048], event[400] = "", wish[200] = "";

	if (kind)
		snprintf(event, sizeof event, "{\"n\":%d,\"at\":1,\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1,\"kind\":\"%s\",\"reason\":null}",
			 ++b->devices[i].n, b->digest, kind);
	if (want)
		snprintf(wish, sizeof wish, "{\"channel\":\"edr\",\"digest\":\"%s\",\"attempt\":1}", b->digest);
	snprintf(body, sizeof body,
		 "{\"format\":1,\"epoch\":\"%016zx\",\"seq\":%d,\"sent\":1,\"boot_id\":\"b\",\"facts\":{\"os\":\"debian-12\"},\"channels\":[{\"channel\":\"edr\","
		 "\"ring\":\"canary\",\"phase\":\"IDLE\",\"rung\":\"current\",\"running\":null,\"drop\":null,\"high_water\":0,\"held\":null}],"
		 "\"events\":[%s],\"want\":[%s]}",
		 i + 1, ++b->devices[i].seq, event, wish);
	AUTO_REPLY a = must(b, 200, b->devices[i].token, "POST", "/device/v1/checkin", body);

	if (want && !strstr(a.text->data, "\"answer\":\"go\""))
		fail_msg("no permit: %s", a.text->data);
}

static void all_check_in(struct bench *b)
{
	for (size_t i = 0; i < DEVICES; i++)
		checkin(b, i, NULL, false);
}

/* ---- time ---- */

static struct answer rollout(struct bench *b)
{
	return must(b, 200, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);
}

static void has(const struct answer *a, const char *text)
{
	if (!strstr(a->text->data, text))
		fail_msg("no %s in %s", text, a->text->data);
}

static void until(struct bench *b, const char *path, const char *text)
{
	int64_t limit = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = must(b, 200, FIXTURE_TOKEN, "GET", path, NULL);

		if (strstr(a.text->data, text))
			return;
		if (clock_work_ms() > limit)
			fail_msg("no %s in %s", text, a.text->data);
		poll(NULL, 0, 20);
	}
}

/* Room for the ticker to do what it should not: it looks every 20 ms in this build. What it should do is waited for. */
static void let_it_look(void)
{
	poll(NULL, 0, 300);
}

/* It really passes, and everybody is alive meanwhile. */
static void pass(struct bench *b, int64_t seconds)
{
	for (int64_t at = 0; at < seconds; at += STEP) {
		clocks[0] += MIN(STEP, seconds - at) * 1000;
		all_check_in(b);
	}
	let_it_look();
}

static void set_clock(struct bench *b, int64_t seconds, const char *state)
{
	char text[40];

	clocks[1] += seconds * 1000;
	snprintf(text, sizeof text, "\"clock\":{\"state\":\"%s\"", state);
	until(b, "/v1/status", text);
	let_it_look();
}

/* Steady, or behind its own last signature, which is another matter: the repository's. */
static void until_not_doubted(struct bench *b)
{
	int64_t limit = clock_work_ms() + LIMIT_MS;

	for (;;) {
		AUTO_REPLY a = must(b, 200, FIXTURE_TOKEN, "GET", "/v1/status", NULL);

		if (!strstr(a.text->data, "\"state\":\"doubted\""))
			return;
		assert_true(clock_work_ms() < limit);
		poll(NULL, 0, 20);
	}
}

/* ---- a ring of four, of which one has still to say what became of it ---- */

static void publish_and_offer(struct bench *b)
{
	publish(b->p->o, 1, "rules", b->digest);
	until(b, "/v1/rollouts/1", "\"ring\":\"canary\",\"state\":\"offering\"");
	for (size_t i = 0; i < DEVICES; i++)
		checkin(b, i, NULL, true);
}

/* As must(), where the answer's status is all there is to it. */
static void ask_and_see(struct bench *b, int status, const char *token, const char *method, const char *path, const char *body)
{
	AUTO_REPLY a = must(b, status, token, method, path, body);

	assert_int_equal(a.status, status);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof *b);

	clocks[0] = clocks[1] = 0;
	b->p = plane_open("device-rate = 1000000\ndevice-burst = 1000000\ntoken-rate = 1000000\ntoken-burst = 1000000\naddress-rate = 1000000\n"
			  "address-burst = 1000000\ndevice-token-life = 0s\n");
	*state = b;
	if (!b->p->o->pid)
		return 0;
	{
		ask_and_see(b, 200, FIXTURE_TOKEN, "PUT", "/v1/policies/edr",
			    "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"soak_s\":7200,\"boots\":0},{\"name\":\"early\"},"
			    "{\"name\":\"broad\"}]}");
		AUTO_REPLY token = must(b, 201, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens",
					"{\"name\":\"four\",\"attributes\":{\"ring\":\"canary\"},\"uses\":100,\"lifetime_s\":10800}");
		AUTO_REPLY operator = must(b, 201, FIXTURE_TOKEN, "POST", "/v1/tokens", "{\"name\":\"brief\",\"roles\":[\"viewer\"],\"lifetime_s\":10800}");

		snprintf(b->enrolment, sizeof b->enrolment, "%s", member(&token, "token"));
		b->operator = strdup(member(&operator, "token"));
	}
	for (size_t i = 0; i < DEVICES; i++) {
		AUTO_REPLY a = must(b, 201, b->enrolment, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");

		snprintf(b->devices[i].token, sizeof b->devices[i].token, "%s", member(&a, "token"));
		checkin(b, i, NULL, false);
	}
	pass(b, 2 * STEP);
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	plane_close(b->p);
	free(b->operator);
	free(b);
	return 0;
}

/* Nothing expired: an operator's token and an enrolment token of three hours, a device's, the repository's metadata. */
static void nothing_expired(struct bench *b)
{
	ask_and_see(b, 200, b->operator, "GET", "/v1/self", NULL);
	ask_and_see(b, 201, b->enrolment, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
	all_check_in(b);
}

static void stands(struct bench *b, const char *state, const char *outcomes)
{
	AUTO_REPLY a = rollout(b);

	has(&a, state);
	has(&a, outcomes);
	has(&a, "\"failed\":0,\"lost\":0");
}

#define OPEN "\"total\":4,\"pending\":1,\"survived\":3"
#define OFFERING "\"ring\":\"canary\",\"state\":\"offering\""
#define BAKING "\"ring\":\"canary\",\"state\":\"baking\""

static const int64_t jumps[] = { 5 * HOUR, -5 * HOUR, 3 * DAY, -3 * DAY };

/* An observation of an hour is open, and its device is heard of. */
static void a_clock_that_is_set_matures_no_observation_and_expires_nothing(void **state)
{
	struct bench *b = *state;

	NEED(b->p->o);
	publish_and_offer(b);
	for (size_t i = 0; i + 1 < DEVICES; i++)
		checkin(b, i, "survived", false);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		set_clock(b, jumps[i], "doubted");
		nothing_expired(b);
		stands(b, OFFERING, OPEN);
		set_clock(b, -jumps[i], "steady");
		nothing_expired(b);
		stands(b, OFFERING, OPEN);
	}
}

/* Only the clock that everything goes by: three hours, and what lives for three hours has ended. */
static void time_that_really_passes_ends_what_lives_so_long(void **state)
{
	struct bench *b = *state;

	NEED(b->p->o);
	pass(b, 3 * HOUR - 4 * STEP);
	nothing_expired(b);
	pass(b, 4 * STEP);
	AUTO_REPLY enrol = must(b, 403, b->enrolment, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
	has(&enrol, "the enrolment token is expired");
	ask_and_see(b, 401, b->operator, "GET", "/v1/self", NULL);
	all_check_in(b);
}

/* All have survived, and the two hours of soak begin. */
static void begin_soak(struct bench *b)
{
	publish_and_offer(b);
	for (size_t i = 0; i < DEVICES; i++)
		checkin(b, i, "survived", false);
	until(b, "/v1/rollouts/1", BAKING);
}

/* After so many seconds of it the rest of the two hours is left, and no more. */
static void soak_ends(struct bench *b, int64_t soaked)
{
	pass(b, 7200 - soaked - 600);
	stands(b, BAKING, "\"survived\":4");
	pass(b, 700);
	until(b, "/v1/rollouts/1", "\"ring\":\"canary\",\"state\":\"passed\"");
}

/* Two hours of soak have begun: they stay two hours. */
static void a_clock_that_stays_where_it_was_set_ends_no_soak_and_calls_nobody_lost(void **state)
{
	struct bench *b = *state;
	int64_t soaked = 0;

	NEED(b->p->o);
	begin_soak(b);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		set_clock(b, jumps[i], "doubted");
		pass(b, DOUBT);
		soaked += DOUBT;
		until_not_doubted(b);
		let_it_look();
		stands(b, BAKING, "\"total\":4,\"pending\":0,\"survived\":4");
	}
	soak_ends(b, soaked);
}

/* Killed, and begun again when the clock was set meanwhile. */
static void fall_and_rise(struct bench *b, int64_t jump)
{
	AUTO_FREE char *listening = fixture_path(b->p->o->f, "data/listening");
	int status;

	kill(b->p->o->pid, SIGKILL);
	assert_int_equal(waitpid(b->p->o->pid, &status, 0), b->p->o->pid);
	unlink(listening);
	clocks[1] += jump * 1000;
	office_start(b->p->o);
	plane_connect(b->p);
}

static void a_clock_that_is_set_while_the_server_is_stopped_is_seen_and_a_kill_forgets_nothing(void **state)
{
	struct bench *b = *state;
	int64_t soaked = 0;

	NEED(b->p->o);
	begin_soak(b);
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		fall_and_rise(b, jumps[i]);
		until(b, "/v1/status", "\"clock\":{\"state\":\"doubted\"");
		if (i == 0)     /* when it was believed once, what lives for three hours is over */
			nothing_expired(b);
		pass(b, DOUBT / 2);
		fall_and_rise(b, 0);
		until(b, "/v1/status", "\"clock\":{\"state\":\"doubted\"");
		pass(b, DOUBT / 2);
		soaked += DOUBT;
		until_not_doubted(b);
		fall_and_rise(b, 0);
		let_it_look();
		stands(b, BAKING, "\"total\":4,\"pending\":0,\"survived\":4");
	}
	soak_ends(b, soaked);
}

/* The control: a server that took what somebody sets for time that passes would be seen to. */
static void five_hours_that_pass_expire_tokens_end_soaks_and_lose_who_is_silent(void **state)
{
	struct bench *b = *state;

	NEED(b->p->o);
	publish_and_offer(b);
	for (size_t i = 0; i + 1 < DEVICES; i++)
		checkin(b, i, "survived", false);
	clocks[0] += 5 * HOUR * 1000;
	ask_and_see(b, 401, b->operator, "GET", "/v1/self", NULL);
	AUTO_REPLY late = must(b, 403, b->enrolment, "POST", "/device/v1/enrol", "{\"format\":1,\"facts\":{}}");
	has(&late, "the enrolment token is expired");
	/* after so long an absence nobody is silent for one interval more */
	for (int i = 0; i < 4; i++) {
		let_it_look();
		clocks[0] += STEP * 1000;
	}
	until(b, "/v1/rollouts/1", "\"failed\":0,\"lost\":1");
}

static void a_server_that_cannot_sign_is_not_ready_when_its_timestamp_has_expired(void **state)
{
	struct bench *b = *state;
	int64_t limit = clock_work_ms() + LIMIT_MS;

	NEED(b->p->o);
	{
		AUTO_FREE char *key = fixture_path(b->p->o->f, "data/keys/timestamp.pem");

		assert_int_equal(unlink(key), 0);
	}
	fall_and_rise(b, 0);
	for (;; clocks[0] += DAY * 1000) {
		AUTO_REPLY a = ask(b->p, NULL, "GET", "/readyz?exclude=keys", NULL);

		if (a.status == 503) {
			has(&a, "the timestamp is expired: agents install nothing new");
			return;
		}
		assert_true(clock_work_ms() < limit);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_clock_that_is_set_matures_no_observation_and_expires_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(time_that_really_passes_ends_what_lives_so_long, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_stays_where_it_was_set_ends_no_soak_and_calls_nobody_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_clock_that_is_set_while_the_server_is_stopped_is_seen_and_a_kill_forgets_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(five_hours_that_pass_expire_tokens_end_soaks_and_lose_who_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_that_cannot_sign_is_not_ready_when_its_timestamp_has_expired, setup, teardown),
	};
	char path[] = "/tmp/ringhold-clock-XXXXXX";
	static const int64_t zero[2];
	int fd = mkostemp(path, O_CLOEXEC), failed;

	if (fd < 0 || write(fd, zero, sizeof zero) != sizeof zero || setenv("RINGHOLD_TEST_CLOCK", path, 1) < 0)
		return 1;
	clocks = mmap(NULL, sizeof zero, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (clocks == MAP_FAILED)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
