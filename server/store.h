/*
 * store: what the server must not forget, whatever database keeps it.
 *
 * Writes come in batches: append_batch() takes submissions, each all or
 * nothing, and offer_batch() numbers offers without gaps in commit order; what
 * both did becomes durable by store_commit(). One thread writes (writer.h);
 * any thread reads. Text in rows handed to a visit is borrowed for the call.
 */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/name.h"
#include "signing/audit_chain.h"

#define DEVICE_ID_LEN 32        /* hex digits */
#define STORE_VERSION 11        /* of the schema; an older one is brought up, a newer one refused */

struct store;

struct store_device {
	const char *id;
	int64_t enrolled, last_seen;    /* last_seen 0: never checked in */
	int64_t goodbye;                /* announced shutdown or suspend; 0: none */
	uint64_t generation;            /* greatest of its tokens that was shown here */
	int64_t issued;                 /* when that was first shown */
	bool revoked, flagged;
	uint64_t event_n;               /* greatest n kept of the current epoch */
	const char *old_epochs;         /* those it left, separated by blanks, the last one last; "" none */
	const char *attributes;         /* JSON object, assigned by operators */
	const char *said;               /* its last check-in without events and wants; NULL: none */
	const char *certificate;        /* what its client certificate says it is: see client_cert.h; NULL or "": bound to none */
	const char *flag;               /* why it is flagged; NULL or "": it is not */
};

struct store_seen {
	const char *id;
	int64_t at;
};

struct store_event {
	const char *device, *epoch;
	uint64_t n;
	int64_t at, received;
	const char *channel;            /* "" none */
	struct digest digest;           /* zero: none */
	uint64_t attempt;
	int kind;                       /* enum checkin_kind */
	const char *reason, *detail;
};

/* What is known of one offer; times as in rollout/outcome.h. */
struct store_outcome {
	uint64_t rollout;
	int ring;                       /* position */
	const char *device;
	int64_t renewed, survived, failed, environment, lost;
	bool voided;
	const char *reason;             /* of the failure; "" none */
};

struct store_offer {
	uint64_t rollout;
	int ring;
	const char *device, *stratum;
	int64_t at;
	/* set by offer_batch(), or when read: */
	uint32_t n;
	bool existed;
	struct store_outcome outcome;   /* when read; or what is known as soon as it is made: device NULL, nothing */
};

struct store_bundle {
	const char *channel;
	uint64_t serial;
	struct digest digest;
	const char *version, *path;     /* target path */
	uint64_t size, length;          /* of the uncompressed archive; of the target */
	int64_t published;
	const char *by, *reason;
	const char *matrix;             /* JSON: which contracts were asked, and what they said */
};

struct store_contract {
	struct digest digest;
	const char *sensor, *version, *body;
	size_t body_len;
	int64_t registered;
	const char *by;
};

struct store_policy {
	const char *channel, *body;
	uint64_t version;
	int64_t at;
	const char *by, *reason;
};

/* That somebody agreed, or asked for the emergency lane; for the bundle, attempt and policy that they saw. */
struct store_approval {
	uint64_t rollout;
	int ring;                       /* position; -1: the whole rollout */
	int kind;                       /* enum approval_kind */
	const char *who, *reason;
	int64_t at;
	uint64_t attempt;
	struct digest digest;
	uint64_t policy_version;
};

struct store_rollout {
	uint64_t id;
	const char *channel;
	struct digest digest;
	uint64_t serial;
	const char *version, *path;
	uint64_t attempt;
	int64_t created;
	const char *by, *reason;
	const char *policy;             /* JSON, pinned */
	uint64_t policy_version;        /* 0: the default one, or from before versions were kept */
	struct digest secret;           /* of the order */
	bool restored;                  /* came back with a backup: nothing new happens before an operator resumes it */
};

