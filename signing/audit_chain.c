/* audit_chain: how the rows of an audit log hang together. */
#include "signing/audit_chain.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* A byte that is no UTF-8, of a text that was cut to fit, counts as what every document shows of it. */
static void add_text(struct hash *h, const char *text)
{
	size_t len = text ? strlen(text) : 0, wide;

	for (size_t at = 0; at < len; at += wide ? wide : 1) {
		wide = json_character(text + at, len - at);
		hash_add(h, wide ? text + at : "\xef\xbf\xbd", wide ? wide : 3);
	}
	hash_add(h, "", 1);
}

static void add_number(struct hash *h, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRId64, n);
	add_text(h, text);
}

int audit_chain_next(struct digest *head, int form, uint64_t id, const struct audit_entry *a, struct err *e)
{
	AUTO(hash) struct hash *h = hash_new();

	if (!h)
		return err_memory(e);
	hash_add(h, head->bytes, DIGEST_LEN);
	if (form > 1) {
		add_number(h, form);
		add_number(h, (int64_t)id);
	}
	add_number(h, a->at);
	add_text(h, a->who);
	add_text(h, a->action);
	add_text(h, a->subject);
	add_text(h, a->detail);
	if (form > 1) {
		add_text(h, a->why);
		add_text(h, a->was);
		add_text(h, a->becomes);
	}
	hash_final(h, head);
	return 0;
}

static bool none(const char *text)
{
	return !text || !*text;
}

int audit_walk_row(struct audit_walk *w, uint64_t id, int form, const struct audit_entry *a, const struct digest *hash, struct err *e)
{
	if (id != w->count + 1)
		return err_set(e, ERR_REFUSED, "audit: row %" PRIu64 " follows row %" PRIu64, id, w->count);
	if (form < 1 || form > AUDIT_FORM || form < w->form)
		return err_set(e, ERR_REFUSED, "audit: row %" PRIu64 " is of form %d, which cannot be", id, form);
	if (form == 1 && !(none(a->why) && none(a->was) && none(a->becomes)))
		return err_set(e, ERR_REFUSED, "audit: row %" PRIu64 " says more than rows of its form did", id);
	if (audit_chain_next(&w->head, form, id, a, e) < 0)
		return e->code;
	if (!digest_equal(&w->head, hash))
		return err_set(e, ERR_REFUSED, "audit: row %" PRIu64 " is not what was written: its hash is another", id);
	w->count = id;
	w->form = form;
	return 0;
}
