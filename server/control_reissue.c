/*
 * control_reissue: an assignment says something else about the same bundle:
 * other rules to leave out, or another attempt. Or its bundle was stopped.
 *
 * Which rules a channel leaves out is what the published assignment of its
 * first ring leaves out: signed, in the backup with everything else, and in
 * force once it is there. Every other ring follows: at once where the keys are
 * here, else by a signing request. Looked at again until all of them agree, so
 * that a server killed anywhere goes on where it was.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/control_parts.h"

static const struct rollout *newest_of(const struct server *s, const char *channel)
{
	const struct rollout *r = s->rollouts.newest;

	while (r && strcmp(r->channel, channel) != 0)
		r = r->older;
	return r;
}

int control_first(struct server *s, const char *channel, struct assignment **out, struct err *e)
{
	const struct rollout *r = newest_of(s, channel);

	if (!r)
		return err_set(e, ERR_NOT_FOUND, "channel %s: nothing was ever published", channel);
	return desk_assignment(s->desk, r->policy->rings[0].name, channel, out, e);
}

int control_leave_out(struct server *s, struct assignment *a, struct assignment **first, struct err *e)
{
	int got = control_first(s, a->channel, first, e);

	if (got == ERR_NOT_FOUND)
		return 0;
	if (got < 0)
		return got;
	a->drops = (*first)->drops;
	a->drop_count = (*first)->drop_count;
	return 0;
}

/* As control_act() goes by it: what came back with a backup is halted, and asks for nothing new. */
static bool any_acts(const struct server *s, const char *channel, const char *ring, enum ring_state state)
{
	for (struct rollout *r = s->rollouts.newest; r; r = r->older) {
		const struct stage *g = strcmp(r->channel, channel) == 0 ? rollout_stage(r, ring) : NULL;

		if (g && g->state == state && (state == RING_HALTED || !r->restored))
			return true;
	}
	return false;
}

bool control_awaits(const struct server *s, const char *channel, const char *ring)
{
	return any_acts(s, channel, ring, RING_AWAITING_SIGNATURE);
}

/* Another act will sign for this ring, with these rules left out. */
static bool busy(const struct server *s, const char *channel, const char *ring)
{
	return control_awaits(s, channel, ring) || any_acts(s, channel, ring, RING_HALTED);
}

static int is_of(const struct store_rollback *row, void *arg, struct err *e)
{
	(void)e;
	return strcmp(row->channel, arg) == 0;
}

static int agrees(const struct assignment *a, const struct assignment *b, struct err *e)
{
	struct digest x, y;

	if (assignment_drop_digest(&x, a, e) < 0 || assignment_drop_digest(&y, b, e) < 0)
		return e->code;
	return digest_equal(&x, &y);
}

/* 1: it does not agree yet. */
static int ring(struct server *s, const char *channel, const char *name, const struct assignment *first, int64_t now, struct err *e)
{
	AUTO(assignment) struct assignment *current = NULL;
	const struct rollout *of;
	struct requests_info info;
	struct assignment a;
	int got = desk_assignment(s->desk, name, channel, &current, e);

	if (got < 0)
		return got == ERR_NOT_FOUND ? 0 : got;
	of = rollouts_of(&s->rollouts, channel, &current->bundle.digest);
	a = *current;
	a.issued = now;
	a.attempt = of ? MAX(of->attempt, current->attempt) : current->attempt;
	a.drops = first->drops;
	a.drop_count = first->drop_count;
	got = agrees(&a, current, e);
	if (got < 0)
		return got;
	if (got && a.attempt == current->attempt) {
		/* An order that was taken back: nobody shall sign what was asked for it. */
		if (desk_can_assign(s->desk, name) || busy(s, channel, name))
			return 0;
		return requests_assign(s, current, NULL, now, &info, e);
	}
	if (busy(s, channel, name))
		return 1;
	return control_assign(s, &a, NULL, now, &info, e);
}

static int channel(struct server *s, const struct rollout *newest, int64_t now, bool *agreed, struct err *e)
{
	AUTO(assignment) struct assignment *first = NULL;
	int got = store_each_rollback(s->store, is_of, (void *)newest->channel, e);

	if (got != 0) { /* it signs for every ring */
		*agreed = false;
		return MIN(got, 0);
	}
	got = control_clear_stopped(s, newest, now, e);
	if (got < 0)
		return got;
	*agreed = *agreed && got == 0;
	got = control_first(s, newest->channel, &first, e);
	if (got < 0)    /* nothing to agree with */
		return got == ERR_NOT_FOUND ? 0 : got;
	for (size_t i = 0; i < newest->policy->count; i++) {
		got = ring(s, newest->channel, newest->policy->rings[i].name, first, now, e);
		if (got < 0)
			return err_wrap(e, "channel %s ring %s", newest->channel, newest->policy->rings[i].name);
		*agreed = *agreed && got == 0;
	}
	return 0;
}

int control_reissue(struct server *s, int64_t now, struct err *e)
{
	int64_t at = desk_timestamp(s->desk);
	struct err first = { 0 };
	bool agreed = true;

	if (s->reissued_at == at)
		return 0;
	for (const struct rollout *r = s->rollouts.newest; r; r = r->older)
		if (newest_of(s, r->channel) == r && channel(s, r, now, &agreed, e) < 0 && !first.code)
			first = *e;
	if (first.code) {
		*e = first;
		return e->code;
	}
	/* Published meanwhile: it is looked at once more. */
	s->reissued_at = agreed ? at : 0;
	return 0;
}