/* The rollout in one ring; see enum ring_state. */
struct store_ring {
	uint64_t rollout;
	int ring, state;
	int64_t changed, began, bound_at, passed_at;
	const char *cause, *sentence;   /* of the last move */
	bool operator_hold, coverage_approved, continue_anyway, content_crash, declined, by_coverage;
	const char *previous;           /* JSON of the bundle the ring had before; "" none */
};

struct store_decision {
	int64_t at;
	const char *kind;               /* "state", "verdict", "published", "stop", ... */
	const char *channel, *ring, *device;    /* "" none */
	uint64_t rollout;               /* 0: none */
	struct digest digest;           /* zero: none */
	const char *from, *to, *cause, *sentence;
	const char *inputs;             /* JSON: everything the decision was made from; "" none */
};

struct store_enrolment {
	struct digest hash;             /* SHA-256 of the token */
	const char *name, *attributes;  /* JSON object */
	int64_t created, expires;
	int64_t uses;                   /* left; -1: any number */
	const char *by;
};

struct store_rollback {
	uint64_t id;
	const char *channel;
	struct digest digest;
	uint64_t serial, max_serial;
	const char *version, *path, *reason, *by;
	int64_t at;
	bool done;
};

/* The greatest version of a role's metadata that anybody may have signed with this store as witness. */
struct store_reservation {
	const char *role;
	int64_t last;                   /* when written: what was read before; 0: no row */
	int64_t version;
	struct digest digest;           /* of the file, when people signed it; zero: signed after it was set aside */
};

/* The strata of a ring, frozen at its first offer. */
struct store_strata {
	uint64_t rollout;
	int ring;
	int64_t at;
	bool last;                      /* the last of the order wait for the pass */
	const char *plan;               /* JSON: [["name",size],..] */
};

/* One endpoint that fell silent, as the test of silence counted it; n from 1. */
struct store_silence {
	uint64_t rollout;
	int ring;
	uint32_t n, stratum, at_risk, waiting;
	const char *device;
	int64_t at;
	bool treated;
};

/* Placebo offers that ended on one day (days since the epoch), were `observe` the observation. */
struct store_background {
	const char *channel, *ring;
	int64_t observe, day;
	int64_t placebos, lost;
};

/* The inputs of one decision of a gate; see rollout/gate_record.h. */
struct store_gate {
	uint64_t id;                    /* when read: rises with time */
	uint64_t rollout;
	int ring;                       /* position */
	const char *channel, *ring_name, *event, *verdict, *cause, *sentence;
	int64_t at;
	struct digest digest;           /* of the body */
	const char *body;               /* NULL in lists */
};

/* A signing request; see server/requests.h. */
struct store_request {
	const char *id;
	int state;                      /* enum requests_state */
	int64_t created, expires, changed;
	const char *subject;            /* what it is about, for who asks again; "" none */
	const char *roles;              /* "root targets" */
	const char *by, *reason;
	const char *note;               /* why it is closed; "" none */
	const char *body;               /* the document; NULL in lists */
};

/* A token of an operator; see server/operators.h. A row is never removed, so no name comes back. */
struct store_token {
	const char *id, *name;
	struct digest hash;             /* SHA-256 of the token */
	struct digest old_hash;         /* of the one before it was rotated, good until old_until; zero: none */
	int64_t old_until;
	unsigned roles;                 /* of MAY() in access.h */
	const char *channels;           /* separated by one blank; "": every channel */
	int64_t created, expires, used, revoked;        /* 0: not yet */
	const char *by, *note;
	uint64_t version;               /* counts changes, but for `used` */
};

/* The answer to a request with an Idempotency-Key; see server/idempotency.h. */
struct store_answer {
	const char *who, *key;
	int64_t at;
	struct digest request;          /* what was asked */
#define STORE_ANSWER_NONE (-1)
	int status;                     /* 0: begun, and no answer yet; written as STORE_ANSWER_NONE the row goes */
	const char *type, *etag, *location;     /* "" none */
	const char *body;
	size_t body_len;
};

