/*
 * ringhold-tuf: the client engine on a command line, for conformance tests
 * and for people who want to look into a repository.
 *
 *	ringhold-tuf --metadata-dir MD init TRUSTED_ROOT
 *	ringhold-tuf --metadata-url MU --metadata-dir MD refresh
 *	ringhold-tuf --metadata-url MU --metadata-dir MD --target-name TP ...
 *	             --target-dir TD --target-base-url TU download
 *
 * and --patience SECONDS, when a server that is slower than slow shall be
 * given up sooner or later than usual.
 * Exit status 0: the whole command succeeded; 1: anything else.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/fetch.h"
#include "base/file.h"
#include "base/number.h"
#include "signing/delegation.h"
#include "signing/driver.h"

#define TARGETS_MAX 1024
#define URL_MAX 16384
#define PATIENCE_MAX 3600

struct options {
	const char *metadata_url, *metadata_dir, *target_dir, *target_base_url, *patience;
	const char *targets[TARGETS_MAX];
	size_t target_count;
};

static const struct {
	const char *name;
	size_t offset;
} single[] = {
	{ "--metadata-url", offsetof(struct options, metadata_url) },
	{ "--metadata-dir", offsetof(struct options, metadata_dir) },
	{ "--target-dir", offsetof(struct options, target_dir) },
	{ "--target-base-url", offsetof(struct options, target_base_url) },
	{ "--patience", offsetof(struct options, patience) },
};

static const char usage[] =
	"usage: ringhold-tuf --metadata-dir MD init TRUSTED_ROOT\n"
	"       ringhold-tuf --metadata-url MU --metadata-dir MD refresh\n"
	"       ringhold-tuf --metadata-url MU --metadata-dir MD --target-name TP [--target-name TP2 ...]\n"
	"                    --target-dir TD --target-base-url TU download\n"
	"A TUF client (specification 1.0.34). Options stand before the command, in any order.\n"
	"  --patience SECONDS  give up a server that sends next to nothing for so long [30]\n"
	"Exit status: 0 the whole command succeeded, 1 refused or failed.\n";

/* ---- the network ---- */

/* Appended to the address as it was given: that may hold escapes, which stay as they are. */
static void add_base(struct buf *url, const char *base)
{
	buf_adds(url, base);
	if (!*base || base[strlen(base) - 1] != '/')
		buf_addc(url, '/');
}

static bool is_escape(const char *at)
{
	return at[0] == '%' && isxdigit((unsigned char)at[1]) && isxdigit((unsigned char)at[2]);
}

/*
 * A target path is meant to be a relative URL, so what may stand in one stays
 * as it is, escapes included; servers that compare undecoded paths find it.
 */
static void add_path(struct buf *url, const char *path)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/!$&'()*+,;=:@";

	for (const char *at = path; *at; at++) {
		if (strchr(plain, *at) || is_escape(at))
			buf_addc(url, *at);
		else
			buf_addf(url, "%%%02X", (unsigned char)*at);
	}
}

struct source {
	struct fetch *fetch;
	const char *base;
};

/* Names of metadata are quoted by the engine already, and their quoting belongs to the URL. */
static int get(void *arg, const char *name, size_t max, struct buf **out, struct err *e)
{
	const struct source *s = arg;
	AUTO(buf) struct buf *url = buf_new(URL_MAX);
	struct fetch_answer answer = { 0 };
	struct fetch_request request = { .method = "GET", .max = max };

	if (!url)
		return err_memory(e);
	add_base(url, s->base);
	buf_adds(url, name);
	if (buf_check(url, e) < 0)
		return e->code;
	request.url = url->data;
	if (fetch_do(s->fetch, &request, &answer, e) < 0)
		return e->code;
	if (answer.status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (answer.status == 404 || answer.status == 403)
		return 1;
	return *out ? 0 : err_set(e, ERR_NET, "%s: status %ld", url->data, answer.status);
}

/* ---- commands ---- */

static int init(const struct options *o, const char *root, struct err *e)
{
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(tuf_client) struct tuf_client *c = NULL;
	AUTO_FREE char *path = file_join(o->metadata_dir, "root.json");

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, root, METADATA_ROOT_MAX, e) < 0)
		return e->code;
	if (tuf_client_new(&c, bytes->data, bytes->len, TUF_ANY, e) < 0)
		return err_wrap(e, "%s", root);
	return file_replace(path, bytes->data, bytes->len, 0644, e);
}

