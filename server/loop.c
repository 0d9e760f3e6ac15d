/* loop: one libuv loop, its listener and its connections. */
#include "server/loop.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/clock.h"
#include "server/conn.h"

#define BACKLOG 1024
#define SWEEP_MS 250

static int uv_failed(struct err *e, const char *what, int code)
{
	return err_set(e, ERR_IO, "%s: %s", what, uv_strerror(code));
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct loop *l = listener->data;

	if (status == 0)
		conn_accept(l);
}

static void close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void on_sweep(uv_timer_t *timer)
{
	struct loop *l = timer->data;
	int64_t now = clock_work_ms();
	bool cut = l->stopping && now >= l->stop_at;

	for (struct conn *c = l->conns, *next; c; c = next) {
		next = conn_next(c);
		if (cut)
			conn_close(c);
		else
			conn_sweep(c, now, l->stopping);
	}
	if (l->stopping && l->count == 0) {
		close_handle((uv_handle_t *)&l->sweep);
		close_handle((uv_handle_t *)&l->stop);
	}
}

static void on_stop(uv_async_t *async)
{
	struct loop *l = async->data;

	if (l->stopping)
		return;
	l->stopping = true;
	l->stop_at = clock_work_ms() + l->settings->stop_ms;
	close_handle((uv_handle_t *)&l->listener);
	on_sweep(&l->sweep);
}

static int listen_on(struct loop *l, const char *host, int port, struct err *e)
{
	struct sockaddr_storage at;
	int len = sizeof at;
	int code = uv_ip4_addr(host, port, (struct sockaddr_in *)&at);

	if (code < 0)
		code = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&at);
	if (code < 0)
		return uv_failed(e, host, code);
	code = uv_tcp_bind(&l->listener, (struct sockaddr *)&at, 0);
	if (code == 0)
		code = uv_listen((uv_stream_t *)&l->listener, BACKLOG, on_connection);
	if (code == 0)
		code = uv_tcp_getsockname(&l->listener, (struct sockaddr *)&at, &len);
	if (code < 0)
		return err_set(e, ERR_IO, "listen on %s port %d: %s", host, port, uv_strerror(code));
	l->port = ntohs(at.ss_family == AF_INET ? ((struct sockaddr_in *)&at)->sin_port :
						  ((struct sockaddr_in6 *)&at)->sin6_port);
	return 0;
}

int loop_init(struct loop *l, const struct loop_settings *s, struct err *e)
{
	int code;

	memset(l, 0, sizeof *l);
	l->settings = s;
	code = uv_loop_init(&l->uv);
	if (code < 0)
		return uv_failed(e, "event loop", code);
	uv_tcp_init(&l->uv, &l->listener);
	uv_timer_init(&l->uv, &l->sweep);
	uv_async_init(&l->uv, &l->stop, on_stop);
	l->listener.data = l->sweep.data = l->stop.data = l;
	if (listen_on(l, s->host, s->port, e) < 0) {
		loop_close(l);
		return e->code;
	}
	uv_timer_start(&l->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	return 0;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_async_send(&l->stop);
}

void loop_close(struct loop *l)
{
	close_handle((uv_handle_t *)&l->listener);
	close_handle((uv_handle_t *)&l->sweep);
	close_handle((uv_handle_t *)&l->stop);
	uv_run(&l->uv, UV_RUN_DEFAULT);
	uv_loop_close(&l->uv);
}
