/* settings: the table of keys, and what a table cannot say about them. */
#include "agent/settings.h"

#include <stdlib.h>
#include <string.h>

#include "agent/home.h"
#include "base/ini.h"
#include "base/number.h"

#define AT(f) offsetof(struct settings, f)
#define DAY 86400

static const struct ini_key agent_keys[] = {
	{ "agent", "server", INI_TEXT, AT(server), "", 0, 0, "https://HOST:PORT; default: from enrolment" },
	{ "agent", "pin", INI_TEXT, AT(pin), "", 0, 0, "sha256//BASE64 of the server's public key; default: from enrolment" },
	{ "agent", "ca-file", INI_TEXT, AT(ca_file), "", 0, 0, "PEM file of authorities, when not pinned" },
	{ "agent", "client-certificate", INI_TEXT, AT(client_certificate), "", 0, 0, "PEM file that this host shows its server in TLS" },
	{ "agent", "client-key", INI_TEXT, AT(client_key), "", 0, 0, "PEM file of its private key, which nobody else may read" },
	{ "agent", "proxy", INI_TEXT, AT(proxy), "", 0, 0, "URL of a proxy" },
	{ "agent", "content-repo", INI_TEXT, AT(content_repo), "content", 0, 0, "name of the vendor's repository" },
	{ "agent", "content-url", INI_TEXT, AT(content_url), "", 0, 0, "URL above its metadata/ and targets/" },
	{ "agent", "content-pin", INI_TEXT, AT(content_pin), "", 0, 0, "sha256//BASE64 of the public key of that server" },
	{ "agent", "content-ca-file", INI_TEXT, AT(content_ca_file), "", 0, 0, "PEM file of authorities for it; default: ca-file" },
	{ "agent", "rings-repo", INI_TEXT, AT(rings_repo), "", 0, 0, "name of the customer's own repository; default: the same" },
	{ "agent", "rings-url", INI_TEXT, AT(rings_url), "", 0, 0, "URL above its metadata/ and targets/" },
	{ "agent", "rings-pin", INI_TEXT, AT(rings_pin), "", 0, 0, "sha256//BASE64 of the public key of that server" },
	{ "agent", "rings-ca-file", INI_TEXT, AT(rings_ca_file), "", 0, 0, "PEM file of authorities for it; default: ca-file" },
	{ "agent", "contract", INI_TEXT, AT(contract), "/etc/ringhold/contract.json", 0, 0, "what the sensor accepts" },
	{ "agent", "device", INI_TEXT, AT(device), "", 0, 0, "id of this host while it is not enrolled" },
	{ "agent", "attributes", INI_LIST, AT(attributes), "", 0, 0, "name=value, assigned by operators" },
	{ "agent", "tags", INI_LIST, AT(tags), "", 0, 0, "what this host says about itself" },
	{ "agent", "os", INI_TEXT, AT(os), "", 0, 0, "default: from /etc/os-release" },
	{ "agent", "locale", INI_TEXT, AT(locale), "", 0, 0, "default: from the environment" },
	{ "agent", "host", INI_TEXT, AT(host), "", 0, 0, "default: the host's name" },
	{ "agent", "require-approval", INI_LIST, AT(approvals), "", 0, 0, "parties that must approve a bundle: PARTY or PARTY@REPO" },
	{ "agent", "min-age", INI_LIST, AT(min_age), "", 0, 0, "by ring position, from first sight; default: 0 1h 4h" },
	{ "agent", "poll", INI_SECONDS, AT(poll_s), "5m", 1, DAY, "between check-ins, unless the server says otherwise" },
	{ "agent", "poll-max", INI_SECONDS, AT(poll_max_s), "1h", 1, DAY, "longest back-off" },
	{ "agent", "boot-ok", INI_SECONDS, AT(boot_ok_s), "120s", 1, DAY, "the sensor is up so long: the boot was good" },
	{ "agent", "max-rate", INI_BYTES, AT(max_rate), "0", 0, 0, "bytes per second of downloads; 0: no limit" },
	{ "agent", "transfer-hook", INI_TEXT, AT(transfer_hook), "", 0, 0, "command asked before and while content is downloaded: exit status 0 goes on" },
	{ "agent", "transfer-hook-every", INI_SECONDS, AT(transfer_hook_s), "60s", 1, DAY, "how long its answer is good for" },
	{ "agent", "keep-events", INI_INT, AT(keep_events), "5000", 100, 1000000, "unsent events and history kept" },
	{ "agent", "strict-sandbox", INI_BOOL, AT(strict_sandbox), "no", 0, 0, "refuse to run without full confinement" },
	{ "agent", "fetch-user", INI_TEXT, AT(fetch_user), "", 0, 0, "user (or number) of the network process; default: ringhold-fetch, where there is one" },
	{ "agent", "judge-user", INI_TEXT, AT(judge_user), "", 0, 0, "... that reads signed metadata; default: ringhold-judge" },
	{ "agent", "unpack-user", INI_TEXT, AT(unpack_user), "", 0, 0, "... that decodes archives; default: ringhold-unpack" },
	{ "agent", "canary-user", INI_TEXT, AT(canary_user), "", 0, 0, "... that tries content; default: ringhold-canary" },
};

