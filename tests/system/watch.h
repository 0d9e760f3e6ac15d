/* watch: what the server knows of one bundle, asked anew on every turn; and the bundles themselves. */
#ifndef TESTS_SYSTEM_WATCH_H
#define TESTS_SYSTEM_WATCH_H

#include "world.h"

struct bundle_made {
	uint64_t serial;
	struct digest digest;
	uint64_t size;          /* of the archive as shipped */
	char *archive;          /* path; lives as long as the process */
};

/* Builds the archive with the command line tool. */
int bundle_make(struct bundle_made *out, struct world *w, const char *dir, uint64_t serial, struct err *e) MUST_CHECK;
int bundle_publish(const struct bundle_made *b, struct world *w, struct err *e) MUST_CHECK;
/* Publishes and wants a refusal; *said is what the tool printed. */
int bundle_refused(const struct bundle_made *b, struct world *w, struct buf **said, struct err *e) MUST_CHECK;

#define WATCH_RINGS_MAX 8

struct watch {
	const struct bundle_made *bundle;
	int64_t rollout;                /* its id on the server; 0: not found yet */
	struct watch_ring {
		char ring[32], state[32], cause[32], sentence[256];
	} rings[WATCH_RINGS_MAX];
	size_t ring_count;
	size_t declined, failed, lost;  /* endpoints, as the server has it */
	char said[512];                 /* the sentence of the last decline */
	char phases[WORLD_MACHINES][32];        /* of each machine, for this bundle; "" unknown */
	int64_t last_event;             /* private */
	bool counted[WORLD_MACHINES][2];        /* private: declined, failed */
};

int watch_refresh(struct watch *look, struct world *w, struct err *e) MUST_CHECK;
bool watch_phase_is(const struct watch *look, const struct machine *m, const char *phase);
bool watch_all_rings(const struct watch *look, const char *state);
bool watch_ring_is(const struct watch *look, const char *ring, const char *state);
const char *watch_ring_state(const struct watch *look, const char *ring);
const char *watch_ring_sentence(const struct watch *look, const char *ring);

/* How many lines of the agent's own history name the bundle and hold the word; negative: cannot tell. */
int watch_history_holds(struct world *w, const struct machine *m, const struct bundle_made *b, const char *word,
			struct err *e) MUST_CHECK;

#endif
