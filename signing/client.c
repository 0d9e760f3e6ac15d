/* client: the engine and its way from root to snapshot. */
#include "signing/client.h"

#include <stdlib.h>
#include <string.h>

#include "signing/client_parts.h"

/* ---- shared steps ---- */

static int step_name(struct tuf_client *c, int64_t version, const char *role, struct err *e)
{
	buf_clear(c->step_name);
	if (version > 0)
		buf_addf(c->step_name, "%lld.", (long long)version);
	delegation_quote(c->step_name, role, strlen(role));
	buf_adds(c->step_name, ".json");
	return buf_check(c->step_name, e);
}

int client_ask_load(struct tuf_client *c, struct tuf_step *out, const char *role, struct err *e)
{
	*out = (struct tuf_step){ .need = TUF_LOAD, .max = METADATA_LISTED_MAX };
	if (step_name(c, 0, role, e) < 0)
		return e->code;
	out->name = c->step_name->data;
	c->step_max = out->max;
	return 0;
}

int client_ask_fetch(struct tuf_client *c, struct tuf_step *out, int64_t version, const char *role, size_t max, struct err *e)
{
	*out = (struct tuf_step){ .need = TUF_FETCH, .max = max };
	if (step_name(c, version, role, e) < 0)
		return e->code;
	out->name = c->step_name->data;
	c->step_max = max;
	return 0;
}

int client_got(struct tuf_client *c, const char *role, struct err *e)
{
	if (c->answer == TUF_GOT)
		return 0;
	if (c->too_long)
		return err_set(e, ERR_LIMIT, "%s: longer than %zu bytes", role, c->step_max);
	return err_set(e, c->answer == TUF_ABSENT ? ERR_NOT_FOUND : ERR_NET, "%s: %s", role,
		       c->answer == TUF_ABSENT ? "the repository does not have it" : "could not be fetched");
}

int client_size(const struct metadata_file *f, size_t otherwise, size_t *max, const char *role, struct err *e)
{
	if (f->length > METADATA_LISTED_MAX)
		return err_set(e, ERR_LIMIT, "%s: listed with %lld bytes, more than the %d allowed", role,
			       (long long)f->length, METADATA_LISTED_MAX);
	*max = f->length >= 0 ? (size_t)f->length : otherwise;
	return 0;
}

int client_fresh(const struct tuf_client *c, const struct metadata *m, const char *role, struct err *e)
{
	if (c->now < m->expires)
		return 0;
	return err_set(e, ERR_EXPIRED, "%s: version %lld expired %lld seconds ago", role, (long long)m->version,
		       (long long)(c->now - m->expires));
}

int client_keep(struct tuf_client *c, const struct metadata *m, const char *role, struct err *e)
{
	free(c->store_name);
	c->store_name = strdup(role);
	if (!c->store_name)
		return err_memory(e);
	c->to_store = m;
	return 0;
}

int client_verified(struct tuf_client *c, struct metadata **out, enum metadata_type type, const char *role,
		    const struct authority *by, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;

	if (metadata_parse(&m, type, role, c->got->data, c->got->len, e) < 0 || verify(m, by, role, e) < 0)
		return e->code;
	*out = TAKE(m);
	return 0;
}

static struct authority top_level(const struct tuf_client *c, enum metadata_type type)
{
	return (struct authority){ c->root, &c->root->roles[type] };
}

static int missing(const char *role, struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "%s: the store holds none that is signed and current", role);
}

static int snapshot_done(struct tuf_client *c, struct metadata *m, struct err *e)
{
	c->snapshot = m;
	return client_want(c, "targets", c->root, CLIENT_DONE, e);
}

/* Is the stored one what the timestamp names? Its version says so, unless keys were rotated: then its bytes must. */
static bool snapshot_is_named(const struct tuf_client *c)
{
	const struct metadata *m = c->old_snapshot;
	const struct metadata_entry *named = &c->timestamp->entries[0];
	struct err why;

	return m && m->version == named->version && c->now < m->expires &&
	       (!c->rotated || metadata_file_check(&named->file, "snapshot", m->raw->data, m->raw->len, &why) == 0);
}

static int snapshot_begin(struct tuf_client *c, struct err *e)
{
	if (snapshot_is_named(c))
		return snapshot_done(c, TAKE(c->old_snapshot), e);
	if (c->offline)
		return missing("snapshot", e);
	c->state = CLIENT_SNAPSHOT;
	return 0;
}

