/* transfer: one file below incoming/, named by its hash. */
#include "agent/transfer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

struct transfer transfer_named(const char *path, const struct digest *sha256, uint64_t length)
{
	struct transfer t = { path, sha256, length, "" };

	digest_hex(t.name, sha256);
	return t;
}

static int open_incoming(const struct channel *c, struct err *e)
{
	int fd = openat(c->boot.dir, "incoming", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : err_errno(e, "incoming");
}

void transfer_forget(const struct channel *c, const struct transfer *t)
{
	struct err ignored;
	AUTO_FD int dir = open_incoming(c, &ignored);

	if (dir >= 0 && unlinkat(dir, t->name, 0) < 0 && errno != ENOENT)
		log_warn("channel %s: incoming/%s: %s", c->state.name, t->name, strerror(errno));
}

static int open_file(const struct channel *c, const struct transfer *t, uint64_t *size, struct err *e)
{
	AUTO_FD int dir = open_incoming(c, e);
	struct stat st;
	int fd;

	if (dir < 0)
		return e->code;
	fd = openat(dir, t->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "incoming/%s", t->name);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	close(fd);
	return err_set(e, ERR_IO, "incoming/%s: no regular file", t->name);
}

int transfer_download(struct channel *c, const struct transfer *t, struct err *e)
{
	static struct message_download m;
	uint64_t size = 0;
	AUTO_FD int file = open_file(c, t, &size, e);

	if (file < 0)
		return e->code;
	if (size > t->length && ftruncate(file, 0) < 0)
		return err_errno(e, "incoming/%s", t->name);
	memset(&m, 0, sizeof m);
	m.repo = REPO_CONTENT;
	m.from = size > t->length ? 0 : size;
	m.max = t->length;
	snprintf(m.path, sizeof m.path, "%s", t->path);
	memcpy(m.token, c->host->credentials.now.token, sizeof m.token);
	return job_download(&c->job, c->host->s, &c->host->credentials.server, file, &m, e);
}

int transfer_verified(const struct channel *c, const struct transfer *t, struct err *e)
{
	uint64_t size = 0;
	AUTO_FD int file = open_file(c, t, &size, e);
	struct digest got;

	if (file < 0)
		return e->code;
	if (size != t->length)
		return 0;
	if (hash_fd(&got, file, NULL, e) < 0)
		return e->code;
	if (!digest_equal(&got, t->sha256))
		return err_set(e, ERR_REFUSED, "%s: the bytes are not the ones that were signed", t->path);
	return 1;
}

int transfer_open(const struct channel *c, const struct transfer *t, struct err *e)
{
	AUTO_FD int dir = open_incoming(c, e);
	int file;

	if (dir < 0)
		return e->code;
	file = openat(dir, t->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return file >= 0 ? file : err_errno(e, "incoming/%s", t->name);
}

static bool wanted(const struct channel *c, const char *name)
{
	const struct message_verdict *o = &c->state.offer;
	char archive[DIGEST_HEX_LEN + 1], delta[DIGEST_HEX_LEN + 1], again[DIGEST_HEX_LEN + 1];

	digest_hex(again, &c->upkeep.source.sha256);
	if (c->upkeep.bringing && !strcmp(name, again))
		return true;
	digest_hex(archive, &o->sha256);
	digest_hex(delta, &o->delta_sha256);
	return c->state.phase == PHASE_FETCHING && (!strcmp(name, archive) || !strcmp(name, delta));
}

void transfer_clean(const struct channel *c)
{
	struct err e;
	int dir = open_incoming(c, &e);
	DIR *list = dir >= 0 ? fdopendir(dir) : NULL;

	for (struct dirent *entry; list && (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !wanted(c, entry->d_name) &&
		    file_remove_treeat(dirfd(list), entry->d_name, &e) < 0)
			log_warn("channel %s: incoming: clean-up: %s", c->state.name, e.msg);
	if (list)
		closedir(list);
	else if (dir >= 0)
		close(dir);
}
