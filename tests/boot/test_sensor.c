/* sensor: content is opened whole, whatever is switched and cleaned meanwhile. */
#include "tests/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "boot/sensor_status.h"
#include "tests/boot/machine.h"

#define CHANNEL "edr"
#define OPENS 3000

static int run_fd = -1;

static const uint8_t *digest(char letter)
{
	static uint8_t bytes[BOOT_DIGEST_LEN];

	memset(bytes, letter, sizeof bytes);
	return bytes;
}

static void point_at(char letter)
{
	struct boot_report why;

	if (boot_link_set(run_fd, CHANNEL, letter ? digest(letter) : NULL, &why) < 0)
		fail_msg("%s", why.text);
}

static int fresh_machine(void **state)
{
	struct boot_record r = machine_record(BOOT_COMMITTED, RUNG_CURRENT, "TCPB");
	struct boot_report why;

	(void)state;
	shell_must("rm -rf %s/var %s/run && mkdir %s/run", root, root, root);
	machine_install(CHANNEL, &r);
	run_fd = boot_run_open(root, CHANNEL, true, &why);
	assert_true(run_fd >= 0);
	return 0;
}

static int close_machine(void **state)
{
	(void)state;
	close(run_fd);
	return 0;
}

static struct ringhold_sensor open_sensor(void)
{
	struct ringhold_why why;
	struct ringhold_sensor s;

	if (ringhold_open(&s, root, CHANNEL, &why) < 0)
		fail_msg("%s", why.text);
	return s;
}

static char letter_in(int dir)
{
	char letter = '?';
	int fd = openat(dir, "name", O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &letter, 1), 1);
	close(fd);
	return letter;
}

static void content_is_what_the_link_names_and_its_digest_is_told(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct ringhold_content c;
	struct ringhold_why why;

	(void)state;
	assert_int_equal(ringhold_content_open(&c, &s, &why), 0);
	assert_int_equal(c.dir, -1);
	point_at('C');
	assert_int_equal(ringhold_content_open(&c, &s, &why), 1);
	assert_int_equal(letter_in(c.dir), 'C');
	assert_string_equal(c.digest_hex, machine_hex('C'));
	/* A switch does not change what is open. */
	point_at('P');
	assert_int_equal(letter_in(c.dir), 'C');
	ringhold_content_close(&c);
	ringhold_content_close(&c);
	point_at(0);
	assert_int_equal(ringhold_content_open(&c, &s, &why), 0);
	ringhold_close(&s);
}

static void open_content_cannot_be_cleaned_away(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct ringhold_content c;
	struct ringhold_why why;
	char path[600];
	int cleaner;

	(void)state;
	point_at('C');
	assert_int_equal(ringhold_content_open(&c, &s, &why), 1);
	snprintf(path, sizeof path, "%s/var/lib/ringhold/channels/edr/slots/%s", root,
		 machine_hex('C'));
	cleaner = open(path, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(cleaner, LOCK_EX | LOCK_NB), -1);
	ringhold_content_close(&c);
	assert_int_equal(flock(cleaner, LOCK_EX | LOCK_NB), 0);
	close(cleaner);
	ringhold_close(&s);
}

static void a_link_that_leads_elsewhere_is_refused(void **state)
{
	static const char *const targets[] = { "/etc", "../../../var", "slots/41", "/slots/zz" };
	struct ringhold_sensor s = open_sensor();
	struct ringhold_content c;
	struct ringhold_why why;

	(void)state;
	for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
		unlinkat(run_fd, "current", 0);
		assert_int_equal(symlinkat(targets[i], run_fd, "current"), 0);
		assert_int_equal(ringhold_content_open(&c, &s, &why), -1);
		assert_non_null(strstr(why.text, "leads to no slot"));
	}
	point_at('X');
	assert_int_equal(ringhold_content_open(&c, &s, &why), -1);
	assert_non_null(strstr(why.text, "gone or being removed"));
	ringhold_close(&s);
}

