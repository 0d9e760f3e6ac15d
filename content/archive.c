/* archive: the one spelling of each header, and D. */
#include "content/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/name.h"

/* POSIX.1-1988 ustar, 512 bytes. */
struct ustar {
	char name[100];
	char mode[8];
	char uid[8];
	char gid[8];
	char size[12];
	char mtime[12];
	char chksum[8];
	char typeflag;
	char linkname[100];
	char magic[6];
	char version[2];
	char uname[32];
	char gname[32];
	char devmajor[8];
	char devminor[8];
	char prefix[155];
	char pad[12];
};
_Static_assert(sizeof(struct ustar) == ARCHIVE_BLOCK, "a ustar header is one block");

#define FIRST "manifest.json"   /* its JSON is content/manifest.c's business */

static const uint8_t zeros[ARCHIVE_BLOCK];

/* Bytes before the slash at which path is split; 0: all of it is the name; -1: it does not fit. */
static int prefix_len(const char *path, size_t len)
{
	const struct ustar *h = NULL;

	if (len <= sizeof h->name)
		return 0;
	for (size_t i = len - sizeof h->name - 1; i <= sizeof h->prefix && i < len; i++)
		if (path[i] == '/')
			return i ? (int)i : -1;
	return -1;
}

bool archive_path_valid(const char *path, size_t len)
{
	return name_path_valid(path, len) && prefix_len(path, len) >= 0;
}

uint64_t archive_padded(uint64_t size)
{
	return (size + ARCHIVE_BLOCK - 1) / ARCHIVE_BLOCK * ARCHIVE_BLOCK;
}

static void put_octal(char *field, size_t digits, uint64_t value)
{
	field[digits] = '\0';
	while (digits--) {
		field[digits] = (char)('0' + (value & 7));
		value >>= 3;
	}
}

static unsigned checksum(const uint8_t *block)
{
	unsigned sum = 0;

	for (size_t i = 0; i < ARCHIVE_BLOCK; i++)
		sum += block[i];
	return sum;
}

void archive_header(uint8_t out[ARCHIVE_BLOCK], const char *path, uint64_t size)
{
	struct ustar h = { .typeflag = '0' };
	size_t len = strlen(path);
	int before = prefix_len(path, len);

	if (before > 0) {
		memcpy(h.prefix, path, (size_t)before);
		path += before + 1;
		len -= (size_t)before + 1;
	}
	memcpy(h.name, path, MIN(len, sizeof h.name));
	put_octal(h.mode, 7, 0644);
	put_octal(h.uid, 7, 0);
	put_octal(h.gid, 7, 0);
	put_octal(h.size, 11, size);
	put_octal(h.mtime, 11, 0);
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	put_octal(h.devmajor, 7, 0);
	put_octal(h.devminor, 7, 0);
	memset(h.chksum, ' ', sizeof h.chksum);
	memcpy(out, &h, sizeof h);
	/* Six digits, NUL, blank: as every tar has written it. */
	put_octal((char *)out + offsetof(struct ustar, chksum), 6, checksum(out));
}

bool archive_header_size(const uint8_t header[ARCHIVE_BLOCK], uint64_t *size)
{
	const uint8_t *field = header + offsetof(struct ustar, size);
	uint64_t value = 0;

	for (int i = 0; i < 11; i++) {
		if (field[i] < '0' || field[i] > '7')
			return false;
		value = value << 3 | (uint64_t)(field[i] - '0');
	}
	*size = value;
	return true;
}

/* ---- D ---- */

struct archive_digest {
	struct hash *hash;
	char last[PATH_LEN_MAX + 1];    /* the member before; empty at the start */
	bool open;                      /* between begin and end */
	uint64_t left;                  /* bytes of the open member still to come */
	uint64_t member;                /* bytes of the open member */
	uint64_t total;                 /* bytes of the stream so far */
};

struct archive_digest *archive_digest_new(void)
{
	AUTO(archive_digest) struct archive_digest *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	d->hash = hash_new();
	return d->hash ? TAKE(d) : NULL;
}

void archive_digest_free(struct archive_digest *d)
{
	if (!d)
		return;
	hash_free(d->hash);
	free(d);
}

static void stream(struct archive_digest *d, const void *bytes, size_t len)
{
	hash_add(d->hash, bytes, len);
	d->total += len;
}

/* Members that come in the order of the archive come once each. */
static bool in_order(const struct archive_digest *d, const char *path)
{
	bool first = !strcmp(path, FIRST);

	if (!*d->last || first)
		return !*d->last && first;
	return !strcmp(d->last, FIRST) || strcmp(d->last, path) < 0;
}

int archive_digest_begin(struct archive_digest *d, const char *path, uint64_t size, struct err *e)
{
	uint8_t header[ARCHIVE_BLOCK];
	size_t len = strnlen(path, PATH_LEN_MAX + 1);

	if (!archive_path_valid(path, len))
		return err_set(e, ERR_FORMAT, "archive: a member with a path no bundle may hold");
	if (d->open)
		return err_set(e, ERR_FORMAT, "archive: %s begins before %s ends", path, d->last);
	if (!in_order(d, path))
		return err_set(e, ERR_FORMAT, "archive: %s is out of order", path);
	if (size > ARCHIVE_SIZE_MAX || d->total + archive_padded(size) > ARCHIVE_SIZE_MAX)
		return err_set(e, ERR_LIMIT, "archive: %s: more than %llu bytes in all", path,
			       (unsigned long long)ARCHIVE_SIZE_MAX);
	memcpy(d->last, path, len + 1);
	archive_header(header, path, size);
	stream(d, header, sizeof header);
	d->open = true;
	d->member = d->left = size;
	return 0;
}

int archive_digest_data(struct archive_digest *d, const void *bytes, size_t len, struct err *e)
{
	if (!d->open || len > d->left)
		return err_set(e, ERR_FORMAT, "archive: %s: more bytes than announced", d->last);
	stream(d, bytes, len);
	d->left -= len;
	return 0;
}

int archive_digest_end(struct archive_digest *d, struct err *e)
{
	if (!d->open || d->left)
		return err_set(e, ERR_FORMAT, "archive: %s: %llu bytes are missing", d->last,
			       (unsigned long long)d->left);
	stream(d, zeros, (size_t)(archive_padded(d->member) - d->member));
	d->open = false;
	return 0;
}

int archive_digest_finish(struct archive_digest *d, struct digest *out, uint64_t *size, struct err *e)
{
	if (d->open || !*d->last)
		return err_set(e, ERR_FORMAT, "archive: it ends %s %s",
			       d->open ? "inside" : "before", d->open ? d->last : FIRST);
	stream(d, zeros, sizeof zeros);
	stream(d, zeros, sizeof zeros);
	hash_final(d->hash, out);
	if (size)
		*size = d->total;
	return 0;
}
