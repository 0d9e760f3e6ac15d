#include "cli/promoter.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ini.h"
#include "base/log.h"
#include "cli/promoter_content.h"
#include "cli/promoter_judge.h"
#include "cli/promoter_view.h"
#include "rollout/checkin.h"
#include "rollout/replay.h"
#include "rollout/vouch.h"
#include "signing/repo.h"

#define CHANNELS_MAX 32
#define PAGE 200                        /* gate records in one answer */
#define PAGES_MAX 50                    /* in one look */
#define EVENTS 1000                     /* in one answer */
#define REQUESTS_MAX 256                /* looked at in one look */
#define EXPIRY_MOST (40 * 86400)        /* of what is signed, from now */
#define VERSION_AHEAD 86400             /* versions are seconds: none may use up the future */
#define PIN_MAX 4096                    /* bytes of the file */
#define SAID_MAX 64                     /* reasons remembered, so that each is told once */

struct settings {
	char *server, *pin, *pin_file, *ca_file, *token_file, *root, *policies, *vouch, *state;
	char *content_url, *content_root, *content_pin, *content_ca_file;
	int64_t poll_s, per_day, vouchers;
};

#define AT(field) offsetof(struct settings, field)
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

/* A key that one endpoint and we have. */
struct voucher {
	char ring[NAME_LEN_MAX + 1], name[NAME_LEN_MAX + 1];
	struct buf *key;
};
struct vouchers {
	struct voucher *items;
	size_t count;
	uint64_t after;                         /* the last event looked at */
};

struct said {
	char subject[48], sentence[256];
};

struct promoter {
	struct settings settings;
	struct remote *remote;
	struct keyring *keys;
	struct promoter_view *view;
	struct promoter_content *content;       /* NULL: bundles are in the same repository as rings */
	struct witness *witness;
	struct vouchers vouchers;
	char *records;                          /* directory: the last record of each ring */
	struct policy *policies[CHANNELS_MAX];
	size_t policy_count;
	uint64_t after;                         /* the last gate record asked for */
	struct said said[SAID_MAX];
	size_t said_at;
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
	struct settings *s = &p->settings;

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
static int read_pin(struct settings *s, struct err *e)
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
	const struct settings *s = &p->settings;
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

	if (p->policy_count == CHANNELS_MAX)
		return err_set(e, ERR_LIMIT, "%s: more than %d channels", path, CHANNELS_MAX);
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
	struct voucher *v;

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
	*v = (struct voucher){ .key = NULL };
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
static int64_t vouchers_of(const struct promoter *p, const char *ring)
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
	const struct settings *s = &p->settings;
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
static void say(struct promoter *p, const char *subject, const struct err *e)
{
	struct said *s = NULL;

	for (size_t i = 0; i < SAID_MAX && !s; i++)
		if (strcmp(p->said[i].subject, subject) == 0)
			s = &p->said[i];
	if (s && strncmp(s->sentence, e->msg, sizeof s->sentence - 1) == 0)
		return;
	if (!s)
		s = &p->said[p->said_at++ % SAID_MAX];
	snprintf(s->subject, sizeof s->subject, "%s", subject);
	snprintf(s->sentence, sizeof s->sentence, "%.255s", e->msg);
	if (e->code == ERR_CONFLICT)
		log_info("%s waits: %s", subject, e->msg);
	else
		log_warn("%s refused: %s", subject, e->msg);
}

/* ---- watching ---- */

static int watch_assignments(struct promoter *p, int64_t now, struct err *e)
{
	for (size_t i = 0; i < p->policy_count; i++)
		for (size_t k = 0; k < p->policies[i]->count; k++) {
			AUTO(assignment) struct assignment *a = NULL;

			if (promoter_view_assignment(p->view, p->policies[i]->rings[k].name, p->policies[i]->channel, &a, e) < 0)
				return e->code;
			if (a && witness_note_assigned(p->witness, a, now, e) < 0)
				return e->code;
		}
	return 0;
}

static char *record_path(const struct promoter *p, uint64_t rollout, const char *ring)
{
	char *path;

	return asprintf(&path, "%s/%llu.%s.json", p->records, (unsigned long long)rollout, ring) < 0 ? NULL : path;
}

static int get_record(struct promoter *p, const struct digest *digest, struct buf **out, struct err *e)
{
	char path[128], hex[DIGEST_HEX_LEN + 1];
	AUTO_ANSWER answer = { 0 };
	struct digest is;

	digest_hex(hex, digest);
	snprintf(path, sizeof path, "/v1/gate-records/%s", hex);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0)
		return e->code;
	hash_bytes(&is, answer.text->data, answer.text->len);
	if (!digest_equal(&is, digest))
		return err_set(e, ERR_REFUSED, "gate record %.16s: the bytes are others than its name says", hex);
	*out = TAKE(answer.text);
	return 0;
}

