/* server: everything one ringholdd is made of. */
#include "server/background.h"
#include "server/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/number.h"
#include "server/admit.h"
#include "server/audit_log.h"
#include "server/idempotency.h"
#include "server/metrics.h"
#include "server/now.h"
#include "server/oidc.h"
#include "server/webhooks.h"

#define FOLD_ROWS 256   /* devices in one submission */
#define OPERATORS_BYTES_MAX ((size_t)1 << 20)

/* ---- batches ---- */

struct store_record *server_record(struct server_batch *b, enum store_kind kind)
{
	if (b->count == SERVER_RECORDS)
		return NULL;
	b->records[b->count] = (struct store_record){ .kind = kind };
	return &b->records[b->count++];
}

void server_audit_entry(struct server_batch *b, const struct audit_entry *a)
{
	struct store_record *r = server_record(b, STORE_AUDIT);

	if (r)
		r->u.audit = *a;
}

void server_audit(struct server_batch *b, int64_t now, const char *who, const char *action, const char *subject, const char *detail)
{
	server_audit_entry(b, &(const struct audit_entry){ .at = now, .who = who, .action = action, .subject = subject, .detail = detail });
}

int server_write(struct server *s, struct server_batch *b, struct err *e)
{
	struct write w = { .append = { .records = b->records, .count = b->count } };

	return writer_submit(s->writer, &w, e);
}

/* ---- operators' tokens ---- */

static int take_row(const struct store_token *row, void *arg, struct err *e)
{
	return operators_put(arg, row, e);
}

struct known {
	const struct store_token *row;
	bool found;
};

static int same_hash(const struct store_token *row, void *arg, struct err *e)
{
	struct known *k = arg;

	(void)e;
	k->found = digest_equal(&row->hash, &k->row->hash) || digest_equal(&row->old_hash, &k->row->hash);
	return k->found;
}

/* A line that was taken in before, or whose name is taken, changes nothing. */
static int import_row(const struct store_token *row, void *arg, struct err *e)
{
	struct server *s = arg;
	struct server_batch b = { .count = 0 };
	struct known k = { row, false };
	char detail[200] = "";

	if (operators_each(s->operators, same_hash, &k, e) < 0)
		return e->code;
	if (k.found)
		return 0;
	for (int r = 0; r < ROLES; r++)
		if (row->roles & (1u << r))
			snprintf(detail + strlen(detail), sizeof detail - strlen(detail), " %s", role_name((enum role)r));
	server_record(&b, STORE_TOKEN)->u.token = *row;
	server_audit(&b, row->created, "operator-tokens", "token", row->name, detail);
	if (server_write(s, &b, e) < 0) {
		if (e->code != ERR_CONFLICT)
			return e->code;
		log_warn("operator-tokens: %s", e->msg);
		return 0;
	}
	log_info("operator token %s (%s) was taken in", row->id, row->name);
	return operators_put(s->operators, row, e);
}

/* A line that is added between reading and removing would be lost: whoever adds one holds the lock of the directory. */
static int import_file(struct server *s, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	int got = file_read(&text, path, OPERATORS_BYTES_MAX, e);

	if (got == ERR_NOT_FOUND)
		return 0;
	if (got < 0)
		return got;
	if (text->len > 0 && operators_parse(text->data, path, clock_now(), import_row, s, e) < 0)
		return e->code;
	return unlink(path) < 0 ? err_errno(e, "%s", path) : 1;
}

int server_import_operators(struct server *s, struct err *e)
{
	AUTO_FREE char *path = file_join(s->config->data, "operator-tokens");
	int fd, got;

	if (!path)
		return err_memory(e);
	if (!file_exists(path))
		return 0;
	fd = open(s->config->data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(e, "%s", s->config->data);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		pthread_mutex_lock(&s->tokens);
		got = import_file(s, path, e);
		pthread_mutex_unlock(&s->tokens);
	} else {
		got = errno == EWOULDBLOCK ? 0 : err_errno(e, "%s: lock", s->config->data);     /* busy: at the next look */
	}
	close(fd);
	return got;
}

static int load_operators(struct server *s, struct err *e)
{
	s->operators = operators_new();
	s->admission = admission_new(s->config);
	if (!s->operators || !s->admission)
		return err_memory(e);
	if (oidc_new(&s->oidc, s->config, e) < 0)
		return e->code;
	return store_each_token(s->store, take_row, s->operators, e);
}

/* Last uses, as many as one submission holds. */
static int fold_uses(struct server *s, struct err *e)
{
	struct operators_use uses[SERVER_RECORDS];
	struct server_batch b = { .count = 0 };
	size_t count = operators_take_uses(s->operators, uses, SERVER_RECORDS);

	for (size_t i = 0; i < count; i++)
		server_record(&b, STORE_TOKEN_USED)->u.token = (struct store_token){ .id = uses[i].id, .used = uses[i].at };
	if (count > 0 && server_write(s, &b, e) < 0) {
		operators_give_back(s->operators, uses, count);
		return e->code;
	}
	return (int)count;
}

/* ---- opening ---- */

