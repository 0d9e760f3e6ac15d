/* test_guard: what the real boot guard decides, boot after boot. */
#include "guard_run.h"

static void change(void (*how)(struct boot_record *r))
{
	struct boot_record r = machine_read(CHANNEL);
	struct boot_report why;
	int dir = boot_channel_open(root, CHANNEL, &why);

	how(&r);
	assert_int_equal(boot_record_write(&r, dir, &why), 0);
	close(dir);
}

static void a_boot_loop_walks_down_to_none_and_the_machine_always_boots(void **state)
{
	char ran[20];

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	boots(ran, 13);
	assert_string_equal(ran, "TTCCCPPPBBB--");
}

static void the_agent_and_the_sensor_are_told_what_happened(void **state)
{
	struct boot_status s;

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	boot();
	s = machine_status(CHANNEL);
	assert_true(s.trial);
	assert_int_equal(s.mode, BOOT_TRIAL);
	assert_int_equal(s.tries_left, 1);
	assert_int_equal(s.reason, BOOT_COUNTED);
	assert_int_equal(s.digest[0], 'T');
	boot();
	boot();
	s = machine_status(CHANNEL);
	assert_false(s.trial);
	assert_false(s.late_failure);
	assert_int_equal(s.rung, RUNG_CURRENT);
	assert_int_equal(s.left, RUNG_TRIAL);
	assert_int_equal(s.failed[0], 'T');
	assert_int_equal(s.reason, BOOT_STEPPED);
	assert_non_null(strstr(said, "edr: current 434343434343 (committed, stepped, 2 tries left),"
				     " stepped down from trial 545454545454\n"));
	for (int i = 0; i < 3; i++)
		boot();
	s = machine_status(CHANNEL);
	assert_true(s.late_failure);
	assert_int_equal(s.failed[0], 'C');
	assert_int_equal(s.digest[0], 'B');
}

static void a_good_boot_and_a_clean_shutdown_start_the_count_anew(void **state)
{
	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	for (int i = 0; i < 6; i++) {
		assert_int_equal(boot(), 'T');
		change(i % 2 ? boot_mark_ok : boot_mark_clean);
	}
	assert_int_equal(boot(), 'T');
	assert_int_equal(boot(), 'T');
	assert_int_equal(boot(), 'C');
}

static void the_guard_run_twice_in_a_boot_counts_once(void **state)
{
	struct boot_status s;

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	boot();
	boot();
	boot();
	for (int i = 0; i < 9; i++) {
		assert_int_equal(guard(), 0);
		assert_int_equal(machine_runs(CHANNEL), 'C');
	}
	s = machine_status(CHANNEL);
	assert_int_equal(s.reason, BOOT_SAME);
	assert_int_equal(s.tries_left, 2);
	/* And what the first run saw is not forgotten. */
	assert_int_equal(s.left, RUNG_TRIAL);
	assert_int_equal(s.failed[0], 'T');
}

static void an_initramfs_where_the_root_has_no_proc_counts_its_boot_once(void **state)
{
	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	power_up();
	/* The id of the kernel that runs both: an initramfs is one boot with the system after it. */
	shell_must("rm -r %s/proc", root);
	assert_int_equal(guard(), 0);
	assert_int_equal(machine_runs(CHANNEL), 'T');
	assert_int_equal(machine_read(CHANNEL).tries_left, 1);
	assert_int_equal(guard(), 0);
	shell_must("mkdir -p %s/proc/sys/kernel/random &&"
		   "cp /proc/sys/kernel/random/boot_id %s/proc/sys/kernel/random/", root, root);
	assert_int_equal(guard(), 0);
	assert_int_equal(machine_read(CHANNEL).tries_left, 1);
	assert_int_equal(machine_runs(CHANNEL), 'T');
}

static void a_boot_without_an_id_counts(void **state)
{
	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	for (int i = 0; i < 3; i++) {
		power_up();
		shell_must("echo nothing >%s/proc/sys/kernel/random/boot_id", root);
		assert_int_equal(guard(), 0);
		assert_int_equal(machine_runs(CHANNEL), i < 2 ? 'T' : 'C');
	}
}

static void a_disabled_channel_has_no_link(void **state)
{
	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " C B");
	assert_int_equal(boot(), 'C');
	change(boot_disable);
	assert_int_equal(guard(), 0);
	assert_int_equal(machine_runs(CHANNEL), '-');
	assert_int_equal(boot(), '-');
}

static void pin(struct boot_record *r)
{
	assert_true(boot_pin(r));
}

static void revert(struct boot_record *r)
{
	assert_true(boot_revert(r));
}

static void leave_for_previous(struct boot_record *r)
{
	assert_true(boot_leave(r, r->digest[RUNG_PREVIOUS]));
}

