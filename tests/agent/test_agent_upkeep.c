/* test_agent_upkeep: damaged slots, changed contracts and what holds leave out, with the real agent. */
#include "endpoint.h"
#include "endpoint_delta.h"
#include "schema/schema.h"

#define GOOD "deploy/demo/edr-good"
#define ONE_MORE "deploy/demo/edr-21"           /* one field and one rule, ipc-0008, more */
#define WEEK_MS ((int64_t)7 * 86400 * 1000)

#define NEED_AGENT(p)                                                            \
	do {                                                                     \
		if (access((p)->bin, X_OK) < 0)                                  \
			skip_named("%s is not built", (p)->bin);                 \
	} while (0)

static bool runs(struct endpoint *p, const struct digest *d)
{
	struct seen s = endpoint_look(p);

	return digest_equal(&s.running, d);
}

static void commit(struct endpoint *p, const struct published *b, const struct published *previous)
{
	endpoint_assign(p, b, previous, 1, 10, 0);
	endpoint_until(p, "the bundle is committed", endpoint_runs_committed, b, 1000);
}

static struct published settled(struct endpoint *p)
{
	struct published one = endpoint_bundle(p, GOOD, 110, NULL);

	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	return one;
}

static void slot_path(char out[600], const struct endpoint *p, const struct published *b)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(out, 600, "%s" HOME_CHANNELS "/edr/slots/%s", p->root, hex);
}

static bool whole(const struct endpoint *p, const struct published *b)
{
	char path[600];
	struct err e;

	slot_path(path, p, b);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && tree_verify(dir, &b->digest, NULL, NULL, NULL, &e) == 0;
}

/* One bit of the very file, as a disk turns it. */
static void damage(const struct endpoint *p, const struct published *b, const char *file)
{
	char path[900], slot[600], byte;

	slot_path(slot, p, b);
	snprintf(path, sizeof path, "%s/%s", slot, file);
	AUTO_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 && geteuid())
		skip_named("not root: a read-only file cannot be written");
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, 20), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 20), 1);
}

static ino_t file_of(const struct endpoint *p, const struct published *b, const char *file)
{
	char path[900], slot[600];
	struct stat st;

	slot_path(slot, p, b);
	snprintf(path, sizeof path, "%s/%s", slot, file);
	assert_int_equal(stat(path, &st), 0);
	return st.st_ino;
}

static char *told(struct endpoint *p, const char *command, const char *argument, int status)
{
	char *out = NULL;
	int got = endpoint_command(p, &out, command, argument, NULL);

	if (got != status)
		fail_msg("%s: exit status %d instead of %d:\n%s", command, got, status, out);
	return out;
}

static void assert_tells(struct endpoint *p, const char *command, const char *argument, int status, const char *text)
{
	char *out = told(p, command, argument, status);

	if (!strstr(out, text))
		fail_msg("no \"%s\" in %s:\n%s", text, command, out);
	free(out);
}

/* ---- damage ---- */

struct both {
	struct endpoint *p;
	const struct published *one, *two;
};

static bool both_whole(const struct seen *s, const void *arg)
{
	const struct both *b = arg;

	(void)s;
	return whole(b->p, b->one) && whole(b->p, b->two);
}

static bool rehashed(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_IDLE && s->state.verified_at > *(const int64_t *)arg;
}

static void a_damaged_file_that_two_slots_share_is_noticed_within_a_week_and_both_are_fetched_again(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	int64_t before = 0;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_delta(p, &one, &two, false);
	commit(p, &two, &one);
	endpoint_until(p, "COMMIT re-hashes", rehashed, &before, 1000);
	assert_int_equal(file_of(p, &one, "rules/ipc.json"), file_of(p, &two, "rules/ipc.json"));
	damage(p, &two, "rules/ipc.json");
	assert_false(whole(p, &one));
	*p->clock_ms += WEEK_MS / 2;
	endpoint_agent_end(p, SIGTERM);         /* it is the time that counts, not the process */
	endpoint_agent_start(p);
	*p->clock_ms += WEEK_MS / 2 + 2000;
	endpoint_until(p, "both slots are whole again", both_whole, &(struct both){ p, &one, &two }, 500);
	assert_int_not_equal(file_of(p, &one, "rules/ipc.json"), file_of(p, &two, "rules/ipc.json"));
	assert_true(runs(p, &two.digest));
	before = *p->clock_ms / 1000;
	endpoint_until(p, "the pass is over", rehashed, &before, 60000);
	assert_true(endpoint_has_history(p, "is damaged: rules/ipc.json"));
	assert_true(endpoint_has_history(p, "mended"));
}

