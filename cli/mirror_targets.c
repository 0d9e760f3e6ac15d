/* mirror_targets: target files, each resumed where an earlier run was cut short. */
#include "cli/mirror_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/name.h"
#include "signing/verify.h"

#define PART ".part"            /* one that is still arriving */

static bool wanted(const struct work *k, const struct metadata_target *t)
{
	const char *path = t->path.text, *end;

	if (!k->plan->channels->count || strncmp(path, "bundles/", 8) != 0)
		return true;
	path += 8;
	end = strchr(path, '/');
	for (size_t i = 0; end && i < k->plan->channels->count; i++)
		if (strlen(k->plan->channels->items[i]) == (size_t)(end - path) && !memcmp(k->plan->channels->items[i], path, (size_t)(end - path)))
			return true;
	return false;
}

static bool target_in(const char *dir, const char *rel, const struct metadata_target *t)
{
	AUTO_FREE char *path = file_join(dir, rel);
	AUTO_FD int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
	struct err why;

	return fd >= 0 && metadata_file_check_fd(&t->file, rel, fd, &why) == 0;
}

/* Goes on where an earlier run was cut short. 0, or 1: what had arrived before was damaged, begin anew. */
static int download(struct work *k, const char *url, const char *part, const struct metadata_target *t)
{
	AUTO_FD int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	uint64_t length = (uint64_t)t->file.length, from;
	struct stat st;
	int status = 200;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(k->e, "%s: create", part);
	from = (uint64_t)st.st_size > length ? 0 : (uint64_t)st.st_size;
	if (from < length || !from)
		status = fetch_to_fd(k->files.fetch, url, NULL, fd, from, length, k->e);
	if (status < 0)
		return status;
	if (status != 200 && status != 206) {
		unlink(part);
		return err_set(k->e, ERR_NET, "%s: status %d", url, status);
	}
	mirror_count(k, length - from);
	if (metadata_file_check_fd(&t->file, t->path.text, fd, k->e) < 0) {
		unlink(part);
		return from ? 1 : k->e->code;
	}
	return fsync(fd) < 0 ? err_errno(k->e, "%s: write", part) : 0;
}

static int fetch_target(struct work *k, const char *name, const char *rel, const struct metadata_target *t)
{
	AUTO_FREE char *path = file_join(k->stage, rel), *part = NULL;
	AUTO(buf) struct buf *url = buf_new(0);
	int rc;

	if (!path || !url)
		return err_memory(k->e);
	if (asprintf(&part, "%s" PART, path) < 0) {
		part = NULL;
		return err_memory(k->e);
	}
	repo_files_target_url(url, &k->files, name);
	if (buf_check(url, k->e) < 0 || mirror_make_parent(path, k->e) < 0)
		return k->e->code;
	rc = download(k, url->data, part, t);
	if (rc > 0)
		rc = download(k, url->data, part, t);
	if (rc < 0)
		return rc;
	return rename(part, path) < 0 ? err_errno(k->e, "%s: rename", part) : 0;
}

int mirror_copy_target(struct work *k, const struct metadata_target *t)
{
	AUTO(buf) struct buf *name = buf_new(0), *rel = buf_new(0);

	if (!name || !rel)
		return err_memory(k->e);
	if (!name_path_valid(t->path.text, t->path.len))
		return err_set(k->e, ERR_REFUSED, "\"%.100s\" is no path that a plain file can have", t->path.text);
	if (!wanted(k, t)) {
		k->report->left_out++;
		return 0;
	}
	if (tuf_client_target_name(k->client, t, name, k->e) < 0)
		return k->e->code;
	buf_addf(rel, "targets/%s", name->data);
	if (buf_check(rel, k->e) < 0 || mirror_add_name(k, k->targets, rel->data) < 0)
		return k->e->code;
	k->report->targets++;
	if (target_in(k->plan->dir, rel->data, t))
		return mirror_unstage(k, rel->data);
	if (target_in(k->stage, rel->data, t))
		return 0;
	if (!k->plan->dry)
		return fetch_target(k, name->data, rel->data, t);
	mirror_count(k, (uint64_t)t->file.length);
	return 0;
}
