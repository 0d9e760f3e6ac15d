/* trust_place: where trust is kept: a server, or a repository's directory. */
#include "cli/trust_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "signing/repo.h"

struct trust_place {
	struct remote *remote;          /* NULL: a directory */
	struct repo *repo;
	struct keyring *online;
};

/* ---- opening ---- */

static int open_directory(struct trust_place *p, const struct trust_options *o, struct err *e)
{
	AUTO_FREE char *beside = file_join(o->repository, "../keys");
	const char *keys = o->online ? o->online : beside;

	if (!beside)
		return err_memory(e);
	if (repo_open(&p->repo, o->repository, e) < 0)
		return e->code;
	if (o->online || file_exists(keys))
		return keyring_load(&p->online, keys, NULL, NULL, e);
	p->online = keyring_new();
	return p->online ? 0 : err_memory(e);
}

int trust_place_open(struct trust_place **out, const struct trust_options *o, struct err *e)
{
	AUTO(trust_place) struct trust_place *p = calloc(1, sizeof *p);

	if (!p)
		return err_memory(e);
	if (o->repository && o->remote.server)
		return err_set(e, ERR_USAGE, "--repository and --server name two places");
	if (o->repository ? open_directory(p, o, e) < 0 : remote_open(&p->remote, &o->remote, e) < 0)
		return e->code;
	*out = TAKE(p);
	return 0;
}

void trust_place_free(struct trust_place *p)
{
	if (!p)
		return;
	remote_free(p->remote);
	repo_free(p->repo);
	keyring_free(p->online);
	free(p);
}

/* ---- roles ---- */

static enum metadata_type type_of(const char *role)
{
	for (int type = 0; type < METADATA_TYPES; type++)
		if (strcmp(role, metadata_type_name(type)) == 0)
			return type;
	return METADATA_TARGETS;
}

int trust_place_role(struct trust_place *p, const char *role, struct metadata **out, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };

	if (!path)
		return err_memory(e);
	if (p->repo) {
		const struct metadata *m = type_of(role) == METADATA_ROOT ? repo_root(p->repo) : repo_role(p->repo, role);

		return m ? metadata_parse(out, m->type, role, m->raw->data, m->raw->len, e)
			 : err_set(e, ERR_NOT_FOUND, "no role %s is published", role);
	}
	buf_adds(path, "/v1/roles/");
	remote_escape(path, role);
	if (buf_check(path, e) < 0 || remote_call(p->remote, "GET", path->data, NULL, &answer, e) < 0)
		return err_wrap(e, "role %s", role);
	return metadata_parse(out, type_of(role), role, answer.text->data, answer.text->len, e);
}

int64_t trust_place_held(struct trust_place *p, const struct authority *by)
{
	const struct pubkey *keys[KEYRING_MAX];
	size_t count = authority_keys(by, keys, ARRAY_LEN(keys));
	int64_t held = 0;

	for (size_t i = 0; p->online && i < count; i++)
		held += keyring_find(p->online, keys[i]) != NULL;
	return held;
}

int trust_place_server_status(struct trust_place *p, struct remote_answer *out, struct err *e)
{
	return remote_call(p->remote, "GET", "/v1/status", NULL, out, e);
}

/* ---- handing in ---- */

static int publish_here(struct trust_place *p, const struct sigreq *q, struct trust_result *out, struct err *e)
{
	if (sigreq_publish(q, p->repo, p->online, clock_now(), e) < 0)
		return e->code;
	snprintf(out->id, sizeof out->id, "%s", q->id);
	snprintf(out->state, sizeof out->state, "published");
	return 0;
}

static int read_result(const struct remote_answer *a, struct trust_result *out, struct err *e)
{
	remote_text(a->doc->root, "id", out->id, sizeof out->id);
	remote_text(a->doc->root, "state", out->state, sizeof out->state);
	remote_text(a->doc->root, "note", out->note, sizeof out->note);
	return json_want_int(a->doc, a->doc->root, "added", 0, INT64_MAX, &out->added, e);
}

static int request_path(struct buf *out, const char *id, struct err *e)
{
	buf_adds(out, "/v1/signing-requests/");
	remote_escape(out, id);
	return buf_check(out, e);
}

static void put_signatures(struct json_writer *w, const struct sigreq_draft *d)
{
	for (size_t i = 0; i < d->draft->signature_count; i++) {
		const struct metadata_signature *s = &d->draft->signatures[i];

		json_open_object(w, NULL);
		json_put_text(w, "role", d->role);
		json_put_textn(w, "keyid", s->keyid.text, s->keyid.len);
		json_put_textn(w, "sig", s->hex, s->hex_len);
		json_close_object(w);
	}
}

