/* trial: copy the record, change the copy, write it, then the link. */
#include "agent/trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"

static int failed(struct err *e, const struct trial *t, const struct boot_report *why)
{
	return err_set(e, ERR_IO, "channel %s: %s", t->channel, why->text);
}

static bool read_boot_id(uint8_t out[BOOT_ID_LEN], const char *root)
{
	AUTO(buf) struct buf *text = NULL;
	char path[1024], hex[2 * BOOT_ID_LEN + 1];
	struct err ignored;
	size_t n = 0;

	snprintf(path, sizeof path, "%s/proc/sys/kernel/random/boot_id", root);
	if (file_read(&text, path, 64, &ignored) < 0)
		return false;
	for (size_t i = 0; i < text->len && n < sizeof hex - 1; i++)
		if (text->data[i] != '-' && text->data[i] != '\n')
			hex[n++] = text->data[i];
	return hex_decode(out, BOOT_ID_LEN, hex, n);
}

/* The kernel's id of this boot; zero when it cannot be told. */
static void kernel_boot_id(uint8_t out[BOOT_ID_LEN], const char *root)
{
	if (!read_boot_id(out, root) && !read_boot_id(out, ""))
		memset(out, 0, BOOT_ID_LEN);
}

static void read_record(struct trial *t)
{
	struct boot_report why = { "" };

	switch (boot_record_read(&t->record, t->dir, &why)) {
	case BOOT_READ_OK:
		return;
	case BOOT_READ_ONE:
		break;
	case BOOT_READ_MISSING:         /* before the first content; channel_open() knows better when that cannot be */
		boot_record_init(&t->record);
		return;
	case BOOT_READ_FAILED:
		t->unread = true;
		/* fall through */
	default:
		boot_record_init(&t->record);
		break;
	}
	snprintf(t->trouble, sizeof t->trouble, "%s", why.text);
}

int trial_open(struct trial *t, const char *root, const char *channel, struct err *e)
{
	static const uint8_t unknown[BOOT_ID_LEN];
	struct boot_report why = { "" };

	memset(t, 0, sizeof *t);
	snprintf(t->channel, sizeof t->channel, "%s", channel);
	t->run = -1;
	t->dir = boot_channel_open(root, channel, &why);
	if (t->dir < 0)
		return failed(e, t, &why);
	t->run = boot_run_open(root, channel, true, &why);
	if (t->run < 0)
		return failed(e, t, &why);
	read_record(t);
	t->guarded = boot_status_read(&t->status, t->run, &why) == 1;
	if (t->guarded && memcmp(t->status.boot_id, unknown, BOOT_ID_LEN) != 0)
		memcpy(t->boot_id, t->status.boot_id, BOOT_ID_LEN);
	else
		kernel_boot_id(t->boot_id, root);
	t->uncounted = t->guarded ? t->status.uncounted :
		       memcmp(t->record.boot_id, unknown, BOOT_ID_LEN) != 0 && !boot_counted(&t->record, t->boot_id);
	return 0;
}

void trial_close(struct trial *t)
{
	if (t->dir >= 0)
		close(t->dir);
	if (t->run >= 0)
		close(t->run);
	t->dir = t->run = -1;
}

int trial_sync(struct trial *t, struct err *e)
{
	struct boot_report why = { "" };

	return boot_record_sync(t->dir, &why) < 0 ? failed(e, t, &why) : 0;
}

struct digest trial_at(const struct trial *t, enum boot_rung rung)
{
	struct digest d = { { 0 } };

	if (rung < RUNG_NONE)
		memcpy(d.bytes, t->record.digest[rung], DIGEST_LEN);
	return d;
}

struct digest trial_running(const struct trial *t)
{
	const uint8_t *d = boot_running(&t->record);
	struct digest out = { { 0 } };

	if (d)
		memcpy(out.bytes, d, DIGEST_LEN);
	return out;
}

bool trial_on(const struct trial *t)
{
	return t->record.mode == BOOT_TRIAL;
}

bool trial_left(const struct trial *t)
{
	return t->record.mode != BOOT_TRIAL && !boot_digest_empty(t->record.digest[RUNG_TRIAL]);
}

bool trial_late(const struct trial *t)
{
	return (t->record.mode == BOOT_COMMITTED || t->record.mode == BOOT_PINNED) && t->record.rung > RUNG_CURRENT &&
	       !boot_digest_empty(t->record.digest[RUNG_CURRENT]);
}

bool trial_uncounted(const struct trial *t)
{
	return t->uncounted;
}

