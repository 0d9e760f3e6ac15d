#include "rollout/state.h"

#include <string.h>

#include "base/defs.h"

static const struct {
	const char *name;
	bool permits, final, occupies, armed, held;
} states[RING_STATES] = {
	/*                             name              permits final  occupies armed held */
	[RING_QUEUED]             = { "queued",             false, false, false, false, false },
	[RING_AWAITING_APPROVAL]  = { "awaiting-approval",  false, false, false, false, false },
	[RING_AWAITING_SIGNATURE] = { "awaiting-signature", false, false, false, false, false },
	[RING_OFFERING]           = { "offering",           true,  false, true,  true,  false },
	[RING_BAKING]             = { "baking",             false, false, true,  true,  false },
	[RING_PASSED]             = { "passed",             true,  false, false, true,  false },
	[RING_HELD]               = { "held",               false, false, true,  true,  true },
	[RING_HELD_BAKING]        = { "held-baking",        false, false, true,  true,  true },
	[RING_HALTED]             = { "halted",             false, false, false, false, false },
	[RING_ROLLED_BACK]        = { "rolled-back",        false, true,  false, false, false },
	[RING_SUPERSEDED]         = { "superseded",         false, true,  false, false, false },
	[RING_ABORTED]            = { "aborted",            false, true,  false, false, false },
};

static const struct {
	enum ring_state at;
	enum ring_event on;
	enum ring_state to;
} moves[] = {
	/* at                      on                  to */
	{ RING_QUEUED,             RING_FREE,          RING_AWAITING_SIGNATURE },
	{ RING_QUEUED,             RING_ASK,           RING_AWAITING_APPROVAL },
	{ RING_QUEUED,             RING_SUPERSEDE,     RING_SUPERSEDED },
	{ RING_QUEUED,             RING_ABORT,         RING_ABORTED },
	{ RING_AWAITING_APPROVAL,  RING_APPROVED,      RING_AWAITING_SIGNATURE },
	{ RING_AWAITING_APPROVAL,  RING_SUPERSEDE,     RING_SUPERSEDED },
	{ RING_AWAITING_APPROVAL,  RING_ABORT,         RING_ABORTED },
	{ RING_AWAITING_SIGNATURE, RING_SIGNED,        RING_OFFERING },
	{ RING_AWAITING_SIGNATURE, RING_SUPERSEDE,     RING_SUPERSEDED },
	{ RING_AWAITING_SIGNATURE, RING_ABORT,         RING_ABORTED },
	{ RING_OFFERING,           RING_BOUND,         RING_BAKING },
	{ RING_OFFERING,           RING_HOLD,          RING_HELD },
	{ RING_OFFERING,           RING_HALT,          RING_HALTED },
	{ RING_BAKING,             RING_PASS,          RING_PASSED },
	{ RING_BAKING,             RING_REOPEN,        RING_OFFERING },
	{ RING_BAKING,             RING_HOLD,          RING_HELD_BAKING },
	{ RING_BAKING,             RING_HALT,          RING_HALTED },
	{ RING_PASSED,             RING_SUPERSEDE,     RING_SUPERSEDED },
	{ RING_PASSED,             RING_HALT,          RING_HALTED },
	{ RING_HELD,               RING_RESUME,        RING_OFFERING },
	{ RING_HELD,               RING_HALT,          RING_HALTED },
	{ RING_HELD,               RING_ABORT,         RING_ABORTED },
	{ RING_HELD_BAKING,        RING_RESUME,        RING_BAKING },
	{ RING_HELD_BAKING,        RING_HALT,          RING_HALTED },
	{ RING_HELD_BAKING,        RING_ABORT,         RING_ABORTED },
	{ RING_HALTED,             RING_ROLLBACK_DONE, RING_ROLLED_BACK },
};

static const char *const events[RING_EVENTS] = {
	[RING_FREE] = "free", [RING_ASK] = "ask", [RING_APPROVED] = "approved", [RING_SIGNED] = "signed",
	[RING_BOUND] = "bound", [RING_REOPEN] = "reopen", [RING_PASS] = "pass", [RING_HOLD] = "hold",
	[RING_RESUME] = "resume", [RING_HALT] = "halt", [RING_ROLLBACK_DONE] = "rollback-done",
	[RING_SUPERSEDE] = "supersede", [RING_ABORT] = "abort",
};

int state_next(enum ring_state at, enum ring_event on)
{
	for (size_t i = 0; i < ARRAY_LEN(moves); i++)
		if (moves[i].at == at && moves[i].on == on)
			return (int)moves[i].to;
	return -1;
}

bool state_permits(enum ring_state s)
{
	return states[s].permits;
}

bool state_final(enum ring_state s)
{
	return states[s].final;
}

bool state_frees(enum ring_state s)
{
	return !states[s].occupies;
}

bool state_armed(enum ring_state s)
{
	return states[s].armed;
}

bool state_held(enum ring_state s)
{
	return states[s].held;
}

const char *state_name(enum ring_state s)
{
	return states[s].name;
}

int state_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *state_event_name(enum ring_event on)
{
	return events[on];
}