/* Another process switches and cleans as fast as it can. */
static pid_t start_switching(void)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (char letter = 'C';; letter = letter == 'C' ? 'P' : 'C') {
		char other = letter == 'C' ? 'P' : 'C', path[600];
		struct boot_report why;
		int slot;

		(void)!boot_link_set(run_fd, CHANNEL, digest(letter), &why);
		snprintf(path, sizeof path, "%s/var/lib/ringhold/channels/edr/slots/%s", root,
			 machine_hex(other));
		slot = open(path, O_RDONLY | O_DIRECTORY);
		/* Clean-up takes the lock or skips; then the slot comes back whole. */
		if (slot >= 0 && flock(slot, LOCK_EX | LOCK_NB) == 0) {
			char away[700];

			snprintf(away, sizeof away, "%s/var/lib/ringhold/channels/edr/away", root);
			rename(path, away);
			rename(away, path);
		}
		close(slot);
	}
}

static void a_switch_at_any_moment_never_mixes_two_contents(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct ringhold_content c;
	struct ringhold_why why;
	int tried = 0, opened = 0, changes = 0;
	time_t until = time(NULL) + 60;         /* by then even a machine that is very busy has run the other process */
	char last = 0;
	pid_t switcher;

	(void)state;
	point_at('C');
	switcher = start_switching();
	for (; tried < OPENS || (changes == 0 && time(NULL) < until); tried++) {
		if (ringhold_content_open(&c, &s, &why) != 1)
			continue;
		opened++;
		assert_int_equal(letter_in(c.dir), (char)c.digest[0]);
		changes += last && (char)c.digest[0] != last;
		last = (char)c.digest[0];
		ringhold_content_close(&c);
	}
	kill(switcher, SIGKILL);
	waitpid(switcher, NULL, 0);
	assert_true(opened > tried / 2);
	assert_true(changes > 0);
	ringhold_close(&s);
}

static bool readable(const struct ringhold_sensor *s)
{
	struct pollfd p = { .fd = s->notify, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void every_switch_is_told_and_nothing_else(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct ringhold_why why;

	(void)state;
	assert_false(ringhold_switched(&s));
	point_at('C');
	assert_true(readable(&s));
	assert_true(ringhold_switched(&s));
	assert_false(ringhold_switched(&s));
	assert_false(readable(&s));
	point_at('C');                  /* so already: no event */
	assert_false(ringhold_switched(&s));
	assert_int_equal(ringhold_report(&s, NULL, RINGHOLD_HEALTHY, "", 1, &why), 0);
	assert_false(ringhold_switched(&s));
	point_at(0);
	assert_true(ringhold_switched(&s));
	for (int i = 0; i < 1000; i++)
		point_at(i % 2 ? 'C' : 'P');
	assert_true(ringhold_switched(&s));
	assert_false(ringhold_switched(&s));
	ringhold_close(&s);
}

static void the_agent_reads_what_the_sensor_reported(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct ringhold_content c;
	struct sensor_status got;
	struct boot_report trouble;
	struct ringhold_why why;

	(void)state;
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 0);
	point_at('C');
	assert_int_equal(ringhold_content_open(&c, &s, &why), 1);
	assert_int_equal(ringhold_report(&s, &c, RINGHOLD_UNHEALTHY, "line 1\nstate=healthy\x1b", 77, &why),
			 0);
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 1);
	assert_int_equal(got.pid, getpid());
	assert_true(got.alive);
	assert_int_equal(got.state, RINGHOLD_UNHEALTHY);
	assert_memory_equal(got.digest, c.digest, BOOT_DIGEST_LEN);
	assert_int_equal(got.since, 77);
	assert_string_equal(got.reason, "line 1?state=healthy?");
	ringhold_content_close(&c);
	assert_int_equal(ringhold_report(&s, NULL, RINGHOLD_STOPPED, "", 78, &why), 0);
	ringhold_close(&s);
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 1);
	assert_int_equal(got.state, RINGHOLD_STOPPED);
	assert_false(got.alive);
	assert_int_equal(got.digest[0], 0);
}

