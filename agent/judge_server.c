/* judge_server: enrolment and check-ins; the only reader of what the server says. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "agent/enrolment.h"
#include "agent/home.h"
#include "agent/judge.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "schema/contract.h"

#define ANSWER_MAX (CHECKIN_MAX + 1)
#define NEXT_DEFAULT_S 300

/* ---- what this host is ---- */

/* VALUE of KEY=VALUE or KEY="VALUE" in /etc/os-release. */
static void release_value(const char *text, const char *key, char *out, size_t cap)
{
	size_t len = strlen(key);

	for (const char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		const char *v = line + len + 1;

		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		v += *v == '"';
		snprintf(out, cap, "%.*s", (int)strcspn(v, "\"\n"), v);
		return;
	}
}

static void os_of(char *out, size_t cap)
{
	AUTO(buf) struct buf *text = NULL;
	char id[48] = "linux", version[48] = "";
	struct err ignored;

	if (file_read(&text, "/etc/os-release", 65536, &ignored) == 0) {
		release_value(text->data, "ID", id, sizeof id);
		release_value(text->data, "VERSION_ID", version, sizeof version);
	}
	snprintf(out, cap, "%s%s%s", id, *version ? "-" : "", version);
}

static int contract_facts(struct checkin_facts *f, const struct settings *s, struct err *e)
{
	AUTO(contract) struct contract *c = NULL;
	char path[HOME_PATH_MAX];

	if (!*s->contract)
		return 0;
	if (home_path(path, s->root, s->contract, e) < 0 || contract_load(&c, path, e) < 0)
		return e->code;
	snprintf(f->sensor, sizeof f->sensor, "%s", c->sensor);
	snprintf(f->sensor_version, sizeof f->sensor_version, "%s", c->version);
	f->contract = c->digest;
	return 0;
}

int judge_facts(struct judge *j, struct err *e)
{
	const struct settings *s = j->s;
	struct checkin_facts *f = &j->facts;
	struct utsname u;
	size_t tags = 0;

	if (*s->os)
		snprintf(f->os, sizeof f->os, "%s", s->os);
	else
		os_of(f->os, sizeof f->os);
	if (uname(&u) == 0) {
		snprintf(f->arch, sizeof f->arch, "%s", u.machine);
		snprintf(f->host, sizeof f->host, "%s", *s->host ? s->host : u.nodename);
	}
	snprintf(f->locale, sizeof f->locale, "%s", *s->locale ? s->locale : "C");
	while (s->tags && s->tags[tags] && tags < CHECKIN_TAGS_MAX)
		tags++;
	f->tags = tags ? calloc(tags, sizeof *f->tags) : NULL;
	for (f->tag_count = 0; f->tags && f->tag_count < tags; f->tag_count++)
		snprintf(f->tags[f->tag_count], sizeof *f->tags, "%s", s->tags[f->tag_count]);
	return contract_facts(f, s, e);
}

/* ---- the credentials of later calls ---- */

static int say_token(struct judge *j, const char *token, bool revoked, struct err *e)
{
	static struct message_token t;

	memset(&t, 0, sizeof t);
	t.revoked = revoked;
	snprintf(t.token, sizeof t.token, "%s", token);
	memcpy(t.device, j->begin.device, sizeof t.device);
	return judge_say(j, MSG_TOKEN, &t, e);
}

static struct message_call *call_to(struct judge *j, const char *path, bool get)
{
	static struct message_call call;

	memset(&call, 0, sizeof call);
	call.get = get;
	call.max = ANSWER_MAX;
	snprintf(call.path, sizeof call.path, "%s", path);
	memcpy(call.token, j->begin.token, sizeof call.token);
	return &call;
}

static int read_text(char *out, size_t cap, const struct json_doc *d, const char *key, struct err *e)
{
	const char *text;

	if (json_want_text(d, d->root, key, cap - 1, &text, e) < 0)
		return e->code;
	snprintf(out, cap, "%s", text);
	return 0;
}

/* ---- enrolment ---- */

