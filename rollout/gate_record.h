/*
 * gate_record: the inputs of one decision of a gate, as one document.
 *
 * Everything rollout/verdict.h was asked with, and what it answered; the same
 * facts give the same bytes (canonical JSON), so a record is named by their
 * SHA-256. Who reads one replays it (rollout/replay.h) before believing it.
 *
 *	{"format":1,"kind":"gate-record","rollout":7,"channel":"edr","ring":"canary","position":0,"attempt":1,
 *	 "bundle":{"path":..,"serial":..,"version":..,"digest":..},"policy":"<the pinned policy's text>",
 *	 "at":..,"event":"pass","began":..,"bound_at":..,"quiet_until":..,
 *	 "eligible":..,"members_away":..,"members_survived":..,"checkins_expected":..,"checkins_seen":..,
 *	 "content_crash":false,"declined":false,"background_known":false,
 *	 "operator_hold":false,"coverage_approved":false,"continue_anyway":false,
 *	 "strata":["debian-12/7.11/C"],
 *	 "offers":[["<device>",stratum,offered,last_seen,goodbye,renewed,survived,failed,environment,lost,voided],..],
 *	 "runs":null,"verdict":"pass","cause":"bound","sentence":"..."}
 *
 * All times are seconds since the epoch by the server's clock, 0: did not
 * happen. A ring of more than GATE_RECORD_OFFERS offers is recorded by its
 * outcomes alone: "offers" is null and "runs" is "12s1f3p".
 */
#ifndef ROLLOUT_GATE_RECORD_H
#define ROLLOUT_GATE_RECORD_H

#include "rollout/assignment.h"
#include "rollout/policy.h"
#include "rollout/verdict.h"

#define GATE_RECORD_MAX ((size_t)15 << 20)      /* bytes of the document */
#define GATE_RECORD_OFFERS 100000               /* recorded one by one */
#define GATE_RECORD_DEVICE 32                   /* hex digits of a device's id */
#define GATE_RECORD_EVENT 32

struct gate_offer {
	char device[GATE_RECORD_DEVICE + 1];
	uint32_t stratum;               /* index into strata */
	struct outcome_facts facts;     /* quiet_until is the record's */
};

struct gate_record {
	uint64_t rollout, attempt;
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	int64_t position;               /* of the ring, from 0 */
	struct bundle_ref bundle;
	char *policy_text;              /* owned: as pinned, compact */
	struct policy *policy;          /* owned: the same, parsed */
	char event[GATE_RECORD_EVENT + 1];      /* of the state table ("pass"), or "verdict": a hold's cause changed */
	int64_t quiet_until;
	struct verdict_facts facts;     /* now, began, ... ; `ring`, `first` and `sums` follow from the rest and are set by parsing */
	char **strata;                  /* owned, as the texts are */
	uint32_t strata_count;
	struct gate_offer *offers;      /* owned; NULL with runs */
	uint32_t offer_count;
	char *runs;                     /* owned; NULL: the offers are here */
	enum verdict verdict;           /* what was decided then */
	enum verdict_cause cause;
	char sentence[256];
};

/*
 * One that is filled in by the caller: policy_text is parsed, room is made for
 * so many offers and strata (offers 0: runs are set by the caller).
 */
int gate_record_new(struct gate_record **out, const char *policy_text, uint32_t offers, uint32_t strata, struct err *e) MUST_CHECK;
void gate_record_free(struct gate_record *r);

/* The canonical bytes, appended; what was written parses. digest may be NULL. */
int gate_record_write(struct buf *out, const struct gate_record *r, struct digest *digest, struct err *e) MUST_CHECK;
/* Refuses every encoding but the canonical one, and what no server writes: two offers to one device, a stratum that is not listed. */
int gate_record_parse(struct gate_record **out, const char *name, const char *text, size_t len, struct err *e) MUST_CHECK;

/* Runs of outcomes are written with their first letters (e: environment). */
extern const char gate_run_letters[OUTCOME_COUNT];
void gate_runs_add(struct buf *out, uint32_t count, enum outcome o);

AUTO_DEFINE(gate_record, struct gate_record *, gate_record_free);

#endif
