/* world: a whole installation in one temporary directory, for tests and the demo. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"

#define TURN_MS 20
#define SERVER_LIMIT_MS 30000
#define OUTPUT_MAX ((size_t)1 << 20)
#define REPLY_MAX ((size_t)8 << 20)
#define ARGS_MAX 32

void world_say(const struct world *w, const char *fmt, ...)
{
	char text[512], when[CLOCK_TEXT_LEN + 1];
	va_list ap;

	if (!w->narrate)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	clock_text(when, clock_now());
	printf("%6.1f s  %.5s  %s\n", (double)(clock_work_ms() - w->real_start_ms) / 1000, when + 11, text);
	fflush(stdout);
}

/* ---- making and ending it ---- */

static int clock_file(struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, "clock");
	AUTO_FD int fd = -1;
	void *at;

	if (!path)
		return err_memory(e);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof *w->clock_ms) < 0)
		return err_errno(e, "%s", path);
	at = mmap(NULL, sizeof *w->clock_ms, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return err_errno(e, "%s: mmap", path);
	w->clock_ms = at;
	/* Ours too: clock_now() below must be everybody's. */
	setenv("RINGHOLD_TEST_CLOCK", path, 1);
	return 0;
}

/* <build>/tests/system/system -> <build>/bin */
static int find_programs(struct world *w, struct err *e)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	if (len < 0)
		return err_errno(e, "/proc/self/exe");
	self[len] = '\0';
	for (int up = 0; up < 3; up++) {
		char *slash = strrchr(self, '/');

		if (!slash)
			return err_set(e, ERR_NOT_FOUND, "%s: not in a build directory", self);
		*slash = '\0';
	}
	w->bin = file_join(self, "bin");
	w->tree = realpath(".", NULL);
	if (!w->bin || !w->tree)
		return err_memory(e);
	return 0;
}

int world_new(struct world **out, const char *channel, bool narrate, struct err *e)
{
	/* In memory where there is such a place: what survives a power cut is tested elsewhere, one file at a time. */
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	struct world *w = calloc(1, sizeof *w);
	char path[PATH_MAX];

	if (!w)
		return err_memory(e);
	*out = w;
	w->channel = channel;
	w->narrate = narrate;
	w->server = w->promoter = -1;
	w->real_start_ms = clock_work_ms();
	snprintf(path, sizeof path, "%s/ringhold-world-XXXXXX", tmp);
	if (!mkdtemp(path))
		return err_errno(e, "%s: mkdtemp", path);
	chmod(path, 0755);
	w->dir = strdup(path);
	if (!w->dir)
		return err_memory(e);
	signal(SIGPIPE, SIG_IGN);
	if (clock_file(w, e) < 0 || find_programs(w, e) < 0)
		return e->code;
	w->all_seen_at = clock_now();
	return 0;
}

void world_free(struct world *w)
{
	struct err e;

	if (!w)
		return;
	for (size_t i = 0; i < w->machine_count; i++)
		machine_release(&w->machines[i]);
	(void)!world_promoter_stop(w, SIGKILL, &e);
	(void)!world_server_stop(w, SIGKILL, &e);
	fetch_free(w->http);
	if (w->dir && getenv("RINGHOLD_KEEP"))
		fprintf(stderr, "kept: %s\n", w->dir);
	else if (w->dir)
		(void)!file_remove_tree(w->dir, &e);
	free(w->dir);
	free(w->bin);
	free(w->tree);
	free(w->url);
	free(w->pin);
	free(w->token);
	free(w);
}

/* ---- commands ---- */

