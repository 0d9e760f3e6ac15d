/* audit_log: signed checkpoints of the audit log. */
#include "server/audit_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "signing/audit_checkpoint.h"

struct audit_log {
	pthread_mutex_t lock;           /* one signs at a time */
	struct seckey *key;
	char *path;                     /* of the file */
	uint64_t count;                 /* rows of the newest checkpoint */
	int64_t at;                     /* of it */
};

static int open_key(struct audit_log *a, const char *data, struct err *e)
{
	AUTO_FREE char *path = file_join(data, "audit.pem");
	int got;

	if (!path)
		return err_memory(e);
	got = seckey_load(&a->key, path, NULL, NULL, e);
	if (got != ERR_NOT_FOUND)
		return got;
	if (seckey_generate(&a->key, e) < 0)
		return e->code;
	return seckey_save(a->key, path, NULL, e);
}

static int newest(const struct store_checkpoint *c, void *arg, struct err *e)
{
	struct audit_log *a = arg;

	(void)e;
	a->count = c->count;
	a->at = c->at;
	return 0;
}

static int row_at(const struct store_chain *c, void *arg, struct err *e)
{
	struct store_chain *out = arg;

	(void)e;
	out->id = c->id;
	out->hash = c->hash;
	return 1;
}

/* What the file saw must still be there: else rows are gone, or the store came from a backup. */
static void compare(const struct audit_log *a, struct server *s)
{
	AUTO(buf) struct buf *text = NULL;
	struct audit_checkpoint c;
	struct store_chain row = { .id = 0 };
	struct err e;
	int got;

	got = file_read(&text, a->path, AUDIT_CHECKPOINT_MAX, &e);
	if (got == ERR_NOT_FOUND)
		return;
	if (got < 0 || audit_checkpoint_parse(&c, a->path, text->data, text->len, &e) < 0) {
		log_warn("%s", e.msg);
		return;
	}
	if (c.count > 0 &&
	    (store_each_audit(s->store, &(struct store_audit_filter){ .after = c.count - 1, .limit = 1 }, row_at, &row, &e) < 0 || row.id != c.count ||
	     !digest_equal(&row.hash, &c.head)))
		log_error("audit: the log had %" PRIu64 " rows when its last checkpoint was signed, and they are not all here: was the store cut, or restored?",
			  c.count);
	audit_checkpoint_release(&c);
}

int audit_log_open(struct audit_log **out, struct server *s, struct err *e)
{
	struct audit_log *a = calloc(1, sizeof *a);

	if (!a)
		return err_memory(e);
	pthread_mutex_init(&a->lock, NULL);
	a->path = file_join(s->config->data, "audit-checkpoint.json");
	if (!a->path || open_key(a, s->config->data, e) < 0 || store_each_checkpoint(s->store, 0, 1, newest, a, e) < 0) {
		bool memory = !a->path;

		audit_log_close(a);
		return memory ? err_memory(e) : err_wrap(e, "audit log");
	}
	compare(a, s);
	*out = a;
	return 0;
}

void audit_log_close(struct audit_log *a)
{
	if (!a)
		return;
	seckey_free(a->key);
	pthread_mutex_destroy(&a->lock);
	free(a->path);
	free(a);
}

/* With the lock of the log. */
static int sign(struct audit_log *a, struct server *s, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(AUDIT_CHECKPOINT_MAX);
	struct audit_checkpoint c = { .at = now };
	struct store_chain last = { .id = 0 };
	struct server_batch b = { .count = 0 };
	char hex[DIGEST_HEX_LEN + 1];

	if (!text)
		return err_memory(e);
	if (store_audit_last(s->store, row_at, &last, e) < 0)
		return e->code;
	if (last.id == 0 || last.id == a->count)
		return 0;
	c.count = last.id;
	c.head = last.hash;
	snprintf(c.server, sizeof c.server, "%s", s->config->name);
	if (audit_checkpoint_sign(text, &c, a->key, e) < 0)
		return e->code;
	server_record(&b, STORE_CHECKPOINT)->u.checkpoint = (struct store_checkpoint){ .count = c.count, .at = now, .body = text->data };
	if (server_write(s, &b, e) < 0 || file_replace(a->path, text->data, text->len, 0644, e) < 0)
		return e->code;
	digest_hex(hex, &c.head);
	log_info("audit checkpoint: row %" PRIu64 " is %s", c.count, hex);
	a->count = c.count;
	a->at = now;
	return 1;
}

int audit_log_sign(struct server *s, int64_t now, struct err *e)
{
	struct audit_log *a = s->audit_log;
	int got;

	pthread_mutex_lock(&a->lock);
	got = sign(a, s, now, e);
	pthread_mutex_unlock(&a->lock);
	return got;
}

int audit_log_tick(struct server *s, int64_t now, struct err *e)
{
	struct audit_log *a = s->audit_log;
	int got = 0;

	pthread_mutex_lock(&a->lock);
	if (now >= a->at + AUDIT_EVERY_S || now < a->at)
		got = sign(a, s, now, e);
	pthread_mutex_unlock(&a->lock);
	return got;
}
