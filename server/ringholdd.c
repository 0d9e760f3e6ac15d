/* ringholdd: the signing server. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "content/canary.h"
#include "server/admit.h"
#include "server/cert.h"
#include "server/follow.h"
#include "server/loop.h"
#include "server/oidc.h"
#include "server/server.h"
#include "server/ticker.h"
#include "server/tls.h"
#include "server/tool_token.h"
#include "server/upkeep_commands.h"
#include "server/webhooks.h"

#define STOP_MS 10000
#define OTHER_FILES 256         /* open beside connections: the store, and what requests read and write */

struct options {
	const char *config;
};

#define SIDE_CONNECTIONS 64

static struct loop loop;

/* The second address, for whoever watches: a loop and a thread of its own, so that it answers when the first is busy. */
static struct side {
	struct loop loop;
	struct loop_settings settings;
	pthread_t thread;
	bool open, runs;
} side;

static void on_signal(int sig)
{
	(void)sig;
	loop_stop(&loop);
}

/* Made at first start; afterwards the key, and so the pin, stays. */
static int open_tls(struct server *s, struct tls_context **tls, struct err *e)
{
	const struct config *c = s->config;
	AUTO_FREE char *pin_path = file_join(c->data, "pin");
	char host[256], pin[CERT_PIN_TEXT];
	int port;

	if (!c->tls)
		return 0;
	if (!pin_path)
		return err_memory(e);
	server_advertised(s, host, &port);
	if (!file_exists(c->tls_certificate) && cert_make(c->tls_certificate, c->tls_key, host, clock_now(), e) < 0)
		return e->code;
	if (tls_context_new(tls, c->tls_certificate, c->tls_key, e) < 0 ||
	    cert_pin(&s->pin, c->tls_certificate, e) < 0 || cert_expires(&s->certificate_expires, c->tls_certificate, e) < 0 ||
	    (c->client_ca[0] && tls_ask_clients(*tls, c->client_ca, e) < 0))
		return e->code;
	cert_pin_text(pin, &s->pin);
	return file_replace(pin_path, pin, strlen(pin), 0644, e);
}

/* Where it listens, for whoever started it with port 0. Written last: who reads it may connect. */
static int announce_at(const struct config *c, const char *name, const char *host, int port, struct err *e)
{
	AUTO_FREE char *path = file_join(c->data, name);
	char text[300];
	int len = snprintf(text, sizeof text, strchr(host, ':') ? "[%s]:%d\n" : "%s:%d\n", host, port);

	if (!path)
		return err_memory(e);
	log_info("%s on %.*s", name, len - 1, text);
	return file_replace(path, text, (size_t)len, 0644, e);
}

static int announce(const struct server *s, struct err *e)
{
	const struct config *c = s->config;

	log_info("%zu devices, data in %s%s", s->fleet.count, c->data, c->tls ? "" : ", plain HTTP");
	if (side.open && announce_at(c, "metrics-listening", c->metrics_host, side.loop.port, e) < 0)
		return e->code;
	return announce_at(c, "listening", c->host, s->port, e);
}

static void describe(struct loop_settings *l, struct server *s, struct tls_context *tls)
{
	const struct config *c = s->config;

	*l = (struct loop_settings){
		.server = s, .metrics = s->metrics, .access_log = c->access, .routes = routes, .route_count = route_count, .admit = server_admit, .tls = tls, .host = c->host,
		.port = c->port, .uploads = s->uploads, .upload_max = (uint64_t)c->upload_max,
		.connections = (size_t)c->connections, .head_ms = c->head_s * 1000, .body_ms = c->body_s * 1000,
		.idle_ms = c->idle_s * 1000, .write_ms = c->write_s * 1000, .stop_ms = STOP_MS,
	};
}

static void *side_main(void *arg)
{
	loop_run(&((struct side *)arg)->loop);
	return NULL;
}

static int side_start(struct server *s, const struct loop_settings *first, struct err *e)
{
	if (!s->config->metrics_listen[0])
		return 0;
	side.settings = *first;
	side.settings.metrics = NULL;   /* who watches is not counted */
	side.settings.access_log = ACCESS_LOG_NONE;
	side.settings.routes = side_routes;
	side.settings.route_count = side_route_count;
	side.settings.tls = NULL;
	side.settings.host = s->config->metrics_host;
	side.settings.port = s->config->metrics_port;
	side.settings.connections = SIDE_CONNECTIONS;
	if (loop_init(&side.loop, &side.settings, e) < 0)
		return err_wrap(e, "metrics-listen");
	side.open = true;
	if (pthread_create(&side.thread, NULL, side_main, &side) != 0)
		return err_set(e, ERR_IO, "metrics-listen: its thread cannot be started");
	side.runs = true;
	return 0;
}

