/* key_commands: `ringhold key ...`: making private keys, and looking at them. */
#include <stdio.h>

#include "cli/commands.h"
#include "cli/keys.h"

struct show_options {
	bool json;
};

static const struct cli_option show_rows[] = {
	{ "json", 0, CLI_FLAG, offsetof(struct show_options, json), NULL, "the key object that metadata carries" },
};

static int print_key(const struct pubkey *k, bool json, struct err *e)
{
	static const char *const types[] = { [PUBKEY_ED25519] = "ed25519", [PUBKEY_ECDSA] = "ecdsa, P-256", [PUBKEY_RSA] = "rsa" };
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
		printf("type  %s\nid    %s\n", types[pubkey_type(k)], id);
	return 0;
}

static int generate(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(seckey) struct seckey *k = NULL;

	(void)argc;
	(void)options;
	if (seckey_generate(&k, e) < 0 || seckey_save(k, argv[0], NULL, e) < 0)
		return e->code;
	printf("%s: written, readable by its owner only\n", argv[0]);
	return print_key(seckey_public(k), false, e);
}

/* A private key, or a file that holds only a public one. */
static int key_show(int argc, char **argv, const void *options, struct err *e)
{
	const struct show_options *o = options;
	AUTO(seckey) struct seckey *k = NULL;
	AUTO(pubkey) struct pubkey *p = NULL;
	struct err other;

	(void)argc;
	if (seckey_load(&k, argv[0], NULL, NULL, e) == 0)
		return print_key(seckey_public(k), o->json, e);
	if (e->code == ERR_NOT_FOUND || pubkey_read(&p, argv[0], &other) < 0)
		return e->code;
	return print_key(p, o->json, e);
}

const struct cli_command key_commands[] = {
	{ .name = "key generate", .args = "FILE", .help = "make an Ed25519 key pair", .min_args = 1, .max_args = 1, .run = generate },
	{ .name = "key show", .args = "FILE", .help = "print the public half of a key", .min_args = 1, .max_args = 1, .run = key_show,
	  .options = show_rows, .option_count = ARRAY_LEN(show_rows), .options_size = sizeof(struct show_options) },
};
const size_t key_command_count = ARRAY_LEN(key_commands);
