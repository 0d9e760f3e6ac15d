/* round: say everything, then listen. */
#include "agent/round.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/channel.h"
#include "agent/introduce.h"
#include "agent/quarantine.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "rollout/checkin.h"
#include "schema/reason.h"

#define NONCE_KEY "enrolling"
#define ROUND_MS 600000
#define RECORDS_A_TURN 256

void round_init(struct round *r, struct host *h)
{
	memset(r, 0, sizeof *r);
	r->host = h;
	r->judge = r->fetch = SPAWNED_NONE;
}

void round_stop(struct round *r)
{
	spawn_kill(&r->judge);
	spawn_kill(&r->fetch);
	r->open = false;
}

static bool has_died(struct spawned *c, const char *name)
{
	char how[80];

	if (!spawn_ended(c, how, sizeof how))
		return false;
	log_warn("%s process: %s", name, how);
	return true;
}

/* They live and end together: a judge goes on asking the fetch process it was born with, dead or not. */
static bool one_has_died(struct round *r)
{
	bool judge = has_died(&r->judge, "judge"), fetch = has_died(&r->fetch, "fetch");

	return judge || fetch;
}

/* The judge alone talks to this fetch process; our end of it is closed. */
static int start_processes(struct round *r, struct err *e)
{
	static const struct message_server nobody;
	const struct message_server *server = &r->host->credentials.server;
	struct settings from = *r->host->s;
	struct introduce_seen identity;

	/* A judge sees the files that were there when it started, and no others; a certificate is renewed. */
	introduce_look(&identity, r->host->s);
	if (one_has_died(r) ||
	    (r->judge.pid && (memcmp(&r->contract_file, &r->host->contract_file, sizeof r->contract_file) != 0 ||
			      memcmp(&r->identity, &identity, sizeof identity) != 0)))
		round_stop(r);
	if (r->judge.pid)
		return 0;
	from.mirror = r->mirror;
	if (r->mirror)
		server = &nobody;
	r->contract_file = r->host->contract_file;
	r->identity = identity;
	if (spawn(&r->fetch, &from, CONFINE_FETCH, -1, e) < 0 ||
	    introduce(r->fetch.sock, &from, server, e) < 0 ||
	    spawn(&r->judge, r->host->s, CONFINE_JUDGE, r->fetch.sock, e) < 0) {
		round_stop(r);
		return e->code;
	}
	close(r->fetch.sock);
	r->fetch.sock = -1;
	return 0;
}

/* ---- what this host knows ---- */

struct saying {
	struct round *r;
	const char *channel;
	uint64_t count;
};

static int say(struct saying *s, enum message_type type, const void *body, struct err *e)
{
	s->count++;
	return message_send(s->r->judge.sock, type, body, -1, e);
}

/* Kept before it is used: an enrolment whose answer was lost is the same enrolment when it is tried again. */
static int nonce_of(struct journal *j, char out[MESSAGE_SHORT], struct err *e)
{
	uint8_t bytes[16];

	if (journal_get(j, NONCE_KEY, out, MESSAGE_SHORT, e) < 0)
		return e->code;
	if (*out)
		return 0;
	if (random_bytes(bytes, sizeof bytes, e) < 0)
		return e->code;
	hex_encode(out, bytes, sizeof bytes);
	return journal_set(j, NONCE_KEY, out, e);
}

static int say_begin(struct saying *s, enum round_kind kind, struct err *e)
{
	static struct message_begin b;
	const struct credentials *c = &s->r->host->credentials;
	char fresh[32];

	memset(&b, 0, sizeof b);
	b.check_in = kind == ROUND_FULL || kind == ROUND_BRIEF;
	b.brief = kind == ROUND_BRIEF;
	b.offline = kind == ROUND_STORED;
	b.refresh = kind == ROUND_MIRROR || s->r->host->refresh_wanted;
	b.explain = s->r->clause != NULL;
	if (journal_get(s->r->host->journal, "fresh_at", fresh, sizeof fresh, e) < 0)
		return e->code;
	b.fresh_at = strtoll(fresh, NULL, 10);
	s->r->known_at = kind == ROUND_STORED ? b.fresh_at : INT64_MAX;
	if (journal_epoch(s->r->host->journal, &b.epoch, e) < 0 || journal_next_seq(s->r->host->journal, &b.seq, e) < 0)
		return e->code;
	if (kind != ROUND_MIRROR)
		memcpy(b.enrolment, c->enrolment, sizeof b.enrolment);
	if (b.enrolment[0] && !c->now.token[0] && nonce_of(s->r->host->journal, b.nonce, e) < 0)
		return e->code;
	memcpy(b.token, c->now.token, sizeof b.token);
	memcpy(b.device, c->now.device, sizeof b.device);
	if (s->r->host->channel_count)
		for (size_t i = 0; i < BOOT_ID_LEN; i++)
			snprintf(b.boot_id + 2 * i, 3, "%02x", s->r->host->channels[0].boot.boot_id[i]);
	return say(s, MSG_BEGIN, &b, e);
}

