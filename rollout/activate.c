#include "rollout/activate.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "schema/reason.h"

static const int64_t age_by_position[] = { 0, 3600, 4 * 3600 };        /* later rings are like the last */

static const char *const clause_names[ACTIVATE_CLAUSES] = {
	[CLAUSE_ENABLED] = "enabled",       [CLAUSE_NOT_STOPPED] = "not-stopped", [CLAUSE_NOT_QUARANTINED] = "not-quarantined",
	[CLAUSE_NOT_PINNED] = "not-pinned", [CLAUSE_NOT_HELD] = "not-held",       [CLAUSE_FRESH] = "fresh",
	[CLAUSE_ASSIGNED] = "assigned",     [CLAUSE_LISTED] = "listed",           [CLAUSE_ACCEPTED] = "accepted",
	[CLAUSE_APPROVED] = "approved",     [CLAUSE_FLOOR] = "floor",             [CLAUSE_NEWER] = "newer",
	[CLAUSE_AGE] = "age",               [CLAUSE_WINDOW] = "window",
};
static const char *const slot_names[ACTIVATE_SLOTS] = {
	[SLOT_NONE] = "none", [SLOT_BASELINE] = "baseline", [SLOT_PREVIOUS] = "previous", [SLOT_CURRENT] = "current", [SLOT_TRIAL] = "trial",
};
static const char *const action_names[] = {
	[ACTIVATE_KEEP] = "keep", [ACTIVATE_INSTALL] = "install", [ACTIVATE_SWITCH] = "switch", [ACTIVATE_LEAVE] = "leave",
};

/* ---- small questions about the facts ---- */

static bool set_has(const struct activate_set *s, const struct digest *d)
{
	for (size_t i = 0; i < s->count; i++)
		if (digest_equal(&s->digests[i], d))
			return true;
	return false;
}

static bool taken_away(const struct activate_facts *f, const struct digest *d)
{
	return set_has(&f->stopped, d) || set_has(&f->recalled, d);
}

/* What runs, or a zero digest. */
static const struct activate_content *running(const struct activate_facts *f)
{
	static const struct activate_content nothing;

	return f->running == SLOT_NONE ? &nothing : &f->slots[f->running];
}

/* The committed slot that holds d: never the trial. SLOT_NONE: not on disk. */
static enum activate_slot slot_of(const struct activate_facts *f, const struct digest *d)
{
	for (int s = SLOT_CURRENT; s >= SLOT_BASELINE; s--)
		if (!digest_is_zero(&f->slots[s].digest) && digest_equal(&f->slots[s].digest, d))
			return (enum activate_slot)s;
	return SLOT_NONE;
}

static bool granted(const struct activate_facts *f)
{
	const struct assignment *a = f->assignment;

	return a && a->granted && f->high_water <= a->grant_max_serial;
}

/* A granted rollback to what was committed here and is still on disk: nobody has to deliver anything. */
static bool from_disk(const struct activate_facts *f)
{
	enum activate_slot s = granted(f) ? slot_of(f, &f->assignment->bundle.digest) : SLOT_NONE;

	return s != SLOT_NONE && f->slots[s].serial == f->assignment->bundle.serial;
}

/* The record that named its slots was lost, or the ladder left them all: what was the highest here is no step back. */
static bool holds_nothing(const struct activate_facts *f)
{
	return digest_is_zero(&f->slots[SLOT_TRIAL].digest) && digest_is_zero(&f->slots[SLOT_CURRENT].digest) &&
	       digest_is_zero(&f->slots[SLOT_PREVIOUS].digest);
}

static bool first_install(const struct activate_facts *f)
{
	return f->high_water == 0;
}

static int64_t min_age(const struct activate_facts *f)
{
	int last = (int)ARRAY_LEN(age_by_position) - 1;

	if (f->min_age_s >= 0)
		return f->min_age_s;
	return age_by_position[f->ring_position < 0 || f->ring_position > last ? last : f->ring_position];
}

/* ---- the clauses; each stores its sentence and answers whether it holds ---- */

static bool PRINTF_LIKE(3, 4) clause(struct activate_verdict *v, bool holds, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(v->sentence, sizeof v->sentence, fmt, args);
	va_end(args);
	v->holds = holds;
	return holds;
}

static bool enabled(struct activate_verdict *v, const struct activate_facts *f)
{
	return clause(v, !f->disabled, f->disabled ? "content is disabled on this host" : "content is enabled on this host");
}

