/* wire: the codec and the socket under it. */
#include "agent/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/name.h"

/* ---- encoding ---- */

static void put_le(struct buf *out, uint64_t v, unsigned bytes)
{
	uint8_t le[sizeof v];

	for (unsigned i = 0; i < bytes; i++)
		le[i] = (uint8_t)(v >> (8 * i));
	buf_add(out, le, bytes);
}

static int put_text(struct buf *out, const struct wire_record *r, const char *text, size_t cap, struct err *e)
{
	size_t len = strnlen(text, cap);

	if (len == cap || len > UINT16_MAX)
		return err_set(e, ERR_LIMIT, "record %s: a text does not fit", r->name);
	put_le(out, len, 2);
	for (size_t i = 0; i < len; i++)        /* sentences may quote anything: the reader refuses control characters */
		buf_addc(out, (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
	return 0;
}

static int put_field(struct buf *out, const struct wire_record *r, const struct wire_field *f, const char *at,
		     struct err *e)
{
	const struct wire_bytes *bytes = (const void *)at;
	uint64_t v;

	switch (f->kind) {
	case WIRE_U64:
	case WIRE_I64:
		memcpy(&v, at, sizeof v);
		put_le(out, v, 8);
		return 0;
	case WIRE_TEXT:
	case WIRE_NAME:
		return put_text(out, r, at, f->limit, e);
	case WIRE_DIGEST:
		buf_add(out, at, DIGEST_LEN);
		return 0;
	case WIRE_BYTES:
		if (bytes->len > WIRE_BYTES_MAX)
			return err_set(e, ERR_LIMIT, "record %s: too many bytes", r->name);
		put_le(out, bytes->len, 2);
		buf_add(out, bytes->data, bytes->len);
		return 0;
	}
	return err_set(e, ERR_INTERNAL, "record %s: a field of no kind", r->name);
}

int wire_encode(struct buf *out, const struct wire_record *r, const void *in, struct err *e)
{
	size_t before = out->len;

	buf_grow(out, MIN(r->size + 2 * r->count + 2, (size_t)WIRE_MAX));       /* at once all that it can need */
	put_le(out, r->type, 2);
	for (size_t i = 0; i < r->count; i++)
		if (put_field(out, r, &r->fields[i], (const char *)in + r->fields[i].offset, e) < 0)
			return e->code;
	if (out->len - before > WIRE_MAX)
		return err_set(e, ERR_LIMIT, "record %s: over %d bytes", r->name, WIRE_MAX);
	return buf_check(out, e);
}

/* ---- decoding: a cursor that once past the end stays there ---- */

struct cursor {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *p = c->at;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return p;
}

static uint64_t take_le(struct cursor *c, unsigned bytes)
{
	const uint8_t *p = take(c, bytes);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < bytes; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static bool get_text(struct cursor *c, const struct wire_field *f, char *out)
{
	size_t len = (size_t)take_le(c, 2);
	const uint8_t *p = len < f->limit ? take(c, len) : NULL;

	if (!p)
		return false;
	for (size_t i = 0; i < len; i++)
		if (p[i] < 0x20 || p[i] == 0x7f)
			return false;
	if (f->kind == WIRE_NAME && len && !name_valid((const char *)p, len))
		return false;
	memcpy(out, p, len);
	out[len] = 0;
	return true;
}

static bool get_field(struct cursor *c, const struct wire_field *f, char *out)
{
	struct wire_bytes *bytes = (void *)out;
	const uint8_t *p;
	uint64_t v;

	switch (f->kind) {
	case WIRE_U64:
	case WIRE_I64:
		v = take_le(c, 8);
		memcpy(out, &v, sizeof v);
		return !c->bad && !(f->kind == WIRE_U64 && f->limit && v > f->limit);
	case WIRE_TEXT:
	case WIRE_NAME:
		return get_text(c, f, out);
	case WIRE_DIGEST:
		p = take(c, DIGEST_LEN);
		if (p)
			memcpy(out, p, DIGEST_LEN);
		return p;
	case WIRE_BYTES:
		bytes->len = (size_t)take_le(c, 2);
		p = bytes->len <= WIRE_BYTES_MAX ? take(c, bytes->len) : NULL;
		if (p)
			memcpy(bytes->data, p, bytes->len);
		return p;
	}
	return false;
}

uint16_t wire_type(const void *packet, size_t len)
{
	const uint8_t *p = packet;

	return len < 2 ? 0 : (uint16_t)(p[0] | p[1] << 8);
}

/* All but the bytes of a WIRE_BYTES, which are as many as its length says: clearing those costs more than the rest of a record. */
static void clear(void *out, const struct wire_record *r)
{
	char *at = out, *end = at + r->size;

	for (size_t i = 0; i < r->count; i++) {
		struct wire_bytes *bytes = (void *)((char *)out + r->fields[i].offset);

		if (r->fields[i].kind != WIRE_BYTES)
			continue;
		memset(at, 0, (size_t)((char *)bytes->data - at));
		at = (char *)(bytes + 1);
	}
	memset(at, 0, (size_t)(end - at));
}

int wire_decode(void *out, const struct wire_record *r, const void *packet, size_t len, struct err *e)
{
	struct cursor c = { .at = packet, .left = len };

	if (take_le(&c, 2) != r->type || c.bad)
		return err_set(e, ERR_FORMAT, "record %s: another type of packet", r->name);
	clear(out, r);
	for (size_t i = 0; i < r->count; i++)
		if (!get_field(&c, &r->fields[i], (char *)out + r->fields[i].offset))
			return err_set(e, ERR_FORMAT, "record %s: field %zu is malformed", r->name, i + 1);
	if (c.left)
		return err_set(e, ERR_FORMAT, "record %s: %zu bytes too many", r->name, c.left);
	return 0;
}

/* ---- the socket ---- */

int wire_pair(int ends[2], struct err *e)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return err_errno(e, "socket pair");
	return 0;
}

int wire_send(int sock, const struct wire_record *r, const void *in, int fd, struct err *e)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	AUTO(buf) struct buf *packet = buf_new(WIRE_MAX + 1);
	struct iovec io;
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };

	if (!packet)
		return err_memory(e);
	if ((fd >= 0) != r->has_fd)
		return err_set(e, ERR_INTERNAL, "record %s: %s descriptor", r->name, fd >= 0 ? "needless" : "missing");
	if (wire_encode(packet, r, in, e) < 0)
		return e->code;
	io = (struct iovec){ .iov_base = packet->data, .iov_len = packet->len };
	if (fd >= 0) {
		struct cmsghdr *head = &control.head;

		msg.msg_control = control.room;
		msg.msg_controllen = sizeof control.room;
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(head), &fd, sizeof fd);
	}
	while (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		if (errno != EINTR)
			return err_errno(e, "send record %s", r->name);
	return 0;
}

