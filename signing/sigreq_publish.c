/* sigreq_publish: a request with enough signatures becomes what a repository publishes, in one step. */
#include <string.h>

#include "signing/repo.h"
#include "signing/sigreq.h"

static const struct metadata *current(const struct repo *r, const char *role)
{
	return strcmp(role, "root") == 0 ? repo_root(r) : repo_role(r, role);
}

int sigreq_check_repo(const struct sigreq *q, const struct repo *r, struct err *e)
{
	for (size_t i = 0; i < q->draft_count; i++)
		if (sigreq_check_base(&q->drafts[i], current(r, q->drafts[i].role), e) < 0)
			return e->code;
	return 0;
}

static int missing(const struct sigreq *q, const struct sigreq_trust *t, struct err *e)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		size_t have;
		int64_t need;

		if (!sigreq_count(q, q->drafts[i].role, t, &have, &need))
			return err_set(e, ERR_NOT_FOUND, "%s: no such role", q->drafts[i].role);
		if ((int64_t)have < need)
			return err_set(e, ERR_AUTH, "request %s: %s has %zu of %lld signatures", q->id, q->drafts[i].role, have,
				       (long long)need);
	}
	return 0;
}

static int put_all(const struct sigreq *q, struct repo *r, int64_t now, struct err *e)
{
	for (size_t i = 0; i < q->document_count; i++) {
		const struct sigreq_document *d = &q->documents[i];

		if (repo_stage(r, d->path, d->bytes->data ? d->bytes->data : "", d->bytes->len, NULL, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < q->draft_count; i++) {
		const struct sigreq_draft *d = &q->drafts[i];

		if (repo_put_signed(r, d->role, d->draft->raw->data, d->draft->raw->len, now, e) < 0)
			return e->code;
	}
	return 0;
}

/*
 * What stays as it is must still be signed by enough of the keys that count
 * from now on. What does not is signed again with the ring, where that can; else
 * the request lacks a draft of it, and nothing may be set aside or written.
 */
static int sign_again(const struct sigreq *q, struct repo *r, const struct keyring *ring, int64_t now, struct err *e)
{
	const struct sigreq_trust t = { repo_root(r), repo_role(r, "targets") };

	for (size_t i = 0; i < repo_role_count(r); i++) {
		struct authority by[SIGREQ_AUTHORITIES];
		AUTO(buf) struct buf *ignored = NULL;
		struct repo_status s;
		const struct metadata *m;
		bool met;

		repo_role_status(r, i, NULL, &s);
		m = repo_role(r, s.role);
		if (s.pending || !m || m->type != METADATA_TARGETS || sigreq_authorities(q, s.role, &t, by) == 0 ||
		    verify(m, &by[0], s.role, e) == 0)
			continue;
		if (strcmp(s.role, "targets") == 0 || !repo_can_sign(r, s.role, ring))
			return err_set(e, ERR_AUTH, "%s: what is published would no longer be signed by enough of its keys: "
				       "the request must hold a draft of it", s.role);
		/* The draft stays pending: repo_publish() signs it. */
		if (repo_draft(r, s.role, ring, now, &ignored, &met, e) < 0)
			return e->code;
	}
	return 0;
}

int sigreq_publish(const struct sigreq *q, struct repo *r, const struct keyring *ring, int64_t now, struct err *e)
{
	const struct sigreq_trust t = { repo_root(r), repo_role(r, "targets") };

	if (sigreq_check_repo(q, r, e) < 0 || missing(q, &t, e) < 0 || put_all(q, r, now, e) < 0 || sign_again(q, r, ring, now, e) < 0 ||
	    repo_publish(r, ring, now, e) < 0) {
		repo_discard(r);
		return e->code;
	}
	return 0;
}
