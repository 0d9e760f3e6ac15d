#include "cli/install.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/name.h"
#include "rollout/policy.h"
#include "rollout/ringmap.h"
#include "signing/repo.h"

#define ROLES_MAX 128
#define ROLE_NAME_MAX (NAME_LEN_MAX + 16)

/* Where the keys of a role live. */
enum place { OFFLINE, OPERATOR, VENDOR, SERVER, PROMOTED };
static const char *const places[] = { "offline-keys", "operator-keys", "vendor-keys", "server/keys", "server/keys" };
static const char promoter_keys[] = "promoter/keys";
/* In this order: the server's directory is what makes an installation. */
static const char *const parts[] = { "offline-keys", "operator-keys", "vendor-keys", "policies", "root.json", "promoter", "server" };

struct role {
	char name[ROLE_NAME_MAX];
	enum place place;       /* PROMOTED: of its two keys the second is the promoter's, the same for every ring */
	size_t keys;
	int64_t threshold;
	const struct pubkey *public[INSTALL_ROOT_KEYS]; /* borrowed from the ring */
};

struct making {
	const struct install_plan *plan;
	struct role roles[ROLES_MAX];
	size_t count;
	struct keyring *ring;
	const struct pubkey *promoter;  /* borrowed from the ring */
	char *dir;              /* being filled */
};

/* ---- which roles ---- */

static void add_role(struct making *m, enum place place, size_t keys, int64_t threshold, const char *prefix, const char *name)
{
	struct role *r = &m->roles[m->count++];

	*r = (struct role){ .place = place, .keys = keys, .threshold = threshold };
	snprintf(r->name, sizeof r->name, "%s%s", prefix, name);
}

/* The four of the specification first, then the delegations in the order of the search. */
static void list_roles(struct making *m)
{
	const struct install_plan *p = m->plan;

	add_role(m, OFFLINE, INSTALL_ROOT_KEYS, INSTALL_ROOT_THRESHOLD, "root", "");
	add_role(m, OFFLINE, INSTALL_ROOT_KEYS, INSTALL_ROOT_THRESHOLD, "targets", "");
	add_role(m, SERVER, 1, 1, "snapshot", "");
	add_role(m, SERVER, 1, 1, "timestamp", "");
	for (size_t i = 0; i < p->channel_count; i++)
		add_role(m, VENDOR, 1, 1, "content-", p->channels[i]);
	for (size_t i = 0; i < p->ring_count; i++)
		add_role(m, i ? PROMOTED : SERVER, i ? 2 : 1, i ? 2 : 1, "ring-", p->rings[i]);
	add_role(m, OPERATOR, 1, 1, "fleet", "");
	add_role(m, SERVER, 1, 1, "stop", "");
	add_role(m, OPERATOR, 1, 1, "recall", "");
}

static int check_names(const char *what, const char *const *names, size_t count, size_t max, struct err *e)
{
	if (count == 0 || count > max)
		return err_set(e, ERR_USAGE, "%zu %ss: wanted 1 to %zu", count, what, max);
	for (size_t i = 0; i < count; i++) {
		if (!name_valid(names[i], strlen(names[i])))
			return err_set(e, ERR_USAGE, "\"%.80s\" is no name of a %s: a-z, 0-9 and inner hyphens", names[i], what);
		for (size_t k = 0; k < i; k++)
			if (strcmp(names[i], names[k]) == 0)
				return err_set(e, ERR_USAGE, "%s %s is named twice", what, names[i]);
	}
	return 0;
}

static int check_plan(const struct install_plan *p, struct err *e)
{
	if (check_names("channel", p->channels, p->channel_count, 32, e) < 0 ||
	    check_names("ring", p->rings, p->ring_count, POLICY_RINGS_MAX, e) < 0)
		return e->code;
	if (strpbrk(p->listen, "\r\n;#"))
		return err_set(e, ERR_USAGE, "--listen: not an ADDRESS:PORT");
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO_FREE char *path = file_join(p->dir, parts[i]);

		if (!path)
			return err_memory(e);
		if (file_exists(path))
			return err_set(e, ERR_CONFLICT, "%s exists already: nothing was changed", path);
	}
	return 0;
}

/* ---- keys ---- */

static int make_dir(const struct making *m, const char *name, struct err *e)
{
	AUTO_FREE char *path = file_join(m->dir, name);

	return path ? file_mkdirs(path, 0700, e) : err_memory(e);
}

static int make_key_file(struct making *m, const char *dir, const char *name, const struct pubkey **public, struct err *e)
{
	AUTO(seckey) struct seckey *k = NULL;
	AUTO_FREE char *path = NULL;

	if (asprintf(&path, "%s/%s/%s.pem", m->dir, dir, name) < 0)
		return err_memory(e);
	if (seckey_generate(&k, e) < 0 || seckey_save(k, path, NULL, e) < 0)
		return e->code;
	*public = seckey_public(k);
	return keyring_add(m->ring, name, TAKE(k), e);
}