/* Keeps the first descriptor and closes any further ones. */
static int descriptor_of(struct msghdr *msg)
{
	int kept = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= h->cmsg_len; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + at, sizeof fd);
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

/* 1 readable, 0 not within wait_ms. */
static int wait_readable(int sock, int64_t wait_ms, struct err *e)
{
	int64_t until = clock_work_ms() + wait_ms;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	int n;

	do {
		int64_t left = wait_ms < 0 ? -1 : MAX(until - clock_work_ms(), 0);

		n = poll(&p, 1, (int)MIN(left, 1000000));
		if (n > 0)
			return 1;
		if (n == 0 && wait_ms >= 0 && left == 0)
			return 0;
	} while (n >= 0 || errno == EINTR);
	return err_errno(e, "wait for a record");
}

int wire_receive(int sock, struct wire_packet *out, int64_t wait_ms, struct err *e)
{
	char control[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
	struct iovec io = { .iov_base = out->bytes, .iov_len = sizeof out->bytes };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	ssize_t n;
	int ready;

	out->fd = -1;
	out->len = 0;
	for (;;) {      /* mostly one is there already: asking first would double the system calls */
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (n >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
		ready = errno == EINTR ? 1 : wait_readable(sock, wait_ms, e);
		if (ready < 0)
			return ready;
		if (ready == 0)
			return err_set(e, ERR_TIMEOUT, "no record within %lld ms", (long long)wait_ms);
	}
	if (n < 0 && errno != ECONNRESET)
		return err_errno(e, "receive a record");
	if (n <= 0)
		return 0;
	out->fd = descriptor_of(&msg);
	if (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		if (out->fd >= 0)
			close(out->fd);
		out->fd = -1;
		return err_set(e, ERR_LIMIT, "a record is over %d bytes or carries too many descriptors", WIRE_MAX);
	}
	out->len = (size_t)n;
	return 1;
}
