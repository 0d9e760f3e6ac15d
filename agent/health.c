/* health: rounds of checks, one command at a time. */
#include "agent/health.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/home.h"
#include "base/file.h"

#define OUTPUT_MAX 4096
#define SLOW_MOST 3

static const char *const dirs[] = { HEALTH_WANTED, HEALTH_REQUIRED };

void health_stop(struct health *h)
{
	errand_stop(&h->errand);
	h->next = h->count;
}

void health_begin(struct health *h)
{
	errand_stop(&h->errand);
	memset(h, 0, sizeof *h);
}

static void PRINTF_LIKE(2, 3) fail(struct health *h, const char *fmt, ...)
{
	va_list args;

	h->failed = true;
	h->passed = false;
	va_start(args, fmt);
	vsnprintf(h->words, sizeof h->words, fmt, args);
	va_end(args);
}

/* ---- which checks there are ---- */

/* As run-parts: backups of editors and packages are no checks. */
static bool is_check(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= HEALTH_NAME_MAX &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}

static int by_name(const void *a, const void *b)
{
	const struct health_check *x = a, *y = b;

	if (x->required != y->required)
		return x->required ? -1 : 1;
	return strcmp(x->name, y->name);
}

static bool was_told(const struct health_check *before, unsigned count, bool required, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (before[i].required == required && before[i].told && !strcmp(before[i].name, name))
			return true;
	return false;
}

static int list_dir(struct health *h, const char *root, bool required, const struct health_check *before, unsigned before_count, struct err *e)
{
	char path[HOME_PATH_MAX];
	struct dirent *d;
	int rc = 0;
	DIR *dir;

	if (home_path(path, root, dirs[required], e) < 0)
		return e->code;
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : err_errno(e, "%s", path);
	while (rc == 0 && (d = readdir(dir))) {
		struct health_check *c = &h->checks[h->count];

		if (!is_check(d->d_name))
			continue;
		if (h->count == HEALTH_CHECKS_MAX) {
			rc = err_set(e, ERR_LIMIT, "%s: more than %d checks", path, HEALTH_CHECKS_MAX);
			break;
		}
		*c = (struct health_check){ .required = required };
		memcpy(c->name, d->d_name, strlen(d->d_name) + 1);
		c->told = was_told(before, before_count, required, c->name);
		h->count++;
	}
	closedir(dir);
	return rc;
}

void health_warnings(const struct health *h, char *out, size_t cap)
{
	size_t used = 0;

	out[0] = 0;
	for (unsigned i = 0; i < h->count && used < cap; i++)
		if (!h->checks[i].required && h->checks[i].told)
			used += (size_t)snprintf(out + used, cap - used, "%s%s", used ? ", " : "", h->checks[i].name);
}

static void begin_round(struct health *h, const struct health_job *job)
{
	struct health_check before[HEALTH_CHECKS_MAX];
	unsigned before_count = h->count;
	struct err e;

	memcpy(before, h->checks, sizeof before);
	h->count = h->next = 0;
	h->spoilt = false;
	if (list_dir(h, job->root, true, before, before_count, &e) < 0 || list_dir(h, job->root, false, before, before_count, &e) < 0) {
		if (strncmp(h->words, e.msg, 300) != 0)
			job->tell(job->arg, e.msg);
		snprintf(h->words, sizeof h->words, "%.300s", e.msg);
		h->count = 0;
		h->spoilt = true;
	}
	qsort(h->checks, h->count, sizeof *h->checks, by_name);
}

/* ---- running them ---- */

static int start(struct health *h, const struct health_job *job, struct err *e)
{
	const struct health_check *c = &h->checks[h->next];
	char path[HOME_PATH_MAX];
	char *argv[8];
	size_t n = 0;

	if (home_pathf(path, e, job->root, "%s/%s", dirs[c->required], c->name) < 0 || file_check_private(path, false, e) < 0)
		return e->code;
	for (; job->argv[n] && n + 1 < sizeof argv / sizeof *argv; n++)
		argv[n] = job->argv[n];
	argv[0] = path;
	argv[n] = NULL;
	struct proc_run run = { .path = path, .argv = argv, .stdin_fd = -1, .timeout_ms = job->limit_ms, .output_max = OUTPUT_MAX };

	return errand_start(&h->errand, &run, e);
}

static void warn(struct health_check *c, const char *words, const struct health_job *job)
{
	char text[320];

	if (c->told)
		return;
	c->told = true;
	snprintf(text, sizeof text, "wanted health check %s: %.200s", c->name, words);
	job->tell(job->arg, text);
}

static void spoil(struct health *h)
{
	h->next = h->count;
	h->spoilt = true;
	h->passed = false;
}

/* Its own trouble, for people to mend: no fault of the content, and no word for it either. */
static void unfit(struct health *h, const struct err *e, const struct health_job *job)
{
	struct health_check *c = &h->checks[h->next];
	char text[320];

	snprintf(text, sizeof text, "%s health check %s cannot be run: %.200s", c->required ? "required" : "wanted", c->name, e->msg);
	if (!c->told)
		job->tell(job->arg, text);
	c->told = true;
	if (c->required)
		spoil(h);
	else
		h->next++;
}

static void over(struct health *h, const struct errand_result *r, const struct health_job *job)
{
	struct health_check *c = &h->checks[h->next];
	struct err why;

	if (!r->ran) {
		err_set(&why, ERR_IO, "%s", r->words);
		unfit(h, &why, job);
		return;
	}
	h->next++;
	if (r->passed) {
		h->slow = c->required ? 0 : h->slow;
		c->told = false;
	} else if (!c->required) {
		warn(c, r->words, job);
	} else if (r->timed_out && ++h->slow < SLOW_MOST) {
		spoil(h);
	} else {
		fail(h, "required health check %s: %.200s", c->name, r->words);
	}
}

static void note_passed(struct health *h)
{
	if (!h->failed && !h->spoilt && h->next == h->count)
		h->passed = true;
}

void health_turn(struct health *h, const struct health_job *job)
{
	struct errand_result r;
	struct err e;

	if (h->failed)
		return;
	if (h->errand.pid) {
		if (!errand_over(&h->errand, &r))
			return;
		over(h, &r, job);
	} else if (h->next == h->count) {
		if (h->round_at && job->now_ms < h->round_at)
			return;
		begin_round(h, job);
		h->round_at = job->now_ms + job->every_ms;
	}
	note_passed(h);
	if (h->failed || h->next == h->count)
		return;
	if (start(h, job, &e) < 0)
		unfit(h, &e, job);
	note_passed(h);
}