/* It must follow the last one of its ring that was seen. */
static int check_history(struct promoter *p, const struct gate_record *r, struct err *e)
{
	AUTO_FREE char *path = record_path(p, r->rollout, r->ring);
	AUTO(gate_record) struct gate_record *last = NULL;
	AUTO(buf) struct buf *text = NULL;

	if (!witness_last_record(p->witness, r->rollout, r->ring))
		return 0;
	if (!path)
		return err_memory(e);
	if (file_read(&text, path, GATE_RECORD_MAX, e) < 0 || gate_record_parse(&last, path, text->data, text->len, e) < 0)
		return e->code;
	return replay_follows(last, r, e);
}

static int keep_record(struct promoter *p, const struct gate_record *r, const struct digest *digest, const struct buf *text, int64_t now,
		       struct err *e)
{
	AUTO_FREE char *path = record_path(p, r->rollout, r->ring);

	if (!path)
		return err_memory(e);
	/* First the bytes, then the line that counts on them. */
	if (file_replace(path, text->data, text->len, 0600, e) < 0)
		return e->code;
	return witness_note_record(p->witness, r, digest, now, e);
}

/* A record new to us: replayed, held against what was seen, and noted. That history was rewritten is never forgotten. */
static int take_record(struct promoter *p, const struct digest *digest, struct gate_record **out, int64_t now, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(gate_record) struct gate_record *r = NULL;
	struct replay replay;
	struct err why;

	if (get_record(p, digest, &text, e) < 0 || gate_record_parse(&r, "gate record", text->data, text->len, e) < 0)
		return e->code;
	if (!witness_knows_record(p->witness, digest)) {
		if (replay_record(&replay, r, e) < 0)
			return e->code;
		if (check_history(p, r, &why) < 0) {
			if (why.code == ERR_REFUSED && witness_note_distrust(p->witness, r->rollout, why.msg, now, e) < 0)
				return e->code;
			*e = why;
			return e->code;
		}
		if (keep_record(p, r, digest, text, now, e) < 0)
			return e->code;
	}
	*out = TAKE(r);
	return 0;
}

static int digest_member(struct digest *out, const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING && digest_parse(out, v->u.text, v->count) ? 0 : ERR_FORMAT;
}

/* One page of the list; 1: there may be more. */
static int watch_page(struct promoter *p, int64_t now, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[96];

	snprintf(path, sizeof path, "/v1/gate-records?after=%llu&limit=%d", (unsigned long long)p->after, PAGE);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", PAGE, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		AUTO(gate_record) struct gate_record *r = NULL;
		struct digest digest;
		int64_t id;
		struct err why;

		if (json_want_int(answer.doc, &items->u.items[i], "id", 1, INT64_MAX, &id, e) < 0)
			return e->code;
		if (digest_member(&digest, &items->u.items[i], "digest") < 0)
			return err_set(e, ERR_FORMAT, "gate record %lld: no digest", (long long)id);
		if (!witness_knows_record(p->witness, &digest) && take_record(p, &digest, &r, now, &why) < 0) {
			if (why.code == ERR_NET || why.code == ERR_TIMEOUT || why.code == ERR_IO || why.code == ERR_SPACE) {
				*e = why;
				return e->code;
			}
			say(p, "a gate record", &why);
		}
		p->after = (uint64_t)id;
	}
	return items->count == PAGE;
}

