/* config: the server's configuration file. */
#include "server/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/ini.h"
#include "base/name.h"
#include "base/number.h"
#include "server/client_cert.h"
#include "server/oidc.h"

#define AT(member) offsetof(struct config, member)

static const struct ini_key keys[] = {
	{ "", "listen", INI_TEXT, AT(listen), "127.0.0.1:8443", 0, 0, "address and port; port 0: the kernel's choice" },
	{ "", "data", INI_TEXT, AT(data), NULL, 0, 0, "directory of the store and the server's secrets" },
	{ "", "repository", INI_TEXT, AT(repository), "", 0, 0, "the published repository; DATA/repository" },
	{ "", "repository-name", INI_TEXT, AT(name), "content", 0, 0, "what agents call the repository" },
	{ "", "keys", INI_TEXT, AT(keys), "", 0, 0, "directory of signing keys; DATA/keys" },
	{ "", "tls", INI_BOOL, AT(tls), "yes", 0, 0, "no: plain HTTP, on a loopback address only" },
	{ "", "tls-certificate", INI_TEXT, AT(tls_certificate), "", 0, 0, "PEM; DATA/tls.crt, made when absent" },
	{ "", "tls-key", INI_TEXT, AT(tls_key), "", 0, 0, "PEM; DATA/tls.key, made when absent" },
	{ "", "client-ca", INI_TEXT, AT(client_ca), "", 0, 0, "PEM file of authorities: every device must show a certificate of theirs" },
	{ "", "trusted-proxy", INI_LIST, AT(trusted_proxies), "", 0, 0, "addresses or networks of proxies whose word counts about who asks" },
	{ "", "client-certificate-header", INI_TEXT, AT(client_header), "client-cert", 0, 0, "in which they do, as RFC 9440 or nginx write it" },
	{ "", "client-address-header", INI_TEXT, AT(address_header), "", 0, 0, "in which they name the address they speak for: X-Forwarded-For, or Forwarded" },
	{ "", "advertise", INI_TEXT, AT(advertise), "", 0, 0, "host or host:port that devices use; the listen address" },
	{ "", "checkin", INI_SECONDS, AT(checkin_s), "5m", 1, 86400, "expected interval between check-ins" },
	{ "", "device-token-life", INI_SECONDS, AT(device_token_s), "1d", 0, 10 * 365 * 86400, "after which a device gets its next token; 0: never" },
	{ "", "threads", INI_INT, AT(threads), "16", 2, 256, "threads that answer requests" },
	{ "", "connections", INI_INT, AT(connections), "10000", 4, 1000000, "open at once" },
	{ "", "upload-max", INI_BYTES, AT(upload_max), "1G", 4096, (int64_t)1 << 40, "bytes of one upload" },
	{ "", "head-timeout", INI_SECONDS, AT(head_s), "15s", 1, 3600, "for the handshake and for the head of a request" },
	{ "", "body-timeout", INI_SECONDS, AT(body_s), "30s", 1, 3600, "for each 256 KiB of a body" },
	{ "", "idle-timeout", INI_SECONDS, AT(idle_s), "75s", 1, 3600, "between requests" },
	{ "", "write-timeout", INI_SECONDS, AT(write_s), "30s", 1, 3600, "for the peer to take 128 KiB of an answer" },
	{ "", "log", INI_TEXT, AT(log), "logfmt", 0, 0, "form of a log line: logfmt or json" },
	{ "", "access-log", INI_TEXT, AT(access_log), "operators", 0, 0, "requests that are logged: none, operators, all" },
	{ "", "metrics", INI_TEXT, AT(metrics), "token", 0, 0, "who reads /metrics on the listen address: token (any operator token), open (everybody), off" },
	{ "", "metrics-listen", INI_TEXT, AT(metrics_listen), "", 0, 0, "a second address, plain HTTP, for /metrics, /healthz and /readyz alone" },
	{ "", "min-free", INI_BYTES, AT(min_free), "64M", 0, (int64_t)1 << 50, "free space of the data directory under which /readyz says no" },
	{ "", "webhook-networks", INI_LIST, AT(webhook_networks), "", 0, 0, "networks beside the public ones that webhooks may lie in, such as 10.1.0.0/16; http only there" },
	{ "", "webhook-ca-file", INI_TEXT, AT(webhook_ca_file), "", 0, 0, "PEM file of authorities for webhooks; the system's" },
	{ "", "webhook-give-up", INI_SECONDS, AT(webhook_give_up_s), "3d", 60, 30 * 86400, "after which a message that is not taken is a dead letter" },
	{ "", "benign", INI_LIST, AT(benign), "", 0, 0, "directories of events that content must not disturb" },
	{ "", "size-ratio", INI_INT, AT(size_ratio), "10", 2, 1000000, "a file so many times larger or smaller than in the bundle before is refused" },
	{ "", "token-rate", INI_INT, AT(token_rate), "50", 1, 1000000, "requests a second of one operator, in the long run" },
	{ "", "token-burst", INI_INT, AT(token_burst), "200", 1, 1000000, "requests at once of one operator" },
	{ "", "device-rate", INI_INT, AT(device_rate), "10", 1, 1000000, "requests a second of one device, in the long run" },
	{ "", "device-burst", INI_INT, AT(device_burst), "100", 1, 1000000, "requests at once of one device" },
	{ "", "address-rate", INI_INT, AT(address_rate), "100", 1, 1000000, "requests of operators a second from one address" },
	{ "", "address-burst", INI_INT, AT(address_burst), "400", 1, 1000000, "requests of operators at once from one address" },
	{ "", "enrol-rate", INI_INT, AT(enrol_rate), "5", 1, 1000000, "enrolments a second from one address, in the long run" },
	{ "", "enrol-burst", INI_INT, AT(enrol_burst), "200", 1, 1000000, "enrolments at once from one address" },
	{ "", "bad-tokens", INI_INT, AT(bad_tokens), "20", 1, 1000000, "from one address in ten minutes lock bad tokens there out" },
	{ "", "lock-out", INI_SECONDS, AT(lock_out_s), "5m", 1, 86400, "how long" },
	{ "", "keep-bundles", INI_INT, AT(keep.bundles), "20", 1, 100000, "archives of a channel that stay, listed or not: the newest" },
	{ "", "keep-days", INI_INT, AT(keep.days), "14", 1, 36500, "for which replaced metadata, and what it lists, stays" },
	{ "oidc", "issuer", INI_TEXT, AT(oidc_issuer), "", 0, 0, "the identity provider whose tokens count, as in its tokens; an https URL" },
	{ "oidc", "audience", INI_TEXT, AT(oidc_audience), "", 0, 0, "what its tokens for this server are for" },
	{ "oidc", "jwks-uri", INI_TEXT, AT(oidc_jwks_uri), "", 0, 0, "where its keys are; as its discovery document says" },
	{ "oidc", "ca-file", INI_TEXT, AT(oidc_ca_file), "", 0, 0, "PEM file of authorities for it" },
	{ "oidc", "roles-claim", INI_TEXT, AT(oidc_roles_claim), "roles", 0, 0, "the claim with groups or roles, such as realm_access.roles" },
	{ "oidc", "map", INI_LIST, AT(oidc_map), "", 0, 0, "CLAIM=ROLE[,ROLE][@CHANNEL[,CHANNEL]]; may be given again" },
	{ "oidc", "keys-poll", INI_SECONDS, AT(oidc_poll_s), "1h", 60, 86400, "between looks for its keys" },
	{ "oidc", "keys-stale", INI_SECONDS, AT(oidc_stale_s), "24h", 60, 30 * 86400, "for which keys are good when it cannot be reached" },
};

