/*
 * wire: records between the agent's processes, over a SOCK_SEQPACKET pair.
 *
 * One packet is one record: u16 type, then the fields its table lists, little
 * endian, text and bytes with a u16 length in front, nothing after the last.
 * A packet is at most WIRE_MAX bytes and carries at most one descriptor (bulk
 * travels in a memfd or a file, never in records). The reader trusts nothing:
 * length, type, every text's capacity and every enum's range are checked
 * before a struct is handed out.
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stdbool.h>

#include "base/buf.h"

#define WIRE_MAX 65536          /* bytes of a packet */

enum wire_kind {
	WIRE_U64,       /* uint64_t; above `limit` is refused when that is not 0 */
	WIRE_I64,       /* int64_t */
	WIRE_TEXT,      /* char[limit]: NUL-terminated, no NUL and no byte below 0x20 inside */
	WIRE_NAME,      /* char[limit]: as name_valid(), or empty */
	WIRE_DIGEST,    /* struct digest */
	WIRE_BYTES,     /* struct wire_bytes */
};

#define WIRE_BYTES_MAX 49152

struct wire_bytes {
	size_t len;
	uint8_t data[WIRE_BYTES_MAX];
};

struct wire_field {
	enum wire_kind kind;
	size_t offset;          /* into the struct */
	uint64_t limit;
};

struct wire_record {
	uint16_t type;
	const char *name;       /* for errors */
	size_t size;            /* of the struct */
	const struct wire_field *fields;
	size_t count;
	bool has_fd;            /* a packet without a descriptor is refused, and the other way round */
};

/* Pure. Encoding asserts nothing about content: a text that is too long is ERR_LIMIT. */
int wire_encode(struct buf *out, const struct wire_record *r, const void *in, struct err *e) MUST_CHECK;
int wire_decode(void *out, const struct wire_record *r, const void *packet, size_t len, struct err *e) MUST_CHECK;

/* The type of a packet, or 0 when it is too short to have one. */
uint16_t wire_type(const void *packet, size_t len);

int wire_pair(int ends[2], struct err *e) MUST_CHECK;           /* both close-on-exec */
/* Blocks until sent. fd is -1 unless the record has one; it stays the caller's. */
int wire_send(int sock, const struct wire_record *r, const void *in, int fd, struct err *e) MUST_CHECK;

/* A packet as received; buffer it once per process. */
struct wire_packet {
	size_t len;
	int fd;                 /* -1, or the receiver's to close */
	uint8_t bytes[WIRE_MAX];
};

/*
 * Receives one packet: 1, 0 when the peer is gone, ERR_TIMEOUT after wait_ms
 * (0: only what is there already, < 0: for ever), or a negative code.
 */
int wire_receive(int sock, struct wire_packet *out, int64_t wait_ms, struct err *e) MUST_CHECK;

#endif
