/* promoter: opening: what it was told, whom it believes, what it remembers; and one look at everything. */
#include "cli/promoter_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ini.h"
#include "base/log.h"
#include "rollout/vouch.h"

#define PIN_MAX 4096                    /* bytes of the file */

#define AT(field) offsetof(struct promoter_config, field)
static const struct ini_key keys[] = {
	{ "", "server", INI_TEXT, AT(server), "", 0, 0, "https://host:port" },
	{ "", "pin", INI_TEXT, AT(pin), "", 0, 0, "sha256//... of the server's key; stands in its file `pin`" },
	{ "", "pin-file", INI_TEXT, AT(pin_file), "", 0, 0, "that file, where this user can read it; without a pin" },
	{ "", "ca-file", INI_TEXT, AT(ca_file), "", 0, 0, "certificates that vouch for the server, without a pin" },
	{ "", "token-file", INI_TEXT, AT(token_file), "token", 0, 0, "lets it read what the server offers" },
	{ "", "root", INI_TEXT, AT(root), "root.json", 0, 0, "whom it believes" },
	{ "", "policies", INI_TEXT, AT(policies), "policies", 0, 0, "directory of <channel>.json, brought by operators" },
	{ "", "vouch", INI_TEXT, AT(vouch), "vouch", 0, 0, "directory of <ring>/<name>.key, shared with single endpoints" },
	{ "", "vouchers", INI_INT, AT(vouchers), "3", 1, 1000, "endpoints that must vouch, of each ring that has keys there" },
	{ "", "state", INI_TEXT, AT(state), "state", 0, 0, "directory of what it has seen" },
	{ "", "poll", INI_SECONDS, AT(poll_s), "5s", 1, 3600, "how often the server is asked" },
	{ "content", "url", INI_TEXT, AT(content_url), "", 0, 0, "the vendor's repository, where hosts have a content-url; else the server's own" },
	{ "content", "root", INI_TEXT, AT(content_root), "content.root.json", 0, 0, "the vendor's root" },
	{ "content", "pin", INI_TEXT, AT(content_pin), "", 0, 0, "sha256//... of the vendor's key" },
	{ "content", "ca-file", INI_TEXT, AT(content_ca_file), "", 0, 0, "certificates that vouch for the vendor's server, without a pin" },
	{ "", "changes-per-day", INI_INT, AT(per_day), "8", 1, 1000, "promotions, and as many ways back, of one ring and channel" },
};

/* ---- opening ---- */

static int below(char **out, const char *dir, const char *name, struct err *e)
{
	*out = *name == '/' ? strdup(name) : file_join(dir, name);
	return *out ? 0 : err_memory(e);
}

/* Names in promoter.ini are beneath its directory. */
static int absolute(char **name, const char *dir, struct err *e)
{
	char *path;

	if (below(&path, dir, *name, e) < 0)
		return e->code;
	free(*name);
	*name = path;
	return 0;
}

static int read_settings(struct promoter *p, const char *dir, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, "promoter.ini");
	struct promoter_config *s = &p->settings;

	if (!path)
		return err_memory(e);
	if (file_check_private(path, false, e) < 0 || ini_read(s, path, keys, ARRAY_LEN(keys), NULL, e) < 0)
		return e->code;
	if (absolute(&s->token_file, dir, e) < 0 || absolute(&s->root, dir, e) < 0 || absolute(&s->policies, dir, e) < 0 || absolute(&s->vouch, dir, e) < 0 ||
	    absolute(&s->state, dir, e) < 0 || absolute(&s->content_root, dir, e) < 0 ||
	    (*s->pin_file && absolute(&s->pin_file, dir, e) < 0))
		return e->code;
	return 0;
}

/* The server writes it at its first start: whoever could change it is the server already. */
static int read_pin(struct promoter_config *s, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (*s->pin || !*s->pin_file)
		return 0;
	if (file_read(&text, s->pin_file, PIN_MAX, e) < 0)
		return err_wrap(e, "the server's pin");
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0)
		return e->code;
	text->data[strcspn(text->data, "\r\n")] = '\0';
	free(s->pin);
	s->pin = strdup(text->data);
	return s->pin ? 0 : err_memory(e);
}

