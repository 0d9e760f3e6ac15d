/*
 * checkin: the messages of POST /device/v1/checkin, for both ends.
 */
#ifndef ROLLOUT_CHECKIN_H
#define ROLLOUT_CHECKIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/name.h"
#include "rollout/effects.h"
#include "rollout/policy.h"

#define CHECKIN_MAX (64 * 1024)         /* bytes of either message */
#define CHECKIN_EVENTS_MAX 256
#define CHECKIN_CHANNELS_MAX 32
#define CHECKIN_TAGS_MAX 64
#define CHECKIN_WANTS_MAX 32
#define CHECKIN_REPOS_MAX 4
#define CHECKIN_TEXT_MAX 128            /* bytes of a fact, tag or phase */
#define CHECKIN_REASON_MAX 32           /* bytes of a reason code */
#define CHECKIN_DETAIL_MAX 400          /* bytes of what the host says beside the code */
#define CHECKIN_TOKEN_MAX 256
#define CHECKIN_EPOCH_LEN 16            /* hex digits */
#define CHECKIN_EFFECTS_ROOM (24 * 1024)        /* bytes for the effects of all channels: events come first */

/* The values are stored: never renumber. */
enum checkin_kind {
	CHECKIN_ARMED = 0, CHECKIN_SURVIVED = 1, CHECKIN_FAILED = 2, CHECKIN_LATE_FAILURE = 3, CHECKIN_QUARANTINED = 4,
	CHECKIN_DECLINED = 5, CHECKIN_ENV = 6, CHECKIN_LOCAL = 7, CHECKIN_GOODBYE = 8,
};
#define CHECKIN_KINDS 9
const char *checkin_kind_name(enum checkin_kind k);
int checkin_kind_parse(const char *name);       /* -1: unknown */

struct checkin_facts {
	char os[CHECKIN_TEXT_MAX + 1], arch[CHECKIN_TEXT_MAX + 1], host[CHECKIN_TEXT_MAX + 1];
	char sensor[CHECKIN_TEXT_MAX + 1], sensor_version[CHECKIN_TEXT_MAX + 1], locale[CHECKIN_TEXT_MAX + 1];
	struct digest contract;         /* zero: none */
	char (*tags)[CHECKIN_TEXT_MAX + 1];     /* owned */
	size_t tag_count;
};

struct checkin_channel {
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	char phase[CHECKIN_TEXT_MAX + 1], rung[CHECKIN_TEXT_MAX + 1];   /* "IDLE", "current" */
	struct digest running, drop;    /* zero: null */
	uint64_t high_water;
	char held[CHECKIN_TEXT_MAX + 1];        /* "": not held */
	struct effects *effects;        /* owned; NULL: not reported */
};

struct checkin_event {
	uint64_t n;                     /* rises by event within an epoch */
	int64_t at;                     /* by the device's clock */
	char channel[NAME_LEN_MAX + 1]; /* "": of the whole host (goodbye) */
	struct digest digest;           /* zero: none */
	uint64_t attempt;               /* 0: none */
	enum checkin_kind kind;
	char reason[CHECKIN_REASON_MAX + 1];    /* a code of schema/reason.h, or of a newer agent */
	char detail[CHECKIN_DETAIL_MAX + 1];    /* "": none; hostile text */
};

struct checkin_want {
	char channel[NAME_LEN_MAX + 1];
	struct digest digest;
	uint64_t attempt;
};

struct checkin {
	char epoch[CHECKIN_EPOCH_LEN + 1];
	uint64_t seq;
	int64_t sent;
	char boot_id[CHECKIN_TEXT_MAX + 1];
	struct checkin_facts facts;
	struct checkin_channel *channels;       /* owned, as the next two */
	size_t channel_count;
	struct checkin_event *events;
	size_t event_count;
	struct checkin_want *wants;
	size_t want_count;
};

/*
 * Strict and bounded. When one event is at fault *poisoned (may be NULL) gets
 * its n (0: even that cannot be read) and *poisoned_at its index, so that the answer 400 can name it; -1: the
 * fault is elsewhere.
 */
int checkin_parse(struct checkin **out, const char *text, size_t len, uint64_t *poisoned, int *poisoned_at, struct err *e) MUST_CHECK;
int checkin_write(struct buf *out, const struct checkin *c, struct err *e) MUST_CHECK;
void checkin_free(struct checkin *c);
void checkin_forget_effects(struct checkin *c);         /* they are much of the memory of a check-in that is kept */

/*
 * "debian-12/7.11/zh_CN": what content fails alike on, by the keys of a policy
 * (bits of enum policy_stratum). Architecture and sensor come before these
 * three when they are asked for; of the three what is not asked for is "*", so
 * that what is pooled can be told from the end (rollout/strata.h).
 */
#define CHECKIN_STRATUM_MAX (5 * CHECKIN_TEXT_MAX + 4)
void checkin_stratum(char out[CHECKIN_STRATUM_MAX + 1], unsigned keys, const struct checkin_facts *f);

struct checkin_permit {
	char channel[NAME_LEN_MAX + 1];
	struct digest digest;
	uint64_t attempt;
	bool go;
	int64_t valid_s;
	char reason[CHECKIN_REASON_MAX + 1];
};

struct checkin_repo {
	char name[NAME_LEN_MAX + 1];
	uint64_t timestamp;             /* the version of its timestamp */
};

struct checkin_answer {
	uint64_t acked;
	struct checkin_permit permits[CHECKIN_WANTS_MAX];
	size_t permit_count;
	int64_t next_checkin_s;
	struct checkin_repo repos[CHECKIN_REPOS_MAX];
	size_t repo_count;
	bool refresh;
	char token[CHECKIN_TOKEN_MAX + 1];      /* "": keep yours */
};

int checkin_answer_parse(struct checkin_answer *out, const char *text, size_t len, struct err *e) MUST_CHECK;
int checkin_answer_write(struct buf *out, const struct checkin_answer *a, struct err *e) MUST_CHECK;

AUTO_DEFINE(checkin, struct checkin *, checkin_free);

#endif
