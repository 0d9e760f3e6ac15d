/* repo_commands: `ringhold repo verify` and `repo status`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fetch.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/repo_files.h"
#include "cli/repo_verify.h"
#include "cli/trust_place.h"
#include "signing/repo.h"

/* ---- verify: where the files come from ---- */

struct verify_options {
	const char *root, *pin, *ca_file;
	bool json;
};

/* The anchor: what --root names, else the repository's own first root, which proves nothing about whose it is. */
static int get_anchor(struct repo_files *f, const char *root, struct buf **out, struct err *e)
{
	if (root)
		return file_read(out, root, METADATA_ROOT_MAX, e);
	fprintf(stderr, "note: trusting the repository's own first root; name yours with --root\n");
	return repo_files_metadata(f, "1.root.json", METADATA_ROOT_MAX, out, e) == 0 ? 0 : err_set(e, ERR_NOT_FOUND, "%s: no root 1 there", f->base);
}

/* ---- verify: the answer ---- */

static void put_lines(struct json_writer *w, const char *key, const struct buf *lines)
{
	const char *end;

	json_open_array(w, key);
	for (const char *at = lines->len ? lines->data : ""; (end = strchr(at, '\n')); at = end + 1)
		json_put_textn(w, NULL, at, (size_t)(end - at));
	json_close_array(w);
}

static int print_json(const struct repo_verdict *v, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_bool(&w, "sound", v->problems->len == 0);
	json_put_int(&w, "files", (int64_t)v->files);
	json_open_array(&w, "roles");
	for (size_t i = 0; i < v->role_count; i++) {
		const struct repo_verdict_role *r = &v->roles[i];

		json_open_object(&w, NULL);
		json_put_text(&w, "role", r->role);
		json_put_int(&w, "version", r->version);
		json_put_time(&w, "expires", r->expires);
		json_put_int(&w, "threshold", r->threshold);
		json_put_int(&w, "signatures", (int64_t)r->signatures);
		json_put_int(&w, "keys", (int64_t)r->keys);
		json_put_int(&w, "targets", (int64_t)r->targets);
		json_close_object(&w);
	}
	json_close_array(&w);
	put_lines(&w, "problems", v->problems);
	put_lines(&w, "notes", v->notes);
	json_close_object(&w);
	if (buf_check(text, e) < 0)
		return e->code;
	printf("%s\n", text->data);
	return 0;
}

static int print_table(const struct repo_verdict *v, struct err *e)
{
	static const char *const titles[] = { "ROLE", "VERSION", "EXPIRES", "SIGNATURES", "TARGETS" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));
	const char *end;

	if (!t)
		return err_memory(e);
	for (size_t i = 0; i < v->role_count; i++) {
		const struct repo_verdict_role *r = &v->roles[i];
		char version[24], expires[CLOCK_TEXT_LEN + 1], signatures[48], targets[24];

		snprintf(version, sizeof version, "%" PRId64, r->version);
		clock_text(expires, r->expires);
		snprintf(signatures, sizeof signatures, "%zu of %" PRId64, r->signatures, r->threshold);
		snprintf(targets, sizeof targets, "%zu", r->targets);
		cli_table_row(t, (const char *const[]){ r->role, version, expires, signatures, targets });
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
	for (const char *at = v->problems->len ? v->problems->data : ""; (end = strchr(at, '\n')); at = end + 1) {
		AUTO(buf) struct buf *line = buf_new(0);

		if (!line)
			return err_memory(e);
		log_escape(line, at, (size_t)(end - at));
		printf("problem: %s\n", line->failed ? "?" : line->data);
	}
	printf("%zu target files read and right; %s\n", v->files, v->problems->len ? "NOT sound" : "everything is sound");
	return 0;
}

