/*
 * route: which handler answers which address; a const table.
 *
 * Patterns are literal segments and {name} segments; a last segment {name*}
 * takes the whole rest. `may` says whose token may come in, `scope` how the
 * channel is known that it must hold for; both are checked before a byte of the
 * body is accepted, as far as the head tells.
 */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

#include "base/hash.h"
#include "server/access.h"
#include "server/client_cert.h"
#include "server/http.h"
#include "server/reply.h"

struct server;

enum route_body {
	BODY_NONE,
	BODY_JSON,              /* in memory */
	BODY_FILE,              /* streamed into a new file in the uploads directory */
};

#define ROUTE_PARAMS 2
#define ROUTE_PEER_MAX 64
#define ROUTE_WHY_MAX 512

/* One request on its way through a pool thread. */
struct request {
	struct server *server;
	const struct route *route;
	struct http_request *http;      /* owned */
	const char *params[ROUTE_PARAMS];       /* in the order of the pattern; point into param_text */
	char param_text[HTTP_TARGET_MAX + 2];
	char who[ACCESS_WHO_MAX + 1];   /* the operator, or id of the device */
	struct identity *identity;      /* owned; of an operator, else NULL */
	char certificate[CLIENT_IDENTITY_MAX];  /* whom the client certificate of a device names; "": none */
	char why[ROUTE_WHY_MAX];         /* "reason" of the query: for the audit log */
	bool scope_asked;               /* handler_may() was called */
	int64_t began_us;               /* clock_work_us() when its head was complete */
	char peer[ROUTE_PEER_MAX];      /* address the connection comes from; "": not known */
	char client[ROUTE_PEER_MAX];    /* address that asks: of the peer, or whom a trusted proxy names; from server_admit() on */
	uint64_t generation;            /* of a device's token */
	struct buf *body;               /* owned; BODY_JSON */
	int body_fd;                    /* BODY_FILE: the file, else -1 */
	char *body_path;                /* owned; removed with the request unless taken */
	struct hash *body_hash;         /* of what was written to body_fd */
	uint64_t body_size;
	struct reply reply;
};

struct route {
	enum http_method method;
	const char *pattern;
	unsigned may;                   /* roles, or one of MAY_ANYBODY, MAY_ENROL, MAY_DEVICE */
	enum scope scope;
	enum route_body body;
	size_t body_max;                /* bytes; 0 with BODY_FILE: the configured limit */
	void (*run)(struct request *q); /* on a pool thread; fills in q->reply */
	unsigned flags;
};

#define ROUTE_DRY 1u            /* knows "dry_run" in the query */
#define ROUTE_SCRAPED 4u         /* the configuration may open it to everybody: then there is no identity */
#define ROUTE_SECRET 2u         /* its answer holds a secret that is kept nowhere */

extern const struct route routes[];
extern const size_t route_count;
extern const struct route side_routes[];        /* of the address that `metrics-listen` names */
extern const size_t side_route_count;

struct request *request_new(struct server *s, const struct route *r);   /* NULL when there is no memory */
void request_free(struct request *q);

/* Runs the handler, and holds an answer back whose handler should have asked about the channel and did not. */
void request_run(struct request *q);

enum route_found { ROUTE_FOUND, ROUTE_NO_PATH, ROUTE_NO_METHOD };

/* A HEAD is answered by the GET. params and text (HTTP_TARGET_MAX + 2 bytes) as in struct request. */
enum route_found route_find(const struct route **out, const struct route *table, size_t count, enum http_method method,
			    const char *path, const char *params[ROUTE_PARAMS], char *text);

#endif
