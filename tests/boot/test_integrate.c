/* integrate: the example of docs/integrate.md, compiled as an integrator would and run. */
#include "tests/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cli.h"
#include "boot/sensor_status.h"
#include "tests/boot/machine.h"
#include "tests/program.h"

#define CHANNEL "edr"
#define LINES_MAX 40
#define WAIT_MS 60000           /* on a slow machine; nobody waits so long for what happens */

static int run_fd = -1;
static pid_t sensor = -1;

static int fresh_machine(void **state)
{
	struct boot_record r = machine_record(BOOT_COMMITTED, RUNG_CURRENT, "TCPB");
	struct boot_report why;

	(void)state;
	shell_must("rm -rf %s/var %s/run && mkdir %s/run", root, root, root);
	machine_install(CHANNEL, &r);
	/* The engine of the example wants a manifest; P is content it cannot load. */
	for (const char *letter = "TCB"; *letter; letter++)
		shell_must("echo '{}' >%s/var/lib/ringhold/channels/" CHANNEL "/slots/%s/manifest.json", root,
			   machine_hex(*letter));
	run_fd = boot_run_open(root, CHANNEL, true, &why);
	assert_true(run_fd >= 0);
	return 0;
}

static int close_machine(void **state)
{
	(void)state;
	if (sensor > 0) {
		kill(sensor, SIGKILL);
		waitpid(sensor, NULL, 0);
		sensor = -1;
	}
	close(run_fd);
	return 0;
}

static void point_at(char letter)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	struct boot_report why;

	memset(digest, letter, sizeof digest);
	if (boot_link_set(run_fd, CHANNEL, digest, &why) < 0)
		fail_msg("%s", why.text);
}

/* What stands in the page between ```c and ```; answers its lines. */
static int extract(void)
{
	shell_must("awk '/^```c$/{on=1;next} /^```$/{on=0} on' docs/integrate.md >%s/sensor.c", root);
	FILE *f = fopen(machine_path("sensor.c"), "r");
	int lines = 0, c;

	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	fclose(f);
	return lines;
}

/* With the header and the library and nothing else of ours in reach. */
static bool compile(const char *cc)
{
	return shell_ok("%s -std=gnu11 -Wall -Wextra -Werror -O2 -I%s -o %s/sensor-%s %s/sensor.c %s -nodefaultlibs -lc", cc, root, root,
			  cc, root, machine_path("libringhold-sensor.a"));
}

static bool prepare(void)
{
	char lib[1100];

	snprintf(lib, sizeof lib, "%s", test_program("../lib/libringhold-sensor.a"));
	return shell_ok("cp boot/ringhold-sensor.h %s %s/", lib, root);
}

static void run_example(const char *cc)
{
	char path[600];

	snprintf(path, sizeof path, "%s/sensor-%s", root, cc);
	sensor = fork();
	assert_true(sensor >= 0);
	if (sensor == 0) {
		execl(path, path, root, (char *)NULL);
		_exit(127);
	}
}

/* The example says this of that content. */
static void says(enum ringhold_state state, char letter)
{
	for (int waited = 0; waited < WAIT_MS; waited += 5) {
		struct sensor_status s;
		struct boot_report why;

		if (sensor_status_read(&s, run_fd, &why) == 1 && s.state == state && s.digest[0] == letter) {
			assert_true(s.alive);
			assert_int_equal(s.pid, sensor);
			return;
		}
		assert_int_equal(waitpid(sensor, NULL, WNOHANG), 0);
		poll(NULL, 0, 5);
	}
	fail_msg("the example never said %d of %c", state, letter);
}

static void follows_the_link(const char *cc)
{
	point_at('C');
	run_example(cc);
	says(RINGHOLD_HEALTHY, 'C');
	for (int i = 0; i < 20; i++) {
		point_at(i % 2 ? 'C' : 'T');
		says(RINGHOLD_HEALTHY, i % 2 ? 'C' : 'T');
	}
	point_at('P');
	says(RINGHOLD_UNHEALTHY, 'P');
	point_at('B');
	says(RINGHOLD_HEALTHY, 'B');
}

static void the_example_is_short(void **state)
{
	int lines = extract();

	(void)state;
	assert_true(lines > 10 && lines <= LINES_MAX);
}

static void the_example_builds_from_one_header_one_library_and_libc_and_follows_every_switch(void **state)
{
	(void)state;
	extract();
	assert_true(prepare());
	assert_true(compile("gcc"));
	follows_the_link("gcc");
}

/* As an integrator has it after `make install`: what pkg-config says, and nothing of this tree. */
static void it_builds_against_what_is_installed(void **state)
{
	char bin[1024];

	(void)state;
	if (!test_other_program("pkg-config"))
		skip_missing_program("pkg-config");
	extract();
	snprintf(bin, sizeof bin, "%s", test_program("ringhold"));
	*strrchr(bin, '/') = '\0';
	shell_must("sh deploy/install.sh %s %s/installed", bin, root);
	shell_must("cd %s && export PKG_CONFIG_SYSROOT_DIR=$PWD/installed PKG_CONFIG_LIBDIR=$PWD/installed/usr/lib/pkgconfig"
		   " PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 &&"
		   " gcc -std=gnu11 -Wall -Wextra -Werror -O2 -nostdinc -isystem $(gcc -print-file-name=include)"
		   " -isystem /usr/include -isystem /usr/include/$(gcc -print-multiarch) $(pkg-config --cflags ringhold-sensor)"
		   " -o sensor-installed sensor.c $(pkg-config --libs ringhold-sensor) -nodefaultlibs -lc", root);
	shell_must("[ $(PKG_CONFIG_LIBDIR=%s/installed/usr/lib/pkgconfig pkg-config --modversion ringhold-sensor) = "
		   RINGHOLD_VERSION " ]", root);
	follows_the_link("installed");
}

static void clang_builds_it_too(void **state)
{
	(void)state;
	if (!test_other_program("clang"))
		skip_missing_program("clang");
	extract();
	assert_true(prepare());
	assert_true(compile("clang"));
	follows_the_link("clang");
}

static void cxx_takes_the_header(void **state)
{
	(void)state;
	if (!test_other_program("g++"))
		skip_missing_program("g++");
	assert_true(prepare());
	shell_must("echo '#include <ringhold-sensor.h>' | g++ -x c++ -Wall -Wextra -Werror -I%s -fsyntax-only -", root);
}

/* An integrator's own functions may be called what ours are called inside. */
static void the_library_defines_no_name_but_its_own(void **state)
{
	(void)state;
	assert_true(prepare());
	shell_must("nm -g --defined-only %s/libringhold-sensor.a | grep -q ' T ringhold_open$'", root);
	assert_false(shell_ok("nm -g --defined-only %s/libringhold-sensor.a | grep ' [A-Z] ' | grep -v ' ringhold_'", root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_short),
		cmocka_unit_test_setup_teardown(the_example_builds_from_one_header_one_library_and_libc_and_follows_every_switch, fresh_machine, close_machine),
		cmocka_unit_test_setup_teardown(it_builds_against_what_is_installed, fresh_machine, close_machine),
		cmocka_unit_test_setup_teardown(clang_builds_it_too, fresh_machine, close_machine),
		cmocka_unit_test(cxx_takes_the_header),
		cmocka_unit_test(the_library_defines_no_name_but_its_own),
	};
	int failed;

	if (!mkdtemp(root))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)!shell_ok("rm -rf %s", root);
	return failed;
}
