/*
 * reply: what a handler answers, and problem documents (RFC 9457).
 *
 * A reply is filled in by one handler on a pool thread and sent by the loop
 * thread that owns the connection. Problem types are those of problem.h; detail
 * is one sentence for people.
 */
#ifndef SERVER_REPLY_H
#define SERVER_REPLY_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/json.h"
#include "server/problem.h"
#include "server/request_id.h"

#define REPLY_BODY_MAX ((size_t)16 << 20)

struct reply {
	int status;                     /* HTTP status; 0: not answered yet */
	const char *type;               /* Content-Type, static; NULL: no body */
	const char *cache;              /* Cache-Control, static; NULL: no-store */
	struct buf *body;               /* owned; NULL: none, or fd */
	int fd;                         /* -1, or the file to stream; closed with the reply */
	uint64_t from, length;          /* of the file: first byte and how many */
	uint64_t total;                 /* size of the whole file, for Content-Range */
	int64_t retry_after;            /* seconds; 0: no header */
	char etag[80];                  /* with its quotes; "" none */
	char location[256];             /* "" none */
	bool replayed;                  /* the answer of an earlier request with the same Idempotency-Key */
	bool close;                     /* end the connection after it */
	char request_id[REQUEST_ID_MAX + 1];    /* "" none; stays when the reply is begun anew */
};

void reply_init(struct reply *r);
void reply_release(struct reply *r);

/* Begins a JSON body with this status; write the value with the writer, then done. Never fails: a lack of memory becomes 503 when sent. */
struct json_writer reply_json(struct reply *r, int status);

void reply_problem(struct reply *r, enum problem p, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The problem that fits an error of ours, with its sentence as detail. */
void reply_error(struct reply *r, const struct err *e);
/* For refusals of the HTTP parser: any status, one phrase. */
void reply_status(struct reply *r, int status, const char *detail);

/* As reply_problem(), leaving the object open for further members; end it with json_close_object(). */
struct json_writer reply_problem_open(struct reply *r, enum problem p, const char *detail);

const char *reply_status_words(int status);     /* "Not Found" */

/* Status line and headers of the reply; length of the body follows from it. A HEAD answer is the same without body. */
void reply_head(const struct reply *r, bool keep_alive, struct buf *out);

#endif
