/* metrics_upkeep: what has to be looked after: disk, keys, certificates, tokens, backups, the audit log, the clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "server/backup.h"
#include "server/follow.h"
#include "server/metrics_page.h"
#include "server/requests.h"
#include "server/webhooks.h"

#define ROLES_MAX 128

/* ---- disk ---- */

static double size_of(const char *dir, const char *name)
{
	AUTO_FREE char *path = file_join(dir, name);
	struct stat st;

	return path && stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static void put_disk(struct scrape *p)
{
	const char *data = p->server->config->data;
	struct statvfs v;

	scrape_one(p, METRIC_STORE_BYTES, size_of(data, "store.db") + size_of(data, "store.db-wal"));
	metrics_family(&p->x, METRIC_FREE_BYTES);
	if (statvfs(data, &v) == 0)
		expose(&p->x, NO_LABELS, (double)v.f_bavail * (double)v.f_frsize);
	scrape_one(p, METRIC_CONNECTIONS_MAX, (double)p->server->config->connections);
}

/* ---- keys and what expires ---- */

static void put_roles(struct scrape *p)
{
	struct desk_role_status *roles = calloc(ROLES_MAX, sizeof *roles);
	size_t count = roles ? MIN(desk_roles(p->server->desk, roles, ROLES_MAX), (size_t)ROLES_MAX) : 0;

	metrics_family(&p->x, METRIC_ROLE_EXPIRY);
	for (size_t i = 0; i < count; i++)
		if (roles[i].version > 0) {
			bool whole = roles[i].held >= (size_t)roles[i].threshold;

			expose(&p->x, LABELS({ "role", roles[i].role }, { "signed_by", whole ? "server" : "people" }), (double)roles[i].expires);
		}
	metrics_family(&p->x, METRIC_KEYS_HELD);
	for (size_t i = 0; i < count; i++)
		expose_count(&p->x, LABELS({ "role", roles[i].role }), roles[i].held);
	metrics_family(&p->x, METRIC_ROLE_THRESHOLD);
	for (size_t i = 0; i < count; i++)
		expose_count(&p->x, LABELS({ "role", roles[i].role }), (uint64_t)roles[i].threshold);
	free(roles);
	metrics_family(&p->x, METRIC_CERTIFICATE_EXPIRY);
	if (p->server->certificate_expires)
		expose(&p->x, NO_LABELS, (double)p->server->certificate_expires);
}

struct tokens {
	int64_t now, next;
	uint64_t count;
};

/* One that nobody uses is missed by nobody. */
static int count_token(const struct store_token *t, void *arg, struct err *e)
{
	struct tokens *all = arg;

	(void)e;
	if (t->revoked || t->expires <= all->now)
		return 0;
	all->count++;
	if (t->used && (!all->next || t->expires < all->next))
		all->next = t->expires;
	return 0;
}

static void put_tokens(struct scrape *p)
{
	struct tokens all = { .now = p->now };
	struct err e;

	(void)!operators_each(p->server->operators, count_token, &all, &e);
	metrics_family(&p->x, METRIC_TOKENS);
	expose_count(&p->x, NO_LABELS, all.count);
	metrics_family(&p->x, METRIC_TOKEN_EXPIRY);
	if (all.next)
		expose(&p->x, NO_LABELS, (double)all.next);
}

static int count_one(const struct store_request *row, void *arg, struct err *e)
{
	(void)row;
	(void)e;
	++*(uint64_t *)arg;
	return 0;
}

static void put_requests(struct scrape *p)
{
	uint64_t count = 0;
	struct err e;

	metrics_family(&p->x, METRIC_REQUESTS_OPEN);
	if (requests_each_open(p->server, count_one, &count, &e) == 0)
		expose_count(&p->x, NO_LABELS, count);
}

/* ---- what is done now and then ---- */

static int take_time(const struct store_checkpoint *c, void *arg, struct err *e)
{
	(void)e;
	*(int64_t *)arg = c->at;
	return 1;
}

static void put_records(struct scrape *p)
{
	uint64_t feed = 0, audit = 0;
	int64_t signed_at = 0;
	struct err e;

	scrape_one(p, METRIC_BACKUP, (double)backup_last(p->server->config));
	metrics_family(&p->x, METRIC_AUDIT);
	if (store_heads(p->server->store, &feed, &audit, &e) == 0)
		expose_count(&p->x, NO_LABELS, audit);
	metrics_family(&p->x, METRIC_AUDIT_CHECKPOINT);
	if (store_each_checkpoint(p->server->store, 0, 1, take_time, &signed_at, &e) >= 0)
		expose(&p->x, NO_LABELS, (double)signed_at);
}

static void put_followed(void *arg, const struct follow_state_of *f)
{
	struct scrape *p = arg;

	expose(&p->x, LABELS({ "name", f->name }), (double)f->fresh_at);
}

static void put_clock(struct scrape *p)
{
	struct desk_clock c;

	desk_clock_status(p->server->desk, p->now, &c);
	scrape_one(p, METRIC_CLOCK_DOUBTED, c.doubted);
	metrics_family(&p->x, METRIC_CLOCK_JUMPS);
	expose_count(&p->x, NO_LABELS, c.jumps);
}

/* ---- webhooks ---- */

struct queues {
	struct scrape *page;
	enum metric metric;
};

static int put_queue(const struct store_queue *row, void *arg, struct err *e)
{
	const struct queues *q = arg;
	int64_t value = q->metric == METRIC_WEBHOOK_QUEUE ? row->waiting : q->metric == METRIC_WEBHOOK_DEAD ? row->dead : row->oldest;

	(void)e;
	expose(&q->page->x, LABELS({ "webhook", row->webhook }), (double)value);
	return 0;
}

static int put_attempts(const struct webhook_view *v, void *arg, struct err *e)
{
	struct scrape *p = arg;

	(void)e;
	expose_count(&p->x, LABELS({ "webhook", v->row->name }, { "result", "delivered" }), v->delivered);
	expose_count(&p->x, LABELS({ "webhook", v->row->name }, { "result", "failed" }), v->failed);
	expose_count(&p->x, LABELS({ "webhook", v->row->name }, { "result", "given-up" }), v->dead);
	return 0;
}

static void put_webhooks(struct scrape *p)
{
	static const enum metric queues[] = { METRIC_WEBHOOK_QUEUE, METRIC_WEBHOOK_OLDEST, METRIC_WEBHOOK_DEAD };
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(queues); i++) {
		struct queues q = { p, queues[i] };

		metrics_family(&p->x, queues[i]);
		(void)!store_each_queue(p->server->store, put_queue, &q, &e);
	}
	metrics_family(&p->x, METRIC_WEBHOOK_DELIVERIES);
	(void)!webhooks_each(p->server, put_attempts, p, &e);
}

void metrics_upkeep(struct scrape *p)
{
	put_disk(p);
	put_roles(p);
	put_tokens(p);
	put_requests(p);
	put_records(p);
	metrics_family(&p->x, METRIC_FOLLOW_FRESH);
	follow_each(p->server, put_followed, p);
	put_clock(p);
	put_webhooks(p);
}
