/* requests_sweep: what nobody needs any more goes, but nothing that an open request is about. */
#include "server/requests_sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/requests_bundle.h"
#include "server/requests_parts.h"

#define UPLOAD_LIFE_S 86400

/* ---- uploads ---- */

static bool old(int dir, const char *name, int64_t now)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && now - st.st_mtime > UPLOAD_LIFE_S;
}

int requests_sweep_uploads(struct server *s, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *needed = buf_new(0);
	struct dirent *entry;
	DIR *dir;

	if (!needed)
		return err_memory(e);
	/* What is needed is not known: then nothing goes. */
	if (requests_bundle_uploads(s, needed, e) < 0)
		return err_wrap(e, "uploads");
	dir = opendir(s->uploads);
	if (!dir)
		return err_errno(e, "%s: open", s->uploads);
	while ((entry = readdir(dir)))
		if (old(dirfd(dir), entry->d_name, now) && !strstr(needed->len ? needed->data : "", entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return 0;
}

/* ---- the repository ---- */

struct drafts {
	struct sigreq **requests;       /* owned */
	size_t request_count;
	const struct metadata **items;  /* borrowed from them */
	size_t count;
};

static void drafts_release(struct drafts *d)
{
	for (size_t i = 0; i < d->request_count; i++)
		sigreq_free(d->requests[i]);
	free(d->requests);
	free(d->items);
}

/* With `requests` held. */
static int load_drafts(struct server *s, struct drafts *d, struct err *e)
{
	AUTO_FREE struct requests_row *rows = NULL;
	size_t count;

	if (requests_list(s, REQUESTS_OPEN, &rows, &count, e) < 0)
		return e->code;
	d->requests = calloc(count + 1, sizeof(struct sigreq *));
	d->items = calloc(count * SIGREQ_DRAFTS_MAX + 1, sizeof(struct metadata *));
	if (!d->requests || !d->items)
		return err_memory(e);
	for (size_t i = 0; i < count; i++) {
		AUTO_ROW row = { 0 };
		struct sigreq *q = NULL;

		if (requests_load(s, rows[i].id, &row, &q, e) < 0)
			return e->code;
		d->requests[d->request_count++] = q;
		for (size_t k = 0; k < q->draft_count; k++)
			d->items[d->count++] = q->drafts[k].draft;
	}
	return 0;
}

int requests_sweep_repository(struct server *s, int64_t now, uint64_t *bytes, struct err *e)
{
	__attribute__((cleanup(drafts_release))) struct drafts d = { 0 };
	struct retention keep = s->config->keep;
	int got;

	*bytes = 0;
	/* Held until the end: a request that opens meanwhile would not be counted. */
	pthread_mutex_lock(&s->requests);
	got = load_drafts(s, &d, e);
	keep.waiting = d.items;
	keep.waiting_count = d.count;
	if (got == 0)
		got = desk_sweep(s->desk, &keep, now, bytes, e);
	pthread_mutex_unlock(&s->requests);
	return got;
}