static int run_list(struct world *w, struct buf **output, struct err *e, const char *program, va_list ap)
{
	AUTO_FREE char *path = file_join(w->bin, program);
	AUTO_FREE char *clock = NULL;
	const char *argv[ARGS_MAX + 1] = { program };
	char *env[] = { (char *)"PATH=/usr/sbin:/usr/bin:/sbin:/bin", (char *)"LANG=C", NULL, NULL };
	struct proc_result result = { 0 };
	struct proc_run run = { .path = path, .argv = (char *const *)argv, .env = env, .stdin_fd = -1,
				.timeout_ms = WORLD_LIMIT_MS, .output_max = OUTPUT_MAX };
	int status;

	for (size_t n = 1; n < ARGS_MAX; n++)
		if (!(argv[n] = va_arg(ap, const char *)))
			break;
	if (!path || asprintf(&clock, "RINGHOLD_TEST_CLOCK=%s/clock", w->dir) < 0)
		return err_memory(e);
	env[2] = clock;
	if (proc_run(&run, &result, e) < 0)
		return err_wrap(e, "%s", program);
	status = result.exit_status;
	if (status < 0) {
		char words[128];

		proc_result_words(&result, words, sizeof words);
		err_set(e, ERR_CRASH, "%s %s: %s: %.300s", program, argv[1] ? argv[1] : "", words,
			result.output ? result.output->data : "");
		proc_result_release(&result);
		return e->code;
	}
	if (output)
		*output = TAKE(result.output);
	proc_result_release(&result);
	return status;
}

int world_run(struct world *w, struct buf **output, struct err *e, const char *program, ...)
{
	va_list ap;
	int status;

	va_start(ap, program);
	status = run_list(w, output, e, program, ap);
	va_end(ap);
	return status;
}

int world_expect(struct world *w, int expect, struct buf **output, struct err *e, const char *program, ...)
{
	AUTO(buf) struct buf *text = NULL;
	va_list ap;
	int status;

	va_start(ap, program);
	status = run_list(w, &text, e, program, ap);
	va_end(ap);
	if (status < 0)
		return status;
	if (status != expect)
		return err_set(e, ERR_CONFLICT, "%s left with status %d instead of %d: %.400s", program,
			       status, expect, text->len ? text->data : "(no output)");
	if (output)
		*output = TAKE(text);
	return 0;
}

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

int world_get(struct world *w, const char *path, struct world_reply *out, struct err *e)
{
	AUTO_FREE char *url = NULL;
	struct fetch_request request = { .method = "GET", .bearer = w->token, .max = REPLY_MAX };
	struct fetch_answer answer = { 0 };

	*out = (struct world_reply){ 0 };
	if (asprintf(&url, "%s%s", w->url, path) < 0)
		return err_memory(e);
	request.url = url;
	if (fetch_do(w->http, &request, &answer, e) < 0)
		return err_wrap(e, "GET %s", path);
	if (answer.status != 200) {
		err_set(e, ERR_REFUSED, "GET %s: status %ld: %.300s", path, answer.status, answer.body->data);
		fetch_answer_release(&answer);
		return e->code;
	}
	out->text = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (json_parse(&out->doc, "answer", out->text->data, out->text->len, NULL, e) < 0) {
		world_reply_release(out);
		return err_wrap(e, "GET %s", path);
	}
	return 0;
}

void world_reply_release(struct world_reply *r)
{
	json_free(r->doc);
	buf_free(r->text);
	*r = (struct world_reply){ 0 };
}

/* ---- turning ---- */

