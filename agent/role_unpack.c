/*
 * role_unpack: one archive or delta, already verified by length and hash, into
 * records. It writes no file: the supervisor builds the slot from what comes
 * and believes none of it before the digest of what it wrote is right.
 */
#include "agent/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/message.h"
#include "base/file.h"
#include "base/log.h"
#include "content/archive_read.h"
#include "content/delta.h"
#include "schema/reason.h"

#define DELTA_MAX ((size_t)256 << 20)

static int on_begin(void *arg, const char *path, uint64_t size, struct err *e)
{
	const int *sock = arg;
	struct message_member m = { .size = size };

	snprintf(m.path, sizeof m.path, "%s", path);
	return message_send(*sock, MSG_MEMBER, &m, -1, e);
}

static int on_data(void *arg, const void *bytes, size_t len, struct err *e)
{
	static struct message_data m;
	const int *sock = arg;
	const uint8_t *at = bytes;

	while (len) {
		m.bytes.len = MIN(len, sizeof m.bytes.data);
		memcpy(m.bytes.data, at, m.bytes.len);
		if (message_send(*sock, MSG_DATA, &m, -1, e) < 0)
			return e->code;
		at += m.bytes.len;
		len -= m.bytes.len;
	}
	return 0;
}

static int on_end(void *arg, struct err *e)
{
	const int *sock = arg;
	struct message_end m = { 0 };

	return message_send(*sock, MSG_END, &m, -1, e);
}

static int on_same(void *arg, const char *path, uint64_t size, struct err *e)
{
	const int *sock = arg;
	struct message_member m = { .size = size };

	snprintf(m.path, sizeof m.path, "%s", path);
	return message_send(*sock, MSG_SAME, &m, -1, e);
}

static int unpack_archive(int sock, int fd, const struct message_unpack *u, struct err *e)
{
	struct archive_sink sink = { on_begin, on_data, on_end, NULL, &sock };
	struct archive_want want = { .size = u->size, .sink_digests = true };   /* by the supervisor, which would not believe us */

	return archive_read_fd(fd, &want, &sink, NULL, NULL, NULL, e);
}

/* Only what it is: for archives that came by hand, not through signed metadata. */
static int measure(int sock, int fd, struct err *e)
{
	struct archive_want want = { .size = 0 };
	struct message_measured m = { .size = 0 };
	AUTO(manifest) struct manifest *manifest = NULL;

	if (archive_read_fd(fd, &want, NULL, &manifest, &m.digest, &m.size, e) < 0)
		return e->code;
	m.serial = manifest->serial;
	snprintf(m.channel, sizeof m.channel, "%s", manifest->channel);
	return message_send(sock, MSG_MEASURED, &m, -1, e);
}

static int unpack_delta(int sock, int fd, int old, const struct message_unpack *u, struct err *e)
{
	struct archive_sink sink = { on_begin, on_data, on_end, on_same, &sock };
	struct delta_info info = { .from = u->from, .to = u->digest, .size = u->size, .window_log = (int)u->window_log };
	AUTO(buf) struct buf *bytes = NULL;

	if (file_read_fd(&bytes, fd, DELTA_MAX, e) < 0)
		return e->code;
	return delta_apply(old, bytes->data, bytes->len, &info, &sink, NULL, e);
}

static enum result_outcome outcome_of(int code)
{
	switch (code) {
	case ERR_IO:
	case ERR_SPACE:
	case ERR_MEMORY:
	case ERR_CONFLICT:      /* the old slot is damaged */
	case ERR_INTERNAL:
		return RESULT_ENVIRONMENT;
	default:
		return RESULT_REFUSED;
	}
}

static int answer(int sock, int rc, const struct err *why, struct err *e)
{
	struct message_result r = { .outcome = rc < 0 ? outcome_of(rc) : RESULT_OK, .code = rc < 0 ? rc : 0 };

	if (rc < 0) {
		snprintf(r.text, sizeof r.text, "%s", why->msg);
		snprintf(r.reason, sizeof r.reason, "%s", reason_word(REASON_ARCHIVE));
	}
	return message_send(sock, MSG_RESULT, &r, -1, e);
}

int role_unpack(const struct settings *s, int sock)
{
	static const enum message_type first[] = { MSG_UNPACK, 0 }, second[] = { MSG_OLD, 0 };
	static struct message m, old = { .fd = -1 };
	struct err e = { 0 }, why = { 0 };
	int rc = message_receive(sock, &m, first, -1, &e);

	(void)s;
	old.fd = -1;
	if (rc == 1 && m.u.unpack.delta)
		rc = message_receive(sock, &old, second, -1, &e);
	if (rc == 1) {
		rc = m.u.unpack.delta ? unpack_delta(sock, m.fd, old.fd, &m.u.unpack, &why)
		     : digest_is_zero(&m.u.unpack.digest) ? measure(sock, m.fd, &why)
							  : unpack_archive(sock, m.fd, &m.u.unpack, &why);
		rc = answer(sock, rc, &why, &e);
	}
	if (rc < 0)
		log_error("%s", e.msg);
	message_release(&m);
	message_release(&old);
	return rc < 0;
}