/* ---- root ---- */

static int root_done(struct tuf_client *c, struct err *e)
{
	if (client_fresh(c, c->root, "root", e) < 0)
		return e->code;
	c->state = CLIENT_TIMESTAMP_LOCAL;
	return 0;
}

static int root_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	if (c->offline || c->root_steps == TUF_ROOT_STEPS || c->root->version == INT64_MAX)
		return root_done(c, e);
	return client_ask_fetch(c, out, c->root->version + 1, "root", METADATA_ROOT_MAX, e);
}

static int root_take(struct tuf_client *c, struct err *e)
{
	AUTO(metadata) struct metadata *next = NULL;
	struct authority by = top_level(c, METADATA_ROOT), itself;

	if (c->answer == TUF_ABSENT)
		return root_done(c, e);
	if (client_got(c, "root", e) < 0 || client_verified(c, &next, METADATA_ROOT, "root", &by, e) < 0)
		return e->code;
	itself = (struct authority){ next, &next->roles[METADATA_ROOT] };
	if (verify(next, &itself, "root, by its own keys", e) < 0)
		return e->code;
	if (next->version != c->root->version + 1)
		return err_set(e, ERR_ROLLBACK, "root: version %lld where %lld should follow", (long long)next->version,
			       (long long)c->root->version + 1);
	metadata_free(c->root);
	c->root = TAKE(next);
	c->root_steps++;
	return client_keep(c, c->root, "root", e);
}

/* ---- what the store holds ---- */

/*
 * One that is no longer signed by the role's keys is as good as none, and takes
 * the other of the two with it: rotating either key is how a repository
 * recovers from versions that an attacker raised (5.3.11).
 */
static int local_verified(struct tuf_client *c, struct metadata **out, enum metadata_type type, struct err *e)
{
	struct authority by = top_level(c, type);
	struct err why;
	int rc;

	if (c->answer != TUF_GOT)
		return 0;
	rc = client_verified(c, out, type, metadata_type_name(type), &by, &why);
	if (rc == ERR_MEMORY)
		return err_memory(e);
	c->rotated |= rc == ERR_AUTH;
	return 0;
}

static int timestamp_local_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	return client_ask_load(c, out, "timestamp", e);
}

static int timestamp_local_take(struct tuf_client *c, struct err *e)
{
	c->state = CLIENT_SNAPSHOT_LOCAL;
	return local_verified(c, &c->timestamp, METADATA_TIMESTAMP, e);
}

static int snapshot_local_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	return client_ask_load(c, out, "snapshot", e);
}

static int snapshot_local_take(struct tuf_client *c, struct err *e)
{
	if (local_verified(c, &c->old_snapshot, METADATA_SNAPSHOT, e) < 0)
		return e->code;
	if (c->rotated)
		metadata_free(TAKE(c->timestamp));
	c->state = CLIENT_TIMESTAMP;
	if (!c->offline)
		return 0;
	if (!c->timestamp)
		return missing("timestamp", e);
	return client_fresh(c, c->timestamp, "timestamp", e) < 0 ? e->code : snapshot_begin(c, e);
}

/* ---- timestamp ---- */

static int timestamp_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	return client_ask_fetch(c, out, 0, "timestamp", METADATA_TIMESTAMP_MAX, e);
}

static int timestamp_newer(const struct metadata *next, const struct metadata *old, struct err *e)
{
	if (next->version < old->version)
		return err_set(e, ERR_ROLLBACK, "timestamp: version %lld, but %lld was seen", (long long)next->version,
			       (long long)old->version);
	if (next->version > old->version && next->entries[0].version < old->entries[0].version)
		return err_set(e, ERR_ROLLBACK, "timestamp: names snapshot %lld, but %lld was seen",
			       (long long)next->entries[0].version, (long long)old->entries[0].version);
	return 0;
}

/* The very bytes that were verified already: most refreshes, and the dearest step is saved. */
static bool timestamp_is_ours(const struct tuf_client *c)
{
	const struct buf *raw = c->timestamp ? c->timestamp->raw : NULL;

	return raw && raw->len == c->got->len && !memcmp(raw->data, c->got->data, raw->len);
}

