/* The real ringholdd and its private keys: files that others can read are refused; keys in a token sign. */
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/proc.h"
#include "fixture.h"
#include "signing/driver.h"
#include "tests/program.h"
#include "tests/softhsm.h"

#define LIMIT_MS 20000
#define HALF_A_DAY (13 * 3600)          /* seconds: the timestamp is past its half-life */

static int setup(void **state)
{
	struct fixture *f = fixture_new();
	char ini[600];

	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\n", f->data);
	fixture_write(f, "ringholdd.ini", ini);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

#define NEED_PROGRAM()                                        \
	do {                                                  \
		if (access(test_program("ringholdd"), X_OK) < 0) \
			skip_named("ringholdd is not built"); \
	} while (0)

/* Starts it; the caller kills it. Back when it listens. */
static pid_t start(const struct fixture *f)
{
	AUTO_FREE char *ini = fixture_path(f, "ringholdd.ini"), *listening = fixture_path(f, "data/listening");
	int64_t until = clock_work_ms() + LIMIT_MS;
	pid_t pid;
	int status;

	unlink(listening);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(test_program("ringholdd"), "ringholdd", "--config", ini, (char *)NULL);
		_exit(127);
	}
	while (!file_exists(listening)) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 5);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* It must not start, and say why. */
static void must_refuse(const struct fixture *f, const char *says)
{
	AUTO_FREE char *ini = fixture_path(f, "ringholdd.ini");
	char *argv[] = { (char *)"ringholdd", (char *)"--config", ini, NULL };
	struct proc_run run = { .path = test_program("ringholdd"), .argv = argv, .stdin_fd = -1, .timeout_ms = LIMIT_MS, .output_max = 65536 };
	struct proc_result r;
	struct err e;

	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != 1 || !strstr(r.output->data ? r.output->data : "", says))
		fail_msg("status %d without \"%s\": %s", r.exit_status, says, r.output->data);
	proc_result_release(&r);
}

static void no_secret_of_the_server_may_be_readable_by_others(void **state)
{
	static const struct { const char *file, *says; } secrets[] = {
		{ "data/keys/timestamp.pem", "timestamp.pem: mode 06" },
		{ "data/keys/later.uri", "later.uri: mode 06" },
		{ "data/device-token.key", "device-token.key: mode 06" },
		{ "data/tls.key", "tls.key: mode 06" },
	};
	static const mode_t modes[] = { 0640, 0604 };
	struct fixture *f = *state;

	NEED_PROGRAM();
	end(start(f));          /* makes what it makes at first start */
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		AUTO_FREE char *path = fixture_path(f, secrets[i].file);
		bool made = !file_exists(path);

		if (made)
			fixture_write(f, secrets[i].file, "pkcs11:token=x?pin-value=1\n");
		for (size_t m = 0; m < ARRAY_LEN(modes); m++) {
			assert_int_equal(chmod(path, modes[m]), 0);
			must_refuse(f, secrets[i].says);
		}
		if (made)
			unlink(path);
		else
			assert_int_equal(chmod(path, 0600), 0);
	}
	end(start(f));          /* and nothing else was wrong */
}

/* Every key of the server goes into a token, and a *.uri file stands for it. */
static void move_keys_into_token(const struct fixture *f)
{
	static const char *const roles[] = { "snapshot", "timestamp", "ring-canary", "ring-early", "ring-broad", "stop" };

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		char pem[64], uri[64], id[8], line[300];

		snprintf(pem, sizeof pem, "data/keys/%s.pem", roles[i]);
		snprintf(uri, sizeof uri, "data/keys/%s.uri", roles[i]);
		snprintf(id, sizeof id, "%02zx", i + 1);
		snprintf(line, sizeof line, "pkcs11:token=server;object=%s" SOFTHSM_QUERY "\n", roles[i]);
		AUTO_FREE char *from = fixture_path(f, pem), *to = fixture_path(f, uri);

		softhsm_import("server", from, roles[i], id);
		assert_int_equal(unlink(from), 0);
		fixture_write(f, uri, line);
		assert_int_equal(chmod(to, 0600), 0);
	}
}

static int get_file(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = file_join(arg, name);
	int got = file_read(out, path, max, e);

	return got == ERR_NOT_FOUND ? 1 : got;
}

/* The version our client believes, starting from the root; 0 while there is none it can believe. */
static int64_t timestamp_version(const struct fixture *f, int64_t now)
{
	AUTO_FREE char *metadata = file_join(f->repository, "metadata"), *anchor = file_join(metadata, "1.root.json");
	AUTO_FREE char *store = fixture_path(f, "store");
	AUTO(buf) struct buf *root = NULL;
	AUTO(tuf_client) struct tuf_client *c = NULL;
	struct driver d = { .dir = store, .get = get_file, .arg = metadata };
	struct err e;

	assert_ok(file_remove_tree(store, &e));
	assert_ok(file_mkdirs(store, 0700, &e));
	assert_ok(file_read(&root, anchor, 1 << 20, &e));
	assert_ok(driver_open(&c, store, root->data, root->len, TUF_HOUSE, &e));
	if (driver_refresh(&d, c, now, &e) < 0)
		return 0;
	return tuf_client_metadata(c, "timestamp")->version;
}

static void a_server_renews_its_metadata_with_keys_in_a_token(void **state)
{
	struct fixture *f = *state;
	AUTO_FREE char *offset = fixture_path(f, "clock");
	int64_t ahead_ms = (int64_t)HALF_A_DAY * 1000, now = clock_now(), until, before, after;
	struct softhsm hsm;
	struct err e;
	pid_t pid;

	NEED_PROGRAM();
	if (!softhsm_installed())
		skip_missing_program("softhsm2");
	softhsm_open(&hsm);
	softhsm_token("server");
	move_keys_into_token(f);
	before = timestamp_version(f, now);
	assert_true(before > 0);
	assert_ok(file_replace(offset, &ahead_ms, sizeof ahead_ms, 0644, &e));
	setenv("RINGHOLD_TEST_CLOCK", offset, 1);
	pid = start(f);
	until = clock_work_ms() + LIMIT_MS;
	while ((after = timestamp_version(f, now + HALF_A_DAY)) <= before) {
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 50);
	}
	end(pid);
	unsetenv("RINGHOLD_TEST_CLOCK");
	softhsm_close(&hsm);
}

static void a_server_without_its_token_says_which_and_does_not_start(void **state)
{
	struct fixture *f = *state;

	NEED_PROGRAM();
	if (!softhsm_installed())
		skip_missing_program("softhsm2");
	fixture_write(f, "data/keys/later.uri", "pkcs11:token=gone;object=later" SOFTHSM_QUERY "\n");
	AUTO_FREE char *path = fixture_path(f, "data/keys/later.uri");

	assert_int_equal(chmod(path, 0600), 0);
	must_refuse(f, "later.uri: pkcs11:token=gone;object=later: no such token");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(no_secret_of_the_server_may_be_readable_by_others),
		T(a_server_renews_its_metadata_with_keys_in_a_token),
		T(a_server_without_its_token_says_which_and_does_not_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