/* Has every machine that runs checked in since the last time this was so? */
static int all_seen(struct world *w, struct err *e)
{
	struct world_reply reply;
	const struct json *items;
	int seen = 1;

	for (size_t i = 0; i < w->machine_count; i++)
		if (w->machines[i].state != MACHINE_UP && w->machines[i].state != MACHINE_FROZEN &&
		    w->machines[i].state != MACHINE_OFF)
			return 0;
	if (world_get(w, "/v1/devices?limit=100", &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (size_t i = 0; i < w->machine_count && seen; i++) {
		const struct machine *m = &w->machines[i];

		if (m->state != MACHINE_UP)
			continue;
		seen = 0;
		for (uint32_t k = 0; items && k < items->count; k++) {
			const struct json *device = &items->u.items[k];
			const struct json *last = json_get(device, "last_seen");
			int64_t at;

			if (json_is(json_get(device, "device"), m->device) && last && last->type == JSON_STRING &&
			    clock_parse(&at, last->u.text, last->count) && at > w->all_seen_at)
				seen = 1;
		}
	}
	world_reply_release(&reply);
	return seen;
}

/*
 * Check-ins are an interval apart, more or less by chance. The clock runs ahead
 * of the last one at most WORLD_AHEAD_S, and waits there for who is late.
 */
static int step(struct world *w, struct err *e)
{
	int seen = all_seen(w, e);

	if (seen < 0)
		return seen;
	if (seen)
		w->all_seen_at = clock_now();
	if (clock_now() - w->all_seen_at < WORLD_AHEAD_S)
		*w->clock_ms += (int64_t)WORLD_STEP_S * 1000;
	return 0;
}

int world_until(struct world *w, bool advance, const char *what, world_done *done, void *arg, struct err *e)
{
	int64_t limit = clock_work_ms() + WORLD_LIMIT_MS;

	for (;;) {
		int answer;

		for (size_t i = 0; i < w->machine_count; i++)
			if (machine_turn(&w->machines[i], w, e) < 0)
				return err_wrap(e, "waiting until %s", what);
		answer = done(w, arg, e);
		if (answer < 0)
			return err_wrap(e, "waiting until %s", what);
		if (answer > 0)
			return 0;
		if (clock_work_ms() > limit)
			return err_set(e, ERR_TIMEOUT, "waited %d s in vain until %s", WORLD_LIMIT_MS / 1000, what);
		if (advance && step(w, e) < 0)
			return err_wrap(e, "waiting until %s", what);
		poll(NULL, 0, TURN_MS);
	}
}

/* ---- an installation ---- */

/* The kernel chose the port once; a restarted server must be found where it was. */
static int keep_port(struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, "server/ringholdd.ini");
	AUTO(buf) struct buf *old = NULL, *new = buf_new(0);
	const char *address = w->url + strlen("https://");
	char *line, *save;

	if (!path || !new)
		return err_memory(e);
	if (file_read(&old, path, 65536, e) < 0)
		return e->code;
	for (line = strtok_r(old->data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "listen", 6))
			buf_addf(new, "listen = %s\n", address);
		else
			buf_addf(new, "%s\n", line);
	}
	if (buf_check(new, e) < 0)
		return e->code;
	return file_replace(path, new->data, new->len, 0600, e);
}

/* The stories watch far more closely than a person would, all of them as one operator. */
static int let_it_ask(struct world *w, struct err *e)
{
	static const char limits[] = "token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\n";
	AUTO_FREE char *path = file_join(w->dir, "server/ringholdd.ini");
	AUTO(buf) struct buf *text = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&text, path, 65536, e) < 0)
		return e->code;
	buf_adds(text, limits);
	if (buf_check(text, e) < 0)
		return e->code;
	return file_replace(path, text->data, text->len, 0600, e);
}

int world_install(struct world *w, struct err *e)
{
	AUTO_FREE char *server = file_join(w->dir, "server");
	AUTO_FREE char *contract = file_join(w->tree, "deploy/demo/contract.json");

	if (!server || !contract)
		return err_memory(e);
	if (world_expect(w, 0, NULL, e, "ringhold", "init", w->dir, "--channel", w->channel, "--listen", "127.0.0.1:0",
			 NULL) < 0)
		return e->code;
	world_say(w, "keys, a first repository and a server's configuration are made");
	if (let_it_ask(w, e) < 0 || world_server_start(w, e) < 0 || keep_port(w, e) < 0)
		return e->code;
	world_say(w, "ringholdd listens on %s, TLS, its key pinned", w->url);
	if (world_promoter_start(w, e) < 0)
		return e->code;
	world_say(w, "a promoter, another process and user, watches it and co-signs for every ring but the first");
	return world_expect(w, 0, NULL, e, "ringhold", "contract", "register", contract, "--home", server, NULL);
}

/* ---- the machines ---- */