static void enable(struct boot_record *r)
{
	assert_true(boot_enable(r));
}

static void try_again(struct boot_record *r)
{
	uint8_t digest[BOOT_DIGEST_LEN];

	memset(digest, 'C', sizeof digest);
	boot_settle(r);
	assert_true(boot_arm(r, digest, 2));
}

/* By hand, with the machine off right afterwards: the link is not yet there, the record is. */
static void what_was_ordered_by_hand_is_honoured_at_the_next_boot(void **state)
{
	char ran[8];

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	assert_int_equal(boot(), 'T');
	change(revert);
	assert_int_equal(boot(), 'C');
	change(leave_for_previous);
	assert_int_equal(boot(), 'P');
	change(pin);
	assert_int_equal(boot(), 'P');
	assert_int_equal(machine_status(CHANNEL).mode, BOOT_PINNED);
	change(boot_disable);
	boots(ran, 5);
	assert_string_equal(ran, "-----");
	assert_int_equal(machine_status(CHANNEL).reason, BOOT_OFF);
	change(enable);
	assert_int_equal(boot(), 'P');
}

static void a_pin_holds_its_content_but_not_the_machine(void **state)
{
	char ran[8];

	(void)state;
	install(BOOT_PINNED, RUNG_CURRENT, " C B");
	boots(ran, 5);
	assert_string_equal(ran, "CCCBB");
	assert_int_equal(machine_status(CHANNEL).mode, BOOT_PINNED);
}

static void every_rung_has_tries_of_its_own(void **state)
{
	struct boot_record r = machine_record(BOOT_TRIAL, RUNG_TRIAL, "TCPB");
	char ran[16];

	(void)state;
	shell_must("rm -rf %s/var %s/run", root, root);
	memcpy(r.tries, (uint8_t[]){ 1, 4, 2, 3 }, sizeof r.tries);
	r.tries_left = 1;
	machine_install(CHANNEL, &r);
	boots(ran, 11);
	assert_string_equal(ran, "TCCCCPPBBB-");
}

static void an_operator_goes_back_up_with_all_tries(void **state)
{
	char ran[16];

	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " C B");
	boots(ran, 7);
	assert_string_equal(ran, "CCCBBB-");
	/* The same content again, as another attempt: on trial, and below it what ran. */
	change(try_again);
	boots(ran, 6);
	assert_string_equal(ran, "CCBBB-");
	/* Disabled and enabled again: from the top of what is left. */
	change(boot_disable);
	change(enable);
	boots(ran, 4);
	assert_string_equal(ran, "BBB-");
}

static void a_shutdown_in_order_is_no_failure_and_a_power_cut_is_one(void **state)
{
	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " C B");
	for (int i = 0; i < 8; i++) {
		assert_int_equal(boot(), 'C');
		change(boot_mark_clean);
	}
	/* The mark is spent with the boot that finds it. */
	assert_int_equal(boot(), 'C');
	assert_int_equal(machine_read(CHANNEL).flags, 0);
	assert_int_equal(boot(), 'C');
	assert_int_equal(boot(), 'C');
	assert_int_equal(boot(), 'B');
	assert_true(machine_status(CHANNEL).late_failure);
}

static void a_slot_that_is_gone_is_never_linked(void **state)
{
	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	shell_must("rm -rf %s/var/lib/ringhold/channels/edr/slots/%s", root,
		   machine_hex('C'));
	assert_int_equal(boot(), 'P');
	assert_int_equal(machine_status(CHANNEL).reason, BOOT_SLOT_MISSING);
	/* A file or a link of that name is no slot. */
	shell_must("cd %s/var/lib/ringhold/channels/edr/slots && rm -rf %s && ln -s %s %s",
		   root, machine_hex('P'), machine_hex('B'), machine_hex('P'));
	assert_int_equal(boot(), 'B');
}

static void a_damaged_or_missing_record_runs_nothing_and_boots(void **state)
{
	static const struct { const char *how, *words; bool unread; } damages[] = {
		{ "rm boot", NULL, false },     /* a host before its first content looks like this */
		{ ": >boot", "damaged", false },
		{ "head -c 8192 /dev/urandom >boot", "damaged", false },
		{ "head -c 8192 /dev/zero >boot", "damaged", false },
		{ "rm boot; mkdir boot", "not a regular file", true },
		{ "rm -rf boot; ln -s /etc/passwd boot", "Too many levels", true },
		{ "rm boot; mkfifo boot", "not a regular file", true },
		{ "rm boot; head -c 300 /dev/urandom >boot", "damaged", false },
	};

	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
	assert_int_equal(boot(), 'C');
	for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
		shell_must("cd %s/var/lib/ringhold/channels/edr && %s", root, damages[i].how);
		assert_int_equal(boot(), '-');
		assert_int_equal(machine_status(CHANNEL).reason, BOOT_NO_RECORD);
		assert_int_equal(machine_status(CHANNEL).uncounted, damages[i].unread);
		if (damages[i].words)
			assert_non_null(strstr(machine_status(CHANNEL).report, damages[i].words));
		else
			assert_string_equal(machine_status(CHANNEL).report, "");
	}
}

