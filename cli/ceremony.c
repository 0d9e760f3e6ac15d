/* ceremony: shown, asked, signed. */
#include "cli/ceremony.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "signing/delegation.h"

/* ---- files ---- */

int ceremony_read(struct sigreq **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_read(&text, path, SIGREQ_MAX + 4096, e) < 0)
		return e->code;
	return sigreq_parse(out, path, text->data ? text->data : "", text->len, e);
}

int ceremony_write(const char *path, const struct sigreq *q, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(SIGREQ_MAX + 4096);

	if (!text)
		return err_memory(e);
	if (sigreq_write(text, q, e) < 0)
		return e->code;
	buf_addc(text, '\n');
	return buf_check(text, e) < 0 ? e->code : file_replace(path, text->data, text->len, 0644, e);
}

/* ---- does it build on what is trusted? ---- */

static int verify_root(const struct metadata *root, const struct metadata *by, struct err *e)
{
	struct authority a = { by, &by->roles[METADATA_ROOT] };

	return verify(root, &a, "root", e);
}

static bool same(const struct metadata *a, const struct metadata *b)
{
	return a->canonical->len == b->canonical->len && !memcmp(a->canonical->data, b->canonical->data, a->canonical->len);
}

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* ERR_NOT_FOUND: no such file. */
static int read_role(struct metadata **out, const char *dir, const char *file, enum metadata_type type, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, file);
	AUTO(buf) struct buf *bytes = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, path, METADATA_LISTED_MAX, e) < 0)
		return e->code;
	return metadata_parse(out, type, path, bytes->data, bytes->len, e);
}

/* DIR/root.json, or the first of a repository's numbered ones. */
static int first_root(struct metadata **out, const char *trusted, struct err *e)
{
	AUTO(buf) struct buf *bytes = NULL;

	if (is_dir(trusted)) {
		int got = read_role(out, trusted, "root.json", METADATA_ROOT, e);

		return got == ERR_NOT_FOUND ? read_role(out, trusted, "1.root.json", METADATA_ROOT, e) : got;
	}
	if (file_read(&bytes, trusted, METADATA_ROOT_MAX, e) < 0)
		return e->code;
	return metadata_parse(out, METADATA_ROOT, trusted, bytes->data, bytes->len, e);
}

/* From the trusted root over those beside it, or over the request's own when it is the next, to the request's. */
static int follow_root(const struct sigreq *q, const char *trusted, struct err *e)
{
	AUTO(metadata) struct metadata *root = NULL;

	if (first_root(&root, trusted, e) < 0)
		return e->code;
	if (verify_root(root, root, e) < 0)
		return err_wrap(e, "%s", trusted);
	while (root->version < q->root->version) {
		struct metadata *next = NULL;
		char file[48];
		int got;

		snprintf(file, sizeof file, "%lld.root.json", (long long)root->version + 1);
		got = is_dir(trusted) ? read_role(&next, trusted, file, METADATA_ROOT, e) : ERR_NOT_FOUND;
		if (got == ERR_NOT_FOUND && q->root->version == root->version + 1)
			return verify_root(q->root, root, e) < 0 ? err_wrap(e, "the root that the request builds on does not follow the trusted one") : 0;
		if (got == ERR_NOT_FOUND)
			return err_set(e, ERR_NOT_FOUND, "%s: trusts root version %lld, the request builds on version %lld: bring %s and what follows",
				       trusted, (long long)root->version, (long long)q->root->version, file);
		if (got < 0)
			return got;
		if (next->version != root->version + 1 || verify_root(next, root, e) < 0 || verify_root(next, next, e) < 0) {
			metadata_free(next);
			return err_set(e, ERR_AUTH, "%s/%s does not follow the root before it", trusted, file);
		}
		metadata_free(root);
		root = next;
	}
	if (root->version > q->root->version)
		return err_set(e, ERR_CONFLICT, "the request is stale: it builds on root version %lld, %s trusts version %lld",
			       (long long)q->root->version, trusted, (long long)root->version);
	return same(root, q->root) ? 0 : err_set(e, ERR_AUTH, "the root that the request builds on is not the one of %s", trusted);
}

/* "7.targets.json"; version 0: without it. NULL: no memory. A role's name cannot leave its directory. */
static char *file_of(const char *role, int64_t version)
{
	AUTO(buf) struct buf *name = buf_new(0);

	if (!name)
		return NULL;
	if (version)
		buf_addf(name, "%lld.", (long long)version);
	delegation_quote(name, role, strlen(role));
	buf_adds(name, ".json");
	return buf_take(name);
}

