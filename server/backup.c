/* backup: taking one beside a running server, and looking whether one is whole. */
#include "server/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "server/backup_files.h"
#include "server/store.h"
#include "signing/keyring.h"

#define STAMP "last-backup"     /* in the data directory: when one was taken */
#define KEYS_MAX ((size_t)4 << 20)

/* Of the data directory: what is copied on its own, and what a server makes again. */
static const char *const left_out[] = { "store.db", "store.db-wal", "store.db-shm", "uploads", "trials", "listening", "metrics-listening", "pin", "audit.pem", STAMP,
					"repository", "keys" };
static const char *const secrets[] = { "device-token.key", "operator-token", "tls.key", "tls.crt" };

struct taking {
	const struct config *config;
	const char *dir, *from;         /* the backup; the tree being walked */
	const char *beneath;            /* where its files go */
	char *apart[3];                 /* real paths: what no walk of the data directory enters; NULL: it is not there */
	char *tls[2];                   /* likewise: of TLS, wherever they are */
	struct backup_list list;
};

static bool one_of(const char *const *names, size_t count, const char *rel)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(names[i]);

		if (!strncmp(rel, names[i], len) && (!rel[len] || rel[len] == '/'))
			return true;
	}
	return false;
}

/* Configured directories may lie in the data directory under any name, and so may the backup itself. */
static void find_apart(struct taking *t)
{
	const struct config *c = t->config;
	const char *const apart[] = { c->keys, c->repository, t->dir }, *const tls[] = { c->tls_key, c->tls_certificate };

	for (size_t i = 0; i < ARRAY_LEN(apart); i++)
		t->apart[i] = realpath(apart[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(tls); i++)
		t->tls[i] = realpath(tls[i], NULL);
}

static void forget_apart(struct taking *t)
{
	for (size_t i = 0; i < ARRAY_LEN(t->apart); i++)
		free(t->apart[i]);
	for (size_t i = 0; i < ARRAY_LEN(t->tls); i++)
		free(t->tls[i]);
}

/* Is this one of them, or beneath one? */
static bool is_beneath(char *const *dirs, size_t count, const char *path)
{
	for (size_t i = 0; i < count; i++) {
		size_t len = dirs[i] ? strlen(dirs[i]) : 0;

		if (len && !strncmp(path, dirs[i], len) && (!path[len] || path[len] == '/'))
			return true;
	}
	return false;
}

static int add(struct taking *t, const char *from, const char *rel, mode_t mode, struct err *e)
{
	AUTO_FREE char *to = file_join(t->dir, rel);
	struct digest sha256;
	uint64_t size;

	if (!to)
		return err_memory(e);
	if (backup_copy(from, to, mode, &size, &sha256, e) < 0)
		return e->code;
	return backup_list_add(&t->list, rel, size, &sha256, e);
}

/* A file that another process replaces or removes meanwhile is one that nothing names. */
static int add_if_there(struct taking *t, const char *from, const char *rel, mode_t mode, struct err *e)
{
	return add(t, from, rel, mode, e) < 0 && e->code != ERR_NOT_FOUND ? e->code : 0;
}

static bool unfinished(const char *rel)
{
	const char *slash = strrchr(rel, '/'), *name = slash ? slash + 1 : rel;
	size_t len = strlen(name);

	return *name == '.' && len > 4 && strcmp(name + len - 4, ".new") == 0;
}

static int visit(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct taking *t = arg;
	AUTO_FREE char *from = file_join(t->from, rel);
	AUTO_FREE char *to = file_join(t->beneath, rel);

	if (!from || !to)
		return err_memory(e);
	if (is_dir || unfinished(rel) || !strcmp(to, "repository/metadata/timestamp.json"))
		return 0;
	return add_if_there(t, from, to, 0644, e);
}

/* ---- the parts ---- */

/* The timestamp first: whatever it names is there already, and stays. */
static int take_repository(struct taking *t, struct err *e)
{
	AUTO_FREE char *timestamp = file_join(t->config->repository, "metadata/timestamp.json");
	AUTO_FREE char *metadata = file_join(t->config->repository, "metadata");
	AUTO_FREE char *targets = file_join(t->config->repository, "targets");

	if (!timestamp || !metadata || !targets)
		return err_memory(e);
	if (add(t, timestamp, "repository/metadata/timestamp.json", 0644, e) < 0)
		return e->code;
	t->from = metadata;
	t->beneath = "repository/metadata";
	if (file_walk_live(metadata, visit, t, e) < 0)
		return e->code;
	t->from = targets;
	t->beneath = "repository/targets";
	return file_walk_live(targets, visit, t, e);
}

static int visit_data(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct taking *t = arg;
	AUTO_FREE char *from = file_join(t->from, rel);
	AUTO_FREE char *real = from ? realpath(from, NULL) : NULL;
	AUTO_FREE char *to = NULL;
	bool secret = one_of(secrets, ARRAY_LEN(secrets), rel) || (real && is_beneath(t->tls, ARRAY_LEN(t->tls), real));

	if (!from)
		return err_memory(e);
	if (!real)
		return errno == ENOENT ? 0 : err_errno(e, "%s", from);
	/* where the server itself makes and removes files, and where keys may be links: not even looked at */
	if (one_of(left_out, ARRAY_LEN(left_out), rel) || is_beneath(t->apart, ARRAY_LEN(t->apart), real))
		return FILE_WALK_PAST;
	if (is_dir || unfinished(rel) || (secret && !t->list.secrets))
		return 0;
	if (asprintf(&to, "%s/%s", secret ? "secrets" : "data", rel) < 0)
		return err_memory(e);
	return add_if_there(t, from, to, 0600, e);
}

static int take_data(struct taking *t, struct err *e)
{
	t->from = t->config->data;
	return file_walk_live(t->from, visit_data, t, e);
}

static int put_key(void *arg, const struct seckey_seen *seen, struct err *e)
{
	struct json_writer *w = arg;
	char id[DIGEST_HEX_LEN + 1] = "";

	if (seen->public && pubkey_id(seen->public, id, e) < 0)
		return e->code;
	json_open_object(w, NULL);
	json_put_text(w, "name", seen->name);
	json_put_text(w, "keyid", seen->public ? id : NULL);
	json_put_bool(w, "token", seen->token);
	json_put_bool(w, "encrypted", seen->encrypted);
	json_put_text(w, "note", seen->note);
	json_close_object(w);
	return 0;
}

static int put_file(void *arg, const char *dir, const char *file, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, file);

	return path ? seckey_look(path, put_key, arg, e) : err_memory(e);
}

