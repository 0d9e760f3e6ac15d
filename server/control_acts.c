/* control_acts: what a state asks to be signed, and the tick that does it all. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/background.h"
#include "server/control_parts.h"
#include "server/now.h"

static bool given_up(const struct server *s, const char *ring, const char *channel, const struct digest *digest)
{
	struct rollout *r = rollouts_of(&s->rollouts, channel, digest);
	const struct stage *g = r ? rollout_stage(r, ring) : NULL;

	return g && (g->state == RING_ABORTED || g->state == RING_HALTED || g->state == RING_ROLLED_BACK);
}

int control_previous(struct server *s, const char *ring, const char *channel, struct bundle_ref *out, struct err *e)
{
	AUTO(assignment) struct assignment *a = NULL;
	int got = desk_assignment(s->desk, ring, channel, &a, e);

	*out = (struct bundle_ref){ 0 };
	if (got == ERR_NOT_FOUND)
		return 0;
	if (got < 0)
		return got;
	if (given_up(s, ring, channel, &a->bundle.digest) || desk_stopped(s->desk, channel, &a->bundle.digest))
		*out = a->previous;
	else
		*out = a->bundle;
	return 0;
}

/* The same trouble every second is told once. */
static void trouble(struct server *s, struct stage *g, const char *what, const struct err *e)
{
	char text[sizeof g->problem];

	snprintf(text, sizeof text, "%s: %.200s", what, e->msg);
	pthread_mutex_lock(&s->lock);
	if (!g->trouble || strcmp(g->problem, text) != 0)
		log_warn("channel %s serial %llu ring %s: %s", g->rollout->channel,
			 (unsigned long long)g->rollout->bundle.serial, g->policy->name, text);
	g->trouble = true;
	memcpy(g->problem, text, sizeof text);
	pthread_mutex_unlock(&s->lock);
}

/* Not trouble: what people or a promoter do next. */
static void waits(struct server *s, struct stage *g, const struct requests_info *info)
{
	char text[sizeof g->problem];

	snprintf(text, sizeof text, "waits for a signature that is not given here: signing request %s", info->id);
	pthread_mutex_lock(&s->lock);
	g->trouble = false;
	memcpy(g->problem, text, sizeof text);
	pthread_mutex_unlock(&s->lock);
}

static void no_trouble(struct server *s, struct stage *g)
{
	pthread_mutex_lock(&s->lock);
	g->trouble = false;
	g->problem[0] = '\0';
	pthread_mutex_unlock(&s->lock);
}

/* ---- a ring gets the bundle ---- */

void control_describe(const struct stage *g, int64_t now, struct assignment *a)
{
	const struct rollout *r = g->rollout;

	*a = (struct assignment){
		.attempt = r->attempt, .issued = now, .bundle = r->bundle, .previous = g->previous,
		.permit_required = g->policy->permit_required, .probation_s = g->policy->probation_s,
		.probation_boots = g->policy->boots, .observe = g->policy->audit_first,
	};
	snprintf(a->channel, sizeof a->channel, "%s", r->channel);
	snprintf(a->ring, sizeof a->ring, "%s", g->policy->name);
	snprintf(a->reason, sizeof a->reason, "%s", r->reason[0] ? r->reason : "published");
}

/* Signed already, before a restart. */
static bool assigned(struct server *s, const struct stage *g)
{
	AUTO(assignment) struct assignment *a = NULL;
	struct err e;

	return desk_assignment(s->desk, g->policy->name, g->rollout->channel, &a, &e) == 0 &&
	       digest_equal(&a->bundle.digest, &g->rollout->bundle.digest) && a->attempt == g->rollout->attempt;
}

/* What the ring had passed with makes room. */
static int make_room(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	struct motive m = { .cause = "superseded", .sentence = "a newer bundle took the ring" };

	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		struct stage *o = r != g->rollout && strcmp(r->channel, g->rollout->channel) == 0 ?
					  rollout_stage(r, g->policy->name) : NULL;

		if (o && o->state == RING_PASSED && control_move(s, o, RING_SUPERSEDE, &m, now, e) < 0)
			return e->code;
	}
	return 0;
}

