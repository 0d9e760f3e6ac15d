/*
 * test_device_agent: a real agent and a real server: how a host enrols, gets
 * one token after the other, and hears that it is revoked, with either side
 * killed wherever it writes something down.
 */
#include "plane.h"

#include "boot/ladder.h"
#include "boot/link.h"
#include "boot/record.h"
#include "content/bundle.h"
#include "squid.h"
#include "tests/calls.h"

#define STATE "/var/lib/ringhold/"

struct host {
	struct plane *plane;
	char root[300], trace[320];
	char *said;                     /* by the last command */
	struct squid squid;
};

/* ---- the host ---- */

static void host_write(struct host *h, const char *path, const char *text)
{
	char full[500], parent[500];
	struct err e;

	snprintf(full, sizeof full, "%s%s", h->root, path);
	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(full, '/') - full), full);
	assert_ok(file_mkdirs(parent, 0755, &e));
	assert_ok(file_replace(full, text, strlen(text), 0644, &e));
}

/* The server comes back where it was: the host knows one address. */
static void stay_at(struct plane *p)
{
	AUTO_FREE char *path = fixture_path(p->o->f, "ringholdd.ini");
	AUTO(buf) struct buf *old = NULL, *fresh = buf_new(0);
	struct err e;

	assert_ok(file_read(&old, path, 65536, &e));
	buf_addf(fresh, "listen = %s\n%s", p->url + strlen("https://"), strchr(old->data, '\n') + 1);
	assert_ok(file_replace(path, fresh->data, fresh->len, 0600, &e));
}

static int setup(void **state)
{
	struct host *h = calloc(1, sizeof *h);
	AUTO(buf) struct buf *root = NULL;
	AUTO_FREE char *from = NULL;
	struct err e;

	*state = h;
	/* Each round finds a token that is due. */
	h->plane = plane_open("device-token-life = 1s\ndevice-rate = 1000\ndevice-burst = 1000\nbad-tokens = 100000\n");
	if (h->plane->o->pid)
		stay_at(h->plane);
	snprintf(h->root, sizeof h->root, "%s/host", h->plane->o->f->dir);
	snprintf(h->trace, sizeof h->trace, "%s/trace", h->plane->o->f->dir);
	host_write(h, "/etc/ringhold/agent.ini", "[agent]\ncontract =\nhost = anna\n[channel edr]\n");
	from = fixture_path(h->plane->o->f, "data/repository/metadata/1.root.json");
	assert_ok(file_read(&root, from, 1 << 20, &e));
	host_write(h, "/etc/ringhold/trust/content.root.json", root->data);
	return 0;
}

static int teardown(void **state)
{
	struct host *h = *state;

	squid_stop(&h->squid);
	plane_close(h->plane);
	free(h->said);
	free(h);
	return 0;
}

static int run(struct host *h, const char *path, const char *const *argv)
{
	char *env[] = { (char *)"PATH=/usr/bin:/bin", (char *)"ASAN_OPTIONS=detect_leaks=0", NULL };
	struct proc_run what = { .path = path, .argv = (char *const *)argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 1 << 20 };
	struct proc_result r;
	struct err e;
	int status;

	assert_ok(proc_run(&what, &r, &e));
	free(h->said);
	h->said = strdup(r.output->data ? r.output->data : "");
	status = r.signal ? 128 + r.signal : r.exit_status;
	proc_result_release(&r);
	return status;
}

#define AGENT(h, ...) run(h, test_program("ringhold-agent"), (const char *const[]){ "ringhold-agent", __VA_ARGS__, "--root", (h)->root, NULL })

static void round_of(struct host *h)
{
	if (AGENT(h, "run", "--once") != 0)
		fail_msg("a round: %s", h->said);
}

/* A round in which the supervisor is traced; inject "": nothing happens to it. */
static void traced_round(struct host *h, const char *inject)
{
	char program[1024];

	snprintf(program, sizeof program, "%s", test_program("ringhold-agent"));
	(void)run(h, CALLS_STRACE,
		  (const char *const[]){ "strace", "-qq", "-y", "-s", "200", "-o", h->trace, "-e", *inject ? inject : "trace=" CALLS_NAMES, program, "run",
					 "--once", "--root", h->root, NULL });
}

