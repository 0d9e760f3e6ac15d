/* desk_versions: versions are set aside in the store before anything is signed under them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "server/desk_parts.h"
#include "server/writer.h"

#define TRIES 32        /* each time another server was faster */

/* What the store says of one role. */
struct row {
	const char *role;
	int64_t version;        /* 0: nothing */
	struct digest digest;
};

static int read_row(const struct store_reservation *r, void *arg, struct err *e)
{
	struct row *row = arg;

	(void)e;
	row->version = r->version;
	row->digest = r->digest;
	return 0;
}

static int find_row(struct desk *d, const char *role, struct row *out, struct err *e)
{
	*out = (struct row){ .role = role };
	return store_each_reservation(d->store, role, read_row, out, e);
}

int desk_reserved(struct desk *d, const char *role, int64_t *version, struct err *e)
{
	struct row row;

	*version = 0;
	if (!d->store)
		return 0;
	if (find_row(d, role, &row, e) < 0)
		return e->code;
	*version = row.version;
	return 0;
}

/*
 * What people signed has its version: it is a new one, or the very file that
 * was published under it. It is noted when it is published, not before: what
 * nobody could see may be signed again.
 */
static int check_exact(const struct repo_reservation *want, const struct row *row, struct err *e)
{
	if (want->version < row->version)
		return err_set(e, ERR_ROLLBACK,
			       "%s: version %lld is not used again: version %lld was published before, and what is published now is an older "
			       "copy: put the newer file back, or sign a version above it",
			       want->role, (long long)want->version, (long long)row->version);
	if (want->version == row->version && !digest_equal(want->sha256, &row->digest))
		return err_set(e, ERR_CONFLICT, "%s: another file was published under version %lld before: sign a version above it",
			       want->role, (long long)want->version);
	return 0;
}

/* One attempt: everything read, everything swapped in one transaction. */
static int swap(struct desk *d, struct repo_reservation *list, size_t count, bool *again, struct err *e)
{
	AUTO_FREE struct store_record *records = calloc(count, sizeof *records);
	struct write w = { .append = { .records = records } };
	int got;

	*again = false;
	if (!records)
		return err_memory(e);
	for (size_t i = 0; i < count; i++) {
		struct repo_reservation *one = &list[i];
		struct store_record *r = &records[w.append.count];
		struct row row;

		if (find_row(d, one->role, &row, e) < 0 || (one->sha256 && check_exact(one, &row, e) < 0))
			return e->code;
		if (one->sha256)
			continue;
		one->version = MAX(one->version, row.version + 1);
		r->kind = STORE_RESERVATION;
		r->u.reservation = (struct store_reservation){ .role = one->role, .last = row.version, .version = one->version };
		w.append.count++;
	}
	got = w.append.count ? writer_submit(d->writer, &w, e) : 0;
	*again = got == ERR_CONFLICT;
	return got;
}

int desk_reserve(struct repo_reservation *list, size_t count, void *arg, struct err *e)
{
	bool again = true;
	int got = ERR_CONFLICT;

	/* What a lost race left in the list is a lower bound like any other. */
	for (int tries = 0; again && tries < TRIES; tries++)
		got = swap(arg, list, count, &again, e);
	return got;
}

/* ---- what is published counts as signed, whoever did it ---- */

static int note_role(struct desk *d, const char *role, const struct metadata *m, bool opening, struct err *e)
{
	struct store_record r = { .kind = STORE_RESERVATION };
	struct write w = { .append = { .records = &r, .count = 1 } };
	struct digest sha256;
	struct row row;
	int got;

	if (find_row(d, role, &row, e) < 0)
		return e->code;
	if (opening && m->version < row.version && repo_is_people(role))
		log_warn("%s: version %lld is published and version %lld was before: the repository is an older copy, "
			 "and no version up to %lld is used again",
			 role, (long long)m->version, (long long)row.version, (long long)row.version);
	if (m->version <= row.version)
		return 0;
	hash_bytes(&sha256, m->raw->data, m->raw->len);
	r.u.reservation = (struct store_reservation){ role, row.version, m->version, sha256 };
	got = writer_submit(d->writer, &w, e);
	/* another server was faster: with a greater one */
	return got == ERR_CONFLICT ? 0 : got;
}

int desk_note_published(struct desk *d, bool opening, struct err *e)
{
	for (size_t i = 0; d->store && i < repo_role_count(d->repo); i++) {
		const struct metadata *m;
		struct repo_status s;

		repo_role_status(d->repo, i, NULL, &s);
		m = strcmp(s.role, "root") == 0 ? repo_root(d->repo) : repo_role(d->repo, s.role);
		if (m && note_role(d, s.role, m, opening, e) < 0)
			return err_wrap(e, "versions published so far");
	}
	return 0;
}

int desk_keep_count(struct desk *d, struct store *store, struct writer *writer, struct err *e)
{
	int got;

	pthread_mutex_lock(&d->lock);
	d->store = store;
	d->writer = writer;
	repo_set_reserve(d->repo, desk_reserve, d);
	got = desk_note_published(d, true, e);
	pthread_mutex_unlock(&d->lock);
	return got;
}
