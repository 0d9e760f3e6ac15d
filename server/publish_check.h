/*
 * publish_check: who would get a bundle: the fleet as it checked in, ring by
 * ring of the channel's policy, beside what contracts said of it.
 */
#ifndef SERVER_PUBLISH_CHECK_H
#define SERVER_PUBLISH_CHECK_H

#include "server/publish_matrix.h"
#include "server/server.h"

struct publish_check;

/* Opinions are borrowed. allowed: "SENSOR/VERSION". Target rings are those of the policy the rollout would begin with. */
int publish_check_new(struct publish_check **out, struct server *s, const char *channel, const struct publish_opinion *opinions,
		      size_t count, const char *const *allowed, size_t allowed_count, struct err *e) MUST_CHECK;
void publish_check_free(struct publish_check *c);       /* NULL is fine */
const struct publish_matrix *publish_check_matrix(const struct publish_check *c);

AUTO_DEFINE(publish_check, struct publish_check *, publish_check_free);

#endif
