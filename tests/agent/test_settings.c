/* test_settings: what agent.ini may say, and what is refused with file and line. */
#include <stdio.h>
#include <sys/stat.h>

#include "agent/settings.h"
#include "base/file.h"
#include "scratch.h"

static int load(struct settings **s, const char *text, struct err *why)
{
	char path[256];
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold", scratch);
	assert_ok(file_mkdirs(path, 0755, &e));
	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", scratch);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	return settings_load(s, scratch, NULL, why);
}

static void one_channel_is_all_a_host_must_say(void **state)
{
	AUTO(settings) struct settings *s = NULL;
	struct err e;

	(void)state;
	assert_ok(load(&s, "[channel edr]\n", &e));
	assert_int_equal(s->channel_count, 1);
	assert_string_equal(s->content_repo, "content");
	assert_int_equal(settings_repo(s, REPO_RINGS), REPO_CONTENT);
	assert_int_equal(s->boot_ok_s, 120);
	assert_int_equal(s->min_age_s[0], -1);
	assert_true(s->channels[0].watch);
	assert_non_null(settings_channel(s, "edr"));
	assert_null(settings_channel(s, "yara"));
}

static void two_repositories_and_ages_are_read(void **state)
{
	AUTO(settings) struct settings *s = NULL;
	struct err e;

	(void)state;
	assert_ok(load(&s, "[agent]\ncontent-url = https://v/c\nrings-repo = ours\nrings-url = https://x/y\nmin-age = 0 30m 2h\npoll = 90s\n[channel a]\n[channel b]\nwatch = no\n", &e));
	assert_int_equal(settings_repo(s, REPO_RINGS), REPO_RINGS);
	assert_string_equal(settings_repo_name(s, REPO_RINGS), "ours");
	assert_int_equal(s->min_age_s[1], 1800);
	assert_int_equal(s->min_age_s[3], -1);
	assert_int_equal(s->channel_count, 2);
	assert_false(s->channels[1].watch);
}

static void what_is_not_understood_is_an_error_with_file_and_line(void **state)
{
	static const struct { const char *text, *says; } bad[] = {
		{ "[agent]\nserver = https://x\nserwer = 1\n[channel a]\n", "agent.ini:3" },
		{ "[agents]\n", "agent.ini:1" },
		{ "[channel a]\nspeed = 3\n", "agent.ini:2" },
		{ "[channel Not_A_Name]\n", "[channel Not_A_Name]" },
		{ "[channel a]\n[channel a]\n", "agent.ini:2" },
		{ "[agent]\npoll = soon\n[channel a]\n", "agent.ini:2" },
		{ "[agent]\npoll = 0\n[channel a]\n", "agent.ini:2" },
		{ "[agent]\nserver = ftp://x\n[channel a]\n", "server" },
		{ "[agent]\nmin-age = 0 later\n[channel a]\n", "min-age" },
		{ "[agent]\ncontent-repo = ../x\n[channel a]\n", "content-repo" },
		{ "[agent]\n", "no [channel NAME]" },
		{ "", "no [channel NAME]" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(settings) struct settings *s = NULL;
		struct err e;

		assert_refused(load(&s, bad[i].text, &e), ERR_USAGE, bad[i].says);
		assert_null(s);
	}
}

static void commands_lie_below_etc_and_nowhere_else(void **state)
{
	static const char *const bad[] = {
		"[channel a]\nreload = /tmp/reload\n", "[channel a]\nprobe = reload\n", "[channel a]\nprobe = /etc/../tmp/x\n",
		"[channel a]\nexec = clamav=/usr/bin/clamscan\n", "[channel a]\nexec = /etc/x\n", "[channel a]\nexec = clamav=\n",
		"[channel a]\nreload = /etc/x\npidfile = /run/x\n", "[channel a]\nsignal = KILL\n",
	};
	AUTO(settings) struct settings *fine = NULL;
	struct err e;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(settings) struct settings *s = NULL;

		assert_int_equal(load(&s, bad[i], &e), ERR_USAGE);
	}
	assert_ok(load(&fine, "[channel a]\nreload = /etc/ringhold/reload\nexec = clamav=/etc/ringhold/clamav yara2=/etc/ringhold/y\n", &e));
	assert_string_equal(fine->channels[0].exec[1], "yara2=/etc/ringhold/y");
}

static void too_many_channels_are_refused(void **state)
{
	char text[1024] = "";
	AUTO(settings) struct settings *s = NULL;
	struct err e;

	(void)state;
	for (int i = 0; i <= SETTINGS_CHANNELS_MAX; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "[channel c%d]\n", i);
	assert_true(load(&s, text, &e) < 0);
	assert_null(s);
}

static void a_missing_file_is_named(void **state)
{
	AUTO(settings) struct settings *s = NULL;
	struct err e;

	(void)state;
	assert_refused(settings_load(&s, "/nonexistent", NULL, &e), ERR_NOT_FOUND, "/nonexistent/etc/ringhold/agent.ini");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_channel_is_all_a_host_must_say),
		cmocka_unit_test(two_repositories_and_ages_are_read),
		cmocka_unit_test(what_is_not_understood_is_an_error_with_file_and_line),
		cmocka_unit_test(commands_lie_below_etc_and_nowhere_else),
		cmocka_unit_test(too_many_channels_are_refused),
		cmocka_unit_test(a_missing_file_is_named),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
