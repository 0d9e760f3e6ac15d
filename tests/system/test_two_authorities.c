/*
 * test_two_authorities: a vendor's server and a customer's own, with different
 * roots, and hosts that take content from the one and rings from the other.
 * The customer's server follows the vendor's repository; the customer stops
 * what the vendor ships while the vendor is down; and neither, with all its
 * keys in an attacker's hands, can do the other's part. The hosts' owner lets
 * nothing run without a bank's consent.
 */
#include "tests/test.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "rollout/assignment.h"
#include "signing/repo.h"
#include "takeover.h"
#include "watch.h"

#define HOSTS 3         /* of the canary ring: the fewest that pass by coverage */

static struct world *vendor, *customer;
static char promoter_content[512];      /* where the customer's promoter finds the vendor's bundles */
static struct bundle_made baseline, one, two, bad, own;

static char *at(const struct world *w, const char *name)
{
	char *path = file_join(w->dir, name);

	assert_non_null(path);
	return path;
}

/* ---- two installations with one clock ---- */

/* The first world's clock is everybody's: this process reads it already. */
static void share_clock(void)
{
	AUTO_FREE char *theirs = at(vendor, "clock"), *ours = at(customer, "clock");

	assert_int_equal(unlink(ours), 0);
	assert_int_equal(link(theirs, ours), 0);
	munmap((void *)(uintptr_t)customer->clock_ms, sizeof *customer->clock_ms);
	customer->clock_ms = vendor->clock_ms;
}

static int follow_vendor(struct err *e)
{
	AUTO_FREE char *path = at(customer, "server/ringholdd.ini");
	AUTO(buf) struct buf *text = NULL;

	if (world_server_stop(customer, SIGTERM, e) < 0 || file_read(&text, path, 65536, e) < 0)
		return e->code;
	buf_addf(text, "[follow works]\nurl = %s/content\nroot = %s/root.json\npin = %s\nchannels = edr\npoll = 30s\n", vendor->url, vendor->dir,
		 vendor->pin);
	if (buf_check(text, e) < 0 || file_replace(path, text->data, text->len, 0600, e) < 0)
		return e->code;
	return world_server_start(customer, e);
}

/* The second signature of the customer's later rings: it believes the vendor about bundles, by the vendor's root. */
static int tell_promoter(struct err *e)
{
	AUTO_FREE char *from = at(vendor, "root.json"), *to = at(customer, "promoter/content.root.json");
	AUTO(buf) struct buf *root = NULL;

	if (file_read(&root, from, (size_t)1 << 20, e) < 0 || file_replace(to, root->data, root->len, 0644, e) < 0)
		return e->code;
	snprintf(promoter_content, sizeof promoter_content, "[content]\nurl = %s/content\npin = %s\n", vendor->url, vendor->pin);
	customer->promoter_more = promoter_content;
	/* The one that runs since the installation knows the customer's repository only. */
	return world_promoter_stop(customer, SIGTERM, e) < 0 ? e->code : world_promoter_start(customer, e);
}

/* The customer's offline keys let a third party in: the bank has one key, of its own. */
static int delegate_to_bank(struct err *e)
{
	AUTO_FREE char *home = at(customer, "server"), *keys = at(customer, "offline-keys"), *key = at(customer, "bank.pem");

	if (world_expect(customer, 0, NULL, e, "ringhold", "key", "generate", key, NULL) < 0)
		return e->code;
	return world_expect(customer, 0, NULL, e, "ringhold", "delegate", "add", "approve-bank", "--public", key, "--keys", keys, "--yes",
			    "--reason", "the bank agrees to what runs", "--home", home, NULL);
}

static void approve(uint64_t serial)
{
	AUTO_FREE char *home = at(customer, "server"), *key = at(customer, "bank.pem");
	char number[24];
	struct err e;

	snprintf(number, sizeof number, "%llu", (unsigned long long)serial);
	assert_ok(world_expect(customer, 0, NULL, &e, "ringhold", "approve", "edr", number, "--party", "bank", "--key", key, "--home", home, NULL));
}

/* ---- hosts ---- */

static int copy_file(const struct world *from, const char *name, const struct machine *m, const char *to, struct err *e)
{
	AUTO_FREE char *source = *name == '/' ? strdup(name) : at(from, name);
	AUTO_FREE char *path = machine_path(m, to);
	AUTO(buf) struct buf *bytes = NULL;

	if (!source || !path)
		return err_memory(e);
	if (file_read(&bytes, source, (size_t)1 << 20, e) < 0)
		return e->code;
	return file_replace(path, bytes->data, bytes->len, 0644, e);
}