/* A signed checkpoint of the audit log; see signing/audit_checkpoint.h. */
struct store_checkpoint {
	uint64_t count;                 /* rows it speaks of */
	int64_t at;
	const char *body;               /* the document */
};

/* Whom the server tells what happened, or asks before a ring is entered; see server/webhooks.h. */
struct store_webhook {
	const char *name;
	int kind;                       /* enum webhook_kind */
	const char *url;
	const char *types;              /* prefixes of event types, separated by one blank; "": every type */
	const char *channels, *rings;   /* likewise */
	int64_t timeout_s;
	bool paused;
	const char *secret;             /* as its owner has it; kept, because it signs */
	const char *old_secret;         /* signs as well until old_until; "" none */
	int64_t old_until;
	int64_t created;
	const char *by;
	uint64_t version;               /* counts changes by people */
	uint64_t cursor;                /* the last id of the feed that was looked at for it */
};

/* A message of a webhook that was not delivered yet, or given up. */
struct store_delivery {
	uint64_t id;                    /* when read */
	const char *webhook, *message;  /* the message's name is the same whenever it is sent */
	const char *type;
	int64_t made, due;
	int64_t dead;                   /* given up then; 0: it waits */
	int64_t attempts;
	int status;                     /* of the last answer; 0: there was none */
	const char *error;              /* of the last attempt; "" none */
	const char *body;               /* NULL in lists */
};

struct store_queue {                    /* of one webhook */
	const char *webhook;
	int64_t waiting, dead, oldest;  /* oldest: when the first that waits was made; 0: none */
};

/* What the server last saw of the clock; see server/now.h. Written every few seconds, it shows as well that the store can be. */
struct store_clock {
	int64_t now, ticks_ms, offset, since_ms;        /* of clockwatch.h */
	const char *boot;               /* whose ticks they are */
};

enum store_kind {
	STORE_DEVICE, STORE_DEVICE_NEW, STORE_SEEN, STORE_EVENT, STORE_OUTCOME, STORE_BUNDLE, STORE_CONTRACT, STORE_POLICY, STORE_APPROVAL,
	STORE_ROLLOUT, STORE_RING, STORE_RING_FLAGS, STORE_DECISION, STORE_AUDIT, STORE_ENROLMENT, STORE_ENROLMENT_USE, STORE_ROLLBACK,
	STORE_RESERVATION, STORE_GATE, STORE_REQUEST, STORE_STRATA, STORE_SILENCE, STORE_BACKGROUND,
	STORE_TOKEN, STORE_TOKEN_USED, STORE_ANSWER, STORE_ANSWERS_END, STORE_CHECKPOINT,
	STORE_WEBHOOK, STORE_WEBHOOK_CURSOR, STORE_WEBHOOK_END, STORE_DELIVERY, STORE_DELIVERY_TRIED, STORE_DELIVERY_END,
	STORE_DELIVERIES_AGAIN, STORE_CLOCK, STORE_CLOCK_MOVED,
};

