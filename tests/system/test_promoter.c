/*
 * The second signature: a promoter that is away, killed and back, and a server
 * taken over with every key it has.
 */
#include "tests/test.h"

#include <grp.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "insider.h"

#define CANARIES 4
#define LOG_MAX ((size_t)8 << 20)

static struct world *world;
static struct bundle_made good, halted, wanted;

static char *in_world(const char *name)
{
	char *path = file_join(world->dir, name);

	assert_non_null(path);
	return path;
}

/* Every canary and the promoter share a key that the server never had. */
static int give_keys(struct err *e)
{
	AUTO_FREE char *dir = in_world("promoter/vouch/canary");

	if (file_mkdirs(dir, 0700, e) < 0)
		return e->code;
	for (size_t i = 0; i < CANARIES; i++) {
		AUTO_FREE char *there = machine_path(&world->machines[i], "etc/ringhold/vouch.key"), *here = NULL;
		uint8_t key[32];

		if (!there || asprintf(&here, "%s/%s.key", dir, world->machines[i].name) < 0)
			return err_memory(e);
		if (random_bytes(key, sizeof key, e) < 0 || file_replace(there, key, sizeof key, 0600, e) < 0 ||
		    file_replace(here, key, sizeof key, 0600, e) < 0)
			return e->code;
	}
	/* It reads them when it starts. */
	return world_promoter_stop(world, SIGTERM, e) < 0 ? e->code : world_promoter_start(world, e);
}

/* Nobody survives, and so vouches, who was not restarted: what runs somewhere is no evidence yet. */
static int ask_for_a_restart(struct err *e)
{
	static const char *const places[] = { "policies/edr.json", "promoter/policies/edr.json" }, none[] = "\"boots\": 0";
	AUTO_FREE char *server = in_world("server"), *file = in_world(places[0]);

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *path = in_world(places[i]);
		AUTO(buf) struct buf *text = NULL;

		if (file_read(&text, path, LOG_MAX, e) < 0)
			return e->code;
		for (char *at = text->data; (at = strstr(at, none)); at++)
			at[sizeof none - 2] = '1';
		if (file_replace(path, text->data, text->len, 0644, e) < 0)
			return e->code;
	}
	return world_expect(world, 0, NULL, e, "ringhold", "policy", "set", file, "--home", server, NULL);
}

static int world_up(void **state)
{
	struct err e;

	(void)state;
	if (world_new(&world, "edr", false, &e) == 0 && world_install(world, &e) == 0 && world_populate(world, &e) == 0 &&
	    ask_for_a_restart(&e) == 0 && give_keys(&e) == 0)
		return 0;
	print_error("%s\n", e.msg);
	return -1;
}

static int world_down(void **state)
{
	(void)state;
	world_free(TAKE(world));
	return 0;
}

/* ---- what the world does meanwhile ---- */

static int reboot_those_on_trial(struct watch *look, struct err *e)
{
	for (size_t i = 0; i < world->machine_count; i++) {
		struct machine *m = &world->machines[i];

		if (m->state != MACHINE_UP || m->rebooted_for == look->bundle->serial || !watch_phase_is(look, m, "ACTIVE"))
			continue;
		m->rebooted_for = look->bundle->serial;
		if (machine_reboot(m, e) < 0)
			return e->code;
	}
	return 0;
}

struct ring_wait {
	struct watch look;
	const char *ring, *state;       /* ring NULL: every ring */
	bool reboot;                    /* endpoints on trial reboot, which they must to survive */
	unsigned turns, kill_every, kills;
};

/* The ring is in that state; a promoter is killed on the spot every so often. */
static int ring_is(struct world *w, void *arg, struct err *e)
{
	struct ring_wait *r = arg;

	if (watch_refresh(&r->look, w, e) < 0 || (r->reboot && reboot_those_on_trial(&r->look, e) < 0))
		return e->code;
	if (r->kill_every && ++r->turns % r->kill_every == 0 && r->kills < 5) {
		r->kills++;
		if (world_promoter_stop(w, SIGKILL, e) < 0 || world_promoter_start(w, e) < 0)
			return e->code;
	}
	return r->ring ? watch_ring_is(&r->look, r->ring, r->state) : r->look.ring_count == 3 && watch_all_rings(&r->look, r->state);
}

static int time_is(struct world *w, void *arg, struct err *e)
{
	(void)w;
	(void)e;
	return clock_now() >= *(int64_t *)arg;
}

static void let_pass(int64_t seconds)
{
	int64_t until = clock_now() + seconds;
	struct err e;

	assert_ok(world_until(world, true, "time passed", time_is, &until, &e));
}

/* How often the promoter's log holds a text; what it said of rounds before counts too. */
static int said(struct world *w, void *arg, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, "promoter.log");
	AUTO(buf) struct buf *log = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&log, path, LOG_MAX, e) < 0)
		return e->code;
	return log->len && strstr(log->data, arg);
}

