/*
 * channel: one channel of this host, driven through the phases.
 *
 * Level-triggered: channel_tick() looks at the stored phase and at what is
 * under way, and does the next thing that is due; verdicts, permits, job
 * results and the sensor's state arrive as phase events. A restart needs no
 * special path: the same look finds the same next thing.
 */
#ifndef AGENT_CHANNEL_H
#define AGENT_CHANNEL_H

#include "agent/host.h"
#include "agent/errand.h"
#include "agent/health.h"
#include "agent/job.h"
#include "agent/measure.h"
#include "agent/probation.h"
#include "agent/trial.h"

#define CHANNEL_STOP_LEFT "stop_left.%s"        /* journal key: the digest that spent the day of the online stop key */

/* Work on content that is on disk, beside the phases; what c->job does for it. */
enum upkeep_task { UPKEEP_NONE, UPKEEP_REHASH, UPKEEP_FETCH, UPKEEP_UNPACK, UPKEEP_COMPARE, UPKEEP_CHECK, UPKEEP_CANARY, UPKEEP_REDROP };

struct upkeep {
	enum upkeep_task task;          /* NONE: the job, when there is one, is the phase's */
	struct message_verdict source;  /* FETCH, UNPACK: of the slot that is brought */
	bool bringing, mend;            /* it is under way, for a slot that is damaged */
	/* re-hashing */
	int rung;                       /* looked at next in this pass */
	bool damaged;                   /* something found in this pass is not mended */
	int64_t mend_at;                /* seconds: not before */
	uint64_t mend_tries;
	/* proving under a new contract */
	int proof;                      /* rung that is tried; what runs comes first */
	struct digest proving[2];       /* content that runs and contract, which the next three are about */
	char refused[304], refused_reason[64];
	struct digest proved[2];        /* content and contract known to fit, so that agent.db need not be asked */
	bool stepped;                   /* a trial of newer content was refused before */
	bool accepted;                  /* what runs is, and waits to go on trial */
	int64_t prove_at;
	uint64_t prove_tries, suspected;
	/* another list of rules to leave out of what runs */
	char (*redrop)[256];            /* owned */
	size_t redrop_count;
	struct digest redrop_of, redrop_list;   /* content and digest of the list; zero content: none is wanted */
	bool redrop_refused;            /* the canary refused it: not tried again by this process */
	bool redrop_kept;               /* it is on record, and lies where the sensor looks; */
	bool redrop_telling;            /* and the sensor is being told */
	char redrop_words[160];         /* what to say when it was */
	int64_t redrop_at;
	uint64_t redrop_tries, redrop_suspected;
	/* what a hold leaves out */
	int64_t peek_at;
	uint64_t peek_tries;
	struct message_rule *rules;     /* owned; of the comparison under way */
	size_t rule_count;
};

#define CHANNEL_CONTRACT "contract.%s"          /* journal key: the contract last proved under, what runs, and what came of it */
#define CHANNEL_CONTRACT_WORD (2 * DIGEST_HEX_LEN + 2)
#define CHANNEL_CONTRACT_MAX (CHANNEL_CONTRACT_WORD + 32)

