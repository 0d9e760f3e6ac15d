/* content_plane: the published repository as plain files, with ranges for resuming. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/name.h"
#include "server/handlers.h"

#define IMMUTABLE "public, max-age=31536000, immutable"

/* Opens a regular file beneath dir, following no link in any segment. */
static int open_beneath(int dir, const char *path)
{
	char segment[PATH_LEN_MAX + 1];
	int at = fcntl(dir, F_DUPFD_CLOEXEC, 0);

	while (at >= 0) {
		size_t len = strcspn(path, "/");
		bool last = !path[len];
		int next;

		memcpy(segment, path, len);
		segment[len] = '\0';
		next = openat(at, segment, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
		close(at);
		if (last)
			return next;
		at = next;
		path += len + 1;
	}
	return -1;
}

/* "bytes=5-", "bytes=5-9", "bytes=-3"; one range. 0 none or not understood (send all), 1 a range, -1 outside. */
static int parse_range(const char *text, uint64_t size, uint64_t *from, uint64_t *length)
{
	uint64_t first, last = size - 1;
	char *end;

	if (!text || strncasecmp(text, "bytes=", 6) != 0 || strchr(text, ','))
		return 0;
	text += 6;
	errno = 0;
	if (text[0] == '-') {
		if (text[1] < '0' || text[1] > '9')
			return 0;
		first = strtoull(text + 1, &end, 10);
		if (*end || errno)
			return 0;
		if (first == 0 || size == 0)
			return -1;
		first = first > size ? 0 : size - first;
	} else {
		if (text[0] < '0' || text[0] > '9')
			return 0;
		first = strtoull(text, &end, 10);
		if (errno || *end != '-')
			return 0;
		if (end[1]) {
			if (end[1] < '0' || end[1] > '9')
				return 0;
			last = strtoull(end + 1, &end, 10);
			if (errno || *end || last < first)
				return 0;
		}
		if (first >= size)
			return -1;
		last = last >= size ? size - 1 : last;
	}
	*from = first;
	*length = last - first + 1;
	return 1;
}

/* ---- entity tags ---- */

/*
 * The same bytes have the same tag on every server that has them, and other
 * bytes another one: a target is named by its hash, versioned metadata by what
 * is never written twice, and the timestamp is small enough to be hashed.
 */
static void tag_target(char out[80], const char *path)
{
	const char *slash = strrchr(path, '/');
	struct digest d;

	path = slash ? slash + 1 : path;
	if (strlen(path) > DIGEST_HEX_LEN && digest_parse(&d, path, DIGEST_HEX_LEN))
		snprintf(out, 80, "\"%.*s\"", DIGEST_HEX_LEN, path);
}

static void tag_metadata(char out[80], const char *name, uint64_t size)
{
	if (strlen(name) < 56)
		snprintf(out, 80, "\"%s-%" PRIx64 "\"", name, size);
}

static void tag_timestamp(char out[80], int fd)
{
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;
	uint64_t size;
	struct err e;

	if (hash_fd(&d, fd, &size, &e) < 0)
		return;
	digest_hex(hex, &d);
	snprintf(out, 80, "\"%s\"", hex);
}

/* If-None-Match: "*", or a list of tags, weak ones included (RFC 9110, 13.1.2). */
static bool matches(const char *list, const char *tag)
{
	size_t len = strlen(tag);

	if (!list || !len)
		return false;
	if (strcmp(list, "*") == 0)
		return true;
	while (*list) {
		list += strspn(list, " \t,");
		if (strncmp(list, "W/", 2) == 0)
			list += 2;
		if (strncmp(list, tag, len) == 0 && strchr(" \t,", list[len]))
			return true;
		/* to the end of this tag: commas may stand between its quotes */
		if (*list == '"')
			list += 1 + strcspn(list + 1, "\"");
		list += strcspn(list, ",");
	}
	return false;
}

/* ---- files ---- */

enum kind { TIMESTAMP, METADATA, TARGET };

static const struct {
	const char *cache, *type;
} kinds[] = {
	[TIMESTAMP] = { "no-cache", "application/json" },
	[METADATA]  = { IMMUTABLE, "application/json" },
	[TARGET]    = { IMMUTABLE, "application/octet-stream" },
};

static void send_file(struct request *q, int dir, const char *path, enum kind kind)
{
	struct reply *r = &q->reply;
	struct stat st;
	int fd = name_path_valid(path, strlen(path)) ? open_beneath(dir, path) : -1;
	const char *only_if = http_header(q->http, "if-range");
	const char *range;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		if (fd >= 0)
			close(fd);
		reply_problem(r, PROBLEM_NOT_FOUND, "no such file is published");
		return;
	}
	r->fd = fd;
	r->total = r->length = (uint64_t)st.st_size;
	r->status = 200;
	r->type = kinds[kind].type;
	r->cache = kinds[kind].cache;
	switch (kind) {
	case TIMESTAMP:
		tag_timestamp(r->etag, fd);
		break;
	case METADATA:
		tag_metadata(r->etag, path, r->total);
		break;
	case TARGET:
		tag_target(r->etag, path);
	}
	if (matches(http_header(q->http, "if-none-match"), r->etag)) {
		r->status = 304;
		r->length = 0;
		return;
	}
	range = only_if && strcmp(only_if, r->etag) != 0 ? NULL : http_header(q->http, "range");
	switch (parse_range(range, r->total, &r->from, &r->length)) {
	case 1:
		r->status = 206;
		break;
	case -1: {
		uint64_t total = r->total;

		reply_problem(r, PROBLEM_RANGE, "the file has %" PRIu64 " bytes", total);
		r->total = total;
	}
	}
}

void content_metadata(struct request *q)
{
	send_file(q, q->server->metadata_dir, q->params[0], strcmp(q->params[0], "timestamp.json") == 0 ? TIMESTAMP : METADATA);
}

void content_target(struct request *q)
{
	send_file(q, q->server->targets_dir, q->params[0], TARGET);
}