static void a_reason_of_any_length_is_cut(void **state)
{
	struct ringhold_sensor s = open_sensor();
	struct sensor_status got;
	struct boot_report trouble;
	struct ringhold_why why;
	char reason[5000];

	(void)state;
	memset(reason, 'r', sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	assert_int_equal(ringhold_report(&s, NULL, RINGHOLD_UNHEALTHY, reason, 1, &why), 0);
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 1);
	assert_int_equal(strlen(got.reason), sizeof got.reason - 1);
	ringhold_close(&s);
}

static void a_dead_sensor_is_not_alive(void **state)
{
	struct sensor_status got;
	struct boot_report trouble;
	struct ringhold_why why;
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct ringhold_sensor s = open_sensor();

		if (ringhold_report(&s, NULL, RINGHOLD_HEALTHY, "", 1, &why) == 0)
			(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 1);
	assert_true(got.alive);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(sensor_status_read(&got, run_fd, &trouble), 1);
	assert_false(got.alive);
	assert_int_equal(got.state, RINGHOLD_HEALTHY);    /* its last word; `alive` tells */
	close(ready[0]);
	close(ready[1]);
}

static void whether_this_boot_is_on_trial_can_be_asked(void **state)
{
	struct boot_status status = { .trial = true, .left = RUNG_NONE };
	struct ringhold_sensor s = open_sensor();
	struct boot_report why;

	(void)state;
	assert_false(ringhold_on_trial(&s));
	assert_int_equal(boot_status_write(run_fd, &status, &why), 0);
	assert_true(ringhold_on_trial(&s));
	status.trial = false;
	assert_int_equal(boot_status_write(run_fd, &status, &why), 0);
	assert_false(ringhold_on_trial(&s));
	ringhold_close(&s);
}

static void a_mangled_status_is_malformed_and_never_a_state(void **state)
{
	static const char *const texts[] = {
		"", "x", "pid=1", "pid=1\n", "pid=0\ndigest=\nstate=healthy\nsince=1\nreason=\n",
		"pid=1\ndigest=41\nstate=healthy\nsince=1\nreason=\n",
		"pid=1\ndigest=\nstate=fine\nsince=1\nreason=\n",
		"pid=1\ndigest=\nstate=healthy\nsince=1x\nreason=\n",
		"pid=99999999999\ndigest=\nstate=healthy\nsince=1\nreason=\n",
	};
	struct sensor_status got;
	struct boot_report why;

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		int fd = openat(run_fd, "sensor", O_WRONLY | O_CREAT | O_TRUNC, 0600);

		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		close(fd);
		assert_int_equal(sensor_status_read(&got, run_fd, &why), -1);
	}
	shell_must("yes a=b | head -c 5000 >%s/run/ringhold/edr/sensor", root);
	assert_int_equal(sensor_status_read(&got, run_fd, &why), -1);
	shell_must("cd %s/run/ringhold/edr && rm sensor && mkfifo sensor", root);
	assert_int_equal(sensor_status_read(&got, run_fd, &why), -1);
}

static void a_name_that_is_no_channel_opens_nothing(void **state)
{
	static const char *const names[] = { "", "..", "a/b", "A", "-a", "../edr" };
	struct ringhold_why why;
	struct ringhold_sensor s;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(ringhold_open(&s, root, names[i], &why), -1);
}

#define ON_A_MACHINE(test) cmocka_unit_test_setup_teardown(test, fresh_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_A_MACHINE(content_is_what_the_link_names_and_its_digest_is_told),
		ON_A_MACHINE(open_content_cannot_be_cleaned_away),
		ON_A_MACHINE(a_link_that_leads_elsewhere_is_refused),
		ON_A_MACHINE(a_switch_at_any_moment_never_mixes_two_contents),
		ON_A_MACHINE(every_switch_is_told_and_nothing_else),
		ON_A_MACHINE(the_agent_reads_what_the_sensor_reported),
		ON_A_MACHINE(a_reason_of_any_length_is_cut),
		ON_A_MACHINE(a_dead_sensor_is_not_alive),
		ON_A_MACHINE(whether_this_boot_is_on_trial_can_be_asked),
		ON_A_MACHINE(a_mangled_status_is_malformed_and_never_a_state),
		ON_A_MACHINE(a_name_that_is_no_channel_opens_nothing),
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	shell_ok("rm -rf %s", root);
	return failed;
}
