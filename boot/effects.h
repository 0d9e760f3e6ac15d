/*
 * effects: what a sensor counted, as a file.
 *
 * <root>/run/ringhold/<channel>/effects, text, replaced as a whole. The reader
 * trusts nobody: these lines, in this order, and no other.
 *
 *     ringhold-effects 1
 *     digest HEX
 *     seconds N         and so on for the members of struct ringhold_effects
 *     rules N
 *     N ID              so many times
 */
#ifndef BOOT_EFFECTS_H
#define BOOT_EFFECTS_H

#include "boot/record.h"
#include "boot/ringhold-sensor.h"

#define EFFECTS_NAME "effects"
#define EFFECTS_BYTES_MAX (64 * 1024)

struct boot_effects {
	uint8_t digest[BOOT_DIGEST_LEN];
	struct ringhold_effects counts; /* its rules point to those below */
	struct ringhold_rule rules[RINGHOLD_RULES_MAX];
	char ids[RINGHOLD_RULES_MAX][RINGHOLD_RULE_MAX + 1];
};

/* Pure. bytes needs no NUL. Zero, or -1 with the reason. */
int boot_effects_parse(struct boot_effects *out, const char *bytes, size_t len, struct boot_report *why) BOOT_MUST_CHECK;

/* 1 read, 0 absent, -1 unreadable or malformed. */
int boot_effects_read(struct boot_effects *out, int run_dir, struct boot_report *why) BOOT_MUST_CHECK;

#endif