static int make_dir(char **out, const char *data, const char *name, struct err *e)
{
	*out = file_join(data, name);
	if (!*out)
		return err_memory(e);
	return file_mkdirs(*out, 0700, e);
}

static int open_repository(struct server *s, struct err *e)
{
	AUTO_FREE char *metadata = file_join(s->config->repository, "metadata");
	AUTO_FREE char *targets = file_join(s->config->repository, "targets");

	if (!metadata || !targets)
		return err_memory(e);
	if (desk_open(&s->desk, s->config->repository, s->config->keys, e) < 0)
		return e->code;
	if (file_mkdirs(targets, 0755, e) < 0)
		return e->code;
	s->metadata_dir = open(metadata, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s->targets_dir = open(targets, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->metadata_dir < 0 || s->targets_dir < 0)
		return err_errno(e, "%s: open", s->config->repository);
	return 0;
}

static int load_device(const struct store_device *row, void *arg, struct err *e)
{
	return device_load(arg, row, e);
}

static int load(struct server *s, struct err *e)
{
	if (store_each_device(s->store, load_device, &s->fleet, e) < 0 ||
	    rollouts_load(&s->rollouts, &s->fleet, s->store, e) < 0 || background_open(&s->background, s->store, s->started, e) < 0)
		return err_wrap(e, "loading the store");
	return server_refresh_ringmap(s, e);
}

/* Outcomes are not stored, only what they follow from. */
static void judge_all(struct server *s)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++)
			for (uint32_t n = 1; n <= r->stages[i].count; n++)
				stage_judge(&r->stages[i], n, policy_silence_s(r->policy), s->quiet_until, s->started);
}

/* Whoever asks first finds nothing that expired while the server was stopped; when it fails, the ticker tries again. */
static void catch_up(struct server *s)
{
	char said[DESK_SENTENCE];
	struct err e;
	int64_t now, ticks;
	int renewed;

	desk_resume_clock(s->desk, &s->clock);
	now_read(&now, &ticks);
	if (desk_clock(s->desk, now, ticks, now_doubts(s), said))
		log_warn("%s", said);
	renewed = desk_renew(s->desk, s->started, &e);
	if (renewed < 0)
		log_error("%s", e.msg);
	else if (renewed > 0)
		log_info("renewed %d files of the repository's metadata that were due at start", renewed);
}

static int open_all(struct server *s, struct err *e)
{
	const struct config *c = s->config;
	AUTO_FREE char *store = file_join(c->data, "store.db");
	AUTO_FREE char *key = file_join(c->data, "device-token.key");
	char *trials = file_join(c->data, "trials");

	s->trials = trials;
	if (!store || !key || !trials)
		return err_memory(e);
	if (file_mkdirs(c->data, 0700, e) < 0 || (c->client_ca[0] && client_ca_load(&s->client_ca, c->client_ca, e) < 0))
		return e->code;
	/* What a killed server left half made. */
	if (file_remove_tree(trials, e) < 0)
		return e->code;
	if (make_dir(&s->uploads, c->data, "uploads", e) < 0 || file_mkdirs(trials, 0755, e) < 0 ||
	    token_key_load(&s->token_key, key, e) < 0 || open_repository(s, e) < 0 || store_open(&s->store, store, e) < 0 || now_resume(s, e) < 0)
		return e->code;
	s->started = server_now(s);
	if (load(s, e) < 0 || load_operators(s, e) < 0)
		return e->code;
	/* After a restart nobody is silent before one full interval. */
	s->quiet_until = s->started + server_checkin_s(s);
	judge_all(s);
	if (writer_start(&s->writer, s->store, e) < 0)
		return e->code;
	writer_count(s->writer, s->metrics);
	if (webhooks_open(s, e) < 0 || desk_keep_count(s->desk, s->store, s->writer, e) < 0 ||
	    server_import_operators(s, e) < 0 || audit_log_open(&s->audit_log, s, e) < 0)
		return e->code;
	catch_up(s);
	return 0;
}

int server_open(struct server **out, struct config *config, struct err *e)
{
	AUTO(server) struct server *s = calloc(1, sizeof *s);
	pthread_rwlockattr_t fair;

	if (!s) {
		config_free(config);
		return err_memory(e);
	}
	s->config = config;
	s->metadata_dir = s->targets_dir = -1;
	s->metrics = metrics_new();     /* NULL: nothing is counted */
	pthread_mutex_init(&s->timing, NULL);
	/* not by preference of those who read, for there are always some */
	pthread_rwlockattr_init(&fair);
	pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&s->moving, &fair);
	pthread_rwlockattr_destroy(&fair);
	pthread_mutex_init(&s->keying, NULL);
	pthread_mutex_init(&s->tokens, NULL);
	pthread_mutex_init(&s->publishing, NULL);
	pthread_mutex_init(&s->control, NULL);
	pthread_mutex_init(&s->requests, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->idle, NULL);
	if (open_all(s, e) < 0)
		return e->code;
	*out = TAKE(s);
	return 0;
}

