/* transfer: one file on its way from the content repository: incoming/<its SHA-256>, resumed where it stopped. */
#ifndef AGENT_TRANSFER_H
#define AGENT_TRANSFER_H

#include "agent/channel.h"

struct transfer {
	const char *path;               /* URL name below targets/; borrowed, as the next */
	const struct digest *sha256;
	uint64_t length;
	char name[DIGEST_HEX_LEN + 1];  /* of the file in incoming/ */
};

struct transfer transfer_named(const char *path, const struct digest *sha256, uint64_t length);

/* Starts c->job, from the first byte that is not there yet. */
int transfer_download(struct channel *c, const struct transfer *t, struct err *e) MUST_CHECK;

/* 1 complete and right, 0 not complete, ERR_REFUSED complete and wrong. */
int transfer_verified(const struct channel *c, const struct transfer *t, struct err *e) MUST_CHECK;

int transfer_open(const struct channel *c, const struct transfer *t, struct err *e) MUST_CHECK;        /* for reading */
void transfer_forget(const struct channel *c, const struct transfer *t);

/* Removes what is no part of the offer under way: that offer was withdrawn, or we died before we removed it. */
void transfer_clean(const struct channel *c);

#endif
