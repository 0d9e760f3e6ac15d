/* key_commands: `ringhold key ...`: making private keys, taking in others', looking at them. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/key_list.h"
#include "cli/passphrase.h"

/* ---- printing ---- */

static int print_key(const struct pubkey *k, bool json, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	char id[DIGEST_HEX_LEN + 1];

	if (!text)
		return err_memory(e);
	if (pubkey_id(k, id, e) < 0)
		return e->code;
	pubkey_json(k, text);
	if (buf_check(text, e) < 0)
		return e->code;
	if (json)
		printf("%s\n", text->data);
	else
		printf("type  %s\nid    %s\n", key_type_name(pubkey_type(k)), id);
	return 0;
}

/* "words where", escaped, unless programs read. */
static void say(bool json, const char *where, const char *words)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (json || !text)
		return;
	log_escape(text, where, strlen(where));
	if (!text->failed)
		printf("%s: %s\n", text->data, words);
}

/* ---- generate ---- */

struct generate_options {
	const char *type;
	struct passphrase passphrase;
	bool encrypt, json, dry_run;
};

#define AT(field) offsetof(struct generate_options, field)

static const struct cli_option generate_rows[] = {
	{ "type", 't', CLI_TEXT, AT(type), "TYPE", "ed25519 or p256 [ed25519]" },
	{ "passphrase", 'p', CLI_FLAG, AT(encrypt), NULL, "encrypt the file; the passphrase is asked on the terminal" },
	{ "passphrase-file", 0, CLI_TEXT, AT(passphrase.file), "FILE", "encrypt the file; its passphrase is this file's first line" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "print the key object that metadata carries" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "say whether it could be made, and make nothing" },
};

static int type_of(enum pubkey_type *out, const char *name, struct err *e)
{
	static const enum pubkey_type types[] = { PUBKEY_ED25519, PUBKEY_ECDSA };

	*out = PUBKEY_ED25519;
	for (size_t i = 0; name && i < ARRAY_LEN(types); i++) {
		*out = types[i];
		if (strcmp(name, key_type_name(types[i])) == 0)
			return 0;
	}
	if (!name)
		return 0;
	return err_set(e, ERR_USAGE, "--type %s: ed25519 or p256%s", name, strcmp(name, "rsa") == 0 ? "; RSA is verified, not made" : "");
}

/* Writes k to path, encrypted when wanted. */
static int save(const struct seckey *k, const char *path, bool encrypt, const struct passphrase *p, struct err *e)
{
	char secret[SECKEY_SECRET_MAX];
	int code;

	if (!encrypt && !p->file)
		return seckey_save(k, path, NULL, e);
	code = passphrase_choose(p, path, secret, e);
	if (code == 0)
		code = seckey_save(k, path, secret, e);
	explicit_bzero(secret, sizeof secret);
	return code;
}

static int generate_file(const struct generate_options *o, const char *path, enum pubkey_type type, struct err *e)
{
	AUTO(seckey) struct seckey *k = NULL;

	if (file_exists(path))
		return err_set(e, ERR_CONFLICT, "%s: exists already", path);
	if (o->dry_run) {
		say(false, path, "would be written");
		return 0;
	}
	if (seckey_generate_type(&k, type, e) < 0 || save(k, path, o->encrypt, &o->passphrase, e) < 0)
		return e->code;
	say(o->json, path, "written, readable by its owner only");
	return print_key(seckey_public(k), o->json, e);
}

struct finding {
	const struct pubkey *public;    /* NULL: any */
	bool found;
};

static void print_made(const char *uri)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (!text)
		return;
	log_escape(text, uri, strlen(uri));
	if (!text->failed)
		printf("made in the token; a file NAME%s (mode 0600) with this line stands for it:\n%s\n", SECKEY_URI_FILE, text->data);
}

/* Prints the URI that names just the key that was made. */
static int on_found(void *arg, const struct seckey_seen *seen, struct err *e)
{
	struct finding *f = arg;

	(void)e;
	if (f->public && (!seen->public || !pubkey_equal(seen->public, f->public)))
		return 0;
	f->found = true;
	if (f->public)
		print_made(seen->where);
	return 0;
}

