/*
 * test_silence_simulation: the test of silence errs no more often than its
 * share, however endpoints come, go and fall silent. Seeded runs through the
 * real ties and events, against the one-sided 99.9 % limit of a binomial.
 * RINGHOLD_RUNS asks for more runs than 20,000 per scenario.
 */
#include "base/defs.h"
#include "rollout/silence.h"
#include "tests/rollout/chance.h"
#include "tests/test.h"

#define ALPHA 0.05
#define RING 60
#define STRATA 2
#define LOOKS 36                /* 40 minutes apart: a day */
#define RATIO 20                /* how much oftener bad content falls silent */

/* ---- what may happen on the way ---- */

static const struct scenario {
	const char *name;
	double hazard;          /* of a look, for one endpoint */
	double other;           /* the second stratum's, in multiples of that */
	double night;           /* the hazard of the dark half of the day, likewise */
	double churn;           /* announces that it goes, or is back, at a look */
	double moves;           /* leaves the ring at a look, for good */
	int first;              /* offered at the start; more follow as the ring grows */
	double grows;           /* of those that wait are offered at a look, in order */
	int late;               /* looks after which the last that was heard of an endpoint is in, at most: silences show late, and in another order */
	double returns;         /* of those called silent are heard of again at a look, and may fall silent once more */
	int begins;             /* the look from which bad content is bad */
	bool together;          /* silences come at one instant: ties */
	bool restarts;          /* the server is away for four looks in the middle */
	bool jumps;             /* its clock jumps: for a look nobody is called silent */
} scenarios[] = {
	{ .name = "evenly", .hazard = 0.004, .other = 1, .night = 1, .first = 10, .grows = 0 },
	{ .name = "a ring that grows", .hazard = 0.006, .other = 1, .night = 1, .first = 5, .grows = 0.03 },
	{ .name = "strata that are unlike", .hazard = 0.002, .other = 10, .night = 1, .first = 15, .grows = 0.02 },
	{ .name = "day and night", .hazard = 0.002, .other = 2, .night = 12, .first = 15, .grows = 0.02 },
	{ .name = "churn", .hazard = 0.006, .other = 2, .night = 1, .churn = 0.1, .first = 15, .grows = 0.02 },
	{ .name = "endpoints that leave or change ring", .hazard = 0.006, .other = 2, .night = 1, .moves = 0.02, .first = 15, .grows = 0.02 },
	{ .name = "ties", .hazard = 0.012, .other = 1, .night = 1, .first = 20, .grows = 0.01, .together = true },
	{ .name = "clock jumps", .hazard = 0.008, .other = 2, .night = 1, .first = 15, .grows = 0.02, .jumps = true },
	{ .name = "late, doubled and reordered reports", .hazard = 0.006, .other = 2, .night = 1, .first = 15, .grows = 0.02, .late = 5, .returns = 0.3 },
	{ .name = "a defect that begins late", .hazard = 0.008, .other = 2, .night = 1, .first = 20, .grows = 0.01, .begins = LOOKS / 2 },
	{ .name = "a server that was away", .hazard = 0.008, .other = 2, .night = 1, .first = 30, .grows = 0, .restarts = true },
};

struct endpoint {
	int group;
	bool offered, silent, counted, away, gone;
	int shows;              /* the look at which its silence does */
	bool known;             /* heard of since the server runs */
};

struct world {
	const struct scenario *s;
	struct endpoint all[RING];      /* by the ring's order */
	int offered;
	struct silence test, control;   /* the control forgets at a restart who waited, and no one who was offered */
	double ratio;
};

static double hazard(const struct world *w, const struct endpoint *p, int look)
{
	double h = w->s->hazard * (p->group ? w->s->other : 1) * (look >= LOOKS / 2 ? w->s->night : 1);

	return fmin(p->offered && look >= w->s->begins ? h * w->ratio : h, 0.9);
}

