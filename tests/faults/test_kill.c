/*
 * test_kill: ringholdd killed at random moments under load: no acknowledged
 * check-in, offer or decision is lost, and none counts twice.
 *
 *     RINGHOLD_KILLS   how many times; 20
 *     RINGHOLD_SEED    of the moments; printed, and another one each time
 */
#include "base/log.h"
#include "drill.h"

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

static int setup(void **state)
{
	return drill_open(state, "");
}

/* ---- one death ---- */

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

/* An order that is never taken cannot be lost: each kind was, whatever was refused for having nothing to do. */
static void each_kind_of_order_was_acknowledged(struct crowd *c)
{
	static const char *const kinds[CROWD_ORDERS] = { "attributes", "pause", "resume" };
	uint64_t acked[CROWD_ORDERS] = { 0 };

	for (size_t i = 0; i < c->decision_count; i++)
		acked[c->decisions[i].kind] += c->decisions[i].acked;
	for (size_t kind = 0; kind < CROWD_ORDERS; kind++) {
		print_message("orders acknowledged: %s %llu\n", kinds[kind], (unsigned long long)acked[kind]);
		if (acked[kind] == 0)
			fail_msg("no %s was acknowledged; %llu orders had nothing to do", kinds[kind], (unsigned long long)c->idle_orders);
	}
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
	settle(d);
	holds(d, true);
	lost = d->c.lost;
	print_message("kills: %llu, %llu answers lost, %llu acknowledged; %lld devices, %lld events, %lld offers, %lld survived, %lld failed, %lld decisions, %lld moves of rings\n",
		      (unsigned long long)kills, (unsigned long long)lost, (unsigned long long)d->c.acks, (long long)d->t.devices,
		      (long long)d->t.events, (long long)d->t.offers, (long long)d->t.survived, (long long)d->t.failed, (long long)d->t.decisions, (long long)d->t.moves);
	assert_true(lost >= kills && d->t.survived > 0 && d->t.failed > 0 && d->t.moves > 2);
	each_kind_of_order_was_acknowledged(&d->c);
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
static void a_server_that_answers_before_it_has_committed_is_noticed(void **state)
{
	struct drill *d = *state;

	if (!PRELOADS)
		skip_named("a sanitizer's runtime must be loaded first");
	NEED(d->p->o);
	AUTO_FREE char *library = fixture_path(d->p->o->f, "hasty.so"), *file = fixture_path(d->p->o->f, "hasty");

	if (!preload("hasty", library))
		skip_missing_program("cc with the headers of SQLite");
	setenv("HASTY_FILE", file, 1);
	fixture_write(d->p->o->f, "hasty", "");
	plane_restart(d->p, SIGTERM);
	begin(d, CROWD_AGENTS);
	is_noticed(d, 10, "");
	preload_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kill_9_under_load_loses_and_doubles_nothing_that_was_acknowledged, setup, drill_close),
		cmocka_unit_test_setup_teardown(a_client_that_reports_again_in_a_new_epoch_is_noticed, setup, drill_close),
		cmocka_unit_test_setup_teardown(a_client_that_orders_again_with_a_new_key_is_noticed, setup, drill_close),
		cmocka_unit_test_setup_teardown(a_server_that_answers_before_it_has_committed_is_noticed, setup, drill_close),
	};

	chance = from_environment("RINGHOLD_SEED", (uint64_t)clock_work_us());
	print_message("seed: RINGHOLD_SEED=%llu\n", (unsigned long long)chance);
	signal(SIGPIPE, SIG_IGN);
	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