static int watch_records(struct promoter *p, int64_t now, struct err *e)
{
	int more = 1;

	for (int i = 0; i < PAGES_MAX && more > 0; i++)
		more = watch_page(p, now, e);
	return more < 0 ? more : 0;
}

/* ---- what endpoints say themselves ---- */

static int hear_event(struct promoter *p, const struct json_doc *d, const struct json *o, int64_t now, struct err *e)
{
	const char *detail = NULL, *channel = NULL;
	struct digest digest;

	if (!json_is(json_get(o, "kind"), "survived") || digest_member(&digest, o, "digest") < 0)
		return 0;
	if (json_may_text(d, o, "sentence", CHECKIN_DETAIL_MAX, &detail, e) < 0 ||
	    json_may_text(d, o, "channel", NAME_LEN_MAX, &channel, e) < 0)
		return e->code;
	for (size_t i = 0; detail && channel && i < p->vouchers.count; i++) {
		const struct voucher *v = &p->vouchers.items[i];

		if (vouch_check(detail, v->key->data, v->key->len, channel, &digest) &&
		    witness_note_vouched(p->witness, v->ring, channel, v->name, &digest, now, e) < 0)
			return e->code;
	}
	return 0;
}

static int hear_page(struct promoter *p, int64_t now, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;
	char path[96];
	int64_t last;

	snprintf(path, sizeof path, "/v1/events?after=%llu&limit=%d", (unsigned long long)p->vouchers.after, EVENTS);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", EVENTS, &items, e) < 0 ||
	    json_want_int(answer.doc, answer.doc->root, "last", 0, INT64_MAX, &last, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++)
		if (hear_event(p, answer.doc, &items->u.items[i], now, e) < 0)
			return e->code;
	p->vouchers.after = (uint64_t)last;
	return items->count == EVENTS;
}

/* Only where somebody has a key. Where it was is no secret and need not be remembered: a word counts once. */
static int hear_endpoints(struct promoter *p, int64_t now, struct err *e)
{
	int more = p->vouchers.count > 0;

	for (int i = 0; i < PAGES_MAX && more > 0; i++)
		more = hear_page(p, now, e);
	return more < 0 ? more : 0;
}

/* ---- judging ---- */

struct judging {
	struct promoter *p;
	struct sigreq *q;
	const struct sigreq_draft *draft;
	const struct metadata *current;         /* the role as published; NULL: never */
	const char *ring;
	int64_t now;
};

/* What one draft changes, noted when it is signed. */
struct change {
	char channel[NAME_LEN_MAX + 1];
	enum judge_kind kind;
};
struct changes {
	struct change items[CHANNELS_MAX];
	size_t count;
};

static bool same_target(const struct metadata_target *a, const struct metadata_target *b)
{
	return a->has_sha256 && b->has_sha256 && digest_equal(&a->sha256, &b->sha256) && a->file.length == b->file.length;
}

/* The bytes that the draft lists; what was published before may travel along under the same path. */
static const struct sigreq_document *document_of(const struct sigreq *q, const struct metadata_target *t)
{
	for (size_t i = 0; i < q->document_count; i++) {
		const struct sigreq_document *d = &q->documents[i];
		struct err e;

		if (strcmp(d->path, t->path.text) == 0 && metadata_file_check(&t->file, d->path, d->bytes->data, d->bytes->len, &e) == 0)
			return d;
	}
	return NULL;
}

/* The channel whose assignment lies at this path of the ring; NULL: none of ours. */
static const struct policy *policy_at(const struct judging *j, const struct metadata_target *t)
{
	for (size_t i = 0; i < j->p->policy_count; i++) {
		char path[PATH_LEN_MAX + 1];

		assignment_path(path, j->ring, j->p->policies[i]->channel);
		if (strlen(path) == t->path.len && memcmp(path, t->path.text, t->path.len) == 0)
			return j->p->policies[i];
	}
	return NULL;
}

static int evidence_record(const struct judging *j, struct gate_record **out, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	struct digest digest;

	if (!j->q->evidence || json_parse(&d, "evidence", j->q->evidence, strlen(j->q->evidence), NULL, e) < 0 ||
	    digest_member(&digest, d->root, "gate_record") < 0)
		return 0;
	return take_record(j->p, &digest, out, j->now, e);
}