static int make_key(struct making *m, struct role *r, size_t n, struct err *e)
{
	char name[ROLE_NAME_MAX + 8];

	if (r->place == PROMOTED && n == 1) {
		r->public[n] = m->promoter;
		return 0;
	}
	if (r->keys > 1 && r->place != PROMOTED)
		snprintf(name, sizeof name, "%s-%zu", r->name, n + 1);
	else
		snprintf(name, sizeof name, "%s", r->name);
	return make_key_file(m, places[r->place], name, &r->public[n], e);
}

static int make_keys(struct making *m, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (make_dir(m, places[i], e) < 0)
			return e->code;
	if (make_dir(m, promoter_keys, e) < 0 || make_key_file(m, promoter_keys, "promoter", &m->promoter, e) < 0)
		return e->code;
	for (size_t i = 0; i < m->count; i++)
		for (size_t n = 0; n < m->roles[i].keys; n++)
			if (make_key(m, &m->roles[i], n, e) < 0)
				return e->code;
	return 0;
}

/* ---- the repository ---- */

static struct author_role author_role(const struct role *r)
{
	return (struct author_role){ .name = r->name, .keys = r->public, .key_count = r->keys, .threshold = r->threshold };
}

static int publish_ringmap(struct making *m, const char *dir, struct err *e)
{
	AUTO(repo) struct repo *r = NULL;
	AUTO(buf) struct buf *map = buf_new(RINGMAP_MAX);
	uint8_t salt[16];

	if (!map)
		return err_memory(e);
	if (random_bytes(salt, sizeof salt, e) < 0 ||
	    ringmap_write_default(map, m->plan->rings, m->plan->ring_count, salt, sizeof salt, e) < 0 || repo_open(&r, dir, e) < 0 ||
	    repo_put_target(r, "fleet", RINGMAP_PATH, map->data, map->len, NULL, e) < 0)
		return e->code;
	return repo_publish(r, m->ring, m->plan->now, e);
}

static int make_repository(struct making *m, struct err *e)
{
	struct author_role delegated[ROLES_MAX];
	struct repo_plan plan = { .root = author_role(&m->roles[0]), .targets = author_role(&m->roles[1]),
				  .snapshot = author_role(&m->roles[2]), .timestamp = author_role(&m->roles[3]),
				  .roles = delegated, .count = m->count - 4 };
	AUTO_FREE char *dir = file_join(m->dir, "server/repository");
	AUTO_FREE char *root = file_join(m->dir, "server/repository/metadata/1.root.json");
	AUTO_FREE char *copy = file_join(m->dir, "root.json");
	AUTO_FREE char *promoted = file_join(m->dir, "promoter/root.json");
	AUTO(buf) struct buf *bytes = NULL;

	if (!dir || !root || !copy || !promoted)
		return err_memory(e);
	for (size_t i = 4; i < m->count; i++)
		delegated[i - 4] = author_role(&m->roles[i]);
	if (file_mkdirs(dir, 0755, e) < 0 || repo_create(dir, &plan, m->ring, m->plan->now, e) < 0 || publish_ringmap(m, dir, e) < 0 ||
	    file_read(&bytes, root, METADATA_ROOT_MAX, e) < 0)
		return e->code;
	if (file_replace(copy, bytes->data, bytes->len, 0644, e) < 0)
		return e->code;
	return file_replace(promoted, bytes->data, bytes->len, 0644, e);
}

/* ---- the server's files ---- */

static int write_file(const struct making *m, const char *name, const struct buf *text, mode_t mode, struct err *e)
{
	AUTO_FREE char *path = file_join(m->dir, name);

	if (!path)
		return err_memory(e);
	if (buf_check(text, e) < 0)
		return e->code;
	return file_replace(path, text->data, text->len, mode, e);
}

static int write_config(const struct making *m, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO_FREE char *real = realpath(m->plan->dir, NULL);

	if (!text)
		return err_memory(e);
	if (!real)
		return err_errno(e, "%s", m->plan->dir);
	if (strpbrk(real, "\r\n"))
		return err_set(e, ERR_USAGE, "%s: a line break in its name", m->plan->dir);
	buf_addf(text, "# ringholdd --help lists every key\nlisten = %s\ndata = %s/server\n", m->plan->listen, real);
	return write_file(m, "server/ringholdd.ini", text, 0644, e);
}

/* A new token: itself into a file, its hash with role and name onto the server's list. */
static int make_token(const struct making *m, const char *file, const char *role, const char *name, struct buf *list, struct err *e)
{
	AUTO(buf) struct buf *token = buf_new(0);
	uint8_t bytes[32];
	char text[BASE64URL_LEN(sizeof bytes) + 1], hex[DIGEST_HEX_LEN + 1];
	struct digest hash;

	if (!token)
		return err_memory(e);
	if (random_bytes(bytes, sizeof bytes, e) < 0)
		return e->code;
	base64url_encode(text, bytes, sizeof bytes);
	buf_addf(token, "rho_%s", text);
	if (buf_check(token, e) < 0)
		return e->code;
	hash_bytes(&hash, token->data, token->len);
	digest_hex(hex, &hash);
	buf_addf(list, "%s %s %s\n", hex, role, name);
	buf_addc(token, '\n');
	return write_file(m, file, token, 0600, e);
}

