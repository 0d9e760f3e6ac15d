/* world: a whole installation in one temporary directory: it is made, turned and ended. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"

#define TURN_MS 20
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
