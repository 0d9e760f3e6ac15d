/* role_judge: the conversation of the judge, and the order of a round. */
#include "agent/role.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/judge.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define FETCH_WAIT_MS 180000    /* the fetch process has its own, shorter limits */

/* ---- talking ---- */

int judge_say(struct judge *j, enum message_type type, const void *body, struct err *e)
{
	return message_send(j->sock, type, body, -1, e);
}

static int await(struct judge *j, struct buf **body, size_t max, int64_t *retry_after, struct err *e)
{
	static const enum message_type allowed[] = { MSG_ANSWER, MSG_BODY, 0 };
	static struct message m;
	int rc = message_receive(j->fetch_sock, &m, allowed, FETCH_WAIT_MS, e);

	*body = NULL;
	if (rc == 0)
		return err_set(e, ERR_NET, "the fetch process is gone");
	if (rc < 0)
		return rc;
	if (retry_after)
		*retry_after = m.u.answer.retry_after;
	if (m.type == MSG_ANSWER && m.u.answer.status < 0)
		rc = err_set(e, (int)MAX(m.u.answer.status, ERR_INTERNAL), "%s", m.u.answer.text);
	else if (m.type == MSG_BODY && file_read_fd(body, m.fd, max, e) < 0)
		rc = e->code;
	else
		rc = (int)MIN(MAX(m.u.answer.status, 0), 999);
	message_release(&m);
	return rc;
}

int judge_get(struct judge *j, const struct message_get *get, struct buf **body, struct err *e)
{
	if (message_send(j->fetch_sock, MSG_GET, get, -1, e) < 0)
		return e->code;
	return await(j, body, get->max, NULL, e);
}

int judge_call(struct judge *j, const struct message_call *call, const struct buf *request, struct buf **body,
	       int64_t *retry_after, struct err *e)
{
	AUTO_FD int fd = memfd_create("request", MFD_CLOEXEC);

	if (fd < 0)
		return err_errno(e, "judge: memory for a request");
	if (request && file_write_all(fd, request->data, request->len, e) < 0)
		return e->code;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_errno(e, "judge: rewind a request");
	if (message_send(j->fetch_sock, MSG_CALL, call, fd, e) < 0)
		return e->code;
	return await(j, body, call->max, retry_after, e);
}

/* ---- a round's facts ---- */

static void forget(struct judge *j)
{
	j->channel_count = j->slot_count = j->quarantine_count = j->stop_count = j->event_count = j->want_count = 0;
	free(TAKE(j->facts.tags));
	memset(&j->facts, 0, sizeof j->facts);
	memset(j->effects_said, 0, sizeof j->effects_said);
}

/* As many as there are: a full list would be a way to have a stop forgotten. */
int judge_know_stop(struct judge *j, const char *channel, const struct digest *d, bool by_people, struct err *e)
{
	struct judge_stop *s;

	if (j->stop_count == j->stop_room) {
		size_t room = MAX(2 * j->stop_room, (size_t)64);
		struct judge_stop *more = reallocarray(j->stops, room, sizeof *more);

		if (!more)
			return err_memory(e);
		j->stops = more;
		j->stop_room = room;
	}
	s = &j->stops[j->stop_count++];
	*s = (struct judge_stop){ .digest = *d, .by_people = by_people };
	snprintf(s->channel, sizeof s->channel, "%s", channel);
	return 0;
}

/* What the content of the channel told last does. */
static int keep_effects(struct judge *j, const struct message *m, struct err *e)
{
	struct effects *f = j->channel_count ? &j->effects[j->channel_count - 1] : NULL;
	const struct message_effects *n = &m->u.effects;

	if (!f || (m->type == MSG_EFFECT && (!j->effects_said[j->channel_count - 1] || f->rule_count == EFFECTS_RULES_MAX)))
		return err_set(e, ERR_FORMAT, "judge: effects of no channel, or too many");
	if (m->type == MSG_EFFECT) {
		snprintf(f->rules[f->rule_count].rule, sizeof f->rules->rule, "%.*s", RULE_LEN_MAX, m->u.effect.rule);
		f->rules[f->rule_count++].n = m->u.effect.n;
		return 0;
	}
	*f = (struct effects){ .digest = n->digest, .counted = n->counted, .counted_s = n->counted_s, .events = n->events, .errors = n->errors,
			       .verdicts = { n->observe, n->alert, n->block, n->quarantine },
			       .would = { [EFFECTS_BLOCK] = n->would_block, [EFFECTS_QUARANTINE] = n->would_quarantine },
			       .load_ms = n->load_ms, .measured = n->measured, .measured_s = n->measured_s, .cpu_ms = n->cpu_ms,
			       .rss_bytes = n->rss_bytes, .rules = j->effects_rules[j->channel_count - 1] };
	j->effects_said[j->channel_count - 1] = true;
	return 0;
}