/* Gives the host a string to enrol with: one use, so that one that is wasted is missed. */
static void may_enrol(struct host *h)
{
	AUTO_REPLY a = ask(h->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"one\",\"uses\":1}");

	assert_int_equal(a.status, 201);
	if (AGENT(h, "enrol", member(&a, "enrolment")) != 0)
		fail_msg("enrol: %s", h->said);
}

/* A member of what the host keeps; "" when it keeps nothing. The caller frees. */
static char *kept(struct host *h, const char *key)
{
	char path[400];
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;
	struct err e;

	snprintf(path, sizeof path, "%s" STATE "device.json", h->root);
	if (file_read(&text, path, 1 << 16, &e) < 0)
		return strdup("");
	assert_ok(json_parse(&d, path, text->data, text->len, NULL, &e));
	return strdup(json_get(d->root, key)->u.text);
}

static int generation(struct host *h)
{
	AUTO_FREE char *token = kept(h, "token");

	return *token ? atoi(strchr(token + 5, '.') + 1) : 0;
}

/* How many devices the server knows, and what it says of them. */
static struct answer fleet(struct host *h)
{
	return ask(h->plane, FIXTURE_TOKEN, "GET", "/v1/devices", NULL);
}

static void expect_one_sound_device(struct host *h)
{
	AUTO_REPLY a = fleet(h);
	const struct json *items = json_get(a.doc->root, "items");
	AUTO_FREE char *id = kept(h, "device");

	if (items->count != 1 || json_get(&items->u.items[0], "flagged")->type == JSON_TRUE || !json_is(json_get(&items->u.items[0], "device"), id))
		fail_msg("host %s, server %s", id, a.text->data);
}

/* Rounds until the token is a later one. */
static void rounds_until(struct host *h, int beyond)
{
	int64_t until = clock_work_ms() + LIMIT_MS;

	while (generation(h) <= beyond) {
		round_of(h);
		assert_true(clock_work_ms() < until);
	}
}

#define PLACE(h)                     \
	struct host *h = *state;     \
	NEED((h)->plane->o)

/* ---- what holds ---- */

static void a_host_gets_one_token_after_the_other_and_stays_one_device(void **state)
{
	PLACE(h);

	may_enrol(h);
	round_of(h);
	for (int i = 0; i < 3; i++) {
		rounds_until(h, generation(h));
		plane_restart(h->plane, SIGKILL);
	}
	round_of(h);
	expect_one_sound_device(h);
}

/* Where the credentials are written, and what is noted before and after. */
static bool is_kept_there(const struct call *c)
{
	static const char *const writes[] = { "write", "rename", "renameat", "renameat2", "fsync" };

	if (!strcmp(c->name, "fdatasync"))
		return strstr(c->text, "agent.db") != NULL;
	for (size_t i = 0; i < ARRAY_LEN(writes); i++)
		if (!strcmp(c->name, writes[i]))
			return strstr(c->text, "device.json") || strstr(c->text, "/ringhold>");
	return false;
}

/* The host as it is, kept and put back. */
static void copy(const char *from, const char *to)
{
	shell_must("rm -rf %s && cp -a %s %s", to, from, to);
}

/* Kills the agent at each of its writes in a round that must bring it to a working token. */
static void kill_everywhere(struct host *h, bool enrolled)
{
	static struct calls calls;
	char spare[320];
	unsigned killed = 0;

	/* one in which there is a token to keep */
	for (int was = generation(h); generation(h) == was;)
		traced_round(h, "");
	assert_true(calls_read(&calls, h->trace, h->root, 1));
	for (size_t i = 0; i < calls.count; i++) {
		const struct call *c = &calls.list[i];
		char inject[100];
		int before;

		if (!is_kept_there(c))
			continue;
		if (enrolled) {
			before = generation(h);
		} else {
			/* a host that nobody knows, with a new string */
			snprintf(spare, sizeof spare, "%s" STATE, h->root);
			struct err e;
			assert_ok(file_remove_tree(spare, &e));
			may_enrol(h);
			before = 0;
		}
		snprintf(inject, sizeof inject, "inject=%s:signal=KILL:when=%u", c->name, c->when);
		traced_round(h, inject);
		killed++;
		/* sometimes the server dies as well */
		if (killed % 4 == 0)
			plane_restart(h->plane, SIGKILL);
		rounds_until(h, before);
		AUTO_REPLY a = fleet(h);
		if (strstr(a.text->data, "\"flagged\":true"))
			fail_msg("killed at %s %s: %s", c->name, c->text, a.text->data);
	}
	assert_true(killed >= 4);
	if (enrolled)
		expect_one_sound_device(h);
}