struct store_record {
	enum store_kind kind;
	union {
		struct store_device device;     /* replaces the row; new: ERR_CONFLICT when there is one */
		struct store_seen seen;
		struct store_event event;       /* a repeated (device, epoch, n) changes nothing */
		struct store_outcome outcome;
		struct store_bundle bundle;     /* ERR_CONFLICT: the serial or the digest is taken */
		struct store_contract contract; /* known already: nothing */
		struct store_policy policy;     /* ERR_CONFLICT: that version is there already */
		struct store_approval approval; /* given already: nothing */
		struct store_rollout rollout;   /* replaces attempt, by, reason and restored of the row */
		struct store_ring ring;         /* replaces the row; the two flags of what devices saw only rise; flags: nothing but those */
		struct store_decision decision;
		struct audit_entry audit;       /* chained to the one before */
		struct store_checkpoint checkpoint;
		struct store_enrolment enrolment;       /* replaces the row; use: takes one use of `hash`, ERR_AUTH when there is none */
		struct store_rollback rollback; /* replaces the row */
		struct store_strata strata;     /* frozen already: nothing */
		struct store_silence silence;
		struct store_background background;     /* adds to the row; rows of days before day - 28 are forgotten */
		struct store_gate gate;         /* of one ring the newest are kept, and every pass and halt */
		struct store_request request;   /* replaces state, expiry, note and body of the row */
		struct store_token token;       /* replaces the row with this id; ERR_CONFLICT: name or hash are another's. used: nothing but id and used */
		struct store_answer answer;     /* begun: ERR_CONFLICT when there is one; else replaces the row. end: those of `at` and before go */
		struct store_webhook webhook;   /* replaces the row but for created, by and cursor; cursor: nothing but name and cursor. end: it and its messages go */
		struct store_delivery delivery; /* a repeated message changes nothing. tried: due, dead, attempts, status, error of `message`, and of the dead of its webhook the newest thousand stay; end: it goes */
		                                /* again: the dead ones of `webhook`, or but `message` unless "", are due at `due`, as if never tried */
		struct store_clock clock;       /* replaces the row */
		int64_t moved;                  /* seconds: what durations are counted from moves: rings, open offers, devices, messages that wait, answers */
		struct store_reservation reservation;   /* compare and swap: ERR_CONFLICT when `last` is no longer the row's */
	} u;
};

/* One submission: its records are kept together or not at all. */
struct store_append {
	struct store_record *records;
	size_t count;
	struct err error;       /* code 0: done */
};

int store_open(struct store **out, const char *path, struct err *e) MUST_CHECK;        /* ERR_UNSUPPORTED: a newer schema */
/*
 * The store at `path`, whoever uses it meanwhile, as of one moment, in a new
 * file that is durable; ERR_CONFLICT: there is one already.
 */
int store_copy(const char *path, const char *to, struct err *e) MUST_CHECK;
/* Version of the schema of a store, 0: empty; nothing is changed. */
int store_version(const char *path, struct err *e) MUST_CHECK;
void store_close(struct store *s);      /* NULL is fine */

/* One transaction: begin, any number of batches, commit. Only the writer's thread. */
int store_begin(struct store *s, struct err *e) MUST_CHECK;
void append_batch(struct store *s, struct store_append *const *batch, size_t count);
int offer_batch(struct store *s, struct store_offer *const *batch, size_t count, struct err *e) MUST_CHECK;
bool store_ended(struct store *s);             /* the database ended it by itself, as when the disk fails in it: nothing of it is kept */
int store_commit(struct store *s, struct err *e) MUST_CHECK;
int64_t store_changes(struct store *s);         /* rows changed since it was opened: a group that changed none asked nothing of the disk */
void store_abandon(struct store *s);

/*
 * ---- reading: a visit's non-zero answer ends the walk and is returned ----
 * Whoever reads holds up all others who read: a visit asks nobody, least of all
 * the desk, which reads the store while its own lock is held.
 */

struct store_feed {             /* one line of what happened: a decision or a device's event */
	uint64_t id;
	struct store_decision d;        /* of an event: kind is its name, cause its reason, sentence its detail */
};

struct store_chain {
	uint64_t id;
	int form;               /* of the hash: see audit_chain.h */
	struct audit_entry a;
	struct digest hash;
};

struct store_audit_filter {     /* zero: every row */
	uint64_t after;                 /* rows beyond this number */
	int64_t limit;                  /* 0: none */
	const char *who, *action, *subject;     /* NULL: whatever */
	int64_t since, until;           /* seconds: from, up to; 0: whenever */
};

