/*
 * channel_drops: drop.d/<digest>, the rules left out of that content, for a
 * sensor that starts before the agent (boot/sensor_list.c). On disk before the
 * boot record names the content; gone with it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "base/file.h"
#include "base/log.h"
#include "boot/sensor_status.h"

#define LIST_MAX ((size_t)1 << 20)

static int open_lists(const struct channel *c, struct err *e)
{
	int fd = openat(c->boot.dir, SENSOR_DROP_KEPT, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 ? fd : err_errno(e, SENSOR_DROP_KEPT);
}

static int add_line(void *arg, const char *rule, struct err *e)
{
	struct buf *out = arg;

	buf_adds(out, rule);
	buf_addc(out, '\n');
	return buf_check(out, e);
}

int channel_keep_drops(const struct channel *c, const struct digest *d, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(LIST_MAX), *old = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	AUTO_FD int dir = open_lists(c, e);
	struct err none;

	if (dir < 0)
		return e->code;
	if (!text)
		return err_memory(e);
	digest_hex(hex, d);
	buf_addf(text, "%s\n", hex);
	if (journal_drops(c->host->journal, c->state.name, d, add_line, text, e) < 0)
		return e->code;
	if (text->len == DIGEST_HEX_LEN + 1)
		return unlinkat(dir, hex, 0) < 0 && errno != ENOENT ? err_errno(e, "%s/%s: remove", SENSOR_DROP_KEPT, hex) : 0;
	if (file_readat(&old, dir, hex, LIST_MAX, &none) == 0 && old->len == text->len && !memcmp(old->data, text->data, text->len))
		return 0;
	return file_replaceat(dir, hex, text->data, text->len, 0644, e);
}

/* The list as it is on record: sorted, and a line each, it is what the digest is made of. */
int channel_drops_digest(const struct channel *c, const struct digest *d, struct digest *out, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(LIST_MAX);

	if (!text)
		return err_memory(e);
	if (journal_drops(c->host->journal, c->state.name, d, add_line, text, e) < 0)
		return e->code;
	*out = (struct digest){ { 0 } };
	if (text->len)
		hash_bytes(out, text->data, text->len);
	return 0;
}

bool channel_drops_are(const struct channel *c, const struct digest *list)
{
	AUTO(buf) struct buf *text = buf_new(LIST_MAX);
	struct digest is = { { 0 } };
	struct err e;

	for (size_t i = 0; text && i < c->drop_count; i++)
		if (add_line(text, c->drops[i], &e) < 0)
			return false;
	if (text && text->len)
		hash_bytes(&is, text->data, text->len);
	return text && digest_equal(&is, list);
}

static bool named(const char *name, const struct digest *keep)
{
	struct digest d;

	for (size_t i = 0; digest_parse(&d, name, strlen(name)) && i < JOURNAL_KEEP; i++)
		if (digest_equal(&d, &keep[i]))
			return true;
	return false;
}

void channel_clean_drops(const struct channel *c, const struct digest keep[JOURNAL_KEEP])
{
	struct err e;
	int fd = open_lists(c, &e);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

	for (struct dirent *entry; list && (entry = readdir(list));)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !named(entry->d_name, keep) &&
		    unlinkat(fd, entry->d_name, 0) < 0)
			log_warn("channel %s: %s/%s: %s", c->state.name, SENSOR_DROP_KEPT, entry->d_name, strerror(errno));
	if (list)
		closedir(list);
	else if (fd >= 0)
		close(fd);
}
