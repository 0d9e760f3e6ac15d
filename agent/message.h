/*
 * message: every record that crosses between the agent's processes.
 *
 *   supervisor -> judge    BEGIN, CHANNEL, EFFECTS, EFFECT, SLOT, QUARANTINE, STOP, EVENT, WANT, GO
 *   judge -> supervisor    TOKEN, ACKED, POISONED, RESYNC, PERMIT, NEXT, STOP, DROP,
 *                          CLAUSE, VERDICT, DONE
 *   judge -> fetch         GET, CALL            fetch -> judge        ANSWER (body in a memfd)
 *   supervisor -> fetch    SERVER, IDENTITY, DOWNLOAD     fetch -> supervisor   ANSWER
 *   supervisor -> unpack   UNPACK, OLD          unpack -> supervisor  FILE, or MEMBER, DATA, END; SAME,
 *                          MEASURED, RESULT
 *   supervisor -> check    TRY or COMPARE       check -> supervisor   RULE, RESULT
 *   supervisor -> canary   TRY, LEAVE_OUT, GO   canary -> supervisor  RESULT
 *
 * A process answers only what it was asked; a record out of place ends the
 * conversation. Who receives what is checked by message_decode()'s `allowed`.
 */
#ifndef AGENT_MESSAGE_H
#define AGENT_MESSAGE_H

#include "agent/wire.h"
#include "base/hash.h"
#include "base/name.h"

#define MESSAGE_TEXT 512        /* one sentence with its NUL */
#define MESSAGE_PATH 512
#define MESSAGE_SHORT 128
#define MESSAGE_TOKEN 1024
#define MESSAGE_NAME (NAME_LEN_MAX + 1)

#define MESSAGE_TABLE(X)                                               \
	X(MSG_BEGIN, begin, 1)                                         \
	X(MSG_CHANNEL, channel, 3)                                     \
	X(MSG_SLOT, slot, 4)                                           \
	X(MSG_QUARANTINE, quarantine, 5)                               \
	X(MSG_EVENT, event, 6)                                         \
	X(MSG_WANT, want, 7)                                           \
	X(MSG_GO, go, 8)                                               \
	X(MSG_EFFECTS, effects, 9)                                     \
	X(MSG_EFFECT, effect, 10)                                      \
	X(MSG_TOKEN, token, 16)                                        \
	X(MSG_ACKED, acked, 17)                                        \
	X(MSG_POISONED, poisoned, 18)                                  \
	X(MSG_RESYNC, resync, 19)                                      \
	X(MSG_PERMIT, permit, 20)                                      \
	X(MSG_NEXT, next, 21)                                          \
	X(MSG_STOP, stop, 22)                                          \
	X(MSG_DROP, drop, 23)                                          \
	X(MSG_VERDICT, verdict, 24)                                    \
	X(MSG_DONE, done, 25)                                          \
	X(MSG_CLAUSE, clause, 26)                                      \
	X(MSG_SERVER, server, 37)                                      \
	X(MSG_IDENTITY, identity, 38)   /* with the file */            \
	X(MSG_GET, get, 32)                                            \
	X(MSG_CALL, call, 33)                                          \
	X(MSG_DOWNLOAD, download, 34)                                  \
	X(MSG_ANSWER, answer, 35)                                      \
	X(MSG_BODY, answer, 36)         /* an answer with its body */  \
	X(MSG_UNPACK, unpack, 48)                                      \
	X(MSG_OLD, old, 49)                                            \
	X(MSG_MEMBER, member, 50)                                      \
	X(MSG_DATA, data, 51)                                          \
	X(MSG_SAME, member, 52)                                        \
	X(MSG_END, end, 53)                                            \
	X(MSG_MEASURED, measured, 54)                                  \
	X(MSG_FILE, file, 55)                                          \
	X(MSG_TRY, attempt, 64)                                        \
	X(MSG_LEAVE_OUT, leave_out, 65)                                \
	X(MSG_RESULT, result, 66)                                      \
	X(MSG_COMPARE, compare, 67)                                    \
	X(MSG_RULE, rule, 68)

enum message_type {
#define X(name, member, value) name = value,
	MESSAGE_TABLE(X)
#undef X
};

