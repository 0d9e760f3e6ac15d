/* drill: a server of its own process with a crowd at work, and what must hold whatever befell it. */
#ifndef TESTS_FAULTS_DRILL_H
#define TESTS_FAULTS_DRILL_H

#include "tally.h"
#include "tests/server/plane.h"

struct drill {
	struct plane *p;
	struct crowd c;
	char *store;
	struct tally t;
	bool begun;
};

static inline void meet(struct drill *d)
{
	AUTO_FREE char *pin_path = fixture_path(d->p->o->f, "data/pin");
	AUTO(buf) struct buf *pin = NULL;
	struct err e;

	assert_ok(file_read(&pin, pin_path, 200, &e));
	crowd_meet(&d->c, d->p->url, pin->data);
}

static inline void expect(struct plane *p, long status, const char *method, const char *path, const char *body, char *out, size_t cap)
{
	AUTO_REPLY a = ask(p, FIXTURE_TOKEN, method, path, body);

	if (a.status != status)
		fail_msg("%s %s: %ld %s", method, path, a.status, a.text->data);
	if (out)
		snprintf(out, cap, "%s", member(&a, "token"));
}

/*
 * From here on tests/faults/preload/NAME.c, too, stands between whatever is
 * started and its libraries; false: it cannot be made. preload_end() ends that.
 */
static inline bool preload(const char *name, const char *library)
{
	AUTO_FREE char *source = NULL, *all = NULL;
	const char *before = getenv("LD_PRELOAD");
	char *argv[] = { (char *)"cc", (char *)"-D_GNU_SOURCE", (char *)"-O1", (char *)"-shared", (char *)"-fPIC", (char *)"-I.", (char *)"-o",
			 (char *)library, NULL, NULL };
	struct proc_run how = { .path = "/usr/bin/cc", .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 4096 };
	struct proc_result got = { .exit_status = -1 };
	struct err e;
	bool made;

	assert_true(asprintf(&source, "tests/faults/preload/%s.c", name) > 0);
	argv[8] = source;
	made = proc_run(&how, &got, &e) == 0 && got.exit_status == 0;
	proc_result_release(&got);
	if (made && before)
		assert_true(asprintf(&all, "%s:%s", library, before) > 0);
	if (made)
		setenv("LD_PRELOAD", all ? all : library, 1);
	return made;
}

static inline void preload_end(void)
{
	unsetenv("LD_PRELOAD");
}

/* A sanitizer's runtime must be loaded first. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PRELOADS false
#else
#define PRELOADS true
#endif

/* Of a server's configuration: nobody of a crowd comes too often. */
#define DRILL_RATES                                                                                                      \
	"device-rate = 1000000\ndevice-burst = 1000000\ntoken-rate = 1000000\ntoken-burst = 1000000\naddress-rate = 1000000\n" \
	"address-burst = 1000000\n"

/* more: further lines of the server's configuration. */
static inline int drill_open(void **state, const char *more)
{
	struct drill *d = calloc(1, sizeof *d);
	char ini[600];

	snprintf(ini, sizeof ini, DRILL_RATES "%s", more);
	d->p = plane_open(ini);
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

static inline int drill_close(void **state)
{
	struct drill *d = *state;

	if (d->begun) {
		/* a test that failed: nobody may wait for an answer any more */
		crowd_trouble(&d->c, "the test has ended");
		crowd_end(&d->c);
		crowd_free(&d->c);
	}
	plane_close(d->p);
	free(d->store);
	free(d);
	return 0;
}

static inline void begin(struct drill *d, enum crowd_manners manners)
{
	d->c.manners = manners;
	crowd_begin(&d->c);
	d->begun = true;
	meet(d);
}

static inline void well(struct drill *d)
{
	char trouble[sizeof d->c.trouble];

	if (crowd_troubled(&d->c, trouble))
		fail_msg("%s", trouble);
}

static inline void load(struct drill *d, uint64_t acks)
{
	if (!crowd_wait(&d->c, &d->c.acks, acks))
		fail_msg("the server acknowledges nothing");
	well(d);
}

/* Everybody has what is theirs, and nothing is under way. */
static inline void settle(struct drill *d)
{
	crowd_end(&d->c);
	well(d);
	d->begun = false;
}

/* Kills the server, if it has not ended before; the signal that ended it. */
static inline int end_it(struct drill *d)
{
	int status;

	kill(d->p->o->pid, SIGKILL);
	assert_int_equal(waitpid(d->p->o->pid, &status, 0), d->p->o->pid);
	d->p->o->pid = 0;
	crowd_part(&d->c);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static inline void put_down(struct drill *d)
{
	assert_int_equal(end_it(d), SIGKILL);
}

/* ---- what the server itself says ---- */

static inline int64_t sum(const struct answer *a, const char *name)
{
	const struct json *rings = json_get(a->doc->root, "rings");
	const struct json *offers = json_get(&rings->u.items[0], "offers");
	int64_t n = -1;

	assert_true(json_to_int(json_get(offers, name), &n));
	return n;
}

/* The gate counts what the store has, no more and no less. */
static inline void gate_agrees(struct drill *d)
{
	AUTO_REPLY a = ask(d->p, FIXTURE_TOKEN, "GET", "/v1/rollouts/1", NULL);

	assert_int_equal(a.status, 200);
	assert_int_equal(sum(&a, "total"), d->t.offers);
	assert_int_equal(sum(&a, "survived"), d->t.survived);
	assert_int_equal(sum(&a, "failed"), d->t.failed);
}

static inline void holds(struct drill *d, bool quiet)
{
	struct err e;

	assert_ok(tally_check(&d->c, d->store, quiet, &d->t, &e));
	gate_agrees(d);
}

#endif