static int keep(struct judge *j, const struct message *m, struct err *e)
{
	const struct { enum message_type type; void *list; size_t *count, max, size; const void *from; } lists[] = {
		{ MSG_CHANNEL, j->channels, &j->channel_count, SETTINGS_CHANNELS_MAX, sizeof *j->channels, &m->u.channel },
		{ MSG_SLOT, j->slots, &j->slot_count, JUDGE_SLOTS_MAX, sizeof *j->slots, &m->u.slot },
		{ MSG_QUARANTINE, j->quarantine, &j->quarantine_count, JUDGE_QUARANTINE_MAX, sizeof *j->quarantine, &m->u.quarantine },
		{ MSG_EVENT, j->events, &j->event_count, JUDGE_EVENTS_MAX, sizeof *j->events, &m->u.event },
		{ MSG_WANT, j->wants, &j->want_count, CHECKIN_WANTS_MAX, sizeof *j->wants, &m->u.want },
	};

	if (m->type == MSG_EFFECTS || m->type == MSG_EFFECT)
		return keep_effects(j, m, e);
	if (m->type == MSG_STOP)
		return judge_know_stop(j, m->u.stop.channel, &m->u.stop.digest, m->u.stop.by_people != 0, e);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		if (lists[i].type != m->type)
			continue;
		if (*lists[i].count == lists[i].max)
			return err_set(e, ERR_LIMIT, "judge: too many records of one kind");
		memcpy((char *)lists[i].list + (*lists[i].count)++ * lists[i].size, lists[i].from, lists[i].size);
		return 0;
	}
	forget(j);
	j->begin = m->u.begin;
	return 0;
}

/* ---- a round ---- */

/* What the server says of its own repository, that of the rings; it cannot speak for a vendor. 0: nothing. */
static int64_t vouched(const struct judge *j, const struct judge_repo *r, const struct checkin_answer *a)
{
	if (settings_repo(j->s, REPO_RINGS) != r->which)
		return 0;
	for (size_t i = 0; i < a->repo_count; i++)
		if (!strcmp(a->repos[i].name, settings_repo_name(j->s, r->which)) || a->repo_count == 1)
			return (int64_t)a->repos[i].timestamp;
	return 0;
}

/* A refresh is due when the server says so, or when nobody vouched for what we have, or somebody did for too long. */
static bool refresh_due(const struct judge *j, const struct judge_repo *r, const struct checkin_answer *a)
{
	if (j->begin.refresh || a->refresh || !r->refreshed_at || j->now - r->refreshed_at >= judge_half_life(r))
		return true;
	return vouched(j, r, a) != judge_timestamp(r);
}

static int refresh_one(struct judge *j, struct judge_repo *r, const struct checkin_answer *a, struct err *e)
{
	if (!j->begin.offline && !refresh_due(j, r, a)) {
		r->fresh_at = j->now;
		return 0;
	}
	return judge_refresh(j, r, !j->begin.offline, e);
}

static bool rings_known(const struct judge *j)
{
	for (size_t i = 0; i < j->channel_count; i++)
		if (!*j->channels[i].ring)
			return false;
	return true;
}

/* The check-in needs the ring, which needs metadata once. */
static void converse(struct judge *j, struct checkin_answer *answer, struct err *e)
{
	struct err why = { 0 };
	int position;

	e->code = 0;
	if (*j->begin.enrolment && !*j->begin.token && judge_enrol(j, e) < 0)
		return;
	if (!*j->begin.token || !j->begin.check_in)
		return;
	if (!rings_known(j) && (judge_refresh(j, judge_repo(j, REPO_RINGS), true, &why) < 0 || judge_resolve(j, &position, &why) < 0))
		log_warn("no ring before the first check-in: %s", why.msg);
	(void)!judge_check_in(j, answer, e);    /* *e says how it went */
}

/* The first trouble of a round is the one that is told. */
static void note(struct err *first, const struct err *e)
{
	if (!first->code)
		*first = *e;
}