/* The tokens themselves for whoever runs `ringhold` here, and for the promoter, who may look; the server keeps their hashes. */
static int write_tokens(const struct making *m, struct err *e)
{
	AUTO(buf) struct buf *list = buf_new(0);

	if (!list)
		return err_memory(e);
	buf_adds(list, "# SHA-256 of the token, role, name\n");
	if (make_token(m, "server/operator-token", "admin", "admin", list, e) < 0 ||
	    make_token(m, "promoter/token", "viewer", "promoter", list, e) < 0)
		return e->code;
	return write_file(m, "server/operator-tokens", list, 0600, e);
}

static int write_promoter(const struct making *m, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (!text)
		return err_memory(e);
	buf_addf(text, "# where the server is, and what proves it: the file that it writes at its first start, where this user can\n"
		       "# read it; on another machine the line in it, brought by hand\n"
		       "server = https://%s\npin-file = ../server/pin\n; pin = sha256//...\n", m->plan->listen);
	return make_dir(m, "promoter/state", e) < 0 ? e->code : write_file(m, "promoter/promoter.ini", text, 0644, e);
}

/* What is in force anyway, written out to be changed and put with `ringhold policy set`. */
static int write_policies(const struct making *m, struct err *e)
{
	if (make_dir(m, "policies", e) < 0 || make_dir(m, "promoter/policies", e) < 0)
		return e->code;
	for (size_t i = 0; i < m->plan->channel_count; i++) {
		AUTO(policy) struct policy *p = NULL;
		AUTO(buf) struct buf *text = buf_new(POLICY_MAX);
		char name[NAME_LEN_MAX + 48];

		if (!text)
			return err_memory(e);
		if (policy_default(&p, m->plan->channels[i], m->plan->rings, m->plan->ring_count, e) < 0 || policy_write(text, p, e) < 0)
			return e->code;
		buf_addc(text, '\n');
		snprintf(name, sizeof name, "policies/%s.json", m->plan->channels[i]);
		if (write_file(m, name, text, 0644, e) < 0)
			return e->code;
		snprintf(name, sizeof name, "promoter/policies/%s.json", m->plan->channels[i]);
		if (write_file(m, name, text, 0644, e) < 0)
			return e->code;
	}
	return 0;
}

static int move_into_place(const struct making *m, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		AUTO_FREE char *from = file_join(m->dir, parts[i]);
		AUTO_FREE char *to = file_join(m->plan->dir, parts[i]);

		if (!from || !to)
			return err_memory(e);
		if (rename(from, to) < 0)
			return err_errno(e, "%s: rename", to);
	}
	return file_sync_dir(m->plan->dir, e);
}

static int make_all(struct making *m, struct err *e)
{
	if (make_keys(m, e) < 0 || make_repository(m, e) < 0 || write_config(m, e) < 0 || write_tokens(m, e) < 0 ||
	    write_policies(m, e) < 0 || write_promoter(m, e) < 0)
		return e->code;
	return move_into_place(m, e);
}

int install(const struct install_plan *plan, struct err *e)
{
	struct making m = { .plan = plan, .ring = keyring_new() };
	AUTO_FREE char *dir = file_join(plan->dir, ".init-XXXXXX");
	struct err ignored;
	int code = 0;

	if (!m.ring || !dir)
		code = err_memory(e);
	else if (check_plan(plan, e) < 0 || file_mkdirs(plan->dir, 0755, e) < 0)
		code = e->code;
	else if (!mkdtemp(dir))
		code = err_errno(e, "%s: mkdtemp", dir);
	if (code == 0) {
		m.dir = dir;
		list_roles(&m);
		code = make_all(&m, e);
		(void)!file_remove_tree(dir, &ignored);
	}
	keyring_free(m.ring);
	return code;
}

/* ---- what was made ---- */

int install_summary(const struct install_plan *plan, FILE *to, struct err *e)
{
	static const char *const titles[] = { "ROLE", "SIGNATURES", "KEYS IN", "MAY SIGN" };
	struct making m = { .plan = plan };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));

	if (!t)
		return err_memory(e);
	list_roles(&m);
	for (size_t i = 0; i < m.count; i++) {
		const struct role *r = &m.roles[i];
		char pattern[REPO_PATTERN_MAX], threshold[48];
		bool delegated = repo_pattern(pattern, r->name);

		snprintf(threshold, sizeof threshold, "%lld of %zu", (long long)r->threshold, r->keys);
		cli_table_row(t, (const char *const[]){ r->name, threshold, r->place == PROMOTED ? "server/keys, promoter/keys" : places[r->place],
							delegated ? pattern : i == 0 ? "the keys of the next three and its own"
								    : i == 1 ? "the keys of all below"
								    : i == 2 ? "which versions belong together"
									     : "which snapshot is the newest" });
	}
	cli_table_print(t, to);
	cli_table_free(t);
	return 0;
}