/* A repository's directory holds a file under the very version that would be signed: another was published. */
static int check_published(const struct sigreq_draft *d, const char *dir, struct err *e)
{
	AUTO_FREE char *file = file_of(d->role, d->base ? d->base->version + 1 : 1), *path = file ? file_join(dir, file) : NULL;

	if (!path)
		return err_memory(e);
	return file_exists(path) ? err_set(e, ERR_CONFLICT, "the request is stale: %s holds %s already", dir, file) : 0;
}

/* A client's directory keeps ROLE.json as it saw them last. */
static int check_newer(const struct sigreq *q, const char *dir, struct err *e)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		const struct sigreq_draft *d = &q->drafts[i];
		AUTO(metadata) struct metadata *known = NULL;
		AUTO_FREE char *file = file_of(d->role, 0);
		int got;

		if (!file)
			return err_memory(e);
		if (check_published(d, dir, e) < 0)
			return e->code;
		got = read_role(&known, dir, file, d->draft->type, e);
		if (got < 0 && got != ERR_NOT_FOUND)
			return got;
		if (known && known->version > (d->base ? d->base->version : 0))
			return err_set(e, ERR_CONFLICT, "the request is stale: it replaces %s version %lld, %s knows version %lld", d->role,
				       d->base ? (long long)d->base->version : 0LL, dir, (long long)known->version);
	}
	return 0;
}

/* What a draft replaces was signed by those who could. */
static int check_base(const struct sigreq *q, const struct sigreq_draft *d, struct err *e)
{
	struct authority by;

	if (!d->base || !strcmp(d->role, "root") || !strcmp(d->role, "targets"))
		return 0;
	if (!authority_of(&by, q->targets, d->role))
		return err_set(e, ERR_AUTH, "%s: nobody delegates to it, yet the request replaces version %lld", d->role, (long long)d->base->version);
	return verify(d->base, &by, d->role, e);
}

int ceremony_check(const struct sigreq *q, const char *trusted, int64_t now, struct err *e)
{
	struct authority targets = { q->root, &q->root->roles[METADATA_TARGETS] };
	char is[CLOCK_TEXT_LEN + 1], until[CLOCK_TEXT_LEN + 1];

	if (verify_root(q->root, q->root, e) < 0 || verify(q->targets, &targets, "targets", e) < 0)
		return err_wrap(e, "the request does not hold together");
	for (size_t i = 0; i < q->draft_count; i++)
		if (check_base(q, &q->drafts[i], e) < 0)
			return err_wrap(e, "the request does not hold together");
	clock_text(is, now);
	for (size_t i = 0; i < q->draft_count; i++)
		if (q->drafts[i].draft->expires <= now) {
			clock_text(until, q->drafts[i].draft->expires);
			return err_set(e, ERR_EXPIRED, "%s: what would be signed expires at %s, and this clock says %s", q->drafts[i].role, until, is);
		}
	if (q->expires <= now) {
		clock_text(until, q->expires);
		return err_set(e, ERR_EXPIRED, "the request expired at %s, and this clock says %s", until, is);
	}
	if (!trusted)
		return 0;
	return follow_root(q, trusted, e) < 0 || (is_dir(trusted) && check_newer(q, trusted, e) < 0) ? e->code : 0;
}

/* ---- showing ---- */

static const char *name_of(void *arg, const struct pubkey *k)
{
	const struct keyring *ring = arg;

	for (size_t i = 0; ring && i < ring->count; i++)
		if (pubkey_equal(seckey_public(ring->keys[i].key), k)) {
			const char *slash = strrchr(ring->keys[i].name, '/');

			return slash ? slash + 1 : ring->keys[i].name;
		}
	return NULL;
}

static void put_signatures(struct json_writer *w, const struct sigreq *q)
{
	json_open_array(w, "roles");
	for (size_t i = 0; i < q->draft_count; i++) {
		size_t have = 0;
		int64_t need = 0;

		(void)!sigreq_count(q, q->drafts[i].role, NULL, &have, &need);
		json_open_object(w, NULL);
		json_put_text(w, "role", q->drafts[i].role);
		json_put_int(w, "version", q->drafts[i].draft->version);
		json_put_int(w, "have", (int64_t)have);
		json_put_int(w, "need", need);
		json_close_object(w);
	}
	json_close_array(w);
}