/* Which keys this server signs with; not one of them is opened. */
static int take_keys(struct taking *t, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(KEYS_MAX);
	AUTO_FREE char *path = file_join(t->dir, "keys.json");
	struct json_writer w = { .out = text, .indent = true };
	struct digest sha256;

	if (!text || !path)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_open_array(&w, "keys");
	if (keyring_files(t->config->keys, put_file, &w, e) < 0)
		return e->code;
	json_close_array(&w);
	json_close_object(&w);
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0 || file_replace(path, text->data, text->len, 0644, e) < 0)
		return e->code;
	hash_bytes(&sha256, text->data, text->len);
	return backup_list_add(&t->list, "keys.json", text->len, &sha256, e);
}

static int take_store(struct taking *t, struct err *e)
{
	AUTO_FREE char *from = file_join(t->config->data, "store.db");
	AUTO_FREE char *to = file_join(t->dir, "store.db");
	struct digest sha256;
	uint64_t size;
	int version;

	if (!from || !to)
		return err_memory(e);
	if (store_copy(from, to, e) < 0 || chmod(to, 0600) < 0)
		return e->code ? e->code : err_errno(e, "%s: mode", to);
	version = store_version(to, e);
	if (version < 0 || backup_hash(to, &size, &sha256, e) < 0)
		return e->code;
	t->list.store_version = version;
	return backup_list_add(&t->list, "store.db", size, &sha256, e);
}

