/* control_look: judges a ring's offers, asks for the verdict, and moves by it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout/gate_background.h"
#include "rollout/move.h"
#include "server/background.h"
#include "server/control_parts.h"

#define LOST_AT_ONCE 256                /* outcomes kept in one submission */
#define MOVES_MAX 4                     /* of one stage in one look */
#define HEARD_INTERVALS 2

struct look {
	struct server *s;
	struct stage *g;
	int64_t now, checkin_s, silence_s;
	struct verdict_facts facts;
	struct verdict_result result;
};

/* ---- outcomes ---- */

static bool settled(enum outcome o)
{
	return o == OUTCOME_SURVIVED || o == OUTCOME_FAILED || o == OUTCOME_LOST || o == OUTCOME_VOID;
}

/* Judges what may have changed; answers how many were found lost, at most LOST_AT_ONCE. With `lock`. */
static size_t judge(struct look *l, uint32_t lost[LOST_AT_ONCE])
{
	size_t count = 0;

	for (uint32_t n = 1; n <= l->g->count && count < LOST_AT_ONCE; n++) {
		struct offer *o = &l->g->offers[n - 1];

		if (settled(o->outcome))
			continue;
		stage_judge(l->g, n, l->silence_s, l->s->quiet_until, l->now);
		if (o->outcome == OUTCOME_LOST && !o->facts.lost) {
			o->facts.lost = l->now;
			lost[count++] = n;
		}
	}
	return count;
}

/* A lost endpoint stays lost when it returns: that is kept before anything is decided from it. */
static int keep_lost(struct look *l, const uint32_t lost[], size_t count, struct err *e)
{
	struct store_record *records = calloc(2 * count, sizeof *records);
	struct write w = { .append = { .records = records, .count = 2 * count } };
	int got;

	if (!records)
		return err_memory(e);
	for (size_t i = 0; i < count; i++) {
		records[2 * i].kind = STORE_OUTCOME;
		stage_outcome_row(l->g, lost[i], &records[2 * i].u.outcome);
		records[2 * i + 1] = (struct store_record){ .kind = STORE_DECISION, .u.decision = {
			.at = l->now, .kind = "lost", .channel = l->g->rollout->channel, .ring = l->g->policy->name,
			.device = l->g->offers[lost[i] - 1].device->id, .rollout = l->g->rollout->id,
			.digest = l->g->rollout->bundle.digest, .from = "", .to = "", .cause = "silent",
			.sentence = "it took the content and was not heard of since", .inputs = "" } };
	}
	got = writer_submit(l->s->writer, &w, e);
	free(records);
	return got;
}

static int outcomes(struct look *l, struct err *e)
{
	uint32_t lost[LOST_AT_ONCE];
	size_t count;

	do {
		pthread_mutex_lock(&l->s->lock);
		count = judge(l, lost);
		pthread_mutex_unlock(&l->s->lock);
		if (count > 0 && keep_lost(l, lost, count, e) < 0)
			return e->code;
	} while (count == LOST_AT_ONCE);
	return 0;
}

/* ---- members; all with `lock` ---- */

/* What became of this bundle on a device, in whichever ring it was offered. */
static enum outcome fate(const struct look *l, const struct device *d, bool *offered)
{
	*offered = false;
	for (const struct offer_link *k = d->offers; k; k = k->next)
		if (k->stage->rollout == l->g->rollout) {
			*offered = true;
			return k->stage->offers[k->n - 1].outcome;
		}
	return OUTCOME_PENDING;
}

static bool seen_since(const struct device *d, int64_t since)
{
	return d->last_seen >= since;
}

/* Of whom two check-ins were due over the last two intervals: whoever was heard of not long before. */
static void count_telemetry(struct look *l, const struct device *d)
{
	struct verdict_facts *f = &l->facts;
	int64_t since = l->now - HEARD_INTERVALS * l->checkin_s;
	int64_t expected_since = l->now - MAX(2 * HEARD_INTERVALS * l->checkin_s, l->g->policy->observe_s);

	if (device_away(d) || d->enrolled > since || !seen_since(d, expected_since))
		return;
	f->checkins_expected += HEARD_INTERVALS;
	f->checkins_seen += seen_since(d, since) + (d->before >= since);
}

static void count_member(struct look *l, const struct device *d)
{
	struct verdict_facts *f = &l->facts;
	bool heard = seen_since(d, l->now - HEARD_INTERVALS * l->checkin_s) || l->now < l->s->quiet_until;
	bool offered, away = device_away(d);
	enum outcome o;

	if (!d->ring || strcmp(d->ring, l->g->policy->name) != 0 || d->revoked || !device_channel(d, l->g->rollout->channel))
		return;
	count_telemetry(l, d);
	o = fate(l, d, &offered);
	if (!heard && !away && !offered)
		return; /* not at hand: it can neither be offered anything nor say anything */
	f->eligible++;
	f->members_survived += offered && o == OUTCOME_SURVIVED;
	f->members_away += away && !(offered && outcome_final(o));
}

