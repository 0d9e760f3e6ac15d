/*
 * gate_record: the inputs of one decision of a gate, as one document.
 *
 * Everything rollout/verdict.h was asked with, and what it answered; the same
 * facts give the same bytes (canonical JSON), so a record is named by their
 * SHA-256. Who reads one replays it (rollout/replay.h) before believing it.
 *
 *	{"format":2,"kind":"gate-record","rollout":7,"channel":"edr","ring":"canary","position":0,"attempt":1,
 *	 "bundle":{"path":..,"serial":..,"version":..,"digest":..},"policy":"<the pinned policy's text>",
 *	 "at":..,"event":"pass","began":..,"closed_s":..,"bound_at":..,"quiet_until":..,
 *	 "eligible":..,"members_away":..,"members_survived":..,"checkins_expected":..,"checkins_seen":..,
 *	 "placebos":..,"placebos_lost":..,"content_crash":false,"declined":false,
 *	 "operator_hold":false,"coverage_approved":false,"continue_anyway":false,"emergency":false,
 *	 "strata":[["debian-12/7.11/C",4000],..,["other",3]],"strata_given":null,
 *	 "offers":[["<device>",group,offered,last_seen,goodbye,renewed,survived,failed,environment,lost,voided],..],
 *	 "runs":null,"silence":{"at_risk":..,"waiting":..,"before":null,"events":[["<device>",at,group,treated,at_risk,waiting],..]},
 *	 "effects":null,"verdict":"pass","cause":"bound","sentence":"..."}
 *
 * All times are seconds since the epoch by the server's clock, 0: did not
 * happen. A ring of more than GATE_RECORD_OFFERS offers is recorded by its
 * outcomes alone: "offers" is null and "runs" is "/0:12s/3:1f3p", "/3:" being
 * the stratum of what follows. Where that is too long as well, runs go without
 * strata and "strata_given" says what the server summed up over them. Of many
 * silent endpoints the first are summed up in "before".
 *
 * "effects" are {"hosts":[offered,before,waiting],"figures":[[n,per,n,per,n,per],..],
 * "rules":[["id",offered,before,waiting],..]}; see rollout/effects_rail.h.
 *
 * Format 1 knew neither frozen strata nor silence nor placebo offers: it is
 * still read, and replayed without them.
 */
#ifndef ROLLOUT_GATE_RECORD_H
#define ROLLOUT_GATE_RECORD_H

#include "rollout/assignment.h"
#include "rollout/policy.h"
#include "rollout/silence.h"
#include "rollout/verdict.h"

#define GATE_RECORD_FORMAT 2                    /* what is written */
#define GATE_RECORD_MAX ((size_t)15 << 20)      /* bytes of the document */
#define GATE_RECORD_OFFERS 100000               /* recorded one by one */
#define GATE_RECORD_SILENCED 20000              /* likewise, the newest */
#define GATE_RECORD_RUNS (GATE_RECORD_MAX / 2)  /* bytes */
#define GATE_RECORD_DEVICE 32                   /* hex digits of a device's id */
#define GATE_RECORD_EVENT 32

struct gate_offer {
	char device[GATE_RECORD_DEVICE + 1];
	uint32_t stratum;               /* group of the plan; format 1: any number below strata_count */
	struct outcome_facts facts;     /* quiet_until is the record's */
};

/* One endpoint that fell silent, as the test of silence counted it. */
struct gate_silenced {
	char device[GATE_RECORD_DEVICE + 1];
	int64_t at;
	uint32_t group, at_risk, waiting;
	bool treated;
};

/* What cannot be replayed because the ring is too large. */
struct gate_strata_given {
	struct strata_mean all, known;
	uint32_t lacking, lacks;        /* how many strata, and the first of them */
};

struct gate_record {
	int64_t format;
	uint64_t rollout, attempt;
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	int64_t position;               /* of the ring, from 0 */
	struct bundle_ref bundle;
	char *policy_text;              /* owned: as pinned, compact */
	struct policy *policy;          /* owned: the same, parsed */
	char event[GATE_RECORD_EVENT + 1];      /* of the state table ("pass"), or "verdict": a hold's cause changed */
	int64_t quiet_until;
	struct verdict_facts facts;     /* now, began, ... ; `ring`, `first` and `sums` follow from the rest and are set by parsing */
	struct strata *strata;          /* owned: the plan; NULL: none was frozen */
	uint32_t strata_count;
	bool has_given;                 /* the next is set */
	struct gate_strata_given given;
	struct gate_offer *offers;      /* owned; NULL with runs */
	uint32_t offer_count;
	char *runs;                     /* owned; NULL: the offers are here */
	struct silence silence_before;  /* the test after the events that are not listed */
	struct gate_silenced *silenced; /* owned: the events after that, in their order */
	uint32_t silenced_count;
	struct effects_sums *effects;   /* owned; NULL: nobody reports them */
	uint32_t at_risk, waiting;      /* heard of in the strata that have both; 0: the test is unarmed */
	enum verdict verdict;           /* what was decided then */
	enum verdict_cause cause;
	char sentence[256];
};

/*
 * One of the newest format that is filled in by the caller: policy_text is
 * parsed, the plan (NULL: none) copied, room made for so many offers and
 * silent endpoints (offers 0: runs may be set by the caller).
 */
int gate_record_new(struct gate_record **out, const char *policy_text, uint32_t offers, const struct strata *plan, uint32_t silenced,
		    struct err *e) MUST_CHECK;
void gate_record_free(struct gate_record *r);

/* The canonical bytes, appended; what was written parses. digest may be NULL. */
int gate_record_write(struct buf *out, const struct gate_record *r, struct digest *digest, struct err *e) MUST_CHECK;
/* Refuses every encoding but the canonical one, and what no server writes: two offers to one device, a stratum that is not listed. */
int gate_record_parse(struct gate_record **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;

/* Runs of outcomes are written with their first letters (e: environment). */
extern const char gate_run_letters[OUTCOME_COUNT];
void gate_runs_add(struct buf *out, uint32_t count, enum outcome o);
void gate_runs_group(struct buf *out, uint32_t group);  /* of the runs that follow; at first 0 */

AUTO_DEFINE(gate_record, struct gate_record *, gate_record_free);

#endif