#undef AT
#define AT(member) offsetof(struct config_follow, member)

static const struct ini_key follow_keys[] = {
	{ "follow", "url", INI_TEXT, AT(url), NULL, 0, 0, "of a vendor's repository, above its metadata/ and targets/" },
	{ "follow", "root", INI_TEXT, AT(root), NULL, 0, 0, "file with the vendor's root that is trusted" },
	{ "follow", "pin", INI_TEXT, AT(pin), "", 0, 0, "sha256//BASE64 of that server's public key" },
	{ "follow", "ca-file", INI_TEXT, AT(ca_file), "", 0, 0, "PEM file of authorities for that server" },
	{ "follow", "channels", INI_LIST, AT(channels), NULL, 0, 0, "whose new bundles go into the rings here" },
	{ "follow", "automatic", INI_BOOL, AT(automatic), "yes", 0, 0, "no: an operator begins each rollout" },
	{ "follow", "poll", INI_SECONDS, AT(poll_s), "5m", 1, 86400, "between looks" },
};

#undef AT
#define AT(member) offsetof(struct config, member)

static void *follow_begin(void *config, const char *label)
{
	struct config *c = config;
	struct config_follow *f = &c->follows[c->follow_count];

	if (c->follow_count == CONFIG_FOLLOWS_MAX || strlen(label) >= sizeof f->name)
		return NULL;
	c->follow_count++;
	memcpy(f->name, label, strlen(label) + 1);
	return f;
}

