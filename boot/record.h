/*
 * record: the boot record of one channel, which decides what content runs.
 *
 * <channel>/boot is a file of 8192 bytes with record A at 0 and record B at
 * 4096. The valid one with the higher seq counts; a write goes to the other
 * place and is synced, so that a power cut leaves the old or the new one.
 *
 * One record, little-endian, 512 bytes:
 *
 *     0  8   magic "RHBOOT1\0"
 *     8  8   seq, one more with every write
 *    16  1   mode             17  1   rung
 *    18  1   tries_left       19  1   flags
 *    20  4   tries of trial, current, previous, baseline
 *    24  8   high_water       32  16  boot_id
 *    48  8   attempt          56  8   zero
 *    64  32  digest of trial; 96 current; 128 previous; 160 baseline
 *   192  316 zero
 *   508  4   CRC-32 (zlib's) of bytes 0 to 507
 *
 * This room needs libc only, allocates nothing, and includes no other room.
 */
#ifndef BOOT_RECORD_H
#define BOOT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_MUST_CHECK __attribute__((warn_unused_result))

#define BOOT_DIGEST_LEN 32
#define BOOT_DIGEST_HEX_LEN 64
#define BOOT_ID_LEN 16
#define BOOT_RECORD_BYTES 512
#define BOOT_PLACE_BYTES 4096           /* from record A to record B */
#define BOOT_FILE_BYTES 8192
#define BOOT_FILE_NAME "boot"           /* in the channel's directory */

enum boot_mode {
	BOOT_COMMITTED,         /* what runs is committed, or came with the sensor */
	BOOT_TRIAL,             /* digest[RUNG_TRIAL] is on probation */
	BOOT_PINNED,            /* committed, and nothing new is armed; the ladder still holds */
	BOOT_DISABLED,          /* nothing runs, by an operator's command */
	BOOT_MODES,
};

enum boot_rung {
	RUNG_TRIAL,
	RUNG_CURRENT,           /* last committed */
	RUNG_PREVIOUS,          /* committed before it */
	RUNG_BASELINE,          /* came with the sensor */
	RUNG_NONE,              /* no content */
	BOOT_RUNGS,
};

#define BOOT_DIGESTS RUNG_NONE          /* the rungs that have one */

enum {
	BOOT_FLAG_CLEAN = 1,    /* shut down cleanly since the last boot was counted */
	BOOT_FLAG_OK = 2,       /* the last counted boot proved good */
};

/* All zero digests mean "none". */
struct boot_record {
	uint64_t seq;                           /* 0: never written */
	uint8_t mode;                           /* enum boot_mode */
	uint8_t rung;                           /* enum boot_rung: what runs, or ran when last counted */
	uint8_t tries_left;                     /* further boots the rung may take without proving good */
	uint8_t flags;
	uint8_t tries[BOOT_DIGESTS];            /* what tries_left starts from, per rung */
	uint64_t high_water;                    /* highest serial ever committed here */
	uint8_t boot_id[BOOT_ID_LEN];           /* of the last counted boot */
	uint64_t attempt;                       /* of the assignment that armed the trial */
	uint8_t digest[BOOT_DIGESTS][BOOT_DIGEST_LEN];
};

/* A sentence for people; "" when there is nothing to tell. */
struct boot_report {
	char text[320];
};

enum boot_read {
	BOOT_READ_OK,
	BOOT_READ_ONE,          /* one place is damaged, the other holds the record: a torn write */
	BOOT_READ_MISSING,      /* no file */
	BOOT_READ_DAMAGED,      /* neither place holds a valid record */
	BOOT_READ_FAILED,       /* the operating system said no */
};

/* Mode committed, rung none, tries 2 3 3 3, no digests: a host before its first content. */
void boot_record_init(struct boot_record *r);

/* Pure. decode refuses a wrong magic, checksum, mode or rung and leaves *out untouched then. */
void boot_record_encode(uint8_t out[BOOT_RECORD_BYTES], const struct boot_record *r);
bool boot_record_decode(struct boot_record *out, const uint8_t bytes[BOOT_RECORD_BYTES]) BOOT_MUST_CHECK;

/* Pure. The place (0 is A, 1 is B) whose record counts, or -1 when neither is valid. */
int boot_record_pick(struct boot_record *out, const uint8_t a[BOOT_RECORD_BYTES],
		     const uint8_t b[BOOT_RECORD_BYTES]);

/* dir is the channel's directory. *out is set when the answer is OK or ONE; `why` tells about all others. */
enum boot_read boot_record_read(struct boot_record *out, int dir, struct boot_report *why) BOOT_MUST_CHECK;

/*
 * Writes r durably with seq + 1 and then raises r->seq. Zero, or -1 with the
 * reason: r is unchanged and the old record still counts, or (after a failed
 * sync) either may. Refuses when the file holds a later record than r was read from.
 */
int boot_record_write(struct boot_record *r, int dir, struct boot_report *why) BOOT_MUST_CHECK;

/*
 * Makes durable what is there to be read. A writer that was killed may have
 * left its record in memory only: whoever goes on from it syncs it first. No
 * record is no failure.
 */
int boot_record_sync(int dir, struct boot_report *why) BOOT_MUST_CHECK;

uint32_t boot_crc32(const uint8_t *bytes, size_t len);  /* zlib's */

bool boot_digest_empty(const uint8_t digest[BOOT_DIGEST_LEN]);
bool boot_digest_equal(const uint8_t a[BOOT_DIGEST_LEN], const uint8_t b[BOOT_DIGEST_LEN]);
void boot_digest_hex(char out[BOOT_DIGEST_HEX_LEN + 1], const uint8_t digest[BOOT_DIGEST_LEN]);
bool boot_digest_parse(uint8_t out[BOOT_DIGEST_LEN], const char *hex, size_t len);      /* 64 lower-case digits only */

const char *boot_mode_name(unsigned mode);      /* "committed" */
const char *boot_rung_name(unsigned rung);      /* "trial" */

#endif