/* Rings and, before anything is asked of a vendor, what goes to a slot on disk. */
static int retreat_first(struct judge *j, int position, bool said[SETTINGS_CHANNELS_MAX], struct err *e)
{
	struct judge_repo *content = judge_repo(j, REPO_CONTENT);
	struct err why;

	if (judge_repo_count(j) == 1 || j->begin.offline)
		return 0;
	if (!content->client && judge_refresh(j, content, false, &why) < 0)
		log_debug("%s", why.msg);
	content->stored_only = true;
	for (size_t i = 0; i < j->channel_count; i++) {
		int rc = judge_decide(j, &j->channels[i], position, true, e);

		if (rc < 0)
			return rc;
		said[i] = rc == 1;
	}
	judge_repo_begin(content);
	return 0;
}

static int decide_all(struct judge *j, const struct checkin_answer *answer, struct err *trouble, struct err *e)
{
	struct judge_repo *rings = judge_repo(j, REPO_RINGS), *content = judge_repo(j, REPO_CONTENT);
	bool said[SETTINGS_CHANNELS_MAX] = { false };
	struct err why;
	int position = 0;

	if (refresh_one(j, rings, answer, &why) < 0)
		note(trouble, &why);
	if (judge_resolve(j, &position, &why) < 0)
		note(trouble, &why);
	if (retreat_first(j, position, said, e) < 0)
		return e->code;
	if (content != rings && refresh_one(j, content, answer, &why) < 0)
		note(trouble, &why);
	for (size_t i = 0; i < j->channel_count; i++)
		if (!said[i] && judge_decide(j, &j->channels[i], position, false, e) < 0)
			return e->code;
	return 0;
}

static bool all_fresh(struct judge *j)
{
	for (size_t i = 0; i < judge_repo_count(j); i++) {
		const struct judge_repo *r = judge_repo(j, i ? REPO_RINGS : REPO_CONTENT);

		if (r->stored_only || r->fresh_at != j->now)
			return false;
	}
	return !j->begin.offline;
}

static int run_round(struct judge *j, struct err *e)
{
	static struct checkin_answer answer;
	struct message_done done = { 0 };
	struct err trouble = { 0 };

	memset(&answer, 0, sizeof answer);
	j->now = clock_now();
	for (int i = 0; i < SETTINGS_REPOS; i++)
		judge_repo_begin(&j->repos[i]);
	if (judge_facts(j, &trouble) < 0)
		log_warn("%s", trouble.msg);
	if (!j->begin.offline)
		converse(j, &answer, &trouble);
	if (!j->begin.brief) {
		if (decide_all(j, &answer, &trouble, e) < 0)
			return e->code;
		done.refreshed = all_fresh(j);
	}
	done.code = trouble.code;
	snprintf(done.text, sizeof done.text, "%s", trouble.code ? trouble.msg : "");
	return judge_say(j, MSG_DONE, &done, e);
}

static int converse_with_supervisor(struct judge *j, struct err *e)
{
	static const enum message_type allowed[] = { MSG_BEGIN, MSG_CHANNEL, MSG_EFFECTS, MSG_EFFECT, MSG_SLOT, MSG_QUARANTINE, MSG_STOP, MSG_EVENT,
						     MSG_WANT, MSG_GO, 0 };
	static struct message m;
	int rc;

	while ((rc = message_receive(j->sock, &m, allowed, -1, e)) == 1) {
		rc = m.type == MSG_GO ? run_round(j, e) : keep(j, &m, e);
		if (rc < 0)
			break;
	}
	return rc;
}

int role_judge(const struct settings *s, int sock, int fetch_sock)
{
	static struct judge j;
	struct err e = { 0 };
	int rc;

	j.s = s;
	j.sock = sock;
	j.fetch_sock = fetch_sock;
	j.events_cap = JUDGE_EVENTS_MAX;
	j.quarantine = calloc(JUDGE_QUARANTINE_MAX, sizeof *j.quarantine);
	j.events = calloc(JUDGE_EVENTS_MAX, sizeof *j.events);
	for (int i = 0; i < SETTINGS_REPOS; i++)
		j.repos[i].which = (enum settings_repo)i;
	rc = j.quarantine && j.events ? converse_with_supervisor(&j, &e) : err_memory(&e);
	if (rc < 0)
		log_error("%s", e.msg);
	forget(&j);
	for (int i = 0; i < SETTINGS_REPOS; i++)
		judge_repo_close(&j.repos[i]);
	free(j.quarantine);
	free(j.stops);
	free(j.events);
	return rc < 0;
}
