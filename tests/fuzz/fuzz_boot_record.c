/* fuzz_boot_record: no two places of a record strand a boot, or read back as something else. */
#include <assert.h>
#include <string.h>

#include "boot/ladder.h"

#define BOOTS_MAX (4 * 255 + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t places[2][BOOT_RECORD_BYTES] = { { 0 } }, again[BOOT_RECORD_BYTES];
	static const uint8_t unknown[BOOT_ID_LEN];
	struct boot_record r, back;
	unsigned last = 0;

	memcpy(places, data, len < sizeof places ? len : sizeof places);
	if (boot_record_pick(&r, places[0], places[1]) < 0)
		return 0;
	boot_record_encode(again, &r);
	assert(boot_record_decode(&back, again) && back.seq == r.seq);
	for (int i = 0; i < BOOTS_MAX && last != RUNG_NONE; i++) {
		struct boot_decision d = boot_decide(&r, unknown, len ? data[len - 1] : 0);

		assert(d.rung >= last);
		last = d.rung;
	}
	assert(last == RUNG_NONE);
	return 0;
}