static int generate_in_token(const struct generate_options *o, const char *uri, enum pubkey_type type, struct err *e)
{
	struct passphrase terminal = { NULL };
	struct finding finding = { 0 };
	AUTO(seckey) struct seckey *k = NULL;
	struct err ignored;

	if (o->encrypt || o->passphrase.file)
		return err_set(e, ERR_USAGE, "a token guards its keys with its PIN; there is no passphrase");
	if (o->dry_run) {
		if (seckey_look(uri, on_found, &finding, e) < 0)
			return e->code;
		if (finding.found)
			return err_set(e, ERR_CONFLICT, "the token has such a key already");
		say(false, "the token", "is there, and shows no such key yet");
		return 0;
	}
	if (seckey_generate_token(&k, uri, type, passphrase_ask, &terminal, e) < 0)
		return e->code;
	finding.public = seckey_public(k);
	if (!o->json && seckey_look(uri, on_found, &finding, &ignored) < 0)
		printf("made in the token\n");
	return print_key(seckey_public(k), o->json, e);
}

static int generate(int argc, char **argv, const void *options, struct err *e)
{
	const struct generate_options *o = options;
	enum pubkey_type type;

	(void)argc;
	if (type_of(&type, o->type, e) < 0)
		return e->code;
	return seckey_is_uri(argv[0]) ? generate_in_token(o, argv[0], type, e) : generate_file(o, argv[0], type, e);
}

/* ---- import ---- */

#undef AT
#define AT(field) offsetof(struct import_options, field)

struct import_options {
	struct passphrase from, to;
	bool encrypt, json, dry_run;
};

static const struct cli_option import_rows[] = {
	PASSPHRASE_ROW(AT(from)),
	{ "passphrase", 'p', CLI_FLAG, AT(encrypt), NULL, "encrypt the new file; the passphrase is asked on the terminal" },
	{ "new-passphrase-file", 0, CLI_TEXT, AT(to.file), "FILE", "encrypt the new file; its passphrase is this file's first line" },
	{ "json", 0, CLI_FLAG, AT(json), NULL, "print the key object that metadata carries" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "read and check, write nothing" },
};

/* Public files may be readable by all; whatever holds a private key may not, and says so when it is read. */
static int holds_private(const char *path, bool *private, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_read(&text, path, PUBKEY_FILE_MAX, e) < 0)
		return e->code;
	*private = strstr(text->data, "PRIVATE KEY-----") != NULL;
	explicit_bzero(text->data, text->len);
	return 0;
}

static int import_public(const struct import_options *o, const char *from, const char *to, struct err *e)
{
	AUTO(pubkey) struct pubkey *k = NULL;
	AUTO(buf) struct buf *text = buf_new(0);

	if (!text)
		return err_memory(e);
	if (o->encrypt || o->to.file)
		return err_set(e, ERR_USAGE, "%s: a public key; there is nothing to encrypt", from);
	if (pubkey_read(&k, from, e) < 0)
		return e->code;
	pubkey_json(k, text);
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0 || (!o->dry_run && file_replace(to, text->data, text->len, 0644, e) < 0))
		return e->code;
	say(o->json, to, o->dry_run ? "would be written: a public key" : "written: a public key, as metadata carries it");
	return print_key(k, o->json, e);
}

static int import_private(const struct import_options *o, const char *from, const char *to, struct err *e)
{
	struct passphrase asked = o->from;
	AUTO(seckey) struct seckey *k = NULL;

	if (seckey_load(&k, from, passphrase_ask, &asked, e) < 0)
		return e->code;
	if (!o->dry_run && save(k, to, o->encrypt, &o->to, e) < 0)
		return e->code;
	say(o->json, to, o->dry_run ? "would be written" : "written, readable by its owner only");
	return print_key(seckey_public(k), o->json, e);
}

static int import(int argc, char **argv, const void *options, struct err *e)
{
	const struct import_options *o = options;
	bool private;

	(void)argc;
	if (seckey_is_uri(argv[0]) || seckey_is_uri(argv[1]))
		return err_set(e, ERR_USAGE, "keys do not move into or out of tokens: make one there with key generate, and rotate to it");
	if (file_exists(argv[1]))
		return err_set(e, ERR_CONFLICT, "%s: exists already", argv[1]);
	if (holds_private(argv[0], &private, e) < 0)
		return e->code;
	return private ? import_private(o, argv[0], argv[1], e) : import_public(o, argv[0], argv[1], e);
}

/* ---- list ---- */

struct list_options {
	bool json;
};

static const struct cli_option list_rows[] = {
	{ "json", 0, CLI_FLAG, offsetof(struct list_options, json), NULL, "an array, for programs" },
};

