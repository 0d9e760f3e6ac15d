/* sigreq_sign: adds signatures of keys at hand; the one file of sigreq that needs private keys. */
#include "signing/author.h"
#include "signing/sigreq.h"

static int sign_by(struct sigreq_draft *d, const struct keyring *ring, const struct authority *by, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct metadata *fresh = NULL;
	bool met;
	int added = author_sign(&text, d->draft->raw->data, d->draft->raw->len, d->draft->type, ring, by, &met, e);

	if (added <= 0)
		return added < 0 ? err_wrap(e, "%s", d->role) : 0;
	if (metadata_parse(&fresh, d->draft->type, d->role, text->data, text->len, e) < 0)
		return e->code;
	metadata_free(d->draft);
	d->draft = fresh;
	return added;
}

int sigreq_sign_draft(struct sigreq *q, const char *role, const struct keyring *ring, const struct sigreq_trust *t, struct err *e)
{
	int all = 0;

	for (size_t k = 0; k < SIGREQ_AUTHORITIES; k++) {
		/* Asked anew each time: signing root's draft replaces the metadata that an authority borrows from. */
		struct authority by[SIGREQ_AUTHORITIES];
		size_t count = sigreq_authorities(q, role, t, by);
		int added = k < count ? sign_by((struct sigreq_draft *)sigreq_draft(q, role), ring, &by[k], e) : 0;

		if (added < 0)
			return added;
		all += added;
	}
	return all;
}

int sigreq_sign(struct sigreq *q, const struct keyring *ring, const struct sigreq_trust *t, struct err *e)
{
	int all = 0;

	for (size_t i = 0; i < q->draft_count; i++) {
		int added = sigreq_sign_draft(q, q->drafts[i].role, ring, t, e);

		if (added < 0)
			return added;
		all += added;
	}
	return all;
}