int store_each_device(struct store *s, int (*visit)(const struct store_device *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_enrolment(struct store *s, int (*visit)(const struct store_enrolment *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_bundle(struct store *s, const char *channel /* NULL: all */, int (*visit)(const struct store_bundle *, void *, struct err *), void *arg, struct err *e) MUST_CHECK; /* newest first */
int store_each_contract(struct store *s, int (*visit)(const struct store_contract *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_policy(struct store *s, int (*visit)(const struct store_policy *, void *, struct err *), void *arg, struct err *e) MUST_CHECK; /* the newest of each channel */
/* Every version of a channel's, newest first. */
int store_each_policy_of(struct store *s, const char *channel, int (*visit)(const struct store_policy *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_approval(struct store *s, uint64_t rollout, int (*visit)(const struct store_approval *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;   /* oldest first */
int store_each_rollout(struct store *s, int (*visit)(const struct store_rollout *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;       /* oldest first */
int store_each_ring(struct store *s, uint64_t rollout, int (*visit)(const struct store_ring *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_offer(struct store *s, uint64_t rollout, int ring, int (*visit)(const struct store_offer *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;        /* in order of n */
int store_each_feed(struct store *s, uint64_t after, int64_t limit, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* Decisions to stop a bundle, oldest first. Reads every decision: for the start. */
int store_each_stop_ordered(struct store *s, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The same of the decisions about one rollout. */
int store_each_feed_of(struct store *s, uint64_t rollout, uint64_t after, int64_t limit, int (*visit)(const struct store_feed *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_audit(struct store *s, const struct store_audit_filter *f, int (*visit)(const struct store_chain *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The last one. */
int store_audit_last(struct store *s, int (*visit)(const struct store_chain *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_checkpoint(struct store *s, uint64_t before, int64_t limit, int (*visit)(const struct store_checkpoint *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;     /* newest first, of fewer rows than `before` unless 0; limit 0: none */
int store_each_rollback(struct store *s, int (*visit)(const struct store_rollback *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;      /* those not done */
int store_each_reservation(struct store *s, const char *role /* NULL: all */, int (*visit)(const struct store_reservation *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_strata(struct store *s, uint64_t rollout, int (*visit)(const struct store_strata *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_silence(struct store *s, uint64_t rollout, int ring, int (*visit)(const struct store_silence *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;    /* in order of n */
int store_each_background(struct store *s, int64_t since_day, int (*visit)(const struct store_background *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_gate(struct store *s, uint64_t after, int64_t limit, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The same of one rollout. */
int store_each_gate_of(struct store *s, uint64_t rollout, uint64_t after, int64_t limit, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* One with its body. ERR_NOT_FOUND. */
int store_gate(struct store *s, const struct digest *digest, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The newest decision of this event in a ring, without its body. ERR_NOT_FOUND. */
int store_gate_of(struct store *s, uint64_t rollout, int ring, const char *event, int (*visit)(const struct store_gate *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;

int store_each_token(struct store *s, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;       /* oldest first */
/* ERR_NOT_FOUND. */
int store_answer(struct store *s, const char *who, const char *key, int (*visit)(const struct store_answer *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;

int store_each_webhook(struct store *s, int (*visit)(const struct store_webhook *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;   /* by name */
/* Without bodies, oldest first: those after this id; dead: those given up, else those that wait. */
int store_each_delivery(struct store *s, const char *webhook, bool dead, uint64_t after, int64_t limit, int (*visit)(const struct store_delivery *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* With its body: the first that is due. ERR_NOT_FOUND. */
int store_delivery_due(struct store *s, const char *webhook, int64_t now, int (*visit)(const struct store_delivery *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
int store_each_queue(struct store *s, int (*visit)(const struct store_queue *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The one row, when it was ever written. */
int store_clock(struct store *s, int (*visit)(const struct store_clock *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* The greatest id of the feed, of the audit log. */
int store_heads(struct store *s, uint64_t *feed, uint64_t *audit, struct err *e) MUST_CHECK;

/* Without bodies, oldest first; state -1: all. */
int store_each_request(struct store *s, int state, int (*visit)(const struct store_request *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;
/* One with its body. ERR_NOT_FOUND. */
int store_request(struct store *s, const char *id, int (*visit)(const struct store_request *, void *, struct err *), void *arg, struct err *e) MUST_CHECK;

AUTO_DEFINE(store, struct store *, store_close);

#endif
