/* test_confine: what each role may still do, what it may not, and that what the kernel lacks is told. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/confine.h"
#include "as_published.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "content/canary.h"
#include "content/content_tree.h"
#include "content/sandbox.h"
#include "kernel_says.h"
#include "program.h"
#include "test.h"

#define USERS "fetch-user = 64001\njudge-user = 64002\nunpack-user = 64003\ncanary-user = 64004\n"
#define SLOT "/var/lib/ringhold/channels/edr/slots/x"

static char root[128];

/* ---- what a process might try; true: it could ---- */

static bool can_open(const char *path, int flags)
{
	char full[512];
	int fd;

	snprintf(full, sizeof full, "%s%s", root, path);
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

static void put_text(const char *path, const char *text, mode_t mode)
{
	char full[512], parent[512];
	struct err e;

	snprintf(full, sizeof full, "%s%s", root, path);
	snprintf(parent, sizeof parent, "%.*s", (int)(strrchr(full, '/') - full), full);
	assert_ok(file_mkdirs(parent, 0755, &e));
	assert_ok(file_replace(full, text, strlen(text), mode, &e));
}

static void put(const char *path, mode_t mode)
{
	put_text(path, "{}", mode);
}

static struct settings *settings_with(const char *extra)
{
	struct settings *s;
	char path[256], text[512];
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/agent.ini", root);
	snprintf(text, sizeof text, "[agent]\n%s\n[channel edr]\nbenign = /etc/ringhold/benign.d\n", extra);
	assert_ok(file_replace(path, text, strlen(text), 0644, &e));
	assert_ok(settings_load(&s, root, NULL, &e));
	return s;
}

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
		snprintf(path, sizeof path, "%s%s", root, made[i]);
		unlink(path);
	}
}