#undef AT
#define AT(f) offsetof(struct settings_channel, f)
static const struct ini_key channel_keys[] = {
	{ "channel", "reload", INI_TEXT, AT(reload), "", 0, 0, "command that makes the sensor take new content" },
	{ "channel", "pidfile", INI_TEXT, AT(pidfile), "", 0, 0, "of the process that gets a signal instead" },
	{ "channel", "signal", INI_TEXT, AT(signal), "HUP", 0, 0, "HUP, USR1 or USR2" },
	{ "channel", "probe", INI_TEXT, AT(probe), "", 0, 0, "command that must succeed during probation" },
	{ "channel", "probe-every", INI_SECONDS, AT(probe_every_s), "30s", 1, DAY, "between probes" },
	{ "channel", "exec", INI_LIST, AT(exec), "", 0, 0, "TYPE=COMMAND that checks content of a type" },
	{ "channel", "exec-reads", INI_LIST, AT(exec_reads), "", 0, 0, "what these commands may read beside the system's programs" },
	{ "channel", "benign", INI_LIST, AT(benign), "", 0, 0, "directories of events that must stay undisturbed" },
	{ "channel", "watch", INI_BOOL, AT(watch), "yes", 0, 0, "the sensor reports what it runs" },
	{ "channel", "sensor-wait", INI_SECONDS, AT(sensor_wait_s), "60s", 1, DAY, "longest time to take content over or to come back" },
	{ "channel", "window", INI_TEXT, AT(window), "", 0, 0, "when content may change: mon-fri 22:00-05:00 Europe/Berlin; ..." },
	{ "channel", "window-urgent", INI_BOOL, AT(window_urgent), "yes", 0, 0, "urgent content waits for the window too" },
	{ "channel", "canary-wall", INI_SECONDS, AT(canary_wall_s), "60s", 1, 3600, "longest time of one canary load" },
	{ "channel", "max-restarts", INI_INT, AT(max_restarts), "3", 0, 1000, "of the sensor during probation" },
	{ "channel", "ceiling-window", INI_SECONDS, AT(ceiling_window_s), "60s", 1, 3600, "of probation, over which the next four hold" },
	{ "channel", "cpu-ceiling", INI_INT, AT(cpu_ceiling), "0", 0, 100000, "mean percent of one processor the sensor may take; 0: what the contract says" },
	{ "channel", "rss-ceiling", INI_BYTES, AT(rss_ceiling), "0", 0, 0, "memory the sensor may keep; 0: what the contract says" },
	{ "channel", "verdict-rate", INI_INT, AT(verdict_rate), "600", 0, 1000000000, "alerts, blocks and quarantines a minute; 0: what the contract says" },
	{ "channel", "verdict-times", INI_INT, AT(verdict_times), "10", 0, 100000, "... or so many times the rate of the content before, when that is more" },
	{ "channel", "health-every", INI_SECONDS, AT(health_every_s), "30s", 1, DAY, "between rounds of health.d during probation" },
};
#undef AT

static void *channel_begin(void *settings, const char *label)
{
	struct settings *s = settings;
	struct settings_channel *c = &s->channels[s->channel_count];

	if (s->channel_count == SETTINGS_CHANNELS_MAX || strlen(label) > NAME_LEN_MAX)
		return NULL;
	s->channel_count++;
	memcpy(c->name, label, strlen(label) + 1);
	return c;
}

/* A command runs as root: it must lie in /etc and be spelled absolutely. */
static bool command_fine(const char *command)
{
	return !*command || (!strncmp(command, "/etc/", 5) && !strstr(command, "/../"));
}

