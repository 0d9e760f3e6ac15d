/* metadata: what other files are said to be: meta entries, targets, lengths, hashes. */
#include <openssl/evp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "signing/metadata_parts.h"

#define READ_CHUNK 65536

/* TUF leaves the names open; these are what implementations write. */
static const struct algorithm {
	const char *name;
	const EVP_MD *(*md)(void);
} algorithms[] = {
	{ "sha256", EVP_sha256 },
	{ "sha512", EVP_sha512 },
	{ "sha384", EVP_sha384 },
	{ "sha224", EVP_sha224 },
	{ "sha3-256", EVP_sha3_256 },
	{ "sha3-512", EVP_sha3_512 },
	{ "blake2b", EVP_blake2b512 },
	{ "blake2s", EVP_blake2s256 },
};

static int read_hashes(const struct metadata *m, const struct json *o, struct metadata_file *f, struct err *e)
{
	if (json_may_object(m->doc, o, "hashes", &f->hashes, e) < 0)
		return e->code;
	if (!f->hashes)
		return 0;
	if (f->hashes->count == 0)
		return json_error(m->doc, f->hashes, e, ERR_FORMAT, "hashes that list none");
	for (size_t i = 0; i < f->hashes->count; i++)
		if (f->hashes->u.members[i].value.type != JSON_STRING)
			return json_error(m->doc, f->hashes, e, ERR_FORMAT, "a hash that is no string");
	return 0;
}

static int read_entry(const struct metadata *m, const struct json_member *member, struct metadata_entry *entry, struct err *e)
{
	const struct json *o = &member->value;

	entry->name = member->key;
	entry->file.length = -1;
	if (o->type != JSON_OBJECT)
		return json_error(m->doc, o, e, ERR_FORMAT, "an entry of meta that is no object");
	if (json_want_int(m->doc, o, "version", 1, INT64_MAX, &entry->version, e) < 0 ||
	    json_may_int(m->doc, o, "length", 0, INT64_MAX, &entry->file.length, e) < 0 ||
	    read_hashes(m, o, &entry->file, e) < 0)
		return e->code;
	return 0;
}

static int entry_order(const void *a, const void *b)
{
	return metadata_compare(((const struct metadata_entry *)a)->name, ((const struct metadata_entry *)b)->name);
}

/* Of a timestamp only "snapshot.json" counts, and it must be there. */
int metadata_read_meta(struct metadata *m, struct err *e)
{
	const struct json *meta;

	if (json_want_object(m->doc, m->body, "meta", &meta, e) < 0)
		return e->code;
	m->entries = metadata_array(meta->count, sizeof *m->entries, e);
	if (!m->entries)
		return e->code;
	for (size_t i = 0; i < meta->count; i++) {
		struct json key = json_key(m->doc, &meta->u.members[i]);

		if (m->type == METADATA_TIMESTAMP && !json_is(&key, "snapshot.json"))
			continue;
		if (read_entry(m, &meta->u.members[i], &m->entries[m->entry_count++], e) < 0)
			return e->code;
	}
	if (m->type == METADATA_TIMESTAMP && m->entry_count == 0)
		return json_error(m->doc, meta, e, ERR_FORMAT, "meta without snapshot.json");
	qsort(m->entries, m->entry_count, sizeof *m->entries, entry_order);
	return 0;
}

static int read_target(const struct metadata *m, const struct json_member *member, struct metadata_target *t, struct err *e)
{
	const struct json *o = &member->value, *sha256;

	t->path = member->key;
	if (o->type != JSON_OBJECT)
		return json_error(m->doc, o, e, ERR_FORMAT, "a target that is no object");
	if (json_want_int(m->doc, o, "length", 0, INT64_MAX, &t->file.length, e) < 0 ||
	    read_hashes(m, o, &t->file, e) < 0 || json_may_object(m->doc, o, "custom", &t->custom, e) < 0)
		return e->code;
	if (!t->file.hashes)
		return json_error(m->doc, o, e, ERR_FORMAT, "a target without hashes");
	sha256 = json_get(t->file.hashes, "sha256");
	t->has_sha256 = sha256 && digest_parse(&t->sha256, sha256->u.text, sha256->count);
	return 0;
}

static int target_order(const void *a, const void *b)
{
	return metadata_compare(((const struct metadata_target *)a)->path, ((const struct metadata_target *)b)->path);
}