static bool not_stopped(struct activate_verdict *v, const struct activate_facts *f)
{
	const struct digest *d = &f->assignment->bundle.digest;

	if (set_has(&f->recalled, d))
		return clause(v, false, "serial %" PRIu64 " is recalled", f->assignment->bundle.serial);
	if (set_has(&f->stopped, d))
		return clause(v, false, "serial %" PRIu64 " is stopped, which is final", f->assignment->bundle.serial);
	return clause(v, true, "neither a stop nor a recall names serial %" PRIu64, f->assignment->bundle.serial);
}

static bool not_quarantined(struct activate_verdict *v, const struct activate_facts *f)
{
	return clause(v, !f->quarantined, f->quarantined ? "attempt %" PRIu64 " was quarantined here" : "attempt %" PRIu64 " is not quarantined here",
		      f->assignment->attempt);
}

static bool not_pinned(struct activate_verdict *v, const struct activate_facts *f)
{
	if (digest_is_zero(&f->pinned))
		return clause(v, true, "no pin");
	if (digest_equal(&f->pinned, &f->assignment->bundle.digest))
		return clause(v, true, "pinned to this very content");
	return clause(v, false, "this host is pinned to other content");
}

static bool not_held(struct activate_verdict *v, const struct activate_facts *f)
{
	return clause(v, !f->held, f->held ? "this host is held" : "no hold");
}

static bool fresh(struct activate_verdict *v, const struct activate_facts *f)
{
	bool rings_alone = from_disk(f);
	int64_t at = rings_alone ? f->rings_at : MIN(f->content_at, f->rings_at), age = f->now - at;

	if (at == 0)
		return clause(v, false, "the metadata %swas never found fresh", rings_alone ? "of the rings " : "");
	/* The clock went back, and nobody knows how long ago that was; the next refresh tells. */
	if (age < -ACTIVATE_METADATA_MAX_AGE)
		return clause(v, false, "the metadata was found fresh %" PRId64 " s from now: the clock went back", -age);
	return clause(v, age <= ACTIVATE_METADATA_MAX_AGE, "the metadata %swas found fresh %" PRId64 " s ago, at most %d count",
		      rings_alone ? "of the rings " : "", MAX(age, 0), ACTIVATE_METADATA_MAX_AGE);
}

static bool assigned(struct activate_verdict *v, const struct activate_facts *f)
{
	const struct assignment *a = f->assignment;

	if (strcmp(a->channel, f->channel) != 0 || strcmp(a->ring, f->ring) != 0)
		return clause(v, false, "the assignment is for channel %s, ring %s", a->channel, a->ring);
	return clause(v, true, "ring %s is assigned serial %" PRIu64 ", attempt %" PRIu64, a->ring, a->bundle.serial, a->attempt);
}

static bool listed(struct activate_verdict *v, const struct activate_facts *f)
{
	const struct bundle_ref *b = &f->assignment->bundle;

	if (from_disk(f))
		return clause(v, true, "serial %" PRIu64 " was committed here and is on disk: nothing is fetched", b->serial);
	if (!f->vendor)
		return clause(v, false, "the vendor's role lists nothing under %.100s", b->path);
	if (strcmp(f->vendor->path, b->path) != 0 || f->vendor->serial != b->serial || !digest_equal(&f->vendor->digest, &b->digest))
		return clause(v, false, "the vendor's role lists another serial or digest under %.100s", b->path);
	for (int s = SLOT_BASELINE; s <= SLOT_TRIAL; s++)
		if (!digest_is_zero(&f->slots[s].digest) && f->slots[s].serial == b->serial && !digest_equal(&f->slots[s].digest, &b->digest))
			return clause(v, false, "serial %" PRIu64 " is on this host with another digest", b->serial);
	return clause(v, true, "the vendor's role lists the same path, serial and digest");
}

static bool accepted(struct activate_verdict *v, const struct activate_facts *f)
{
	switch (f->contract) {
	case CONTRACT_REFUSES:
		return clause(v, false, "%.180s", f->contract_sentence ? f->contract_sentence : "the sensor's contract refuses it");
	case CONTRACT_ACCEPTS:
		return clause(v, true, "the sensor's contract accepts it");
	case CONTRACT_UNKNOWN:
		break;
	}
	return clause(v, true, "not compared with the sensor's contract yet");
}

