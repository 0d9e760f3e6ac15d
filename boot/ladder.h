/*
 * ladder: what content this boot runs, and how the agent changes that. Pure.
 *
 *     trial -> current -> previous -> baseline -> none
 *
 * The guard counts every boot before the sensor starts. A rung has tries[rung]
 * boots; the boot after them steps down. The count starts anew when a boot
 * proved good (boot_mark_ok) or the machine was shut down cleanly
 * (boot_mark_clean): a clean shutdown is no failure, a power cut is one.
 * The ladder disables content, never the machine, and never climbs by itself.
 *
 * A rung is skipped when it is empty, when its slot is not on disk, when it
 * has no tries, or when its digest equals that of a rung above it, which
 * failed already. Modes:
 *
 *     trial       the ladder starts at the trial; stepping off it makes the mode
 *                 committed and keeps digest[RUNG_TRIAL] as evidence until the
 *                 agent, having reported it, calls boot_revert()
 *     committed   starts at current; stepping down is a late failure of that digest
 *     pinned      as committed; the pin stays, on a lower rung
 *     disabled    none, whatever else the record says
 *
 * After a late failure `rung` stays below current. The agent reports it and
 * calls boot_settle(), which makes what runs the current content.
 */
#ifndef BOOT_LADDER_H
#define BOOT_LADDER_H

#include "boot/record.h"

enum boot_reason {
	BOOT_COUNTED,           /* the rung of the record runs; this boot was counted */
	BOOT_SAME,              /* this boot was counted before: nothing changed */
	BOOT_STEPPED,           /* the rung's tries are used up */
	BOOT_SLOT_MISSING,      /* the rung's slot is not on disk */
	BOOT_OFF,               /* disabled */
	BOOT_UNCOUNTED,         /* the count could not be made durable, so the trial is not run */
	BOOT_NO_RECORD,         /* no readable record: nothing is known to be safe */
	BOOT_REASONS,
};

struct boot_decision {
	enum boot_rung rung;            /* what this boot runs */
	uint8_t digest[BOOT_DIGEST_LEN];/* of it; zero for none */
	bool trial;                     /* this boot runs content on trial */
	enum boot_reason reason;
	enum boot_rung left;            /* the rung stepped down from; RUNG_NONE: no step */
	uint8_t failed[BOOT_DIGEST_LEN];/* its digest */
	bool late_failure;              /* it was committed content and its tries were used up */
	bool write;                     /* the record changed and must be durable before the content runs */
};

/* Bits of `usable`: rung n's slot is on disk, complete. */
#define BOOT_USABLE(rung) (1u << (rung))
#define BOOT_USABLE_ALL 0xfu

/* Counts this boot in *r and decides. An all-zero boot_id is unknown and counts always. */
struct boot_decision boot_decide(struct boot_record *r, const uint8_t boot_id[BOOT_ID_LEN],
				 unsigned usable);

/* This boot is in *r. One whose id is all zero never is. */
bool boot_counted(const struct boot_record *r, const uint8_t boot_id[BOOT_ID_LEN]);

/*
 * What runs when boot_decide()'s change could not be written: the same, but for
 * a trial the highest committed rung. `r` is the record as decided, not written.
 */
struct boot_decision boot_decide_unwritten(const struct boot_record *r,
					   const struct boot_decision *decided, unsigned usable);

/*
 * The agent's transitions. Each changes *r in memory; the agent then writes the
 * record, and only after that makes the link match. False: not allowed in this
 * state, and nothing changed. All may be repeated after a crash.
 */

/* Puts a digest on trial: rung trial, its tries, flags cleared. Not when pinned, disabled or on another trial. */
bool boot_arm(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN], uint64_t attempt) BOOT_MUST_CHECK;
/* The running trial proved good: previous = current, current = trial, high_water = max. */
bool boot_commit(struct boot_record *r, uint64_t serial) BOOT_MUST_CHECK;
/* Gives up the trial that runs, or acknowledges one that the ladder left. */
bool boot_revert(struct boot_record *r) BOOT_MUST_CHECK;
/*
 * Leaves what runs (a stop, a recall, a granted rollback, a local command) for
 * content held on disk, without trial; `to` NULL is baseline. What is left
 * disappears from the record, but for baseline. False: no baseline to go to.
 */
bool boot_leave(struct boot_record *r, const uint8_t *to) BOOT_MUST_CHECK;
/*
 * Nothing on disk may run, as after a sensor upgrade that accepts none of it:
 * none, until something is armed or left for. Only the baseline stays in the
 * record. Not when disabled.
 */
bool boot_idle(struct boot_record *r) BOOT_MUST_CHECK;
/* Committed content that does not run, but was stopped: the ladder must not come to it. */
void boot_forget(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN]);
/* What runs becomes current; committed content the ladder stepped down from is forgotten. */
void boot_settle(struct boot_record *r);

void boot_mark_ok(struct boot_record *r);       /* the sensor has been up long enough */
void boot_mark_clean(struct boot_record *r);    /* the machine is going down in order */
void boot_mark_running(struct boot_record *r);  /* it is not: only the agent was restarted, and a power cut counts again */

bool boot_pin(struct boot_record *r) BOOT_MUST_CHECK;           /* not on trial, not disabled */
bool boot_unpin(struct boot_record *r) BOOT_MUST_CHECK;
void boot_disable(struct boot_record *r);       /* a trial is given up */
bool boot_enable(struct boot_record *r) BOOT_MUST_CHECK;        /* current, else previous, else baseline runs, with all its tries */

/* The content that came with the sensor; zero takes it away. New content runs at once when nothing else does. */
void boot_set_baseline(struct boot_record *r, const uint8_t digest[BOOT_DIGEST_LEN]);

/* The digest that runs by this record; NULL for none. */
const uint8_t *boot_running(const struct boot_record *r);

const char *boot_reason_name(unsigned reason);  /* "stepped" */

#endif
