/* init_commands: `ringhold init` and `ringhold key ...`: the beginning of trust. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/install.h"
#include "signing/seckey.h"

/* ---- init ---- */

struct init_options {
	struct cli_list channels;
	const char *rings, *listen;
};

static const struct cli_option init_rows[] = {
	{ "channel", 'c', CLI_MANY, offsetof(struct init_options, channels), "NAME", "a channel of content; may be given again" },
	{ "rings", 'r', CLI_TEXT, offsetof(struct init_options, rings), "A,B,C", "the rings in order [canary,early,broad]" },
	{ "listen", 'l', CLI_TEXT, offsetof(struct init_options, listen), "ADDR:PORT", "what the server listens on [127.0.0.1:8443]" },
};

/* Cuts text at its commas in place; returns how many words, at most max + 1. */
static size_t split(const char **words, size_t max, char *text)
{
	size_t count = 0;

	for (char *save = NULL, *word = strtok_r(text, ",", &save); word && count <= max; word = strtok_r(NULL, ",", &save))
		words[count++] = word;
	return count;
}

static void print_next(const struct install_plan *p)
{
	const char *dir = p->dir, *channel = p->channels[0];

	printf("\nNext:\n"
	       "  ringholdd --config %s/server/ringholdd.ini       # start the server\n"
	       "  ringhold contract register FILE --home %s/server # what each sensor build accepts\n"
	       "  ringhold token enrol --attribute ring=%s --home %s/server\n"
	       "          # one string enrols endpoints; each also gets %s/root.json and, in its own agent.ini, the attribute\n"
	       "  ringhold bundle build CONTENT -o %s-1.tar.gz --channel %s --serial 1\n"
	       "  ringhold publish %s-1.tar.gz --keys %s/vendor-keys --home %s/server\n"
	       "\n"
	       "Take %s/offline-keys away from this machine, each key to another person: whoever holds %d of\n"
	       "the root keys decides whom every endpoint trusts. Keep operator-keys and vendor-keys with those who use them.\n"
	       "Until a promoter signs too, the server's keys alone assign content to every ring; `ringhold status` says so.\n",
	       dir, dir, p->rings[0], dir, dir, channel, channel, channel, dir, dir, dir, INSTALL_ROOT_THRESHOLD);
}

static int init(int argc, char **argv, const void *options, struct err *e)
{
	const struct init_options *o = options;
	const char *rings[32 + 1];
	AUTO_FREE char *text = strdup(o->rings ? o->rings : "canary,early,broad");
	struct install_plan plan = { .dir = argv[0], .channels = o->channels.items, .channel_count = o->channels.count, .rings = rings,
				     .listen = o->listen ? o->listen : "127.0.0.1:8443", .now = clock_now() };

	(void)argc;
	if (!text)
		return err_memory(e);
	if (plan.channel_count == 0)
		return err_set(e, ERR_USAGE, "name at least one --channel");
	plan.ring_count = split(rings, 32, text);
	if (install(&plan, e) < 0)
		return e->code;
	printf("%s: installed. From now on an endpoint that is given %s/root.json trusts:\n\n", argv[0], argv[0]);
	if (install_summary(&plan, stdout, e) < 0)
		return e->code;
	print_next(&plan);
	return 0;
}

/* ---- keys ---- */

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

const struct cli_command init_commands[] = {
	{ .name = "init", .args = "DIR", .help = "make keys, the first repository and a server's configuration",
	  .min_args = 1, .max_args = 1, .run = init, .options = init_rows, .option_count = ARRAY_LEN(init_rows),
	  .options_size = sizeof(struct init_options),
	  .more = "Refuses a directory that holds an installation already and changes nothing there." },
	{ .name = "key generate", .args = "FILE", .help = "make an Ed25519 key pair", .min_args = 1, .max_args = 1, .run = generate },
	{ .name = "key show", .args = "FILE", .help = "print the public half of a key", .min_args = 1, .max_args = 1, .run = key_show,
	  .options = show_rows, .option_count = ARRAY_LEN(show_rows), .options_size = sizeof(struct show_options) },
};
const size_t init_command_count = ARRAY_LEN(init_commands);