/* The name is a directory's, the channels are looked for: neither may be odd. One channel has one vendor. */
static int check_follow(const struct config *c, const struct config_follow *f, const char *path, struct err *e)
{
	if (!name_valid(f->name, strlen(f->name)))
		return err_set(e, ERR_USAGE, "%s: [follow %s]: a name is lower-case letters, digits and inner hyphens", path, f->name);
	if (strncmp(f->url, "https://", 8) != 0 && strncmp(f->url, "http://", 7) != 0 && strncmp(f->url, "file://", 7) != 0)
		return err_set(e, ERR_USAGE, "%s: [follow %s] url: \"%s\" is no http, https or file URL", path, f->name, f->url);
	for (char **channel = f->channels; *channel; channel++) {
		if (!name_valid(*channel, strlen(*channel)))
			return err_set(e, ERR_USAGE, "%s: [follow %s] channels: \"%s\" is no name", path, f->name, *channel);
		for (const struct config_follow *o = c->follows; o < f; o++)
			for (char **other = o->channels; *other; other++)
				if (!strcmp(*other, *channel))
					return err_set(e, ERR_USAGE, "%s: [follow %s]: channel %s comes from %s already", path, f->name,
						       *channel, o->name);
	}
	return 0;
}

static int check_oidc(const struct config *c, const char *path, struct err *e)
{
	struct oidc_entry entry;

	if (!c->oidc_issuer[0])
		return 0;
	if (strncmp(c->oidc_issuer, "https://", 8) != 0 || (c->oidc_jwks_uri[0] && strncmp(c->oidc_jwks_uri, "https://", 8) != 0))
		return err_set(e, ERR_USAGE, "%s: [oidc]: issuer and jwks-uri are https URLs", path);
	if (!c->oidc_audience[0])
		return err_set(e, ERR_USAGE, "%s: [oidc] audience: without one the tokens of every other service would count", path);
	for (char **one = c->oidc_map; *one; one++)
		if (oidc_parse_entry(&entry, *one, e) < 0)
			return err_wrap(e, "%s: [oidc] map", path);
	return 0;
}

/* The name of a header, made lower-case as requests have it. */
static int check_header(char *name, const char *key, const char *path, struct err *e)
{
	for (char *at = name; *at; at++) {
		*at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", *at))
			return err_set(e, ERR_USAGE, "%s: %s: \"%s\" is no name of a header", path, key, name);
	}
	return 0;
}

/* Without a proxy that is named, nobody could show a certificate over plain HTTP. */
static int check_clients(struct config *c, const char *path, struct err *e)
{
	bool proxies = c->trusted_proxies && c->trusted_proxies[0];

	if (check_header(c->client_header, "client-certificate-header", path, e) < 0 ||
	    check_header(c->address_header, "client-address-header", path, e) < 0)
		return e->code;
	for (char **one = c->trusted_proxies; one && *one; one++)
		if (!client_proxy_valid(*one))
			return err_set(e, ERR_USAGE, "%s: trusted-proxy: \"%s\" is no address or network", path, *one);
	if (proxies && !c->client_ca[0] && !c->address_header[0])
		return err_set(e, ERR_USAGE, "%s: trusted-proxy: neither client-ca nor client-address-header says what it hands on", path);
	if (c->address_header[0] && !proxies)
		return err_set(e, ERR_USAGE, "%s: client-address-header: it counts only from a trusted-proxy, and none is named", path);
	if (c->client_ca[0] && !c->tls && !proxies)
		return err_set(e, ERR_USAGE, "%s: client-ca: with tls = no only a trusted-proxy could show certificates, and none is named", path);
	return 0;
}

/* "host:port", "[v6]:port"; the host is an address, so that nothing is looked up. */
static int split_address(const char *key, const char *text, char host[CONFIG_HOST], int *port, bool *loopback, const char *path, struct err *e)
{
	const char *colon = strrchr(text, ':'), *from = text;
	unsigned char v4[4], v6[16];
	int64_t number;
	size_t len;

	if (!colon || !number_parse(&number, colon + 1) || number < 0 || number > 65535)
		return err_set(e, ERR_USAGE, "%s: %s: \"%s\" is not ADDRESS:PORT", path, key, text);
	len = (size_t)(colon - from);
	if (len > 2 && from[0] == '[' && from[len - 1] == ']') {
		from++;
		len -= 2;
	}
	if (len >= CONFIG_HOST)
		return err_set(e, ERR_USAGE, "%s: %s: the address is too long", path, key);
	memcpy(host, from, len);
	host[len] = '\0';
	*port = (int)number;
	if (inet_pton(AF_INET, host, v4) == 1) {
		*loopback = v4[0] == 127;
	} else if (inet_pton(AF_INET6, host, v6) == 1) {
		static const unsigned char one[16] = { [15] = 1 };

		*loopback = memcmp(v6, one, sizeof one) == 0;
	} else {
		return err_set(e, ERR_USAGE, "%s: %s: \"%s\" is no IP address", path, key, host);
	}
	return 0;
}

