/*
 * test_kill: ringholdd killed at random moments under load: no acknowledged
 * check-in, offer or decision is lost, and none counts twice.
 *
 *     RINGHOLD_KILLS   how many times; 20
 *     RINGHOLD_SEED    of the moments; printed, and another one each time
 */
#include "base/log.h"
#include "tally.h"
#include "tests/server/plane.h"

#define KILLS 20
#define STILLBORN 4     /* out of so many servers one is killed before it listens, too */
#define ACKS_MOST 150
#define LATER_US 4000
#define BORN_US 60000

static uint64_t chance;

/* splitmix64: good enough for moments */
static uint64_t draw(uint64_t below)
{
	uint64_t z = chance += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

static uint64_t from_environment(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 10) : fallback;
}

/* ---- a server, and a crowd that may have its bundle ---- */

struct drill {
	struct plane *p;
	struct crowd c;
	char *store;
	struct tally t;
	bool begun;
};

static void meet(struct drill *d)
{
	AUTO_FREE char *pin_path = fixture_path(d->p->o->f, "data/pin");
	AUTO(buf) struct buf *pin = NULL;
	struct err e;

	assert_ok(file_read(&pin, pin_path, 200, &e));
	crowd_meet(&d->c, d->p->url, pin->data);
}

static void expect(struct plane *p, long status, const char *method, const char *path, const char *body, char *out, size_t cap)
{
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, method, path, body);

	if (a.status != status)
		fail_msg("%s %s: %ld %s", method, path, a.status, a.text->data);
	if (out)
		snprintf(out, cap, "%s", member(&a, "token"));
}

static int setup(void **state)
{
	struct drill *d = calloc(1, sizeof *d);

	d->p = plane_open("device-rate = 1000000\ndevice-burst = 1000000\ntoken-rate = 1000000\ntoken-burst = 1000000\naddress-rate = 1000000\n"
			  "address-burst = 1000000\n");
	*state = d;
	if (!d->p->o->pid)
		return 0;
	d->store = fixture_path(d->p->o->f, "data/store.db");
	/* all may go at once, one failure out of twenty is no news, and what has passed goes on being offered */
	expect(d->p, 200, "PUT", "/v1/policies/edr",
	       "{\"format\":1,\"channel\":\"edr\",\"rings\":[{\"name\":\"canary\",\"p0\":0.05,\"p1\":0.5,\"soak_s\":0,\"m0\":1000000,\"cap\":1000000,\"boots\":0},"
	       "{\"name\":\"early\"},{\"name\":\"broad\"}]}", NULL, 0);
	expect(d->p, 201, "POST", "/v1/enrolment-tokens",
	       "{\"name\":\"" TALLY_TOKEN "\",\"attributes\":{\"ring\":\"" CROWD_RING "\"},\"uses\":" TALLY_USES_TEXT "}", d->c.enrolment, sizeof d->c.enrolment);
	publish(d->p->o, 1, "rules", d->c.digest);
	snprintf(d->c.channel, sizeof d->c.channel, "edr");
	d->c.operator = FIXTURE_TOKEN;
	return 0;
}

static int teardown(void **state)
{
	struct drill *d = *state;

	if (d->begun) {
		/* a test that failed: nobody may wait for an answer any more */
		snprintf(d->c.trouble, sizeof d->c.trouble, "the test has ended");
		crowd_end(&d->c);
		crowd_free(&d->c);
	}
	plane_close(d->p);
	free(d->store);
	free(d);
	return 0;
}

static void begin(struct drill *d, enum crowd_manners manners)
{
	d->c.manners = manners;
	crowd_begin(&d->c);
	d->begun = true;
	meet(d);
}

static void load(struct drill *d, uint64_t acks)
{
	if (!crowd_wait(&d->c, acks))
		fail_msg("the server answers nothing");
	if (d->c.trouble[0])
		fail_msg("%s", d->c.trouble);
}

/* ---- one death ---- */