static void a_damaged_file_is_never_linked_into_a_new_slot(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	int64_t before = 0;

	NEED_AGENT(p);
	one = settled(p);
	endpoint_until(p, "COMMIT re-hashes", rehashed, &before, 1000);
	damage(p, &one, "rules/ipc.json");
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_delta(p, &one, &two, false);
	commit(p, &two, &one);
	assert_true(whole(p, &two));
	assert_int_not_equal(file_of(p, &one, "rules/ipc.json"), file_of(p, &two, "rules/ipc.json"));
}

static struct published baseline(struct endpoint *p, uint64_t serial)
{
	struct published b = endpoint_bundle(p, GOOD, serial, NULL);
	char *archive, *out;
	struct err e;

	endpoint_publish(p);
	assert_ok(repo_target_file(p->published, b.path, &archive, &e));
	assert_int_equal(endpoint_command(p, &out, "baseline", "edr", archive), 0);
	free(out);
	free(archive);
	return b;
}

static void the_baseline_shares_no_file_and_its_damage_is_reported(void **state)
{
	struct endpoint *p = *state;
	struct published base, one;

	NEED_AGENT(p);
	base = baseline(p, 5);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_delta(p, &base, &one, false);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	assert_true(endpoint_has_history(p, "delta, "));
	assert_int_not_equal(file_of(p, &base, "rules/ipc.json"), file_of(p, &one, "rules/ipc.json"));
	damage(p, &base, "rules/ipc.json");
	*p->clock_ms += WEEK_MS + 1000;
	for (int i = 0; i < 1000; i++) {
		char *out = told(p, "history", "edr", 0);
		bool found = strstr(out, "baseline content, serial 5, is damaged");

		free(out);
		if (found)
			break;
		*p->clock_ms += 100;
		poll(NULL, 0, 50);
		assert_int_not_equal(i, 999);
	}
	assert_true(whole(p, &one));
	assert_true(runs(p, &one.digest));
}

/* ---- contracts ---- */

/* The demo's contract of a sensor that supplies 21 fields to pipes, or only another version of it. */
static void put_contract(struct endpoint *p, bool wide, const char *version)
{
	static const char last[] = "{\"name\": \"image_hash\", \"type\": \"bytes\"}\n        ]}";
	AUTO(buf) struct buf *text = NULL, *out = buf_new(0);
	const char *at, *v;
	struct err e;

	assert_ok(file_read(&text, "deploy/demo/contract.json", 1 << 20, &e));
	v = strstr(text->data, "7.11");
	at = strstr(text->data, last);
	assert_true(v && at && v < at);
	buf_add(out, text->data, (size_t)(v - text->data));
	buf_adds(out, version);
	buf_add(out, v + 4, (size_t)(at - v - 4));
	if (wide)
		buf_adds(out, "{\"name\": \"image_hash\", \"type\": \"bytes\"},\n          {\"name\": \"pipe_flags\", \"type\": \"integer\"}\n        ]}");
	else
		buf_adds(out, last);
	buf_adds(out, at + strlen(last));
	endpoint_write(p, "/etc/ringhold/contract.json", out->data, 0644);
}

static int setup_wide(void **state)
{
	int rc = endpoint_setup_with(state, "contract = /etc/ringhold/contract.json\n");

	put_contract(*state, true, "7.11");
	return rc;
}

static bool on_trial_again(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return s->record.mode == BOOT_TRIAL && s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &b->digest) &&
	       !memcmp(s->record.digest[RUNG_CURRENT], b->digest.bytes, DIGEST_LEN);
}