static int say_channel(struct saying *s, const struct channel *c, struct err *e)
{
	static struct message_channel m;
	const struct digest *assigned = &c->state.last.assigned;
	char key[128], left[DIGEST_HEX_LEN + 1], hex[DIGEST_HEX_LEN + 1];

	memset(&m, 0, sizeof m);
	memcpy(m.channel, c->state.name, sizeof m.channel);
	memcpy(m.ring, c->state.ring, sizeof m.ring);
	snprintf(m.phase, sizeof m.phase, "%s", phase_name(c->state.phase));
	m.rung = c->boot.record.mode == BOOT_DISABLED ? RUNG_NONE : c->boot.record.rung;
	m.running = trial_running(&c->boot);
	m.offered = c->state.offer.digest;
	m.attempt = c->state.offer.attempt;
	m.high_water = c->boot.record.high_water;
	m.floor = c->state.floor;
	snprintf(m.held, sizeof m.held, "%s", channel_held(c));
	missed_words(c, m.held_words, sizeof m.held_words);
	m.pinned = c->state.pinned;
	m.drop = phase_on_trial(c->state.phase) ? c->state.offer.drop : c->state.drop;
	m.stop_left_at = c->state.stop_left_at;
	/* The day was spent on what still runs: it was to be left when this host died. */
	snprintf(key, sizeof key, CHANNEL_STOP_LEFT, c->state.name);
	if (journal_get(s->r->host->journal, key, left, sizeof left, e) < 0)
		return e->code;
	digest_hex(hex, &m.running);
	if (!strcmp(left, hex))
		m.stop_left_at = 0;
	if (!digest_is_zero(assigned)) {
		m.first_seen = *assigned;
		if (journal_first_seen(s->r->host->journal, m.channel, assigned, clock_now(), &m.first_seen_at, e) < 0)
			return e->code;
	}
	return say(s, MSG_CHANNEL, &m, e);
}

static int say_effect(void *arg, enum message_type type, const void *body, struct err *e)
{
	return say(arg, type, body, e);
}

static int say_slots(struct saying *s, const struct channel *c, struct err *e)
{
	for (int rung = RUNG_TRIAL; rung < RUNG_NONE; rung++) {
		struct message_slot m = { .rung = (uint64_t)rung, .digest = trial_at(&c->boot, (enum boot_rung)rung) };

		if (digest_is_zero(&m.digest) || !boot_slot_exists(c->boot.dir, m.digest.bytes))
			continue;
		memcpy(m.channel, c->state.name, sizeof m.channel);
		if (journal_serial_get(s->r->host->journal, m.channel, &m.digest, &m.serial, e) < 0 || say(s, MSG_SLOT, &m, e) < 0)
			return e->code;
	}
	return 0;
}

static int say_quarantine(void *arg, const struct quarantine *q, struct err *e)
{
	struct saying *s = arg;
	struct message_quarantine m = { .digest = q->digest, .attempt = q->attempt };

	snprintf(m.channel, sizeof m.channel, "%s", s->channel);
	return say(s, MSG_QUARANTINE, &m, e);
}

static int say_stop(void *arg, const struct message_stop *stop, struct err *e)
{
	return say(arg, MSG_STOP, stop, e);
}

static int say_event(void *arg, const struct message_event *event, struct err *e)
{
	return say(arg, MSG_EVENT, event, e);
}

