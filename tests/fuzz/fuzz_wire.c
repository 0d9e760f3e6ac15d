/* fuzz_wire: packets from another process; what decodes encodes to the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "agent/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum message_type all[] = {
#define X(name, member, value) name,
		MESSAGE_TABLE(X)
#undef X
		0
	};
	static struct message m;
	AUTO(buf) struct buf *again = buf_new(2 * WIRE_MAX);
	struct err e;

	if (message_decode(&m, all, data, len, &e) < 0)
		return 0;
	if (wire_encode(again, message_record(m.type), &m.u, &e) < 0 || again->len != len || memcmp(again->data, data, len) != 0)
		abort();
	return 0;
}