static int list(int argc, char **argv, const void *options, struct err *e)
{
	const struct list_options *o = options;

	(void)argc;
	return key_list(argv[0], o->json, e);
}

/* ---- show ---- */

#undef AT
#define AT(field) offsetof(struct show_options, field)

struct show_options {
	struct passphrase passphrase;
	bool json, open;
};

static const struct cli_option show_rows[] = {
	{ "json", 0, CLI_FLAG, AT(json), NULL, "the key object that metadata carries" },
	{ "open", 0, CLI_FLAG, AT(open), NULL, "open it, with its passphrase or PIN, and prove that it signs" },
	PASSPHRASE_ROW(AT(passphrase)),
};

struct showing {
	const struct show_options *options;
	size_t count;
	bool unsaid;            /* the key does not say its public half */
};

static int on_seen(void *arg, const struct seckey_seen *seen, struct err *e)
{
	struct showing *s = arg;

	s->unsaid = !seen->public;
	if (s->unsaid && !seen->encrypted)
		return err_set(e, ERR_UNSUPPORTED, "%s: %s", seen->name, seen->note);
	if (s->unsaid)
		return 0;
	if (s->count++ > 0 && !s->options->json)
		printf("\n");
	if (seen->token)
		say(s->options->json, seen->where, "in a token");
	else
		say(s->options->json, seen->where, seen->encrypted ? "in a file, encrypted" : "in a file, not encrypted");
	return print_key(seen->public, s->options->json, e);
}

static int open_and_show(const struct show_options *o, const char *where, bool prove, struct err *e)
{
	static const char text[] = "ringhold key show --open";
	struct passphrase asked = o->passphrase;
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(buf) struct buf *sig = buf_new(0);

	if (!sig)
		return err_memory(e);
	if (seckey_load(&k, where, passphrase_ask, &asked, e) < 0 || seckey_sign(k, text, sizeof text, sig, e) < 0)
		return e->code;
	if (!pubkey_verify(seckey_public(k), text, sizeof text, sig->data, sig->len))
		return err_set(e, ERR_INTERNAL, "%s: its signature does not verify", where);
	if (prove && !o->json)
		printf("it opens, and signs\n");
	return print_key(seckey_public(k), o->json, e);
}

static int show(int argc, char **argv, const void *options, struct err *e)
{
	struct showing s = { .options = options };
	AUTO(pubkey) struct pubkey *public = NULL;
	bool private = true;

	(void)argc;
	if (s.options->open)
		return open_and_show(options, argv[0], true, e);
	if (!seckey_is_uri(argv[0]) && !seckey_is_uri_file(argv[0]) && holds_private(argv[0], &private, e) < 0)
		return e->code;
	if (!private)
		return pubkey_read(&public, argv[0], e) < 0 ? e->code : print_key(public, s.options->json, e);
	if (seckey_look(argv[0], on_seen, &s, e) < 0)
		return e->code;
	if (s.count == 0 && !s.unsaid)
		return err_set(e, ERR_NOT_FOUND, "the token shows no such key without its PIN");
	return s.unsaid ? open_and_show(options, argv[0], false, e) : 0;
}

#define COMMAND(verb, words, max, function, rows, type, text)                                              \
	.name = "key " verb, .args = words, .help = text, .min_args = max, .max_args = max, .run = function, \
	.options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct type)

const struct cli_command key_commands[] = {
	{ COMMAND("generate", "FILE|URI", 1, generate, generate_rows, generate_options, "make a key pair, in a file or in a token"),
	  .more = "A pkcs11: URI names token and object: pkcs11:token=T;object=NAME?module-path=/path/of/module.so\n"
		  "The private half then never leaves the token." },
	{ COMMAND("import", "FROM TO", 2, import, import_rows, import_options, "take in a key another tool made"),
	  .more = "A private key (PEM, encrypted or not) is written anew, mode 0600; a public one as metadata carries it." },
	{ COMMAND("list", "DIR|URI", 1, list, list_rows, list_options, "the keys of a directory or a token"),
	  .more = "Nothing is opened, no passphrase or PIN is asked for. Exit status 1 when a key cannot be used as it lies there." },
	{ COMMAND("show", "FILE|URI", 1, show, show_rows, show_options, "print the public half of a key") },
};
const size_t key_command_count = ARRAY_LEN(key_commands);