int control_assign(struct server *s, const struct assignment *a, const char *evidence, int64_t now, struct requests_info *info, struct err *e)
{
	if (desk_can_assign(s->desk, a->ring))
		return desk_assign(s->desk, a, now, e);
	return requests_assign(s, a, evidence, now, info, e);
}

/* 1: it waits for signatures. */
static int issue(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	struct motive m = { .cause = "signed", .sentence = "the assignment is published" };
	AUTO(buf) struct buf *evidence = buf_new(4096);
	AUTO(assignment) struct assignment *first = NULL;
	struct requests_info info;
	struct assignment a;
	int got = 0;

	if (!evidence)
		return err_memory(e);
	if (!assigned(s, g)) {
		control_describe(g, now, &a);
		if (control_leave_out(s, &a, &first, e) < 0 || control_evidence(s, g, evidence, e) < 0)
			return e->code;
		got = control_assign(s, &a, evidence->data, now, &info, e);
	}
	if (got > 0)
		waits(s, g, &info);
	if (got != 0)
		return got;
	if (make_room(s, g, now, e) < 0)
		return e->code;
	return control_move(s, g, RING_SIGNED, &m, now, e);
}

/* ---- a ring loses it again ---- */

static int undo(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	char cause[sizeof g->cause], sentence[sizeof g->sentence];
	struct motive m = { .cause = cause, .sentence = sentence };
	struct requests_info info;
	int got;

	got = control_sign_stop(s, g->rollout, g->sentence, now, e);
	if (got < 0 || (got > 0 && control_note(s, "stop", g, NULL, g->sentence, now, e) < 0))
		return err_wrap(e, "stop");
	got = control_take_back(s, g, g->sentence, now, &info, e);
	if (got < 0)
		return err_wrap(e, "previous assignment");
	if (got > 0) {
		waits(s, g, &info);
		return got;
	}
	memcpy(cause, g->cause, sizeof cause);
	snprintf(sentence, sizeof sentence, "%.200s; stopped, and the assignment before is back", g->sentence);
	return control_move(s, g, RING_ROLLBACK_DONE, &m, now, e);
}

void control_act(struct server *s, struct stage *g, int64_t now)
{
	struct err e;
	int got = 0;

	if (g->state == RING_AWAITING_SIGNATURE && !g->rollout->restored)
		got = issue(s, g, now, &e);
	else if (g->state == RING_HALTED)
		got = undo(s, g, now, &e);
	if (got < 0)
		trouble(s, g, g->state == RING_HALTED ? "halt" : "assignment", &e);
	else if (got == 0 && g->problem[0])
		no_trouble(s, g);
}

/* ---- the tick ---- */

typedef void each_stage(struct server *s, struct stage *g, int64_t now);

static void look_at(struct server *s, struct stage *g, int64_t now)
{
	struct err e;

	if (state_armed(g->state) && control_look(s, g, now, &e) < 0)
		trouble(s, g, "gate", &e);
}

static void for_each(struct server *s, each_stage *f, int64_t now)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older)
		for (size_t i = 0; i < r->policy->count; i++)
			f(s, &r->stages[i], now);
}

/* The same trouble every second is told once. Each has its own place to remember. */
static void tell(char last[256], const char *what, int got, const struct err *e)
{
	if (got >= 0) {
		last[0] = '\0';
		return;
	}
	if (strncmp(last, e->msg, 255) == 0)
		return;
	snprintf(last, 256, "%.255s", e->msg);
	log_error("%s: %s", what, e->msg);
}

void control_tick(struct server *s)
{
	static char last_stop[256], last_rollback[256], last_enter[256], last_reissue[256];     /* under `control` */
	struct err e;
	int64_t now;

	pthread_mutex_lock(&s->control);
	now = server_now(s);
	for_each(s, look_at, now);
	/* Halts are undone before anything new begins. */
	for_each(s, control_act, now);
	tell(last_stop, "stop", control_stops(s, now, &e), &e);
	tell(last_rollback, "rollback", control_rollbacks(s, now, &e), &e);
	tell(last_enter, "rollouts", control_enter(s, now, &e), &e);
	for_each(s, control_act, now);
	tell(last_reissue, "rules left out", control_reissue(s, now, &e), &e);
	pthread_mutex_lock(&s->lock);
	background_look(s, now);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&s->control);
}
