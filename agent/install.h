/*
 * install: content that a person brings to this machine, as a file or as a
 * mirror directory.
 *
 * Only the way of the bytes is another one. Which archive counts is the
 * judge's verdict, from signed metadata; what the file has to be is the offer
 * under way. Taken over it lies in incoming/ like a finished download, and
 * everything after that is the ordinary path.
 *
 * The command copies, since a service does not see every directory: into
 * /var/lib/ringhold/install/<sha256>, write-new and rename. The order then
 * moves it into the channel's incoming/.
 */
#ifndef AGENT_INSTALL_H
#define AGENT_INSTALL_H

#include "agent/channel.h"

#define INSTALL_WANTED "wanted: "       /* answer of "ask", with the digest: the archive is the one to bring */

/* ---- the command's side ---- */

/*
 * Copies what `file` holds from its start, which must be these bytes. Answers
 * a descriptor whose lock keeps others out; closing it ends that.
 */
int install_stage(const char *root, int file, const struct digest *sha256, uint64_t length, struct err *e) MUST_CHECK;
void install_clean(const char *root);   /* what nobody is about to take over */

/* ---- orders ---- */

/* "ask SHA256 LENGTH": is it the archive that this channel is to install now? "take ...": it is staged. */
int install_archive(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e) MUST_CHECK;

/* Metadata of every repository, once, from a directory instead of the network. */
int install_mirror(struct channel *c, const char *argument, char *answer, size_t cap, struct err *e) MUST_CHECK;

#endif
