/* init_commands: `ringhold init`: the beginning of trust. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/commands.h"
#include "cli/install.h"

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
	       "Move %s/promoter to another machine, or at least to another user: it co-signs what every ring after %s\n"
	       "gets (`ringhold promoter DIR`, unit ringhold-promoter.service). Write the server's pin into its promoter.ini, and\n"
	       "bring it each new policy yourself: it takes none from the server. Without it these rings wait for a person's key.\n",
	       dir, dir, p->rings[0], dir, dir, channel, channel, channel, dir, dir, dir, INSTALL_ROOT_THRESHOLD, dir, p->rings[0]);
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

const struct cli_command init_commands[] = {
	{ .name = "init", .args = "DIR", .help = "make keys, the first repository and a server's configuration",
	  .min_args = 1, .max_args = 1, .run = init, .options = init_rows, .option_count = ARRAY_LEN(init_rows),
	  .options_size = sizeof(struct init_options),
	  .more = "Refuses a directory that holds an installation already and changes nothing there." },
};
const size_t init_command_count = ARRAY_LEN(init_commands);
