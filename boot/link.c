/* link: makes the file system match the boot record. */
#include "boot/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/report.h"

#define LINK_NAME "current"
#define LINK_NEW ".current.new"
#define LINK_UP "../../.."              /* from /run/ringhold/<channel> to the root */
#define SLOTS "/slots/"

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool boot_channel_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > 64 || !alnum(name[0]) || !alnum(name[len - 1]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!alnum(name[i]) && name[i] != '-')
			return false;
	return true;
}

static int open_dir(const char *root, const char *dir, const char *channel,
		    struct boot_report *why)
{
	char path[BOOT_PATH_MAX];
	int fd;

	if (!boot_channel_valid(channel))
		return report_set(why, "%.80s: not the name of a channel", channel);
	if (snprintf(path, sizeof path, "%s%s/%s", root, dir, channel) >= (int)sizeof path)
		return report_set(why, "%.80s...: path longer than %d bytes", root, BOOT_PATH_MAX);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? report_errno(why, "%.200s: open", path) : fd;
}

int boot_channel_open(const char *root, const char *channel, struct boot_report *why)
{
	return open_dir(root, BOOT_CHANNELS_DIR, channel, why);
}

/* /run is empty after a boot: all of it may have to be made. */
static void make_run(const char *root, const char *channel)
{
	char path[BOOT_PATH_MAX];

	if (snprintf(path, sizeof path, "%s%s/%s", root, BOOT_RUN_DIR, channel) >=
	    (int)sizeof path)
		return;
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	mkdir(path, 0755);
}

int boot_run_open(const char *root, const char *channel, bool create, struct boot_report *why)
{
	int fd = open_dir(root, BOOT_RUN_DIR, channel, why);

	if (fd >= 0 || !create || !boot_channel_valid(channel))
		return fd;
	make_run(root, channel);
	return open_dir(root, BOOT_RUN_DIR, channel, why);
}

enum slot { SLOT_GONE, SLOT_THERE, SLOT_UNKNOWN };

static enum slot look_at_slot(int channel_dir, const uint8_t digest[BOOT_DIGEST_LEN])
{
	char path[sizeof "slots/" + BOOT_DIGEST_HEX_LEN] = "slots/";
	struct stat st;

	boot_digest_hex(path + strlen(path), digest);
	if (fstatat(channel_dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return S_ISDIR(st.st_mode) ? SLOT_THERE : SLOT_GONE;
	return errno == ENOENT || errno == ENOTDIR ? SLOT_GONE : SLOT_UNKNOWN;
}

bool boot_slot_exists(int channel_dir, const uint8_t digest[BOOT_DIGEST_LEN])
{
	return look_at_slot(channel_dir, digest) == SLOT_THERE;
}

unsigned boot_slots_usable(int channel_dir, const struct boot_record *r, struct boot_report *why)
{
	unsigned usable = 0;

	for (unsigned rung = 0; rung < BOOT_DIGESTS; rung++) {
		enum slot found;

		if (boot_digest_empty(r->digest[rung]))
			continue;
		found = look_at_slot(channel_dir, r->digest[rung]);
		if (found == SLOT_UNKNOWN)
			report_errno(why, "slot of %s: look", boot_rung_name(rung));
		if (found != SLOT_GONE)
			usable |= BOOT_USABLE(rung);
	}
	return usable;
}

static int target_of(char *out, size_t cap, const char *channel, const uint8_t *digest,
		     struct boot_report *why)
{
	char hex[BOOT_DIGEST_HEX_LEN + 1];
	int len;

	boot_digest_hex(hex, digest);
	len = snprintf(out, cap, "%s%s/%s%s%s", LINK_UP, BOOT_CHANNELS_DIR, channel, SLOTS, hex);
	return len < (int)cap ? 0 : report_set(why, "%.80s: name too long", channel);
}

static int remove_link(int run_dir, struct boot_report *why)
{
	if (unlinkat(run_dir, LINK_NAME, 0) == 0)
		return 1;
	return errno == ENOENT ? 0 : report_errno(why, "current: remove");
}

int boot_link_set(int run_dir, const char *channel, const uint8_t *digest, struct boot_report *why)
{
	char want[BOOT_PATH_MAX], have[BOOT_PATH_MAX];
	ssize_t len;

	if (!digest || boot_digest_empty(digest))
		return remove_link(run_dir, why);
	if (target_of(want, sizeof want, channel, digest, why) < 0)
		return -1;
	len = readlinkat(run_dir, LINK_NAME, have, sizeof have);
	if (len == (ssize_t)strlen(want) && memcmp(have, want, (size_t)len) == 0)
		return 0;
	if (unlinkat(run_dir, LINK_NEW, 0) < 0 && errno != ENOENT)
		return report_errno(why, "current: remove an old temporary link");
	if (symlinkat(want, run_dir, LINK_NEW) < 0 ||
	    renameat(run_dir, LINK_NEW, run_dir, LINK_NAME) < 0)
		return report_errno(why, "current: link to %s", want);
	return 1;
}

int boot_link_get(int run_dir, uint8_t digest[BOOT_DIGEST_LEN], struct boot_report *why)
{
	char target[BOOT_PATH_MAX];
	ssize_t len = readlinkat(run_dir, LINK_NAME, target, sizeof target);
	const size_t tail = strlen(SLOTS) + BOOT_DIGEST_HEX_LEN;

	if (len < 0 && errno == ENOENT)
		return 0;
	if (len < 0)
		return report_errno(why, "current: read the link");
	if ((size_t)len < tail || (size_t)len >= sizeof target ||
	    memcmp(target + (size_t)len - tail, SLOTS, strlen(SLOTS)) != 0 ||
	    !boot_digest_parse(digest, target + (size_t)len - BOOT_DIGEST_HEX_LEN,
			       BOOT_DIGEST_HEX_LEN))
		return report_set(why, "current: leads to no slot");
	return 1;
}
