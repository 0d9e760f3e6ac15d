/*
 * document_check: what the target files of people's roles say, looked at before
 * they are published: a document that hosts could not read would be signed for
 * nothing, or lift what they obey.
 */
#ifndef SERVER_DOCUMENT_CHECK_H
#define SERVER_DOCUMENT_CHECK_H

#include "base/buf.h"
#include "rollout/stops.h"

/*
 * Ring maps, assignments, stops, recalls, approvals and floors are parsed, and name the
 * channel that their path names; other files are nobody's business here.
 * *recalls gets a recall document (the caller frees; ERR_FORMAT when it holds
 * one already: one channel at a time); NULL: it is only checked.
 */
int document_check(const char *path, const struct buf *text, struct stops **recalls, struct err *e) MUST_CHECK;

#endif
