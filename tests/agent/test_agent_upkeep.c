/* test_agent_upkeep: damaged slots and the lists of dropped rules, with the real agent. */
#include "endpoint_delta.h"
#include "endpoint_drops.h"
#include "endpoint_story.h"

#define WEEK_MS ((int64_t)7 * 86400 * 1000)

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

/* ---- rules left out ---- */

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
	endpoint_assign_without(p, &one, (const char *const[]){ "ipc-0001" }, 1, 10);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(a_damaged_file_that_two_slots_share_is_noticed_within_a_week_and_both_are_fetched_again, endpoint_setup),
		ENDPOINT_TEST(a_damaged_file_is_never_linked_into_a_new_slot, endpoint_setup),
		ENDPOINT_TEST(the_baseline_shares_no_file_and_its_damage_is_reported, endpoint_setup),
		ENDPOINT_TEST(the_list_of_dropped_rules_is_on_disk_before_the_boot_record_names_the_content, endpoint_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