/* The server, its pin and its /content come with the enrolment; the vendor's place and pin are written down. */
static int furnish(const struct machine *m, struct err *e)
{
	AUTO_FREE char *contract = file_join(customer->tree, "deploy/demo/contract.json");
	AUTO_FREE char *ini = machine_path(m, "etc/ringhold/agent.ini");
	AUTO_FREE char *text = NULL;

	if (!contract || !ini ||
	    asprintf(&text, "[agent]\nattributes = ring=canary\nos = debian-12\nhost = %s\n"
		     "content-repo = works\ncontent-url = %s/content\ncontent-pin = %s\nrings-repo = ours\nrequire-approval = bank@ours\n\n[channel edr]\n",
		     m->name, vendor->url, vendor->pin) < 0)
		return err_memory(e);
	if (copy_file(vendor, "root.json", m, "etc/ringhold/trust/works.root.json", e) < 0 ||
	    copy_file(customer, "root.json", m, "etc/ringhold/trust/ours.root.json", e) < 0 ||
	    copy_file(NULL, contract, m, "etc/ringhold/contract.json", e) < 0)
		return e->code;
	return file_replace(ini, text, strlen(text), 0644, e);
}

static int enrol(const struct machine *m, struct err *e)
{
	AUTO_FREE char *home = at(customer, "server");
	AUTO(buf) struct buf *said = NULL;
	char *string;

	if (world_expect(customer, 0, &said, e, "ringhold", "token", "enrol", "--attribute", "ring=canary", "--home", home, NULL) < 0)
		return e->code;
	string = strstr(said->data, "rh1:");
	if (!string)
		return err_set(e, ERR_FORMAT, "no enrolment string: %.200s", said->data);
	string[strcspn(string, " \r\n")] = '\0';
	return world_expect(customer, 0, NULL, e, "ringhold-agent", "enrol", string, "--root", m->root, NULL);
}

/* What came with the sensor. */
static int install_baseline(const struct machine *m, struct err *e)
{
	return world_expect(customer, 0, NULL, e, "ringhold-agent", "baseline", "edr", baseline.archive, "--root", m->root, NULL);
}

static int populate(struct err *e)
{
	if (bundle_make(&baseline, customer, "deploy/demo/edr-good", 1000, e) < 0)
		return e->code;
	for (size_t i = 0; i < HOSTS; i++) {
		struct machine *m = &customer->machines[i];

		if (machine_new(m, customer, "canary", (unsigned)i + 1, e) < 0)
			return e->code;
		m->at = i;
		customer->machine_count = i + 1;
		if (furnish(m, e) < 0 || install_baseline(m, e) < 0 || enrol(m, e) < 0 || machine_boot(m, customer, e) < 0)
			return err_wrap(e, "%s", m->name);
	}
	return world_until(customer, false, "every host checked in", world_all_heard, NULL, e);
}

static int setup(void **state)
{
	struct err e = { 0 };

	(void)state;
	if (world_new(&vendor, "edr", false, &e) < 0 || world_new(&customer, "edr", false, &e) < 0)
		goto failed;
	share_clock();
	if (world_install(vendor, &e) < 0 || world_install(customer, &e) < 0 || delegate_to_bank(&e) < 0 || follow_vendor(&e) < 0 ||
	    tell_promoter(&e) < 0 || populate(&e) < 0)
		goto failed;
	return 0;
failed:
	print_error("%s\n", e.msg);
	return -1;
}

static int teardown(void **state)
{
	(void)state;
	world_free(TAKE(customer));
	world_free(TAKE(vendor));
	return 0;
}

/* ---- watching ---- */

static bool everywhere(const struct digest *d)
{
	for (size_t i = 0; i < HOSTS; i++)
		if (!machine_runs(&customer->machines[i], customer, d))
			return false;
	return true;
}

static int canary_passed(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0)
		return e->code;
	for (size_t i = 0; i < w->machine_count; i++) {
		struct machine *m = &w->machines[i];

		if (m->state != MACHINE_UP || m->rebooted_for == look->bundle->serial || !watch_phase_is(look, m, "ACTIVE"))
			continue;
		m->rebooted_for = look->bundle->serial;
		if (machine_reboot(m, e) < 0)
			return e->code;
	}
	if (watch_ring_is(look, "canary", "halted"))
		return err_set(e, ERR_REFUSED, "canary is halted: %s", watch_ring_sentence(look, "canary"));
	return watch_ring_is(look, "canary", "passed");
}

