/* world_verdict: how a world ends, and what its logs say of it. */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define LOG_MAX ((size_t)256 << 20)

static const char *finding_in(const char *text)
{
	static const char *const words[] = { "Sanitizer", "runtime error:" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *at = strstr(text, words[i]);

		if (at)
			return at;
	}
	return NULL;
}

/* From the beginning of its line. */
static int search(const char *path, struct err *e)
{
	AUTO(buf) struct buf *log = NULL;
	const char *at;

	if (file_read(&log, path, LOG_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	at = log->len ? finding_in(log->data) : NULL;
	if (!at)
		return 0;
	while (at > log->data && at[-1] != '\n')
		at--;
	fprintf(stderr, "%s:\n%.8000s\n", path, at);
	return err_set(e, ERR_CRASH, "%s: %.*s", path, (int)MIN(strcspn(at, "\n"), (size_t)160), at);
}

static int search_logs(const struct world *w, struct err *e)
{
	static const char *const names[] = { "server.log", "promoter.log" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_FREE char *path = file_join(w->dir, names[i]);

		if (!path)
			return err_memory(e);
		if (search(path, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < w->machine_count; i++)
		if (search(w->machines[i].log, e) < 0)
			return e->code;
	return 0;
}

/* All are told to end, whatever the one before did; *e has the first that did not as it should. */
static int end_all(struct world *w, struct err *e)
{
	struct err why;
	int first = 0;

	for (size_t i = 0; i < w->machine_count + 2; i++) {
		int got = i < w->machine_count	? machine_stop(&w->machines[i], &why) :
			  i == w->machine_count ? world_promoter_stop(w, SIGTERM, &why) :
						  world_server_stop(w, SIGTERM, &why);

		if (got < 0 && first == 0) {
			first = got;
			*e = why;
		}
	}
	return first;
}

int world_verdict(struct world *w, struct err *e)
{
	struct err found;
	int ended = end_all(w, e);

	/* What a log says is the reason why somebody did not end as they should. */
	if (search_logs(w, &found) < 0)
		*e = found;
	else if (ended == 0)
		return 0;
	return e->code;
}
