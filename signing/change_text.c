/* change_text: the list of changes, and how it is printed. */
#include "signing/change_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "signing/change_text_parts.h"

struct change_text *change_text_new(void)
{
	return calloc(1, sizeof(struct change_text));
}

void change_text_free(struct change_text *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++) {
		free(t->items[i].role);
		free(t->items[i].subject);
		free(t->items[i].sentence);
	}
	free(t->items);
	free(t);
}

static struct change_text_item *append(struct change_text *t)
{
	if ((t->count & (t->count + 1)) == 0) {         /* 0, 1, 3, 7, ... are full */
		struct change_text_item *more = realloc(t->items, (2 * t->count + 1) * sizeof *more);

		if (!more)
			return NULL;
		t->items = more;
	}
	t->items[t->count] = (struct change_text_item){ 0 };
	return &t->items[t->count++];
}

int change_text_say(struct change_text_work *k, const char *kind, const char *subject, unsigned depth, bool careful, const char *fmt, ...)
{
	struct change_text_item *item;
	char *sentence = NULL;
	va_list args;
	int len;

	if (k->list->count >= CHANGE_TEXT_MAX) {
		k->list->left_out++;
		return 0;
	}
	va_start(args, fmt);
	len = vasprintf(&sentence, fmt, args);
	va_end(args);
	if (len < 0)
		return err_memory(k->e);
	item = append(k->list);
	if (!item) {
		free(sentence);
		return err_memory(k->e);
	}
	*item = (struct change_text_item){ .kind = kind, .role = strdup(k->role), .subject = strdup(subject), .sentence = sentence,
					   .depth = depth, .careful = careful };
	return item->role && item->subject ? 0 : err_memory(k->e);
}

/* ---- one file ---- */

static int say_file(struct change_text_work *k)
{
	char until[CLOCK_TEXT_LEN + 1], before[CLOCK_TEXT_LEN + 1];

	clock_text(until, k->becomes->expires);
	if (!k->was)
		return change_text_say(k, "file", k->role, 0, false, "%s: version %lld, the first; valid until %s", k->role,
				       (long long)k->becomes->version, until);
	clock_text(before, k->was->expires);
	return change_text_say(k, "file", k->role, 0, k->becomes->version <= k->was->version,
			       "%s: version %lld becomes %lld; valid until %s, was %s", k->role, (long long)k->was->version,
			       (long long)k->becomes->version, until, before);
}

/* Members of `signed` that the comparison below knows about. */
static const char *const known[] = { "_type", "version", "expires", "keys", "roles", "delegations", "targets", "meta", NULL };

static bool is_known(const struct json_doc *d, const struct json_member *m)
{
	struct json key = json_key(d, m);

	for (size_t i = 0; known[i]; i++)
		if (json_is(&key, known[i]))
			return true;
	return false;
}

/* consistent_snapshot, spec_version, and whatever somebody added: signed like the rest. */
static int say_others(struct change_text_work *k)
{
	const struct metadata *was = k->was, *now = k->becomes;

	for (size_t i = 0; i < now->body->count; i++) {
		const struct json_member *m = &now->body->u.members[i];
		const struct json *old = was ? json_get(was->body, m->key.text) : NULL;

		if (is_known(now->doc, m) || (old && json_equal(old, &m->value)) || (!was && m->value.type != JSON_OBJECT))
			continue;
		if (change_text_say(k, "member", "", 1, true, "member \"%s\" %s", m->key.text, old ? "changes" : "is new") < 0)
			return k->e->code;
	}
	for (size_t i = 0; was && i < was->body->count; i++) {
		const struct json_member *m = &was->body->u.members[i];

		if (!is_known(was->doc, m) && !json_get(now->body, m->key.text) &&
		    change_text_say(k, "member", "", 1, true, "member \"%s\" goes away", m->key.text) < 0)
			return k->e->code;
	}
	return 0;
}

int change_text_add(struct change_text *t, const char *role, const struct metadata *was, const struct metadata *becomes,
		    const struct change_text_how *how, struct err *e)
{
	static const struct change_text_how plain;
	struct change_text_work k = { t, how ? how : &plain, role, was, becomes, e };
	size_t before = t->count;

	if (say_file(&k) < 0 || say_others(&k) < 0)
		return e->code;
	if (becomes->type == METADATA_ROOT && change_text_roles(&k) < 0)
		return e->code;
	if (becomes->type == METADATA_TARGETS && (change_text_delegations(&k) < 0 || change_text_targets(&k) < 0))
		return e->code;
	if (t->count == before + 1)
		return change_text_say(&k, "nothing", "", 1, false, "nothing else changes: it is signed again");
	return 0;
}

int change_text_of(struct change_text **out, const struct sigreq *q, change_text_name *name, void *arg, struct err *e)
{
	AUTO(change_text) struct change_text *t = change_text_new();
	struct change_text_how how = { name, arg, q };

	if (!t)
		return err_memory(e);
	for (size_t i = 0; i < q->draft_count; i++)
		if (change_text_add(t, q->drafts[i].role, q->drafts[i].base, q->drafts[i].draft, &how, e) < 0)
			return e->code;
	*out = TAKE(t);
	return 0;
}

/* ---- printing ---- */

void change_text_print(struct buf *out, const struct change_text *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct change_text_item *item = &t->items[i];

		buf_adds(out, item->careful ? "! " : "  ");
		for (unsigned d = 0; d < item->depth; d++)
			buf_adds(out, "    ");
		log_escape(out, item->sentence, strlen(item->sentence));
		buf_addc(out, '\n');
	}
	if (t->left_out)
		buf_addf(out, "! and %zu further changes\n", t->left_out);
}

void change_text_json(struct json_writer *w, const char *key, const struct change_text *t)
{
	json_open_array(w, key);
	for (size_t i = 0; i < t->count; i++) {
		const struct change_text_item *item = &t->items[i];

		json_open_object(w, NULL);
		json_put_text(w, "kind", item->kind);
		json_put_text(w, "role", item->role);
		json_put_text(w, "subject", item->subject);
		json_put_text(w, "sentence", item->sentence);
		json_put_int(w, "depth", item->depth);
		json_put_bool(w, "careful", item->careful);
		json_close_object(w);
	}
	json_close_array(w);
}