static int enrolment_of(struct world *w, const char *ring, struct buf **out, struct err *e)
{
	AUTO_FREE char *home = file_join(w->dir, "server");
	AUTO_FREE char *attribute = NULL;

	if (!home || asprintf(&attribute, "ring=%s", ring) < 0)
		return err_memory(e);
	if (world_expect(w, 0, out, e, "ringhold", "token", "enrol", "--attribute", attribute, "--home", home, NULL) < 0)
		return e->code;
	if (!strstr((*out)->data, "rh1:"))
		return err_set(e, ERR_FORMAT, "ringhold token enrol printed no enrolment string: %.200s", (*out)->data);
	return 0;
}

static int copy_file(const char *from, const struct machine *m, const char *to, struct err *e)
{
	AUTO_FREE char *path = machine_path(m, to);
	AUTO(buf) struct buf *bytes = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, from, (size_t)1 << 20, e) < 0)
		return e->code;
	return file_replace(path, bytes->data, bytes->len, 0644, e);
}

static int furnish(struct world *w, struct machine *m, struct err *e)
{
	AUTO_FREE char *root = file_join(w->dir, "root.json");
	AUTO_FREE char *contract = file_join(w->tree, "deploy/demo/contract.json");
	AUTO_FREE char *ini = machine_path(m, "etc/ringhold/agent.ini");
	AUTO_FREE char *text = NULL;

	if (!root || !contract || !ini ||
	    asprintf(&text, "[agent]\nattributes = ring=%s\nos = debian-12\nhost = %s\n\n[channel %s]\n", m->ring, m->name,
		     w->channel) < 0)
		return err_memory(e);
	if (copy_file(root, m, "etc/ringhold/trust/content.root.json", e) < 0 ||
	    copy_file(contract, m, "etc/ringhold/contract.json", e) < 0)
		return e->code;
	return file_replace(ini, text, strlen(text), 0644, e);
}

static int enrol(struct world *w, struct machine *m, const char *said, struct err *e)
{
	const char *at = strstr(said, "rh1:");
	AUTO_FREE char *string = strndup(at, strcspn(at, " \r\n"));

	if (!string)
		return err_memory(e);
	return world_expect(w, 0, NULL, e, "ringhold-agent", "enrol", string, "--root", m->root, NULL);
}

/* Learns the ids the server gave. Positive once every machine was heard of. */
static int all_heard(struct world *w, void *arg, struct err *e)
{
	struct world_reply reply;
	const struct json *items;
	size_t known = 0;

	(void)arg;
	if (world_get(w, "/v1/devices?limit=100", &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (uint32_t k = 0; items && k < items->count; k++) {
		const struct json *device = &items->u.items[k];
		const struct json *id = json_get(device, "device");
		const struct json *host = json_get(json_get(device, "facts"), "host");
		const struct json *seen = json_get(device, "last_seen");

		for (size_t i = 0; host && i < w->machine_count; i++)
			if (json_is(host, w->machines[i].name))
				snprintf(w->machines[i].device, sizeof w->machines[i].device, "%s", id->u.text);
		known += seen && seen->type == JSON_STRING;
	}
	world_reply_release(&reply);
	return known == w->machine_count;
}

int world_populate(struct world *w, struct err *e)
{
	static const char *const rings[] = { "canary", "early", "broad" };

	for (size_t i = 0; i < WORLD_MACHINES; i++) {
		const char *ring = rings[i * ARRAY_LEN(rings) / WORLD_MACHINES];
		struct machine *m = &w->machines[i];
		AUTO(buf) struct buf *said = NULL;

		if (machine_new(m, w, ring, (unsigned)(i % (WORLD_MACHINES / ARRAY_LEN(rings)) + 1), e) < 0)
			return e->code;
		m->at = i;
		w->machine_count = i + 1;
		if (enrolment_of(w, ring, &said, e) < 0 || furnish(w, m, e) < 0 || enrol(w, m, said->data, e) < 0 ||
		    machine_boot(m, w, e) < 0)
			return err_wrap(e, "%s", m->name);
	}
	if (world_until(w, false, "every endpoint checked in", all_heard, NULL, e) < 0)
		return e->code;
	world_say(w, "%zu endpoints in three rings are enrolled, booted and checked in", w->machine_count);
	return 0;
}
