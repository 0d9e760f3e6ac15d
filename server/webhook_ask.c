/* webhook_ask: questions to hooks before a ring takes a bundle, and their answers. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/now.h"
#include "server/webhooks_parts.h"

#define FIRST_WAIT_S 30
#define WAIT_MAX_S 300
#define YES_S 600               /* so long a yes holds when the ring is not entered at once */

/* ---- asking; with `control` and `lock` ---- */

/* Without rings it is every one but the first: what enters that was published, not promoted. */
static bool concerns(const struct webhook *w, const struct stage *g)
{
	if (!w->used || w->row.kind != WEBHOOK_BEFORE_RING || w->row.paused || !access_listed(w->channels, g->rollout->channel))
		return false;
	return w->rings[0] ? access_listed(w->rings, g->policy->name) : g->position > 0;
}

static bool about(const struct ask *a, const struct stage *g)
{
	return a->state != ASK_FREE && a->rollout == g->rollout->id && a->attempt == g->rollout->attempt && strcmp(a->ring, g->policy->name) == 0;
}

/* The question of this stage; else a free place, else that of the oldest one that is answered. NULL: none. */
static struct ask *place_for(struct slot *t, const struct stage *g)
{
	struct ask *best = NULL;

	for (struct ask *a = t->asks; a < t->asks + ASKS_MAX; a++) {
		if (about(a, g))
			return a;
		if (a->state == ASK_WANTED || a->state == ASK_UNDERWAY)
			continue;
		if (!best || (a->state == ASK_FREE && best->state != ASK_FREE) || (best->state != ASK_FREE && a->at < best->at))
			best = a;
	}
	return best;
}

static void begin(struct slot *t, struct ask *a, const struct stage *g, int64_t now)
{
	const struct rollout *r = g->rollout;

	*a = (struct ask){ .state = ASK_WANTED, .rollout = r->id, .attempt = r->attempt, .serial = r->bundle.serial, .digest = r->bundle.digest, .at = now };
	snprintf(a->channel, sizeof a->channel, "%s", r->channel);
	snprintf(a->ring, sizeof a->ring, "%s", g->policy->name);
	snprintf(a->version, sizeof a->version, "%s", r->bundle.version);
	t->poked = true;
	pthread_cond_broadcast(&t->all->wake);
}

static enum hook_answer ask(struct slot *t, const struct stage *g, int64_t now, char why[HOOK_WHY])
{
	struct ask *a = place_for(t, g);

	if (!a)
		return HOOK_PENDING;
	if (!about(a, g) || (a->state == ASK_YES && now - a->at > YES_S))
		begin(t, a, g, now);
	if (a->state == ASK_NO && (now >= a->next || now < a->at)) {
		a->state = ASK_WANTED;
		a->held = true;
		t->poked = true;
		pthread_cond_broadcast(&t->all->wake);
	}
	if (a->state == ASK_YES)
		return HOOK_GO;
	if (a->state != ASK_NO && !a->held)
		return HOOK_PENDING;
	snprintf(why, HOOK_WHY, "%s", a->why);
	return HOOK_HOLDS;
}

enum hook_answer webhooks_before_ring(struct server *s, const struct stage *g, int64_t now, char why[HOOK_WHY])
{
	struct webhooks *all = s->webhooks;
	enum hook_answer answer = HOOK_GO;

	why[0] = '\0';
	pthread_mutex_lock(&all->lock);
	/* every one is asked at once, and the first that holds is the one that is shown */
	for (size_t i = 0; i < WEBHOOKS_MAX; i++) {
		char other[HOOK_WHY] = "";
		enum hook_answer one = concerns(&all->slots[i].hook, g) ? ask(&all->slots[i], g, now, other) : HOOK_GO;

		if (one == HOOK_HOLDS && answer != HOOK_HOLDS)
			memcpy(why, other, HOOK_WHY);
		answer = MAX(answer, one);
	}
	pthread_mutex_unlock(&all->lock);
	return answer;
}

