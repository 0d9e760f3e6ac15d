/* phase: the transition table and its look-up. Pure. */
#include "agent/phase.h"

#include <string.h>

#include "base/defs.h"

static const struct {
	enum phase at;
	enum phase_event on;
	struct phase_step step;
} rules[] = {
	/* at               on                  then             and do       */
	{ PHASE_IDLE,      ON_OFFERED,      { PHASE_FETCHING,  ACT_FETCH    } },
	{ PHASE_IDLE,      ON_RETREAT,      { PHASE_IDLE,      ACT_RETREAT  } },
	{ PHASE_IDLE,      ON_BOOTED,       { PHASE_IDLE,      ACT_NONE     } },

	{ PHASE_FETCHING,  ON_STAGED,       { PHASE_VERIFIED,  ACT_VALIDATE } },
	{ PHASE_FETCHING,  ON_BROKEN,       { PHASE_FETCHING,  ACT_FETCH    } },
	{ PHASE_FETCHING,  ON_REFUSED,      { PHASE_IDLE,      ACT_REFUSE   } },
	{ PHASE_FETCHING,  ON_WITHDRAWN,    { PHASE_IDLE,      ACT_DISCARD  } },
	{ PHASE_FETCHING,  ON_RETREAT,      { PHASE_FETCHING,  ACT_RETREAT  } },
	{ PHASE_FETCHING,  ON_BOOTED,       { PHASE_FETCHING,  ACT_FETCH    } },

	{ PHASE_VERIFIED,  ON_ACCEPTED,     { PHASE_VALIDATED, ACT_ASK      } },
	{ PHASE_VERIFIED,  ON_BROKEN,       { PHASE_VERIFIED,  ACT_VALIDATE } },
	{ PHASE_VERIFIED,  ON_REFUSED,      { PHASE_IDLE,      ACT_REFUSE   } },
	{ PHASE_VERIFIED,  ON_WITHDRAWN,    { PHASE_IDLE,      ACT_DISCARD  } },
	{ PHASE_VERIFIED,  ON_RETREAT,      { PHASE_VERIFIED,  ACT_RETREAT  } },
	{ PHASE_VERIFIED,  ON_BOOTED,       { PHASE_VERIFIED,  ACT_VALIDATE } },

	{ PHASE_VALIDATED, ON_PERMITTED,    { PHASE_VALIDATED, ACT_TRY      } },
	{ PHASE_VALIDATED, ON_BROKEN,       { PHASE_VALIDATED, ACT_ASK      } },
	{ PHASE_VALIDATED, ON_LOADED,       { PHASE_CANARIED,  ACT_WAIT     } },
	{ PHASE_VALIDATED, ON_REFUSED,      { PHASE_IDLE,      ACT_REFUSE   } },
	{ PHASE_VALIDATED, ON_WITHDRAWN,    { PHASE_IDLE,      ACT_DISCARD  } },
	{ PHASE_VALIDATED, ON_RETREAT,      { PHASE_VALIDATED, ACT_RETREAT  } },
	{ PHASE_VALIDATED, ON_BOOTED,       { PHASE_VALIDATED, ACT_ASK      } },

	{ PHASE_CANARIED,  ON_CLEARED,      { PHASE_ARMED,     ACT_ARM      } },
	{ PHASE_CANARIED,  ON_REFUSED,      { PHASE_IDLE,      ACT_REFUSE   } },
	{ PHASE_CANARIED,  ON_WITHDRAWN,    { PHASE_IDLE,      ACT_DISCARD  } },
	{ PHASE_CANARIED,  ON_RETREAT,      { PHASE_CANARIED,  ACT_RETREAT  } },
	{ PHASE_CANARIED,  ON_BOOTED,       { PHASE_CANARIED,  ACT_WAIT     } },

	{ PHASE_ARMED,     ON_SWITCHED,     { PHASE_ACTIVE,    ACT_WATCH    } },
	{ PHASE_ARMED,     ON_UNHEALTHY,    { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ARMED,     ON_STEPPED_DOWN, { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ARMED,     ON_WITHDRAWN,    { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ARMED,     ON_RETREAT,      { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ARMED,     ON_BOOTED,       { PHASE_ARMED,     ACT_SWITCH   } },

	{ PHASE_ACTIVE,    ON_HEALTHY,      { PHASE_IDLE,      ACT_COMMIT   } },
	{ PHASE_ACTIVE,    ON_UNHEALTHY,    { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ACTIVE,    ON_STEPPED_DOWN, { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ACTIVE,    ON_WITHDRAWN,    { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ACTIVE,    ON_RETREAT,      { PHASE_IDLE,      ACT_REVERT   } },
	{ PHASE_ACTIVE,    ON_BOOTED,       { PHASE_ACTIVE,    ACT_WATCH    } },
};

const struct phase_step *phase_step(enum phase at, enum phase_event on)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (rules[i].at == at && rules[i].on == on)
			return &rules[i].step;
	return NULL;
}

static const char *const names[] = {
#define X(name, text) [name] = text,
	PHASE_TABLE(X)
#undef X
};

static const char *const event_names[] = {
#define X(name, text) [name] = text,
	PHASE_EVENT_TABLE(X)
#undef X
};

static const struct {
	const char *name;
	bool settling;
} actions[] = {
#define X(name, text, is_settling) [name] = { text, is_settling },
	PHASE_ACTION_TABLE(X)
#undef X
};

bool phase_settling(enum phase_action act)
{
	return (size_t)act < PHASE_ACTIONS && actions[act].settling;
}

bool phase_on_trial(enum phase at)
{
	return at == PHASE_ARMED || at == PHASE_ACTIVE;
}

const char *phase_name(enum phase at)
{
	return (size_t)at < PHASES ? names[at] : "unknown";
}

const char *phase_event_name(enum phase_event on)
{
	return (size_t)on < PHASE_EVENTS ? event_names[on] : "unknown";
}

const char *phase_action_name(enum phase_action act)
{
	return (size_t)act < PHASE_ACTIONS ? actions[act].name : "unknown";
}

bool phase_parse(enum phase *out, const char *name)
{
	for (size_t i = 0; i < PHASES; i++) {
		if (!strcmp(names[i], name)) {
			*out = (enum phase)i;
			return true;
		}
	}
	return false;
}
