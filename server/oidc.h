/*
 * oidc: bearer tokens of the organisation's identity provider.
 *
 * A thread of its own fetches the provider's keys over https: at start, every
 * `keys-poll`, and when a token names a key that is not known, but not more
 * often than every OIDC_GAP_MS, so that nobody makes us ask by inventing keys.
 * When the provider cannot be reached the keys that are there stay good for
 * `keys-stale`. Whoever looks a token up never waits for the network.
 *
 * Who may what: the texts of one claim (`roles-claim`) are looked up in the
 * map, whose entries are CLAIM=ROLE[,ROLE...][@CHANNEL[,CHANNEL...]].
 */
#ifndef SERVER_OIDC_H
#define SERVER_OIDC_H

#include "server/access.h"
#include "server/config.h"

#define OIDC_GAP_MS 10000
#define OIDC_MAP_MAX 64

struct oidc;

/* Reads the map; NULL in *out and 0 when no issuer is configured. ERR_USAGE names what is wrong. */
int oidc_new(struct oidc **out, const struct config *c, struct err *e) MUST_CHECK;
int oidc_start(struct oidc *o, struct err *e) MUST_CHECK;       /* NULL is fine */
void oidc_free(struct oidc *o);         /* stops the thread; NULL is fine */

/* Does it look like one of the provider's tokens at all? */
bool oidc_token(const struct oidc *o, const char *token);

/*
 * Whose token is it? ERR_TIMEOUT: its key is being fetched, ask again in a
 * moment; ERR_NET: the provider's keys are not to be had; else as
 * jwt_verify(). Somebody whom the map gives nothing has no grant.
 */
int oidc_identify(struct oidc *o, const char *token, int64_t now, struct identity *out, struct err *e) MUST_CHECK;

/* One entry of the map into the claim's text and its grant. ERR_USAGE. Pure. */
struct oidc_entry {
	char claim[129];
	struct grant grant;
};
int oidc_parse_entry(struct oidc_entry *out, const char *text, struct err *e) MUST_CHECK;

AUTO_DEFINE(oidc, struct oidc *, oidc_free);

#endif
