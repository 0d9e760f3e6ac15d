/*
 * promoter: the second signature of a later ring, given by a process that
 * trusts the server with nothing but keeping it waiting.
 *
 *   DIR/promoter.ini     where the server is, how often it is asked
 *   DIR/keys/            its own key
 *   DIR/root.json        whom it believes
 *   DIR/policies/        <channel>.json: the gates as operators want them
 *   DIR/token            lets it read what the server offers
 *   DIR/vouch/           <ring>/<name>.key: shared with single endpoints, never with the server
 *   DIR/state/           what it has seen: witness.log, tuf/, records/
 *
 * It watches: every assignment that is published and every gate record, each
 * noted with its own clock. It judges: a signing request for a later ring is
 * co-signed when promoter_judge.h agrees. Nothing else is signed here.
 */
#ifndef CLI_PROMOTER_H
#define CLI_PROMOTER_H

#include "cli/remote.h"
#include "signing/keyring.h"

struct promoter;

struct promoter_settings {
	const char *dir;
	const struct remote_options *remote;    /* what is set goes before promoter.ini */
	struct keyring *keys;                   /* taken, also on failure; NULL: DIR/keys */
};

int promoter_open(struct promoter **out, const struct promoter_settings *s, struct err *e) MUST_CHECK;
void promoter_close(struct promoter *p);
int64_t promoter_poll_s(const struct promoter *p);

struct promoter_round {
	unsigned signatures;    /* requests co-signed */
	unsigned waiting;       /* asked too early: again later */
	unsigned refused;
};

/*
 * One look at everything. Negative: the server could not be asked, or says
 * what cannot be believed; the next round begins anew. What is refused or
 * waits is logged when its reason changes.
 */
int promoter_look(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e) MUST_CHECK;

AUTO_DEFINE(promoter, struct promoter *, promoter_close);

#endif
