/*
 * status: what the guard decided for this boot, told to agent and sensor.
 *
 * <root>/run/ringhold/<channel>/boot, text, one key=value a line, replaced as
 * a whole. It lives in memory: absent means that the guard did not run.
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
	bool uncounted;                 /* the guard could not write the record of this boot */
	uint8_t boot_id[BOOT_ID_LEN];   /* the boot this is about; zero: unknown */
	char report[sizeof((struct boot_report *)0)->text];     /* trouble the guard met, or "" */
};

int boot_status_write(int run_dir, const struct boot_status *s, struct boot_report *why) BOOT_MUST_CHECK;
/* 1 read, 0 absent, -1 unreadable or malformed. */
int boot_status_read(struct boot_status *out, int run_dir, struct boot_report *why) BOOT_MUST_CHECK;

#endif
