#include "rollout/outcome.h"

#include <string.h>

#include "base/defs.h"

static const struct {
	const char *name;
	bool final, left_out;
} outcomes[OUTCOME_COUNT] = {
	[OUTCOME_PENDING] = { "pending", false, false },
	[OUTCOME_SURVIVED] = { "survived", true, false },
	[OUTCOME_FAILED] = { "failed", true, false },
	[OUTCOME_LOST] = { "lost", true, false },
	[OUTCOME_AWAY] = { "away", false, true },
	[OUTCOME_ENVIRONMENT] = { "environment", true, true },
	[OUTCOME_VOID] = { "void", true, true },
};

/* From here D counts. */
static int64_t start(const struct outcome_facts *f)
{
	return MAX(f->offered, f->renewed);
}

/* A goodbye that nothing was heard after. */
static bool away(const struct outcome_facts *f)
{
	return f->goodbye > 0 && f->goodbye >= start(f) && f->last_seen <= f->goodbye;
}

static bool kept_by_environment(const struct outcome_facts *f)
{
	return f->environment > 0 && f->environment >= start(f);
}

static int64_t silent_from(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s)
{
	int64_t unproved = start(f) + observe_s;
	int64_t unheard = MAX(f->last_seen, f->offered) + silence_s + 1;        /* older than G */

	return MAX(MAX(unproved, unheard), f->quiet_until);
}

enum outcome outcome_of(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s, int64_t now)
{
	if (f->voided)
		return OUTCOME_VOID;
	if (f->failed > 0)
		return OUTCOME_FAILED;
	if (f->lost > 0)
		return OUTCOME_LOST;
	if (f->survived > 0)
		return OUTCOME_SURVIVED;
	if (kept_by_environment(f))
		return OUTCOME_ENVIRONMENT;
	if (away(f))
		return OUTCOME_AWAY;
	return now >= silent_from(f, observe_s, silence_s) ? OUTCOME_LOST : OUTCOME_PENDING;
}

int64_t outcome_matures(const struct outcome_facts *f, int64_t observe_s, int64_t silence_s)
{
	int64_t at = silent_from(f, observe_s, silence_s);

	return outcome_of(f, observe_s, silence_s, at - 1) == OUTCOME_PENDING ? at : INT64_MAX;
}

bool outcome_final(enum outcome o)
{
	return outcomes[o].final;
}

bool outcome_left_out(enum outcome o)
{
	return outcomes[o].left_out;
}

const char *outcome_name(enum outcome o)
{
	return outcomes[o].name;
}

int outcome_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(outcomes); i++)
		if (strcmp(outcomes[i].name, name) == 0)
			return (int)i;
	return -1;
}