/* ---- supervisor -> judge: what this host knows about itself ---- */

struct message_begin {
	uint64_t check_in;      /* 0, 1: send a check-in to the server */
	uint64_t refresh;       /* 0, 1: refresh metadata even when the server says nothing changed */
	uint64_t epoch, seq;
	int64_t fresh_at;       /* when metadata was last found fresh, for offline rounds; 0: never */
	uint64_t explain;       /* 0, 1: CLAUSE records wanted */
	uint64_t brief;         /* 0, 1: check in and nothing else, we are going down */
	uint64_t offline;       /* 0, 1: from the store alone */
	char enrolment[MESSAGE_TOKEN];  /* "" unless to be used before the check-in */
	char nonce[MESSAGE_SHORT];      /* of this enrolment, the same however often it is tried */
	char token[MESSAGE_TOKEN];      /* the device's; "" before enrolment */
	char device[MESSAGE_SHORT];     /* id the server gave; "" before */
	char boot_id[MESSAGE_SHORT];
};

struct message_channel {
	char channel[MESSAGE_NAME];
	char ring[MESSAGE_NAME];        /* the last one resolved; "" none yet */
	char phase[16];
	uint64_t rung;
	struct digest running, offered;
	uint64_t attempt;               /* of the offer under way */
	uint64_t high_water, floor;
	char held[MESSAGE_SHORT];       /* "", "hold", "pin", "disabled" */
	char held_words[MESSAGE_SHORT]; /* for people at the server: since when, and what that leaves out */
	struct digest pinned;           /* all zero: none */
	struct digest drop;             /* SHA-256 of the drop list in force */
	struct digest first_seen;       /* the digest first_seen_at belongs to */
	int64_t first_seen_at;
	int64_t stop_left_at;           /* when committed content was last left by an online stop; 0 never */
};

struct message_effects {                /* what the content does there, after its CHANNEL; see rollout/effects.h */
	struct digest digest;
	uint64_t counted, measured;     /* 0, 1 */
	uint64_t counted_s, events, errors, observe, alert, block, quarantine, would_block, would_quarantine, load_ms;
	uint64_t measured_s, cpu_ms, rss_bytes;
};

struct message_effect {                 /* a rule with most verdicts; after EFFECTS */
	char rule[256];
	uint64_t n;
};

struct message_slot {                   /* what the boot record names and disk holds */
	char channel[MESSAGE_NAME];
	uint64_t rung;                  /* enum boot_rung */
	struct digest digest;
	uint64_t serial;                /* 0: unknown */
};

struct message_quarantine {
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t attempt;
};

struct message_event {
	uint64_t n;
	int64_t at;
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t attempt;
	char kind[32], reason[64];
	char evidence[MESSAGE_TEXT];
};

struct message_want {
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t attempt;
};

struct message_go {
	uint64_t count;         /* records sent before it, as a check on ourselves */
};

/* ---- judge -> supervisor ---- */

struct message_token {          /* keep it: "" means forget it and enrol again */
	uint64_t revoked;       /* 0, 1: there is none: the server lets this device in no more, and people are told */
	char token[MESSAGE_TOKEN];
	char device[MESSAGE_SHORT];
};

struct message_acked {
	uint64_t seq;
	uint64_t n;             /* events up to n are kept by the server */
};

struct message_poisoned {
	uint64_t n;             /* the event the server can never take */
	char reason[MESSAGE_TEXT];
};

struct message_resync {
	uint64_t unused;
};

enum permit_answer { PERMIT_GO, PERMIT_WAIT };

struct message_permit {
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t attempt;
	uint64_t answer;        /* enum permit_answer */
	uint64_t valid_s;
	char reason[MESSAGE_TEXT];
};

struct message_next {
	uint64_t seconds;       /* until the next check-in */
	uint64_t fresh;         /* 0, 1: the server was heard */
};

struct message_stop {           /* sticky: persisted before anything else is done */
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t by_people;     /* 0: the online key, 1: a recall */
	char reason[MESSAGE_TEXT];
};

struct message_drop {           /* precedes the channel's VERDICT */
	char channel[MESSAGE_NAME];
	char rule[256];
};

