/* ladder: what content this boot runs, and how the agent changes that. */
#include "boot/ladder.h"

#include <string.h>

static const char *const reason_names[BOOT_REASONS] = {
	"counted", "same-boot", "stepped", "slot-missing", "disabled", "uncounted", "no-record",
};

const char *boot_reason_name(unsigned reason)
{
	return reason < BOOT_REASONS ? reason_names[reason] : "unknown";
}

static bool filled(const struct boot_record *r, unsigned rung)
{
	return rung < BOOT_DIGESTS && !boot_digest_empty(r->digest[rung]);
}

/* Its digest stands higher up as well, where it failed. */
static bool failed_above(const struct boot_record *r, unsigned rung)
{
	for (unsigned above = RUNG_TRIAL; above < rung; above++)
		if (filled(r, above) && boot_digest_equal(r->digest[above], r->digest[rung]))
			return true;
	return false;
}

/* The next rung beneath `rung` that may run. */
static unsigned next_rung(const struct boot_record *r, unsigned rung, unsigned usable)
{
	while (++rung < RUNG_NONE)
		if (filled(r, rung) && (usable & BOOT_USABLE(rung)) && r->tries[rung] &&
		    !failed_above(r, rung))
			return rung;
	return RUNG_NONE;
}

static void start_rung(struct boot_record *r, unsigned rung)
{
	r->rung = (uint8_t)rung;
	r->tries_left = rung < BOOT_DIGESTS ? r->tries[rung] : 0;
}

static bool has_ladder(const struct boot_record *r)
{
	return r->mode != BOOT_DISABLED;
}

static void describe(struct boot_decision *d, const struct boot_record *r, unsigned rung)
{
	d->rung = rung;
	d->trial = r->mode == BOOT_TRIAL && rung == RUNG_TRIAL;
	memset(d->digest, 0, sizeof d->digest);
	if (filled(r, rung))
		memcpy(d->digest, r->digest[rung], sizeof d->digest);
}

static void step_down(struct boot_record *r, struct boot_decision *d, unsigned usable)
{
	unsigned from = r->rung;

	if (filled(r, from)) {
		d->left = from;
		memcpy(d->failed, r->digest[from], sizeof d->failed);
	}
	if (r->mode == BOOT_TRIAL)
		r->mode = BOOT_COMMITTED;       /* the digest stays, as evidence */
	start_rung(r, next_rung(r, from, usable));
	d->write = true;
}

/* True when the rung cannot run whatever its count says; an empty trial is a damaged record. */
static bool unusable(const struct boot_record *r, unsigned usable)
{
	return r->rung < RUNG_NONE && (!filled(r, r->rung) || !(usable & BOOT_USABLE(r->rung)));
}

bool boot_counted(const struct boot_record *r, const uint8_t boot_id[BOOT_ID_LEN])
{
	static const uint8_t unknown[BOOT_ID_LEN];

	return memcmp(boot_id, unknown, BOOT_ID_LEN) != 0 &&
	       memcmp(boot_id, r->boot_id, BOOT_ID_LEN) == 0;
}

/* One boot less for the rung, or a step down when it has none left. */
static void count(struct boot_record *r, struct boot_decision *d, unsigned usable)
{
	if (r->flags & (BOOT_FLAG_CLEAN | BOOT_FLAG_OK) && r->rung < RUNG_NONE)
		r->tries_left = r->tries[r->rung];
	if (r->rung < RUNG_NONE && r->tries_left > r->tries[r->rung])
		r->tries_left = r->tries[r->rung];
	r->flags = 0;
	d->write = true;
	if (r->rung < RUNG_NONE && r->tries_left == 0) {
		d->late_failure = r->rung != RUNG_TRIAL;
		d->reason = BOOT_STEPPED;
		step_down(r, d, usable);
	}
	if (r->rung < RUNG_NONE)
		r->tries_left--;
}

