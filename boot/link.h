/*
 * link: makes the file system match the boot record.
 *
 *     <root>/var/lib/ringhold/channels/<channel>/slots/<digest>/
 *     <root>/run/ringhold/<channel>/current -> ../../../var/lib/ringhold/channels/<channel>/slots/<digest>
 *
 * The link is relative, so that it holds under any root. Guard and agent both
 * call boot_link_set() at start and after every write of the record: the record
 * decides, the link follows.
 */
#ifndef BOOT_LINK_H
#define BOOT_LINK_H

#include "boot/ladder.h"

#define BOOT_PATH_MAX 1024
#define BOOT_CHANNELS_DIR "/var/lib/ringhold/channels"
#define BOOT_RUN_DIR "/run/ringhold"

/* [a-z0-9]([a-z0-9-]{0,62}[a-z0-9])? */
bool boot_channel_valid(const char *name);

/* Descriptors of the channel's directories, or -1 with the reason; root is "" or a directory. */
int boot_channel_open(const char *root, const char *channel, struct boot_report *why) BOOT_MUST_CHECK;
int boot_run_open(const char *root, const char *channel, bool create, struct boot_report *why) BOOT_MUST_CHECK;

/* Slots are complete or absent: a directory under the digest's name is one. channel_dir from boot_channel_open(). */
bool boot_slot_exists(int channel_dir, const uint8_t digest[BOOT_DIGEST_LEN]);
/*
 * For boot_decide(). Only what is known to be gone is left out: a slot that the
 * disk does not let us look at may be there all the same, and a rung is left for
 * good. `why` is about the last of those, and untouched when there is none.
 */
unsigned boot_slots_usable(int channel_dir, const struct boot_record *r, struct boot_report *why);

/*
 * Points `current` at the digest's slot, or removes it for NULL, in one atomic
 * step. 1 changed, 0 was so already, -1 failed.
 */
int boot_link_set(int run_dir, const char *channel, const uint8_t *digest, struct boot_report *why) BOOT_MUST_CHECK;
/* 1 and the digest, 0 when there is no link, -1 when it is not one of ours. */
int boot_link_get(int run_dir, uint8_t digest[BOOT_DIGEST_LEN], struct boot_report *why) BOOT_MUST_CHECK;

#endif