static int open_remote(struct promoter *p, const struct remote_options *given, struct err *e)
{
	const struct promoter_config *s = &p->settings;
	struct remote_options o = *given;

	if (!o.pin && read_pin(&p->settings, e) < 0)
		return e->code;
	if (!o.server && !o.home && *s->server)
		o.server = s->server;
	if (!o.pin && *s->pin)
		o.pin = s->pin;
	if (!o.ca_file && *s->ca_file)
		o.ca_file = s->ca_file;
	if (!o.token_file)
		o.token_file = s->token_file;
	return remote_open(&p->remote, &o, e);
}

static int add_policy(struct promoter *p, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (p->policy_count == PROMOTER_CHANNELS_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d channels", path, PROMOTER_CHANNELS_MAX);
	if (file_check_private(path, false, e) < 0 || file_read(&text, path, POLICY_MAX, e) < 0 ||
	    policy_parse(&p->policies[p->policy_count], path, text->data, text->len, e) < 0)
		return e->code;
	p->policy_count++;
	return 0;
}

static int visit_policy(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct promoter *p = arg;
	size_t len = strlen(rel);
	AUTO_FREE char *path = file_join(p->settings.policies, rel);

	if (!path)
		return err_memory(e);
	if (is_dir || strchr(rel, '/') || len < 6 || strcmp(rel + len - 5, ".json") != 0)
		return 0;
	return add_policy(p, path, e);
}

/* Read again in every look, so that operators need not restart it. */
static int load_policies(struct promoter *p, struct err *e)
{
	while (p->policy_count > 0)
		policy_free(p->policies[--p->policy_count]);
	if (file_walk(p->settings.policies, visit_policy, p, e) < 0)
		return e->code;
	return p->policy_count ? 0 : err_set(e, ERR_NOT_FOUND, "%s: there is no policy, so nothing can be judged", p->settings.policies);
}

/* <ring>/<name>.key; anything else there is a mistake worth a word. */
static int visit_voucher(const char *rel, bool is_dir, void *arg, struct err *e)
{
	struct promoter *p = arg;
	const char *slash = strchr(rel, '/');
	size_t len = slash ? strlen(slash + 1) : 0;
	AUTO_FREE char *path = file_join(p->settings.vouch, rel);
	struct promoter_voucher *v;

	if (!path)
		return err_memory(e);
	if (is_dir)
		return 0;
	if (!slash || strchr(slash + 1, '/') || len < 5 || strcmp(slash + 1 + len - 4, ".key") != 0 ||
	    !name_valid(rel, (size_t)(slash - rel)) || !name_valid(slash + 1, len - 4))
		return err_set(e, ERR_USAGE, "%s: not <ring>/<name>.key", path);
	v = reallocarray(p->vouchers.items, p->vouchers.count + 1, sizeof *v);
	if (!v)
		return err_memory(e);
	p->vouchers.items = v;
	v += p->vouchers.count;
	*v = (struct promoter_voucher){ .key = NULL };
	if (file_read_secret(&v->key, path, VOUCH_KEY_MAX, e) < 0)
		return e->code;
	p->vouchers.count++;
	snprintf(v->ring, sizeof v->ring, "%.*s", (int)(slash - rel), rel);
	snprintf(v->name, sizeof v->name, "%.*s", (int)(len - 4), slash + 1);
	return v->key->len < VOUCH_KEY_MIN ? err_set(e, ERR_USAGE, "%s: fewer than %d bytes are no key", path, VOUCH_KEY_MIN) : 0;
}

static int open_vouchers(struct promoter *p, struct err *e)
{
	return file_exists(p->settings.vouch) ? file_walk(p->settings.vouch, visit_voucher, p, e) : 0;
}

/* How many a ring needs: none when nobody there has a key. */
int64_t promoter_vouchers_of(const struct promoter *p, const char *ring)
{
	for (size_t i = 0; i < p->vouchers.count; i++)
		if (strcmp(p->vouchers.items[i].ring, ring) == 0)
			return p->settings.vouchers;
	return 0;
}

static int open_state(struct promoter *p, struct err *e)
{
	AUTO_FREE char *log = file_join(p->settings.state, "witness.log");

	p->records = file_join(p->settings.state, "records");
	if (!log || !p->records)
		return err_memory(e);
	if (file_mkdirs(p->records, 0700, e) < 0 || witness_open(&p->witness, log, e) < 0)
		return e->code;
	return 0;
}

static int open_keys(struct promoter *p, const char *dir, struct err *e)
{
	AUTO_FREE char *path = file_join(dir, "keys");

	if (p->keys)
		return 0;
	if (!path)
		return err_memory(e);
	if (keyring_load(&p->keys, path, NULL, NULL, e) < 0)
		return e->code;
	return p->keys->count ? 0 : err_set(e, ERR_NOT_FOUND, "%s: there is no key", path);
}

static int open_views(struct promoter *p, struct err *e)
{
	const struct promoter_config *s = &p->settings;
	struct promoter_source source = promoter_source_remote(p->remote);
	AUTO_FREE char *tuf = file_join(s->state, "tuf"), *content = file_join(s->state, "content-tuf");
	const struct promoter_content_settings c = { s->content_url, s->content_root, s->content_pin, s->content_ca_file, content };

	if (!tuf || !content)
		return err_memory(e);
	if (promoter_view_open(&p->view, s->root, tuf, &source, e) < 0)
		return e->code;
	return *s->content_url ? promoter_content_open(&p->content, &c, e) : 0;
}

int promoter_open(struct promoter **out, const struct promoter_settings *s, struct err *e)
{
	AUTO(promoter) struct promoter *p = calloc(1, sizeof *p);

	if (!p) {
		keyring_free(s->keys);
		return err_memory(e);
	}
	p->keys = s->keys;
	if (read_settings(p, s->dir, e) < 0 || open_keys(p, s->dir, e) < 0 || load_policies(p, e) < 0 || open_state(p, e) < 0 ||
	    open_vouchers(p, e) < 0 || open_remote(p, s->remote, e) < 0 || open_views(p, e) < 0)
		return e->code;
	*out = TAKE(p);
	return 0;
}

void promoter_close(struct promoter *p)
{
	if (!p)
		return;
	while (p->policy_count > 0)
		policy_free(p->policies[--p->policy_count]);
	while (p->vouchers.count > 0)
		buf_free(p->vouchers.items[--p->vouchers.count].key);
	free(p->vouchers.items);
	promoter_view_close(p->view);
	promoter_content_close(p->content);
	witness_close(p->witness);
	remote_free(p->remote);
	keyring_free(p->keys);
	ini_release(&p->settings, keys, ARRAY_LEN(keys));
	free(p->records);
	free(p);
}

int64_t promoter_poll_s(const struct promoter *p)
{
	return p->settings.poll_s;
}

/* The same sentence about the same thing is told once. */
void promoter_say(struct promoter *p, const char *subject, const struct err *e)
{
	struct promoter_said *s = NULL;

	for (size_t i = 0; i < PROMOTER_SAID_MAX && !s; i++)
		if (strcmp(p->said[i].subject, subject) == 0)
			s = &p->said[i];
	if (s && strncmp(s->sentence, e->msg, sizeof s->sentence - 1) == 0)
		return;
	if (!s)
		s = &p->said[p->said_at++ % PROMOTER_SAID_MAX];
	snprintf(s->subject, sizeof s->subject, "%s", subject);
	snprintf(s->sentence, sizeof s->sentence, "%.255s", e->msg);
	if (e->code == ERR_CONFLICT)
		log_info("%s waits: %s", subject, e->msg);
	else
		log_warn("%s refused: %s", subject, e->msg);
}

int promoter_look(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e)
{
	bool changed = false;

	*out = (struct promoter_round){ 0 };
	if (p->content)
		promoter_content_refresh(p->content, now);
	if (load_policies(p, e) < 0 || promoter_view_refresh(p->view, now, &changed, e) < 0 ||
	    (changed && promoter_watch_assignments(p, now, e) < 0) || promoter_watch_records(p, now, e) < 0 ||
	    promoter_hear_endpoints(p, now, e) < 0)
		return e->code;
	return promoter_answer_requests(p, now, out, e);
}