struct boot_decision boot_decide(struct boot_record *r, const uint8_t boot_id[BOOT_ID_LEN],
				 unsigned usable)
{
	struct boot_decision d = { .rung = RUNG_NONE, .left = RUNG_NONE, .reason = BOOT_COUNTED };
	bool same = boot_counted(r, boot_id);

	if (!has_ladder(r)) {
		d.reason = BOOT_OFF;
		return d;
	}
	/* A record that another program wrote may name a trial in a mode that has none. */
	if (r->rung == RUNG_TRIAL && r->mode != BOOT_TRIAL)
		start_rung(r, next_rung(r, RUNG_TRIAL, usable));
	if (unusable(r, usable)) {
		bool empty = !filled(r, r->rung);

		step_down(r, &d, usable);
		d.reason = empty ? BOOT_COUNTED : BOOT_SLOT_MISSING;
	}
	if (same && !d.write)
		d.reason = BOOT_SAME;
	if (!same)
		count(r, &d, usable);
	memcpy(r->boot_id, boot_id, BOOT_ID_LEN);
	describe(&d, r, r->rung);
	return d;
}

struct boot_decision boot_decide_unwritten(const struct boot_record *r,
					   const struct boot_decision *decided, unsigned usable)
{
	struct boot_decision d = *decided;

	if (!d.trial)
		return d;
	d.reason = BOOT_UNCOUNTED;
	describe(&d, r, next_rung(r, RUNG_TRIAL, usable));
	return d;
}

const uint8_t *boot_running(const struct boot_record *r)
{
	return has_ladder(r) && filled(r, r->rung) ? r->digest[r->rung] : NULL;
}

/* ---- the agent's transitions ---- */

static void clear(struct boot_record *r, unsigned rung)
{
	memset(r->digest[rung], 0, BOOT_DIGEST_LEN);
}

static void set(struct boot_record *r, unsigned rung, const uint8_t *digest)
{
	memmove(r->digest[rung], digest, BOOT_DIGEST_LEN);
}

void boot_settle(struct boot_record *r)
{
	if (!has_ladder(r) || r->rung <= RUNG_CURRENT)
		return;
	if (r->rung == RUNG_PREVIOUS) {
		uint8_t left = r->tries_left;

		set(r, RUNG_CURRENT, r->digest[RUNG_PREVIOUS]);
		start_rung(r, RUNG_CURRENT);
		if (left < r->tries_left)
			r->tries_left = left;
	} else {
		clear(r, RUNG_CURRENT);
	}
	clear(r, RUNG_PREVIOUS);
}

bool boot_arm(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN], uint64_t attempt)
{
	bool same = boot_digest_equal(r->digest[RUNG_TRIAL], digest);

	if (boot_digest_empty(digest) || r->mode == BOOT_PINNED || r->mode == BOOT_DISABLED)
		return false;
	if (r->mode == BOOT_TRIAL)
		return same && r->attempt == attempt;
	boot_settle(r);
	set(r, RUNG_TRIAL, digest);
	r->mode = BOOT_TRIAL;
	r->attempt = attempt;
	r->flags = 0;
	start_rung(r, RUNG_TRIAL);
	return true;
}

bool boot_commit(struct boot_record *r, uint64_t serial)
{
	if (r->mode != BOOT_TRIAL || r->rung != RUNG_TRIAL || !filled(r, RUNG_TRIAL))
		return false;
	/* Content on trial again, after a contract change, keeps what was committed before it. */
	if (!boot_digest_equal(r->digest[RUNG_CURRENT], r->digest[RUNG_TRIAL]))
		set(r, RUNG_PREVIOUS, r->digest[RUNG_CURRENT]);
	set(r, RUNG_CURRENT, r->digest[RUNG_TRIAL]);
	clear(r, RUNG_TRIAL);
	r->mode = BOOT_COMMITTED;
	r->flags |= BOOT_FLAG_OK;
	if (serial > r->high_water)
		r->high_water = serial;
	start_rung(r, RUNG_CURRENT);
	return true;
}

bool boot_revert(struct boot_record *r)
{
	bool running = r->mode == BOOT_TRIAL;
	bool again = boot_digest_equal(r->digest[RUNG_TRIAL], r->digest[RUNG_CURRENT]);

	if (!running && !filled(r, RUNG_TRIAL))
		return false;
	if (running) {
		r->mode = BOOT_COMMITTED;
		start_rung(r, next_rung(r, RUNG_TRIAL, BOOT_USABLE_ALL));
	}
	/* Content on trial again takes current with it; a late failure beside it stays to be reported. */
	if (running || again)
		boot_settle(r);
	clear(r, RUNG_TRIAL);
	return true;
}

