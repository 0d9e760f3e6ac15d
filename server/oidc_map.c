/* oidc_map: which claim gives which roles, for which channels. */
#include <stdio.h>
#include <string.h>

#include "server/oidc.h"

int oidc_parse_entry(struct oidc_entry *out, const char *text, struct err *e)
{
	/* The last one: a claim may be a distinguished name, CN=admins,OU=x; roles and channels have no such sign. */
	const char *equals = strrchr(text, '='), *at = equals ? strchr(equals, '@') : NULL;
	char words[256];
	size_t len = equals ? (size_t)(equals - text) : 0;

	*out = (struct oidc_entry){ 0 };
	if (!len || len >= sizeof out->claim)
		return err_set(e, ERR_USAGE, "\"%.80s\" is not CLAIM=ROLE[,ROLE][@CHANNEL[,CHANNEL]]", text);
	memcpy(out->claim, text, len);
	len = at ? (size_t)(at - equals - 1) : strlen(equals + 1);
	if (len >= sizeof words)
		return err_set(e, ERR_USAGE, "\"%.80s\": too many roles", text);
	snprintf(words, sizeof words, "%.*s", (int)len, equals + 1);
	if (roles_parse(&out->grant.roles, words, e) < 0)
		return err_set(e, ERR_USAGE, "\"%.80s\": there is no such role", text);
	for (const char *channel = at ? at + 1 : NULL; channel;) {
		size_t word = strcspn(channel, ",");

		snprintf(words, sizeof words, "%.*s", (int)MIN(word, sizeof words - 1), channel);
		if (access_add_channel(out->grant.channels, words, e) < 0)
			return err_wrap(e, "\"%.80s\"", text);
		channel = channel[word] ? channel + word + 1 : NULL;
	}
	return 0;
}