static int wanted_of(const struct judging *j, const struct metadata_target *t, const char *channel, struct assignment **out, struct err *e)
{
	const struct sigreq_document *doc = document_of(j->q, t);

	if (!doc)
		return err_set(e, ERR_REFUSED, "%s: the request does not carry it", t->path.text);
	if (assignment_parse(out, t->path.text, doc->bytes->data, doc->bytes->len, e) < 0)
		return e->code;
	return assignment_check_place(*out, channel, j->ring, e);
}

/* By either repository, as hosts count it; one that cannot be asked adds nothing. */
static int is_stopped(struct promoter *p, const char *channel, const struct digest *d, bool *stopped, struct err *e)
{
	struct promoter_view *theirs = p->content ? promoter_content_view(p->content, &(struct err){ 0 }) : NULL;
	bool by_vendor = false;

	if (promoter_view_stopped(p->view, channel, d, stopped, e) < 0 ||
	    (theirs && promoter_view_stopped(theirs, channel, d, &by_vendor, e) < 0))
		return e->code;
	*stopped = *stopped || by_vendor;
	return 0;
}

/* Where the vendor cannot be asked the way back stays open: what the ring had was the vendor's when it came. */
static int ask_vendor(const struct judging *j, struct judge_case *k, struct err *e)
{
	const struct bundle_ref *b = &k->wanted->bundle;
	struct promoter_view *view = j->p->content ? promoter_content_view(j->p->content, e) : j->p->view;

	if (view)
		return promoter_view_vendor(view, k->channel, b, &k->vendor_signed, &k->vendor_greatest, e);
	k->vendor_signed = !(k->current && digest_equal(&k->current->bundle.digest, &b->digest)) &&
			   witness_in_force(j->p->witness, j->ring, k->channel, &b->digest);
	if (k->vendor_signed)
		return 0;
	e->code = ERR_CONFLICT;         /* asked again in the next look */
	return e->code;
}

/* t: what the draft lists, NULL: no more; was: what is published, NULL: nothing. */
static int judge_target(const struct judging *j, const struct metadata_target *t, const struct metadata_target *was, struct changes *all,
			struct err *e)
{
	const struct policy *policy = policy_at(j, t ? t : was);
	AUTO(assignment) struct assignment *wanted = NULL, *current = NULL;
	AUTO(gate_record) struct gate_record *record = NULL;
	struct promoter *p = j->p;
	struct change *c = &all->items[all->count];
	struct judge_case k = { .request = j->q->id, .ring = j->ring, .policy = policy, .witness = p->witness, .now = j->now,
				.per_day = p->settings.per_day };
	int position = policy ? policy_position(policy, j->ring) : -1;

