/*
 * memory_watch: what an agent and all processes below it take of the machine's
 * memory, watched by a thread while the test goes on.
 *
 * Counted is the proportional share (Pss of /proc/PID/smaps_rollup) of every
 * process of the tree: its own pages whole, and of pages that several
 * processes map, such as libraries, its part. The process that runs the
 * sensor's engine, a child of the canary process, has ceilings of its own, and
 * a sum of its own with all the others.
 */
#ifndef TESTS_AGENT_MEMORY_WATCH_H
#define TESTS_AGENT_MEMORY_WATCH_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

#define MEMORY_WATCH_EVERY_US 500

struct memory_watch {
	pid_t root;
	pthread_t thread;
	volatile bool over;
	long peak;                      /* kilobytes, of the whole tree at one time, but for the engine */
	long peak_with_engine;          /* ... and with it */
	long engine;                    /* the most that it took */
	unsigned looks;
	char at_peak[1024];             /* "judge 2100 kB, ..." */
};

static inline char *memory_watch_read(pid_t pid, const char *name)
{
	AUTO(buf) struct buf *text = NULL;
	char path[96];
	struct err ignored;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	if (file_read(&text, path, 65536, &ignored) < 0)
		return NULL;
	for (size_t i = 0; i + 1 < text->len; i++)      /* as in a command line */
		if (!text->data[i])
			text->data[i] = ' ';
	return buf_take(text);
}

static inline long memory_watch_share(pid_t pid)
{
	AUTO_FREE char *text = memory_watch_read(pid, "smaps_rollup");
	const char *at = text ? strstr(text, "\nPss:") : NULL;

	return at ? strtol(at + 5, NULL, 10) : 0;
}

/* Adds a process and what is below it, what runs the engine to *engine; words, as far as they fit, say what each takes. */
static inline long memory_watch_tree(pid_t pid, long *engine, char *words, size_t cap)
{
	AUTO_FREE char *line = memory_watch_read(pid, "cmdline");
	const char *role = line ? strstr(line, "--role ") : NULL;
	char children[64];
	bool canary = role && !strncmp(role + 7, "canary", 6);
	long sum = memory_watch_share(pid), below;
	size_t used = strlen(words);

	snprintf(words + used, cap - used, "%s%.*s %ld kB", used ? ", " : "", role ? (int)strcspn(role + 7, " ") : 10, role ? role + 7 : "supervisor", sum);
	snprintf(children, sizeof children, "task/%d/children", (int)pid);
	AUTO_FREE char *list = memory_watch_read(pid, children);
	for (char *at = list, *end; at && *at; at = end) {
		long child = strtol(at, &end, 10);

		if (end == at)
			break;
		below = memory_watch_tree((pid_t)child, engine, words, cap);
		*(canary ? engine : &sum) += below;
	}
	return sum;
}

static inline void *memory_watch_run(void *arg)
{
	struct memory_watch *w = arg;

	while (!w->over) {
		char words[sizeof w->at_peak] = "";
		long engine = 0, now = memory_watch_tree(w->root, &engine, words, sizeof words);

		w->engine = MAX(w->engine, engine);
		w->peak_with_engine = MAX(w->peak_with_engine, now + engine);

		if (now > w->peak) {
			w->peak = now;
			memcpy(w->at_peak, words, sizeof words);
		}
		w->looks++;
		usleep(MEMORY_WATCH_EVERY_US);
	}
	return NULL;
}

static inline void memory_watch_start(struct memory_watch *w, pid_t root)
{
	memset(w, 0, sizeof *w);
	w->root = root;
	assert_int_equal(pthread_create(&w->thread, NULL, memory_watch_run, w), 0);
}

static inline void memory_watch_stop(struct memory_watch *w)
{
	w->over = true;
	pthread_join(w->thread, NULL);
}

#endif