struct session {
	const struct options *o;
	struct fetch *fetch;
	struct tuf_client *client;
	struct source source;
	struct driver driver;
};

static void session_close(struct session *s)
{
	tuf_client_free(s->client);
	fetch_free(s->fetch);
}

static int refresh(struct session *s, const struct options *o, struct err *e)
{
	struct fetch_settings settings = { .agent = "ringhold-tuf/" RINGHOLD_VERSION };

	s->o = o;
	if (o->patience &&
	    (!number_parse_seconds(&settings.slow_s, o->patience) || settings.slow_s < 1 || settings.slow_s > PATIENCE_MAX))
		return err_set(e, ERR_USAGE, "--patience: %s is not a number of seconds up to %d", o->patience, PATIENCE_MAX);
	if (driver_open(&s->client, o->metadata_dir, NULL, 0, TUF_ANY, e) < 0 ||
	    fetch_new(&s->fetch, &settings, e) < 0)
		return e->code;
	s->source = (struct source){ s->fetch, o->metadata_url };
	s->driver = (struct driver){ .dir = o->metadata_dir, .get = get, .arg = &s->source };
	/* The plain clock, even before our build date: tests shift it both ways. */
	return driver_refresh(&s->driver, s->client, time(NULL), e);
}

/* In the target directory, so that renaming works; a killed run's is overwritten by the next. */
static int open_temporary(char **path, int *fd, const char *dir, struct err *e)
{
	AUTO_FREE char *temp = file_join(dir, ".ringhold-tuf.new");

	if (!temp)
		return err_memory(e);
	if (unlink(temp) < 0 && errno != ENOENT)
		return err_errno(e, "%s: remove", temp);
	*fd = open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*fd < 0)
		return err_errno(e, "%s: create", temp);
	*path = TAKE(temp);
	return 0;
}

static int download_to(struct session *s, const char *file, const struct metadata_target *t, struct err *e)
{
	AUTO(buf) struct buf *name = buf_new(URL_MAX), *url = buf_new(URL_MAX);
	AUTO_FREE char *temp = NULL;
	AUTO_FD int fd = -1;
	int status;

	if (!name || !url)
		return err_memory(e);
	if (tuf_client_target_name(s->client, t, name, e) < 0)
		return e->code;
	add_base(url, s->o->target_base_url);
	add_path(url, name->data);
	if (buf_check(url, e) < 0 || open_temporary(&temp, &fd, s->o->target_dir, e) < 0)
		return e->code;
	status = fetch_to_fd(s->fetch, url->data, NULL, fd, 0, (uint64_t)t->file.length, e);
	if (status >= 0 && status != 200)
		status = err_set(e, ERR_NET, "%s: status %d", url->data, status);
	if (status < 0 || metadata_file_check_fd(&t->file, t->path.text, fd, e) < 0) {
		unlink(temp);
		return e->code;
	}
	if (rename(temp, file) < 0) {
		err_errno(e, "%s: rename", file);
		unlink(temp);
		return e->code;
	}
	return 0;
}

static bool cached(const char *file, const struct metadata_target *t)
{
	AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct err why;

	return fd >= 0 && metadata_file_check_fd(&t->file, file, fd, &why) == 0;
}