static int all_run(struct world *w, void *arg, struct err *e)
{
	(void)w;
	(void)e;
	return everywhere(arg);
}

/* A file of the same bytes on every host: each has seen what that server publishes now. */
static int all_refreshed(struct world *w, void *arg, struct err *e)
{
	const struct world *of = arg;
	AUTO_FREE char *path = at(of, "server/repository/metadata/timestamp.json");
	AUTO(buf) struct buf *now = NULL;

	if (file_read(&now, path, 65536, e) < 0)
		return e->code;
	for (size_t i = 0; i < HOSTS; i++) {
		AUTO_FREE char *theirs = machine_path(&w->machines[i], of == vendor ? "var/lib/ringhold/tuf/works/timestamp.json" :
											"var/lib/ringhold/tuf/ours/timestamp.json");
		AUTO(buf) struct buf *seen = NULL;

		if (file_read(&seen, theirs, 65536, e) < 0 || seen->len != now->len || memcmp(seen->data, now->data, now->len) != 0)
			return 0;
	}
	return 1;
}

/* Asked again until it is so: a refresh may be under way, and what is stored half new. */
static int all_explain(struct world *w, void *words, struct err *e)
{
	for (size_t i = 0; i < HOSTS; i++) {
		AUTO(buf) struct buf *said = NULL;

		if (world_run(w, &said, e, "ringhold-agent", "explain", "--root", w->machines[i].root, NULL) < 0)
			return e->code;
		if (!strstr(said->data, words))
			return 0;
	}
	return 1;
}

static int server_refused(struct world *w, void *words, struct err *e)
{
	AUTO(buf) struct buf *said = NULL;
	AUTO_FREE char *home = at(w, "server");

	if (world_expect(w, 0, &said, e, "ringhold", "followed", "--home", home, NULL) < 0)
		return e->code;
	return strstr(said->data, "refused") && strstr(said->data, words);
}

/* The serial that a later ring of the customer is assigned, which takes the promoter's signature; 0: none any more. */
static int early_has(struct world *w, void *serial, struct err *e)
{
	AUTO_FREE char *dir = at(w, "server/repository");
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *text = NULL;
	AUTO(assignment) struct assignment *a = NULL;

	/* read while it is published: again in the next turn */
	if (repo_open(&r, dir, e) < 0)
		return 0;
	if (repo_read_target(r, "rings/early/edr.json", ASSIGNMENT_MAX, &text, e) < 0)
		return e->code == ERR_NOT_FOUND && *(uint64_t *)serial == 0;
	return assignment_parse(&a, "early", text->data, text->len, e) < 0 ? e->code : a->bundle.serial == *(uint64_t *)serial;
}

static void expect_untouched(const struct bundle_made *b)
{
	struct err e;

	for (size_t i = 0; i < HOSTS; i++) {
		const struct machine *m = &customer->machines[i];

		assert_false(machine_ever_ran(m, &b->digest));
		assert_false(machine_holds(m, customer, &b->digest));
		assert_int_equal(watch_history_holds(customer, m, b, "fetched", &e), 0);
	}
}

/* ---- the story, in order ---- */

static void ship(struct bundle_made *b, uint64_t serial)
{
	static char missing[] = "1 is missing: bank@ours";
	struct watch look = { .bundle = b };
	struct err e;

	assert_ok(bundle_make(b, vendor, "deploy/demo/edr-good", serial, &e));
	assert_ok(bundle_publish(b, vendor, &e));
	assert_ok(world_until(customer, true, "every host says whose consent is missing", all_explain, missing, &e));
	expect_untouched(b);
	approve(serial);
	assert_ok(world_until(customer, true, "the customer's canary ring passed the vendor's bundle", canary_passed, &look, &e));
	assert_true(everywhere(&b->digest));
}

static void what_the_vendor_publishes_and_the_bank_approves_goes_through_the_customers_rings(void **state)
{
	AUTO(buf) struct buf *said = NULL;
	AUTO_FREE char *home = at(customer, "server");
	struct err e;

	(void)state;
	ship(&one, 1);
	assert_ok(world_until(customer, true, "the promoter let the vendor's bundle into the second ring", early_has, &one.serial, &e));
	ship(&two, 2);
	assert_ok(world_expect(customer, 0, &said, &e, "ringhold", "followed", "--home", home, NULL));
	assert_non_null(strstr(said->data, "started"));
}