static void gather(struct look *l)
{
	struct stage *g = l->g;
	struct verdict_facts *f = &l->facts;

	*f = (struct verdict_facts){
		.ring = g->policy, .first = g->position == 0, .now = l->now, .began = g->began, .closed_s = stage_closed_s(g, l->now),
		.bound_at = g->bound_at, .emergency = rollout_emergency(g->rollout) != 0,
		.content_crash = g->content_crash, .declined = g->declined, .operator_hold = g->operator_hold,
		.coverage_approved = control_coverage_approved(g), .continue_anyway = g->continue_anyway,
	};
	sequence_sums(g->sequence, &f->sums);
	verdict_strata(f, g->strata, g->sequence);
	f->silence = g->silence.max;
	control_effects(l->s, g, l->now);
	f->effects = g->effects;
	background_figures(l->s->background, g->rollout->channel, g->policy->name, g->policy->observe_s, l->now, &f->placebos,
			   &f->placebos_lost);
	f->background_known = gate_background_known(g->policy->p0, (uint64_t)f->placebos, (uint64_t)f->placebos_lost);
	for (size_t i = 0; g->state != RING_PASSED && i < l->s->fleet.count; i++)
		count_member(l, l->s->fleet.items[i]);
	/* Nothing can be said about missing check-ins before everyone had time to return. */
	if (l->now < l->s->quiet_until + l->checkin_s)
		f->checkins_expected = f->checkins_seen = 0;
}

/* ---- moving ---- */

/* The event that this verdict means in this state; -1: none. */
static int event_of(const struct look *l)
{
	const struct stage *g = l->g;
	struct move_held held = { .cause = verdict_cause_parse(g->cause), .operator_hold = g->operator_hold,
				  .coverage_approved = control_coverage_approved(g), .continue_anyway = g->continue_anyway };

	/* What is known may be older than what happened: only the worst of it is acted on. */
	if (g->rollout->restored && l->result.verdict != VERDICT_HALT)
		return -1;
	return move_by_verdict(g->state, &l->result, &held);
}

/* Held already, but for another reason now. */
static bool cause_changed(const struct look *l)
{
	return l->result.verdict == VERDICT_HOLD && state_held(l->g->state) && !l->g->rollout->restored &&
	       strcmp(l->g->cause, verdict_cause_name(l->result.cause)) != 0;
}

static int act(struct look *l, int event, const struct gate_record *record, struct err *e)
{
	struct motive m = { .cause = verdict_cause_name(l->result.cause), .sentence = l->result.sentence, .record = record };
	struct stage next = control_copy(l->s, l->g);

	if (event == RING_HALT)
		return control_halt(l->s, l->g, &m, l->now, e);
	if (event == RING_PASS) {
		pthread_mutex_lock(&l->s->lock);
		l->g->by_coverage = l->result.by_coverage;
		pthread_mutex_unlock(&l->s->lock);
		return control_move(l->s, l->g, RING_PASS, &m, l->now, e);
	}
	if (event >= 0)
		return control_move(l->s, l->g, (enum ring_event)event, &m, l->now, e);
	snprintf(next.cause, sizeof next.cause, "%s", m.cause);
	snprintf(next.sentence, sizeof next.sentence, "%s", m.sentence);
	return control_keep(l->s, l->g, &next, "verdict", &m, l->now, e);
}

int control_look(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	struct look l = { .s = s, .g = g, .now = now, .silence_s = policy_silence_s(g->rollout->policy) };

	if (g->state == RING_PASSED && now - g->passed_at > MOVE_ARMED_S)
		return 0;
	if (outcomes(&l, e) < 0 || control_silence(s, g, now, e) < 0)
		return e->code;
	for (int i = 0; i < MOVES_MAX && state_armed(g->state); i++) {
		AUTO(gate_record) struct gate_record *record = NULL;
		int event, got = 0;

		pthread_mutex_lock(&s->lock);
		l.checkin_s = server_checkin_s(s);
		gather(&l);
		verdict_of(&l.result, &l.facts);
		if (g->state != RING_PASSED) {
			g->last = l.result;
			g->eligible = l.facts.eligible;
			g->looked_at = now;
		}
		event = event_of(&l);
		/* What a move is decided from is taken down before anything can change. */
		if (event >= 0 || cause_changed(&l))
			got = control_record(&record, s, g, &l.facts, &l.result, event, e);
		pthread_mutex_unlock(&s->lock);
		if (got < 0)
			return e->code;
		if (!record)
			return 0;
		if (act(&l, event, record, e) < 0)
			return e->code;
	}
	return 0;
}