void server_close(struct server *s)
{
	struct err e;

	if (!s)
		return;
	if (s->writer && server_fold(s, SIZE_MAX, &e) < 0)
		log_error("%s", e.msg);
	if (s->writer && s->audit_log && audit_log_sign(s, server_now(s), &e) < 0)
		log_error("%s", e.msg);
	audit_log_close(s->audit_log);
	client_ca_free(s->client_ca);
	writer_stop(s->writer);
	webhooks_close(s);
	metrics_free(s->metrics);
	store_close(s->store);
	desk_close(s->desk);
	background_close(s->background);
	rollouts_release(&s->rollouts);
	fleet_release(&s->fleet);
	ringmap_free(s->ringmap);
	operators_free(s->operators);
	admission_free(s->admission);
	oidc_free(s->oidc);
	idempotency_close(s);
	if (s->metadata_dir >= 0)
		close(s->metadata_dir);
	if (s->targets_dir >= 0)
		close(s->targets_dir);
	pthread_rwlock_destroy(&s->moving);
	pthread_mutex_destroy(&s->timing);
	pthread_mutex_destroy(&s->keying);
	pthread_mutex_destroy(&s->tokens);
	pthread_mutex_destroy(&s->publishing);
	pthread_mutex_destroy(&s->control);
	pthread_mutex_destroy(&s->requests);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->idle);
	free(s->uploads);
	free(s->trials);
	config_free(s->config);
	explicit_bzero(&s->token_key, sizeof s->token_key);
	free(s);
}

void server_advertised(const struct server *s, char host[256], int *port)
{
	const char *given = s->config->advertise, *colon = strrchr(given, ':');
	int64_t number;

	*port = s->port;
	snprintf(host, 256, "%s", given[0] ? given : s->config->host);
	/* one colon, and digits behind it: host:port; more of them are an IPv6 address */
	if (colon && strchr(given, ':') == colon && number_parse(&number, colon + 1)) {
		*port = (int)number;
		host[colon - given] = '\0';
	}
}

/* ---- memory and store ---- */

int server_refresh_ringmap(struct server *s, struct err *e)
{
	uint64_t serial = desk_ringmap_serial(s->desk);
	struct ringmap *fresh, *old;
	bool same;

	pthread_mutex_lock(&s->lock);
	same = serial == s->ringmap_serial;
	pthread_mutex_unlock(&s->lock);
	if (same)
		return 0;
	if (desk_ringmap(s->desk, &fresh, e) < 0)
		return err_wrap(e, "ring map");
	pthread_mutex_lock(&s->lock);
	old = s->ringmap;
	s->ringmap = fresh;
	s->ringmap_serial = serial;
	for (size_t i = 0; i < s->fleet.count; i++)
		device_place(s->fleet.items[i], fresh);
	pthread_mutex_unlock(&s->lock);
	ringmap_free(old);
	return 0;
}

/* The rows of up to FOLD_ROWS devices, taken under the lock, written without it. */
static int fold_some(struct server *s, size_t *from, struct err *e)
{
	struct store_record *records = calloc(FOLD_ROWS, sizeof *records);
	struct buf *said = calloc(FOLD_ROWS, sizeof *said);
	struct device *taken[FOLD_ROWS];
	struct write w = { .append = { .records = records } };
	int got = 0;

	if (!records || !said) {
		got = err_memory(e);
		goto out;
	}
	/* Texts of a row point into the device: none of it changes while it is busy. */
	pthread_mutex_lock(&s->lock);
	for (; *from < s->fleet.count && w.append.count < FOLD_ROWS && got == 0; ++*from) {
		struct device *d = s->fleet.items[*from];
		size_t at = w.append.count;

		if (!d->unsaved || d->busy)
			continue;
		records[at].kind = STORE_DEVICE;
		got = device_row(d, &records[at].u.device, &said[at], e);
		if (got < 0)
			break;
		d->busy = true;
		d->unsaved = false;
		taken[w.append.count++] = d;
	}
	pthread_mutex_unlock(&s->lock);
	if (got == 0 && w.append.count > 0)
		got = writer_submit(s->writer, &w, e);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < w.append.count; i++) {
		taken[i]->busy = false;
		taken[i]->unsaved = taken[i]->unsaved || got < 0;
	}
	pthread_cond_broadcast(&s->idle);
	pthread_mutex_unlock(&s->lock);
out:
	for (size_t i = 0; said && i < FOLD_ROWS; i++)
		buf_release(&said[i]);
	free(said);
	free(records);
	return got < 0 ? got : (int)w.append.count;
}

int server_fold(struct server *s, size_t max, struct err *e)
{
	size_t from = 0, done = 0;
	int got;

	while ((got = fold_uses(s, e)) > 0)
		;
	if (got < 0)
		return err_wrap(e, "keeping when tokens were used");
	while (done < max) {
		got = fold_some(s, &from, e);
		if (got < 0)
			return err_wrap(e, "keeping what devices said");
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return background_fold(s, e);
}

int64_t server_checkin_s(const struct server *s)
{
	int64_t least = s->config->checkin_s;

	for (const struct rollout *r = s->rollouts.newest; r; r = r->older)
		if (r->policy->checkin_s > 0 && rollout_lives(r))
			least = MIN(least, r->policy->checkin_s);
	return least;
}