enum verdict_say {
	SAY_NOTHING,            /* keep what runs; reason says why nothing is to be done */
	SAY_INSTALL,            /* digest is to be installed */
	SAY_SWITCH,             /* leave committed content for `digest`, a slot on disk */
	SAY_WITHDRAW,           /* the offer under way no longer stands */
	SAY_UNKNOWN,            /* metadata missing or expired: keep what runs, install nothing new */
	SAY_COUNT
};

struct message_verdict {
	char channel[MESSAGE_NAME];
	char ring[MESSAGE_NAME];
	uint64_t say;           /* enum verdict_say */
	struct digest digest;           /* of SAY_INSTALL and SAY_SWITCH */
	struct digest assigned;         /* what the ring is assigned, done or not; all zero: nothing */
	uint64_t serial, attempt, floor;
	uint64_t assigned_serial;       /* of `assigned`, as is its version */
	char version[160];
	/* how to get it */
	char path[MESSAGE_PATH];        /* target path of the archive */
	struct digest sha256;           /* of the target's bytes */
	uint64_t length, size;          /* of the target; of the uncompressed archive */
	uint64_t has_delta;             /* 0, 1 */
	char delta_path[MESSAGE_PATH];
	struct digest delta_sha256, delta_from;
	uint64_t delta_length, window_log;
	/* how to try it */
	uint64_t permit;                /* 0: none needed, 1: required */
	uint64_t probation_s, boots;
	uint64_t observe;               /* 0, 1: new destructive rules only observe during probation */
	uint64_t granted;               /* 0, 1: below high-water by a grant */
	uint64_t urgent;                /* 0, 1: the recalls list it as urgent */
	int64_t not_before, not_after;  /* when it may be armed; 0: any time */
	int64_t evaluated;              /* when, seconds */
	int64_t again_at;               /* time alone may change the answer then; 0: it cannot */
	uint64_t online_stop;           /* 0, 1: SWITCH that spends the day's budget of the online key */
	struct digest drop;             /* of the DROP records before it */
	char word[32];                  /* "assigned", "current", "stop", ... */
	char reason[MESSAGE_TEXT];
};

struct message_clause {         /* one line of the reasoning behind the verdict that follows */
	char channel[MESSAGE_NAME];
	char name[32];
	uint64_t holds;         /* 0, 1 */
	char sentence[256];
};

struct message_done {
	int64_t code;           /* 0 or an err code */
	uint64_t refreshed;     /* 0, 1: metadata is fresh now */
	char text[MESSAGE_TEXT];
};

/* ---- fetch ---- */

/*
 * First, once, from the supervisor: where the server is. Nobody who asks later
 * can name another one.
 */
struct message_server {
	char server[MESSAGE_PATH];      /* https://host:port; "" none */
	char pin[MESSAGE_SHORT];        /* sha256//...; "" none */
};

struct message_identity {       /* what this host shows its server in TLS: certificate and private key, PEM */
	uint64_t size;          /* of the file */
};

#define MESSAGE_IDENTITY_MAX 65536      /* bytes of it */

enum fetch_plane { PLANE_METADATA, PLANE_TARGETS, PLANES };

struct message_get {
	uint64_t repo;          /* index into the settings' repositories */
	uint64_t plane;         /* enum fetch_plane */
	char path[MESSAGE_PATH];        /* below metadata/ or targets/; as the path stands, not quoted */
	uint64_t max;           /* bytes */
};

struct message_call {           /* of the device plane; the request's body in the descriptor */
	uint64_t get;           /* 0: POST, 1: GET */
	char path[MESSAGE_SHORT];
	char token[MESSAGE_TOKEN];      /* "" none */
	uint64_t max;
};

struct message_download {       /* into the descriptor */
	uint64_t repo;
	char path[MESSAGE_PATH];
	uint64_t from, max;
	char token[MESSAGE_TOKEN];
};

struct message_answer {
	int64_t status;         /* HTTP status, or an err code */
	int64_t retry_after;    /* seconds, -1 unknown */
	uint64_t size;
	char text[MESSAGE_TEXT];        /* the error's sentence */
};

/* ---- unpack ---- */