struct channel {
	struct host *host;
	const struct settings_channel *cfg;
	struct journal_channel state;   /* as stored */
	struct trial boot;
	struct job job;
	bool by_delta;                  /* the transfer under way is the delta */
	int64_t clear_after;            /* seconds: a verdict must be this fresh before ARM */
	int64_t asked_at;               /* seconds: when a fresh verdict was last asked for */
	bool told_no_sensor;            /* reported once per offer */
	bool told_wait;                 /* ... why nothing comes of an open permit yet */
	bool window_shut;               /* seen while the permit could have been asked for */
	struct errand hook;             /* transfer-hook */
	int64_t hook_asked;             /* clock_ticks_ms(); 0: never */
	struct digest hook_about;       /* what it was asked about, */
	bool hook_urgent;               /* and how urgent that was */
	bool hook_go;                   /* its last answer */
	struct errand telling;          /* reload */
	bool tell_owed;                 /* an agent was killed before the sensor had been told, or the last try failed */
	int64_t tell_at;                /* clock_ticks_ms(): not before */
	uint64_t tell_tries;            /* that failed */
	bool tell_again;                /* other content took its place meanwhile: once more when this is over */
	char tell_failed[200];          /* why the last one went wrong; "" it did not */
	bool tell_unfit;                /* ... because it could not be run, which says nothing about the content */
	bool switching;                 /* ARMED: the link is right, and the sensor is being told */
	struct retreat {                /* the record left content: channel_retreat.c */
		bool owed;              /* and not all that follows from that is done */
		enum { RETREAT_UNTOLD, RETREAT_LINK_TOLD, RETREAT_ALL_TOLD } sensor_told;       /* all: with the list of rules left out */
		struct digest left, to; /* zero `to`: nothing runs */
		uint64_t attempt;
		char reason[61], evidence[401];         /* of the event; "" none is owed */
		char trouble[512];      /* why it could not be finished last */
	} retreat;
	/* the sensor, as seen by this process */
	struct sensor_status sensor;
	bool sensor_known;
	struct digest up_digest;        /* what the next two are about */
	int64_t up_since;               /* clock_ticks_ms(); -1: not up */
	int64_t up_counted;             /* clock_ticks_ms() up to which healthy_s is counted */
	int64_t down_since;             /* clock_work_ms() */
	int64_t healthy_ms;             /* below a second, not yet in state.healthy_s */
	bool boot_ok;                   /* told the boot record */
	int64_t probed_at;              /* clock_ticks_ms() */
	bool probe_failed, probe_passed;
	char probe_words[200];
	struct errand probing;
	struct health health;
	/* what the running content does: channel_effects.c */
	struct measure measure;
	struct ringhold_effects counted;        /* by the sensor; its rules are not kept */
	bool effects_known;             /* this process saw the content that ran before the trial */
	bool effects_counted, effects_trouble;
	int64_t rate_before;            /* verdicts a minute of the content before; -1: unknown */
	/* audit first, while on trial: channel_audit.c */
	struct audited {
		uint64_t seconds, events, would_block, would_quarantine;
	} audited, audited_before;      /* by the sensor that counts now; by those in this trial before it */
	int64_t audit_noted;            /* clock_ticks_ms(); 0: never */
	/* rules that may act and did not before, of a check under way: channel_lists.c */
	struct buf *novel;
	uint64_t novel_count;
	struct digest novel_after;      /* what ran when they were found */
	/* drops of a verdict that is about to come */
	char (*drops)[256];
	size_t drop_count;
	struct upkeep upkeep;
};

#define CHANNEL_DROPS_MAX 1024

int channel_open(struct channel *c, struct host *h, const struct settings_channel *cfg, bool look, struct err *e) MUST_CHECK;
void channel_close(struct channel *c);

/* Does what is due; answers milliseconds until it wants to be called again, -1: only after an event. */
int64_t channel_tick(struct channel *c);

/* ---- what comes from the judge ---- */
void channel_drop(struct channel *c, const char *rule);
void channel_verdict(struct channel *c, const struct message_verdict *v);
void channel_permit(struct channel *c, const struct message_permit *p);
bool channel_wants_permit(const struct channel *c);

/* What the running content does, as EFFECTS and EFFECT records; nothing when nothing is known. */
typedef int channel_say(void *arg, enum message_type type, const void *body, struct err *e);
int channel_say_effects(const struct channel *c, channel_say *say, void *arg, struct err *e) MUST_CHECK;

/* A phase event with the code of schema/reason.h and the words behind it. */
void channel_event(struct channel *c, enum phase_event on, const char *reason, const char *evidence);

/* ---- shared by channel*.c ---- */