/* Names everybody who is missing: people have to ask them. */
static bool approved(struct activate_verdict *v, const struct activate_facts *f)
{
	char missing[120] = "";
	size_t len = 0, count = 0;

	for (size_t i = 0; i < f->approval_count; i++) {
		if (f->approvals_present[i])
			continue;
		if (len < sizeof missing)
			len += (size_t)snprintf(missing + len, sizeof missing - len, "%s%.64s", count ? ", " : "", f->approvals_demanded[i]);
		count++;
	}
	if (count > 0)
		return clause(v, false, "of %zu approvals demanded %zu %s missing: %s", f->approval_count, count, count == 1 ? "is" : "are", missing);
	return clause(v, true, "%zu approvals demanded, all present", f->approval_count);
}

static bool above_floor(struct activate_verdict *v, const struct activate_facts *f)
{
	uint64_t floor = MIN(f->floor, f->high_water);

	return clause(v, f->assignment->bundle.serial >= floor, "serial %" PRIu64 ", floor %" PRIu64, f->assignment->bundle.serial, floor);
}

static bool newer(struct activate_verdict *v, const struct activate_facts *f)
{
	const struct assignment *a = f->assignment;

	if (a->bundle.serial > f->high_water)
		return clause(v, true, "serial %" PRIu64 " is above %" PRIu64 ", the highest committed here", a->bundle.serial, f->high_water);
	if (granted(f))
		return clause(v, true, "granted: older content is wanted where the highest serial is at most %" PRIu64, a->grant_max_serial);
	if (a->bundle.serial == f->high_water && slot_of(f, &a->bundle.digest) != SLOT_NONE)
		return clause(v, true, "serial %" PRIu64 " is the highest committed here, and still on disk", a->bundle.serial);
	if (a->bundle.serial == f->high_water && holds_nothing(f))
		return clause(v, true, "serial %" PRIu64 " is the highest committed here, and nothing else is held", a->bundle.serial);
	if (a->granted)
		return clause(v, false, "the grant reaches serial %" PRIu64 ", here %" PRIu64 " was committed", a->grant_max_serial, f->high_water);
	return clause(v, false, "serial %" PRIu64 " is not above %" PRIu64 ", the highest committed here", a->bundle.serial, f->high_water);
}

static bool old_enough(struct activate_verdict *v, const struct activate_facts *f)
{
	int64_t seen = f->first_seen ? MAX(f->now - f->first_seen, 0) : 0;     /* the clock may have gone back */

	if (first_install(f))
		return clause(v, true, "exempt: the first installation here");
	if (granted(f))
		return clause(v, true, "exempt: a granted rollback");
	if (set_has(&f->urgent, &f->assignment->bundle.digest))
		return clause(v, true, "exempt: listed as urgent");
	return clause(v, seen >= min_age(f), "known here for %" PRId64 " s, wanted %" PRId64 " s", seen, min_age(f));
}

static bool in_window(struct activate_verdict *v, const struct activate_facts *f)
{
	const struct assignment *a = f->assignment;

	if (!a->windowed)
		return clause(v, true, "no window");
	if (f->now < a->window_start)
		return clause(v, false, "the window opens in %" PRId64 " s", a->window_start - f->now);
	return clause(v, f->now < a->window_end, f->now < a->window_end ? "the window is open" : "the window is over");
}

/* In order of precedence: the first that does not hold is the reason. */
static const struct {
	bool (*holds)(struct activate_verdict *v, const struct activate_facts *f);
	enum reason why_not;
	bool of_host;           /* says something even when nothing is assigned */
} clauses[ACTIVATE_CLAUSES] = {
	[CLAUSE_ENABLED] = { enabled, REASON_DISABLE, true },
	[CLAUSE_NOT_STOPPED] = { not_stopped, REASON_STOP, false },
	[CLAUSE_NOT_QUARANTINED] = { not_quarantined, REASON_QUARANTINED, false },
	[CLAUSE_NOT_PINNED] = { not_pinned, REASON_PIN, false },
	[CLAUSE_NOT_HELD] = { not_held, REASON_HOLD, true },
	[CLAUSE_FRESH] = { fresh, REASON_METADATA_EXPIRED, true },
	[CLAUSE_ASSIGNED] = { assigned, REASON_UNASSIGNED, false },
	[CLAUSE_LISTED] = { listed, REASON_METADATA, false },
	[CLAUSE_ACCEPTED] = { accepted, REASON_CONTRACT, false },
	[CLAUSE_APPROVED] = { approved, REASON_APPROVAL, false },
	[CLAUSE_FLOOR] = { above_floor, REASON_FLOOR, false },
	[CLAUSE_NEWER] = { newer, REASON_HIGH_WATER, false },
	[CLAUSE_AGE] = { old_enough, REASON_AGE, false },
	[CLAUSE_WINDOW] = { in_window, REASON_WINDOW, false },
};