static int verify_repo(int argc, char **argv, const void *options, struct err *e)
{
	const struct verify_options *o = options;
	AUTO(repo_verdict) struct repo_verdict *v = NULL;
	AUTO(buf) struct buf *root = NULL;
	AUTO(fetch) struct fetch *fetch = NULL;
	bool url = strstr(argv[0], "://") != NULL;
	struct repo_files f = { .base = argv[0] };
	struct repo_source s = { repo_files_metadata, repo_files_target, &f, url ? NULL : argv[0] };
	size_t len = strlen(argv[0]);

	(void)argc;
	while (len > 1 && argv[0][len - 1] == '/')
		argv[0][--len] = '\0';
	if (url && fetch_new(&fetch, &(const struct fetch_settings){ .pin = o->pin, .ca_file = o->ca_file, .agent = "ringhold/" RINGHOLD_VERSION,
								     .total_ms = 600000 }, e) < 0)
		return e->code;
	f.fetch = fetch;
	if (get_anchor(&f, o->root, &root, e) < 0 || repo_verify(&v, &s, root, clock_now(), e) < 0)
		return e->code;
	if ((o->json ? print_json(v, e) : print_table(v, e)) < 0)
		return e->code;
	return v->problems->len ? 1 : 0;
}

/* ---- status ---- */

struct status_options {
	struct trust_options place;
};

/* Who may sign, from root and targets; what is held where comes from the place. */
struct status {
	struct metadata *root, *targets;
	struct remote_answer server;    /* of /v1/status */
	struct remote_answer requests;
	const char *held_where;
};

static void status_release(struct status *s)
{
	metadata_free(s->root);
	metadata_free(s->targets);
	remote_answer_release(&s->server);
	remote_answer_release(&s->requests);
}

static const struct json *named_item(const struct json *list, const char *member, const char *value)
{
	for (uint32_t i = 0; list && list->type == JSON_ARRAY && i < list->count; i++) {
		const struct json *v = json_get(&list->u.items[i], member);

		if (v && json_is(v, value))
			return &list->u.items[i];
	}
	return NULL;
}

/* The open request that drafts a role; "-" none. */
static void request_of(const struct status *s, const char *role, char out[24])
{
	const struct json *items = s->requests.doc ? json_get(s->requests.doc->root, "items") : NULL;

	snprintf(out, 24, "-");
	for (uint32_t i = 0; items && i < items->count; i++)
		if (named_item(json_get(&items->u.items[i], "roles"), "role", role))
			remote_text(&items->u.items[i], "id", out, 24);
}

static int put_role(struct json_writer *w, const struct status *s, struct trust_place *p, const char *role, const struct authority *by,
		    struct err *e)
{
	AUTO(metadata) struct metadata *m = NULL;
	const struct pubkey *keys[256];
	size_t count = authority_keys(by, keys, ARRAY_LEN(keys));
	const struct json *known = s->server.doc ? named_item(json_get(s->server.doc->root, "roles"), "role", role) : NULL;
	int64_t held = trust_place_held(p, by);
	const struct json *h = known ? json_get(known, "held") : NULL;
	char request[24];

	if (trust_place_role(p, role, &m, e) < 0 && e->code != ERR_NOT_FOUND)
		return e->code;
	request_of(s, role, request);
	json_open_object(w, NULL);
	json_put_text(w, "role", role);
	json_put_int(w, "version", m ? m->version : 0);
	if (m)
		json_put_time(w, "expires", m->expires);
	else
		json_put_null(w, "expires");
	json_put_int(w, "threshold", by->role->threshold);
	json_open_array(w, "keys");
	for (size_t i = 0; i < MIN(count, ARRAY_LEN(keys)); i++) {
		char id[DIGEST_HEX_LEN + 1];

		if (pubkey_id(keys[i], id, e) < 0)
			return e->code;
		json_put_text(w, NULL, id);
	}
	json_close_array(w);
	if (h)
		json_to_int(h, &held);
	json_put_int(w, "held", held);
	json_put_text(w, "held_where", held ? s->held_where : "elsewhere");
	json_put_text(w, "signed_by", repo_is_people(role) ? "people" : "server");
	json_put_text(w, "request", strcmp(request, "-") == 0 ? NULL : request);
	json_close_object(w);
	return 0;
}

