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

#include "base/name.h"
#include "server/handlers.h"

#define IMMUTABLE "public, max-age=31536000, immutable"

/* Opens a regular file beneath dir, following no link in any segment. */
static int open_beneath(int dir, const char *path)
{
	char segment[PATH_LEN_MAX + 1];
	int at = dup(dir);

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

static void send_file(struct request *q, int dir, const char *path, const char *cache, const char *type)
{
	struct reply *r = &q->reply;
	struct stat st;
	int fd = name_path_valid(path, strlen(path)) ? open_beneath(dir, path) : -1;
	const char *match = http_header(q->http, "if-none-match"), *only_if = http_header(q->http, "if-range");
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
	r->type = type;
	r->cache = cache;
	/* Files are replaced as a whole, never written in place: inode, size and time name the bytes. */
	snprintf(r->etag, sizeof r->etag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", (uint64_t)st.st_ino, r->total,
		 (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec);
	if (match && (strcmp(match, r->etag) == 0 || strcmp(match, "*") == 0)) {
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
	bool fresh = strcmp(q->params[0], "timestamp.json") == 0;

	send_file(q, q->server->metadata_dir, q->params[0], fresh ? "no-cache" : IMMUTABLE, "application/json");
}

void content_target(struct request *q)
{
	send_file(q, q->server->targets_dir, q->params[0], IMMUTABLE, "application/octet-stream");
}