/* Who owns tuf/ is host_open()'s business elsewhere. */
static void give_metadata_to(uid_t uid)
{
	char path[512];

	snprintf(path, sizeof path, "%s/var/lib/ringhold/tuf/content", root);
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

#define NEED_ROOT()                                                  \
	do {                                                         \
		if (geteuid())                                       \
			skip_named("not root: users cannot change"); \
	} while (0)

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
	s = settings_with(USERS);
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
	s = settings_with("");
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

#define MEBIBYTES ((rlim_t)1 << 20)

static void every_role_is_held_by_the_kernel_as_the_table_says(void **state)
{
	static const struct { uid_t user; rlim_t files, file_size, cpu, processes, memory; } roles[CONFINE_ROLES] = {
		[CONFINE_FETCH] = { 64001, 64, 2048 * MEBIBYTES, RLIM_INFINITY, 64, 1024 * MEBIBYTES },
		[CONFINE_JUDGE] = { 64002, 64, 64 * MEBIBYTES, RLIM_INFINITY, 0, 2048 * MEBIBYTES },
		[CONFINE_UNPACK] = { 64003, 32, 0, 600, 0, 2048 * MEBIBYTES },
		[CONFINE_CHECK] = { 64003, 64, 0, 600, 0, 2048 * MEBIBYTES },
		/* It watches a try, whose own limits are in content/test_canary. */
		[CONFINE_CANARY] = { 64004, 256, 64 * MEBIBYTES, RLIM_INFINITY, 0, RLIM_INFINITY },
	};
	struct settings *s;

	(void)state;
	NEED_ROOT();
	s = settings_with(USERS);
	for (int role = 0; role < CONFINE_ROLES; role++) {
		static char limits[4096], status[4096];
		int hold;
		pid_t pid = confined(s, (enum confine_role)role, &hold);

		kernel_read(pid, "limits", limits, sizeof limits);
		kernel_read(pid, "status", status, sizeof status);
		close(hold);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		kernel_says_confined(status);
		assert_int_equal(kernel_number(status, "CapBnd", 16), 0);
		assert_int_equal(kernel_number(status, "Uid", 10), roles[role].user);
		assert_int_equal(kernel_number(status, "Gid", 10), roles[role].user);
		assert_int_equal(kernel_limit(limits, "Max open files"), roles[role].files);
		assert_int_equal(kernel_limit(limits, "Max file size"), roles[role].file_size);
		assert_int_equal(kernel_limit(limits, "Max cpu time"), roles[role].cpu);
		assert_int_equal(kernel_limit(limits, "Max core file size"), 0);
		assert_int_equal(kernel_limit(limits, "Max msgqueue size"), 0);
		if (role != CONFINE_CANARY)
			assert_int_equal(kernel_limit(limits, "Max processes"), roles[role].processes);
		if (!SANDBOX_SANITIZED)
			assert_int_equal(kernel_limit(limits, "Max address space"), roles[role].memory);
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

	snprintf(command, sizeof command, "%s/etc/ringhold/check", root);
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

	snprintf(slots, sizeof slots, "%s/var/lib/ringhold/channels/%s/slots", root, channel);
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
	put_text("/etc/ringhold/check", "#!/bin/sh\n[ -f \"$1/b.bin\" ] && ! [ -r /etc/shadow ]\n", 0755);
	s = settings_with(USERS "\n[channel blobs]\nexec = blob=/etc/ringhold/check\n");
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

/* ---- what is told ---- */

static int run_agent(char **output, const char *command, const char *option, void (*before)(void *arg), void *arg)
{
	char bin[1024];
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	snprintf(bin, sizeof bin, "%s", test_program("ringhold-agent"));
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		close(ends[0]);
		close(ends[1]);
		if (before)
			before(arg);
		execl(bin, "ringhold-agent", command, "--root", root, option, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	*output = calloc(1, 65536);
	while ((n = read(ends[0], *output + len, 65535 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* A kernel that has never heard of these. */
static void without(void *arg)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);

	if (!strcmp(arg, "landlock")) {
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(landlock_create_ruleset), 0);
	} else {
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0);
		(void)!seccomp_rule_add(f, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, 22 /* PR_SET_SECCOMP */, 0));
	}
	if (seccomp_load(f) < 0)
		_exit(126);
	seccomp_release(f);
}

static void expect_said(const char *out, const char *text)
{
	if (!strstr(out, text))
		fail_msg("no \"%s\" in:\n%s", text, out);
}

#define NEED_AGENT()                                                     \
	do {                                                             \
		NEED_ROOT();                                             \
		if (access(test_program("ringhold-agent"), X_OK) < 0)    \
			skip_named("the agent is not built");            \
	} while (0)

static void doctor_says_of_every_process_what_is_in_force(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(settings_with(USERS));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		expect_said(out, confine_role_name((enum confine_role)role));
	for (int uid = 64001; uid <= 64004; uid++) {
		char text[32];

		snprintf(text, sizeof text, "uid %d; in force: ", uid);
		expect_said(out, text);
	}
	if (sandbox_landlock_abi())
		assert_null(strstr(out, "missing"));
	free(out);
}

static void doctor_says_it_to_programs_as_published(void **state)
{
	static const char schema[] = "schema/agent-doctor.schema.json";
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(settings_with(USERS));
	(void)run_agent(&out, "doctor", "--json", NULL, NULL);
	assert_as_published(schema, out);
	for (int role = 0; role <= CONFINE_ROLES; role++)
		expect_said(out, confine_role_name((enum confine_role)role));
	expect_said(out, "\"fine\": false");           /* there is no root of trust */
	expect_said(out, "\"uid\": 64001");
	if (sandbox_landlock_abi())
		assert_null(strstr(out, "\"missing\": [\n"));
	free(out);
	(void)run_agent(&out, "doctor", "--json", without, (void *)(uintptr_t)"landlock");
	assert_as_published(schema, out);
	expect_said(out, "\"landlock_abi\": 0");
	expect_said(out, "\"missing\": [\n");
	free(out);
}

static void doctor_says_whether_check_commands_have_a_place_of_their_own(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(settings_with(USERS "\n[channel blobs]\nexec = blob=/etc/ringhold/check\n"));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	expect_said(out, "check commands");
	if (!strstr(out, "end together with the canary, and write into a place of their own"))
		expect_said(out, "they judge no events here, or leave processes behind: ");
	free(out);
}

static void doctor_says_what_the_kernel_lacks(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(settings_with(USERS));
	(void)run_agent(&out, "doctor", NULL, without, (void *)(uintptr_t)"landlock");
	expect_said(out, "seccomp; missing: ");         /* the supervisor's line has none: the others' end so */
	expect_said(out, "missing: landlock");
	expect_said(out, "Landlock ABI 0; it does not restrain files");
	free(out);
	(void)run_agent(&out, "doctor", NULL, without, (void *)(uintptr_t)"seccomp");
	expect_said(out, "missing: seccomp");
	free(out);
	settings_free(settings_with(""));
	(void)run_agent(&out, "doctor", NULL, NULL, NULL);
	expect_said(out, "missing: own user");
	free(out);
}

static void a_strict_agent_does_not_run_without(void **state)
{
	char *out;

	(void)state;
	NEED_AGENT();
	settings_free(settings_with(USERS "strict-sandbox = yes\n"));
	assert_int_not_equal(run_agent(&out, "run", "--once", without, (void *)(uintptr_t)"landlock"), 0);
	expect_said(out, "strict-sandbox is on, and not in force: landlock");
	free(out);
	assert_int_not_equal(run_agent(&out, "run", "--once", without, (void *)(uintptr_t)"seccomp"), 0);
	expect_said(out, "strict-sandbox is on, and not in force: seccomp");
	free(out);
	settings_free(settings_with("strict-sandbox = yes\n"));
	assert_int_not_equal(run_agent(&out, "run", "--once", NULL, NULL), 0);
	expect_said(out, "strict-sandbox is on, and not in force: own user");
	free(out);
}

static void nor_does_a_strict_role_by_itself(void **state)
{
	struct settings *s;
	struct err e = { 0 };
	unsigned got;

	(void)state;
	NEED_ROOT();
	s = settings_with("strict-sandbox = yes\n");
	for (int role = 0; role < CONFINE_ROLES; role++) {
		pid_t pid = fork();
		int status;

		if (pid == 0)
			_exit(confine(s, (enum confine_role)role, NULL, &e) == ERR_UNSUPPORTED ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	settings_free(s);
	s = settings_with("judge-user = no-such-user-here\n");
	assert_refused(confine_examine(s, CONFINE_JUDGE, &got, &e), ERR_USAGE, "no such user");
	settings_free(s);
}

/* ---- set-up ---- */

static int begin(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char path[512];

	(void)state;
	log_init("test", LOG_ERROR);
	snprintf(root, sizeof root, "%s/ringhold-confine.XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(root));
	assert_int_equal(chmod(root, 0755), 0);
	put("/etc/ringhold/agent.ini", 0644);
	put("/etc/ringhold/contract.json", 0644);
	put("/etc/ringhold/vouch.key", 0644);
	put("/etc/ringhold/trust/content.root.json", 0644);
	put("/etc/ringhold/benign.d/x.ndjson", 0644);
	put("/var/lib/ringhold/device.json", 0600);
	put("/var/lib/ringhold/agent.db", 0600);
	put(SLOT "/file", 0644);
	put("/var/lib/ringhold/tuf/content/x", 0644);
	put("/tmp/x", 0644);
	snprintf(path, sizeof path, "%s/tmp", root);
	assert_int_equal(chmod(path, 01777), 0);
	return 0;
}

static int end(void **state)
{
	struct err e;

	(void)state;
	return file_remove_tree(root, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_is_not_confined_can_do_all_of_it),
		cmocka_unit_test(a_role_with_its_own_user_can_do_its_task_and_nothing_else),
		cmocka_unit_test(every_role_is_held_by_the_kernel_as_the_table_says),
		cmocka_unit_test(a_role_that_stays_root_for_want_of_a_user_is_held_by_landlock_and_seccomp_alone),
		cmocka_unit_test(a_confined_canary_still_runs_a_check_command_and_takes_all_it_started_along),
		cmocka_unit_test(doctor_says_of_every_process_what_is_in_force),
		cmocka_unit_test(doctor_says_whether_check_commands_have_a_place_of_their_own),
		cmocka_unit_test(doctor_says_it_to_programs_as_published),
		cmocka_unit_test(doctor_says_what_the_kernel_lacks),
		cmocka_unit_test(a_strict_agent_does_not_run_without),
		cmocka_unit_test(nor_does_a_strict_role_by_itself),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