static int timestamp_stays(struct tuf_client *c, struct err *e)
{
	return client_fresh(c, c->timestamp, "timestamp", e) < 0 ? e->code : snapshot_begin(c, e);
}

static int timestamp_take(struct tuf_client *c, struct err *e)
{
	AUTO(metadata) struct metadata *next = NULL;
	struct authority by = top_level(c, METADATA_TIMESTAMP);

	if (client_got(c, "timestamp", e) < 0)
		return e->code;
	if (timestamp_is_ours(c))
		return timestamp_stays(c, e);
	if (client_verified(c, &next, METADATA_TIMESTAMP, "timestamp", &by, e) < 0)
		return e->code;
	if (c->timestamp && timestamp_newer(next, c->timestamp, e) < 0)
		return e->code;
	if (c->timestamp && next->version == c->timestamp->version)
		return timestamp_stays(c, e);
	if (client_fresh(c, next, "timestamp", e) < 0)
		return e->code;
	metadata_free(c->timestamp);
	c->timestamp = TAKE(next);
	return client_keep(c, c->timestamp, "timestamp", e) < 0 ? e->code : snapshot_begin(c, e);
}

/* ---- snapshot ---- */


static int snapshot_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	const struct metadata_entry *entry = &c->timestamp->entries[0];
	size_t max = 0;

	if (client_size(&entry->file, METADATA_SNAPSHOT_MAX, &max, "snapshot", e) < 0)
		return e->code;
	return client_ask_fetch(c, out, c->root->consistent_snapshot ? entry->version : 0, "snapshot", max, e);
}

static int snapshot_newer(const struct metadata *next, const struct metadata *old, struct err *e)
{
	for (size_t i = 0; i < old->entry_count; i++) {
		const struct metadata_entry *was = &old->entries[i];
		const struct metadata_entry *is = metadata_entry(next, was->name.text, was->name.len);

		if (!is)
			return err_set(e, ERR_ROLLBACK, "snapshot: %s is no longer listed", was->name.text);
		if (is->version < was->version)
			return err_set(e, ERR_ROLLBACK, "snapshot: lists version %lld of %s, but %lld was seen",
				       (long long)is->version, was->name.text, (long long)was->version);
	}
	return 0;
}

static int snapshot_take(struct tuf_client *c, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	struct authority by = top_level(c, METADATA_SNAPSHOT);
	const struct metadata_entry *entry = &c->timestamp->entries[0];

	if (client_got(c, "snapshot", e) < 0 ||
	    metadata_file_check(&entry->file, "snapshot", c->got->data, c->got->len, e) < 0 ||
	    client_verified(c, &m, METADATA_SNAPSHOT, "snapshot", &by, e) < 0)
		return e->code;
	if (m->version != entry->version)
		return err_set(e, ERR_ROLLBACK, "snapshot: version %lld where the timestamp names %lld",
			       (long long)m->version, (long long)entry->version);
	if (c->old_snapshot && !c->rotated && snapshot_newer(m, c->old_snapshot, e) < 0)
		return e->code;
	if (client_fresh(c, m, "snapshot", e) < 0 || client_keep(c, m, "snapshot", e) < 0)
		return e->code;
	return snapshot_done(c, TAKE(m), e);
}

/* ---- the engine ---- */

static int idle_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	(void)c;
	(void)out;
	return err_set(e, ERR_INTERNAL, "no refresh was begun");
}

static int done_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	(void)e;
	c->refreshed = true;
	*out = (struct tuf_step){ .need = TUF_DONE };
	return 0;
}

static const struct {
	/* Sets *out, or leaves it and moves on to another state. */
	int (*ask)(struct tuf_client *c, struct tuf_step *out, struct err *e);
	int (*take)(struct tuf_client *c, struct err *e);
} states[CLIENT_STATES] = {
	[CLIENT_IDLE]            = { idle_ask,              NULL },
	[CLIENT_ROOT]            = { root_ask,              root_take },
	[CLIENT_TIMESTAMP_LOCAL] = { timestamp_local_ask,   timestamp_local_take },
	[CLIENT_SNAPSHOT_LOCAL]  = { snapshot_local_ask,    snapshot_local_take },
	[CLIENT_TIMESTAMP]       = { timestamp_ask,         timestamp_take },
	[CLIENT_SNAPSHOT]        = { snapshot_ask,          snapshot_take },
	[CLIENT_ROLE_LOCAL]      = { client_role_local_ask, client_role_local_take },
	[CLIENT_ROLE]            = { client_role_ask,       client_role_take },
	[CLIENT_SEARCH]          = { client_search_ask,     NULL },
	[CLIENT_DONE]            = { done_ask,              NULL },
};

