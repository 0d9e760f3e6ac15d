/* test_confine: what each role may still do, and what it may not. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent/confine.h"
#include "confine_host.h"
#include "content/canary.h"
#include "content/content_tree.h"
#include "content/sandbox.h"
#include "kernel_says.h"

/* ---- what a process might try; true: it could ---- */

static bool can_open(const char *path, int flags)
{
	char full[512];
	int fd;

	snprintf(full, sizeof full, "%s%s", host_root, path);
	fd = open(full, flags | O_CLOEXEC, 0644);
	return fd >= 0 && close(fd) == 0;
}

static bool opens_a_socket(void) { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }
static bool opens_a_local_socket(void) { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }
static bool sniffs(void) { return socket(AF_PACKET, SOCK_RAW, 0) >= 0; }
static bool reads_shadow(void) { return open("/etc/shadow", O_RDONLY) >= 0; }
static bool reads_the_token(void) { return can_open("/var/lib/ringhold/device.json", O_RDONLY); }
static bool writes_the_token(void) { return can_open("/var/lib/ringhold/device.json", O_WRONLY); }
static bool reads_the_journal(void) { return can_open("/var/lib/ringhold/agent.db", O_RDONLY); }
static bool writes_into_a_slot(void) { return can_open(SLOT "/new", O_WRONLY | O_CREAT); }
static bool changes_a_slot(void) { return can_open(SLOT "/file", O_WRONLY); }
static bool writes_a_temporary_file(void) { return can_open("/tmp/new", O_WRONLY | O_CREAT); }
static bool writes_the_configuration(void) { return can_open("/etc/ringhold/agent.ini", O_WRONLY); }
static bool reads_a_slot(void) { return can_open(SLOT "/file", O_RDONLY); }
static bool reads_the_contract(void) { return can_open("/etc/ringhold/contract.json", O_RDONLY); }
static bool reads_a_root_of_trust(void) { return can_open("/etc/ringhold/trust/content.root.json", O_RDONLY); }
static bool reads_the_corpora(void) { return can_open("/etc/ringhold/benign.d/x.ndjson", O_RDONLY); }
static bool reads_the_vouch_key(void) { return can_open("/etc/ringhold/vouch.key", O_RDONLY); }
static bool reads_the_client_key(void) { return can_open("/etc/ringhold/client.key", O_RDONLY); }
static bool reads_the_configuration(void) { return can_open("/etc/ringhold/agent.ini", O_RDONLY); }
static bool writes_metadata(void) { return can_open("/var/lib/ringhold/tuf/content/1.root.json", O_WRONLY | O_CREAT); }
static bool is_traced(void) { return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0; }
static bool reads_anothers_memory(void)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/mem", (int)getppid());
	return open(path, O_RDONLY) >= 0;
}