static int say_wants(struct saying *s, struct err *e)
{
	const struct host *h = s->r->host;
	size_t wants = 0;

	for (size_t i = 0; i < h->channel_count && wants < CHECKIN_WANTS_MAX; i++) {
		const struct channel *c = &h->channels[i];
		struct message_want m = { .digest = c->state.offer.digest, .attempt = c->state.offer.attempt };

		if (!channel_wants_permit(c))
			continue;
		wants++;
		memcpy(m.channel, c->state.name, sizeof m.channel);
		if (say(s, MSG_WANT, &m, e) < 0)
			return e->code;
	}
	return 0;
}

static int say_all(struct round *r, enum round_kind kind, struct err *e)
{
	struct saying s = { .r = r };
	struct message_go go;

	if (say_begin(&s, kind, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->host->channel_count; i++) {
		const struct channel *c = &r->host->channels[i];

		s.channel = c->state.name;
		if (say_channel(&s, c, e) < 0 || channel_say_effects(c, say_effect, &s, e) < 0 || say_slots(&s, c, e) < 0 ||
		    (kind != ROUND_BRIEF && quarantine_each(c->boot.dir, say_quarantine, &s, e) < 0))
			return e->code;
	}
	if (journal_stops(r->host->journal, say_stop, &s, e) < 0 ||
	    journal_outbox(r->host->journal, CHECKIN_EVENTS_MAX, say_event, &s, e) < 0 || say_wants(&s, e) < 0)
		return e->code;
	go.count = s.count;
	return message_send(r->judge.sock, MSG_GO, &go, -1, e);
}

int round_start(struct round *r, enum round_kind kind, struct err *e)
{
	int rc;

	if (r->open)
		return 0;
	rc = start_processes(r, e);
	if (rc == 0)
		rc = say_all(r, kind, e);
	if (rc < 0) {
		r->failures++;
		round_stop(r);
		return rc;
	}
	r->open = true;
	r->heard = false;
	r->brief = kind == ROUND_BRIEF;
	r->next_s = 0;
	r->deadline = clock_work_ms() + ROUND_MS;
	if (!r->aside)
		r->host->round_wanted = r->host->refresh_wanted = false;
	return 0;
}

/* ---- what the judge says ---- */

static void trouble(struct round *r, const struct err *e)
{
	struct err ignored;

	log_error("%s", e->msg);
	snprintf(r->trouble, sizeof r->trouble, "%s", e->msg);
	if (!r->clause && !r->aside && journal_set(r->host->journal, "trouble", r->trouble, &ignored) < 0)
		log_warn("%s", ignored.msg);
}

/* A stop is durable before anything is done about it: without that, the round is given up. */
static int on_stop(struct round *r, const struct message_stop *m, struct err *e)
{
	int rc = journal_stop_add(r->host->journal, m, clock_now(), e);

	if (rc == 1)
		log_warn("channel %s: a digest is %s: %s", m->channel, m->by_people ? "recalled" : "stopped", m->reason);
	return rc;
}

static int on_poisoned(struct round *r, const struct message_poisoned *m, struct err *e)
{
	char text[MESSAGE_TEXT];

	snprintf(text, sizeof text, "event %llu: %.400s", (unsigned long long)m->n, m->reason);
	log_warn("the server cannot take %s", text);
	if (journal_drop_event(r->host->journal, m->n, e) < 0)
		return e->code;
	return host_event(r->host, "", "env", reason_word(REASON_POISONED), text, e);
}

/* What runs stays; nothing is enrolled again before a person says so. */
static int on_revoked(struct round *r, struct err *e)
{
	char already[8];

	if (journal_get(r->host->journal, ROUND_REVOKED, already, sizeof already, e) < 0)
		return e->code;
	if (*already)
		return 0;
	log_warn("the server revoked this device: what runs goes on, and nothing new is permitted");
	return journal_set(r->host->journal, ROUND_REVOKED, "1", e);
}

static int on_token(struct round *r, const struct message_token *m, struct err *e)
{
	bool enrolled = *m->token && strcmp(m->device, r->host->credentials.now.device) != 0;

	if (m->revoked)
		return on_revoked(r, e);
	if (!*m->token)
		log_warn("the server does not know this device any more: it enrols again");
	else if (enrolled)
		log_info("enrolled as device %s", m->device);
	if (!*m->token && *r->host->credentials.now.token &&
	    host_event(r->host, "", "env", reason_word(REASON_REENROL), "", e) < 0)
		return e->code;
	if (credentials_store(&r->host->credentials, r->host->s->root, m, e) < 0)
		return e->code;
	return enrolled ? journal_set(r->host->journal, NONCE_KEY, "", e) : 0;
}

static int on_done(struct round *r, const struct message_done *m)
{
	char now[32];
	struct err e;

	r->open = false;
	snprintf(now, sizeof now, "%" PRId64, clock_now());
	if (m->refreshed && journal_set(r->host->journal, "fresh_at", now, &e) < 0)
		log_warn("%s", e.msg);
	r->trouble[0] = 0;
	if (m->code < 0) {
		snprintf(r->trouble, sizeof r->trouble, "%s", m->text);
		log_warn("%s", m->text);
	}
	/* A dead repository does not slow the talk with a server that is well. */
	r->failures = m->code < 0 && !r->heard ? r->failures + 1 : 0;
	if (!r->clause && !r->aside && journal_set(r->host->journal, "trouble", r->trouble, &e) < 0)
		log_warn("%s", e.msg);
	return 1;
}

static void on_verdict(struct round *r, const struct message_verdict *m)
{
	struct channel *c = host_channel(r->host, m->channel);
	struct message_verdict v = *m;

	v.evaluated = MIN(v.evaluated, r->known_at);
	if (c && !r->clause)    /* explaining changes nothing */
		channel_verdict(c, &v);
}

/* It lets this device in. */
static int on_acked(struct round *r, const struct message_acked *m, struct err *e)
{
	struct journal *j = r->host->journal;
	char revoked[8];

	if (journal_get(j, ROUND_REVOKED, revoked, sizeof revoked, e) < 0 || (*revoked && journal_set(j, ROUND_REVOKED, "", e) < 0))
		return e->code;
	return journal_acked(j, m->n, e);
}

static int take(struct round *r, const struct message *m, struct err *e)
{
	struct host *h = r->host;
	struct channel *c;

	switch (m->type) {
	case MSG_TOKEN:
		return on_token(r, &m->u.token, e);
	case MSG_ACKED:
		return on_acked(r, &m->u.acked, e);
	case MSG_POISONED:
		return on_poisoned(r, &m->u.poisoned, e);
	case MSG_RESYNC:
		h->round_wanted = true;
		return journal_new_epoch(h->journal, e);
	case MSG_PERMIT:
		c = host_channel(h, m->u.permit.channel);
		if (c)
			channel_permit(c, &m->u.permit);
		return 0;
	case MSG_NEXT:
		r->next_s = (int64_t)m->u.next.seconds;
		r->heard |= m->u.next.fresh;
		return 0;
	case MSG_STOP:
		return on_stop(r, &m->u.stop, e) < 0 ? e->code : 0;
	case MSG_DROP:
		c = host_channel(h, m->u.drop.channel);
		if (c)
			channel_drop(c, m->u.drop.rule);
		return 0;
	case MSG_CLAUSE:
		if (r->clause)
			r->clause(r->clause_arg, &m->u.clause);
		return 0;
	case MSG_VERDICT:
		on_verdict(r, &m->u.verdict);
		return 0;
	default:
		return on_done(r, &m->u.done);
	}
}

int round_turn(struct round *r)
{
	static const enum message_type allowed[] = { MSG_TOKEN, MSG_ACKED, MSG_POISONED, MSG_RESYNC, MSG_PERMIT, MSG_NEXT, MSG_STOP,
						     MSG_DROP, MSG_CLAUSE, MSG_VERDICT, MSG_DONE, 0 };
	static struct message m;
	struct err e;
	int rc = 0;

	if (!r->open)
		return 0;
	for (int i = 0; i < RECORDS_A_TURN && rc == 0; i++) {
		rc = message_receive(r->judge.sock, &m, allowed, 0, &e);
		if (rc == ERR_TIMEOUT) {
			if (clock_work_ms() < r->deadline)
				return 0;
			err_set(&e, ERR_TIMEOUT, "the judge did not answer in time");
		} else if (rc == 0) {
			rc = err_set(&e, ERR_CRASH, "the judge process is gone");
		} else if (rc == 1) {
			rc = take(r, &m, &e);
		}
	}
	if (rc >= 0)
		return rc;
	trouble(r, &e);
	r->failures++;
	round_stop(r);
	return 1;
}