static void one_damaged_place_is_reported_and_the_other_counts(void **state)
{
	(void)state;
	for (int place = 0; place < 2; place++) {
		install(BOOT_COMMITTED, RUNG_CURRENT, " CPB");
		shell_must("dd if=/dev/urandom of=%s/var/lib/ringhold/channels/edr/boot bs=512"
			   " count=1 seek=%d conv=notrunc 2>/dev/null", root, place * 8);
		assert_int_equal(boot(), 'C');
		assert_non_null(strstr(machine_status(CHANNEL).report, "damaged in one place"));
		assert_int_equal(boot(), 'C');
		assert_string_equal(machine_status(CHANNEL).report, "");
	}
}

static void a_machine_without_channels_boots(void **state)
{
	(void)state;
	shell_must("rm -rf %s/var %s/run", root, root);
	assert_int_equal(guard(), 0);
	assert_non_null(strstr(said, "channels"));
	shell_must("mkdir -p %s/var/lib/ringhold/channels/NOT_A_CHANNEL"
		   " %s/var/lib/ringhold/channels/.hidden", root, root);
	assert_int_equal(guard(), 0);
	assert_string_equal(said, "");
}

static void every_channel_is_guarded_for_itself(void **state)
{
	struct boot_record good = machine_record(BOOT_COMMITTED, RUNG_CURRENT, " C  ");

	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	machine_install("av", &good);
	shell_must("mkdir -p %s/var/lib/ringhold/channels/broken", root);
	assert_int_equal(boot(), 'T');
	assert_int_equal(machine_runs("av"), 'C');
	assert_int_equal(machine_runs("broken"), '-');
	assert_int_equal(machine_status("broken").reason, BOOT_NO_RECORD);
}

static void stale_links_and_strange_run_directories_are_put_right(void **state)
{
	(void)state;
	install(BOOT_COMMITTED, RUNG_CURRENT, " C B");
	power_up();
	shell_must("mkdir -p %s/run/ringhold/edr && ln -s /etc %s/run/ringhold/edr/current &&"
		   "ln -s /nowhere %s/run/ringhold/edr/.current.new", root, root, root);
	assert_int_equal(guard(), 0);
	assert_int_equal(machine_runs(CHANNEL), 'C');
	power_up();
	shell_must(": >%s/run/ringhold", root);
	assert_int_equal(guard(), 0);
	assert_non_null(strstr(said, "Not a directory"));
	/* The boot was counted all the same. */
	assert_int_equal(machine_read(CHANNEL).tries_left, 1);
}

static void programs_get_json(void **state)
{
	(void)state;
	install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
	power_up();
	assert_int_equal(guard_under("", "--json"), 0);
	assert_memory_equal(said, "{\"channel\":\"edr\",\"mode\":\"trial\",\"rung\":\"trial\",", 45);
	assert_non_null(strstr(said, "\"tries_left\":1,\"reason\":\"counted\",\"left\":\"none\","
				     "\"failed\":\"\",\"left_for\":\"counted\",\"late_failure\":false,"
				     "\"uncounted\":false,\"report\":\"\"}\n"));
}

static void wrong_use_is_status_2_and_help_is_told(void **state)
{
	(void)state;
	assert_int_equal(guard_under("", "--frobnicate"), 2);
	assert_non_null(strstr(said, "--frobnicate: wrong use"));
	assert_int_equal(guard_under("", "--root"), 2);
	assert_int_equal(guard_under("", "--help"), 0);
	assert_non_null(strstr(said, "usage: ringhold-bootguard"));
	assert_int_equal(guard_under("", "--version"), 0);
	assert_memory_equal(said, "ringhold-bootguard ", 19);
}

/* Not by a call of libc's either: nothing maps memory once it looked at its first file. */
static void after_its_start_the_guard_asks_for_no_memory(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	skip_named("a sanitizer's runtime is linked in");
#endif
	for (int damaged = 0; damaged < 2; damaged++) {
		const char *started, *json = damaged ? "--json" : "";

		install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
		if (damaged)
			shell_must("echo >%s/var/lib/ringhold/channels/edr/boot", root);
		power_up();
		if (guard_under(STRACE " -qq -e trace=openat,brk,mmap,mremap ", json) != 0)
			skip_named("strace cannot trace here");
		started = strstr(said, "boot_id");
		assert_non_null(started);
		assert_non_null(strstr(started, "/var/lib/ringhold/channels"));
		if (strstr(started, "brk(") || strstr(started, "mmap(") || strstr(started, "mremap("))
			fail_msg("%s", started);
	}
}

