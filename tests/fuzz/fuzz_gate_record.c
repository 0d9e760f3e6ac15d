/* fuzz_gate_record: any text as a gate record; what parses is written again byte for byte, and replays or is refused. */
#include <assert.h>
#include <string.h>

#include "rollout/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(gate_record) struct gate_record *r = NULL;
	AUTO(buf) struct buf *text = buf_new(GATE_RECORD_MAX);
	struct replay replay;
	struct err e;

	if (!text || gate_record_parse(&r, "fuzz", (const char *)data, len, &e) < 0)
		return 0;
	(void)!replay_record(&replay, r, &e);
	assert(replay_follows(r, r, &e) == 0);
	if (gate_record_write(text, r, NULL, &e) == 0)
		assert(text->len == len && memcmp(text->data, data, len) == 0);
	return 0;
}