static int check_command(const char *file, const char *channel, const char *key, const char *command, struct err *e)
{
	if (command_fine(command))
		return 0;
	return err_set(e, ERR_USAGE, "%s: [channel %s] %s: \"%s\" is no absolute path below /etc", file, channel, key, command);
}

#define LOADERS "/usr/lib/ringhold/loaders/"

/* These run as the canary's user; beside the operators' own there are those that are shipped. */
static int check_exec(const char *file, const char *channel, const char *word, struct err *e)
{
	const char *command = strchr(word, '=');

	if (!command || !name_valid(word, (size_t)(command - word)) || !command[1])
		return err_set(e, ERR_USAGE, "%s: [channel %s] exec: \"%s\" is not TYPE=COMMAND", file, channel, word);
	if (!strncmp(command + 1, LOADERS, strlen(LOADERS)) && !strchr(command + 1 + strlen(LOADERS), '/'))
		return 0;
	return check_command(file, channel, "exec", command + 1, e);
}

static int check_channel(struct settings_channel *c, const char *file, struct err *e)
{
	if (!name_valid(c->name, strlen(c->name)))
		return err_set(e, ERR_USAGE, "%s: [channel %s]: a name is lower-case letters, digits and inner dashes", file, c->name);
	if (check_command(file, c->name, "reload", c->reload, e) < 0 ||
	    check_command(file, c->name, "probe", c->probe, e) < 0)
		return e->code;
	for (char **x = c->exec; x && *x; x++)
		if (check_exec(file, c->name, *x, e) < 0)
			return e->code;
	for (char **x = c->exec_reads; x && *x; x++)
		if (**x != '/')
			return err_set(e, ERR_USAGE, "%s: [channel %s] exec-reads: \"%s\" is no absolute path", file, c->name, *x);
	if (windows_parse(&c->windows, c->window, e) < 0 || windows_resolve(&c->windows, e) < 0)
		return err_wrap(e, "%s: [channel %s]", file, c->name);
	if (*c->reload && *c->pidfile)
		return err_set(e, ERR_USAGE, "%s: [channel %s]: reload and pidfile exclude each other", file, c->name);
	if (strcmp(c->signal, "HUP") != 0 && strcmp(c->signal, "USR1") != 0 && strcmp(c->signal, "USR2") != 0)
		return err_set(e, ERR_USAGE, "%s: [channel %s] signal: \"%s\" is not HUP, USR1 or USR2", file, c->name, c->signal);
	return 0;
}

static int check_ages(struct settings *s, const char *file, struct err *e)
{
	for (size_t i = 0; i < SETTINGS_RINGS_MAX; i++)
		s->min_age_s[i] = -1;
	for (size_t i = 0; s->min_age && s->min_age[i]; i++) {
		if (i == SETTINGS_RINGS_MAX)
			return err_set(e, ERR_USAGE, "%s: min-age: more than %d rings", file, SETTINGS_RINGS_MAX);
		if (!number_parse_seconds(&s->min_age_s[i], s->min_age[i]) || s->min_age_s[i] < 0)
			return err_set(e, ERR_USAGE, "%s: min-age: \"%s\" is no time", file, s->min_age[i]);
	}
	return 0;
}

bool settings_party(const struct settings *s, const char *word, char party[NAME_LEN_MAX + 1], enum settings_repo *only)
{
	const char *at = strchr(word, '@');
	size_t len = at ? (size_t)(at - word) : strlen(word);

	*only = SETTINGS_REPOS;
	if (!name_valid(word, len))
		return false;
	memcpy(party, word, len);
	party[len] = 0;
	for (int r = 0; at && r < SETTINGS_REPOS; r++)
		if (!strcmp(at + 1, settings_repo_name(s, (enum settings_repo)r)))
			*only = settings_repo(s, (enum settings_repo)r);
	return !at || *only != SETTINGS_REPOS;
}

/* A word that is no party would demand what nobody can give, or demand less than was meant. */
static int check_approvals(const struct settings *s, const char *file, struct err *e)
{
	char party[NAME_LEN_MAX + 1];
	enum settings_repo only;
	size_t count = 0;

	for (char **a = s->approvals; a && *a; a++) {
		if (!settings_party(s, *a, party, &only))
			return err_set(e, ERR_USAGE, "%s: require-approval: \"%s\" is neither PARTY nor PARTY@REPO", file, *a);
		if (++count > SETTINGS_APPROVALS_MAX)
			return err_set(e, ERR_USAGE, "%s: require-approval: more than %d parties", file, SETTINGS_APPROVALS_MAX);
	}
	return 0;
}