static void put_facts(struct json_writer *w, const struct checkin_facts *f)
{
	char hex[DIGEST_HEX_LEN + 1];

	json_open_object(w, "facts");
	json_put_text(w, "os", f->os);
	json_put_text(w, "arch", f->arch);
	json_put_text(w, "host", f->host);
	json_put_text(w, "sensor", f->sensor);
	json_put_text(w, "sensor_version", f->sensor_version);
	json_put_text(w, "locale", f->locale);
	digest_hex(hex, &f->contract);
	json_put_text(w, "contract", digest_is_zero(&f->contract) ? NULL : hex);
	json_open_array(w, "tags");
	for (size_t i = 0; i < f->tag_count; i++)
		json_put_text(w, NULL, f->tags[i]);
	json_close_array(w);
	json_close_object(w);
}

static int enrolled(struct judge *j, const struct buf *body, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;

	if (json_parse(&d, "enrolment answer", body->data, body->len, NULL, e) < 0 ||
	    read_text(j->begin.token, sizeof j->begin.token, d, "token", e) < 0 ||
	    read_text(j->begin.device, sizeof j->begin.device, d, "device", e) < 0)
		return e->code;
	return say_token(j, j->begin.token, false, e);
}

/* The server's own words about a refusal, for people. */
static int refused(int status, const struct buf *body, const char *what, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	const char *detail = "";
	struct err ignored;

	if (body && json_parse(&d, "problem", body->data, body->len, NULL, &ignored) == 0)
		(void)!json_may_text(d, d->root, "detail", 300, &detail, &ignored);
	return err_set(e, status == 401 || status == 403 ? ERR_AUTH : ERR_NET, "%s: HTTP status %d%s%s", what, status,
		       *detail ? ": " : "", detail);
}

int judge_enrol(struct judge *j, struct err *e)
{
	AUTO(buf) struct buf *request = buf_new(CHECKIN_MAX), *body = NULL;
	struct json_writer w = { .out = request };
	struct enrolment en;
	int status;

	if (!request)
		return err_memory(e);
	if (enrolment_parse(&en, j->begin.enrolment, e) < 0)
		return e->code;
	snprintf(j->begin.token, sizeof j->begin.token, "%s", en.token);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "nonce", j->begin.nonce);
	put_facts(&w, &j->facts);
	json_close_object(&w);
	if (buf_check(request, e) < 0)
		return e->code;
	status = judge_call(j, call_to(j, "device/v1/enrol", false), request, &body, NULL, e);
	j->begin.token[0] = 0;
	if (status < 0)
		return err_wrap(e, "enrolment");
	if (status != 201 && status != 200)
		return refused(status, body, "enrolment", e);
	return body ? enrolled(j, body, e) : err_set(e, ERR_FORMAT, "enrolment: an empty answer");
}

/* ---- check-in ---- */

static void upper(char *out, size_t cap, const char *text)
{
	size_t i = 0;

	for (; text[i] && i + 1 < cap; i++)
		out[i] = (char)toupper((unsigned char)text[i]);
	out[i] = 0;
}

static void fill_channels(struct checkin *c, struct judge *j)
{
	static const char *const rungs[] = { "trial", "current", "previous", "baseline", "none" };

	for (size_t i = 0; i < j->channel_count; i++) {
		const struct message_channel *from = &j->channels[i];
		struct checkin_channel *to = &c->channels[c->channel_count];

		if (!*from->ring)       /* no ring is known yet: nothing to say of this channel */
			continue;
		memcpy(to->channel, from->channel, sizeof to->channel);
		memcpy(to->ring, from->ring, sizeof to->ring);
		upper(to->phase, sizeof to->phase, from->phase);
		snprintf(to->rung, sizeof to->rung, "%s", rungs[MIN(from->rung, ARRAY_LEN(rungs) - 1)]);
		to->running = from->running;
		to->drop = from->drop;
		to->high_water = from->high_water;
		snprintf(to->held, sizeof to->held, "%s", *from->held_words ? from->held_words : from->held);
		to->effects = j->effects_said[i] ? &j->effects[i] : NULL;       /* borrowed, as the tags are */
		c->channel_count++;
	}
}

