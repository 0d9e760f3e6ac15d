/* publish: old bundles leave the list of their channel, but none that is still needed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/publish_parts.h"
#include "rollout/assignment.h"

#define RINGS_MAX 64

/* Target paths that assignments of the server name. */
struct named {
	char paths[2 * RINGS_MAX][PATH_LEN_MAX + 1];
	size_t count;
};

static int fetch_role(struct metadata **out, struct remote *r, const char *role, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "/v1/roles/%s", role) < 0) {
		path = NULL;
		return err_memory(e);
	}
	if (remote_call(r, "GET", path, NULL, &answer, e) < 0)
		return e->code;
	return metadata_parse(out, METADATA_TARGETS, role, answer.text->data, answer.text->len, e);
}

/* What the ring runs and what it would go back to. A ring without an assignment names nothing. */
static int name_of_ring(struct named *n, struct remote *r, const char *role, const char *channel, struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(assignment) struct assignment *a = NULL;
	AUTO(buf) struct buf *text = NULL;
	const struct metadata_target *t;
	char path[PATH_LEN_MAX + 1], hex[DIGEST_HEX_LEN + 1];
	int got = fetch_role(&m, r, role, e);

	if (got < 0)
		return got == ERR_NOT_FOUND ? 0 : got;
	assignment_path(path, role + strlen("ring-"), channel);
	t = metadata_target(m, path, strlen(path));
	if (!t || !t->has_sha256)
		return 0;
	digest_hex(hex, &t->sha256);
	if (remote_target(r, path, (uint64_t)t->file.length, hex, &text, e) < 0 ||
	    assignment_parse(&a, path, text->data, text->len, e) < 0)
		return e->code;
	memcpy(n->paths[n->count++], a->bundle.path, sizeof a->bundle.path);
	if (!digest_is_zero(&a->previous.digest))
		memcpy(n->paths[n->count++], a->previous.path, sizeof a->previous.path);
	return 0;
}

static int find_named(struct named *n, struct remote *r, const char *channel, struct err *e)
{
	AUTO(metadata) struct metadata *targets = NULL;
	size_t rings = 0;

	if (fetch_role(&targets, r, "targets", e) < 0)
		return e->code;
	for (size_t i = 0; i < targets->delegation_count; i++) {
		const char *role = targets->delegations[i].name;

		if (strncmp(role, "ring-", 5) != 0 || strlen(role + 5) > NAME_LEN_MAX)
			continue;
		if (rings++ == RINGS_MAX)
			return err_set(e, ERR_LIMIT, "more than %d rings", RINGS_MAX);
		if (name_of_ring(n, r, role, channel, e) < 0)
			return err_wrap(e, "what %s is assigned", role);
	}
	return 0;
}

static bool is_named(const struct named *n, const char *path)
{
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->paths[i], path) == 0)
			return true;
	return false;
}

/* One target of the role that may go. */
struct old {
	const struct metadata_target *target;
	int64_t serial;         /* of an archive; the new bundle's is greater than all */
	struct digest digest;   /* of it; of a delta: of the bundle it leads to */
	bool archive, goes;
};

static bool is_delta(const struct metadata_target *t, const char *channel, struct digest *to)
{
	const struct json *custom = t->custom ? json_get(t->custom, "ringhold") : NULL;
	const struct json *hex = json_get(custom, "digest");

	return custom && json_is(json_get(custom, "kind"), "delta") && json_is(json_get(custom, "channel"), channel) && hex &&
	       hex->type == JSON_STRING && digest_parse(to, hex->u.text, hex->count);
}

static size_t collect(struct old *all, const struct metadata *m, const char *channel)
{
	size_t count = 0;

	for (size_t i = 0; i < m->target_count; i++) {
		struct old *o = &all[count];

		*o = (struct old){ .target = &m->targets[i] };
		o->archive = publish_is_archive(o->target, channel, &o->serial, &o->digest);
		if (o->archive || is_delta(o->target, channel, &o->digest))
			count++;
	}
	return count;
}

static void judge_archives(struct old *all, size_t count, const struct publish *p, const struct named *n)
{
	for (size_t i = 0; i < count; i++) {
		int64_t newer = 1;      /* the one that comes */

		for (size_t k = 0; k < count; k++)
			newer += all[k].archive && all[k].serial > all[i].serial;
		all[i].goes = all[i].archive && newer >= p->keep && !is_named(n, all[i].target->path.text);
	}
}

/* A delta goes with the bundle it leads to. */
static void judge_deltas(struct old *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < count && !all[i].archive; k++)
			all[i].goes = all[i].goes || (all[k].archive && all[k].goes && digest_equal(&all[k].digest, &all[i].digest));
}

int publish_drop_old(struct publish *p, struct remote *r, struct role_edit *x, struct err *e)
{
	const struct metadata *m = role_edit_now(x);
	AUTO_FREE struct old *all = calloc(m->target_count + 1, sizeof *all);
	AUTO_FREE struct named *named = calloc(1, sizeof *named);
	size_t count;

	if (!all || !named)
		return err_memory(e);
	count = collect(all, m, p->manifest->channel);
	if (p->keep == 0 || count < (size_t)p->keep)
		return 0;
	/* What is needed is not known: then nothing goes. */
	if (find_named(named, r, p->manifest->channel, e) < 0) {
		snprintf(p->kept, sizeof p->kept, "%.190s", e->msg);
		return 0;
	}
	judge_archives(all, count, p, named);
	judge_deltas(all, count);
	for (size_t i = 0; i < count; i++)
		if (all[i].goes)
			p->dropped += author_remove_target(role_edit_author(x), all[i].target->path.text);
	return 0;
}