/* Evaluates every clause; returns the first that does not hold, or ACTIVATE_CLAUSES. */
static int evaluate(struct activate_decision *out, const struct activate_facts *f)
{
	int first = ACTIVATE_CLAUSES;

	for (int i = 0; i < ACTIVATE_CLAUSES; i++) {
		struct activate_verdict *v = &out->clauses[i];

		if (f->assignment || clauses[i].of_host)
			clauses[i].holds(v, f);
		else
			clause(v, i != CLAUSE_ASSIGNED, i == CLAUSE_ASSIGNED ? "ring %s has no assignment" : "nothing is assigned",
			       f->ring ? f->ring : "?");
		if (!v->holds && first == ACTIVATE_CLAUSES)
			first = i;
	}
	return first;
}

/* ---- the actions ---- */

static void PRINTF_LIKE(4, 5) act(struct activate_decision *out, enum activate_action action, const char *reason, const char *fmt, ...)
{
	va_list args;

	out->action = action;
	out->reason = reason;
	va_start(args, fmt);
	vsnprintf(out->sentence, sizeof out->sentence, fmt, args);
	va_end(args);
}

static void to_slot(struct activate_decision *out, const struct activate_facts *f, enum activate_slot s)
{
	out->slot = s;
	out->digest = f->slots[s].digest;
	out->serial = f->slots[s].serial;
}

/* May what is in this slot take the place of what runs? */
static bool refuge(const struct activate_facts *f, enum activate_slot s)
{
	const struct digest *d = &f->slots[s].digest;

	if (digest_is_zero(d) || s == f->running || digest_equal(d, &running(f)->digest))
		return false;
	return s == SLOT_BASELINE || !taken_away(f, d);
}

/* Where to, when what runs must go: the assignment's previous, else the newest committed, else baseline. */
static enum activate_slot refuge_slot(const struct activate_facts *f)
{
	enum activate_slot named = f->assignment ? slot_of(f, &f->assignment->previous.digest) : SLOT_NONE;
	bool current = refuge(f, SLOT_CURRENT), previous = refuge(f, SLOT_PREVIOUS);

	if (named != SLOT_NONE && refuge(f, named) && !taken_away(f, &f->slots[named].digest))
		return named;
	if (current && previous)
		return f->slots[SLOT_PREVIOUS].serial > f->slots[SLOT_CURRENT].serial ? SLOT_PREVIOUS : SLOT_CURRENT;
	if (current || previous)
		return current ? SLOT_CURRENT : SLOT_PREVIOUS;
	return refuge(f, SLOT_BASELINE) ? SLOT_BASELINE : SLOT_NONE;
}

/* Stop and recall against what runs. True: decided. */
static bool leave(struct activate_decision *out, const struct activate_facts *f)
{
	const struct activate_content *now = running(f);
	bool recalled = set_has(&f->recalled, &now->digest), committed = f->running != SLOT_TRIAL;
	const char *reason = reason_word(recalled ? REASON_RECALL : REASON_STOP);
	enum activate_slot to;

	if (digest_is_zero(&now->digest) || !taken_away(f, &now->digest))
		return false;
	if (f->running == SLOT_BASELINE || digest_equal(&now->digest, &f->slots[SLOT_BASELINE].digest)) {
		act(out, ACTIVATE_KEEP, reason, "serial %" PRIu64 " is taken away, but it is the baseline, which nothing may take", now->serial);
		return true;
	}
	if (committed && !recalled && f->stop_left_at && f->now < f->stop_left_at + ACTIVATE_STOP_BUDGET_S) {
		out->again_at = f->stop_left_at + ACTIVATE_STOP_BUDGET_S;
		act(out, ACTIVATE_KEEP, reason, "serial %" PRIu64 " is stopped, but the online key took one committed bundle within a day "
		    "already: more needs a recall", now->serial);
		return true;
	}
	to = refuge_slot(f);
	if (to == SLOT_NONE) {
		act(out, ACTIVATE_KEEP, reason, "serial %" PRIu64 " is taken away, but this host has nothing else to run", now->serial);
		return true;
	}
	to_slot(out, f, to);
	out->by_online_stop = committed && !recalled;
	act(out, ACTIVATE_LEAVE, reason, "serial %" PRIu64 " is %s: back to %s, serial %" PRIu64, now->serial, recalled ? "recalled" : "stopped",
	    slot_names[to], out->serial);
	return true;
}