int trial_count(struct trial *t, struct err *e)
{
	struct boot_report why = { "" };
	struct boot_record r = t->record;
	struct boot_decision d;

	if (!t->uncounted || r.seq == 0 || boot_counted(&r, t->boot_id))
		return 0;
	d = boot_decide(&r, t->boot_id, boot_slots_usable(t->dir, &r, &why));
	if (d.write && boot_record_write(&r, t->dir, &why) < 0)
		return failed(e, t, &why);
	t->record = r;
	return 0;
}

int trial_link(struct trial *t, struct err *e)
{
	struct boot_report why = { "" };
	int rc = boot_link_set(t->run, t->channel, boot_running(&t->record), &why);

	return rc < 0 ? failed(e, t, &why) : rc;
}

/* The one way to change the record. */
static int store(struct trial *t, struct boot_record *changed, struct err *e)
{
	struct boot_report why = { "" };

	if (boot_record_write(changed, t->dir, &why) < 0)
		return failed(e, t, &why);
	t->record = *changed;
	return trial_link(t, e) < 0 ? e->code : 0;
}

static int not_now(struct err *e, const struct trial *t, const char *what)
{
	return err_set(e, ERR_CONFLICT, "channel %s: cannot %s while the boot record says %s", t->channel, what,
		       boot_mode_name(t->record.mode));
}

int trial_arm(struct trial *t, const struct digest *d, uint64_t attempt, struct err *e)
{
	struct boot_record r = t->record;

	if (trial_on(t) && !memcmp(r.digest[RUNG_TRIAL], d->bytes, DIGEST_LEN) && r.attempt == attempt)
		return trial_link(t, e) < 0 ? e->code : 0;
	if (!boot_slot_exists(t->dir, d->bytes))
		return err_set(e, ERR_NOT_FOUND, "channel %s: the slot to arm is not on disk", t->channel);
	if (!boot_arm(&r, d->bytes, attempt))
		return not_now(e, t, "arm a trial");
	return store(t, &r, e);
}

int trial_commit(struct trial *t, uint64_t serial, struct err *e)
{
	struct boot_record r = t->record;

	return boot_commit(&r, serial) ? store(t, &r, e) : not_now(e, t, "commit");
}

int trial_revert(struct trial *t, struct err *e)
{
	struct boot_record r = t->record;

	return boot_revert(&r) ? store(t, &r, e) : not_now(e, t, "revert");
}

int trial_leave(struct trial *t, const struct digest *to, struct err *e)
{
	struct boot_record r = t->record;

	return boot_leave(&r, digest_is_zero(to) ? NULL : to->bytes) ? store(t, &r, e) : not_now(e, t, "leave what runs");
}

int trial_idle(struct trial *t, struct err *e)
{
	struct boot_record r = t->record;

	return boot_idle(&r) ? store(t, &r, e) : not_now(e, t, "run nothing");
}

int trial_settle(struct trial *t, struct err *e)
{
	struct boot_record r = t->record;

	boot_settle(&r);
	return store(t, &r, e);
}

int trial_forget(struct trial *t, const struct digest *d, struct err *e)
{
	struct boot_record r = t->record;

	boot_forget(&r, d->bytes);
	return store(t, &r, e);
}

int trial_pin(struct trial *t, bool pin, struct err *e)
{
	struct boot_record r = t->record;

	if ((r.mode == BOOT_PINNED) == pin)
		return 0;
	return (pin ? boot_pin(&r) : boot_unpin(&r)) ? store(t, &r, e) : not_now(e, t, pin ? "pin" : "unpin");
}

int trial_disable(struct trial *t, bool disable, struct err *e)
{
	struct boot_record r = t->record;

	if ((r.mode == BOOT_DISABLED) == disable)
		return 0;
	if (disable)
		boot_disable(&r);
	else if (!boot_enable(&r))
		return not_now(e, t, "enable");
	return store(t, &r, e);
}

int trial_baseline(struct trial *t, const struct digest *d, struct err *e)
{
	struct boot_record r = t->record;

	boot_set_baseline(&r, d->bytes);
	return store(t, &r, e);
}

static int mark(struct trial *t, void (*how)(struct boot_record *r), struct err *e)
{
	struct boot_record r = t->record;

	how(&r);
	if (r.flags == t->record.flags && r.tries_left == t->record.tries_left)
		return 0;
	return store(t, &r, e);
}

int trial_mark_ok(struct trial *t, struct err *e)
{
	return mark(t, boot_mark_ok, e);
}

int trial_mark_clean(struct trial *t, struct err *e)
{
	return mark(t, boot_mark_clean, e);
}

int trial_mark_running(struct trial *t, struct err *e)
{
	if (memcmp(t->record.boot_id, t->boot_id, BOOT_ID_LEN) != 0)
		return 0;       /* the boot before was shut down, and nobody has counted this one */
	return mark(t, boot_mark_running, e);
}