static int take_all(struct taking *t, struct err *e)
{
	/*
	 * The server goes on meanwhile. Files of the data directory speak of what
	 * was in the store before them (the last checkpoint of its audit log), and
	 * what the store knows of was published before it: hence this order.
	 */
	if (take_data(t, e) < 0 || take_store(t, e) < 0 || take_repository(t, e) < 0 || take_keys(t, e) < 0)
		return e->code;
	if (backup_sync(t->dir, e) < 0)
		return e->code;
	return backup_list_write(&t->list, t->dir, e);
}

/* For whoever watches how old it is; a backup is none the worse without. */
static void stamp(const struct config *c, int64_t taken)
{
	AUTO_FREE char *path = file_join(c->data, STAMP);
	char text[CLOCK_TEXT_LEN + 2];
	struct err e;

	clock_text(text, taken);
	text[CLOCK_TEXT_LEN] = '\n';
	if (!path || file_replace(path, text, CLOCK_TEXT_LEN + 1, 0644, &e) < 0)
		log_warn("%s/" STAMP ": %s", c->data, path ? e.msg : "out of memory");
}

int64_t backup_last(const struct config *c)
{
	AUTO_FREE char *path = file_join(c->data, STAMP);
	AUTO(buf) struct buf *text = NULL;
	int64_t at;
	struct err e;

	if (!path || file_read(&text, path, 64, &e) < 0 || text->len < CLOCK_TEXT_LEN || !clock_parse(&at, text->data, CLOCK_TEXT_LEN))
		return 0;
	return at;
}

static void summarise(struct backup_report *out, const struct backup_list *l)
{
	*out = (struct backup_report){ .taken = l->taken, .files = l->count, .secrets = l->secrets };
	for (size_t i = 0; i < l->count; i++)
		out->bytes += l->files[i].size;
}

int backup_take(struct backup_report *out, const struct config *c, const char *dir, bool with_secrets, struct err *e)
{
	struct taking t = { .config = c, .dir = dir, .list = { .taken = clock_now(), .secrets = with_secrets } };
	int got;

	e->code = 0;
	if (mkdir(dir, 0700) < 0 && (errno != EEXIST || rmdir(dir) < 0 || mkdir(dir, 0700) < 0))
		return errno == ENOTEMPTY || errno == EEXIST ?
			       err_set(e, ERR_CONFLICT, "%s: is there, and not empty: a backup gets a directory of its own", dir) :
			       err_errno(e, "%s", dir);
	find_apart(&t);
	got = take_all(&t, e);
	forget_apart(&t);
	if (got == 0)
		stamp(c, t.list.taken);
	summarise(out, &t.list);
	backup_list_release(&t.list);
	return got < 0 ? err_wrap(e, "backup in %s", dir) : 0;
}

static int verify_files(const struct backup_list *l, const char *dir, struct err *e)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct backup_file *f = &l->files[i];
		AUTO_FREE char *path = file_join(dir, f->path);
		struct digest sha256;
		uint64_t size;

		if (!path)
			return err_memory(e);
		if (backup_hash(path, &size, &sha256, e) < 0)
			return e->code;
		if (size != f->size || !digest_equal(&sha256, &f->sha256))
			return err_set(e, ERR_FORMAT, "%s: not the %llu bytes that " BACKUP_LIST " tells of", path, (unsigned long long)f->size);
	}
	return 0;
}

int backup_verify(struct backup_report *out, const char *dir, struct err *e)
{
	struct backup_list l = { .taken = 0 };
	int got = backup_list_read(&l, dir, e);

	if (got == 0)
		got = verify_files(&l, dir, e);
	summarise(out, &l);
	backup_list_release(&l);
	return got;
}