static bool becomes_root(void) { return setresuid(0, 0, 0) == 0 && setgid(12345) == 0; }
static bool makes_a_namespace(void) { return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0; }
static bool mounts(void) { return mount("none", "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0; }
static bool kills(void) { return kill(getppid(), 0) == 0; }

static bool maps_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool starts_a_program(void)
{
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	(void)fd;
	execl("/bin/true", "true", (char *)NULL);       /* its exit status is that of success */
	return false;
}

static bool forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0;
}

static bool listens(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0;
}

static bool resolves_a_name(void)
{
	struct addrinfo *found = NULL;

	return getaddrinfo("localhost", "443", NULL, &found) == 0 && found;
}

#define F (1 << CONFINE_FETCH)
#define J (1 << CONFINE_JUDGE)
#define U (1 << CONFINE_UNPACK)
#define K (1 << CONFINE_CHECK)
#define C (1 << CONFINE_CANARY)

static const struct act {
	const char *name;
	bool (*does)(void);
	unsigned may;           /* the roles whose task it is */
	uint32_t abi;           /* of Landlock, that it takes to forbid it to a process of user root; 0: none */
} acts[] = {
	{ "open a network socket", opens_a_socket, F, 0 },
	{ "resolve a name", resolves_a_name, F, 0 },
	{ "read a slot", reads_a_slot, U | K | C, 1 },
	{ "read the contract", reads_the_contract, J | K | C, 1 },
	{ "read a root of trust", reads_a_root_of_trust, J, 1 },
	{ "read the benign corpora", reads_the_corpora, C, 1 },
	{ "read the key that this host vouches with", reads_the_vouch_key, 0, 1 },
	{ "read the key of its client certificate", reads_the_client_key, 0, 1 },       /* fetch is handed it: in memory, by the supervisor */
	{ "read the configuration", reads_the_configuration, 0, 1 },     /* they lie beside the contract, which may be replaced while the judge lives */
	{ "write metadata", writes_metadata, J, 1 },
	{ "start a process", forks, C, 0 },
	{ "open a local socket", opens_a_local_socket, 0, 0 },
	{ "read every packet", sniffs, 0, 0 },
	{ "listen", listens, 0, 4 },
	{ "read /etc/shadow", reads_shadow, 0, 1 },
	{ "read the device's token", reads_the_token, 0, 1 },
	{ "write the device's token", writes_the_token, 0, 1 },
	{ "read the journal", reads_the_journal, 0, 1 },
	{ "add to a slot", writes_into_a_slot, 0, 1 },
	{ "change a slot", changes_a_slot, 0, 1 },
	{ "write a temporary file", writes_a_temporary_file, 0, 1 },
	{ "write the configuration", writes_the_configuration, 0, 1 },
	{ "be traced", is_traced, 0, 0 },
	{ "read another's memory", reads_anothers_memory, 0, 1 },
	{ "become root with a group", becomes_root, 0, 0 },
	{ "make namespaces", makes_a_namespace, 0, 0 },
	{ "mount", mounts, 0, 0 },
	{ "map code", maps_code, 0, 0 },
	{ "start a program", starts_a_program, 0, 0 },
	{ "signal its parent", kills, 0, 6 },
};

/* ---- trying it ---- */

/* In a process of its own. s NULL: not confined at all. */
static bool succeeds(const struct act *a, const struct settings *s, enum confine_role role)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e;

		if (s && confine(s, role, NULL, &e) < 0) {
			fprintf(stderr, "%s\n", e.msg);
			_exit(99);
		}
		_exit(a->does() ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGSYS)
		fail_msg("%s in %s: killed by signal %d", a->name, confine_role_name(role), WTERMSIG(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
		fail_msg("%s in %s: status %d", a->name, confine_role_name(role), WEXITSTATUS(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void fresh(void)
{
	static const char *const made[] = { SLOT "/new", "/tmp/new", "/var/lib/ringhold/tuf/content/1.root.json" };
	char path[512];

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		snprintf(path, sizeof path, "%s%s", host_root, made[i]);
		unlink(path);
	}
}

/* Who owns tuf/ is host_open()'s business elsewhere. */
static void give_metadata_to(uid_t uid)
{
	char path[512];

	snprintf(path, sizeof path, "%s/var/lib/ringhold/tuf/content", host_root);
	assert_int_equal(chown(path, uid, uid), 0);
}

static void try_all(const struct settings *s, bool own_users)
{
	for (int role = 0; role < CONFINE_ROLES; role++)
		for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
			bool may = acts[i].may & 1u << role;

			fresh();
			if (!own_users && acts[i].abi > sandbox_landlock_abi())
				continue;
			if (succeeds(&acts[i], s, (enum confine_role)role) != may)
				fail_msg("%s %s %s", confine_role_name((enum confine_role)role), may ? "cannot" : "can", acts[i].name);
		}
}

static void a_process_that_is_not_confined_can_do_all_of_it(void **state)
{
	(void)state;
	NEED_ROOT();
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		fresh();
		if (acts[i].does == mounts)     /* not on the machine that runs the test */
			continue;
		if (!succeeds(&acts[i], NULL, CONFINE_FETCH))
			fail_msg("nobody can %s here: the other tests prove nothing about it", acts[i].name);
	}
}

static void a_role_with_its_own_user_can_do_its_task_and_nothing_else(void **state)
{
	struct settings *s;

	(void)state;
	NEED_ROOT();
	s = confine_host_settings(USERS);
	give_metadata_to(64002);
	try_all(s, true);
	give_metadata_to(0);
	settings_free(s);
}

static void a_role_that_stays_root_for_want_of_a_user_is_held_by_landlock_and_seccomp_alone(void **state)
{
	struct settings *s;

	(void)state;
	NEED_ROOT();
	s = confine_host_settings("");
	try_all(s, false);
	settings_free(s);
}

/* ---- in the kernel's words ---- */

/* A process of a role, confined and waiting; `hold` ends it. */
static pid_t confined(const struct settings *s, enum confine_role role, int *hold)
{
	int ends[2], told[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(pipe2(told, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e;

		close(ends[1]);
		if (confine(s, role, NULL, &e) < 0 || write(told[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(ends[0]);
	close(told[1]);
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	*hold = ends[1];
	return pid;
}

static void every_role_is_held_by_the_kernel_as_the_table_says(void **state)
{
	struct settings *s;

	(void)state;
	NEED_ROOT();
	s = confine_host_settings(USERS);
	for (int role = 0; role < CONFINE_ROLES; role++) {
		static char limits[4096], status[4096];
		int hold;
		pid_t pid = confined(s, (enum confine_role)role, &hold);

		kernel_read(pid, "limits", limits, sizeof limits);
		kernel_read(pid, "status", status, sizeof status);
		close(hold);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		walls_hold(status, limits, (enum confine_role)role);
	}
	settings_free(s);
}

/* ---- the canary's own child ---- */

/* As the role does it: first process of a namespace, confined, then the try, twice: without and with the command. */
__attribute__((noreturn)) static void try_with_command(const struct settings *s, const char *slot, struct canary_result *out)
{
	static const char contract[] = "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"blob\":{\"versions\":[1]}},"
				       "\"ceilings\":{},\"protected\":[]}";
	char command[512];
	const char *argv[] = { command, NULL };
	struct loader_exec exec = { .type = "blob", .argv = argv };
	struct canary_job job = { .slot = slot, .digest = "d1", .contract = contract, .contract_len = sizeof contract - 1, .exec = &exec,
				  .exec_count = 1, .wall_ms = 20000, .alone = getpid() == 1 };
	struct err e = { 0 };

	snprintf(command, sizeof command, "%s/etc/ringhold/check", host_root);
	if (confine(s, CONFINE_CANARY, NULL, &e) < 0 || canary_run(&job, out, &e) < 0) {
		fprintf(stderr, "%s\n", e.msg);
		_exit(1);
	}
	_exit(0);
}

static struct content_tree *tree_in_a_slot(const struct content_file *files, const char *channel)
{
	const char *tmp = getenv("TMPDIR");
	AUTO_FREE char *before = tmp ? strdup(tmp) : NULL;
	char slots[512];
	struct content_tree *t;
	struct err e;

	snprintf(slots, sizeof slots, "%s/var/lib/ringhold/channels/%s/slots", host_root, channel);
	assert_ok(file_mkdirs(slots, 0755, &e));
	setenv("TMPDIR", slots, 1);
	t = content_tree_new(files);
	if (before)
		setenv("TMPDIR", before, 1);
	else
		unsetenv("TMPDIR");
	return t;
}

static void a_confined_canary_still_runs_a_check_command_and_takes_all_it_started_along(void **state)
{
	const struct content_file files[] = { { "b.bin", "blob", "x" }, { 0 } };
	AUTO(content_tree) struct content_tree *t = NULL;
	struct canary_result *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct settings *s;
	int status;
	pid_t pid;

	(void)state;
	NEED_ROOT();
	t = tree_in_a_slot(files, "blobs");
	confine_host_put("/etc/ringhold/check", "#!/bin/sh\n[ -f \"$1/b.bin\" ] && ! [ -r /etc/shadow ]\n", 0755);
	s = confine_host_settings(USERS "\n[channel blobs]\nexec = blob=/etc/ringhold/check\n");
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(2);
		pid = fork();
		if (pid == 0)
			try_with_command(s, t->path, r);
		_exit(waitpid(pid, &status, 0) == pid && status == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	settings_free(s);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
		skip_named("no process namespaces here");
	assert_int_equal(status, 0);
	if (r->outcome != CANARY_OK)
		fail_msg("%s: %s", canary_outcome_name(r->outcome), r->sentence);
	assert_true(r->confinement & CANARY_ALONE);
	assert_true(r->confinement & CANARY_UID);
	munmap(r, sizeof *r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_is_not_confined_can_do_all_of_it),
		cmocka_unit_test(a_role_with_its_own_user_can_do_its_task_and_nothing_else),
		cmocka_unit_test(every_role_is_held_by_the_kernel_as_the_table_says),
		cmocka_unit_test(a_role_that_stays_root_for_want_of_a_user_is_held_by_landlock_and_seccomp_alone),
		cmocka_unit_test(a_confined_canary_still_runs_a_check_command_and_takes_all_it_started_along),
	};

	return cmocka_run_group_tests(tests, confine_host_make, confine_host_remove);
}