static void quarantine_for(struct endpoint *p, const struct published *b, const char *cause)
{
	struct quarantine q = { .digest = b->digest, .attempt = 9, .at = clock_now() };
	char path[300];
	struct err e;

	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr", p->root);
	AUTO_FD int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(q.cause, sizeof q.cause, "%s", cause);
	memset(q.contract.bytes, 7, DIGEST_LEN);
	assert_ok(quarantine_add(dir, &q, &e));
}

static bool quarantined(struct endpoint *p, const struct published *b, uint64_t attempt)
{
	char path[512], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/quarantine.d/%s.%llu", p->root, hex, (unsigned long long)attempt);
	return file_exists(path);
}

static void a_contract_that_accepts_what_runs_puts_it_on_trial_again(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	struct seen seen;

	NEED_AGENT(p);
	one = settled(p);
	assert_tells(p, "contract-changed", NULL, 0, "serial 110 is accepted\n");       /* nothing changed */
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);        /* the hook: the old sensor is stopped */
	quarantine_for(p, &one, "ceiling-load");
	put_contract(p, true, "7.12");
	assert_tells(p, "contract-changed", NULL, 0, "and on trial again");
	assert_false(quarantined(p, &one, 9));
	seen = endpoint_look(p);
	assert_true(on_trial_again(&seen, &one));
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the trial is committed", endpoint_runs_committed, &one, 1000);
	assert_int_equal(endpoint_look(p).record.high_water, 110);
	assert_true(endpoint_has_history(p, "accepted, and on trial again"));
}

static void a_running_agent_does_it_too_whoever_tells_it(void **state)
{
	struct endpoint *p = *state;
	struct published one;

	NEED_AGENT(p);
	one = settled(p);
	put_contract(p, true, "7.12");
	endpoint_until(p, "the agent saw the contract change", on_trial_again, &one, 100);
	endpoint_until(p, "the trial is committed", endpoint_runs_committed, &one, 1000);
	put_contract(p, true, "7.13");
	assert_tells(p, "contract-changed", NULL, 0, "serial 110 is accepted");
	endpoint_until(p, "the second trial is committed", endpoint_runs_committed, &one, 1000);
	assert_tells(p, "status", "--json", 0, "\"trouble\": null");     /* the judge reads the new file as well */
}

/* A sensor that dies on what it ran before: late, and back to the content before it. */
static void what_the_new_sensor_does_not_survive_is_left(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);
	put_contract(p, true, "7.12");
	assert_tells(p, "contract-changed", NULL, 0, "serial 111 is accepted, and on trial again");
	p->refused = two.digest;
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the one before is on trial, for the new contract", on_trial_again, &one, 1000);
	assert_true(endpoint_has_history(p, "late_failure"));
	assert_true(quarantined(p, &two, 1));
	endpoint_until(p, "the one before is committed", endpoint_runs_committed, &one, 1000);
}

static struct published refused_soon(struct endpoint *p, struct published *one)
{
	struct published two;

	*one = settled(p);
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	commit(p, &two, one);
	endpoint_agent_end(p, SIGTERM);
	endpoint_sensor_stop(p);
	put_contract(p, false, "7.10");         /* supplies 20 fields: the sensor was taken back */
	return two;
}

/* As a package's postinst runs it, with this agent for the installed one. */
static void assert_hook_says(struct endpoint *p, const char *words)
{
	char script[1400], command[800];
	char *argv[] = { (char *)"sh", (char *)"-c", command, NULL };
	struct proc_run run = { .path = "/bin/sh", .argv = argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 16 };
	struct proc_result r;
	struct err e;

	snprintf(script, sizeof script, "#!/bin/sh\nRINGHOLD_TEST_CLOCK='%s' exec '%s' \"$@\" --root '%s'\n", getenv("RINGHOLD_TEST_CLOCK"),
		 p->bin, p->root);
	endpoint_write(p, "/agent.sh", script, 0755);
	snprintf(command, sizeof command, "RINGHOLD_AGENT='%s/agent.sh'; . deploy/hooks/sensor-upgrade.sh; ringhold_contract_changed 2>&1", p->root);
	assert_ok(proc_run(&run, &r, &e));
	if (!strstr(r.output->data ? r.output->data : "", words))
		fail_msg("no \"%s\" in: %s", words, r.output->data);
	assert_int_equal(r.exit_status, 1);
	proc_result_release(&r);
}

