/*
 * role_unpack: one archive or delta, already verified by length and hash, into
 * records. It writes no file: the supervisor builds the slot from what comes
 * and believes none of it before the digest of what it wrote is right.
 */
#include "agent/role.h"

#include <stdio.h>
#include <string.h>

#include "agent/message.h"
#include "base/log.h"
#include "content/archive_read.h"
#include "content/delta.h"
#include "schema/reason.h"

/* The member under way: kept until its end when one record holds it, else passed on as it comes. */
struct outlet {
	int sock;
	bool whole;
	union {
		struct message_file file;
		struct message_data data;
	} m;
};

static int on_begin(void *arg, const char *path, uint64_t size, struct err *e)
{
	struct message_member m = { .size = size };
	struct outlet *o = arg;

	o->whole = size <= sizeof o->m.file.bytes.data;
	if (o->whole) {
		snprintf(o->m.file.path, sizeof o->m.file.path, "%s", path);
		o->m.file.bytes.len = 0;
		return 0;
	}
	snprintf(m.path, sizeof m.path, "%s", path);
	return message_send(o->sock, MSG_MEMBER, &m, -1, e);
}

static int pass_on(struct outlet *o, const uint8_t *at, size_t len, struct err *e)
{
	struct wire_bytes *b = &o->m.data.bytes;

	while (len) {
		b->len = MIN(len, sizeof b->data);
		memcpy(b->data, at, b->len);
		if (message_send(o->sock, MSG_DATA, &o->m.data, -1, e) < 0)
			return e->code;
		at += b->len;
		len -= b->len;
	}
	return 0;
}

static int on_data(void *arg, const void *bytes, size_t len, struct err *e)
{
	struct outlet *o = arg;
	struct wire_bytes *b = &o->m.file.bytes;

	if (!o->whole)
		return pass_on(o, bytes, len, e);
	if (len > sizeof b->data - b->len)
		return err_set(e, ERR_INTERNAL, "%s: more bytes than announced", o->m.file.path);
	memcpy(b->data + b->len, bytes, len);
	b->len += len;
	return 0;
}

static int on_end(void *arg, struct err *e)
{
	struct message_end m = { 0 };
	struct outlet *o = arg;

	return o->whole ? message_send(o->sock, MSG_FILE, &o->m.file, -1, e) : message_send(o->sock, MSG_END, &m, -1, e);
}

static int on_same(void *arg, const char *path, uint64_t size, struct err *e)
{
	const struct outlet *o = arg;
	struct message_member m = { .size = size };

	snprintf(m.path, sizeof m.path, "%s", path);
	return message_send(o->sock, MSG_SAME, &m, -1, e);
}

/* Nobody would believe us: D is the supervisor's to compute, and each file's hash the check process's to compare. */
static int unpack_archive(struct outlet *o, int fd, const struct message_unpack *u, struct err *e)
{
	struct archive_sink sink = { on_begin, on_data, on_end, NULL, o };
	struct archive_want want = { .size = u->size, .sink_proves = true };

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

static int unpack_delta(struct outlet *o, int fd, int old, const struct message_unpack *u, struct err *e)
{
	struct archive_sink sink = { on_begin, on_data, on_end, on_same, o };
	struct delta_info info = { .from = u->from, .to = u->digest, .size = u->size, .window_log = (int)u->window_log };

	return delta_apply_fd(old, fd, &info, &sink, NULL, e);
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
	static struct outlet o;
	struct err e = { 0 }, why = { 0 };
	int rc = message_receive(sock, &m, first, -1, &e);

	(void)s;
	o.sock = sock;
	old.fd = -1;
	if (rc == 1 && m.u.unpack.delta)
		rc = message_receive(sock, &old, second, -1, &e);
	if (rc == 1) {
		rc = m.u.unpack.delta ? unpack_delta(&o, m.fd, old.fd, &m.u.unpack, &why)
		     : digest_is_zero(&m.u.unpack.digest) ? measure(sock, m.fd, &why)
							  : unpack_archive(&o, m.fd, &m.u.unpack, &why);
		rc = answer(sock, rc, &why, &e);
	}
	if (rc < 0)
		log_error("%s", e.msg);
	message_release(&m);
	message_release(&old);
	return rc < 0;
}