static void killed_at_any_write_the_agent_has_a_token_that_is_good(void **state)
{
	PLACE(h);

	NEED_STRACE();
	may_enrol(h);
	round_of(h);
	kill_everywhere(h, true);
}

static void killed_at_any_write_of_its_enrolment_a_host_needs_no_second_token(void **state)
{
	PLACE(h);

	NEED_STRACE();
	may_enrol(h);
	kill_everywhere(h, false);
}

static void a_copied_disk_is_flagged_and_its_host_left_with_what_it_has(void **state)
{
	PLACE(h);
	char other[320];

	may_enrol(h);
	round_of(h);
	snprintf(other, sizeof other, "%s.copy", h->root);
	copy(h->root, other);
	rounds_until(h, generation(h));
	round_of(h);
	/* the copy wakes up with the token that was left */
	copy(other, h->root);
	round_of(h);
	AUTO_REPLY a = fleet(h);
	assert_non_null(strstr(a.text->data, "\"flagged\":true"));
	assert_non_null(strstr(a.text->data, " was in use"));
}

static void a_revoked_host_says_so_keeps_its_token_and_does_not_enrol_again(void **state)
{
	PLACE(h);
	AUTO_FREE char *id = NULL, *token = NULL, *now = NULL;
	char path[100];

	may_enrol(h);
	round_of(h);
	id = kept(h, "device");
	snprintf(path, sizeof path, "/v1/devices/%s", id);
	AUTO_REPLY gone = ask(h->plane, FIXTURE_TOKEN, "DELETE", path, NULL);
	assert_int_equal(gone.status, 200);
	token = kept(h, "token");
	for (int i = 0; i < 2; i++)
		(void)AGENT(h, "run", "--once");
	now = kept(h, "token");
	assert_string_equal(token, now);
	assert_int_equal(AGENT(h, "status", "--json"), 0);
	assert_non_null(strstr(h->said, "\"revoked\": true"));
	assert_int_equal(AGENT(h, "status"), 0);
	assert_non_null(strstr(h->said, "revoked by the server: what runs goes on"));
	/* a person enrols it anew */
	may_enrol(h);
	round_of(h);
	assert_int_equal(AGENT(h, "status", "--json"), 0);
	assert_non_null(strstr(h->said, "\"revoked\": false"));
}

/* The proxy sees an address and nothing else; who answers behind it has to be the one that the string names. */
static void through_a_proxy_the_server_is_known_by_its_key_as_without_one(void **state)
{
	PLACE(h);
	char ini[200], *pin, want[64];

	NEED_SQUID();
	squid_start(&h->squid);
	snprintf(ini, sizeof ini, "[agent]\ncontract =\nhost = anna\nproxy = http://127.0.0.1:%d\n[channel edr]\n", h->squid.port);
	host_write(h, "/etc/ringhold/agent.ini", ini);
	AUTO_REPLY a = ask(h->plane, FIXTURE_TOKEN, "POST", "/v1/enrolment-tokens", "{\"name\":\"one\",\"uses\":1}");
	AUTO_FREE char *string = strdup(member(&a, "enrolment"));
	/* The key of another server: what comes first in the token's one use. */
	pin = strrchr(string, ':') - 10;
	*pin = *pin == 'A' ? 'B' : 'A';
	assert_int_equal(AGENT(h, "enrol", string), 0);
	(void)AGENT(h, "run", "--once");
	assert_non_null(strstr(h->said, "pin"));
	assert_int_equal(generation(h), 0);
	assert_int_equal(AGENT(h, "enrol", member(&a, "enrolment")), 0);
	round_of(h);
	expect_one_sound_device(h);
	snprintf(want, sizeof want, "CONNECT %s", h->plane->url + strlen("https://"));
	assert_true(squid_says(&h->squid, want, "/200"));
}

/* ---- people at the machine ---- */

static void takes_for_baseline(struct host *h, int64_t serial)
{
	struct bundle_options o = BUNDLE_OPTIONS_NONE;
	AUTO(bundle) struct bundle *b = NULL;
	char path[400];
	struct err e;

	o.channel = "edr";
	o.serial = serial;
	assert_ok(bundle_build(&b, "deploy/demo/edr-good", &o, &e));
	snprintf(path, sizeof path, "%s/%d.tar.gz", h->plane->o->f->dir, (int)serial);
	assert_ok(file_replace(path, b->archive->data, b->archive->len, 0644, &e));
	if (AGENT(h, "baseline", "edr", path) != 0)
		fail_msg("baseline: %s", h->said);
}

