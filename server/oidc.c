/* oidc: bearer tokens of the organisation's identity provider. */
#include "server/oidc.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/fetch.h"
#include "base/hash.h"
#include "base/log.h"
#include "server/jwt.h"

#define DISCOVERY_MAX ((size_t)64 << 10)
#define URL_LEN_MAX 2048
#define SUBJECT_SHOWN 100
#define FETCH_MS 15000

struct oidc {
	const struct config *config;    /* borrowed */
	struct oidc_entry map[OIDC_MAP_MAX];
	size_t map_count;
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* under `lock`: */
	bool stopping, wanted, fetching;
	struct jwks *keys;              /* NULL: none yet */
	int64_t fetched, tried;         /* clock_ticks_ms(): the last time that went well, and the last time; tried 0: never */
	char said[256];                 /* the last trouble, told once */
};

/* ---- the map ---- */

int oidc_new(struct oidc **out, const struct config *c, struct err *e)
{
	AUTO(oidc) struct oidc *o = NULL;
	pthread_condattr_t monotonic;

	*out = NULL;
	if (!c->oidc_issuer[0])
		return 0;
	o = calloc(1, sizeof *o);
	if (!o)
		return err_memory(e);
	o->config = c;
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&o->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	for (char **entry = c->oidc_map; *entry; entry++) {
		if (o->map_count == OIDC_MAP_MAX)
			return err_set(e, ERR_USAGE, "[oidc] map: more than %d entries", OIDC_MAP_MAX);
		if (oidc_parse_entry(&o->map[o->map_count++], *entry, e) < 0)
			return err_wrap(e, "[oidc] map");
	}
	*out = TAKE(o);
	return 0;
}

