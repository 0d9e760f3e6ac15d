/* fuzz_boot_status: whatever lies where the guard keeps its record, what is read is what it would write. */
#include <assert.h>
#include <string.h>

#include "boot/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t bytes[BOOT_STATUS_BYTES] = { 0 }, again[BOOT_STATUS_BYTES];
	struct boot_status s, back;
	uint32_t crc;

	memcpy(bytes, data, len < sizeof bytes ? len : sizeof bytes);
	/* Checksums stop nearly every mutation: also with the right one. */
	for (int right = 0; right < 2; right++) {
		if (boot_status_decode(&s, bytes)) {
			assert(s.mode < BOOT_MODES && s.rung < BOOT_RUNGS && s.left < BOOT_RUNGS);
			assert(s.reason < BOOT_REASONS && s.left_for < BOOT_REASONS);
			assert(memchr(s.report, 0, sizeof s.report));
			boot_status_encode(again, &s);
			assert(!memcmp(again, bytes, sizeof bytes) && boot_status_decode(&back, again));
		}
		crc = boot_crc32(bytes, sizeof bytes - 4);
		for (int i = 0; i < 4; i++)
			bytes[sizeof bytes - 4 + (size_t)i] = (uint8_t)(crc >> 8 * i);
	}
	return 0;
}
