/* key_list: what keys a file, a directory or a token shows without being opened. */
#include "cli/key_list.h"

#include <stdio.h>
#include <string.h>

#include "base/cli.h"
#include "base/file.h"
#include "signing/keyring.h"

#define LIST_MAX ((size_t)1 << 20)      /* bytes of the array */
#define ID_SHOWN 16             /* hex digits of an id in the table; --json has all */

const char *key_type_name(enum pubkey_type type)
{
	static const char *const names[] = { [PUBKEY_ED25519] = "ed25519", [PUBKEY_ECDSA] = "p256", [PUBKEY_RSA] = "rsa" };

	return names[type];
}

struct list {
	struct cli_table *table;        /* NULL: JSON */
	struct json_writer json;
	const char *file;               /* of a directory: its name; NULL: a token is listed */
	size_t shown, unusable;
	size_t of_file;                 /* keys the file's URI fits */
};

struct row {
	const char *name, *type, *id, *where, *note;
	bool token, encrypted;
};

static void put_json(struct json_writer *w, const struct row *r)
{
	json_open_object(w, NULL);
	json_put_text(w, "name", r->name);
	json_put_text(w, "type", r->type);
	json_put_text(w, "id", r->id);
	json_put_text(w, "held", r->token ? "token" : "file");
	json_put_bool(w, "encrypted", r->encrypted);
	json_put_text(w, "where", r->where);
	json_put_text(w, "note", r->note);
	json_close_object(w);
}

static void put(struct list *l, const struct row *r)
{
	char id[ID_SHOWN + 1];

	l->shown++;
	l->unusable += r->note[0] != '\0';
	if (!l->table) {
		put_json(&l->json, r);
		return;
	}
	snprintf(id, sizeof id, "%s", r->id ? r->id : "-");
	cli_table_row(l->table, (const char *const[]){ r->name, r->type ? r->type : "-", id, r->token ? "token" : "file",
						       r->token ? "-" : r->encrypted ? "yes" : "no", r->note });
}

static int show(void *arg, const struct seckey_seen *seen, struct err *e)
{
	struct list *l = arg;
	struct row r = { .name = l->file ? l->file : seen->name, .where = seen->where, .note = seen->note, .token = seen->token,
			 .encrypted = seen->encrypted };
	char id[DIGEST_HEX_LEN + 1];

	if (seen->public) {
		if (pubkey_id(seen->public, id, e) < 0)
			return e->code;
		r.id = id;
		r.type = key_type_name(pubkey_type(seen->public));
	}
	if (l->file && l->of_file++ > 0)
		r.note = "this URI fits two or more keys; add object=... and id=...";
	put(l, &r);
	return 0;
}

/* A file that cannot be used is a row with the reason: people list a directory to find out. */
static int show_file(void *arg, const char *dir, const char *file, struct err *e)
{
	struct list *l = arg;
	AUTO_FREE char *path = file_join(dir, file);
	struct err why = { 0 };

	if (!path)
		return err_memory(e);
	l->file = file;
	l->of_file = 0;
	if (seckey_look(path, show, l, &why) == 0 && l->of_file == 0)
		err_set(&why, ERR_NOT_FOUND, "the token shows no such key without its PIN");
	if (why.code < 0)
		put(l, &(const struct row){ .name = file, .where = path, .token = seckey_is_uri_file(file), .note = why.msg });
	return 0;
}

static int fill(struct list *l, const char *where, struct err *e)
{
	if (seckey_is_uri(where))
		return seckey_look(where, show, l, e);
	return keyring_files(where, show_file, l, e);
}

static int list_json(struct list *l, const char *where, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(LIST_MAX);

	if (!text)
		return err_memory(e);
	l->json = (struct json_writer){ .out = text, .indent = true };
	json_open_array(&l->json, NULL);
	if (fill(l, where, e) < 0)
		return e->code;
	json_close_array(&l->json);
	if (buf_check(text, e) < 0)
		return e->code;
	printf("%s\n", text->data);
	return 0;
}

static int list_table(struct list *l, const char *where, struct err *e)
{
	static const char *const titles[] = { "NAME", "TYPE", "ID", "HELD", "ENCRYPTED", "NOTE" };
	int code;

	l->table = cli_table_new(titles, ARRAY_LEN(titles));
	if (!l->table)
		return err_memory(e);
	code = fill(l, where, e);
	if (code == 0 && l->shown > 0)
		cli_table_print(l->table, stdout);
	cli_table_free(l->table);
	return code;
}

int key_list(const char *where, bool json, struct err *e)
{
	struct list l = { 0 };

	if ((json ? list_json(&l, where, e) : list_table(&l, where, e)) < 0)
		return e->code;
	if (l.shown == 0 && !json)
		printf("%s: no keys (*%s, *%s)\n", where, SECKEY_FILE, SECKEY_URI_FILE);
	if (l.unusable > 0) {
		fflush(stdout);
		return err_set(e, ERR_REFUSED, "%zu of %zu keys cannot be used as they are", l.unusable, l.shown);
	}
	return 0;
}