int metadata_read_targets(struct metadata *m, struct err *e)
{
	const struct json *targets;

	if (json_want_object(m->doc, m->body, "targets", &targets, e) < 0)
		return e->code;
	m->targets = metadata_array(targets->count, sizeof *m->targets, e);
	if (!m->targets)
		return e->code;
	for (size_t i = 0; i < targets->count; i++)
		if (read_target(m, &targets->u.members[i], &m->targets[m->target_count++], e) < 0)
			return e->code;
	qsort(m->targets, m->target_count, sizeof *m->targets, target_order);
	return metadata_read_delegations(m, e);
}

/* ---- checking bytes against it ---- */

struct digests {
	struct one {
		EVP_MD_CTX *ctx;
		const char *algorithm;
		const struct json *want;
	} *list;
	size_t count;
};

static void digests_freep(struct digests *d)
{
	for (size_t i = 0; i < d->count; i++)
		EVP_MD_CTX_free(d->list[i].ctx);
	free(d->list);
}

static const struct algorithm *find_algorithm(const struct json_string *name)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (strlen(algorithms[i].name) == name->len && !memcmp(algorithms[i].name, name->text, name->len))
			return &algorithms[i];
	return NULL;
}

static int digests_begin(struct digests *d, const struct metadata_file *f, const char *name, struct err *e)
{
	if (!f->hashes)
		return 0;
	d->list = metadata_array(f->hashes->count, sizeof *d->list, e);
	if (!d->list)
		return e->code;
	for (size_t i = 0; i < f->hashes->count; i++) {
		const struct json_member *m = &f->hashes->u.members[i];
		const struct algorithm *known = find_algorithm(&m->key);
		EVP_MD_CTX *ctx;

		if (!known)
			continue;
		ctx = EVP_MD_CTX_new();
		d->list[d->count++] = (struct one){ ctx, known->name, &m->value };
		if (!ctx || EVP_DigestInit_ex(ctx, known->md(), NULL) != 1)
			return err_memory(e);
	}
	if (d->count == 0)
		return err_set(e, ERR_UNSUPPORTED, "%s: no hash of a known algorithm is listed", name);
	return 0;
}

static void digests_add(struct digests *d, const void *bytes, size_t len)
{
	for (size_t i = 0; i < d->count; i++)
		EVP_DigestUpdate(d->list[i].ctx, bytes, len);
}

static int digests_end(struct digests *d, const char *name, struct err *e)
{
	for (size_t i = 0; i < d->count; i++) {
		unsigned char md[EVP_MAX_MD_SIZE];
		char hex[2 * EVP_MAX_MD_SIZE + 1];
		unsigned len = 0;

		if (EVP_DigestFinal_ex(d->list[i].ctx, md, &len) != 1)
			return err_set(e, ERR_INTERNAL, "%s: no %s can be computed", name, d->list[i].algorithm);
		hex_encode(hex, md, len);
		if (!json_is(d->list[i].want, hex))
			return err_set(e, ERR_REFUSED, "%s: its %s is not the listed one", name, d->list[i].algorithm);
	}
	return 0;
}

static int check_length(const struct metadata_file *f, const char *name, uint64_t len, struct err *e)
{
	if (f->length >= 0 && len != (uint64_t)f->length)
		return err_set(e, ERR_REFUSED, "%s: %llu bytes instead of the listed %lld", name,
			       (unsigned long long)len, (long long)f->length);
	return 0;
}

int metadata_file_check(const struct metadata_file *f, const char *name, const void *bytes, size_t len, struct err *e)
{
	__attribute__((cleanup(digests_freep))) struct digests d = { 0 };

	if (check_length(f, name, len, e) < 0 || digests_begin(&d, f, name, e) < 0)
		return e->code;
	digests_add(&d, bytes, len);
	return digests_end(&d, name, e);
}

int metadata_file_check_fd(const struct metadata_file *f, const char *name, int fd, struct err *e)
{
	__attribute__((cleanup(digests_freep))) struct digests d = { 0 };
	AUTO_FREE char *chunk = malloc(READ_CHUNK);
	uint64_t total = 0;
	ssize_t n;

	if (!chunk)
		return err_memory(e);
	if (digests_begin(&d, f, name, e) < 0)
		return e->code;
	while ((n = pread(fd, chunk, READ_CHUNK, (off_t)total)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(e, "%s: read", name);
		digests_add(&d, chunk, (size_t)n);
		total += (uint64_t)n;
		if (f->length >= 0 && total > (uint64_t)f->length)
			break;
	}
	if (check_length(f, name, total, e) < 0)
		return e->code;
	return digests_end(&d, name, e);
}
