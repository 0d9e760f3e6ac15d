/* fuzz_boot_record: no two places of a record strand a boot, or read back as something else. */
#include <assert.h>
#include <string.h>

#include "boot/ladder.h"

#define BOOTS_MAX (4 * 255 + 2)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Whatever the record says, boots that all fail come down to no content. */
static void walk_down(struct boot_record r, unsigned usable)
{
	static const uint8_t unknown[BOOT_ID_LEN];
	unsigned last = 0;

	for (int i = 0; i < BOOTS_MAX && last != RUNG_NONE; i++) {
		struct boot_decision d = boot_decide(&r, unknown, usable);

		assert(d.rung >= last);
		last = d.rung;
	}
	assert(last == RUNG_NONE);
}

/* The agent's transitions in any order: never on trial without a trial, never on a rung that is empty. */
static void transit(struct boot_record r, const uint8_t *steps, size_t count)
{
	uint8_t digest[BOOT_DIGEST_LEN];

	for (size_t i = 0; i < count; i++) {
		memset(digest, steps[i] >> 4 & 3, sizeof digest);
		switch (steps[i] & 15) {
		case 0: (void)!boot_arm(&r, digest, steps[i] >> 6); break;
		case 1: (void)!boot_commit(&r, steps[i]); break;
		case 2: (void)!boot_revert(&r); break;
		case 3: (void)!boot_leave(&r, digest); break;
		case 4: (void)!boot_leave(&r, NULL); break;
		case 5: boot_forget(&r, digest); break;
		case 6: boot_settle(&r); break;
		case 7: boot_mark_ok(&r); break;
		case 8: boot_mark_clean(&r); break;
		case 9: (void)!boot_pin(&r); break;
		case 10: (void)!boot_unpin(&r); break;
		case 11: boot_disable(&r); break;
		case 12: (void)!boot_enable(&r); break;
		case 13: boot_set_baseline(&r, digest); break;
		default: (void)boot_decide(&r, digest, steps[i] >> 4); break;
		}
		assert(r.mode < BOOT_MODES && r.rung < BOOT_RUNGS);
		assert(r.mode != BOOT_TRIAL || r.rung != RUNG_TRIAL ||
		       !boot_digest_empty(r.digest[RUNG_TRIAL]));
		assert(r.mode != BOOT_DISABLED || !boot_running(&r));
	}
	walk_down(r, BOOT_USABLE_ALL);
}

/* Checksums stop nearly every mutation: the same bytes also become a record without them. */
static struct boot_record record_of(const uint8_t *data, size_t len)
{
	uint8_t bytes[16] = { 0 };
	struct boot_record r;

	memcpy(bytes, data, len < sizeof bytes ? len : sizeof bytes);
	boot_record_init(&r);
	r.mode = bytes[0] % BOOT_MODES;
	r.rung = bytes[1] % BOOT_RUNGS;
	r.tries_left = bytes[2];
	r.flags = bytes[3];
	memcpy(r.tries, bytes + 4, sizeof r.tries);
	for (int i = 0; i < BOOT_DIGESTS; i++)
		memset(r.digest[i], bytes[8 + i] & 3, BOOT_DIGEST_LEN);
	/* No record of ours is on an empty trial. */
	if (r.mode == BOOT_TRIAL && boot_digest_empty(r.digest[RUNG_TRIAL]))
		r.mode = BOOT_COMMITTED;
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t places[2][BOOT_RECORD_BYTES] = { { 0 } }, again[BOOT_RECORD_BYTES];
	struct boot_record r, back;

	walk_down(record_of(data, len), len ? data[len - 1] : 0);
	transit(record_of(data, len), data + (len < 16 ? len : 16), len < 16 ? 0 : len - 16);
	memcpy(places, data, len < sizeof places ? len : sizeof places);
	if (boot_record_pick(&r, places[0], places[1]) < 0)
		return 0;
	boot_record_encode(again, &r);
	assert(boot_record_decode(&back, again) && back.seq == r.seq);
	walk_down(r, len ? data[len - 1] : 0);
	return 0;
}
