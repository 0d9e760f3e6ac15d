/* forwarded: whom a proxy speaks for. */
#include "server/forwarded.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/client_cert.h"

struct part {
	const char *at;
	size_t len;
};

static struct part trimmed(struct part p)
{
	while (p.len && (*p.at == ' ' || *p.at == '\t')) {
		p.at++;
		p.len--;
	}
	while (p.len && (p.at[p.len - 1] == ' ' || p.at[p.len - 1] == '\t'))
		p.len--;
	return p;
}

/*
 * Takes the last element off a list. Quotes are not looked at: no address has a
 * comma in it, and a quote that is never closed must not swallow what the
 * proxy added behind it.
 */
static struct part take_last(struct part *list)
{
	size_t from = list->len;
	struct part last;

	while (from && list->at[from - 1] != ',')
		from--;
	last = (struct part){ list->at + from, list->len - from };
	list->len = from ? from - 1 : 0;
	return trimmed(last);
}

/* The value of for= among the pairs of an element; quotes are taken off. False: it has none. */
static bool node_of(struct part element, struct part *out)
{
	while (element.len) {
		const char *semicolon = memchr(element.at, ';', element.len);
		size_t len = semicolon ? (size_t)(semicolon - element.at) : element.len;
		struct part pair = trimmed((struct part){ element.at, len });

		element.at += len + (semicolon != NULL);
		element.len -= len + (semicolon != NULL);
		if (pair.len < 4 || strncasecmp(pair.at, "for=", 4) != 0)
			continue;
		*out = (struct part){ pair.at + 4, pair.len - 4 };
		if (out->len >= 2 && out->at[0] == '"' && out->at[out->len - 1] == '"')
			*out = (struct part){ out->at + 1, out->len - 2 };
		return true;
	}
	return false;
}

/* "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711", by the one spelling that they have here. */
static bool address_of(struct part node, char out[FORWARDED_ADDRESS_MAX])
{
	char text[FORWARDED_ADDRESS_MAX], *end;
	unsigned char bytes[16];

	if (node.len == 0 || node.len >= sizeof text)
		return false;
	snprintf(text, sizeof text, "%.*s", (int)node.len, node.at);
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*end = '\0';
		return inet_pton(AF_INET6, text + 1, bytes) == 1 && inet_ntop(AF_INET6, bytes, out, FORWARDED_ADDRESS_MAX);
	}
	if (inet_pton(AF_INET6, text, bytes) == 1)
		return inet_ntop(AF_INET6, bytes, out, FORWARDED_ADDRESS_MAX) != NULL;
	end = strchr(text, ':');
	if (end)
		*end = '\0';
	return inet_pton(AF_INET, text, bytes) == 1 && inet_ntop(AF_INET, bytes, out, FORWARDED_ADDRESS_MAX);
}

/* From the end of one line's list; false: whom it names last is the client, or no further one is known. */
static bool follow(char out[FORWARDED_ADDRESS_MAX], struct part list, bool pairs, char *const *proxies)
{
	char next[FORWARDED_ADDRESS_MAX];

	while (list.len) {
		struct part node = take_last(&list);

		if (pairs && !node_of(node, &node))
			return false;
		if (!address_of(node, next))
			return false;
		memcpy(out, next, sizeof next);
		if (!client_proxy_holds(proxies, out))
			return false;
	}
	return true;
}

void forwarded_client(char out[FORWARDED_ADDRESS_MAX], const struct http_request *q, const char *header, char *const *proxies, const char *peer)
{
	bool pairs = strcmp(header, "forwarded") == 0, more;

	snprintf(out, FORWARDED_ADDRESS_MAX, "%s", peer);
	more = *header && client_proxy_holds(proxies, peer);
	/* Several lines are one list in the order they came. */
	for (size_t i = q->header_count; i-- > 0 && more;)
		if (strcmp(q->headers[i].name, header) == 0)
			more = follow(out, (struct part){ q->headers[i].value, strlen(q->headers[i].value) }, pairs, proxies);
}
