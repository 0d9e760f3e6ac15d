/* world_processes: the server and the promoter of a world, as processes that start and end. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

#define TURN_MS 20
#define SERVER_LIMIT_MS 30000

/* ---- the server ---- */

static int read_line(char **out, const struct world *w, const char *name, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, name);
	AUTO(buf) struct buf *text = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&text, path, 4096, e) < 0)
		return e->code;
	text->data[strcspn(text->data, "\r\n")] = '\0';
	free(*out);
	*out = buf_take(text);
	return 0;
}

static int server_listens(struct world *w, void *arg, struct err *e)
{
	int status;

	(void)arg;
	if (waitpid(w->server, &status, WNOHANG) == w->server) {
		w->server = -1;
		return err_set(e, ERR_CRASH, "ringholdd ended at start; see %s/server.log", w->dir);
	}
	if (read_line(&w->url, w, "server/listening", e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	return 1;
}

int world_server_start(struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->bin, "ringholdd");
	AUTO_FREE char *config = file_join(w->dir, "server/ringholdd.ini");
	AUTO_FREE char *log_path = file_join(w->dir, "server.log");
	AUTO_FREE char *listening = file_join(w->dir, "server/listening");
	AUTO_FREE char *address = NULL;
	char *argv[] = { (char *)"ringholdd", (char *)"--config", config, NULL };
	AUTO_FD int log = -1;
	struct fetch_settings settings = { .agent = "ringhold-system-test" };

	if (!path || !config || !log_path || !listening)
		return err_memory(e);
	unlink(listening);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (log < 0)
		return err_errno(e, "%s: open", log_path);
	w->server = fork();
	if (w->server < 0)
		return err_errno(e, "fork");
	if (w->server == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	if (world_until(w, false, "the server listens", server_listens, NULL, e) < 0)
		return e->code;
	address = TAKE(w->url);
	if (asprintf(&w->url, "https://%s", address) < 0)
		return err_memory(e);
	if (!w->token && read_line(&w->token, w, "server/operator-token", e) < 0)
		return e->code;
	if (!w->pin && read_line(&w->pin, w, "server/pin", e) < 0)
		return e->code;
	settings.pin = w->pin;
	fetch_free(TAKE(w->http));
	return fetch_new(&w->http, &settings, e);
}

/* Whether it ended as it should is the caller's to judge. */
static int end_process(pid_t *pid, const char *what, int signal, int *status, struct err *e)
{
	int64_t until = clock_work_ms() + SERVER_LIMIT_MS;

	kill(*pid, signal);
	while (waitpid(*pid, status, WNOHANG) != *pid) {
		if (clock_work_ms() > until)
			return err_set(e, ERR_TIMEOUT, "%s did not stop", what);
		poll(NULL, 0, TURN_MS);
	}
	*pid = -1;
	if (signal == SIGTERM && !(WIFEXITED(*status) && WEXITSTATUS(*status) == 0))
		return err_set(e, ERR_CRASH, "%s left with wait status %d", what, *status);
	return 0;
}

int world_server_stop(struct world *w, int signal, struct err *e)
{
	int status;

	return w->server > 0 ? end_process(&w->server, "ringholdd", signal, &status, e) : 0;
}

/* ---- the promoter ---- */

static int own_file(const char *rel, bool is_dir, void *arg, struct err *e)
{
	AUTO_FREE char *path = file_join(arg, rel);

	(void)is_dir;
	if (!path)
		return err_memory(e);
	return lchown(path, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0 ? err_errno(e, "%s: chown", path) : 0;
}

/* What `ringhold init` left open, and the whole directory to its user. */
static int furnish_promoter(struct world *w, struct err *e)
{
	AUTO_FREE char *dir = file_join(w->dir, "promoter");
	AUTO_FREE char *ini = file_join(w->dir, "promoter/promoter.ini");
	AUTO_FREE char *text = NULL;

	if (!dir || !ini || asprintf(&text, "server = %s\npin = %s\npoll = 1s\n%s", w->url, w->pin, w->promoter_more ? w->promoter_more : "") < 0)
		return err_memory(e);
	if (file_replace(ini, text, strlen(text), 0644, e) < 0)
		return e->code;
	if (geteuid() != 0)
		return 0;
	if (lchown(dir, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0)
		return err_errno(e, "%s: chown", dir);
	return file_walk(dir, own_file, dir, e);
}

static void become_promoter(int program, int log, char *dir)
{
	char *argv[] = { (char *)"ringhold", (char *)"promoter", dir, NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(WORLD_PROMOTER_UID, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0 ||
			       setresuid(WORLD_PROMOTER_UID, WORLD_PROMOTER_UID, WORLD_PROMOTER_UID) < 0))
		_exit(126);
	/* A change of user forgets it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* By descriptor: the directory it was built in may be closed to that user. */
	fexecve(program, argv, environ);
	_exit(127);
}

int world_promoter_start(struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->bin, "ringhold");
	AUTO_FREE char *dir = file_join(w->dir, "promoter");
	AUTO_FREE char *log_path = file_join(w->dir, "promoter.log");
	AUTO_FD int log = -1;
	AUTO_FD int program = -1;

	if (!path || !dir || !log_path)
		return err_memory(e);
	if (furnish_promoter(w, e) < 0)
		return e->code;
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	program = open(path, O_RDONLY | O_CLOEXEC);
	if (log < 0 || program < 0)
		return err_errno(e, "%s: open", log < 0 ? log_path : path);
	w->promoter = fork();
	if (w->promoter < 0)
		return err_errno(e, "fork");
	if (w->promoter == 0)
		become_promoter(program, log, dir);
	return 0;
}

int world_promoter_stop(struct world *w, int signal, struct err *e)
{
	int status, got;

	if (w->promoter <= 0)
		return 0;
	got = end_process(&w->promoter, "ringhold promoter", signal, &status, e);
	/* One that was told to stop before it had begun. */
	return got == ERR_CRASH && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : got;
}
