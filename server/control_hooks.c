/* control_hooks: hooks that are asked before a ring takes a bundle. */
#include <stdio.h>
#include <string.h>

#include "server/control_parts.h"
#include "server/webhooks.h"

#define CAUSE_HOOK "hook"

bool control_held_by_hook(const struct stage *g)
{
	return g->state == RING_QUEUED && strcmp(g->cause, CAUSE_HOOK) == 0;
}

/* What a hook said is kept when it says something else than before. */
static int keep_answer(struct server *s, struct stage *g, const char *why, int64_t now, struct err *e)
{
	struct motive m = { .cause = CAUSE_HOOK, .sentence = why };
	struct stage next = control_copy(s, g);

	if (control_held_by_hook(g) && strcmp(g->sentence, why) == 0)
		return 0;
	snprintf(next.cause, sizeof next.cause, CAUSE_HOOK);
	snprintf(next.sentence, sizeof next.sentence, "%s", why);
	return control_keep(s, g, &next, CAUSE_HOOK, &m, now, e);
}

int control_hooks_agree(struct server *s, struct stage *g, int64_t now, struct err *e)
{
	char why[HOOK_WHY];

	if (control_hook_passed(g))
		return 1;
	switch (webhooks_before_ring(s, g, now, why)) {
	case HOOK_GO:
		return 1;
	case HOOK_HOLDS:
		return keep_answer(s, g, why, now, e);
	case HOOK_PENDING:
		break;
	}
	return 0;
}