static void fill_events(struct checkin *c, const struct judge *j)
{
	for (size_t i = 0; i < j->event_count && c->event_count < j->events_cap; i++) {
		const struct message_event *from = &j->events[i];
		struct checkin_event *to = &c->events[c->event_count];
		int kind = checkin_kind_parse(from->kind);

		if (kind < 0)
			continue;
		to->n = from->n;
		to->at = MAX(from->at, 0);
		memcpy(to->channel, from->channel, sizeof to->channel);
		to->digest = from->digest;
		to->attempt = from->attempt;
		to->kind = (enum checkin_kind)kind;
		snprintf(to->reason, sizeof to->reason, "%.*s", CHECKIN_REASON_MAX, from->reason);
		snprintf(to->detail, sizeof to->detail, "%.*s", CHECKIN_DETAIL_MAX, from->evidence);
		c->event_count++;
	}
}

static int fill(struct checkin *c, struct judge *j, struct err *e)
{
	snprintf(c->epoch, sizeof c->epoch, "%016" PRIx64, j->begin.epoch);
	c->seq = j->begin.seq;
	c->sent = clock_now();
	snprintf(c->boot_id, sizeof c->boot_id, "%s", j->begin.boot_id);
	c->facts = j->facts;    /* borrows the tags */
	c->channels = calloc(SETTINGS_CHANNELS_MAX, sizeof *c->channels);
	c->events = calloc(JUDGE_EVENTS_MAX, sizeof *c->events);
	c->wants = calloc(CHECKIN_WANTS_MAX, sizeof *c->wants);
	if (!c->channels || !c->events || !c->wants)
		return err_memory(e);
	fill_channels(c, j);
	fill_events(c, j);
	for (size_t i = 0; i < j->want_count; i++) {
		memcpy(c->wants[i].channel, j->wants[i].channel, sizeof c->wants[i].channel);
		c->wants[i].digest = j->wants[i].digest;
		c->wants[i].attempt = j->wants[i].attempt;
		c->want_count++;
	}
	return 0;
}

static int compose(struct buf *out, struct judge *j, struct err *e)
{
	AUTO(checkin) struct checkin *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return err_memory(e);
	rc = fill(c, j, e);
	if (rc == 0)
		rc = checkin_write(out, c, e);
	/* Tags and effects are the judge's. */
	memset(&c->facts, 0, sizeof c->facts);
	for (size_t i = 0; i < c->channel_count; i++)
		c->channels[i].effects = NULL;
	return rc;
}

static int say_next(struct judge *j, int64_t seconds, bool fresh, struct err *e)
{
	struct message_next next = { .seconds = (uint64_t)MIN(MAX(seconds, 1), 86400), .fresh = fresh };

	return judge_say(j, MSG_NEXT, &next, e);
}

static int accepted(struct judge *j, const struct buf *body, struct checkin_answer *a, struct err *e)
{
	struct message_acked acked = { 0 };

	if (checkin_answer_parse(a, body->data, body->len, e) < 0)
		return err_wrap(e, "check-in");
	acked.seq = j->begin.seq;
	for (size_t i = 0; i < j->event_count && i < j->events_cap; i++)
		acked.n = MAX(acked.n, j->events[i].n <= a->acked ? j->events[i].n : 0);
	if (judge_say(j, MSG_ACKED, &acked, e) < 0)
		return e->code;
	for (size_t i = 0; i < a->permit_count; i++) {
		const struct checkin_permit *from = &a->permits[i];
		struct message_permit p = { .digest = from->digest, .attempt = from->attempt,
					    .answer = from->go ? PERMIT_GO : PERMIT_WAIT,
					    .valid_s = (uint64_t)MIN(MAX(from->valid_s, 0), 86400) };

		memcpy(p.channel, from->channel, sizeof p.channel);
		snprintf(p.reason, sizeof p.reason, "%s", from->reason);
		if (judge_say(j, MSG_PERMIT, &p, e) < 0)
			return e->code;
	}
	/* Used from the next round on: once it is shown the old one is good no more, so it must be on the disk by then. */
	if (*a->token && say_token(j, a->token, false, e) < 0)
		return e->code;
	return say_next(j, a->next_checkin_s, true, e);
}

