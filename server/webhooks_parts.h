/* webhooks_parts: one webhook and its thread, for server/webhook*.c only. */
#ifndef SERVER_WEBHOOKS_PARTS_H
#define SERVER_WEBHOOKS_PARTS_H

#include "base/fetch.h"
#include "server/address_rule.h"
#include "server/webhooks.h"

#define NETWORKS_MAX 32
#define ASKS_MAX 32             /* rings of rollouts that one hook is asked about at once */

/* A question to a hook. */
enum ask_state { ASK_FREE, ASK_WANTED, ASK_UNDERWAY, ASK_YES, ASK_NO };
struct ask {
	enum ask_state state;
	bool held;                      /* it said no before, and is asked again */
	uint64_t rollout, attempt;
	char channel[NAME_LEN_MAX + 1], ring[NAME_LEN_MAX + 1];
	char version[VERSION_LEN_MAX + 1];
	uint64_t serial;
	struct digest digest;
	int64_t at;                     /* of the last answer, or of the question */
	int64_t next;                   /* when to ask again */
	int64_t tries;
	char why[HOOK_WHY];
};

struct slot {
	struct webhooks *all;
	pthread_t thread;
	bool runs;                      /* the thread was begun; it lives until all end */
	pthread_mutex_t working;        /* held while rows of this webhook are made from the feed: before `lock` */
	/* under `lock` of all: */
	struct webhook hook;
	uint64_t delivered, failed, dead;
	char trouble[HOOK_WHY];
	struct ask asks[ASKS_MAX];
	bool poked;
	/* of the thread: */
	struct fetch *http;
	struct webhook at_work;         /* copy of hook */
};

struct webhooks {
	struct server *server;
	pthread_mutex_t changing;       /* one change by people at a time; before `working` */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool started, stopping;
	struct network networks[NETWORKS_MAX];
	size_t network_count;
	char source[128];               /* of CloudEvents */
	struct slot slots[WEBHOOKS_MAX];
};

void *webhook_main(void *slot);         /* webhook_thread.c */
/* One request to the receiver; the status, or a negative code. retry_after as fetch.h. *why says what was wrong with it, "" when it was 2xx. */
int webhook_send(struct slot *t, const char *message, const char *type, const char *body, int64_t *retry_after, char why[HOOK_WHY]);
void webhook_questions(struct slot *t); /* webhook_ask.c: answers what was asked, on the slot's thread */

#endif
