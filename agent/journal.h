/*
 * journal: agent.db, what this host remembers (SQLite, WAL, synchronous FULL).
 *
 * Channels' phases, the outbox of events, history, first sights, stops,
 * orders by people on the machine. Losing it costs memory, not safety: the
 * boot record decides what runs, and a new journal has a new epoch.
 *
 * Changes between journal_begin() and journal_end() are one transaction, so a
 * phase and the event that tells of it become durable together.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include <stdbool.h>

#include "agent/message.h"
#include "agent/phase.h"

#define JOURNAL_PATH "/var/lib/ringhold/agent.db"

struct journal;

int journal_open(struct journal **out, const char *root, struct err *e) MUST_CHECK;
int journal_writable(struct journal *j, struct err *e) MUST_CHECK;      /* SQLite opens what it can get, for reading only if it must */
void journal_close(struct journal *j);

int journal_begin(struct journal *j, struct err *e) MUST_CHECK;
int journal_end(struct journal *j, struct err *e) MUST_CHECK;  /* durable when it returns 0 */
void journal_undo(struct journal *j);                           /* forgets everything since begin; may be repeated */

/* ---- identity ---- */

int journal_epoch(struct journal *j, uint64_t *out, struct err *e) MUST_CHECK;
int journal_new_epoch(struct journal *j, struct err *e) MUST_CHECK;    /* and sequence numbers begin anew */
int journal_next_seq(struct journal *j, uint64_t *out, struct err *e) MUST_CHECK;

/* Small named values: "device", "server", ... get: 1 found, 0 absent (out is ""). */
int journal_get(struct journal *j, const char *key, char *out, size_t cap, struct err *e) MUST_CHECK;
int journal_set(struct journal *j, const char *key, const char *value, struct err *e) MUST_CHECK;

/* ---- channels ---- */

struct journal_channel {
	char name[NAME_LEN_MAX + 1];
	enum phase phase;
	struct message_verdict offer;   /* what is under way; digest zero: nothing */
	int64_t permit_until;           /* 0: none */
	uint64_t tries;                 /* of the action under way */
	uint64_t suspected;             /* of these tries: ended as bad content ends them */
	int64_t retry_at;               /* seconds; 0: at once */
	bool no_delta;                  /* the delta failed: take the full archive */
	uint64_t boots;                 /* new boots with the trial */
	int64_t healthy_s;              /* seconds the sensor ran the trial */
	char boot_id[33];               /* of the last boot counted here; hex */
	char ending[16];                /* the settling event under way, to be repeated after a crash; "" none */
	char reason[64];                /* of it */
	char evidence[400];
	/* kept between bundles */
	char ring[NAME_LEN_MAX + 1];
	uint64_t floor;
	bool held;
	int64_t held_since;
	int64_t held_until;             /* 0: for ever */
	struct digest pinned;
	int64_t pinned_since, disabled_since;
	struct digest drop;             /* SHA-256 of the drop list of what runs, as the sensor was last told */
	int64_t stop_left_at;
	int64_t verified_at;            /* when the slots that the boot record names were last re-hashed; 0: they are due */
	struct digest compared[2];      /* from and to: what the journal's list of missing detections is about; zero: none */
	struct message_verdict last;    /* the latest verdict, whatever it said */
};

/* A channel without a row, or with one that cannot be read, begins at IDLE. */
int journal_channel_load(struct journal *j, struct journal_channel *out, const char *name, struct err *e) MUST_CHECK;
int journal_channel_store(struct journal *j, const struct journal_channel *c, struct err *e) MUST_CHECK;

/* When this host first saw a digest; seen now when it never did. */
int journal_first_seen(struct journal *j, const char *channel, const struct digest *d, int64_t now, int64_t *out, struct err *e) MUST_CHECK;

/* Serials of slots, since the boot record has digests only. get: 0 when unknown. */
int journal_serial_set(struct journal *j, const char *channel, const struct digest *d, uint64_t serial, struct err *e) MUST_CHECK;
int journal_serial_get(struct journal *j, const char *channel, const struct digest *d, uint64_t *out, struct err *e) MUST_CHECK;

#define JOURNAL_KEEP 5          /* digests: the four of the boot record, zero where there is none, and the offer */

/* Rules left out of a digest: set replaces its list, in a transaction of its own. clear forgets those of all digests but the ones kept. */
int journal_drop_set(struct journal *j, const char *channel, const struct digest *d, const char (*rules)[256], size_t count, struct err *e) MUST_CHECK;
int journal_drop_clear(struct journal *j, const char *channel, const struct digest keep[JOURNAL_KEEP], struct err *e) MUST_CHECK;
typedef int journal_text_visit(void *arg, const char *text, struct err *e);
int journal_drops(struct journal *j, const char *channel, const struct digest *d, journal_text_visit *visit, void *arg, struct err *e) MUST_CHECK;

/* Stops, sticky: all of them, the people's first. add: 1 when it is new. */
int journal_stop_add(struct journal *j, const struct message_stop *s, int64_t now, struct err *e) MUST_CHECK;
typedef int journal_stop_visit(void *arg, const struct message_stop *s, struct err *e);
int journal_stops(struct journal *j, journal_stop_visit *visit, void *arg, struct err *e) MUST_CHECK;
int journal_stopped(struct journal *j, const char *channel, const struct digest *d, struct err *e) MUST_CHECK; /* 1, 0 */