static void what_the_contract_refuses_gives_way_to_what_it_accepts(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	two = refused_soon(p, &one);
	assert_tells(p, "contract-changed", NULL, 3, "serial 110 runs instead");
	assert_true(runs(p, &one.digest));
	assert_true(quarantined(p, &two, 1));
	assert_tells(p, "contract-changed", NULL, 3, "serial 110 runs instead");        /* the same again */
	assert_hook_says(p, "what ran is refused by the new contract; older content runs");
	assert_tells(p, "explain", "111", 0, "quarantined here since");
	assert_true(endpoint_has_history(p, "late_failure"));
}

static void killed_anywhere_it_comes_to_the_same(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;
	int status = -1;

	NEED_AGENT(p);
	two = refused_soon(p, &one);
	for (int life = 5; status != 3; life += 15) {
		pid_t pid = fork();

		assert_true(life < 60000);
		if (pid == 0) {
			int null = open("/dev/null", O_WRONLY);

			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
			execl(p->bin, "ringhold-agent", "contract-changed", "--root", p->root, (char *)NULL);
			_exit(127);
		}
		for (int64_t end = clock_work_ms() + life; clock_work_ms() < end && waitpid(pid, &status, WNOHANG) == 0;)
			poll(NULL, 0, 2);
		if (status >= 0 && WIFEXITED(status) && kill(pid, 0) < 0) {
			status = WEXITSTATUS(status);
			continue;
		}
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		status = -1;
		/* Whatever was running is whole, and one of the two. */
		assert_true((runs(p, &two.digest) && whole(p, &two)) || (runs(p, &one.digest) && whole(p, &one)));
	}
	assert_true(runs(p, &one.digest));
	assert_true(quarantined(p, &two, 1));
}

static void where_nothing_is_accepted_nothing_runs_until_something_is(void **state)
{
	static const struct digest none;
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = endpoint_bundle(p, ONE_MORE, 110, NULL);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	commit(p, &one, NULL);
	endpoint_agent_end(p, SIGTERM);
	put_contract(p, false, "7.10");
	assert_tells(p, "contract-changed", NULL, 4, "nothing on this host is accepted");
	assert_true(runs(p, &none));
	two = endpoint_bundle(p, GOOD, 111, NULL);
	endpoint_agent_start(p);
	commit(p, &two, NULL);
}

/* ---- rules left out ---- */

static void assign_without(struct endpoint *p, const struct published *b, const char *rule)
{
	struct assignment a = { .channel = "edr", .ring = "canary", .attempt = 1, .issued = clock_now(), .reason = "test", .probation_s = 10 };
	struct assignment_drop drop = { .reason = "false positives" };
	AUTO(buf) struct buf *text = buf_new(0);
	struct err e;

	memcpy(a.bundle.path, b->path, sizeof a.bundle.path);
	a.bundle.serial = b->serial;
	snprintf(a.bundle.version, sizeof a.bundle.version, "1");
	a.bundle.digest = b->digest;
	snprintf(drop.rule, sizeof drop.rule, "%s", rule);
	a.drops = &drop;
	a.drop_count = 1;
	assert_ok(assignment_write(text, &a, &e));
	endpoint_put(p, "ring-canary", "rings/canary/edr.json", text, NULL);
	endpoint_publish(p);
}

static bool kept_list(const struct endpoint *p, const struct published *b)
{
	AUTO(buf) struct buf *text = NULL;
	char path[600], hex[DIGEST_HEX_LEN + 1], want[128];
	struct err e;

	digest_hex(hex, &b->digest);
	snprintf(path, sizeof path, "%s" HOME_CHANNELS "/edr/drop.d/%s", p->root, hex);
	snprintf(want, sizeof want, "%s\nipc-0001\n", hex);
	return file_read(&text, path, 4096, &e) == 0 && !strcmp(text->data, want);
}

static bool armed(const struct seen *s, const void *arg)
{
	(void)arg;
	return s->record.mode == BOOT_TRIAL;
}