/* Something to leave, and something to go back to. The step between, a rollout, is written into the boot record here. */
static void has_committed_content_and_a_baseline(struct host *h)
{
	struct boot_report why;
	struct boot_record r;

	takes_for_baseline(h, 110);
	AUTO_FD int dir = boot_channel_open(h->root, "edr", &why);
	assert_int_equal(boot_record_read(&r, dir, &why), BOOT_READ_OK);
	memcpy(r.digest[RUNG_CURRENT], r.digest[RUNG_BASELINE], BOOT_DIGEST_LEN);
	memset(r.digest[RUNG_BASELINE], 0, BOOT_DIGEST_LEN);
	r.rung = RUNG_CURRENT;
	assert_int_equal(boot_record_write(&r, dir, &why), 0);
	takes_for_baseline(h, 5);
}

static int order(struct host *h, const char *command, const char *option)
{
	return option ? AGENT(h, command, "edr", option) : AGENT(h, command, "edr");
}

/* How many events of this device the feed has, with this cause and this sentence. */
static int in_the_feed(struct host *h, const char *device, const char *cause, const char *sentence)
{
	AUTO_REPLY a = ask(h->plane, FIXTURE_TOKEN, "GET", "/v1/events", NULL);
	AUTO(json) struct json_doc *d = NULL;
	const struct json *items;
	struct err e;
	int n = 0;

	assert_ok(json_parse(&d, "events", a.text->data, a.text->len, NULL, &e));
	items = json_get(d->root, "items");
	for (const struct json *i = items->u.items; i < items->u.items + items->count; i++)
		n += json_get(i, "cause")->type == JSON_STRING && !strcmp(json_get(i, "kind")->u.text, "local") &&
		     !strcmp(json_get(i, "device")->u.text, device) && !strcmp(json_get(i, "channel")->u.text, "edr") &&
		     !strcmp(json_get(i, "cause")->u.text, cause) && !strcmp(json_get(i, "sentence")->u.text, sentence);
	return n;
}

static void what_people_order_on_the_host_is_in_the_servers_feed_once_each(void **state)
{
	static const struct { const char *command, *option, *cause, *sentence; } orders[] = {
		{ "hold", NULL, "local-hold", "hold" },
		{ "hold", "--until=2099-01-31T12:00:00Z", "local-hold", "hold until 2099-01-31T12:00:00Z" },
		{ "unhold", NULL, "local-hold", "unhold" },
		{ "pin", NULL, "local-pin", "pin" },
		{ "unpin", NULL, "local-pin", "unpin" },
		{ "revert", NULL, "local-revert", "by a person on this machine" },
		{ "disable", NULL, "local-disable", "disable" },
		{ "enable", NULL, "local-disable", "enable" },
		{ NULL, NULL, "local-install", "serial 110 is the baseline" },
		{ NULL, NULL, "local-install", "serial 5 is the baseline" },
	};
	PLACE(h);
	AUTO_FREE char *id = NULL;

	may_enrol(h);
	round_of(h);
	id = kept(h, "device");
	has_committed_content_and_a_baseline(h);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		if (orders[i].command && order(h, orders[i].command, orders[i].option) != 0)
			fail_msg("%s: %s", orders[i].command, h->said);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++)
		assert_int_equal(in_the_feed(h, id, orders[i].cause, orders[i].sentence), 0);   /* nobody has told the server */
	for (int i = 0; i < 2; i++)
		round_of(h);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		int n = in_the_feed(h, id, orders[i].cause, orders[i].sentence);

		if (n != 1)
			fail_msg("\"%s\" is %d times in the feed", orders[i].sentence, n);
	}
}

int main(int argc, char **argv)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_host_gets_one_token_after_the_other_and_stays_one_device),
		T(killed_at_any_write_the_agent_has_a_token_that_is_good),
		T(killed_at_any_write_of_its_enrolment_a_host_needs_no_second_token),
		T(a_copied_disk_is_flagged_and_its_host_left_with_what_it_has),
		T(a_revoked_host_says_so_keeps_its_token_and_does_not_enrol_again),
		T(what_people_order_on_the_host_is_in_the_servers_feed_once_each),
		T(through_a_proxy_the_server_is_known_by_its_key_as_without_one),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