static int put_status(struct json_writer *w, const struct status *s, struct trust_place *p, struct err *e)
{
	json_open_object(w, NULL);
	json_open_array(w, "roles");
	for (int type = 0; type < METADATA_TYPES; type++) {
		struct authority by = { s->root, &s->root->roles[type] };

		if (put_role(w, s, p, metadata_type_name(type), &by, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < s->targets->delegation_count; i++) {
		struct authority by = { s->targets, &s->targets->delegations[i].role };

		if (put_role(w, s, p, s->targets->delegations[i].name, &by, e) < 0)
			return e->code;
	}
	json_close_array(w);
	if (s->requests.doc && json_get(s->requests.doc->root, "items"))
		json_put_value(w, "requests", json_get(s->requests.doc->root, "items"));
	json_close_object(w);
	return 0;
}

static int print_status(const struct json *roles, struct err *e)
{
	static const char *const titles[] = { "ROLE", "VERSION", "EXPIRES", "SIGNATURES", "KEYS HERE", "SIGNED BY", "REQUEST" };
	struct cli_table *t = cli_table_new(titles, ARRAY_LEN(titles));

	if (!t)
		return err_memory(e);
	for (uint32_t i = 0; i < roles->count; i++) {
		const struct json *r = &roles->u.items[i];
		char role[160], version[24], expires[32], threshold[24], signatures[64], held[24], by[16], request[24];

		remote_text(r, "role", role, sizeof role);
		remote_text(r, "version", version, sizeof version);
		remote_text(r, "expires", expires, sizeof expires);
		remote_text(r, "threshold", threshold, sizeof threshold);
		remote_text(r, "held", held, sizeof held);
		remote_text(r, "signed_by", by, sizeof by);
		remote_text(r, "request", request, sizeof request);
		snprintf(signatures, sizeof signatures, "%s of %u", threshold, json_get(r, "keys")->count);
		cli_table_row(t, (const char *const[]){ role, version, expires, signatures, held, by, request });
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
	return 0;
}

static int gather(struct status *s, struct trust_place *p, const struct status_options *o, struct err *e)
{
	s->held_where = o->place.repository ? "beside the directory" : "on the server";
	if (trust_place_role(p, "root", &s->root, e) < 0 || trust_place_role(p, "targets", &s->targets, e) < 0)
		return e->code;
	if (o->place.repository)
		return 0;
	return trust_place_server_status(p, &s->server, e) < 0 ? e->code : trust_place_list(p, false, &s->requests, e);
}

static int status(int argc, char **argv, const void *options, struct err *e)
{
	struct status_options o = *(const struct status_options *)options;
	__attribute__((cleanup(status_release))) struct status s = { 0 };
	AUTO(trust_place) struct trust_place *p = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *doc = NULL;
	struct json_writer w = { .out = text };

	if (!text)
		return err_memory(e);
	if (argc == 1)
		o.place.repository = argv[0];
	if (trust_place_open(&p, &o.place, e) < 0 || gather(&s, p, &o, e) < 0 || put_status(&w, &s, p, e) < 0 || buf_check(text, e) < 0 ||
	    json_parse(&doc, "status", text->data, text->len, NULL, e) < 0)
		return e->code;
	return o.place.remote.json ? remote_print(doc->root, e) : print_status(json_get(doc->root, "roles"), e);
}

static const struct cli_option verify_rows[] = {
	{ "root", 'r', CLI_TEXT, offsetof(struct verify_options, root), "FILE", "the root that is trusted [the repository's own first]" },
	{ "pin", 0, CLI_TEXT, offsetof(struct verify_options, pin), "PIN", "sha256//... of the server's key, instead of a CA" },
	{ "ca-file", 0, CLI_TEXT, offsetof(struct verify_options, ca_file), "FILE", "certificates that vouch for the server" },
	{ "json", 0, CLI_FLAG, offsetof(struct verify_options, json), NULL, "print it as JSON, for programs" },
};
static const struct cli_option status_rows[] = { TRUST_ROWS(offsetof(struct status_options, place)) };

const struct cli_command repo_commands[] = {
	{ .name = "repo verify", .args = "DIR|URL", .help = "check everything that a repository publishes, as a client would and beyond",
	  .min_args = 1, .max_args = 1, .run = verify_repo, .options = verify_rows, .option_count = ARRAY_LEN(verify_rows),
	  .options_size = sizeof(struct verify_options),
	  .more = "Below DIR or URL are metadata/ and targets/ (of a server: https://HOST:PORT/content). In a directory,\n"
		  "files that nobody names are reported. Exit status 1: something is wrong." },
	{ .name = "repo status", .args = "[DIR]", .help = "every role: version, expiry, keys, thresholds, who holds them, open requests", .max_args = 1,
	  .run = status, .options = status_rows, .option_count = ARRAY_LEN(status_rows), .options_size = sizeof(struct status_options) },
};
const size_t repo_command_count = ARRAY_LEN(repo_commands);
