/* takeover: an attacker with keys of the server, and of others, signs what they like. */
#include "takeover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "content/bundle.h"
#include "rollout/assignment.h"
#include "signing/keyring.h"
#include "signing/repo.h"

static int add_keys(struct keyring *ring, const struct world *w, const char *dir, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, dir);
	AUTO(keyring) struct keyring *more = NULL;
	uid_t owner = strncmp(dir, "promoter", 8) == 0 ? WORLD_PROMOTER_UID : geteuid();

	if (!path)
		return err_memory(e);
	/* Keys that are not ours are not read: the attacker is their owner for a moment. */
	if (geteuid() == 0 && seteuid(owner) < 0)
		return err_errno(e, "seteuid");
	(void)!keyring_load(&more, path, NULL, NULL, e);
	if (geteuid() == owner && owner != 0 && seteuid(0) < 0)
		return err_errno(e, "seteuid");
	if (!more)
		return e->code;
	for (size_t i = 0; i < more->count; i++)
		if (keyring_add(ring, more->keys[i].name, TAKE(more->keys[i].key), e) < 0)
			return e->code;
	return 0;
}

static int list_bundle(struct repo *r, const struct world *w, const struct bundle_made *b, const char *path, struct err *e)
{
	char role[80], hex[DIGEST_HEX_LEN + 1];
	AUTO_FREE char *custom = NULL;
	uint64_t size;

	if (bundle_check(b->archive, NULL, NULL, NULL, &size, e) < 0)
		return e->code;
	digest_hex(hex, &b->digest);
	snprintf(role, sizeof role, "content-%s", w->channel);
	if (asprintf(&custom, "{\"ringhold\":{\"kind\":\"full\",\"channel\":\"%s\",\"serial\":%llu,\"version\":\"%llu\","
		     "\"digest\":\"%s\",\"size\":%llu}}", w->channel, (unsigned long long)b->serial,
		     (unsigned long long)b->serial, hex, (unsigned long long)size) < 0)
		return err_memory(e);
	return repo_put_target_file(r, role, path, b->archive, custom, e);
}

static int assign(struct repo *r, const struct world *w, const struct bundle_made *b, const char *path, const char *ring,
		  struct err *e)
{
	struct assignment a = { .attempt = 1, .issued = clock_now(), .reason = "taken over", .probation_s = 60 };
	AUTO(buf) struct buf *text = buf_new(ASSIGNMENT_MAX);
	char role[80], at[PATH_LEN_MAX + 1];

	if (!text)
		return err_memory(e);
	snprintf(a.channel, sizeof a.channel, "%s", w->channel);
	snprintf(a.ring, sizeof a.ring, "%s", ring);
	snprintf(a.bundle.path, sizeof a.bundle.path, "%s", path);
	snprintf(a.bundle.version, sizeof a.bundle.version, "%llu", (unsigned long long)b->serial);
	a.bundle.serial = b->serial;
	a.bundle.digest = b->digest;
	snprintf(role, sizeof role, "ring-%s", ring);
	assignment_path(at, ring, w->channel);
	if (assignment_write(text, &a, e) < 0)
		return e->code;
	return repo_put_target(r, role, at, text->data, text->len, NULL, e);
}

int takeover_assign_everywhere(struct world *w, const struct bundle_made *b, struct err *e)
{
	static const char *const rings[] = { "canary", "early", "broad" };
	static const char *const dirs[] = { "server/keys", "vendor-keys", "promoter/keys" };
	AUTO_FREE char *dir = file_join(w->dir, "server/repository");
	AUTO(keyring) struct keyring *ring = NULL;
	AUTO(repo) struct repo *r = NULL;
	char path[PATH_LEN_MAX + 1];

	if (!dir)
		return err_memory(e);
	bundle_path(path, w->channel, b->serial);
	ring = keyring_new();
	if (!ring)
		return err_memory(e);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
		if (add_keys(ring, w, dirs[i], e) < 0)
			return e->code;
	if (repo_open(&r, dir, e) < 0 || list_bundle(r, w, b, path, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(rings); i++)
		if (assign(r, w, b, path, rings[i], e) < 0)
			return e->code;
	return repo_publish(r, ring, clock_now(), e);
}
