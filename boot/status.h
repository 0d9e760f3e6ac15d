/*
 * status: what the guard decided for this boot, told to agent and sensor.
 *
 *     <root>/run/ringhold/<channel>/guard   one record, which is what programs read
 *                                    boot   the same in text for people, key=value a line
 *
 * Each is replaced as a whole. They live in memory: absent means that the guard
 * did not run. The guard reads its own record when it runs again in a boot, and
 * nothing else in that directory.
 *
 * The record, 512 bytes:
 *
 *     0  8   magic "RHGUARD\0"
 *     8  1   mode              9  1   rung
 *    10  1   tries_left       11  1   reason
 *    12  1   left             13  1   left_for
 *    14  1   flags: 1 trial, 2 late failure, 4 uncounted
 *    15  1   zero             16  16  boot_id
 *    32  32  digest           64  32  failed
 *    96  320 report: printable ASCII, zero to its end
 *   416  92  zero            508  4   CRC-32 (zlib's) of bytes 0 to 507, little-endian
 */
#ifndef BOOT_STATUS_H
#define BOOT_STATUS_H

#include "boot/ladder.h"

struct boot_status {
	enum boot_mode mode;
	enum boot_rung rung;            /* what the guard made run */
	uint8_t digest[BOOT_DIGEST_LEN];
	unsigned tries_left;
	bool trial;                     /* this boot is on trial */
	enum boot_reason reason;
	enum boot_rung left;            /* stepped down from; RUNG_NONE: no step */
	enum boot_reason left_for;      /* ... because: BOOT_STEPPED or BOOT_SLOT_MISSING */
	uint8_t failed[BOOT_DIGEST_LEN];/* its digest */
	bool late_failure;
	bool uncounted;                 /* this boot is not in the record, which could not be written, or not be read */
	uint8_t boot_id[BOOT_ID_LEN];   /* the boot this is about; zero: unknown */
	char report[sizeof((struct boot_report *)0)->text];     /* trouble the guard met, or "" */
};

#define BOOT_STATUS_BYTES 512

/* Pure. decode refuses whatever encode does not write and leaves *out untouched then. */
void boot_status_encode(uint8_t out[BOOT_STATUS_BYTES], const struct boot_status *s);
bool boot_status_decode(struct boot_status *out, const uint8_t bytes[BOOT_STATUS_BYTES]) BOOT_MUST_CHECK;

int boot_status_write(int run_dir, const struct boot_status *s, struct boot_report *why) BOOT_MUST_CHECK;
/* 1 read, 0 absent, -1 unreadable or no record. */
int boot_status_read(struct boot_status *out, int run_dir, struct boot_report *why) BOOT_MUST_CHECK;

#endif
