/* record: the bytes of the boot record. */
#include "boot/record.h"

#include <string.h>

enum {
	AT_SEQ = 8,
	AT_MODE = 16,
	AT_RUNG = 17,
	AT_TRIES_LEFT = 18,
	AT_FLAGS = 19,
	AT_TRIES = 20,
	AT_HIGH_WATER = 24,
	AT_BOOT_ID = 32,
	AT_ATTEMPT = 48,
	AT_DIGESTS = 64,
	AT_CRC = 508,
};

static const uint8_t magic[8] = "RHBOOT1";

static const char *const mode_names[BOOT_MODES] = { "committed", "trial", "pinned", "disabled" };
static const char *const rung_names[BOOT_RUNGS] = { "trial", "current", "previous", "baseline",
						     "none" };

/* A nibble at a time: 64 bytes of table are enough for 508 bytes of record. */
uint32_t boot_crc32(const uint8_t *bytes, size_t len)
{
	static const uint32_t table[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
		0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc = table[(crc ^ bytes[i]) & 15] ^ crc >> 4;
		crc = table[(crc ^ bytes[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void put(uint8_t *to, uint64_t value, int len)
{
	for (int i = 0; i < len; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *from, int len)
{
	uint64_t value = 0;

	for (int i = len - 1; i >= 0; i--)
		value = value << 8 | from[i];
	return value;
}

void boot_record_init(struct boot_record *r)
{
	static const uint8_t tries[BOOT_DIGESTS] = { 2, 3, 3, 3 };

	*r = (struct boot_record){ .mode = BOOT_COMMITTED, .rung = RUNG_NONE };
	memcpy(r->tries, tries, sizeof tries);
}

void boot_record_encode(uint8_t out[BOOT_RECORD_BYTES], const struct boot_record *r)
{
	memset(out, 0, BOOT_RECORD_BYTES);
	memcpy(out, magic, sizeof magic);
	put(out + AT_SEQ, r->seq, 8);
	out[AT_MODE] = r->mode;
	out[AT_RUNG] = r->rung;
	out[AT_TRIES_LEFT] = r->tries_left;
	out[AT_FLAGS] = r->flags;
	memcpy(out + AT_TRIES, r->tries, sizeof r->tries);
	put(out + AT_HIGH_WATER, r->high_water, 8);
	memcpy(out + AT_BOOT_ID, r->boot_id, sizeof r->boot_id);
	put(out + AT_ATTEMPT, r->attempt, 8);
	memcpy(out + AT_DIGESTS, r->digest, sizeof r->digest);
	put(out + AT_CRC, boot_crc32(out, AT_CRC), 4);
}

bool boot_record_decode(struct boot_record *out, const uint8_t bytes[BOOT_RECORD_BYTES])
{
	if (memcmp(bytes, magic, sizeof magic) != 0 ||
	    get(bytes + AT_CRC, 4) != boot_crc32(bytes, AT_CRC) || bytes[AT_MODE] >= BOOT_MODES ||
	    bytes[AT_RUNG] >= BOOT_RUNGS)
		return false;
	*out = (struct boot_record){
		.seq = get(bytes + AT_SEQ, 8),
		.mode = bytes[AT_MODE],
		.rung = bytes[AT_RUNG],
		.tries_left = bytes[AT_TRIES_LEFT],
		.flags = bytes[AT_FLAGS],
		.high_water = get(bytes + AT_HIGH_WATER, 8),
		.attempt = get(bytes + AT_ATTEMPT, 8),
	};
	memcpy(out->tries, bytes + AT_TRIES, sizeof out->tries);
	memcpy(out->boot_id, bytes + AT_BOOT_ID, sizeof out->boot_id);
	memcpy(out->digest, bytes + AT_DIGESTS, sizeof out->digest);
	return true;
}

int boot_record_pick(struct boot_record *out, const uint8_t a[BOOT_RECORD_BYTES],
		     const uint8_t b[BOOT_RECORD_BYTES])
{
	struct boot_record in_a, in_b;
	bool a_valid = boot_record_decode(&in_a, a);
	bool b_valid = boot_record_decode(&in_b, b);

	if (!a_valid && !b_valid)
		return -1;
	if (a_valid && (!b_valid || in_a.seq >= in_b.seq)) {
		*out = in_a;
		return 0;
	}
	*out = in_b;
	return 1;
}

bool boot_digest_empty(const uint8_t digest[BOOT_DIGEST_LEN])
{
	static const uint8_t zero[BOOT_DIGEST_LEN];

	return boot_digest_equal(digest, zero);
}

bool boot_digest_equal(const uint8_t a[BOOT_DIGEST_LEN], const uint8_t b[BOOT_DIGEST_LEN])
{
	return memcmp(a, b, BOOT_DIGEST_LEN) == 0;
}

void boot_digest_hex(char out[BOOT_DIGEST_HEX_LEN + 1], const uint8_t digest[BOOT_DIGEST_LEN])
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < BOOT_DIGEST_LEN; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[BOOT_DIGEST_HEX_LEN] = '\0';
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool boot_digest_parse(uint8_t out[BOOT_DIGEST_LEN], const char *hex, size_t len)
{
	if (len != BOOT_DIGEST_HEX_LEN)
		return false;
	for (int i = 0; i < BOOT_DIGEST_LEN; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

const char *boot_mode_name(unsigned mode)
{
	return mode < BOOT_MODES ? mode_names[mode] : "unknown";
}

const char *boot_rung_name(unsigned rung)
{
	return rung < BOOT_RUNGS ? rung_names[rung] : "unknown";
}