void oidc_free(struct oidc *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->stopping = true;
	pthread_cond_signal(&o->wake);
	pthread_mutex_unlock(&o->lock);
	if (o->running)
		pthread_join(o->thread, NULL);
	jwks_free(o->keys);
	pthread_cond_destroy(&o->wake);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

/* ---- the provider's keys; on the thread ---- */

static int get(struct fetch *f, const char *url, size_t max, struct buf **out, struct err *e)
{
	struct fetch_answer answer = { 0 };
	long status;

	if (strncmp(url, "https://", 8) != 0)
		return err_set(e, ERR_REFUSED, "\"%.200s\" is no https URL", url);
	if (fetch_do(f, &(const struct fetch_request){ .method = "GET", .url = url, .max = max }, &answer, e) < 0)
		return err_wrap(e, "%s", url);
	status = answer.status;
	*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (status == 200)
		return 0;
	return err_set(e, ERR_NET, "%s: the identity provider answers %ld", url, status);
}

/* OpenID Connect Discovery 1.0, section 4: the document must be of the very issuer. */
static int discover(struct fetch *f, const char *issuer, char url[URL_LEN_MAX], struct err *e)
{
	static const struct json_limits limits = { .bytes = DISCOVERY_MAX, .depth = 16 };
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;
	size_t len = strlen(issuer);
	const char *keys;

	snprintf(url, URL_LEN_MAX, "%.*s/.well-known/openid-configuration", (int)(len - (issuer[len - 1] == '/')), issuer);
	if (get(f, url, DISCOVERY_MAX, &text, e) < 0)
		return e->code;
	if (json_parse(&d, "discovery document", text->len ? text->data : "", text->len, &limits, e) < 0)
		return e->code;
	if (!json_is(json_get(d->root, "issuer"), issuer))
		return err_set(e, ERR_REFUSED, "%s: the document is of another issuer", url);
	if (json_want_text(d, d->root, "jwks_uri", URL_LEN_MAX - 1, &keys, e) < 0)
		return e->code;
	snprintf(url, URL_LEN_MAX, "%s", keys);
	return 0;
}

static int fetch_keys(const struct config *c, struct jwks **out, struct err *e)
{
	AUTO(fetch) struct fetch *f = NULL;
	AUTO(buf) struct buf *text = NULL;
	char url[URL_LEN_MAX];
	const struct fetch_settings settings = { .ca_file = c->oidc_ca_file[0] ? c->oidc_ca_file : NULL, .agent = "ringholdd", .connect_ms = FETCH_MS,
						 .total_ms = FETCH_MS };

	snprintf(url, sizeof url, "%s", c->oidc_jwks_uri);
	if (fetch_new(&f, &settings, e) < 0 || (!url[0] && discover(f, c->oidc_issuer, url, e) < 0) ||
	    get(f, url, JWKS_BYTES_MAX, &text, e) < 0 || jwks_parse(out, text->len ? text->data : "", text->len, e) < 0)
		return e->code;
	return 0;
}

/* With `lock` around it, but not while it asks. */
static void refresh(struct oidc *o)
{
	struct jwks *fresh = NULL;
	struct err e;
	int got;

	o->fetching = true;
	o->wanted = false;
	pthread_mutex_unlock(&o->lock);
	got = fetch_keys(o->config, &fresh, &e);
	pthread_mutex_lock(&o->lock);
	o->fetching = false;
	o->tried = clock_ticks_ms();
	if (got == 0) {
		jwks_free(o->keys);
		o->keys = fresh;
		o->fetched = o->tried;
		if (o->said[0] || !fresh)
			log_info("the identity provider's keys are here again");
		o->said[0] = '\0';
	} else if (strncmp(o->said, e.msg, sizeof o->said - 1) != 0) {
		snprintf(o->said, sizeof o->said, "%.255s", e.msg);
		log_warn("identity provider: %s", e.msg);
	}
}

/* How long until it is time by itself: sooner after a failure. */
static int64_t due_in(const struct oidc *o)
{
	int64_t gap = o->keys && o->fetched == o->tried ? o->config->oidc_poll_s * 1000 : OIDC_GAP_MS;

	return o->tried ? MAX(o->tried + gap - clock_ticks_ms(), 0) : 0;
}

static void *oidc_main(void *arg)
{
	struct oidc *o = arg;

	pthread_mutex_lock(&o->lock);
	while (!o->stopping) {
		int64_t wait = o->wanted ? 0 : due_in(o);
		struct timespec until;

		if (wait == 0) {
			refresh(o);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		wait = clock_poll_ms((int)MIN(wait, 1000));
		until.tv_nsec += (long)wait * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&o->wake, &o->lock, &until);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

int oidc_start(struct oidc *o, struct err *e)
{
	if (!o)
		return 0;
	if (pthread_create(&o->thread, NULL, oidc_main, o) != 0)
		return err_set(e, ERR_IO, "the thread that asks the identity provider cannot be started");
	o->running = true;
	return 0;
}

/* ---- who ---- */

bool oidc_token(const struct oidc *o, const char *token)
{
	return o && strncmp(token, "eyJ", 3) == 0 && strchr(token, '.');
}

/* A key that is not known is asked for, unless it just was. With `lock`. */
static int ask_for_keys(struct oidc *o, struct err *e)
{
	if (!o->fetching && !o->wanted && o->tried && clock_ticks_ms() - o->tried < OIDC_GAP_MS)
		return e->code == ERR_NOT_FOUND ? ERR_NOT_FOUND : err_set(e, ERR_NET, "the identity provider's keys are not to be had");
	o->wanted = !o->fetching;
	pthread_cond_signal(&o->wake);
	return err_set(e, ERR_TIMEOUT, "the identity provider's keys are being fetched: ask again in a moment");
}

struct granting {
	const struct oidc *oidc;
	struct identity *to;
};

static int give(const char *text, void *arg)
{
	struct granting *g = arg;

	for (size_t i = 0; i < g->oidc->map_count && g->to->count < ACCESS_GRANTS_MAX; i++)
		if (strcmp(g->oidc->map[i].claim, text) == 0)
			g->to->grants[g->to->count++] = g->oidc->map[i].grant;
	return 0;
}

/* The subject as it is where it is short and plain; else its hash, so that no two people have one name. */
static void name(struct identity *to, const char *subject)
{
	bool plain = strlen(subject) <= SUBJECT_SHOWN;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;

	for (const char *s = subject; *s; s++)
		plain = plain && *s > ' ' && *s < 0x7f;
	hash_bytes(&d, subject, strlen(subject));
	digest_hex(hex, &d);
	snprintf(to->who, sizeof to->who, plain ? "oidc:%s" : "oidc-sha256:%s", plain ? subject : hex);
}

int oidc_identify(struct oidc *o, const char *token, int64_t now, struct identity *out, struct err *e)
{
	const struct jwt_rules rules = { o->config->oidc_issuer, o->config->oidc_audience };
	AUTO(jwt) struct jwt *t = NULL;
	int got;

	e->code = 0;
	pthread_mutex_lock(&o->lock);
	if (!o->keys || clock_ticks_ms() - o->fetched > o->config->oidc_stale_s * 1000)
		got = ask_for_keys(o, e);
	else if ((got = jwt_verify(&t, token, o->keys, &rules, now, e)) == ERR_NOT_FOUND)
		got = ask_for_keys(o, e);
	pthread_mutex_unlock(&o->lock);
	if (got < 0)
		return got;
	*out = (struct identity){ .expires = t->expires };
	name(out, t->subject);
	jwt_each_text(t, o->config->oidc_roles_claim, give, &(struct granting){ o, out });
	return 0;
}
