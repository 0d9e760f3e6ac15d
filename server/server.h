/*
 * server: everything one ringholdd is made of, and its locks.
 *
 * Locks are taken in this order: `publishing`, `control` (whoever moves
 * rollouts: the ticker and operators), then `requests`, then the desk's own, then `lock` (the fleet and rollouts in
 * memory), which is never held while waiting for a disk.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <pthread.h>

#include "server/clockwatch.h"
#include "server/config.h"
#include "server/desk.h"
#include "server/fleet.h"
#include "server/operators.h"
#include "server/rollouts.h"
#include "server/route.h"
#include "server/store.h"
#include "server/token.h"
#include "server/writer.h"

struct background;
struct ticker;
struct admission;
struct oidc;
struct idempotency;
struct idempotency_left;
struct audit_log;
struct follow;
struct metrics;
struct webhooks;

struct server {
	struct config *config;
	struct store *store;
	struct writer *writer;
	struct desk *desk;
	struct token_key token_key;
	int64_t certificate_expires;    /* 0: plain HTTP */
	struct digest pin;              /* of the certificate; zero: plain HTTP */
	int port;                       /* listened on */
	char *uploads;                  /* directory */
	char *trials;                   /* directory where bundles are unpacked to be checked */
	int metadata_dir, targets_dir;  /* of the repository */
	int64_t started;
	pthread_rwlock_t moving;        /* before `lock`: read by a check-in from its time to its commit, written by a jump that is believed */
	pthread_mutex_t timing;
	struct clockwatch clock;        /* under `timing`: see now.h */
	struct metrics *metrics;        /* has no lock */
	struct ticker *ticker;
	struct webhooks *webhooks;      /* has locks of its own, taken after all others */
	struct follow *follow;          /* NULL: no vendor's repository is followed */

	struct client_ca *client_ca;    /* NULL: devices need no certificate */
	struct audit_log *audit_log;    /* has a lock of its own */

	struct operators *operators;    /* has a lock of its own */

	struct admission *admission;    /* has locks of its own */
	struct oidc *oidc;              /* has a lock of its own; NULL: none */
	pthread_mutex_t keying;
	struct idempotency *keyed;      /* under `keying`: requests with a key that are under way */
	struct idempotency_left *left;  /* under `keying`: keys that the store could not forget */

	pthread_mutex_t tokens;         /* one change of an operator's token at a time; before `publishing` */
	pthread_mutex_t publishing;     /* one publish at a time */
	pthread_mutex_t control;
	int64_t reissued_at;            /* under `control`: the timestamp at which every ring's assignment agreed (control_reissue.c); 0: look */
	pthread_mutex_t requests;       /* signing requests: reading one, changing it, publishing it */
	pthread_mutex_t lock;
	pthread_cond_t idle;            /* a device is no longer busy */
	bool requests_ready;            /* under `requests`: a bundle has all its signatures, and nobody was told yet */
	int64_t requests_seen, requests_next;   /* under `requests`: the timestamp at the last look, and when to look again */
	/* under `lock`: */
	struct fleet fleet;
	struct rollouts rollouts;
	struct background *background;
	struct ringmap *ringmap;        /* NULL: none published */
	uint64_t ringmap_serial;
	int64_t quiet_until;            /* nobody is called silent before */
};

int server_open(struct server **out, struct config *config, struct err *e) MUST_CHECK;         /* takes config, also on failure */
void server_close(struct server *s);    /* folds what memory knows into the store */

/* Where devices shall connect: host and port of enrolment strings. */
void server_advertised(const struct server *s, char host[256], int *port);

/* Takes tokens in from the file `operator-tokens` (operators.h), and removes it. 0: there is none; 1 done. */
int server_import_operators(struct server *s, struct err *e) MUST_CHECK;
/* Takes a newer ring map in, when there is one, and places every device. */
int server_refresh_ringmap(struct server *s, struct err *e) MUST_CHECK;
/* Writes devices that memory knows better than the store, at most max of them, the background loss, and when tokens were last used. */
int server_fold(struct server *s, size_t max, struct err *e) MUST_CHECK;

/* The expected interval between check-ins: the shortest that any running policy or the configuration asks for. With `lock`. */
int64_t server_checkin_s(const struct server *s);

/* Has the device had its token for so long that it gets the next one? With `lock`. */
bool server_token_due(const struct server *s, const struct device *d, int64_t now);
/* What became of its offers, after it was flagged or is no more. With `lock`. */
void device_judge_again(struct server *s, struct device *d, int64_t now);

/* One audit row with whatever else belongs to the same act. */
#define SERVER_RECORDS 24
struct server_batch {
	struct store_record records[SERVER_RECORDS];
	size_t count;
};
struct store_record *server_record(struct server_batch *b, enum store_kind kind);       /* NULL: full */
void server_audit_entry(struct server_batch *b, const struct audit_entry *a);   /* its texts are borrowed until it is written */
void server_audit(struct server_batch *b, int64_t now, const char *who, const char *action, const char *subject, const char *detail);
int server_write(struct server *s, struct server_batch *b, struct err *e) MUST_CHECK;

AUTO_DEFINE(server, struct server *, server_close);

#endif
