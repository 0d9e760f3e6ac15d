/*
 * trial: one channel's boot record and link, always moved together.
 *
 * The record decides, the link follows: each function writes the record
 * durably first and then makes the link match. All may be repeated after a
 * crash. boot/ladder.h says what the transitions mean.
 */
#ifndef AGENT_TRIAL_H
#define AGENT_TRIAL_H

#include <stdbool.h>

#include "base/hash.h"
#include "boot/ladder.h"
#include "boot/link.h"
#include "boot/sensor_status.h"
#include "boot/status.h"

struct trial {
	char channel[65];
	int dir;                        /* /var/lib/ringhold/channels/<channel> */
	int run;                        /* /run/ringhold/<channel> */
	struct boot_record record;
	struct boot_status status;      /* what the guard decided for this boot */
	bool guarded;                   /* the guard ran: status is set */
	bool uncounted;                 /* when this was opened, this boot was not in the record */
	uint8_t boot_id[BOOT_ID_LEN];   /* of this boot */
	char trouble[320];              /* with the record as it was found; "" none */
	bool unread;                    /* ... which may be a good one: the system let nobody look */
};

/* Directories must exist. A damaged record is told in `trouble`, a missing one is a new host's; both begin anew, nothing is written. */
int trial_open(struct trial *t, const char *root, const char *channel, struct err *e) MUST_CHECK;
void trial_close(struct trial *t);
int trial_sync(struct trial *t, struct err *e) MUST_CHECK;      /* the record, before anything is built on it: its writer may have died before that */

/* What runs by the record; all zero: nothing. */
struct digest trial_running(const struct trial *t);
struct digest trial_at(const struct trial *t, enum boot_rung rung);
bool trial_on(const struct trial *t);                           /* some digest is on trial and runs */
bool trial_left(const struct trial *t);                         /* the ladder left a trial: evidence waits for trial_revert() */
bool trial_late(const struct trial *t);                         /* the ladder left committed content */

/*
 * The guard could not write down that it counted this boot, or counted one
 * before and left no word of this one: what was on trial before does not run
 * in it, and nothing new goes on trial in it. A host that never had a guard
 * counts no boots, and this is false.
 */
bool trial_uncounted(const struct trial *t);
/* At start: what the guard decided then is made durable here, before anything is built on the record. Not the link. */
int trial_count(struct trial *t, struct err *e) MUST_CHECK;

/* ERR_CONFLICT when the record's state does not allow it. */
int trial_arm(struct trial *t, const struct digest *d, uint64_t attempt, struct err *e) MUST_CHECK;
int trial_commit(struct trial *t, uint64_t serial, struct err *e) MUST_CHECK;
int trial_revert(struct trial *t, struct err *e) MUST_CHECK;
int trial_leave(struct trial *t, const struct digest *to, struct err *e) MUST_CHECK;   /* zero: baseline */
int trial_idle(struct trial *t, struct err *e) MUST_CHECK;      /* nothing runs until something is armed */
int trial_settle(struct trial *t, struct err *e) MUST_CHECK;
int trial_forget(struct trial *t, const struct digest *d, struct err *e) MUST_CHECK;    /* what does not run, and shall not */
int trial_pin(struct trial *t, bool pin, struct err *e) MUST_CHECK;
int trial_disable(struct trial *t, bool disable, struct err *e) MUST_CHECK;
int trial_baseline(struct trial *t, const struct digest *d, struct err *e) MUST_CHECK;
int trial_mark_ok(struct trial *t, struct err *e) MUST_CHECK;           /* writes only when that changes something */
int trial_mark_clean(struct trial *t, struct err *e) MUST_CHECK;
/* At start: a shutdown that was announced in this very boot did not come about. */
int trial_mark_running(struct trial *t, struct err *e) MUST_CHECK;

/* Makes the link match the record: 1 changed, 0 was so. */
int trial_link(struct trial *t, struct err *e) MUST_CHECK;

#endif
