/*
 * loop: one libuv loop, its listener and its connections.
 *
 * The thread that runs a loop owns its connections; nothing here is touched by
 * another thread but loop_stop(). One loop runs now; several may listen on one
 * port with SO_REUSEPORT.
 */
#ifndef SERVER_LOOP_H
#define SERVER_LOOP_H

#include "server/access_log.h"
#include "server/metrics.h"
#include "server/route.h"

#include <uv.h>

struct conn;
struct tls_context;

#define LOOP_READ 65536

/* What a loop needs from the server around it. */
struct loop_settings {
	struct server *server;
	struct metrics *metrics;        /* NULL: nothing is counted */
	enum access_log access_log;
	const struct route *routes;
	size_t route_count;
	/* May this request in? 0, or the HTTP status, with q->reply saying why. On the loop thread: no waiting. */
	int (*admit)(struct request *q);
	struct tls_context *tls;        /* NULL: plain HTTP */
	const char *host;               /* an IP address */
	int port;                       /* 0: the kernel's choice */
	const char *uploads;            /* directory for BODY_FILE */
	uint64_t upload_max;
	size_t connections;             /* open at once */
	int64_t head_ms, body_ms, idle_ms, write_ms;
	int64_t stop_ms;                /* how long running requests may take once stopped */
};

struct loop {
	uv_loop_t uv;
	uv_tcp_t listener;
	uv_timer_t sweep;               /* time-outs */
	uv_async_t stop;
	const struct loop_settings *settings;
	struct conn *conns;             /* list of all */
	size_t count;
	bool stopping;
	int64_t stop_at;                /* clock_work_ms(), then connections are cut */
	int port;                       /* chosen */
	char incoming[LOOP_READ];       /* what one read brought; nobody keeps it beyond its callback */
};

/* Binds and listens; requests are answered once loop_run() runs. */
int loop_init(struct loop *l, const struct loop_settings *s, struct err *e) MUST_CHECK;
void loop_run(struct loop *l);          /* returns after loop_stop(), when the last connection is closed */
void loop_stop(struct loop *l);         /* from any thread, and from signal handlers */
void loop_close(struct loop *l);

#endif
