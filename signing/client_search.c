/* client: targets roles, and the search through their delegations. */
#include <stdlib.h>
#include <string.h>

#include "signing/client_parts.h"

void client_role_release(struct client_role *r)
{
	free(r->name);
	metadata_free(r->m);
	*r = (struct client_role){ 0 };
}

/* delegator NULL: the one verified last under this name. */
const struct metadata *client_loaded(const struct tuf_client *c, const char *role, const struct metadata *delegator)
{
	for (size_t i = c->loaded_count; i-- > 0;)
		if (!strcmp(c->loaded[i].name, role) && (!delegator || c->loaded[i].delegator == delegator))
			return c->loaded[i].m;
	return NULL;
}

/* ---- one role ---- */

int client_want(struct tuf_client *c, const char *role, const struct metadata *delegator, enum client_state after, struct err *e)
{
	client_role_release(&c->want);
	c->want = (struct client_role){ .name = strdup(role), .delegator = delegator };
	if (!c->want.name)
		return err_memory(e);
	c->after = after;
	c->state = CLIENT_ROLE_LOCAL;
	return 0;
}

static int listed(const struct tuf_client *c, const struct metadata_entry **out, struct err *e)
{
	AUTO(buf) struct buf *name = buf_new(DELEGATION_NAME_MAX + 8);

	if (!name)
		return err_memory(e);
	buf_addf(name, "%s.json", c->want.name);
	if (buf_check(name, e) < 0)
		return e->code;
	*out = metadata_entry(c->snapshot, name->data, name->len);
	if (!*out)
		return err_set(e, ERR_NOT_FOUND, "%s: not in the snapshot", c->want.name);
	return 0;
}

/* What Ringhold's own repositories promise, and agents hold them to. */
static int house_rules(const struct metadata *m, const char *role, struct err *e)
{
	if (!strcmp(role, "targets") && m->target_count)
		return err_set(e, ERR_REFUSED, "targets: lists %s itself", m->targets[0].path.text);
	for (size_t i = 0; i < m->delegation_count; i++)
		if (!m->delegations[i].terminating)
			return err_set(e, ERR_REFUSED, "%s: the delegation to %s does not terminate", role,
				       m->delegations[i].name);
	for (size_t i = 0; i < m->target_count; i++)
		if (!delegation_glob("*/*/*", 5, m->targets[i].path.text, m->targets[i].path.len))
			return err_set(e, ERR_REFUSED, "%s: the path %s has not three segments", role,
				       m->targets[i].path.text);
	return 0;
}

/* Every check that a role's file must pass, from the store or from the network. */
static int accept_role(struct tuf_client *c, struct metadata **out, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	const char *role = c->want.name;
	const struct metadata_entry *entry;
	struct authority by;

	if (listed(c, &entry, e) < 0 ||
	    metadata_file_check(&entry->file, role, c->got->data, c->got->len, e) < 0)
		return e->code;
	if (!authority_of(&by, c->want.delegator, role))
		return err_set(e, ERR_INTERNAL, "%s: not delegated", role);
	if (client_verified(c, &m, METADATA_TARGETS, role, &by, e) < 0)
		return e->code;
	if (m->version != entry->version)
		return err_set(e, ERR_ROLLBACK, "%s: version %lld where the snapshot lists %lld", role,
			       (long long)m->version, (long long)entry->version);
	if (client_fresh(c, m, role, e) < 0 || (c->rules == TUF_HOUSE && house_rules(m, role, e) < 0))
		return e->code;
	*out = TAKE(m);
	return 0;
}

static int role_done(struct tuf_client *c, struct metadata *m, struct err *e)
{
	struct client_role *more = realloc(c->loaded, (c->loaded_count + 1) * sizeof *more);

	if (!more) {
		metadata_free(m);
		return err_memory(e);
	}
	c->want.m = m;
	c->loaded = more;
	c->loaded[c->loaded_count++] = c->want;
	c->want = (struct client_role){ 0 };
	c->state = c->after;
	return 0;
}

int client_role_local_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	const struct metadata_entry *entry;

	if (listed(c, &entry, e) < 0)
		return e->code;
	return client_ask_load(c, out, c->want.name, e);
}

int client_role_local_take(struct tuf_client *c, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;

	if (c->answer == TUF_GOT && accept_role(c, &m, e) == ERR_MEMORY)
		return e->code;
	if (m)
		return role_done(c, TAKE(m), e);
	if (c->offline)
		return c->answer == TUF_GOT ? e->code
					    : err_set(e, ERR_NOT_FOUND, "%s: not in the store", c->want.name);
	c->state = CLIENT_ROLE;
	return 0;
}

int client_role_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	const struct metadata_entry *entry;
	size_t max;

	if (listed(c, &entry, e) < 0 || client_size(&entry->file, METADATA_TARGETS_MAX, &max, c->want.name, e) < 0)
		return e->code;
	return client_ask_fetch(c, out, c->root->consistent_snapshot ? entry->version : 0, c->want.name, max, e);
}

int client_role_take(struct tuf_client *c, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;

	if (client_got(c, c->want.name, e) < 0 || accept_role(c, &m, e) < 0 || client_keep(c, m, c->want.name, e) < 0)
		return e->code;
	return role_done(c, TAKE(m), e);
}

/* ---- the search ---- */

void client_search_clear(struct tuf_client *c)
{
	while (c->stack_count)
		client_role_release(&c->stack[--c->stack_count]);
	while (c->visited_count)
		free(c->visited[--c->visited_count]);
	free(TAKE(c->path));
	c->found = (struct tuf_target){ 0 };
}