static int show_json(const struct sigreq *q, const struct change_text *changes, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "id", q->id);
	json_put_text(&w, "by", q->by);
	json_put_text(&w, "reason", q->reason);
	json_put_time(&w, "created", q->created);
	json_put_time(&w, "expires", q->expires);
	put_signatures(&w, q);
	change_text_json(&w, "changes", changes);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	printf("%s\n", text->data);
	return 0;
}

static void add_escaped(struct buf *out, const char *label, const char *text)
{
	buf_adds(out, label);
	log_escape(out, text, strlen(text));
	buf_addc(out, '\n');
}

static int show_text(const struct sigreq *q, const struct change_text *changes, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);
	char created[CLOCK_TEXT_LEN + 1], expires[CLOCK_TEXT_LEN + 1];

	if (!out)
		return err_memory(e);
	clock_text(created, q->created);
	clock_text(expires, q->expires);
	buf_addf(out, "signing request %s, asked at %s, open until %s\n", q->id, created, expires);
	add_escaped(out, "asked by   ", q->by);
	add_escaped(out, "because    ", q->reason);
	buf_adds(out, "\nWhat will be trusted:\n");
	change_text_print(out, changes);
	buf_addc(out, '\n');
	for (size_t i = 0; i < q->draft_count; i++) {
		size_t have = 0;
		int64_t need = 0;

		(void)!sigreq_count(q, q->drafts[i].role, NULL, &have, &need);
		buf_addf(out, "%s: %zu of %lld signatures\n", q->drafts[i].role, have, (long long)need);
	}
	if (buf_check(out, e) < 0)
		return e->code;
	fputs(out->data, stdout);
	fflush(stdout);
	return 0;
}

int ceremony_show(const struct sigreq *q, const struct keyring *ring, bool json, struct err *e)
{
	AUTO(change_text) struct change_text *changes = NULL;

	if (change_text_of(&changes, q, name_of, (void *)ring, e) < 0)
		return e->code;
	return json ? show_json(q, changes, e) : show_text(q, changes, e);
}

int ceremony_show_role(FILE *to, const char *role, const struct metadata *was, const void *envelope, size_t len, struct err *e)
{
	AUTO(change_text) struct change_text *changes = change_text_new();
	AUTO(metadata) struct metadata *m = NULL;
	AUTO(buf) struct buf *out = buf_new(0);

	if (!changes || !out)
		return err_memory(e);
	if (metadata_parse(&m, METADATA_TARGETS, role, envelope, len, e) < 0 || change_text_add(changes, role, was, m, NULL, e) < 0)
		return e->code;
	change_text_print(out, changes);
	if (buf_check(out, e) < 0)
		return e->code;
	fputs(out->data, to);
	fflush(to);
	return 0;
}

/* ---- asking and signing ---- */

int ceremony_confirm(const char *question, bool yes, struct err *e)
{
	char line[16] = "";

	if (yes)
		return 0;
	if (!isatty(STDIN_FILENO))
		return err_set(e, ERR_REFUSED, "nobody can be asked: there is no terminal; read the difference above and use --yes");
	fprintf(stderr, "\n%s Type yes: ", question);
	if (fgets(line, sizeof line, stdin) && (strcmp(line, "yes\n") == 0 || strcmp(line, "yes") == 0))
		return 0;
	return err_set(e, ERR_REFUSED, "not signed: the answer was no");
}

/* One of the keys may sign one of the drafts. */
static bool may_sign(const struct sigreq *q, const struct keyring *ring)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		struct authority by[SIGREQ_AUTHORITIES];
		size_t count = sigreq_authorities(q, q->drafts[i].role, NULL, by);

		for (size_t k = 0; k < count; k++) {
			const struct pubkey *keys[KEYRING_MAX];
			size_t listed = authority_keys(&by[k], keys, ARRAY_LEN(keys));

			for (size_t n = 0; n < listed; n++)
				if (keyring_find(ring, keys[n]))
					return true;
		}
	}
	return false;
}

int ceremony_sign(struct sigreq *q, const struct keyring *ring, struct err *e)
{
	if (!may_sign(q, ring))
		return err_set(e, ERR_AUTH, "none of the %zu keys at hand may sign request %s", ring->count, q->id);
	return sigreq_sign(q, ring, NULL, e);
}