/* Stores the phase with the message of what happened (kind "" none). */
int channel_store(struct channel *c, const char *kind, const char *reason, const char *evidence, struct err *e) MUST_CHECK;
/*
 * Leaves what runs for content on disk, or (zero) for nothing; without a reason
 * nobody is told why. 0: the boot record says so; what follows from that is
 * done, or owed until channel_finish_retreat() has done it.
 */
int channel_retreat(struct channel *c, const struct digest *to, const char *reason, const char *evidence, struct err *e) MUST_CHECK;
/* The link, the sensor, the list of rules left out, and the event, when they are owed; may be repeated until all of that is done. */
int channel_finish_retreat(struct channel *c, struct err *e) MUST_CHECK;
int channel_tell_retreat(struct channel *c, struct err *e) MUST_CHECK;  /* the event alone, before other content takes its place */
int channel_resume_retreat(struct channel *c, struct err *e) MUST_CHECK;        /* at start: is one owed by an agent before this one? */
int channel_settle(struct channel *c, enum phase_action act, const char *reason, const char *evidence, const char **kind, struct err *e) MUST_CHECK;
void channel_later(struct channel *c, const char *reason, const char *why);     /* try the same again, later */
void channel_note(struct channel *c, const char *what, const char *fmt, ...) PRINTF_LIKE(3, 4);        /* a line of history about the offer */
void channel_log(const struct channel *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* channel_wait.c: whether the time suits this host. */
/* `bytes` of *what: asks the hook when its last answer is old or about other content; false until the first. */
bool channel_may_transfer(struct channel *c, const struct message_verdict *what, uint64_t bytes);
bool channel_line_free(const struct channel *c);        /* a rate that is limited is not shared: one channel downloads at a time */
struct window_state channel_window(const struct channel *c);    /* the host's own windows and the assignment's together, for the offer */
void channel_waits(const struct channel *c, char *out, size_t cap);     /* the sentence about what is waited for; "": nothing of this kind */
int64_t channel_fetch(struct channel *c);       /* start or go on; as channel_tick() */
void channel_transferred(struct channel *c, const struct job_result *r);
int channel_link(struct channel *c, struct err *e) MUST_CHECK;          /* the list of dropped rules, then the link, as the boot record says */
void channel_novel_begin(struct channel *c);    /* a check begins that may find rules to observe */
int channel_novel(void *arg, const struct message_rule *r, struct err *e) MUST_CHECK;           /* a job_rule of a channel */
int channel_novel_keep(struct channel *c, struct err *e) MUST_CHECK;    /* it accepted: the list is kept, durably */
bool channel_novel_stale(const struct channel *c);                      /* other content runs now than when they were found */
/*
 * Reload command or signal. The command runs beside the supervisor's loop, and
 * how it went is known when channel_telling() says no: one that failed, or could
 * not be run, is tried again, for ever, by channel_telling(). In a command, which
 * has no loop, it is waited for, and the next agent tries again. A signal that
 * could not be sent is the caller's to send again.
 */
int channel_tell_sensor(struct channel *c, struct err *e) MUST_CHECK;
bool channel_telling(struct channel *c);
void channel_look(struct channel *c);           /* reads the sensor's state */
void channel_look_anew(struct channel *c);      /* a trial begins, with other content or the same: nothing found before counts */
int64_t channel_watch(struct channel *c);       /* ACTIVE */
bool channel_named(const struct channel *c, const struct digest *d);    /* the boot record names it */
void channel_keeps(const struct channel *c, struct digest keep[JOURNAL_KEEP]);  /* what the boot record names, and the offer */
void channel_clean(struct channel *c);          /* slots that nothing names, downloads that nothing wants */
int channel_keep_drops(const struct channel *c, const struct digest *d, struct err *e) MUST_CHECK;       /* durable, for a sensor that starts first */
int channel_drops_digest(const struct channel *c, const struct digest *d, struct digest *out, struct err *e) MUST_CHECK;        /* as assignment_drop_digest() */
bool channel_drops_are(const struct channel *c, const struct digest *list);     /* are those of the verdict to come the list of this digest? */
void channel_clean_drops(const struct channel *c, const struct digest keep[JOURNAL_KEEP]);
void channel_stop_job(struct channel *c);       /* whosever it is */
/* An event about any digest; what is the content's fault is quarantined first. */
int channel_blame(struct channel *c, const char *kind, const char *reason, const struct digest *d, const char *evidence, struct err *e) MUST_CHECK;
const char *channel_held(const struct channel *c);      /* "hold", "pin", "disabled" or "" */
uint64_t channel_serial(const struct channel *c, const struct digest *d);       /* 0: unknown, or no digest */
void channel_line(const struct channel *c, const char *what, const struct digest *d, const char *fmt, ...) PRINTF_LIKE(4, 5);  /* of history, about any digest */

/* ---- channel_upkeep.c, channel_mend.c, channel_prove.c, channel_redrop.c, channel_missed.c ---- */

int64_t channel_upkeep(struct channel *c);      /* starts what is due; as channel_tick() */
void channel_upkept(struct channel *c, const struct job_result *r);
int upkeep_slot(struct message_attempt *t, const struct channel *c, const struct digest *d, struct err *e) MUST_CHECK;
int upkeep_canary(struct channel *c, const struct digest *d, struct err *e) MUST_CHECK;        /* c->job: load it without what its list leaves out */
/* c->job: load it without these rules. */
int upkeep_canary_without(struct channel *c, const struct digest *d, const char (*rules)[256], size_t count, struct err *e) MUST_CHECK;
int64_t upkeep_later(uint64_t *tries);          /* seconds: when to try again */

int64_t mend_look(struct channel *c);           /* re-hash what the boot record names, at COMMIT and weekly; bring again what is damaged */
void mend_rehashed(struct channel *c, const struct job_result *r);
void mend_brought(struct channel *c);
int upkeep_bring(struct channel *c, const struct message_verdict *source, bool mend, struct err *e) MUST_CHECK; /* c->job: download, or unpack */

bool prove_due(struct channel *c);              /* what runs was not accepted by the contract of now */
int64_t prove_look(struct channel *c);          /* hold it against that contract, load it, put it on trial again; or step down */
void prove_tried(struct channel *c, const struct job_result *r);
bool prove_again(const struct channel *c);      /* the trial is of content that was committed before */

void redrop_want(struct channel *c, const struct message_verdict *v);  /* the assignment leaves other rules out of what runs */
int64_t redrop_look(struct channel *c);         /* load it so in the canary; then the list is kept, and the sensor told */
void redrop_tried(struct channel *c, const struct job_result *r);
void redrop_turn(struct channel *c);           /* tell the sensor, and store that it was told */
int redrop_told(struct channel *c, struct err *e) MUST_CHECK;   /* the sensor was told of other content: of its list too */

void missed_note(struct channel *c, const struct message_verdict *v);
int64_t missed_look(struct channel *c);         /* which detections a hold, pin or disable leaves out */
int missed_rule(void *arg, const struct message_rule *r, struct err *e);
void missed_compared(struct channel *c, const struct job_result *r);
void missed_words(const struct channel *c, char *out, size_t cap);      /* "hold since ...: leaves out serial 111, 12 detections"; "" not held */

void channel_begin_probation(struct channel *c);        /* in this boot, of which none has passed */
/* The record is on the trial that was offered, and the journal does not know: we died, or it failed, in between. 1 it knows now, 0 it knew. */
int channel_adopt(struct channel *c, struct err *e) MUST_CHECK;
/* Nothing runs from here on, by the agent's will: that is no late failure of the baseline. */
int channel_run_nothing(struct channel *c, struct err *e) MUST_CHECK;
int channel_reconcile(struct channel *c, struct err *e) MUST_CHECK;     /* journal and boot record, at start */

#endif
