/* access: who somebody is, and what they may do. */
#include "server/access.h"

#include <stdio.h>
#include <string.h>

#include "base/name.h"

static const char *const roles[ROLES] = {
	[ROLE_VIEWER] = "viewer",     [ROLE_PUBLISHER] = "publisher", [ROLE_OPERATOR] = "operator",
	[ROLE_APPROVER] = "approver", [ROLE_AUDITOR] = "auditor",     [ROLE_ADMIN] = "admin",
};

const char *role_name(enum role r)
{
	return roles[r];
}

bool role_parse(enum role *out, const char *name)
{
	for (int r = 0; r < ROLES; r++)
		if (strcmp(roles[r], name) == 0) {
			*out = (enum role)r;
			return true;
		}
	return false;
}

int roles_parse(unsigned *out, const char *text, struct err *e)
{
	unsigned set = 0;

	for (;;) {
		size_t len = strcspn(text, ",");
		char word[32];
		enum role r;

		snprintf(word, sizeof word, "%.*s", (int)len, text);
		if (len >= sizeof word || !role_parse(&r, word))
			return err_set(e, ERR_FORMAT, "unknown role \"%s\": it is viewer, publisher, operator, approver, auditor or admin", word);
		set |= 1u << r;
		if (!text[len])
			break;
		text += len + 1;
	}
	*out = set;
	return 0;
}

bool access_listed(const char *channels, const char *name)
{
	size_t len = strlen(name);

	if (!channels[0])
		return true;
	for (const char *at = channels; *at;) {
		size_t word = strcspn(at, " ");

		if (word == len && memcmp(at, name, len) == 0)
			return true;
		at += word + (at[word] == ' ');
	}
	return false;
}

bool access_role(const struct identity *i, unsigned may)
{
	for (size_t k = 0; k < i->count; k++)
		if (i->grants[k].roles & may)
			return true;
	return false;
}

bool access_channel(const struct identity *i, unsigned may, const char *channel)
{
	for (size_t k = 0; k < i->count; k++) {
		const struct grant *g = &i->grants[k];

		if ((g->roles & may) && (channel ? access_listed(g->channels, channel) : !g->channels[0]))
			return true;
	}
	return false;
}

int access_add_channel(char channels[ACCESS_CHANNELS_MAX], const char *name, struct err *e)
{
	size_t len = strlen(channels), more = strlen(name);

	if (!name_valid(name, more))
		return err_set(e, ERR_FORMAT, "\"%.80s\" is no name of a channel", name);
	if (len && access_listed(channels, name))
		return 0;
	if (len + more + 2 > ACCESS_CHANNELS_MAX)
		return err_set(e, ERR_LIMIT, "more channels than the %d bytes that hold them", ACCESS_CHANNELS_MAX);
	snprintf(channels + len, ACCESS_CHANNELS_MAX - len, "%s%s", len ? " " : "", name);
	return 0;
}
