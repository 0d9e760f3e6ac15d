/* slots: look-up and clean-up. A slot is renamed to a dot name before it is taken apart. */
#include "agent/slots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/home.h"
#include "base/file.h"

int slots_open(int channel_dir, struct err *e)
{
	int fd = openat(channel_dir, "slots", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : err_errno(e, "slots");
}

int slots_open_slot(int channel_dir, const struct digest *d, struct err *e)
{
	char name[DIGEST_HEX_LEN + 1];
	AUTO_FD int slots = slots_open(channel_dir, e);
	int fd;

	if (slots < 0)
		return e->code;
	digest_hex(name, d);
	fd = openat(slots, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : err_errno(e, "slot %s", name);
}

bool slots_have(int channel_dir, const struct digest *d)
{
	struct err ignored;
	AUTO_FD int fd = slots_open_slot(channel_dir, d, &ignored);

	return fd >= 0;
}

int slots_sync(int channel_dir, struct err *e)
{
	AUTO_FD int slots = slots_open(channel_dir, e);

	if (slots < 0)
		return e->code;
	return fsync(slots) < 0 ? err_errno(e, "slots: fsync") : 0;
}

int slots_path(char *out, size_t cap, const char *root, const char *channel, const struct digest *d, struct err *e)
{
	char hex[DIGEST_HEX_LEN + 1];
	int n;

	digest_hex(hex, d);
	n = snprintf(out, cap, "%s" HOME_CHANNELS "/%s/slots/%s", root, channel, hex);
	return n > 0 && (size_t)n < cap ? 0 : err_set(e, ERR_LIMIT, "slot %s: path too long", hex);
}

/* The whole path of a descriptor, for the tree walk of base/file. */
static int path_of(char out[HOME_PATH_MAX], int dir, const char *name, struct err *e)
{
	char link[64], base[HOME_PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
	n = readlink(link, base, sizeof base - 1);
	if (n < 0)
		return err_errno(e, "%s", link);
	base[n] = 0;
	if ((size_t)snprintf(out, HOME_PATH_MAX, "%s/%s", base, name) >= HOME_PATH_MAX)
		return err_set(e, ERR_LIMIT, "%s: path too long", name);
	return 0;
}

static int remove_tree(int slots, const char *name, struct err *e)
{
	char path[HOME_PATH_MAX];

	return path_of(path, slots, name, e) < 0 ? e->code : file_remove_tree(path, e);
}

/* 1 nobody reads it, nor will while *slot is open; 0 it is absent. */
static int lock_alone(int *slot, int slots, const char *name, struct err *e)
{
	*slot = openat(slots, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (*slot < 0)
		return errno == ENOENT ? 0 : err_errno(e, "slot %s", name);
	return flock(*slot, LOCK_EX | LOCK_NB) < 0 ? err_set(e, ERR_CONFLICT, "slot %s: in use", name) : 1;
}

static int remove_named(int slots, const char *name, struct err *e)
{
	char away[DIGEST_HEX_LEN + 8];
	AUTO_FD int slot = -1;
	int rc = lock_alone(&slot, slots, name, e);

	if (rc <= 0)
		return rc;
	snprintf(away, sizeof away, ".%.64s.old", name);
	if (remove_tree(slots, away, e) < 0)
		return e->code;
	if (renameat(slots, name, slots, away) < 0)
		return err_errno(e, "slot %s", name);
	return remove_tree(slots, away, e);
}

int slots_remove(int channel_dir, const struct digest *d, struct err *e)
{
	char name[DIGEST_HEX_LEN + 1];
	AUTO_FD int slots = slots_open(channel_dir, e);

	if (slots < 0)
		return e->code;
	digest_hex(name, d);
	return remove_named(slots, name, e);
}

static bool kept(const char *name, const struct digest *keep, size_t count)
{
	struct digest d;

	if (!digest_parse(&d, name, strlen(name)))
		return true;    /* not ours to judge */
	for (size_t i = 0; i < count; i++)
		if (digest_equal(&d, &keep[i]))
			return true;
	return false;
}

/* What a replacement left, or a writer that was killed; one that lives, and a reader, hold a lock. */
static int remove_hidden(int slots, const char *name, struct err *e)
{
	AUTO_FD int tree = -1;
	int rc = lock_alone(&tree, slots, name, e);

	if (rc == ERR_CONFLICT)
		return 0;
	return remove_tree(slots, name, e) < 0 ? e->code : 1;
}

static int clean_one(int slots, const char *name, const struct digest *keep, size_t count, struct err *e)
{
	int rc;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (*name == '.')
		return remove_hidden(slots, name, e);
	if (kept(name, keep, count))
		return 0;
	rc = remove_named(slots, name, e);
	return rc == ERR_CONFLICT ? 0 : rc < 0 ? rc : 1;
}

int slots_clean(int channel_dir, const struct digest *keep, size_t count, struct err *e)
{
	int fd = slots_open(channel_dir, e), rc = 0, gone = 0;
	struct dirent *entry;
	DIR *list;

	if (fd < 0)
		return e->code;
	list = fdopendir(fd);
	if (!list) {
		close(fd);
		return err_errno(e, "slots");
	}
	while (rc >= 0 && (entry = readdir(list))) {
		rc = clean_one(dirfd(list), entry->d_name, keep, count, e);
		gone += rc > 0;
	}
	closedir(list);
	return rc < 0 ? rc : gone;
}
