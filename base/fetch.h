/*
 * fetch: bounded HTTP(S) and file:// requests, through libcurl.
 *
 * One struct fetch keeps its connections, so a second request costs no
 * handshake. No redirects, no proxies unless set, no cookies, no
 * Content-Encoding; bodies and headers are capped; slow peers are dropped
 * (under 64 bytes a second for slow_s) as well as dead ones.
 */
#ifndef BASE_FETCH_H
#define BASE_FETCH_H

#include <stdbool.h>

#include "base/buf.h"

struct fetch;
struct sockaddr;

struct fetch_settings {
	const char *pin;        /* "sha256//<base64>" of the server's SPKI: then only it counts, not the CA store; NULL: CA store */
	const char *ca_file;    /* PEM; NULL: the system's */
	const char *client;     /* PEM: our certificate and its private key; NULL: none. Copied, and wiped in the end */
	size_t client_len;
	const char *proxy;      /* URL; NULL: none */
	const char *agent;      /* User-Agent */
	int64_t connect_ms;     /* 0: 10 s */
	int64_t total_ms;       /* 0: 60 s for buffered requests; none for downloads to a descriptor */
	int64_t slow_s;         /* a peer under 64 bytes a second for so long is given up; 0: 30 s */
	int64_t max_rate;       /* bytes per second; 0: no limit */
	/*
	 * May an address be connected to? Asked about what the name resolved to,
	 * right before the connection, so that a name that resolves anew changes
	 * nothing. NULL: any. `why` is said when the answer is no.
	 */
	bool (*may_connect)(const void *arg, const struct sockaddr *to, bool tls);
	const void *may_arg;
	const char *may_why;
};

int fetch_new(struct fetch **out, const struct fetch_settings *s, struct err *e) MUST_CHECK;
void fetch_free(struct fetch *f);

struct fetch_request {
	const char *method;     /* "GET", "POST", "PUT", "DELETE" */
	const char *url;
	const char *bearer;     /* token for Authorization; NULL: none */
	const char *type;       /* Content-Type of the body; NULL: application/json */
	const char *const *headers;     /* further "Name: value" lines, NULL-terminated; NULL: none */
	const void *body;
	size_t body_len;
	size_t max;             /* most bytes of the answer's body; beyond: ERR_LIMIT */
	bool status_only;       /* the body is not wanted: beyond max the rest of it is not waited for */
};

struct fetch_answer {
	long status;            /* HTTP status; 200 for file://, 404 when the file is absent */
	struct buf *body;       /* owned; never NULL on success */
	int64_t retry_after;    /* seconds from Retry-After, -1 when absent */
	bool not_modified;
	char etag[128];         /* "" when absent */
	char type[64];          /* Content-Type as it came; "" when absent or longer */
};

/* ERR_NET, ERR_TIMEOUT, ERR_LIMIT; any HTTP status is success here. The caller releases the answer. */
int fetch_do(struct fetch *f, const struct fetch_request *r, struct fetch_answer *out, struct err *e) MUST_CHECK;
void fetch_answer_release(struct fetch_answer *a);

/*
 * Downloads into fd from `from` bytes on (an HTTP range; when the server sends
 * all of it the file is cut to 0 and begun anew), at most `max` bytes in all.
 * Returns the HTTP status (200, 206, ... ) or a negative code; what arrived stays for resuming.
 */
int fetch_to_fd(struct fetch *f, const char *url, const char *bearer, int fd, uint64_t from, uint64_t max, struct err *e) MUST_CHECK;

AUTO_DEFINE(fetch, struct fetch *, fetch_free);

#endif
