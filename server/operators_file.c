/* operators_file: the lines by which tokens come in without asking the server. */
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "server/operators.h"

/* "channels=a,b" into the list of a grant. */
static int parse_channels(char channels[ACCESS_CHANNELS_MAX], char *text, struct err *e)
{
	for (char *save = NULL, *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (access_add_channel(channels, word, e) < 0)
			return e->code;
	return channels[0] ? 0 : err_set(e, ERR_FORMAT, "channels= names none");
}

static int parse_options(struct store_token *t, char channels[ACCESS_CHANNELS_MAX], char **save, struct err *e)
{
	for (char *word; (word = strtok_r(NULL, " \t\r", save)); ) {
		if (strncmp(word, "expires=", 8) == 0) {
			if (!number_parse(&t->expires, word + 8) || t->expires <= 0)
				return err_set(e, ERR_FORMAT, "expires= is a number of seconds since the epoch");
		} else if (strncmp(word, "channels=", 9) == 0) {
			if (parse_channels(channels, word + 9, e) < 0)
				return e->code;
		} else {
			return err_set(e, ERR_FORMAT, "\"%.32s\" is neither expires= nor channels=", word);
		}
	}
	return 0;
}

static int parse_line(char *line, int64_t now, int (*visit)(const struct store_token *, void *, struct err *), void *arg, struct err *e)
{
	char *save = NULL, *hash = strtok_r(line, " \t\r", &save);
	char *roles = strtok_r(NULL, " \t\r", &save), *name = strtok_r(NULL, " \t\r", &save);
	char id[DIGEST_HEX_LEN + 1], channels[ACCESS_CHANNELS_MAX] = "";
	struct store_token t = { .id = id, .channels = channels, .created = now, .by = "", .note = "", .version = 1 };

	if (!hash || hash[0] == '#')
		return 0;
	if (!roles || !name || !digest_parse(&t.hash, hash, strlen(hash)))
		return err_set(e, ERR_FORMAT, "expected \"<sha256 of the token> <roles> <name> [expires=...] [channels=...]\"");
	if (roles_parse(&t.roles, roles, e) < 0 || parse_options(&t, channels, &save, e) < 0)
		return e->code;
	if (!name_valid(name, strlen(name)))
		return err_set(e, ERR_FORMAT, "\"%.64s\" is no name", name);
	if (t.expires == 0) {
		t.expires = now + OPERATORS_LIFE;
		t.roles |= t.roles & MAY(OPERATOR) ? MAY(PUBLISHER) : 0;
	}
	t.name = name;
	memcpy(id, hash, OPERATORS_ID_LEN);
	id[OPERATORS_ID_LEN] = '\0';
	return visit(&t, arg, e);
}

int operators_parse(char *text, const char *path, int64_t now, int (*visit)(const struct store_token *, void *, struct err *), void *arg,
		    struct err *e)
{
	unsigned line = 0;

	for (char *at = text, *next; at; at = next) {
		next = strchr(at, '\n');
		if (next)
			*next++ = '\0';
		line++;
		if (parse_line(at, now, visit, arg, e) < 0)
			return err_wrap(e, "%s:%u", path, line);
	}
	return 0;
}