static bool list_gone(const struct seen *s, const void *arg)
{
	const struct both *b = arg;

	(void)s;
	return !kept_list(b->p, b->one);
}

static void the_list_of_dropped_rules_is_on_disk_before_the_boot_record_names_the_content(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;

	NEED_AGENT(p);
	one = endpoint_bundle(p, GOOD, 110, NULL);
	assign_without(p, &one, "ipc-0001");
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "it is armed", armed, NULL, 1000);
	assert_true(kept_list(p, &one));
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	/* Content to which this host may go back keeps its list; content that is gone has none. */
	two = endpoint_bundle(p, GOOD, 111, NULL);
	commit(p, &two, &one);
	assert_true(kept_list(p, &one));
	three = endpoint_bundle(p, GOOD, 112, NULL);
	commit(p, &three, &two);
	endpoint_until(p, "the list of content that is gone goes too", list_gone, &(struct both){ .p = p, .one = &one }, 100);
}

/* ---- what holds leave out ---- */

static bool compared(const struct seen *s, const void *arg)
{
	const struct published *b = arg;

	return digest_equal(&s->state.compared[1], &b->digest);
}

static void order(struct endpoint *p, const char *command)
{
	free(told(p, command, "edr", 0));
}

/* Everything that is written has its place in the schema. */
static void assert_known(const struct json *root, const struct json *schema, const struct json *v)
{
	const struct json *ref = json_get(schema, "$ref"), *properties;

	if (ref)
		schema = json_get(json_get(root, "$defs"), ref->u.text + strlen("#/$defs/"));
	properties = json_get(schema, "properties");
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count; i++) {
		const struct json *of = properties ? json_get(properties, v->u.members[i].key.text) : NULL;

		if (!of)
			fail_msg("agent-status.schema.json does not know \"%s\"", v->u.members[i].key.text);
		assert_known(root, of, &v->u.members[i].value);
	}
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count; i++)
		assert_known(root, json_get(schema, "items"), &v->u.items[i]);
}

static void assert_status_is_as_published(struct endpoint *p)
{
	static const char path[] = "schema/agent-status.schema.json";
	AUTO(buf) struct buf *raw = NULL;
	AUTO(json) struct json_doc *doc = NULL, *status = NULL;
	struct schema *schema = NULL;
	struct schema_errors errors;
	char *out = told(p, "status", "--json", 0);
	struct err e;

	assert_ok(file_read(&raw, path, 1 << 20, &e));
	assert_ok(json_parse(&doc, path, raw->data, raw->len, NULL, &e));
	assert_ok(schema_compile(&schema, doc, doc->root, &e));
	assert_ok(json_parse(&status, "status", out, strlen(out), NULL, &e));
	if (schema_check(schema, status, status->root, &errors, &e) != 0)
		fail_msg("not valid:\n%s", out);
	assert_known(doc->root, doc->root, status->root);
	schema_free(schema);
	free(out);
}

static void a_hold_says_which_detections_it_leaves_out_and_since_when(void **state)
{
	struct endpoint *p = *state;
	struct published one, two, three;
	char since[CLOCK_TEXT_LEN + 1];
	char *out;

	NEED_AGENT(p);
	one = settled(p);
	order(p, "hold");
	clock_text(since, endpoint_look(p).state.held_since);
	assert_tells(p, "check", NULL, 0, "");
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the missing detections are known", compared, &two, 1000);
	assert_true(runs(p, &one.digest));
	assert_int_equal(p->loads, 1);
	out = told(p, "check", NULL, 1);
	assert_non_null(strstr(out, "leaves out serial 111 (1, "));
	assert_non_null(strstr(out, "1 detections do not run"));
	assert_non_null(strstr(out, "new     ipc-0008, serial 111, since "));
	assert_non_null(strstr(out, "edr: hold since "));
	assert_non_null(strstr(out, since));
	free(out);
	assert_tells(p, "status", NULL, 0, "ipc-0008");
	assert_tells(p, "status", "--json", 0, "\"detection\": \"ipc-0008\"");
	assert_status_is_as_published(p);
	assert_tells(p, "explain", NULL, 0, "ipc-0008");
	assert_tells(p, "explain", "111", 0, "by hold");
	assert_tells(p, "history", "edr", 0, "leaves out serial 111, 1 detections");
	/* A newer one is kept away as well; what was known to be missing keeps its day, and needs no network. */
	*p->clock_ms += 3600 * 1000;
	three = endpoint_bundle(p, ONE_MORE, 112, NULL);
	endpoint_assign(p, &three, &one, 1, 10, 0);
	endpoint_until(p, "the newer one is compared", compared, &three, 1000);
	endpoint_agent_end(p, SIGTERM);
	out = told(p, "check", NULL, 1);
	assert_non_null(strstr(out, "leaves out serial 112"));
	assert_non_null(strstr(out, "leaves out serial 111"));
	assert_non_null(strstr(out, "new     ipc-0008, serial 111, since "));
	free(out);
	order(p, "unhold");
	endpoint_agent_start(p);
	endpoint_until(p, "the newest is committed", endpoint_runs_committed, &three, 1000);
	assert_tells(p, "check", NULL, 0, "");
	assert_status_is_as_published(p);
}