static void put_down(struct drill *d)
{
	int status;

	kill(d->p->o->pid, SIGKILL);
	assert_int_equal(waitpid(d->p->o->pid, &status, 0), d->p->o->pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	crowd_part(&d->c);
}

/* Begins a server, and does not wait until it listens. */
static void stillborn(struct drill *d)
{
	struct office *o = d->p->o;
	AUTO_FREE char *ini = fixture_path(o->f, "ringholdd.ini"), *log = fixture_path(o->f, "log");
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(open(log, O_WRONLY | O_CREAT | O_APPEND, 0644), STDERR_FILENO);
		execl(o->server, "ringholdd", "--config", ini, NULL);
		_exit(127);
	}
	usleep((useconds_t)draw(BORN_US));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void get_up(struct drill *d)
{
	AUTO_FREE char *listening = fixture_path(d->p->o->f, "data/listening");

	unlink(listening);
	d->p->o->pid = 0;
	if (draw(STILLBORN) == 0) {
		stillborn(d);
		unlink(listening);
	}
	office_start(d->p->o);
	plane_connect(d->p);
}

static void die_once(struct drill *d)
{
	load(d, 1 + draw(ACKS_MOST));
	usleep((useconds_t)draw(LATER_US));
	put_down(d);
	get_up(d);
}

/* ---- what the server itself says ---- */

static int64_t sum(const struct answer *a, const char *name)
{
	const struct json *rings = json_get(a->doc->root, "rings");
	const struct json *offers = json_get(&rings->u.items[0], "offers");
	int64_t n = -1;

	assert_true(json_to_int(json_get(offers, name), &n));
	return n;
}

/* The gate counts what the store has, no more and no less. */
static void gate_agrees(struct drill *d)
{
	AUTO_REPLY a = ask(d->p, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

	assert_int_equal(a.status, 200);
	assert_int_equal(sum(&a, "total"), d->t.offers);
	assert_int_equal(sum(&a, "survived"), d->t.survived);
	assert_int_equal(sum(&a, "failed"), d->t.failed);
}

static void holds(struct drill *d, bool quiet)
{
	struct err e;

	assert_ok(tally_check(&d->c, d->store, quiet, &d->t, &e));
	gate_agrees(d);
}

/* ---- the sentences ---- */

static void kill_9_under_load_loses_and_doubles_nothing_that_was_acknowledged(void **state)
{
	struct drill *d = *state;
	uint64_t kills = from_environment("RINGHOLD_KILLS", KILLS), lost;

	NEED(d->p->o);
	begin(d, CROWD_AGENTS);
	for (uint64_t i = 0; i < kills; i++) {
		die_once(d);
		holds(d, false);
		meet(d);
	}
	load(d, ACKS_MOST);
	crowd_end(&d->c);
	d->begun = false;
	if (d->c.trouble[0])
		fail_msg("%s", d->c.trouble);
	holds(d, true);
	lost = d->c.lost;
	print_message("kills: %llu, %llu answers lost, %llu acknowledged; %lld devices, %lld events, %lld offers, %lld survived, %lld failed, %lld decisions\n",
		      (unsigned long long)kills, (unsigned long long)lost, (unsigned long long)d->c.acks, (long long)d->t.devices,
		      (long long)d->t.events, (long long)d->t.offers, (long long)d->t.survived, (long long)d->t.failed, (long long)d->t.decisions);
	assert_true(lost >= kills && d->t.survived > 0 && d->t.failed > 0);
	crowd_free(&d->c);
}

/* The control: until the check says what it found, or so many deaths went by. */
static void is_noticed(struct drill *d, size_t deaths, const char *words)
{
	struct err e = { .code = 0 };

	for (size_t i = 0; i < deaths; i++) {
		die_once(d);
		if (tally_check(&d->c, d->store, false, &d->t, &e) < 0)
			break;
		meet(d);
	}
	if (e.code != ERR_REFUSED || !strstr(e.msg, words))
		fail_msg("not noticed: %s", e.code ? e.msg : "all seems well");
}

static void a_client_that_reports_again_in_a_new_epoch_is_noticed(void **state)
{
	struct drill *d = *state;

	NEED(d->p->o);
	begin(d, CROWD_FRESH_EPOCH);
	is_noticed(d, 5, "counts 2 times");
}

static void a_client_that_orders_again_with_a_new_key_is_noticed(void **state)
{
	struct drill *d = *state;

	NEED(d->p->o);
	begin(d, CROWD_FRESH_KEY);
	is_noticed(d, 5, "counts 2 times");
}

/* preload/hasty.c between the server and its database. */
static bool make_hasty(struct drill *d, struct err *e)
{
	AUTO_FREE char *library = fixture_path(d->p->o->f, "hasty.so"), *file = fixture_path(d->p->o->f, "hasty");
	char *argv[] = { (char *)"cc", (char *)"-D_GNU_SOURCE", (char *)"-O1", (char *)"-shared", (char *)"-fPIC", (char *)"-o", library,
			 (char *)"tests/faults/preload/hasty.c", NULL };
	struct proc_run how = { .path = "/usr/bin/cc", .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 4096 };
	struct proc_result got = { .exit_status = -1 };
	bool made = proc_run(&how, &got, e) == 0 && got.exit_status == 0;

	proc_result_release(&got);
	setenv("LD_PRELOAD", library, 1);
	setenv("HASTY_FILE", file, 1);
	fixture_write(d->p->o->f, "hasty", "");
	return made;
}

static void a_server_that_answers_before_it_has_committed_is_noticed(void **state)
{
	struct drill *d = *state;
	struct err e;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip_named("a sanitizer's runtime must be loaded first");
#endif
	NEED(d->p->o);
	if (!make_hasty(d, &e))
		skip_missing_program("cc with the headers of SQLite");
	plane_restart(d->p, SIGTERM);
	begin(d, CROWD_AGENTS);
	is_noticed(d, 10, "");
	unsetenv("LD_PRELOAD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kill_9_under_load_loses_and_doubles_nothing_that_was_acknowledged, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_reports_again_in_a_new_epoch_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_client_that_orders_again_with_a_new_key_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_that_answers_before_it_has_committed_is_noticed, setup, teardown),
	};

	chance = from_environment("RINGHOLD_SEED", (uint64_t)clock_work_us());
	print_message("seed: RINGHOLD_SEED=%llu\n", (unsigned long long)chance);
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
