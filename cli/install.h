/*
 * install: a first installation in one directory: keys, repository, server.
 *
 *   DIR/offline-keys/    root-*.pem, targets-*.pem: to be taken away
 *   DIR/operator-keys/   fleet.pem, recall.pem: with the operators
 *   DIR/vendor-keys/     content-<channel>.pem: with whoever publishes
 *   DIR/promoter/        for the machine or user that signs later rings as well: promoter.h
 *   DIR/server/          ringholdd.ini, operator-token(s), keys/, repository/
 *   DIR/root.json        what every endpoint is given to begin trust with
 *
 * It is made beside and moved into place, the server's directory last.
 */
#ifndef CLI_INSTALL_H
#define CLI_INSTALL_H

#include <stdio.h>

#include "base/err.h"

#define INSTALL_ROOT_KEYS 3             /* of root and of targets, and how many of them must sign */
#define INSTALL_ROOT_THRESHOLD 2

struct install_plan {
	const char *dir;
	const char *const *channels;
	size_t channel_count;
	const char *const *rings;       /* in order */
	size_t ring_count;
	const char *listen;             /* "127.0.0.1:8443" */
	int64_t now;
};

/* ERR_CONFLICT when the directory holds an installation already; then nothing is changed. */
int install(const struct install_plan *plan, struct err *e) MUST_CHECK;

/* What anybody will trust from now on: role, keys, threshold, where the keys lie, what it may sign. */
int install_summary(const struct install_plan *plan, FILE *to, struct err *e) MUST_CHECK;

#endif
