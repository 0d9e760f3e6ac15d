/*
 * crowd: devices and an operator at work against a real ringholdd, and what
 * each of them was told.
 *
 * Each client is a thread with a connection of its own. A client whose answer
 * got lost asks again with the very same bytes, as an agent does; only what
 * cannot be asked again (an enrolment) is begun anew. What was acknowledged is
 * kept here, in a process that nobody kills.
 */
#ifndef TESTS_FAULTS_CROWD_H
#define TESTS_FAULTS_CROWD_H

#include <pthread.h>
#include <stdbool.h>

#include "base/fetch.h"
#include "rollout/checkin.h"

#define CROWD_CLIENTS 10
#define CROWD_DEVICES 20000
#define CROWD_DECISIONS 20000
#define CROWD_RING "canary"

enum crowd_fate { FATE_NONE, FATE_SURVIVED, FATE_FAILED };

struct crowd_device {
	char id[64], token[CHECKIN_TOKEN_MAX + 1];
	uint64_t epoch, seq;
	uint64_t events_sent, events_acked;     /* n of the last */
	bool asked, offered;                    /* a permit: wanted; answered with go */
	enum crowd_fate told, kept;             /* the outcome: reported; acknowledged */
	bool later;                             /* crowd_between(): its enrolment was acknowledged after the first look */
};

/* What the operator orders, in turn. */
enum crowd_order { CROWD_ATTRIBUTES, CROWD_PAUSE, CROWD_RESUME, CROWD_ORDERS };

struct crowd_decision {
	enum crowd_order kind;
	char why[32];                   /* its reason, of no other */
	bool acked;
};

/* How a client may misbehave, for the controls. */
enum crowd_manners {
	CROWD_AGENTS,           /* as agents and `ringhold` do */
	CROWD_FRESH_EPOCH,      /* what was acknowledged is reported once more, in a new epoch */
	CROWD_FRESH_KEY,        /* what was acknowledged is ordered once more, with a new Idempotency-Key */
};

struct crowd {
	enum crowd_manners manners;
	char enrolment[128];            /* token, for any number of devices */
	const char *operator;           /* token */
	char channel[16], digest[DIGEST_HEX_LEN + 1];   /* what devices ask a permit for; "": nothing */

	pthread_mutex_t lock;           /* of all below */
	pthread_cond_t news;
	char url[128], pin[128];        /* url "": there is no server */
	bool ending;
	size_t under_way;               /* requests */
	uint64_t acks;                  /* answers with success, of all kinds */
	uint64_t lost;                  /* requests whose answer did not come */
	uint64_t refused;               /* answers that said "not now" */
	uint64_t vain;                  /* tries that were refused or lost */
	uint64_t unknown;               /* decisions of which nobody can tell what became of them */
	uint64_t idle_orders;           /* to pause what was paused, or to resume what was not */
	uint64_t enrolments_lost;       /* of those: devices that may be there, and that nobody is */
	char trouble[512];              /* the first answer that should not have been; "": none */
	struct crowd_device *devices;
	size_t device_count;
	struct crowd_decision *decisions;
	size_t decision_count;

	pthread_t threads[CROWD_CLIENTS];
	struct crowd_seat {
		struct crowd *crowd;
		size_t number;          /* the last one is the operator */
		struct fetch *http;
		char url[128];          /* that http was made for */
	} seats[CROWD_CLIENTS];
};

/* Begins with no server: crowd_meet() says where it is. */
void crowd_begin(struct crowd *c);
void crowd_meet(struct crowd *c, const char *url, const char *pin);
/* There is no server any more. Answers that are on their way may still come in. */
void crowd_part(struct crowd *c);
/* The same, and none is on its way any more: the server is there, and idle. */
void crowd_rest(struct crowd *c);
/* Until one of the counters above rose by so much, or something is wrong; false: it did not within a minute. */
bool crowd_wait(struct crowd *c, const uint64_t *counter, uint64_t more);
/* Every client ends what it is about, until it was acknowledged, and leaves. */
void crowd_end(struct crowd *c);
void crowd_free(struct crowd *c);

/* What everybody was told up to now, apart from the crowd, which works on; crowd_free() it. */
void crowd_look(struct crowd *out, struct crowd *c);
/*
 * For what holds the state of one moment between two looks: `after` becomes a
 * crowd to which only that was acknowledged that `before` was.
 */
void crowd_between(const struct crowd *before, struct crowd *after);

/* Something is wrong: every client leaves. Only the first such sentence counts. */
void crowd_trouble(struct crowd *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool crowd_troubled(struct crowd *c, char out[sizeof ((struct crowd *)0)->trouble]);

#endif