/* ---- slots: where their bytes came from, and whose contract accepted them (journal_slots.c) ---- */

struct journal_slot {
	struct message_verdict source;  /* the offer it came by; path "" unknown: it came by hand */
	struct digest contract;         /* that accepted it last; zero: none did */
};
/* A slot that nothing is known of is all zero. */
int journal_slot_get(struct journal *j, const char *channel, const struct digest *d, struct journal_slot *out, struct err *e) MUST_CHECK;
int journal_slot_source(struct journal *j, const char *channel, const struct message_verdict *offer, struct err *e) MUST_CHECK;
int journal_slot_contract(struct journal *j, const char *channel, const struct digest *d, const struct digest *contract, struct err *e) MUST_CHECK;
int journal_slot_keep(struct journal *j, const char *channel, const struct digest keep[JOURNAL_KEEP], struct err *e) MUST_CHECK;

/* ---- what a hold, pin or disable leaves out (journal_slots.c) ---- */

struct journal_missed {         /* a bundle that was assigned and kept away */
	struct digest digest;
	uint64_t serial;
	char version[160];
	int64_t since;
};
int journal_missed_add(struct journal *j, const char *channel, const struct journal_missed *m, struct err *e) MUST_CHECK;      /* the first sight stays */
int journal_missed_clear(struct journal *j, const char *channel, uint64_t up_to, struct err *e) MUST_CHECK;
typedef int journal_missed_visit(void *arg, const struct journal_missed *m, struct err *e);
int journal_missed(struct journal *j, const char *channel, size_t max, journal_missed_visit *visit, void *arg, struct err *e) MUST_CHECK;        /* newest first */

struct journal_missing {        /* one detection that is in the newest of them and not in what runs */
	char rule[256];
	enum rule_change change;
	uint64_t serial;        /* of the bundle that first had it */
	int64_t since;
};
/* begin, each, end: those that were not said again are gone; what was known keeps its serial and since. In a transaction. */
int journal_missing_begin(struct journal *j, const char *channel, struct err *e) MUST_CHECK;
int journal_missing_add(struct journal *j, const char *channel, const struct journal_missing *m, struct err *e) MUST_CHECK;
int journal_missing_end(struct journal *j, const char *channel, struct err *e) MUST_CHECK;
typedef int journal_missing_visit(void *arg, const struct journal_missing *m, struct err *e);
int journal_missing(struct journal *j, const char *channel, size_t max, journal_missing_visit *visit, void *arg, struct err *e) MUST_CHECK;
int journal_missing_count(struct journal *j, const char *channel, uint64_t *count, int64_t *since, struct err *e) MUST_CHECK;

/* Digests that this host knows under a serial. */
typedef int journal_digest_visit(void *arg, const struct digest *d, struct err *e);
int journal_digests_of(struct journal *j, const char *channel, uint64_t serial, journal_digest_visit *visit, void *arg, struct err *e) MUST_CHECK;

/* ---- events to the server, and history for people ---- */

/* Numbers it, puts it into the outbox and into history. */
int journal_event(struct journal *j, struct message_event *event, struct err *e) MUST_CHECK;
typedef int journal_event_visit(void *arg, const struct message_event *event, struct err *e);
/* Unacknowledged, oldest first, at most max. */
int journal_outbox(struct journal *j, size_t max, journal_event_visit *visit, void *arg, struct err *e) MUST_CHECK;
int journal_acked(struct journal *j, uint64_t n, struct err *e) MUST_CHECK;
int journal_drop_event(struct journal *j, uint64_t n, struct err *e) MUST_CHECK;
int journal_outbox_count(struct journal *j, uint64_t *out, struct err *e) MUST_CHECK;

struct journal_line {
	int64_t at;
	char channel[NAME_LEN_MAX + 1];
	char what[32];
	struct digest digest;
	char text[MESSAGE_TEXT];        /* remote text may be in it: escape when shown */
};
int journal_history_add(struct journal *j, const struct journal_line *line, struct err *e) MUST_CHECK;
typedef int journal_line_visit(void *arg, const struct journal_line *line, struct err *e);
int journal_history(struct journal *j, const char *channel /* "" all */, size_t max, journal_line_visit *visit, void *arg, struct err *e) MUST_CHECK;     /* newest first */
int journal_trim(struct journal *j, uint64_t keep, struct err *e) MUST_CHECK;

/* ---- orders by people on the machine ---- */

struct journal_order {
	uint64_t id;
	char command[16];       /* "hold", "pin", "revert", ... */
	char channel[NAME_LEN_MAX + 1];
	char argument[MESSAGE_TEXT];
	int64_t done;           /* 0 waiting, 1 done, negative: err code */
	char answer[MESSAGE_TEXT];
};
int journal_order_add(struct journal *j, struct journal_order *order, struct err *e) MUST_CHECK;       /* sets id */
int journal_order_next(struct journal *j, struct journal_order *out, struct err *e) MUST_CHECK;        /* 1, or 0: none waits */
int journal_order_done(struct journal *j, uint64_t id, int64_t code, const char *answer, struct err *e) MUST_CHECK;
int journal_order_get(struct journal *j, uint64_t id, struct journal_order *out, struct err *e) MUST_CHECK;

AUTO_DEFINE(journal, struct journal *, journal_close);

#endif