/* A trial ends early only when its ring was told to go back. True: decided. */
static bool finish_trial(struct activate_decision *out, const struct activate_facts *f, int failing)
{
	const struct bundle_ref *b = f->assignment ? &f->assignment->bundle : NULL;
	enum activate_slot to;

	if (f->running != SLOT_TRIAL)
		return false;
	if (b && failing > CLAUSE_LISTED && !digest_equal(&b->digest, &running(f)->digest) && b->serial < running(f)->serial) {
		to = slot_of(f, &b->digest);
		if (to == SLOT_NONE || !refuge(f, to))
			to = refuge_slot(f);
		if (to != SLOT_NONE) {
			to_slot(out, f, to);
			act(out, ACTIVATE_LEAVE, reason_word(REASON_ROLLBACK), "the ring was rolled back to serial %" PRIu64 ": back to %s",
			    b->serial, slot_names[to]);
			return true;
		}
	}
	act(out, ACTIVATE_KEEP, "trial", "serial %" PRIu64 " is on probation", running(f)->serial);
	return true;
}

/* When the clock alone may make this clause hold. */
static int64_t again(const struct activate_facts *f, int failing)
{
	if (failing == CLAUSE_AGE)
		return (f->first_seen ? f->first_seen : f->now) + min_age(f);
	if (failing == CLAUSE_WINDOW && f->now < f->assignment->window_start)
		return f->assignment->window_start;
	return INT64_MAX;
}

/* Its window is all that is waited for, and will open: what has to be fetched is fetched now, and armed then. */
static bool ahead(const struct activate_facts *f, int failing)
{
	return failing == CLAUSE_WINDOW && f->now < f->assignment->window_start && !from_disk(f);
}

static void activate(struct activate_decision *out, const struct activate_facts *f)
{
	const struct bundle_ref *b = &f->assignment->bundle;
	enum activate_slot held = slot_of(f, &b->digest);

	out->attempt = f->assignment->attempt;
	if (from_disk(f)) {
		to_slot(out, f, held);
		act(out, ACTIVATE_SWITCH, reason_word(REASON_ROLLBACK), "granted rollback to serial %" PRIu64 ", which is on disk as %s", b->serial,
		    slot_names[held]);
		return;
	}
	out->digest = b->digest;
	out->serial = b->serial;
	out->install_first = first_install(f);
	if (!out->clauses[CLAUSE_WINDOW].holds) {
		act(out, ACTIVATE_INSTALL, "assigned", "serial %" PRIu64 " is assigned and fetched now; %s", b->serial,
		    out->clauses[CLAUSE_WINDOW].sentence);
		return;
	}
	act(out, ACTIVATE_INSTALL, "assigned", "serial %" PRIu64 " is assigned and nothing is against it", b->serial);
}

void activate_decide(struct activate_decision *out, const struct activate_facts *f)
{
	int failing;

	*out = (struct activate_decision){ .again_at = INT64_MAX };
	failing = evaluate(out, f);
	if (f->disabled) {
		act(out, ACTIVATE_KEEP, reason_word(REASON_DISABLE), "%s", out->clauses[CLAUSE_ENABLED].sentence);
		return;
	}
	if (leave(out, f) || finish_trial(out, f, failing))
		return;
	if (f->assignment && !digest_is_zero(&running(f)->digest) && digest_equal(&f->assignment->bundle.digest, &running(f)->digest)) {
		act(out, ACTIVATE_KEEP, "current", "serial %" PRIu64 " is assigned and runs", f->assignment->bundle.serial);
		return;
	}
	if (failing < ACTIVATE_CLAUSES && !ahead(f, failing)) {
		out->again_at = again(f, failing);
		act(out, ACTIVATE_KEEP, reason_word(clauses[failing].why_not), "%s", out->clauses[failing].sentence);
		return;
	}
	activate(out, f);
}

const char *activate_clause_name(enum activate_clause c)
{
	return clause_names[c];
}

const char *activate_slot_name(enum activate_slot s)
{
	return slot_names[s];
}

const char *activate_action_name(enum activate_action a)
{
	return action_names[a];
}