struct message_unpack {         /* the verified file in the descriptor; digest zero: only measure it */
	uint64_t delta;         /* 0: archive, 1: delta */
	struct digest digest, from;
	uint64_t size, window_log, length;
};

struct message_old {            /* the old slot's directory in the descriptor */
	struct digest digest;
};

struct message_member {
	char path[256];
	uint64_t size;
};

struct message_data {
	struct wire_bytes bytes;
};

struct message_end {            /* of a member */
	uint64_t unused;
};

struct message_file {           /* a member whose bytes fit one record: most of a bundle, at a third of the packets */
	char path[256];
	struct wire_bytes bytes;
};

struct message_measured {       /* of an archive whose digest was not given */
	struct digest digest;
	uint64_t size, serial;
	char channel[MESSAGE_NAME];
};

/* ---- validate and canary ---- */

struct message_attempt {
	char slot[4096];
	char channel[MESSAGE_NAME];
	struct digest digest;
	uint64_t rehash;        /* 0, 1: only whether every byte is right; nothing is held against the contract */
	uint64_t novel;         /* 0, 1: answer RULE for each rule that may act and did not in the slot before */
	char before[4096];      /* "": nothing ran before */
};

struct message_compare {        /* which detections one slot has and another has not */
	char from[4096];        /* "": nothing runs, so all of them are new */
	char to[4096];
};

enum rule_change { RULE_NEW, RULE_CHANGED, RULE_GONE, RULE_CHANGES };

struct message_rule {           /* one answer of a comparison: the id of a rule, or the path of a file that is no list of rules */
	uint64_t change;        /* enum rule_change */
	char rule[256];
};

struct message_leave_out {
	char rule[256];
};

enum result_outcome {
	RESULT_OK,
	RESULT_REFUSED,         /* the content's fault: reason is a code of schema/reason.h */
	RESULT_RETRY,           /* time or memory ran out: again before blame */
	RESULT_ENVIRONMENT,     /* this machine's trouble: never blame */
	RESULT_COUNT
};

struct message_result {
	uint64_t outcome;       /* enum result_outcome */
	int64_t code;           /* err code */
	char reason[64];
	char text[MESSAGE_TEXT];
	int64_t load_ms, rss_bytes, us_per_event;
	uint64_t rules, dropped, confinement;
};

/* Any of them, as received. */
struct message {
	enum message_type type;
	int fd;                 /* -1, or the receiver's to close or take */
	union {
		struct message_begin begin;
		struct message_channel channel;
		struct message_slot slot;
		struct message_quarantine quarantine;
		struct message_event event;
		struct message_want want;
		struct message_go go;
		struct message_effects effects;
		struct message_effect effect;
		struct message_token token;
		struct message_acked acked;
		struct message_poisoned poisoned;
		struct message_resync resync;
		struct message_permit permit;
		struct message_next next;
		struct message_stop stop;
		struct message_drop drop;
		struct message_verdict verdict;
		struct message_done done;
		struct message_clause clause;
		struct message_server server;
		struct message_identity identity;
		struct message_get get;
		struct message_call call;
		struct message_download download;
		struct message_answer answer;
		struct message_unpack unpack;
		struct message_old old;
		struct message_member member;
		struct message_data data;
		struct message_end end;
		struct message_file file;
		struct message_measured measured;
		struct message_attempt attempt;
		struct message_leave_out leave_out;
		struct message_result result;
		struct message_compare compare;
		struct message_rule rule;
	} u;
};

const struct wire_record *message_record(enum message_type type);      /* NULL: no such type */

/* Pure: `packet` into *out; a type that is not in the zero-terminated list is refused. */
int message_decode(struct message *out, const enum message_type *allowed, const void *packet, size_t len, struct err *e) MUST_CHECK;

/* body points to the struct of that type. */
int message_send(int sock, enum message_type type, const void *body, int fd, struct err *e) MUST_CHECK;

/* 1 and *out, 0 when the peer is gone, or negative (ERR_TIMEOUT after wait_ms). Closes what it does not hand over. */
int message_receive(int sock, struct message *out, const enum message_type *allowed, int64_t wait_ms, struct err *e) MUST_CHECK;
void message_release(struct message *m);        /* closes m->fd when it is still there */

#endif