/* 400: which event the server can never take. */
static int poisoned(struct judge *j, const struct buf *body, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;
	struct message_poisoned p = { 0 };
	const struct json *o = NULL;
	int64_t n = 0, index = -1;
	const char *detail = "";
	struct err why;

	if (!body || json_parse(&d, "problem", body->data, body->len, NULL, &why) < 0 ||
	    json_may_object(d, d->root, "poisoned", &o, &why) < 0 || !o ||
	    json_may_int(d, o, "n", 0, INT64_MAX, &n, &why) < 0 || json_may_int(d, o, "index", 0, JUDGE_EVENTS_MAX, &index, &why) < 0 ||
	    json_may_text(d, d->root, "detail", 300, &detail, &why) < 0)
		return refused(400, body, "check-in", e);
	if (!n && index >= 0 && (size_t)index < j->event_count)
		n = (int64_t)j->events[index].n;
	if (!n)
		return refused(400, body, "check-in", e);
	p.n = (uint64_t)n;
	snprintf(p.reason, sizeof p.reason, "%s", detail);
	if (judge_say(j, MSG_POISONED, &p, e) < 0)
		return e->code;
	return err_set(e, ERR_FORMAT, "check-in: the server cannot take event %" PRId64, n);
}

/* Is the problem document of this type? */
static bool problem_is(const struct buf *body, const char *slug)
{
	AUTO(json) struct json_doc *d = NULL;
	const char *type = "";
	struct err ignored;

	if (!body || json_parse(&d, "problem", body->data, body->len, NULL, &ignored) < 0 ||
	    json_may_text(d, d->root, "type", 100, &type, &ignored) < 0)
		return false;
	return !strncmp(type, "urn:ringhold:problem:", 21) && !strcmp(type + 21, slug);
}

/*
 * An unknown device enrols again by itself; one that people revoked does not,
 * and neither does one that was configured with the wrong certificate, or that
 * met somebody on the way who is no ringholdd: a proxy with an error of its own.
 */
static int not_let_in(struct judge *j, const struct buf *body, struct err *e)
{
	if (problem_is(body, "device-revoked"))
		return say_token(j, j->begin.token, true, e);
	if (!problem_is(body, "unauthenticated") && !problem_is(body, "token-replaced"))
		return 0;
	j->begin.token[0] = 0;
	return say_token(j, "", false, e);
}

static int not_accepted(struct judge *j, int status, const struct buf *body, int64_t retry_after, struct err *e)
{
	struct message_resync resync = { 0 };

	switch (status) {
	case 400:
		return poisoned(j, body, e);
	case 401:
	case 403:
		if (not_let_in(j, body, e) < 0)
			return e->code;
		break;
	case 409:
		if (judge_say(j, MSG_RESYNC, &resync, e) < 0)
			return e->code;
		break;
	case 429:
	case 503:
		if (say_next(j, retry_after > 0 ? retry_after : NEXT_DEFAULT_S, false, e) < 0)
			return e->code;
		break;
	default:
		break;
	}
	return refused(status, body, "check-in", e);
}

int judge_check_in(struct judge *j, struct checkin_answer *out, struct err *e)
{
	for (;;) {
		AUTO(buf) struct buf *request = buf_new(4 * CHECKIN_MAX), *body = NULL;
		int64_t retry_after = -1;
		int status;

		e->code = 0;
		if (!request)
			return err_memory(e);
		if (compose(request, j, e) < 0 && e->code != ERR_LIMIT)
			return e->code;
		status = e->code == ERR_LIMIT ? 413
			 : judge_call(j, call_to(j, "device/v1/checkin", false), request, &body, &retry_after, e);
		if (status < 0)
			return err_wrap(e, "check-in");
		if (status == 200 && body)
			return accepted(j, body, out, e);
		if (status != 413 || j->events_cap <= 1)
			return not_accepted(j, status, body, retry_after, e);
		j->events_cap = MAX(MIN(j->events_cap, j->event_count) / 2, 1);
	}
}
