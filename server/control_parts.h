/*
 * control_parts: what server/control*.c share; for these only. All of it runs
 * with `control` held, and by the time as it was when that was taken: no jump
 * of the clock is believed meanwhile (control_clock_moved()).
 */
#ifndef SERVER_CONTROL_PARTS_H
#define SERVER_CONTROL_PARTS_H

#include "rollout/gate_record.h"
#include "server/control.h"
#include "server/requests.h"

/* Why a move happens; texts are borrowed, NULL is "". */
struct motive {
	const char *cause, *sentence;
	const struct gate_record *record;       /* what a gate decided from; NULL: no gate did */
	const char *who;                /* an operator: audited; NULL: the server */
};

/* A stage as it stands: devices raise flags and add offers meanwhile. Its lists are borrowed. */
struct stage control_copy(struct server *s, const struct stage *g);

/* Moves a stage by the state table: kept first, then done. ERR_CONFLICT when the event means nothing in its state. */
int control_move(struct server *s, struct stage *g, enum ring_event on, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
/* Keeps changed flags of a stage (copied from `next`) without a move. */
int control_keep(struct server *s, struct stage *g, const struct stage *next, const char *kind, const struct motive *m, int64_t now,
		 struct err *e) MUST_CHECK;
/* One line of what happened. */
int control_note(struct server *s, const char *kind, const struct stage *g, const char *device, const char *sentence, int64_t now,
		 struct err *e) MUST_CHECK;

/* Stops the whole rollout: every ring that has it is halted, every other aborted. */
int control_halt(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
/* Gives it up in the ring at this position and in every later one. */
int control_abort(struct server *s, struct rollout *r, int from, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;

/* control_approve.c: does the ring ask people before it takes a bundle, and what of them? */
bool control_asks(const struct stage *g);
void control_say_asked(const struct stage *g, char *out, size_t cap);
bool control_approved(const struct stage *g);   /* all that a ring waits for is there */
bool control_coverage_approved(const struct stage *g);
bool control_asks_now(const struct stage *g);   /* it waits for a person to agree, to the bundle or to its coverage */
int control_agree(struct server *s, struct stage *g, const struct control_wish *w, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
/* The emergency lane: asked for, agreed to. 0: that means nothing now; 1 done. */
int control_emergency(struct server *s, struct rollout *r, struct control_wish *w, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
/* May they agree? By role, and not to what they asked for themselves. */
int control_may_agree(const struct rollout *r, const struct stage *g, struct control_wish *w, struct err *e) MUST_CHECK;

/* control_enter.c: rings take what waits for them. */
int control_enter(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* control_hooks.c: may the bundle enter? 1: yes; 0: not yet, and whoever looks at the ring sees why. Nobody waits here. */
int control_hooks_agree(struct server *s, struct stage *g, int64_t now, struct err *e) MUST_CHECK;
bool control_held_by_hook(const struct stage *g);
/* control_approve.c: a person promotes the bundle although a hook holds it: then somebody else has to agree, whoever the policy asks. */
int control_pass_hook(struct server *s, struct stage *g, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
const struct approval *control_hook_passed(const struct stage *g);      /* by whom; NULL: nobody */
/* control_look.c: judges offers, asks for the verdict, moves. */
int control_look(struct server *s, struct stage *g, int64_t now, struct err *e) MUST_CHECK;
/* control_silence.c: endpoints that fell silent since the last look. */
int control_silence(struct server *s, struct stage *g, int64_t now, struct err *e) MUST_CHECK;
/* control_effects.c: what they report that is no crash, with `lock`. */
void control_effects(struct server *s, struct stage *g, int64_t now);
/*
 * control_record.c: what a gate decided from, taken from memory (with `lock`);
 * event -1: the cause of a hold changed.
 */
int control_record(struct gate_record **out, struct server *s, const struct stage *g, const struct verdict_facts *f,
		   const struct verdict_result *r, int event, struct err *e) MUST_CHECK;
/* Adds it to a batch; text is the buffer of its bytes, inputs (room for CONTROL_INPUTS) what the decision's row says of it. */
#define CONTROL_INPUTS 96
int control_put_record(struct server_batch *b, const struct gate_record *r, struct buf *text, char inputs[CONTROL_INPUTS], struct err *e) MUST_CHECK;
/* JSON for whoever signs a ring's assignment: the pass of the ring before it. */
int control_evidence(struct server *s, const struct stage *g, struct buf *out, struct err *e) MUST_CHECK;
/* control_acts.c: what a state asks to be signed; trouble is noted in the stage. */
/* Publishes an assignment, or asks for the signatures it lacks: 1 when it waits for them, then *info names the request. */
int control_assign(struct server *s, const struct assignment *a, const char *evidence, int64_t now, struct requests_info *info, struct err *e) MUST_CHECK;
void control_act(struct server *s, struct stage *g, int64_t now);
/* The assignment of a ring's bundle, as its rollout asks for it. */
void control_describe(const struct stage *g, int64_t now, struct assignment *a);
/* control_stop.c: 1: it is stopped from now on; 0: it was already, or is recalled. */
int control_sign_stop(struct server *s, const struct rollout *r, const char *why, int64_t now, struct err *e) MUST_CHECK;
/* Where the ring is assigned this bundle, what it had before, or nothing. 1: it waits for signatures. */
int control_take_back(struct server *s, struct stage *g, const char *why, int64_t now, struct requests_info *info, struct err *e) MUST_CHECK;
/* Takes what is stopped or recalled out of every assignment of the channel whose newest rollout this is. 1: that waits. */
int control_clear_stopped(struct server *s, const struct rollout *newest, int64_t now, struct err *e) MUST_CHECK;
/* Signs stops that were ordered and written down, and not signed since. */
int control_stops(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* A bundle that no ring can halt, and that endpoints may run: its rollout was superseded, was given up, or waits. */
bool control_can_stop(const struct server *s, const struct rollout *r);
/* Whether the key for it is here: ERR_AUTH. */
int control_may_stop(struct server *s, const struct rollout *r, struct err *e) MUST_CHECK;
int control_stop(struct server *s, struct rollout *r, const struct motive *m, int64_t now, struct err *e) MUST_CHECK;
/* control_reissue.c: rings that shall leave other rules out, or try again, or whose bundle is stopped. */
int control_reissue(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* A rollout asks for this ring's signature; one place has one open request, so nobody else asks meanwhile. */
bool control_awaits(const struct server *s, const char *channel, const char *ring);
/* The first ring's published assignment; ERR_NOT_FOUND. The caller frees. */
int control_first(struct server *s, const char *channel, struct assignment **out, struct err *e) MUST_CHECK;
/* a leaves out what the channel does; borrowed from *first, which the caller frees afterwards. */
int control_leave_out(struct server *s, struct assignment *a, struct assignment **first, struct err *e) MUST_CHECK;
int control_rollbacks(struct server *s, int64_t now, struct err *e) MUST_CHECK;
/* What a new bundle finds in a ring: the assigned one, or the one before it when that is stopped or was given up. */
int control_previous(struct server *s, const char *ring, const char *channel, struct bundle_ref *out, struct err *e) MUST_CHECK;

#endif