static int download_one(struct session *s, const char *path, struct err *e)
{
	AUTO(buf) struct buf *name = buf_new(0);
	AUTO_FREE char *file = NULL;
	const struct tuf_target *t;

	if (!name)
		return err_memory(e);
	if (driver_find(&s->driver, s->client, path, &t, e) < 0)
		return e->code;
	if (!t)
		return err_set(e, ERR_NOT_FOUND, "%s: no role lists it", path);
	delegation_quote(name, path, strlen(path));
	if (buf_check(name, e) < 0)
		return e->code;
	file = file_join(s->o->target_dir, name->data);
	if (!file)
		return err_memory(e);
	return cached(file, t->target) ? 0 : download_to(s, file, t->target, e);
}

static int run_refresh(const struct options *o, struct err *e)
{
	__attribute__((cleanup(session_close))) struct session s = { 0 };

	return refresh(&s, o, e);
}

static int run_download(const struct options *o, struct err *e)
{
	__attribute__((cleanup(session_close))) struct session s = { 0 };

	if (refresh(&s, o, e) < 0)
		return e->code;
	for (size_t i = 0; i < o->target_count; i++)
		if (download_one(&s, o->targets[i], e) < 0)
			return e->code;
	return 0;
}

/* ---- the command line ---- */

static int set_option(struct options *o, const char *name, const char *value, struct err *e)
{
	if (!strcmp(name, "--target-name")) {
		if (o->target_count == TARGETS_MAX)
			return err_set(e, ERR_USAGE, "more than %d target names", TARGETS_MAX);
		o->targets[o->target_count++] = value;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(single); i++)
		if (!strcmp(name, single[i].name)) {
			memcpy((char *)o + single[i].offset, &value, sizeof value);
			return 0;
		}
	return err_set(e, ERR_USAGE, "unknown option %s", name);
}

static int parse_options(struct options *o, int argc, char **argv, int *used, struct err *e)
{
	int i = 1;

	while (i < argc && !strncmp(argv[i], "--", 2)) {
		const char *equals = strchr(argv[i], '=');
		AUTO_FREE char *name = equals ? strndup(argv[i], (size_t)(equals - argv[i])) : strdup(argv[i]);

		if (!name)
			return err_memory(e);
		if (!equals && i + 1 == argc)
			return err_set(e, ERR_USAGE, "%s wants a value", name);
		if (set_option(o, name, equals ? equals + 1 : argv[i + 1], e) < 0)
			return e->code;
		i += equals ? 1 : 2;
	}
	*used = i;
	return 0;
}

static int want(const char *value, const char *option, struct err *e)
{
	return value ? 0 : err_set(e, ERR_USAGE, "%s is missing", option);
}

static int run(int argc, char **argv, struct err *e)
{
	struct options o = { 0 };
	const char *command;
	int at = argc, rest;

	if (parse_options(&o, argc, argv, &at, e) < 0)
		return e->code;
	if (at == argc)
		return err_set(e, ERR_USAGE, "a command is missing: init, refresh or download");
	command = argv[at];
	rest = argc - at - 1;
	if (want(o.metadata_dir, "--metadata-dir", e) < 0)
		return e->code;
	if (!strcmp(command, "init") && rest == 1)
		return init(&o, argv[at + 1], e);
	if ((strcmp(command, "refresh") != 0 && strcmp(command, "download") != 0) || rest)
		return err_set(e, ERR_USAGE, "%s: not a command, or with wrong arguments", command);
	if (want(o.metadata_url, "--metadata-url", e) < 0)
		return e->code;
	if (!strcmp(command, "refresh"))
		return run_refresh(&o, e);
	if (want(o.target_count ? "" : NULL, "--target-name", e) < 0 || want(o.target_dir, "--target-dir", e) < 0 ||
	    want(o.target_base_url, "--target-base-url", e) < 0)
		return e->code;
	return run_download(&o, e);
}

int main(int argc, char **argv)
{
	struct err e = { 0 };

	signal(SIGPIPE, SIG_IGN);
	if (argc == 2 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("ringhold-tuf " RINGHOLD_VERSION);
		return 0;
	}
	if (run(argc, argv, &e) >= 0)
		return 0;
	cli_complain("ringhold-tuf", "", &e);
	return 1;
}
