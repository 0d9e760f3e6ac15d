/* loader_events: events as files; answers found again by the event's own bytes. */
#include "content/loader_events.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "content/event_sample.h"

struct known {
	struct digest event;            /* of its JSON */
	size_t at;
};

struct loader_events {
	char dir[PATH_MAX + 8];
	int fd;                         /* of dir; -1 before the first event */
	struct known *known;            /* sorted once settled */
	struct loader_answer *answers;
	size_t count, room;
	uint64_t bytes;
};

struct loader_events *loader_events_new(void)
{
	struct loader_events *v = calloc(1, sizeof(*v));

	if (v)
		v->fd = -1;
	return v;
}

void loader_events_free(struct loader_events *v)
{
	if (!v)
		return;
	if (v->fd >= 0)
		close(v->fd);
	free(v->known);
	free(v->answers);
	free(v);
}

size_t loader_events_count(const struct loader_events *v)
{
	return v->count;
}

const char *loader_events_dir(const struct loader_events *v)
{
	return v->dir;
}

static int text_of(struct buf **out, const struct json *event, struct err *e)
{
	struct json_writer w = { .out = *out = buf_new(2 * LOADER_EVENT_MAX) };

	if (!w.out)
		return err_memory(e);
	json_put_value(&w, NULL, event);
	return buf_check(w.out, e);
}

static int open_dir(struct loader_events *v, const char *home, struct err *e)
{
	if (v->fd >= 0)
		return 0;
	snprintf(v->dir, sizeof v->dir, "%s/events", home);
	if (mkdir(v->dir, 0700) < 0)
		return err_errno(e, "%s", v->dir);
	v->fd = open(v->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return v->fd < 0 ? err_errno(e, "%s", v->dir) : 0;
}

static int put(const struct loader_events *v, const char *name, const void *bytes, size_t len, struct err *e)
{
	AUTO_FD int fd = openat(v->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_errno(e, "event %s", name);
	return file_write_all(fd, bytes, len, e);
}

static int grow(struct loader_events *v, struct err *e)
{
	size_t room = v->room ? 2 * v->room : 64;
	struct known *more;

	if (v->count < v->room)
		return 0;
	more = realloc(v->known, room * sizeof(*more));
	if (!more)
		return err_memory(e);
	v->known = more;
	v->room = room;
	return 0;
}

int loader_events_add(struct loader_events *v, const struct loader_job *job, const char *home, const struct json_doc *d,
		      const struct json *event, struct err *e)
{
	AUTO(buf) struct buf *text = NULL, *own = NULL;
	struct json_string bytes;
	char name[32];

	if (text_of(&text, event, e) < 0 || open_dir(v, home, e) < 0 || grow(v, e) < 0)
		return e->code;
	bytes = (struct json_string){ text->data, text->len };
	if (event_sample_is(event) && event_sample_get(&bytes, &own, job->slot, job->manifest, d, event, e) < 0)
		return e->code;
	if (v->count == LOADER_EVENTS_MAX || bytes.len + text->len > LOADER_EVENTS_BYTES - v->bytes)
		return err_set(e, ERR_LIMIT, "more than %d events, or %d MB of them, for one check command", LOADER_EVENTS_MAX,
			       (int)(LOADER_EVENTS_BYTES >> 20));
	v->bytes += bytes.len + text->len;
	hash_bytes(&v->known[v->count].event, text->data, text->len);
	v->known[v->count].at = v->count;
	v->count++;
	snprintf(name, sizeof name, "%zu", v->count);
	if (put(v, name, bytes.text, bytes.len, e) < 0)
		return e->code;
	snprintf(name, sizeof name, "%zu.json", v->count);
	return put(v, name, text->data, text->len, e);
}

int loader_events_ask(struct loader_events *v, struct loader_answers *out, struct err *e)
{
	free(v->answers);
	v->answers = calloc(v->count, sizeof(*v->answers));
	if (!v->answers)
		return err_memory(e);
	*out = (struct loader_answers){ .of = v->answers, .count = v->count };
	return 0;
}

static int by_event(const void *a, const void *b)
{
	return memcmp(&((const struct known *)a)->event, &((const struct known *)b)->event, sizeof(struct digest));
}

size_t loader_events_settle(struct loader_events *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (!v->answers[i].given)
			return i + 1;
	qsort(v->known, v->count, sizeof(*v->known), by_event);
	return 0;
}

const struct detection *loader_events_find(const struct loader_events *v, const struct json *event, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct known key;
	const struct known *found;

	e->code = 0;
	if (!v->answers || text_of(&text, event, e) < 0)
		return NULL;
	hash_bytes(&key.event, text->data, text->len);
	found = bsearch(&key, v->known, v->count, sizeof(*v->known), by_event);
	return found ? &v->answers[found->at].detection : NULL;
}