	if (position > 0)
		k.vouchers = vouchers_of(p, policy->rings[position - 1].name);
	if (!policy)
		return err_set(e, ERR_REFUSED, "%s: of no channel that we have a policy of", (t ? t : was)->path.text);
	if (all->count == CHANNELS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d channels change at once", CHANNELS_MAX);
	k.channel = policy->channel;
	if (promoter_view_assignment(p->view, j->ring, policy->channel, &current, e) < 0 ||
	    (current && is_stopped(p, policy->channel, &current->bundle.digest, &k.current_stopped, e) < 0))
		return e->code;
	k.current = current;
	if (t && (wanted_of(j, t, policy->channel, &wanted, e) < 0 || evidence_record(j, &record, e) < 0 ||
		  is_stopped(p, policy->channel, &wanted->bundle.digest, &k.wanted_stopped, e) < 0))
		return e->code;
	k.wanted = wanted;
	k.record = record;
	if (wanted && ask_vendor(j, &k, e) < 0)
		return e->code;
	if (judge_change(&k, &c->kind, e) < 0)
		return e->code;
	snprintf(c->channel, sizeof c->channel, "%s", policy->channel);
	all->count++;
	return 0;
}

static int judge_targets(const struct judging *j, struct changes *all, struct err *e)
{
	const struct metadata *draft = j->draft->draft;

	for (size_t i = 0; i < draft->target_count; i++) {
		const struct metadata_target *t = &draft->targets[i];
		const struct metadata_target *was = j->current ? metadata_target(j->current, t->path.text, t->path.len) : NULL;

		if (!(was && same_target(t, was)) && judge_target(j, t, was, all, e) < 0)
			return e->code;
	}
	for (size_t i = 0; j->current && i < j->current->target_count; i++) {
		const struct metadata_target *was = &j->current->targets[i];

		if (!metadata_target(draft, was->path.text, was->path.len) && judge_target(j, NULL, was, all, e) < 0)
			return e->code;
	}
	return 0;
}

/* The frame around the targets: follows what is published, delegates nothing, uses up neither time nor versions. */
static int judge_frame(const struct judging *j, struct err *e)
{
	const struct metadata *d = j->draft->draft;
	int64_t most = MAX(j->current ? j->current->version + 1 : 1, j->now + VERSION_AHEAD);

	if (sigreq_check_base(j->draft, j->current, e) < 0)
		return e->code;
	if (d->delegation_count || d->succinct.bit_length)
		return err_set(e, ERR_REFUSED, "%s: delegates further", j->draft->role);
	if (d->version > most)
		return err_set(e, ERR_REFUSED, "%s: version %lld leaves out too many", j->draft->role, (long long)d->version);
	if (d->expires > j->now + EXPIRY_MOST)
		return err_set(e, ERR_REFUSED, "%s: would be valid for more than %d days", j->draft->role, EXPIRY_MOST / 86400);
	return 0;
}

/* The ring's name when one of our policies has it as a later ring. */
static const char *later_ring(const struct promoter *p, const char *role)
{
	const char *ring = strncmp(role, "ring-", 5) == 0 ? role + 5 : NULL;

	for (size_t i = 0; ring && i < p->policy_count; i++)
		if (policy_position(p->policies[i], ring) > 0)
			return ring;
	return NULL;
}

static int note_signed(const struct judging *j, const struct changes *all, struct err *e)
{
	for (size_t i = 0; i < all->count; i++)
		if (witness_note_signed(j->p->witness, j->q->id, j->ring, all->items[i].channel, all->items[i].kind == JUDGE_PROMOTION,
					j->now, e) < 0)
			return e->code;
	/* a renewal changes no channel */
	if (all->count == 0)
		return witness_note_signed(j->p->witness, j->q->id, j->ring, "", false, j->now, e);
	return 0;
}

/* Every draft is judged before any is signed; what will be signed is noted first. */
static int judge_request(struct promoter *p, struct sigreq *q, int64_t now, struct err *e)
{
	for (size_t i = 0; i < q->draft_count; i++) {
		struct judging j = { .p = p, .q = q, .draft = &q->drafts[i], .ring = later_ring(p, q->drafts[i].role), .now = now };
		struct changes all = { .count = 0 };

		if (promoter_view_role(p->view, j.ring, p->policies[0]->channel, &j.current, e) < 0 || judge_frame(&j, e) < 0 ||
		    judge_targets(&j, &all, e) < 0 || note_signed(&j, &all, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- asking and answering ---- */

static bool carries(const struct sigreq_draft *d, const struct metadata_signature *sig)
{
	for (size_t i = 0; d && i < d->draft->signature_count; i++)
		if (d->draft->signatures[i].keyid.len == sig->keyid.len &&
		    memcmp(d->draft->signatures[i].keyid.text, sig->keyid.text, sig->keyid.len) == 0)
			return true;
	return false;
}

/* The signatures that `signed_now` has and `was` had not. */
static int submit(struct promoter *p, const struct sigreq *was, const struct sigreq *signed_now, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	AUTO_ANSWER answer = { 0 };
	struct json_writer w = { .out = body };
	char path[80];

	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "signatures");
	for (size_t i = 0; i < signed_now->draft_count; i++) {
		const struct sigreq_draft *d = &signed_now->drafts[i];

		for (size_t k = 0; k < d->draft->signature_count; k++) {
			const struct metadata_signature *sig = &d->draft->signatures[k];

			if (carries(sigreq_draft(was, d->role), sig))
				continue;
			json_open_object(&w, NULL);
			json_put_text(&w, "role", d->role);
			json_put_textn(&w, "keyid", sig->keyid.text, sig->keyid.len);
			json_put_textn(&w, "sig", sig->hex, sig->hex_len);
			json_close_object(&w);
		}
	}
	json_close_array(&w);
	json_close_object(&w);
	snprintf(path, sizeof path, "/v1/signing-requests/%s/signatures", signed_now->id);
	return remote_call(p->remote, "POST", path, body, &answer, e);
}

/* 1: co-signed; 0: nothing for us; else why not. */
static int answer_request(struct promoter *p, const char *id, int64_t now, struct err *e)
{
	struct sigreq_trust trust = promoter_view_trust(p->view);
	AUTO(sigreq) struct sigreq *q = NULL, *was = NULL;
	AUTO_ANSWER answer = { 0 };
	char path[64];
	int added;

	snprintf(path, sizeof path, "/v1/signing-requests/%s", id);
	if (remote_call(p->remote, "GET", path, NULL, &answer, e) < 0 ||
	    sigreq_parse(&q, "signing request", answer.text->data, answer.text->len, e) < 0 ||
	    sigreq_parse(&was, "signing request", answer.text->data, answer.text->len, e) < 0)
		return e->code;
	if (strcmp(q->id, id) != 0)
		return err_set(e, ERR_REFUSED, "the server gave request %s for %s", q->id, id);
	for (size_t i = 0; i < q->draft_count; i++)
		if (!later_ring(p, q->drafts[i].role))
			return 0;       /* people decide about everything else */
	if (judge_request(p, q, now, e) < 0)
		return e->code;
	added = sigreq_sign(q, p->keys, &trust, e);
	if (added <= 0)
		return added;
	if (submit(p, was, q, e) < 0)
		return e->code;
	log_info("signing request %s: co-signed: %s", id, q->reason);
	return 1;
}

/* "ring-early" among the roles it asks for: anything else is not fetched at all. */
static bool concerns_us(const struct promoter *p, const struct json *item)
{
	const struct json *roles = json_get(item, "roles");

	for (uint32_t i = 0; roles && roles->type == JSON_ARRAY && i < roles->count; i++) {
		const struct json *r = &roles->u.items[i];

		if (r->type == JSON_STRING && later_ring(p, r->u.text))
			return true;
		if (r->type == JSON_OBJECT && json_get(r, "role") && json_get(r, "role")->type == JSON_STRING &&
		    later_ring(p, json_get(r, "role")->u.text))
			return true;
	}
	return false;
}

static bool fleeting(int code)
{
	return code == ERR_NET || code == ERR_TIMEOUT || code == ERR_IO || code == ERR_SPACE || code == ERR_MEMORY;
}

static int answer_requests(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;

	if (remote_call(p->remote, "GET", "/v1/signing-requests?state=open", NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", REQUESTS_MAX, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++) {
		char id[SIGREQ_ID_LEN + 1], subject[48];
		struct err why;
		int got;

		remote_text(&items->u.items[i], "id", id, sizeof id);
		if (!concerns_us(p, &items->u.items[i]) || strspn(id, "0123456789abcdef") != SIGREQ_ID_LEN)
			continue;
		got = answer_request(p, id, now, &why);
		if (got < 0 && fleeting(why.code)) {
			*e = why;
			return e->code;
		}
		snprintf(subject, sizeof subject, "signing request %s", id);
		if (got < 0)
			say(p, subject, &why);
		out->signatures += got > 0;
		out->waiting += got < 0 && why.code == ERR_CONFLICT;
		out->refused += got < 0 && why.code != ERR_CONFLICT;
	}
	return 0;
}

int promoter_look(struct promoter *p, int64_t now, struct promoter_round *out, struct err *e)
{
	bool changed = false;

	*out = (struct promoter_round){ 0 };
	if (p->content)
		promoter_content_refresh(p->content, now);
	if (load_policies(p, e) < 0 || promoter_view_refresh(p->view, now, &changed, e) < 0 ||
	    (changed && watch_assignments(p, now, e) < 0) || watch_records(p, now, e) < 0 ||
	    hear_endpoints(p, now, e) < 0)
		return e->code;
	return answer_requests(p, now, out, e);
}