static int split_listen(struct config *c, const char *path, struct err *e)
{
	bool loopback;

	if (split_address("listen", c->listen, c->host, &c->port, &c->loopback, path, e) < 0)
		return e->code;
	if (!c->tls && !c->loopback)
		return err_set(e, ERR_USAGE, "%s: tls = no needs a loopback listen address, not %s", path, c->host);
	if (!c->metrics_listen[0])
		return 0;
	return split_address("metrics-listen", c->metrics_listen, c->metrics_host, &c->metrics_port, &loopback, path, e);
}

/* How it is watched: words out of a few. */
static int check_watching(struct config *c, const char *path, struct err *e)
{
	c->metrics_open = strcmp(c->metrics, "open") == 0;
	c->metrics_off = strcmp(c->metrics, "off") == 0;
	if (!c->metrics_open && !c->metrics_off && strcmp(c->metrics, "token") != 0)
		return err_set(e, ERR_USAGE, "%s: metrics: \"%s\" is not token, open or off", path, c->metrics);
	if (!log_form_parse(&c->log_form, c->log))
		return err_set(e, ERR_USAGE, "%s: log: \"%s\" is not logfmt or json", path, c->log);
	if (!access_log_parse(&c->access, c->access_log))
		return err_set(e, ERR_USAGE, "%s: access-log: \"%s\" is not none, operators or all", path, c->access_log);
	return 0;
}

static int fill(char **slot, const char *data, const char *name, struct err *e)
{
	if ((*slot)[0])
		return 0;
	free(*slot);
	*slot = file_join(data, name);
	return *slot ? 0 : err_memory(e);
}

int config_read(struct config **out, const char *path, struct err *e)
{
	static const struct ini_many many[] = {
		{ "follow", follow_keys, ARRAY_LEN(follow_keys), follow_begin },
		{ NULL, NULL, 0, NULL },
	};
	AUTO(config) struct config *c = calloc(1, sizeof *c);

	if (!c)
		return err_memory(e);
	if (ini_read(c, path, keys, ARRAY_LEN(keys), many, e) < 0) {
		free(TAKE(c));
		return e->code;
	}
	for (size_t i = 0; i < c->follow_count; i++)
		if (check_follow(c, &c->follows[i], path, e) < 0)
			return e->code;
	if (check_oidc(c, path, e) < 0 || check_clients(c, path, e) < 0 || check_watching(c, path, e) < 0 || split_listen(c, path, e) < 0)
		return e->code;
	if (c->data[0] != '/')
		return err_set(e, ERR_USAGE, "%s: data: \"%s\" is not an absolute path", path, c->data);
	if (!c->tls_certificate[0] != !c->tls_key[0])
		return err_set(e, ERR_USAGE, "%s: tls-certificate and tls-key go together", path);
	if (fill(&c->repository, c->data, "repository", e) < 0 || fill(&c->keys, c->data, "keys", e) < 0 ||
	    fill(&c->tls_certificate, c->data, "tls.crt", e) < 0 || fill(&c->tls_key, c->data, "tls.key", e) < 0)
		return e->code;
	*out = TAKE(c);
	return 0;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->follow_count; i++)
		ini_release(&c->follows[i], follow_keys, ARRAY_LEN(follow_keys));
	ini_release(c, keys, ARRAY_LEN(keys));
	free(c);
}

void config_help(void)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		printf("  %s%-16s %s [%s]\n", keys[i].section[0] ? "[oidc] " : "", keys[i].key, keys[i].help, keys[i].fallback ? keys[i].fallback : "required");
	printf("\nand for each vendor's repository that is followed, [follow NAME]:\n");
	for (size_t i = 0; i < ARRAY_LEN(follow_keys); i++)
		printf("  %-16s %s [%s]\n", follow_keys[i].key, follow_keys[i].help,
		       follow_keys[i].fallback ? follow_keys[i].fallback : "required");
}
