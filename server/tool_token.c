/*
 * tool_token: tokens made by whoever may write to the server's directory.
 *
 * The first administrator comes in like this, and one who lost everything
 * else. The server need not run; when it does, it takes the token in within a
 * second or two.
 */
#include "server/tool_token.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/name.h"
#include "server/config.h"
#include "server/operators.h"
#include "server/token.h"

#define LIFE_S (90 * (int64_t)86400)
#define LINES_MAX ((size_t)1 << 20)

struct tool_options {
	const char *config;
	struct cli_list roles, channels;
	int64_t lifetime_s;
	bool admin;
};

#define AT(field) offsetof(struct tool_options, field)

static const struct cli_option create_rows[] = {
	{ "config", 'c', CLI_TEXT, AT(config), "FILE", "the server's configuration" },
	{ "admin", 0, CLI_FLAG, AT(admin), NULL, "may everything" },
	{ "role", 0, CLI_MANY, AT(roles), "ROLE", "viewer, publisher, operator, approver, auditor or admin; may be given again" },
	{ "channel", 0, CLI_MANY, AT(channels), "NAME", "for this channel only; may be given again [every channel]" },
	{ "lifetime", 0, CLI_SECONDS, AT(lifetime_s), "TIME", "how long it is good, such as 30d [90d]" },
};

static int add_roles(struct buf *line, const struct tool_options *o, struct err *e)
{
	unsigned set = o->admin ? MAY(ADMIN) : 0, one;

	for (size_t i = 0; i < o->roles.count; i++) {
		if (roles_parse(&one, o->roles.items[i], e) < 0)
			return err_set(e, ERR_USAGE, "--role %.40s: there is no such role", o->roles.items[i]);
		set |= one;
	}
	if (!set)
		return err_set(e, ERR_USAGE, "what may it do? --admin, or at least one --role");
	for (int r = 0, n = 0; r < ROLES; r++)
		if (set & (1u << r))
			buf_addf(line, "%s%s", n++ ? "," : "", role_name((enum role)r));
	return 0;
}

static int add_channels(struct buf *line, const struct tool_options *o, struct err *e)
{
	char channels[ACCESS_CHANNELS_MAX] = "";

	for (size_t i = 0; i < o->channels.count; i++) {
		if (access_add_channel(channels, o->channels.items[i], e) < 0)
			return e->code;
		buf_addf(line, "%s%s", i ? "," : " channels=", o->channels.items[i]);
	}
	return 0;
}

/* Adds a line to the file, by replacing it: the server sees all of it or what was there before. */
static int add_line(const char *data, const struct buf *line, struct err *e)
{
	AUTO_FREE char *path = file_join(data, "operator-tokens");
	AUTO(buf) struct buf *text = NULL;
	int got;

	if (!path)
		return err_memory(e);
	got = file_read(&text, path, LINES_MAX, e);
	if (got < 0 && got != ERR_NOT_FOUND)
		return got;
	if (got < 0 && !(text = buf_new(0)))
		return err_memory(e);
	if (text->len && text->data[text->len - 1] != '\n')
		buf_addc(text, '\n');
	buf_add(text, line->data, line->len);
	if (buf_check(text, e) < 0)
		return e->code;
	return file_replace(path, text->data, text->len, 0600, e);
}

/* Two who add at the same time wait for each other, and for the server that takes them in. */
static int add_line_alone(const char *data, const struct buf *line, struct err *e)
{
	int fd = open(data, O_RDONLY | O_DIRECTORY | O_CLOEXEC), got;

	if (fd < 0)
		return err_errno(e, "%s", data);
	got = flock(fd, LOCK_EX) < 0 ? err_errno(e, "%s: lock", data) : add_line(data, line, e);
	close(fd);
	return got;
}

static int create(int argc, char **argv, const void *options, struct err *e)
{
	const struct tool_options *o = options;
	AUTO(config) struct config *c = NULL;
	AUTO(buf) struct buf *line = buf_new(0);
	int64_t expires = clock_now() + (o->lifetime_s ? o->lifetime_s : LIFE_S);
	char token[TOKEN_WORD_MAX], hex[DIGEST_HEX_LEN + 1], name[NAME_LEN_MAX + 1];
	struct digest hash;

	if (!line)
		return err_memory(e);
	if (!o->config)
		return err_set(e, ERR_USAGE, "--config FILE is needed");
	if (config_read(&c, o->config, e) < 0 || token_word(token, "rho_", e) < 0)
		return e->code;
	token_hash(&hash, token);
	digest_hex(hex, &hash);
	/* No name comes twice, so one that nobody chose is new. */
	snprintf(name, sizeof name, "%s", argc > 0 ? argv[0] : "");
	if (argc == 0)
		snprintf(name, sizeof name, "local-%.8s", hex);
	if (!name_valid(name, strlen(name)) || (argc > 0 && strlen(argv[0]) > NAME_LEN_MAX))
		return err_set(e, ERR_USAGE, "\"%.80s\" is no name: a-z, 0-9 and inner hyphens", argv[0]);
	buf_addf(line, "%s ", hex);
	if (add_roles(line, o, e) < 0)
		return e->code;
	buf_addf(line, " %s expires=%" PRId64, name, expires);
	if (add_channels(line, o, e) < 0)
		return e->code;
	buf_addc(line, '\n');
	if (buf_check(line, e) < 0 || add_line_alone(c->data, line, e) < 0)
		return e->code;
	fprintf(stderr, "token of %s; it is shown this once:\n", name);
	printf("%s\n", token);
	explicit_bzero(token, sizeof token);
	return 0;
}

const struct cli_command tool_token_commands[] = {
	{ .name = "token create", .args = "[NAME]", .help = "make an operator's token on the server's own machine", .min_args = 0, .max_args = 1,
	  .options = create_rows, .option_count = ARRAY_LEN(create_rows), .options_size = sizeof(struct tool_options), .run = create,
	  .more = "The server takes it in at its next start, or within seconds when it runs. A name that was used before is not "
		  "taken in: the server's log says so." },
};
const size_t tool_token_command_count = ARRAY_LEN(tool_token_commands);
