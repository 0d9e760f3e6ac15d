/* status: what the guard decided for this boot. */
#include "boot/status.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "boot/report.h"
#include "boot/text.h"

#define TEXT_NAME "boot"
#define RECORD_NAME "guard"

enum {
	AT_MODE = 8,
	AT_RUNG = 9,
	AT_TRIES_LEFT = 10,
	AT_REASON = 11,
	AT_LEFT = 12,
	AT_LEFT_FOR = 13,
	AT_FLAGS = 14,
	AT_BOOT_ID = 16,
	AT_DIGEST = 32,
	AT_FAILED = 64,
	AT_REPORT = 96,
	AT_CRC = 508,

	FLAG_TRIAL = 1,
	FLAG_LATE = 2,
	FLAG_UNCOUNTED = 4,
};

static const uint8_t magic[8] = "RHGUARD";


static const char *yes_no(unsigned value)
{
	return value ? "yes" : "no";
}

/* Sixteen bytes as 32 digits, by way of a digest's first half. */
static void id_hex(char out[BOOT_DIGEST_HEX_LEN + 1], const uint8_t id[BOOT_ID_LEN])
{
	uint8_t wide[BOOT_DIGEST_LEN] = { 0 };

	memcpy(wide, id, BOOT_ID_LEN);
	boot_digest_hex(out, wide);
	out[2 * BOOT_ID_LEN] = '\0';
}

static bool printable(char c)
{
	return c >= 0x20 && c < 0x7f;
}

void boot_status_encode(uint8_t out[BOOT_STATUS_BYTES], const struct boot_status *s)
{
	uint32_t crc;

	memset(out, 0, BOOT_STATUS_BYTES);
	memcpy(out, magic, sizeof magic);
	out[AT_MODE] = (uint8_t)s->mode;
	out[AT_RUNG] = (uint8_t)s->rung;
	out[AT_TRIES_LEFT] = (uint8_t)s->tries_left;
	out[AT_REASON] = (uint8_t)s->reason;
	out[AT_LEFT] = (uint8_t)s->left;
	out[AT_LEFT_FOR] = (uint8_t)s->left_for;
	out[AT_FLAGS] = (uint8_t)(s->trial * FLAG_TRIAL | s->late_failure * FLAG_LATE | s->uncounted * FLAG_UNCOUNTED);
	memcpy(out + AT_BOOT_ID, s->boot_id, sizeof s->boot_id);
	memcpy(out + AT_DIGEST, s->digest, sizeof s->digest);
	memcpy(out + AT_FAILED, s->failed, sizeof s->failed);
	for (size_t i = 0; s->report[i] && i + 1 < sizeof s->report; i++)
		out[AT_REPORT + i] = printable(s->report[i]) ? (uint8_t)s->report[i] : '?';
	crc = boot_crc32(out, AT_CRC);
	for (int i = 0; i < 4; i++)
		out[AT_CRC + i] = (uint8_t)(crc >> 8 * i);
}

bool boot_status_decode(struct boot_status *out, const uint8_t bytes[BOOT_STATUS_BYTES])
{
	uint8_t again[BOOT_STATUS_BYTES];
	struct boot_status s = {
		.mode = bytes[AT_MODE],
		.rung = bytes[AT_RUNG],
		.tries_left = bytes[AT_TRIES_LEFT],
		.reason = bytes[AT_REASON],
		.left = bytes[AT_LEFT],
		.left_for = bytes[AT_LEFT_FOR],
		.trial = bytes[AT_FLAGS] & FLAG_TRIAL,
		.late_failure = bytes[AT_FLAGS] & FLAG_LATE,
		.uncounted = bytes[AT_FLAGS] & FLAG_UNCOUNTED,
	};

	if (bytes[AT_MODE] >= BOOT_MODES || bytes[AT_RUNG] >= BOOT_RUNGS || bytes[AT_REASON] >= BOOT_REASONS ||
	    bytes[AT_LEFT] >= BOOT_RUNGS || bytes[AT_LEFT_FOR] >= BOOT_REASONS)
		return false;
	memcpy(s.boot_id, bytes + AT_BOOT_ID, sizeof s.boot_id);
	memcpy(s.digest, bytes + AT_DIGEST, sizeof s.digest);
	memcpy(s.failed, bytes + AT_FAILED, sizeof s.failed);
	memcpy(s.report, bytes + AT_REPORT, sizeof s.report - 1);
	/* The magic, the checksum, every flag and every zero: one state has one encoding. */
	boot_status_encode(again, &s);
	if (memcmp(bytes, again, sizeof again) != 0)
		return false;
	*out = s;
	return true;
}

int boot_status_write(int run_dir, const struct boot_status *s, struct boot_report *why)
{
	char id[BOOT_DIGEST_HEX_LEN + 1];
	uint8_t record[BOOT_STATUS_BYTES];
	struct text t = { .len = 0 };

	id_hex(id, s->boot_id);
	text_add(&t, "mode", boot_mode_name(s->mode));
	text_add(&t, "rung", boot_rung_name(s->rung));
	text_add_digest(&t, "digest", s->digest);
	text_add(&t, "trial", yes_no(s->trial));
	text_add_number(&t, "tries_left", s->tries_left);
	text_add(&t, "reason", boot_reason_name(s->reason));
	text_add(&t, "left", boot_rung_name(s->left));
	text_add(&t, "left_for", boot_reason_name(s->left_for));
	text_add_digest(&t, "failed", s->failed);
	text_add(&t, "late_failure", yes_no(s->late_failure));
	text_add(&t, "uncounted", yes_no(s->uncounted));
	text_add(&t, "boot_id", id);
	text_add(&t, "report", s->report);
	boot_status_encode(record, s);
	if (text_replace(run_dir, RECORD_NAME, record, sizeof record, why) < 0)
		return -1;
	return text_write(&t, run_dir, TEXT_NAME, why);
}

int boot_status_read(struct boot_status *out, int run_dir, struct boot_report *why)
{
	int fd = openat(run_dir, RECORD_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t bytes[BOOT_STATUS_BYTES + 1];
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return report_errno(why, "boot status: open");
	n = read(fd, bytes, sizeof bytes);
	if (n < 0)
		report_errno(why, "boot status: read");
	close(fd);
	if (n < 0)
		return -1;
	if (n != BOOT_STATUS_BYTES || !boot_status_decode(out, bytes))
		return report_set(why, "boot status: no record of the guard's");
	return 1;
}
