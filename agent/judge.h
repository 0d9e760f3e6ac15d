/*
 * judge: what the parts of the judge process share (role_judge.c, judge_*.c).
 *
 * The judge has no network and never sees content. It is the only reader of
 * metadata and signed documents and the only writer of tuf/<repo>/. A round:
 * the supervisor tells what this host knows, then GO; the judge may enrol and
 * check in, refreshes what is due, and answers one VERDICT per channel.
 *
 * With two repositories the customer's own, which has the rings, comes first:
 * what it stops or rolls back to a slot on disk is said before anything is
 * asked of the vendor's, which may be dead, slow or hostile.
 */
#ifndef AGENT_JUDGE_H
#define AGENT_JUDGE_H

#include "agent/message.h"
#include "agent/settings.h"
#include "rollout/checkin.h"
#include "rollout/ringmap.h"
#include "signing/driver.h"

#define JUDGE_SLOTS_MAX (SETTINGS_CHANNELS_MAX * 4)
#define JUDGE_QUARANTINE_MAX 4096
#define JUDGE_STOPS_KEPT 16384   /* of a channel by online keys that a host keeps for ever; by people: every one */
#define JUDGE_DOCUMENTS 64

struct judge_stop {
	char channel[MESSAGE_NAME];
	struct digest digest;
	bool by_people;
};

/* A signed document kept between rounds, by the hash that its role lists. */
struct judge_document {
	struct digest sha256;
	struct buf *bytes;
};

struct judge_repo {
	enum settings_repo which;
	char dir[4096];
	struct tuf_client *client;
	int64_t refreshed_at;           /* when this process last refreshed it over the network; 0: never */
	int64_t fresh_at;               /* the same, or when its own server last vouched that nothing changed; 0: never */
	bool stored_only;               /* for the rest of the round: no network, it did not answer or nobody shall wait for it */
	int64_t deadline;               /* clock_work_ms() after which nothing more is asked of it in this round */
	struct judge_document documents[JUDGE_DOCUMENTS];
	size_t next_document;
};

struct judge {
	const struct settings *s;
	int sock, fetch_sock;
	int64_t now;                    /* of this round */
	struct judge_repo repos[SETTINGS_REPOS];
	size_t events_cap;              /* lowered when the server says 413 */

	/* this round, from the supervisor */
	struct message_begin begin;
	struct message_channel channels[SETTINGS_CHANNELS_MAX];
	size_t channel_count;
	struct effects effects[SETTINGS_CHANNELS_MAX];  /* of the channels; what they point to is in the next */
	bool effects_said[SETTINGS_CHANNELS_MAX];
	struct effects_rule effects_rules[SETTINGS_CHANNELS_MAX][EFFECTS_RULES_MAX];
	struct message_slot slots[JUDGE_SLOTS_MAX];
	size_t slot_count;
	struct message_quarantine *quarantine;
	size_t quarantine_count;
	struct judge_stop *stops;       /* those known before, then those found */
	size_t stop_count, stop_room;
	struct message_event *events;
	size_t event_count;
	struct message_want wants[CHECKIN_WANTS_MAX];
	size_t want_count;
	struct checkin_facts facts;
};

#define JUDGE_EVENTS_MAX CHECKIN_EVENTS_MAX

/* ---- judge_repo.c ---- */

/* Opens what is not open; refreshes over the network when `online`, else from the store. */
int judge_refresh(struct judge *j, struct judge_repo *r, bool online, struct err *e) MUST_CHECK;
void judge_repo_close(struct judge_repo *r);
int64_t judge_timestamp(const struct judge_repo *r);            /* version known; 0: none */
int64_t judge_half_life(const struct judge_repo *r);            /* seconds after refreshed_at for which a skipped refresh is fine */
void judge_repo_begin(struct judge_repo *r);                    /* a round begins */
struct judge_repo *judge_repo(struct judge *j, enum settings_repo which);
size_t judge_repo_count(const struct judge *j);                 /* 1 or 2 */

/* A signed document; ERR_NOT_FOUND when no role lists it. Borrowed until the next round. */
int judge_document(struct judge *j, struct judge_repo *r, const char *path, size_t max, const struct buf **out, struct err *e) MUST_CHECK;
int judge_find(struct judge *j, struct judge_repo *r, const char *path, const struct tuf_target **out, struct err *e) MUST_CHECK;

/* ---- judge_server.c ---- */

int judge_facts(struct judge *j, struct err *e) MUST_CHECK;     /* fills j->facts */
int judge_enrol(struct judge *j, struct err *e) MUST_CHECK;
int judge_check_in(struct judge *j, struct checkin_answer *out, struct err *e) MUST_CHECK;

/* ---- judge_decide.c ---- */

/* Rings of all channels by the ring map; a channel whose ring cannot be told keeps its last. */
int judge_resolve(struct judge *j, int *position, struct err *e) MUST_CHECK;

/*
 * One VERDICT. With `retreats` only when the channel is to go to a slot on
 * disk, which needs nothing that has to be fetched; else nothing is said.
 * Answers 1 when a verdict was said.
 */
int judge_decide(struct judge *j, const struct message_channel *c, int position, bool retreats, struct err *e) MUST_CHECK;

/* ---- role_judge.c: what is known, and talking ---- */

int judge_know_stop(struct judge *j, const char *channel, const struct digest *d, bool by_people, struct err *e) MUST_CHECK;


/* Asks the fetch process; *body is NULL when there is none. Returns the HTTP status or a negative code. */
int judge_get(struct judge *j, const struct message_get *get, struct buf **body, struct err *e) MUST_CHECK;
int judge_call(struct judge *j, const struct message_call *call, const struct buf *request, struct buf **body, int64_t *retry_after, struct err *e) MUST_CHECK;
int judge_say(struct judge *j, enum message_type type, const void *body, struct err *e) MUST_CHECK;

#endif