static int push(struct tuf_client *c, const char *role, const struct metadata *delegator, struct err *e)
{
	if (c->stack_count == c->stack_cap) {
		size_t cap = c->stack_cap ? 2 * c->stack_cap : 16;
		struct client_role *more = realloc(c->stack, cap * sizeof *more);

		if (!more)
			return err_memory(e);
		c->stack = more;
		c->stack_cap = cap;
	}
	c->stack[c->stack_count] = (struct client_role){ .name = strdup(role), .delegator = delegator };
	if (!c->stack[c->stack_count].name)
		return err_memory(e);
	c->stack_count++;
	return 0;
}

int tuf_client_find(struct tuf_client *c, const char *path, size_t len, struct err *e)
{
	if (!c->refreshed)
		return err_set(e, ERR_INTERNAL, "%.*s: searched before a refresh", (int)MIN(len, 200), path);
	/* What a search that failed, or that its driver gave up, has left. */
	client_search_clear(c);
	client_role_release(&c->want);
	c->to_store = NULL;
	c->answered = false;
	c->path = calloc(1, len + 1);
	if (!c->path)
		return err_memory(e);
	memcpy(c->path, path, len);
	c->path_len = len;
	if (push(c, "targets", c->root, e) < 0)
		return e->code;
	c->state = CLIENT_SEARCH;
	return 0;
}

static void drop_pending(struct tuf_client *c, size_t keep_from)
{
	size_t kept = c->stack_count - keep_from;

	for (size_t i = 0; i < keep_from; i++)
		client_role_release(&c->stack[i]);
	memmove(c->stack, c->stack + keep_from, kept * sizeof *c->stack);
	c->stack_count = kept;
}

static void reverse(struct client_role *r, size_t count)
{
	for (size_t i = 0; i < count / 2; i++) {
		struct client_role t = r[i];

		r[i] = r[count - 1 - i];
		r[count - 1 - i] = t;
	}
}

/* The delegations that match, in order, go on top of the stack; a terminating one ends it all there. */
static int push_children(struct tuf_client *c, const struct metadata *m, struct err *e)
{
	size_t below = c->stack_count;
	char bin[DELEGATION_NAME_MAX];
	bool terminates = false;

	if (m->succinct.bit_length) {
		if (delegation_bin(&m->succinct, c->path, c->path_len, bin, e) < 0 || push(c, bin, m, e) < 0)
			return e->code;
		terminates = true;
	}
	for (size_t i = 0; i < m->delegation_count && !terminates; i++) {
		const struct metadata_delegation *d = &m->delegations[i];

		if (!delegation_match(d, c->path, c->path_len))
			continue;
		if (push(c, d->name, m, e) < 0)
			return e->code;
		terminates = d->terminating;
	}
	reverse(c->stack + below, c->stack_count - below);
	if (terminates)
		drop_pending(c, below);
	return 0;
}

static bool visited(const struct tuf_client *c, const char *role)
{
	for (size_t i = 0; i < c->visited_count; i++)
		if (!strcmp(c->visited[i], role))
			return true;
	return false;
}

static int visit(struct tuf_client *c, const struct metadata *m, struct err *e)
{
	struct client_role role = c->stack[--c->stack_count];

	c->visited[c->visited_count++] = role.name;
	c->found.target = metadata_target(m, c->path, c->path_len);
	if (!c->found.target)
		return push_children(c, m, e);
	c->found.role = role.name;
	c->found.signer = m;
	c->state = CLIENT_DONE;
	return 0;
}

int client_search_ask(struct tuf_client *c, struct tuf_step *out, struct err *e)
{
	(void)out;
	while (c->state == CLIENT_SEARCH) {
		struct client_role *top = c->stack_count ? &c->stack[c->stack_count - 1] : NULL;
		const struct metadata *m;

		if (!top) {
			c->state = CLIENT_DONE;
		} else if (visited(c, top->name)) {
			client_role_release(top);
			c->stack_count--;
		} else if (c->visited_count > TUF_SEARCH_ROLES) {
			return err_set(e, ERR_LIMIT, "%s: more than %d delegated roles to search", c->path, TUF_SEARCH_ROLES);
		} else if (!(m = client_loaded(c, top->name, top->delegator))) {
			return client_want(c, top->name, top->delegator, CLIENT_SEARCH, e);
		} else if (visit(c, m, e) < 0) {
			return e->code;
		}
	}
	return 0;
}

/* ---- what was found ---- */

const struct tuf_target *tuf_client_target(const struct tuf_client *c)
{
	return c->found.target ? &c->found : NULL;
}

/* Hex only: it becomes part of a name. */
static const char *target_hash(const struct metadata_target *t)
{
	static const char *const preferred[] = { "sha256", "sha512" };
	const struct json *hash = NULL;

	for (size_t i = 0; i < ARRAY_LEN(preferred) && !hash; i++)
		hash = json_get(t->file.hashes, preferred[i]);
	if (!hash)
		hash = &t->file.hashes->u.members[0].value;
	return hash->count && strspn(hash->u.text, "0123456789abcdefABCDEF") == hash->count ? hash->u.text : NULL;
}

int tuf_client_target_name(const struct tuf_client *c, const struct metadata_target *t, struct buf *out, struct err *e)
{
	const char *hash = target_hash(t);

	if (c->root->consistent_snapshot && !hash)
		return err_set(e, ERR_FORMAT, "%s: a hash that is not hex", t->path.text);
	delegation_target_name(out, t->path.text, t->path.len, c->root->consistent_snapshot ? hash : NULL);
	return buf_check(out, e);
}