static void a_pin_and_a_disable_say_it_too(void **state)
{
	struct endpoint *p = *state;
	struct published one, two;

	NEED_AGENT(p);
	one = settled(p);
	order(p, "pin");
	two = endpoint_bundle(p, ONE_MORE, 111, NULL);
	endpoint_assign(p, &two, &one, 1, 10, 0);
	endpoint_until(p, "the missing detections are known", compared, &two, 1000);
	assert_tells(p, "check", NULL, 1, "edr: pin since ");
	assert_tells(p, "check", NULL, 1, "new     ipc-0008");
	order(p, "unpin");
	order(p, "disable");
	for (int i = 0; i < 2000; i++) {
		char *out = told(p, "check", NULL, 1);
		bool all = strstr(out, "edr: disabled since ") && strstr(out, "12 detections do not run");

		free(out);
		if (all)
			break;
		*p->clock_ms += 1000;
		poll(NULL, 0, 50);
		assert_int_not_equal(i, 1999);
	}
	assert_status_is_as_published(p);
	order(p, "enable");
	endpoint_until(p, "the newer one is committed", endpoint_runs_committed, &two, 1000);
}

static void explain_says_what_it_knows_of_one_bundle(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char hex[DIGEST_HEX_LEN + 1];

	NEED_AGENT(p);
	one = settled(p);
	digest_hex(hex, &one.digest);
	hex[12] = 0;
	assert_tells(p, "explain", "110", 0, "runs, as current content");
	assert_tells(p, "explain", hex, 0, "survived");
	assert_tells(p, "explain", "109", 1, "this host never saw it");
	assert_tells(p, "explain", "ffffffffffff", 1, "this host never saw it");
	free(told(p, "explain", "zebra", 2));
}

#define TEST(f, setup) cmocka_unit_test_setup_teardown(f, setup, endpoint_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_damaged_file_that_two_slots_share_is_noticed_within_a_week_and_both_are_fetched_again, endpoint_setup),
		TEST(a_damaged_file_is_never_linked_into_a_new_slot, endpoint_setup),
		TEST(the_baseline_shares_no_file_and_its_damage_is_reported, endpoint_setup),
		TEST(a_contract_that_accepts_what_runs_puts_it_on_trial_again, setup_wide),
		TEST(a_running_agent_does_it_too_whoever_tells_it, setup_wide),
		TEST(what_the_new_sensor_does_not_survive_is_left, setup_wide),
		TEST(what_the_contract_refuses_gives_way_to_what_it_accepts, setup_wide),
		TEST(killed_anywhere_it_comes_to_the_same, setup_wide),
		TEST(where_nothing_is_accepted_nothing_runs_until_something_is, setup_wide),
		TEST(the_list_of_dropped_rules_is_on_disk_before_the_boot_record_names_the_content, endpoint_setup),
		TEST(a_hold_says_which_detections_it_leaves_out_and_since_when, setup_wide),
		TEST(a_pin_and_a_disable_say_it_too, setup_wide),
		TEST(explain_says_what_it_knows_of_one_bundle, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
