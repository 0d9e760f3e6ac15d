/*
 * audit_log: signed checkpoints of the audit log.
 *
 * The key is <data>/audit.pem, made at the first start; it signs nothing else
 * and no backup takes it along. A checkpoint goes to the store, to the file
 * <data>/audit-checkpoint.json and, as number and hash, to the server's log,
 * so that whoever cuts the end of the table leaves a trace elsewhere; people
 * keep their own (`ringhold audit verify --keep FILE`).
 */
#ifndef SERVER_AUDIT_LOG_H
#define SERVER_AUDIT_LOG_H

#include "server/server.h"

#define AUDIT_EVERY_S 3600

struct audit_log;

/* Opens or makes the key; says in the log when the store holds less than the file saw. After the writer runs. */
int audit_log_open(struct audit_log **out, struct server *s, struct err *e) MUST_CHECK;
void audit_log_close(struct audit_log *a);      /* NULL is fine */

/* Signs a checkpoint of what is there now, unless the newest is of it: 1 made, 0 not needed. Any thread. */
int audit_log_sign(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* The same when an hour has passed; for the ticker. */
int audit_log_tick(struct server *s, int64_t now, struct err *e) MUST_CHECK;

#endif