static bool url_fine(const char *url)
{
	return !*url || !strncmp(url, "https://", 8) || !strncmp(url, "http://", 7) || !strncmp(url, "file://", 7);
}

static int check(struct settings *s, const char *file, struct err *e)
{
	const struct { const char *key, *value; } urls[] = {
		{ "server", s->server }, { "content-url", s->content_url }, { "rings-url", s->rings_url },
	};
	const struct { const char *key, *value; } names[] = {
		{ "content-repo", s->content_repo }, { "rings-repo", s->rings_repo },
	};

	for (size_t i = 0; i < ARRAY_LEN(urls); i++)
		if (!url_fine(urls[i].value))
			return err_set(e, ERR_USAGE, "%s: %s: \"%s\" is no http, https or file URL", file, urls[i].key, urls[i].value);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if ((i == 0 || *names[i].value) && !name_valid(names[i].value, strlen(names[i].value)))
			return err_set(e, ERR_USAGE, "%s: %s: \"%s\" is no name", file, names[i].key, names[i].value);
	if (!strcmp(s->rings_repo, s->content_repo))
		s->rings_repo[0] = 0;
	if (*s->rings_repo && !*s->content_url)
		return err_set(e, ERR_USAGE, "%s: content-url is missing: the server is that of repository %s", file, s->rings_repo);
	if (!command_fine(s->transfer_hook))
		return err_set(e, ERR_USAGE, "%s: transfer-hook: \"%s\" is no absolute path below /etc", file, s->transfer_hook);
	if (check_approvals(s, file, e) < 0)
		return e->code;
	if (s->channel_count == 0)
		return err_set(e, ERR_USAGE, "%s: no [channel NAME] section: nothing to deliver", file);
	if (!*s->client_certificate != !*s->client_key)
		return err_set(e, ERR_USAGE, "%s: client-certificate and client-key go together", file);
	for (size_t i = 0; i < s->channel_count; i++)
		if (check_channel(&s->channels[i], file, e) < 0)
			return e->code;
	return check_ages(s, file, e);
}

int settings_load(struct settings **out, const char *root, const char *path, struct err *e)
{
	const struct ini_many many[] = {
		{ "channel", channel_keys, ARRAY_LEN(channel_keys), channel_begin },
		{ NULL, NULL, 0, NULL },
	};
	char file[HOME_PATH_MAX];
	AUTO(settings) struct settings *s = calloc(1, sizeof *s);

	if (!s)
		return err_memory(e);
	if (home_path(file, root, path ? path : SETTINGS_PATH, e) < 0)
		return e->code;
	s->root = root;
	if (ini_read(s, file, agent_keys, ARRAY_LEN(agent_keys), many, e) < 0) {
		free(TAKE(s));
		return e->code;
	}
	if (check(s, file, e) < 0)
		return e->code;
	*out = TAKE(s);
	return 0;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->channel_count; i++)
		windows_release(&s->channels[i].windows);
	for (size_t i = 0; i < s->channel_count; i++)
		ini_release(&s->channels[i], channel_keys, ARRAY_LEN(channel_keys));
	ini_release(s, agent_keys, ARRAY_LEN(agent_keys));
	free(s);
}

const struct settings_channel *settings_channel(const struct settings *s, const char *name)
{
	for (size_t i = 0; i < s->channel_count; i++)
		if (!strcmp(s->channels[i].name, name))
			return &s->channels[i];
	return NULL;
}

enum settings_repo settings_repo(const struct settings *s, enum settings_repo which)
{
	return which == REPO_RINGS && *s->rings_repo ? REPO_RINGS : REPO_CONTENT;
}

const char *settings_repo_name(const struct settings *s, enum settings_repo which)
{
	return settings_repo(s, which) == REPO_RINGS ? s->rings_repo : s->content_repo;
}

const struct ini_key *settings_keys(size_t *count)
{
	*count = ARRAY_LEN(agent_keys);
	return agent_keys;
}

const struct ini_key *settings_channel_keys(size_t *count)
{
	*count = ARRAY_LEN(channel_keys);
	return channel_keys;
}