static void the_guard_never_allocates_nor_asks_for_the_time(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	(void)state;
	skip_named("a sanitizer's runtime is linked in");
#else
	(void)state;
	if (!shell_ok("nm --version >/dev/null 2>&1"))
		skip_named("there is no nm");
	shell_must("! nm -u %s | grep -E ' (malloc|calloc|realloc|opendir|fopen|time|"
		   "clock_gettime|gettimeofday|socket|dprintf|printf|strdup|asprintf)(@|$)'",
		   test_program("ringhold-bootguard"));
#endif
}

/* But for its command line and the kernel's own id of the boot, all it reads are records of a fixed size. */
static void the_guard_has_no_parser_of_text(void **state)
{
	(void)state;
	if (!shell_ok("nm --version >/dev/null 2>&1"))
		skip_named("there is no nm");
	shell_must("nm %s | grep -q ' T text_write$'", test_program("ringhold-bootguard"));  /* so the next line can fail */
	shell_must("! nm %s | grep -E ' (text_read|text_get[a-z_]*|strtol+|strto[a-z]+|sscanf|__isoc99_sscanf)(@|$)'",
		   test_program("ringhold-bootguard"));
}

/* The sensor writes into that directory too: what it may leave there is not taken for the guard's. */
static void what_is_no_record_of_the_guards_tells_of_no_step(void **state)
{
	static const char *const damages[] = {
		"rm guard", ": >guard", "head -c 512 /dev/urandom >guard", "head -c 512 /dev/zero >guard", "echo >>guard",
		"head -c 511 guard >g && mv g guard", "rm guard && mkdir guard", "rm guard && mkfifo guard", "mv guard g && ln -s g guard",
		"printf x | dd of=guard bs=1 seek=14 conv=notrunc 2>/dev/null",
	};

	(void)state;
	for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
		struct boot_status s;

		install(BOOT_TRIAL, RUNG_TRIAL, "TC B");
		assert_int_equal(boot(), 'T');
		assert_int_equal(boot(), 'T');
		assert_int_equal(boot(), 'C');
		assert_int_equal(machine_status(CHANNEL).left, RUNG_TRIAL);
		shell_must("cd %s/run/ringhold/edr && %s", root, damages[i]);
		assert_int_equal(guard(), 0);
		assert_int_equal(machine_runs(CHANNEL), 'C');
		if (strstr(damages[i], "mkdir"))        /* nothing can take its place; that is said, and no more */
			continue;
		s = machine_status(CHANNEL);
		assert_int_equal(s.reason, BOOT_SAME);
		assert_int_equal(s.left, RUNG_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_boot_loop_walks_down_to_none_and_the_machine_always_boots),
		cmocka_unit_test(the_agent_and_the_sensor_are_told_what_happened),
		cmocka_unit_test(a_good_boot_and_a_clean_shutdown_start_the_count_anew),
		cmocka_unit_test(the_guard_run_twice_in_a_boot_counts_once),
		cmocka_unit_test(an_initramfs_where_the_root_has_no_proc_counts_its_boot_once),
		cmocka_unit_test(a_boot_without_an_id_counts),
		cmocka_unit_test(a_disabled_channel_has_no_link),
		cmocka_unit_test(what_was_ordered_by_hand_is_honoured_at_the_next_boot),
		cmocka_unit_test(a_pin_holds_its_content_but_not_the_machine),
		cmocka_unit_test(every_rung_has_tries_of_its_own),
		cmocka_unit_test(an_operator_goes_back_up_with_all_tries),
		cmocka_unit_test(a_shutdown_in_order_is_no_failure_and_a_power_cut_is_one),
		cmocka_unit_test(a_slot_that_is_gone_is_never_linked),
		cmocka_unit_test(a_damaged_or_missing_record_runs_nothing_and_boots),
		cmocka_unit_test(one_damaged_place_is_reported_and_the_other_counts),
		cmocka_unit_test(a_machine_without_channels_boots),
		cmocka_unit_test(every_channel_is_guarded_for_itself),
		cmocka_unit_test(stale_links_and_strange_run_directories_are_put_right),
		cmocka_unit_test(programs_get_json),
		cmocka_unit_test(wrong_use_is_status_2_and_help_is_told),
		cmocka_unit_test(after_its_start_the_guard_asks_for_no_memory),
		cmocka_unit_test(the_guard_never_allocates_nor_asks_for_the_time),
		cmocka_unit_test(the_guard_has_no_parser_of_text),
		cmocka_unit_test(what_is_no_record_of_the_guards_tells_of_no_step),
	};

	return guard_tests(tests);
}