/* Who may not open requests may still bring signatures for one that is open. */
static int bring_signatures(struct trust_place *p, const struct sigreq *q, struct remote_answer *answer, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0), *body = buf_new(0);
	struct json_writer w = { .out = body };

	if (!path || !body)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	for (size_t i = 0; i < q->draft_count; i++)
		put_signatures(&w, &q->drafts[i]);
	json_close_array(&w);
	json_close_object(&w);
	if (request_path(path, q->id, e) < 0)
		return e->code;
	buf_adds(path, "/signatures");
	return buf_check(path, e) < 0 ? e->code : remote_call(p->remote, "POST", path->data, body, answer, e);
}

int trust_place_submit(struct trust_place *p, const struct sigreq *q, struct trust_result *out, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	AUTO_ANSWER answer = { 0 };
	int got;

	*out = (struct trust_result){ .added = 0, .note = "-" };
	if (!body)
		return err_memory(e);
	if (p->repo)
		return publish_here(p, q, out, e);
	if (sigreq_write(body, q, e) < 0)
		return e->code;
	got = remote_call(p->remote, "POST", "/v1/signing-requests", body, &answer, e);
	if (got == ERR_AUTH && answer.status == 403) {
		remote_answer_release(&answer);
		got = bring_signatures(p, q, &answer, e);
	}
	return got < 0 ? got : read_result(&answer, out, e);
}

void trust_result_print(const struct trust_result *r, bool json)
{
	AUTO(buf) struct buf *escaped = buf_new(0);
	const char *note;

	if (escaped && strcmp(r->note, "-"))
		log_escape(escaped, r->note, strlen(r->note));
	note = escaped && !escaped->failed && escaped->len ? escaped->data : "";
	if (json)
		printf("{\"id\":\"%s\",\"state\":\"%s\",\"added\":%lld}\n", r->id, r->state, (long long)r->added);
	else if (strcmp(r->state, "open") == 0)
		printf("request %s: open, %lld new signature%s; %s\n", r->id, (long long)r->added, r->added == 1 ? "" : "s",
		       *note ? note : "others must sign, too");
	else
		printf("request %s: %s%s%s\n", r->id, r->state, *note ? ": " : "", note);
}

/* ---- a server's requests ---- */

static int want_server(const struct trust_place *p, struct err *e)
{
	return p->remote ? 0 : err_set(e, ERR_USAGE, "a directory keeps no requests: carry the file itself");
}

int trust_place_list(struct trust_place *p, bool all, struct remote_answer *out, struct err *e)
{
	if (want_server(p, e) < 0)
		return e->code;
	return remote_all(p->remote, all ? "/v1/signing-requests?state=all" : "/v1/signing-requests", out, e);
}

/* The newest open request that drafts the role of this name. */
static bool find_by_role(const struct json *items, const char *role, char id[SIGREQ_ID_LEN + 1])
{
	bool found = false;

	for (uint32_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++) {
		const struct json *roles = json_get(&items->u.items[i], "roles"), *state = json_get(&items->u.items[i], "state");

		if (!state || !json_is(state, "open"))
			continue;
		for (uint32_t k = 0; roles && roles->type == JSON_ARRAY && k < roles->count; k++) {
			const struct json *name = json_get(&roles->u.items[k], "role");

			if (!name || !json_is(name, role))
				continue;
			remote_text(&items->u.items[i], "id", id, SIGREQ_ID_LEN + 1);
			found = true;
		}
	}
	return found;
}

int trust_place_find(struct trust_place *p, const char *prefix, char id[SIGREQ_ID_LEN + 1], struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	size_t found = 0;

	if (trust_place_list(p, true, &answer, e) < 0)
		return e->code;
	items = json_get(answer.doc->root, "items");
	if (find_by_role(items, prefix, id))
		return 0;
	for (uint32_t i = 0; items && items->type == JSON_ARRAY && i < items->count; i++) {
		char one[SIGREQ_ID_LEN + 1];

		remote_text(&items->u.items[i], "id", one, sizeof one);
		if (strncmp(one, prefix, strlen(prefix)) != 0)
			continue;
		memcpy(id, one, sizeof one);
		found++;
	}
	if (found == 1)
		return 0;
	return found ? err_set(e, ERR_CONFLICT, "%zu requests begin with %s: name more of the id", found, prefix)
		     : err_set(e, ERR_NOT_FOUND, "there is no request %s", prefix);
}

int trust_place_request(struct trust_place *p, const char *id, struct sigreq **out, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };

	if (!path)
		return err_memory(e);
	if (want_server(p, e) < 0 || request_path(path, id, e) < 0 || remote_call(p->remote, "GET", path->data, NULL, &answer, e) < 0)
		return e->code;
	return sigreq_parse(out, "the server's request", answer.text->data, answer.text->len, e);
}

int trust_place_withdraw(struct trust_place *p, const char *id, const char *reason, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);
	AUTO_ANSWER answer = { 0 };

	if (!path)
		return err_memory(e);
	if (want_server(p, e) < 0 || request_path(path, id, e) < 0)
		return e->code;
	if (reason) {
		buf_adds(path, "?reason=");
		remote_escape(path, reason);
	}
	return buf_check(path, e) < 0 ? e->code : remote_call(p->remote, "DELETE", path->data, NULL, &answer, e);
}