/* ---- the answer, on the slot's thread ---- */

static int write_question(struct buf *out, const struct webhooks *all, const struct ask *a, const char *message, struct err *e)
{
	struct json_writer w = { .out = out };
	char hex[DIGEST_HEX_LEN + 1], subject[NAME_LEN_MAX * 2 + 32];

	digest_hex(hex, &a->digest);
	snprintf(subject, sizeof subject, "%s/%llu/%s", a->channel, (unsigned long long)a->rollout, a->ring);
	json_open_object(&w, NULL);
	json_put_text(&w, "specversion", "1.0");
	json_put_text(&w, "id", message);
	json_put_text(&w, "source", all->source);
	json_put_text(&w, "type", "ringhold.hook.before-ring");
	json_put_text(&w, "subject", subject);
	json_put_time(&w, "time", a->at);
	json_put_text(&w, "datacontenttype", "application/json");
	json_open_object(&w, "data");
	json_put_text(&w, "channel", a->channel);
	json_put_text(&w, "ring", a->ring);
	json_put_int(&w, "rollout", (int64_t)a->rollout);
	json_put_int(&w, "attempt", (int64_t)a->attempt);
	json_put_int(&w, "serial", (int64_t)a->serial);
	json_put_text(&w, "version", a->version);
	json_put_text(&w, "digest", hex);
	json_close_object(&w);
	json_close_object(&w);
	return buf_check(out, e);
}

/* Its answer; "" is yes. The same question has the same name, however often it is asked. */
static void put_question(struct slot *t, const struct ask *a, char why[HOOK_WHY])
{
	AUTO(buf) struct buf *body = buf_new(WEBHOOK_MESSAGE_MAX);
	char message[NAME_LEN_MAX * 2 + 64], said[HOOK_WHY] = "out of memory";
	int64_t retry_after;
	struct err e;

	snprintf(message, sizeof message, "%s-before-%llu-%llu-%s", t->at_work.name, (unsigned long long)a->rollout, (unsigned long long)a->attempt,
		 a->ring);
	if (body && write_question(body, t->all, a, message, &e) == 0)
		webhook_send(t, message, "application/cloudevents+json; charset=utf-8", body->data, &retry_after, said);
	if (said[0])
		snprintf(why, HOOK_WHY, "the hook %.63s holds: %.110s", t->at_work.name, said);
	else
		why[0] = '\0';
}

/* The next one that nobody answered yet, as a copy; NULL: none. */
static struct ask *next_question(struct slot *t, struct ask *copy)
{
	struct ask *found = NULL;

	pthread_mutex_lock(&t->all->lock);
	for (struct ask *a = t->asks; !found && !t->all->stopping && a < t->asks + ASKS_MAX; a++)
		if (a->state == ASK_WANTED)
			found = a;
	if (found) {
		found->state = ASK_UNDERWAY;
		*copy = *found;
	}
	pthread_mutex_unlock(&t->all->lock);
	return found;
}

static void take_answer(struct slot *t, struct ask *a, const char *why)
{
	int64_t now = server_now(t->all->server);

	pthread_mutex_lock(&t->all->lock);
	if (a->state == ASK_UNDERWAY) { /* else the webhook was removed meanwhile */
		a->state = why[0] ? ASK_NO : ASK_YES;
		a->at = now;
		a->next = now + MIN(FIRST_WAIT_S * ++a->tries, (int64_t)WAIT_MAX_S);
		snprintf(a->why, sizeof a->why, "%s", why);
	}
	t->delivered += !why[0];
	t->failed += why[0] != '\0';
	snprintf(t->trouble, sizeof t->trouble, "%s", why);
	pthread_mutex_unlock(&t->all->lock);
	log_info("hook %s: %s", t->at_work.name, why[0] ? why : "agrees");
}

void webhook_questions(struct slot *t)
{
	struct ask copy, *a;
	char why[HOOK_WHY];

	while ((a = next_question(t, &copy))) {
		put_question(t, &copy, why);
		take_answer(t, a, why);
	}
}