static void promoter_says(bool advance, const char *text)
{
	struct err e;

	assert_ok(world_until(world, advance, text, said, (void *)(uintptr_t)text, &e));
}

static void nobody_beyond_canary_ran(const struct digest *d)
{
	for (size_t i = CANARIES; i < world->machine_count; i++)
		if (machine_ever_ran(&world->machines[i], d))
			fail_msg("%s ran what no promoter signed", world->machines[i].name);
}

static int64_t rollout_of(const struct bundle_made *b)
{
	struct watch look = { .bundle = b };
	struct err e;

	assert_ok(watch_refresh(&look, world, &e));
	assert_true(look.rollout > 0);
	return look.rollout;
}

/* ---- apart from the server ---- */

static bool readable_as_promoter(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setresgid(WORLD_PROMOTER_UID, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0 ||
		    setresuid(WORLD_PROMOTER_UID, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0)
			_exit(2);
		_exit(access(path, R_OK) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

/* It may have been started this very moment, and be root until it is not. */
static int runs_as_itself(struct world *w, void *arg, struct err *e)
{
	AUTO(buf) struct buf *status = NULL;
	char path[64], uid[64];

	(void)arg;
	snprintf(path, sizeof path, "/proc/%d/status", (int)w->promoter);
	snprintf(uid, sizeof uid, "Uid:\t%d\t%d\t%d\t", WORLD_PROMOTER_UID, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID);
	if (file_read(&status, path, 1 << 16, e) < 0)
		return e->code;
	return strstr(status->data, "Name:\tringhold\n") && strstr(status->data, uid);
}

static void the_promoter_is_another_user_who_reads_no_key_of_the_server(void **state)
{
	AUTO_FREE char *keys = in_world("server/keys"), *own = in_world("promoter/keys/promoter.pem");
	AUTO_FREE char *early = in_world("server/keys/ring-early.pem"), *token = in_world("server/operator-token");
	AUTO_FREE char *store = in_world("server/store.db");
	AUTO(keyring) struct keyring *ring = NULL;
	struct err e;

	(void)state;
	if (geteuid() != 0)
		skip_named("only root can give it a user of its own");
	assert_ok(world_until(world, false, "the promoter runs as its own user", runs_as_itself, NULL, &e));
	assert_true(readable_as_promoter(own));
	assert_false(readable_as_promoter(early));
	assert_false(readable_as_promoter(token));
	assert_false(readable_as_promoter(store));
	/* and the server has not the promoter's */
	assert_ok(keyring_load(&ring, keys, NULL, NULL, &e));
	assert_null(keyring_named(ring, "promoter"));
	for (size_t i = 0; i < ring->count; i++) {
		AUTO_FREE char *mine = NULL;
		AUTO(buf) struct buf *a = NULL, *b = NULL;

		assert_true(asprintf(&mine, "%s/%s.pem", keys, ring->keys[i].name) > 0);
		assert_ok(file_read(&a, mine, 65536, &e));
		assert_ok(file_read(&b, own, 65536, &e));
		assert_true(a->len != b->len || memcmp(a->data, b->data, a->len) != 0);
	}
}

/* ---- away, killed, back ---- */

static void a_ring_waits_for_a_promoter_that_is_away(void **state)
{
	AUTO_FREE char *home = in_world("server");
	struct ring_wait until = { .look = { .bundle = &good }, .ring = "early", .state = "awaiting-signature", .reboot = true };
	AUTO(buf) struct buf *status = NULL;
	struct err e;

	(void)state;
	assert_ok(world_promoter_stop(world, SIGTERM, &e));
	assert_ok(bundle_make(&good, world, "deploy/demo/edr-good", 100, &e));
	assert_ok(bundle_publish(&good, world, &e));
	assert_ok(world_until(world, true, "early waits for a signature", ring_is, &until, &e));
	let_pass(3600);
	assert_ok(watch_refresh(&until.look, world, &e));
	assert_string_equal(watch_ring_state(&until.look, "early"), "awaiting-signature");
	assert_ok(world_expect(world, 0, &status, &e, "ringhold", "status", "--home", home, NULL));
	if (!strstr(status->data, "awaiting-signature") || !strstr(status->data, "waits for signatures of ring-early"))
		fail_msg("the status does not say what is waited for: %s", status->data);
	nobody_beyond_canary_ran(&good.digest);
}

static void it_goes_on_when_the_promoter_is_back_and_when_it_is_killed(void **state)
{
	struct ring_wait until = { .look = { .bundle = &good }, .state = "passed", .reboot = true, .kill_every = 40 };
	struct err e;

	(void)state;
	assert_ok(world_promoter_start(world, &e));
	assert_ok(world_until(world, true, "every ring passed", ring_is, &until, &e));
	assert_true(until.kills > 0);
	for (size_t i = 0; i < world->machine_count; i++)
		assert_true(machine_runs(&world->machines[i], world, &good.digest));
	promoter_says(false, "s are missing");
}

static void every_decision_can_be_decided_again_by_anyone_who_may_look(void **state)
{
	AUTO_FREE char *home = in_world("server");
	AUTO(buf) struct buf *text = NULL;
	char id[24];
	struct err e;

	(void)state;
	snprintf(id, sizeof id, "%lld", (long long)rollout_of(&good));
	assert_ok(world_expect(world, 0, &text, &e, "ringhold", "rollout", "explain", id, "--home", home, NULL));
	assert_non_null(strstr(text->data, "coverage: 4 of 4 endpoints survived and none failed"));
	assert_non_null(strstr(text->data, "  broad    pass"));
	assert_null(strstr(text->data, "NOT what was decided"));
}

/* Out by the server's word alone, back by both: the promoter knows what the ring had. */
static void a_halted_ring_goes_back_with_both_signatures(void **state)
{
	AUTO_FREE char *home = in_world("server");
	struct ring_wait until = { .look = { .bundle = &halted }, .ring = "early", .state = "offering", .reboot = true };
	struct world_reply status;
	char id[24], hex[DIGEST_HEX_LEN + 1];
	struct err e;

	(void)state;
	assert_ok(bundle_make(&halted, world, "deploy/demo/edr-good", 101, &e));
	assert_ok(bundle_publish(&halted, world, &e));
	assert_ok(world_until(world, true, "early is offered serial 101", ring_is, &until, &e));
	snprintf(id, sizeof id, "%lld", (long long)rollout_of(&halted));
	assert_ok(world_expect(world, 0, NULL, &e, "ringhold", "rollout", "halt", id, "--reason", "a drill", "--home", home, NULL));
	until.state = "rolled-back";
	assert_ok(world_until(world, true, "early went back", ring_is, &until, &e));
	assert_ok(world_get(world, "/v1/status", &status, &e));
	digest_hex(hex, &good.digest);
	for (uint32_t i = 0; i < 2; i++) {
		const struct json *rings = json_get(&json_get(status.doc->root, "channels")->u.items[0], "rings");

		assert_true(json_is(json_get(&rings->u.items[i], "ring"), i ? "early" : "canary"));
		assert_true(json_is(json_get(json_get(&rings->u.items[i], "assigned"), "digest"), hex));
	}
	world_reply_release(&status);
}

/* ---- taken over ---- */

/* The canary pass of a rollout, as recorded. */
static struct gate_record *pass_of(int64_t rollout, char hex[DIGEST_HEX_LEN + 1])
{
	struct world_reply list, body;
	struct gate_record *r = NULL;
	const struct json *items;
	char path[128];
	struct err e;

	assert_ok(world_get(world, "/v1/gate-records?limit=1000", &list, &e));
	items = json_get(list.doc->root, "items");
	hex[0] = '\0';
	for (uint32_t i = 0; i < items->count; i++) {
		const struct json *o = &items->u.items[i];
		int64_t id;

		if (json_is(json_get(o, "ring"), "canary") && json_is(json_get(o, "event"), "pass") &&
		    json_to_int(json_get(o, "rollout"), &id) && id == rollout)
			snprintf(hex, DIGEST_HEX_LEN + 1, "%s", json_get(o, "digest")->u.text);
	}
	assert_int_equal(strlen(hex), DIGEST_HEX_LEN);
	world_reply_release(&list);
	snprintf(path, sizeof path, "/v1/gate-records/%s", hex);
	assert_ok(world_get(world, path, &body, &e));
	assert_ok(gate_record_parse(&r, "record", body.text->data, body.text->len, &e));
	world_reply_release(&body);
	return r;
}

static void the_servers_keys_alone_buy_no_second_signature(void **state)
{
	struct ring_wait until = { .look = { .bundle = &wanted }, .ring = "canary", .state = "offering" };
	AUTO(gate_record) struct gate_record *other = NULL;
	char hex[DIGEST_HEX_LEN + 1], evidence[128];
	struct err e;

	(void)state;
	/* what the vendor signed goes into the first ring: so far the attacker gets */
	assert_ok(bundle_make(&wanted, world, "deploy/demo/edr-good", 102, &e));
	assert_ok(bundle_publish(&wanted, world, &e));
	assert_ok(world_until(world, true, "canary has serial 102", ring_is, &until, &e));
	insider_asks(world, &wanted, "no evidence", NULL);
	promoter_says(false, "no gate record was given: nothing says that ring canary passed");
	other = pass_of(rollout_of(&good), hex);
	snprintf(evidence, sizeof evidence, "{\"kind\":\"promotion\",\"gate_record\":\"%s\"}", hex);
	insider_asks(world, &wanted, "the evidence of another", evidence);
	promoter_says(false, "the gate record is of another bundle or attempt");
}

/* ---- with the server's store in the attacker's hands ---- */

/* A record as if canary had passed with serial 102, made from how it passed with serial 100: it replays. */
static void invent_record(struct gate_record *r, int64_t rollout, int64_t began)
{
	int64_t shift = began - r->facts.began;

	r->rollout = (uint64_t)rollout;
	r->bundle.serial = wanted.serial;
	r->bundle.digest = wanted.digest;
	bundle_path(r->bundle.path, "edr", wanted.serial);
	r->facts.began += shift;
	r->facts.now += shift;
	r->facts.bound_at += shift;
	r->quiet_until = 0;
	for (uint32_t i = 0; i < r->offer_count; i++) {
		struct outcome_facts *f = &r->offers[i].facts;

		f->offered += shift;
		f->last_seen += shift;
		f->survived += shift;
		f->goodbye += f->goodbye ? shift : 0;
		f->renewed += f->renewed ? shift : 0;
		f->environment += f->environment ? shift : 0;
	}
}

static void an_invented_history_lacks_the_endpoints_word_and_a_rewritten_one_is_never_believed(void **state)
{
	AUTO(gate_record) struct gate_record *r = NULL;
	struct ring_wait until = { .look = { .bundle = &wanted }, .ring = "early", .state = "awaiting-signature" };
	char hex[DIGEST_HEX_LEN + 1], text[256];
	int64_t rollout = rollout_of(&wanted), now = clock_now();
	struct err e;

	(void)state;
	r = pass_of(rollout_of(&good), hex);
	assert_ok(world_server_stop(world, SIGKILL, &e));
	invent_record(r, rollout, now);
	/* ended just now, by a clock that is said to have been there for hours */
	r->facts.now = MIN(r->facts.now, r->facts.bound_at + 3600);
	insider_put_record(world, r);
	snprintf(text, sizeof text, "UPDATE rollout_ring SET state = 5, passed_at = %lld, by_coverage = 1 WHERE rollout = %lld AND ring = 0",
		 (long long)now, (long long)rollout);
	insider_sql(world, text);
	assert_ok(world_server_start(world, &e));
	assert_ok(world_until(world, false, "the server asks for early", ring_is, &until, &e));
	promoter_says(false, "s are missing");
	/* without a contradiction, and at the real pace: yet no endpoint says so itself */
	let_pass(6 * 3600);
	promoter_says(false, "0 of the 3 endpoints of ring canary that must vouch for serial 102 did so");
	/* the attacker corrects the story: an endpoint survived at another time */
	r->offers[0].facts.survived += 60;
	r->facts.now += 60;
	insider_put_record(world, r);
	promoter_says(false, "history was rewritten: offer 1 survived at another time");
	let_pass(6 * 3600);
	promoter_says(false, "is not believed any more: history was rewritten");
	assert_ok(watch_refresh(&until.look, world, &e));
	assert_string_equal(watch_ring_state(&until.look, "early"), "awaiting-signature");
	nobody_beyond_canary_ran(&wanted.digest);
}

static int canaries_ran(struct world *w, void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	for (size_t i = 0; i < CANARIES; i++)
		if (!machine_ever_ran(&w->machines[i], &wanted.digest))
			return 0;
	return 1;
}

static void one_signature_of_two_moves_no_endpoint(void **state)
{
	struct err e;

	(void)state;
	assert_ok(world_until(world, true, "the canaries ran serial 102", canaries_ran, NULL, &e));
	insider_forges(world, &wanted);
	/* longer than an endpoint goes without looking, and than any minimum age */
	let_pass(14 * 3600);
	nobody_beyond_canary_ran(&wanted.digest);
	for (size_t i = CANARIES; i < world->machine_count; i++)
		assert_true(machine_runs(&world->machines[i], world, &good.digest));
	promoter_says(false, "ring-early");
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	struct err e;

	(void)state;
	assert_ok(world_verdict(world, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_promoter_is_another_user_who_reads_no_key_of_the_server),
		cmocka_unit_test(a_ring_waits_for_a_promoter_that_is_away),
		cmocka_unit_test(it_goes_on_when_the_promoter_is_back_and_when_it_is_killed),
		cmocka_unit_test(every_decision_can_be_decided_again_by_anyone_who_may_look),
		cmocka_unit_test(a_halted_ring_goes_back_with_both_signatures),
		cmocka_unit_test(the_servers_keys_alone_buy_no_second_signature),
		cmocka_unit_test(an_invented_history_lacks_the_endpoints_word_and_a_rewritten_one_is_never_believed),
		cmocka_unit_test(one_signature_of_two_moves_no_endpoint),
		cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding),
	};

	return cmocka_run_group_tests(tests, world_up, world_down);
}
