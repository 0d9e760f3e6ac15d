/* office: a real ringholdd in a temporary directory, and `ringhold` as the people around it type it. */
#ifndef TESTS_SERVER_OFFICE_H
#define TESTS_SERVER_OFFICE_H

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fcntl.h>

#include "base/proc.h"
#include "fixture.h"
#include "tests/program.h"

#define LIMIT_MS 60000

struct office {
	struct fixture *f;
	const char *server, *tool;
	pid_t pid;
	char *said;                     /* by the last command */
};

static inline void office_start(struct office *o)
{
	AUTO_FREE char *ini = fixture_path(o->f, "ringholdd.ini"), *listening = fixture_path(o->f, "data/listening");
	AUTO_FREE char *log = fixture_path(o->f, "log");
	char *argv[] = { (char *)"ringholdd", (char *)"--config", ini, NULL };
	int64_t until = clock_work_ms() + LIMIT_MS;
	int status;

	o->pid = fork();
	assert_true(o->pid >= 0);
	if (o->pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDERR_FILENO);
		execv(o->server, argv);
		_exit(127);
	}
	while (!file_exists(listening)) {
		assert_int_equal(waitpid(o->pid, &status, WNOHANG), 0);
		assert_true(clock_work_ms() < until);
		poll(NULL, 0, 5);
	}
}

/* The private key of a role, for the people who have it. */
static inline void hand_out(struct fixture *f, const char *role)
{
	AUTO_FREE char *path = NULL;
	struct err e;

	assert_true(asprintf(&path, "%s/%s.pem", f->dir, role) > 0);
	for (size_t i = 0; i < f->all->count; i++)
		if (!strcmp(f->all->keys[i].name, role))
			assert_ok(seckey_save(f->all->keys[i].key, path, NULL, &e));
}

/* more: further lines of the server's configuration. */
static inline struct office *office_open(const char *more)
{
	struct office *o = calloc(1, sizeof *o);
	AUTO_FREE char *token = NULL;
	char ini[2048];

	o->server = strdup(test_program("ringholdd"));
	o->tool = strdup(test_program("ringhold"));
	o->f = fixture_new();
	if (access(o->server, X_OK) < 0 || access(o->tool, X_OK) < 0)
		return o;
	snprintf(ini, sizeof ini, "listen = 127.0.0.1:0\ndata = %s\n%s", o->f->data, more);
	fixture_write(o->f, "ringholdd.ini", ini);
	fixture_write(o->f, "data/operator-token", FIXTURE_TOKEN "\n");
	token = fixture_path(o->f, "data/operator-token");
	assert_int_equal(chmod(token, 0600), 0);
	hand_out(o->f, "recall");
	hand_out(o->f, "approve-bank");
	hand_out(o->f, "content-edr");
	office_start(o);
	return o;
}

static inline void office_close(struct office *o)
{

	int status = 0;

	if (o->pid > 0) {
		kill(o->pid, SIGTERM);
		assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	}
	assert_int_equal(status, 0);    /* it ends in order, and under a sanitizer without a leak */
	fixture_free(o->f);
	free(o->said);
	free((char *)o->server);
	free((char *)o->tool);
	free(o);
}

#define NEED(o)                                                       \
	do {                                                          \
		if (!(o)->pid)                                        \
			skip_named("ringhold or ringholdd is not built"); \
	} while (0)

/* A command line as it is; its exit status, what it said in o->said. */
static inline int run_program(struct office *o, const char *path, const char *const *argv)
{
	char *env[] = { (char *)"PATH=/usr/bin:/bin", NULL };
	struct proc_run run = { .path = path, .argv = (char *const *)argv, .env = env, .stdin_fd = -1, .timeout_ms = LIMIT_MS,
				.output_max = 1 << 20 };
	struct proc_result r;
	struct err e;
	int status;

	assert_ok(proc_run(&run, &r, &e));
	free(o->said);
	o->said = strdup(r.output->data ? r.output->data : "");
	status = r.exit_status;
	proc_result_release(&r);
	return status;
}

static inline int run_tool(struct office *o, const char *const *argv)
{
	return run_program(o, o->tool, argv);
}

/* `ringhold` with these words, the server's home and, unless "", the key of a role. Its exit status. */
static inline int tool(struct office *o, const char *role, const char *const *words)
{
	AUTO_FREE char *key = NULL;
	const char *argv[24] = { "ringhold" };
	size_t n = 1;

	for (; *words; words++)
		argv[n++] = *words;
	argv[n++] = "--home";
	argv[n++] = o->f->data;
	if (*role) {
		assert_true(asprintf(&key, "%s/%s.pem", o->f->dir, role) > 0);
		argv[n++] = "--key";
		argv[n++] = key;
	}
	return run_tool(o, argv);
}

#define TOOL(o, role, ...) tool(o, role, (const char *const[]){ __VA_ARGS__, NULL })

/* `ringholdd WORDS... --config INI`; its exit status. */
static inline int daemon_tool(struct office *o, const char *const *words)
{
	AUTO_FREE char *ini = fixture_path(o->f, "ringholdd.ini");
	const char *argv[16] = { "ringholdd" };
	size_t n = 1;

	for (; *words; words++)
		argv[n++] = *words;
	argv[n++] = "--config";
	argv[n++] = ini;
	return run_program(o, o->server, argv);
}

#define DAEMON(o, ...) daemon_tool(o, (const char *const[]){ __VA_ARGS__, NULL })
#define VERIFY_BACKUP(o, dir) run_program(o, (o)->server, (const char *const[]){ "ringholdd", "backup-verify", dir, NULL })

static inline void expect_said(const struct office *o, const char *words)
{
	if (!strstr(o->said, words))
		fail_msg("no \"%s\" in: %s", words, o->said);
}

/* A bundle in the file "bundle.tar.gz"; its path and its digest in hex. */
static inline char *make_archive(struct office *o, uint64_t serial, const char *rules, char hex[DIGEST_HEX_LEN + 1])
{
	char *path = fixture_path(o->f, "bundle.tar.gz");
	struct fixture_bundle b;
	struct err e;

	fixture_bundle(o->f, &b, serial, rules);
	assert_ok(file_replace(path, b.bundle->archive->data, b.bundle->archive->len, 0644, &e));
	digest_hex(hex, &b.bundle->digest);
	fixture_bundle_release(&b);
	return path;
}

/* Publishes a bundle with the vendor's key; its digest in hex. */
static inline void publish(struct office *o, uint64_t serial, const char *rules, char hex[DIGEST_HEX_LEN + 1])
{
	AUTO_FREE char *path = make_archive(o, serial, rules, hex);

	if (TOOL(o, "content-edr", "publish", path) != 0)
		fail_msg("publish: %s", o->said);
}

#endif