static void side_stop(void)
{
	if (side.runs) {
		loop_stop(&side.loop);
		pthread_join(side.thread, NULL);
	}
	if (side.open)
		loop_close(&side.loop);
	side = (struct side){ .open = false };
}

static int serve(struct server *s, struct err *e)
{
	AUTO(tls_context) struct tls_context *tls = NULL;
	struct sigaction stop = { .sa_handler = on_signal };
	struct loop_settings settings;
	int got;

	if (open_tls(s, &tls, e) < 0)
		return e->code;
	describe(&settings, s, tls);
	if (loop_init(&loop, &settings, e) < 0)
		return e->code;
	s->port = loop.port;
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	got = oidc_start(s->oidc, e);
	if (got == 0)
		got = ticker_start(s, e);
	if (got == 0)
		got = follow_start(s, e);
	if (got == 0)
		got = webhooks_start(s, e);
	if (got == 0)
		got = side_start(s, &settings, e);
	if (got == 0)
		got = announce(s, e);
	if (got == 0) {
		loop_run(&loop);
		log_info("stopping");
	}
	side_stop();
	webhooks_stop(s);
	follow_stop(s);
	ticker_stop(s);
	loop_close(&loop);
	return got;
}

/* As many descriptors as the connections that the configuration allows will need, or as the machine gives. */
static void open_files(const struct config *c)
{
	rlim_t need = (rlim_t)c->connections + OTHER_FILES;
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= need)
		return;
	r.rlim_cur = need < r.rlim_max ? need : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur < need)
		log_warn("connections = %lld need %llu open files, and %llu are allowed", (long long)c->connections,
			 (unsigned long long)need, (unsigned long long)r.rlim_cur);
}

/* libuv reads it when its pool begins. */
static int size_pool(const struct config *c, struct err *e)
{
	char threads[16];

	snprintf(threads, sizeof threads, "%lld", (long long)c->threads);
	return setenv("UV_THREADPOOL_SIZE", threads, 1) < 0 ? err_errno(e, "UV_THREADPOOL_SIZE") : 0;
}

static int run(int argc, char **argv, const void *arg, struct err *e)
{
	const struct options *o = arg;
	AUTO(server) struct server *s = NULL;
	struct config *c;

	(void)argc;
	(void)argv;
	if (!o->config)
		return err_set(e, ERR_USAGE, "--config FILE is needed");
	if (config_read(&c, o->config, e) < 0)
		return e->code;
	log_init("ringholdd", LOG_INFO);
	log_set_form(c->log_form);
	open_files(c);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);       /* a file that may not grow is an error like a full disk */
	if (size_pool(c, e) < 0) {
		config_free(c);
		return e->code;
	}
	if (server_open(&s, c, e) < 0)
		return e->code;
	return serve(s, e);
}

static const struct cli_option options[] = {
	{ "config", 'c', CLI_TEXT, offsetof(struct options, config), "FILE", "configuration" },
};

static const struct cli_command serving = {
	.name = "", .args = "--config FILE", .help = "serve content, devices and operators", .options = options,
	.option_count = ARRAY_LEN(options), .options_size = sizeof(struct options), .run = run,
	.more = "ringholdd token create --admin --config FILE makes the first operator's token, on this machine.",
};

#define COMMANDS_MAX 16

/* The unnamed row first, then what is typed beside a server about its directory. */
static size_t list_commands(struct cli_command out[COMMANDS_MAX])
{
	const struct { const struct cli_command *commands; size_t count; } groups[] = {
		{ &serving, 1 }, { upkeep_commands, upkeep_command_count }, { tool_token_commands, tool_token_command_count },
	};
	size_t count = 0;

	for (size_t g = 0; g < ARRAY_LEN(groups); g++)
		for (size_t i = 0; i < groups[g].count && count < COMMANDS_MAX; i++)
			out[count++] = groups[g].commands[i];
	return count;
}

int main(int argc, char **argv)
{
	struct cli_command commands[COMMANDS_MAX];
	const struct cli_program program = {
		.name = "ringholdd", .purpose = "delivers detection content in rings, and takes it back", .commands = commands,
		.count = list_commands(commands),
	};

	/* The self-tests of a bundle run in a fresh process of this program: it has threads, and forking them is no way to begin. */
	if (argc > 1 && strcmp(argv[1], "canary") == 0)
		return canary_main(argc - 2, argv + 2);
	return cli_run(&program, argc, argv);
}
