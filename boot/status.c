/* status: what the guard decided for this boot. */
#include "boot/status.h"

#include <string.h>

#include "boot/report.h"
#include "boot/text.h"

#define STATUS_NAME "boot"

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

static bool id_parse(uint8_t out[BOOT_ID_LEN], const char *hex)
{
	char wide[BOOT_DIGEST_HEX_LEN + 1];
	uint8_t bytes[BOOT_DIGEST_LEN];

	if (strlen(hex) != 2 * BOOT_ID_LEN)
		return false;
	memset(wide, '0', sizeof wide);
	memcpy(wide, hex, 2 * BOOT_ID_LEN);
	if (!boot_digest_parse(bytes, wide, BOOT_DIGEST_HEX_LEN))
		return false;
	memcpy(out, bytes, BOOT_ID_LEN);
	return true;
}

int boot_status_write(int run_dir, const struct boot_status *s, struct boot_report *why)
{
	char id[BOOT_DIGEST_HEX_LEN + 1];
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
	return text_write(&t, run_dir, STATUS_NAME, why);
}

int boot_status_read(struct boot_status *out, int run_dir, struct boot_report *why)
{
	char id[2 * BOOT_ID_LEN + 1];
	struct boot_status s = { 0 };
	unsigned mode, rung, reason, left, left_for, trial, late, uncounted;
	struct text t;
	int64_t tries;
	int got = text_read(&t, run_dir, STATUS_NAME, why);

	if (got <= 0)
		return got;
	if (!text_get_name(&t, "mode", boot_mode_name, BOOT_MODES, &mode) ||
	    !text_get_name(&t, "rung", boot_rung_name, BOOT_RUNGS, &rung) ||
	    !text_get_name(&t, "reason", boot_reason_name, BOOT_REASONS, &reason) ||
	    !text_get_name(&t, "left", boot_rung_name, BOOT_RUNGS, &left) ||
	    !text_get_name(&t, "left_for", boot_reason_name, BOOT_REASONS, &left_for) ||
	    !text_get_name(&t, "uncounted", yes_no, 2, &uncounted) ||
	    !text_get_name(&t, "trial", yes_no, 2, &trial) ||
	    !text_get_name(&t, "late_failure", yes_no, 2, &late) ||
	    !text_get_digest(&t, "digest", s.digest) || !text_get_digest(&t, "failed", s.failed) ||
	    !text_get_number(&t, "tries_left", &tries) || tries < 0 || tries > UINT8_MAX ||
	    !text_get(&t, "boot_id", id, sizeof id) || !id_parse(s.boot_id, id) ||
	    !text_get(&t, "report", s.report, sizeof s.report))
		return report_set(why, "boot status: a line is missing or malformed");
	s.mode = mode;
	s.rung = rung;
	s.reason = reason;
	s.left = left;
	s.left_for = left_for;
	s.trial = trial;
	s.uncounted = uncounted;
	s.late_failure = late;
	s.tries_left = (unsigned)tries;
	*out = s;
	return 1;
}