static void live(struct world *w, int look)
{
	for (int i = 0; i < RING; i++) {
		struct endpoint *p = &w->all[i];

		if (chance(w->s->churn))
			p->away = !p->away;
		p->gone |= chance(w->s->moves);
		if (p->silent && p->counted && chance(w->s->returns))
			p->silent = false;
		if (!p->away && !p->silent && chance(hazard(w, p, look))) {
			p->silent = true;
			p->shows = look + (w->s->late ? (int)(draw() % (unsigned)w->s->late) : 0);
		}
	}
	for (int i = 0; i < RING && w->offered < RING - 3; i++)
		if (!w->all[i].offered && chance(w->s->grows) && !w->all[i].silent) {
			w->all[i].offered = true;       /* heard of since, at the next look */
			w->offered++;
		}
}

/* Everybody watched, as the server finds them; forgetful: only those that wait must have been heard of. */
static void look_at(struct world *w, struct silence *test, int look, bool forgetful)
{
	struct silence_found found[RING];
	uint32_t sides[2][STRATA] = { { 0 } };
	size_t count = 0;

	for (int i = 0; i < RING; i++) {
		struct endpoint *p = &w->all[i];
		bool known = p->known || (forgetful && p->offered);

		if (p->counted || p->away || p->gone || !known)
			continue;
		if (p->silent && look >= p->shows)
			found[count++] = (struct silence_found){ .at = w->s->together ? look : look * 1000 + (int64_t)(draw() % 1000), .order = draw(),
								 .group = (uint32_t)p->group, .treated = p->offered, .who = p };
		else
			sides[!p->offered][p->group]++;
	}
	silence_ties(found, count, sides[0], sides[1]);
	for (size_t i = 0; i < count; i++)
		silence_event(test, found[i].treated, found[i].at_risk, found[i].waiting);
	for (size_t i = 0; i < count && test == &w->test; i++)
		((struct endpoint *)found[i].who)->counted = true;
}

static void run(struct world *w, const struct scenario *s, double ratio)
{
	memset(w, 0, sizeof *w);
	w->s = s;
	w->ratio = ratio;
	silence_init(&w->test);
	silence_init(&w->control);
	for (int i = 0; i < RING; i++)
		w->all[i] = (struct endpoint){ .group = i % STRATA, .offered = i < s->first, .known = true };
	w->offered = s->first;
	for (int look = 0; look < LOOKS; look++) {
		bool blind = (s->restarts && look >= 16 && look < 20) || (s->jumps && look % 10 == 5);

		live(w, look);
		if (s->restarts && look == 20)
			for (int i = 0; i < RING; i++)
				w->all[i].known &= !w->all[i].silent;
		if (blind)
			continue;
		if (s->restarts)
			look_at(w, &w->control, look, true);
		look_at(w, &w->test, look, false);
	}
}

static void silence_alike_on_both_sides_halts_no_oftener_than_it_may(void **state)
{
	int most = limit(runs(), ALPHA);
	static struct world w;

	(void)state;
	seed = 20240719;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		int halts = 0, control = 0, found = 0;

		for (int k = 0; k < runs(); k++) {
			run(&w, &scenarios[i], 1);
			halts += silence_halts(&w.test, ALPHA);
			control += silence_halts(&w.control, ALPHA);
		}
		for (int k = 0; k < runs() / 20; k++) {
			run(&w, &scenarios[i], RATIO);
			found += silence_halts(&w.test, ALPHA);
		}
		printf("# %s: of %d alike %d halted (limit %d); of %d with content that silences %d halted\n", scenarios[i].name, runs(), halts,
		       most, runs() / 20, found);
		if (halts > most)
			fail_msg("%s: %d false halts of at most %d", scenarios[i].name, halts, most);
		/* and not because it never decides */
		assert_true(found > runs() / 40);
		if (!scenarios[i].restarts)
			continue;
		printf("# the control, where a restart forgets who waited: %d halted\n", control);
		assert_true(control > most);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_alike_on_both_sides_halts_no_oftener_than_it_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