bool boot_leave(struct boot_record *r, const uint8_t *to)
{
	uint8_t left[BOOT_DIGEST_LEN] = { 0 }, target[BOOT_DIGEST_LEN];
	bool held = to && boot_digest_equal(to, r->digest[RUNG_BASELINE]);

	if (!has_ladder(r) || (to && boot_digest_empty(to)) ||
	    (!to && !filled(r, RUNG_BASELINE)))
		return false;
	if (to)         /* it may be one of the record's own, which change */
		memcpy(target, to, sizeof target);
	if (boot_running(r))
		memcpy(left, boot_running(r), sizeof left);
	clear(r, RUNG_TRIAL);
	if (r->mode == BOOT_TRIAL)
		r->mode = BOOT_COMMITTED;
	if (!to || held) {
		clear(r, RUNG_CURRENT);
		clear(r, RUNG_PREVIOUS);
		start_rung(r, RUNG_BASELINE);
		return true;
	}
	set(r, RUNG_CURRENT, target);
	if (boot_digest_equal(r->digest[RUNG_PREVIOUS], left) ||
	    boot_digest_equal(r->digest[RUNG_PREVIOUS], target))
		clear(r, RUNG_PREVIOUS);
	start_rung(r, RUNG_CURRENT);
	return true;
}

bool boot_idle(struct boot_record *r)
{
	if (!has_ladder(r))
		return false;
	if (r->mode == BOOT_TRIAL)
		r->mode = BOOT_COMMITTED;
	for (unsigned rung = RUNG_TRIAL; rung <= RUNG_PREVIOUS; rung++)
		clear(r, rung);
	start_rung(r, RUNG_NONE);
	return true;
}

void boot_forget(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN])
{
	for (unsigned rung = RUNG_CURRENT; rung <= RUNG_PREVIOUS; rung++)
		if (rung != r->rung && boot_digest_equal(r->digest[rung], digest))
			clear(r, rung);
}

void boot_mark_ok(struct boot_record *r)
{
	r->flags |= BOOT_FLAG_OK;
	if (r->rung < BOOT_DIGESTS)
		r->tries_left = r->tries[r->rung];
}

void boot_mark_clean(struct boot_record *r)
{
	r->flags |= BOOT_FLAG_CLEAN;
}

void boot_mark_running(struct boot_record *r)
{
	r->flags &= (uint8_t)~BOOT_FLAG_CLEAN;
}

bool boot_pin(struct boot_record *r)
{
	if (r->mode != BOOT_COMMITTED && r->mode != BOOT_PINNED)
		return false;
	r->mode = BOOT_PINNED;
	return true;
}

bool boot_unpin(struct boot_record *r)
{
	if (r->mode != BOOT_COMMITTED && r->mode != BOOT_PINNED)
		return false;
	r->mode = BOOT_COMMITTED;
	return true;
}

void boot_disable(struct boot_record *r)
{
	if (r->mode == BOOT_DISABLED)
		return;
	boot_settle(r);
	clear(r, RUNG_TRIAL);
	r->mode = BOOT_DISABLED;
	start_rung(r, RUNG_NONE);
}

bool boot_enable(struct boot_record *r)
{
	if (r->mode != BOOT_DISABLED)
		return false;
	r->mode = BOOT_COMMITTED;
	start_rung(r, next_rung(r, RUNG_TRIAL, BOOT_USABLE_ALL));
	return true;
}

void boot_set_baseline(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN])
{
	if (boot_digest_equal(r->digest[RUNG_BASELINE], digest))
		return;
	set(r, RUNG_BASELINE, digest);
	if (r->mode == BOOT_DISABLED)
		return;
	if (r->rung == RUNG_BASELINE && boot_digest_empty(digest))
		start_rung(r, RUNG_NONE);
	else if (r->rung == RUNG_NONE || r->rung == RUNG_BASELINE)
		start_rung(r, next_rung(r, RUNG_PREVIOUS, BOOT_USABLE_ALL));
}
