/* follow_parts: what server/follow*.c share; for these only. */
#ifndef SERVER_FOLLOW_PARTS_H
#define SERVER_FOLLOW_PARTS_H

#include "base/fetch.h"
#include "server/follow.h"
#include "server/incoming.h"
#include "signing/driver.h"

#define FOLLOW_CHANNELS_MAX 32

enum follow_state { FOLLOW_NONE, FOLLOW_FETCHING, FOLLOW_REFUSED, FOLLOW_WAITS, FOLLOW_STARTED };

/* The newest bundle of one channel. */
struct followed {
	char channel[NAME_LEN_MAX + 1];
	enum follow_state state;
	uint64_t serial, size, length;
	struct digest digest, sha256;   /* of the bundle; of the target's bytes */
	char version[VERSION_LEN_MAX + 1];
	char path[PATH_LEN_MAX + 1];
	char sentence[512];             /* why it is refused, or not here yet */
	uint64_t rollout;               /* 0: none */
};

struct follow_repo {
	const struct config_follow *config;
	char *dir;                      /* <data>/follow/<name>: tuf/ and archives on trial */
	char *tuf;
	struct tuf_client *client;
	struct fetch *http;             /* this thread's */
	int64_t due;                    /* server_now() of the next look */
	const bool *stopping;           /* nothing more is asked once it is set */
	/* under the lock of struct follow: */
	int64_t fresh_at;               /* 0: never */
	char trouble[256];
	struct followed channels[FOLLOW_CHANNELS_MAX];
	size_t channel_count;
};

struct follow {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping, poked;
	struct follow_repo repos[CONFIG_FOLLOWS_MAX];
	size_t count;
};

/* ---- follow_repo.c: the vendor's repository, over the network ---- */

int follow_repo_open(struct follow_repo *r, const struct config_follow *c, const char *data, const bool *stopping, struct err *e) MUST_CHECK;
void follow_repo_close(struct follow_repo *r);
int follow_repo_refresh(struct follow_repo *r, int64_t now, struct err *e) MUST_CHECK;
/* The newest bundle that the channel's content role lists. ERR_NOT_FOUND. Fills in what the role says, nothing else. */
int follow_repo_newest(struct follow_repo *r, const char *channel, struct followed *out, struct err *e) MUST_CHECK;
/* The vendor's stops or recalls; *out NULL: it publishes none. */
int follow_repo_stops(struct follow_repo *r, enum stops_kind kind, const char *channel, struct stops **out, struct err *e) MUST_CHECK;
/* The archive, verified; *path is freed by the caller. Goes on where it was cut off. */
int follow_repo_archive(struct follow_repo *r, const struct followed *b, char **path, struct err *e) MUST_CHECK;
char *follow_repo_path(const struct follow_repo *r, const struct followed *b);
/* Removes archives that are of no more use. With the lock. */
void follow_repo_sweep(const struct follow_repo *r);

const char *follow_state_name(enum follow_state s);

#endif