static void the_customer_stops_what_the_vendor_ships_while_the_vendor_is_down(void **state)
{
	AUTO_FREE char *home = at(customer, "server");
	char hex[DIGEST_HEX_LEN + 1];
	struct err e;

	(void)state;
	assert_ok(world_server_stop(vendor, SIGKILL, &e));
	digest_hex(hex, &two.digest);
	assert_ok(world_expect(customer, 0, NULL, &e, "ringhold", "stop", "edr", hex, "--reason", "it eats the accounts", "--home", home, NULL));
	assert_ok(world_until(customer, true, "every host left it for the one before", all_run, &one.digest, &e));
	for (size_t i = 0; i < HOSTS; i++)
		assert_int_equal(customer->machines[i].panics, 0);
}

/* The online key took one bundle of the day; people take as many as they must, the vendor is still down. */
static void what_people_recall_is_left_on_the_same_day(void **state)
{
	AUTO_FREE char *home = at(customer, "server"), *keys = at(customer, "operator-keys");
	uint64_t none = 0;
	struct err e;

	(void)state;
	assert_ok(world_expect(customer, 0, NULL, &e, "ringhold", "recall", "edr", "1", "--reason", "and so does this", "--keys", keys, "--home",
			       home, NULL));
	assert_ok(world_until(customer, true, "every host left that one, too", all_run, &baseline.digest, &e));
	assert_ok(world_until(customer, true, "the promoter let the second ring be emptied without asking the vendor", early_has, &none, &e));
}

/* Its bundle is real, and the customer's own checks refuse it; the rings that name it are not the vendor's to sign. */
static void a_vendor_taken_over_assigns_nothing(void **state)
{
	static char field[] = "field 21", assigned[] = "ring canary has no assignment";      /* since the recall */
	struct err e;

	(void)state;
	assert_ok(bundle_make(&bad, vendor, "deploy/demo/edr-21", 3, &e));
	assert_ok(takeover_assign_everywhere(vendor, &bad, &e));
	assert_ok(world_server_start(vendor, &e));
	assert_ok(world_until(customer, true, "every host saw the vendor's new metadata", all_refreshed, vendor, &e));
	assert_ok(world_until(customer, true, "the customer's server refused it by its own contract", server_refused, field, &e));
	assert_ok(world_until(customer, true, "every host says what counts", all_explain, assigned, &e));
	expect_untouched(&bad);
	assert_true(everywhere(&baseline.digest));
}

static void a_customers_server_taken_over_ships_nothing_of_its_own(void **state)
{
	static char unlisted[] = "the vendor's role lists nothing under bundles/edr/9.tar.gz";
	struct err e;

	(void)state;
	assert_ok(bundle_make(&own, customer, "deploy/demo/edr-good", 9, &e));
	assert_ok(world_server_stop(customer, SIGTERM, &e));
	assert_ok(takeover_assign_everywhere(customer, &own, &e));
	assert_ok(world_server_start(customer, &e));
	assert_ok(world_until(customer, true, "every host saw the customer's new metadata", all_refreshed, customer, &e));
	assert_ok(world_until(customer, true, "every host says what is missing", all_explain, unlisted, &e));
	expect_untouched(&own);
	assert_true(everywhere(&baseline.digest));
}

static void everybody_ends_when_told_to_and_no_log_holds_a_finding(void **state)
{
	struct err e;

	(void)state;
	assert_ok(world_verdict(customer, &e));
	assert_ok(world_verdict(vendor, &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_vendor_publishes_and_the_bank_approves_goes_through_the_customers_rings),
		cmocka_unit_test(the_customer_stops_what_the_vendor_ships_while_the_vendor_is_down),
		cmocka_unit_test(what_people_recall_is_left_on_the_same_day),
		cmocka_unit_test(a_vendor_taken_over_assigns_nothing),
		cmocka_unit_test(a_customers_server_taken_over_ships_nothing_of_its_own),
		cmocka_unit_test(everybody_ends_when_told_to_and_no_log_holds_a_finding),
	};

	return cmocka_run_group_tests_name("two authorities", tests, setup, teardown);
}