static int store_step(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	const struct metadata *m = TAKE(c->to_store);

	if (step_name(c, 0, c->store_name, e) < 0)
		return e->code;
	*out = (struct tuf_step){ .need = TUF_STORE, .name = c->step_name->data, .bytes = m->raw->data, .len = m->raw->len };
	return 0;
}

static int advance(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	enum client_state at;

	if (c->answered) {
		c->answered = false;
		if (states[c->state].take(c, e) < 0)
			return e->code;
	}
	if (c->to_store)
		return store_step(c, out, e);
	do {
		at = c->state;
		if (states[at].ask(c, out, e) < 0)
			return e->code;
	} while (c->state != at);
	return 0;
}

int tuf_client_next(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	if (advance(c, out, e) == 0)
		return 0;
	/* A search that failed takes nothing back of what the refresh verified. */
	c->state = c->path ? CLIENT_DONE : CLIENT_IDLE;
	c->found = (struct tuf_target){ 0 };
	c->to_store = NULL;
	return e->code;
}

void tuf_client_answer(struct tuf_client *c, enum tuf_answer a, const void *bytes, size_t len)
{
	if (!states[c->state].take)
		return;
	buf_clear(c->got);
	c->answer = a;
	c->answered = true;
	c->too_long = a == TUF_GOT && len > c->step_max;
	if (a != TUF_GOT)
		return;
	if (!c->too_long)
		buf_add(c->got, bytes, len);
	if (c->too_long || !buf_grow(c->got, 0))
		c->answer = TUF_FAILED;
}

/* ---- life ---- */

int tuf_client_new(struct tuf_client **out, const void *root, size_t len, enum tuf_rules rules, struct err *e)
{
	AUTO(tuf_client) struct tuf_client *c = calloc(1, sizeof *c);
	struct authority itself;

	if (!c)
		return err_memory(e);
	c->rules = rules;
	c->step_name = buf_new(8192);
	c->got = buf_new(METADATA_LISTED_MAX);
	if (!c->step_name || !c->got)
		return err_memory(e);
	if (metadata_parse(&c->root, METADATA_ROOT, "root", root, len, e) < 0)
		return e->code;
	itself = top_level(c, METADATA_ROOT);
	if (verify(c->root, &itself, "root", e) < 0)
		return e->code;
	*out = TAKE(c);
	return 0;
}

static void forget(struct tuf_client *c)
{
	client_search_clear(c);
	client_role_release(&c->want);
	for (size_t i = 0; i < c->loaded_count; i++)
		client_role_release(&c->loaded[i]);
	c->loaded_count = 0;
	metadata_free(TAKE(c->timestamp));
	metadata_free(TAKE(c->snapshot));
	metadata_free(TAKE(c->old_snapshot));
	c->to_store = NULL;
	c->answered = false;
}

void tuf_client_free(struct tuf_client *c)
{
	if (!c)
		return;
	forget(c);
	metadata_free(c->root);
	free(c->loaded);
	free(c->stack);
	free(c->store_name);
	buf_free(c->step_name);
	buf_free(c->got);
	free(c);
}

static void begin(struct tuf_client *c, int64_t now, bool offline)
{
	forget(c);
	c->now = now;
	c->offline = offline;
	c->refreshed = c->rotated = false;
	c->root_steps = 0;
	c->state = CLIENT_ROOT;
}

void tuf_client_refresh(struct tuf_client *c, int64_t now)
{
	begin(c, now, false);
}

void tuf_client_resume(struct tuf_client *c, int64_t now)
{
	begin(c, now, true);
}

const struct metadata *tuf_client_metadata(const struct tuf_client *c, const char *role)
{
	if (!strcmp(role, "root"))
		return c->root;
	if (!strcmp(role, "timestamp"))
		return c->timestamp;
	if (!strcmp(role, "snapshot"))
		return c->snapshot;
	return client_loaded(c, role, NULL);
}

int64_t tuf_client_now(const struct tuf_client *c)
{
	return c->now;
}
