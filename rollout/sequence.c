#include "rollout/sequence.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK 1024u     /* offers between two saved points of the halt test */

struct offer {
	int64_t at;             /* when the outcome became known */
	uint32_t stratum;
	uint8_t outcome;
};

/* The halt test, with the lost as 1 and as 0. */
struct point {
	struct gate_halt all, known;
};

struct stratum {
	uint32_t first[2];      /* n of the first two final observations, by time, then by offer; 0: none yet */
	uint32_t survived, bad;
};

struct sequence {
	struct gate_rates rates;
	struct offer *offers;
	uint32_t count, room;
	uint32_t of[OUTCOME_COUNT];
	struct gate_pass pass;  /* of the resolved prefix; `ended` unused */
	struct point *points;   /* [k]: the state before offer k * BLOCK + 1 */
	uint32_t point_room;
	uint32_t fed;           /* offers 1..fed are in `now` */
	struct point now;
	struct stratum *strata;
	uint32_t strata_room;
	struct sequence_strata *each;   /* the frozen strata's tests; NULL: none */
};

static enum gate_sign sign_of(uint8_t o)
{
	switch ((enum outcome)o) {
	case OUTCOME_SURVIVED:
		return GATE_CLEAN;
	case OUTCOME_FAILED:
	case OUTCOME_LOST:
		return GATE_BAD;
	case OUTCOME_PENDING:
		return GATE_OPEN;
	default:
		return GATE_OUT;
	}
}

/* The same without the lost: what is not known is filled in as 0. */
static enum gate_sign sign_known(uint8_t o)
{
	return o == OUTCOME_LOST ? GATE_OPEN : sign_of(o);
}

static void point_init(struct point *p)
{
	gate_halt_init(&p->all);
	gate_halt_init(&p->known);
}

static void point_step(struct point *p, const struct gate_rates *r, uint8_t o)
{
	gate_halt_step(&p->all, r, sign_of(o));
	gate_halt_step(&p->known, r, sign_known(o));
}

int sequence_new(struct sequence **out, double p0, double p1, struct err *e)
{
	struct sequence *q = calloc(1, sizeof *q);

	if (!q)
		return err_memory(e);
	gate_rates(&q->rates, p0, p1);
	point_init(&q->now);
	*out = q;
	return 0;
}

void sequence_free(struct sequence *q)
{
	if (!q)
		return;
	free(q->offers);
	free(q->points);
	free(q->strata);
	sequence_strata_free(q->each);
	free(q);
}

int sequence_freeze(struct sequence *q, uint32_t strata, struct err *e)
{
	if (q->count > 0 || q->each || strata == 0 || strata > SEQUENCE_STRATA_MAX)
		return err_set(e, ERR_INTERNAL, "%u strata cannot be frozen after %u offers", strata, q->count);
	return sequence_strata_new(&q->each, strata, e);
}

/* Room for `want` items, doubling; new memory is zero. */
static int reserve(void **items, uint32_t *room, size_t size, uint64_t want, struct err *e)
{
	uint64_t more = *room ? *room : 16;
	char *grown;

	if (want <= *room)
		return 0;
	while (more < want)
		more *= 2;
	if (more > UINT32_MAX)
		more = UINT32_MAX;
	grown = realloc(*items, more * size);
	if (!grown)
		return err_memory(e);
	memset(grown + (size_t)*room * size, 0, (size_t)(more - *room) * size);
	*items = grown;
	*room = (uint32_t)more;
	return 0;
}

int sequence_offer(struct sequence *q, uint32_t stratum, struct err *e)
{
	if (q->count == SEQUENCE_MAX)
		return err_set(e, ERR_LIMIT, "a ring holds at most %u offers of one bundle", SEQUENCE_MAX);
	if (stratum >= SEQUENCE_STRATA_MAX)
		return err_set(e, ERR_LIMIT, "stratum %u is above %u", stratum, SEQUENCE_STRATA_MAX - 1);
	if (reserve((void **)&q->offers, &q->room, sizeof *q->offers, (uint64_t)q->count + 1, e) < 0 ||
	    reserve((void **)&q->points, &q->point_room, sizeof *q->points, (uint64_t)q->count / BLOCK + 1, e) < 0 ||
	    reserve((void **)&q->strata, &q->strata_room, sizeof *q->strata, (uint64_t)stratum + 1, e) < 0 ||
	    (q->each && sequence_strata_reserve(q->each, q->count + 1, e) < 0))
		return e->code;
	q->offers[q->count++] = (struct offer){ .stratum = stratum, .outcome = OUTCOME_PENDING };
	q->of[OUTCOME_PENDING]++;
	return 0;
}

/* ---- the resolved prefix: counts moved by each change ---- */

static void pass_count(struct gate_pass *g, enum gate_sign s, int by)
{
	uint64_t *slot = s == GATE_CLEAN ? &g->clean : s == GATE_BAD ? &g->bad : &g->out;

	*slot += (uint64_t)(int64_t)by;
}

static void pass_change(struct sequence *q, uint32_t n, enum gate_sign was, enum gate_sign is)
{
	uint64_t prefix = gate_prefix(&q->pass);

	if (n <= prefix) {
		pass_count(&q->pass, was, -1);
		if (is != GATE_OPEN)
			pass_count(&q->pass, is, 1);
		for (uint64_t i = n; is == GATE_OPEN && i < prefix; i++)
			pass_count(&q->pass, sign_of(q->offers[i].outcome), -1);
	}
	for (uint64_t i = gate_prefix(&q->pass); i < q->count; i++) {
		enum gate_sign s = sign_of(q->offers[i].outcome);

		if (s == GATE_OPEN)
			break;
		pass_count(&q->pass, s, 1);
	}
}

/* ---- the first two of a stratum ---- */

static bool observed(const struct offer *o)
{
	enum gate_sign s = sign_of(o->outcome);

	return s == GATE_CLEAN || s == GATE_BAD;
}

static bool before(const struct sequence *q, uint32_t a, uint32_t b)
{
	int64_t at_a = q->offers[a - 1].at, at_b = q->offers[b - 1].at;

	return at_a != at_b ? at_a < at_b : a < b;
}

static void stratum_add(struct sequence *q, uint32_t n)
{
	struct stratum *s = &q->strata[q->offers[n - 1].stratum];

	if (!s->first[0] || before(q, n, s->first[0])) {
		s->first[1] = s->first[0];
		s->first[0] = n;
	} else if (!s->first[1] || before(q, n, s->first[1])) {
		s->first[1] = n;
	}
}

/* An observation was taken back: rare, so look at all of them again. */
static void stratum_again(struct sequence *q, uint32_t stratum)
{
	memset(q->strata[stratum].first, 0, sizeof q->strata[stratum].first);
	for (uint32_t n = 1; n <= q->count; n++)
		if (q->offers[n - 1].stratum == stratum && observed(&q->offers[n - 1]))
			stratum_add(q, n);
}

void sequence_set(struct sequence *q, uint32_t n, enum outcome o, int64_t at)
{
	struct offer *f;
	struct offer old;

	if (n == 0 || n > q->count)
		return;
	f = &q->offers[n - 1];
	old = *f;
	if (old.outcome == o)
		return;
	q->of[old.outcome]--;
	q->of[o]++;
	q->strata[f->stratum].survived += (o == OUTCOME_SURVIVED) - (old.outcome == OUTCOME_SURVIVED);
	f->outcome = (uint8_t)o;
	q->strata[f->stratum].bad += (sign_of((uint8_t)o) == GATE_BAD) - (sign_of(old.outcome) == GATE_BAD);
	/* a failure after a survival keeps the place the survival had among the final outcomes */
	if (!(observed(&old) && observed(f)))
		f->at = at;
	pass_change(q, n, sign_of(old.outcome), sign_of(f->outcome));
	if (observed(&old) && !observed(f))
		stratum_again(q, f->stratum);
	else if (!observed(&old) && observed(f))
		stratum_add(q, n);
	/* survived and pending look the same to the halt test */
	if ((o == OUTCOME_SURVIVED && old.outcome == OUTCOME_PENDING) || (o == OUTCOME_PENDING && old.outcome == OUTCOME_SURVIVED))
		return;
	if (n <= q->fed)
		q->fed = (n - 1) / BLOCK * BLOCK;
	if (q->each)
		sequence_strata_back(q->each, n);
}

uint32_t sequence_count(const struct sequence *q)
{
	return q->count;
}

enum outcome sequence_get(const struct sequence *q, uint32_t n)
{
	return q->offers[n - 1].outcome;
}

uint32_t sequence_stratum(const struct sequence *q, uint32_t n)
{
	return q->offers[n - 1].stratum;
}

static void feed(struct sequence *q)
{
	if (q->fed < q->now.all.n) {
		/* something before this point changed; fed is then a multiple of BLOCK */
		if (q->fed == 0)
			point_init(&q->now);
		else
			q->now = q->points[q->fed / BLOCK];
	}
	for (; q->fed < q->count; q->fed++) {
		if (q->fed % BLOCK == 0)
			q->points[q->fed / BLOCK] = q->now;
		point_step(&q->now, &q->rates, q->offers[q->fed].outcome);
	}
	for (uint32_t i = q->each ? sequence_strata_fed(q->each) : q->count; i < q->count; i++)
		sequence_strata_feed(q->each, &q->rates, q->offers[i].stratum, sign_of(q->offers[i].outcome), sign_known(q->offers[i].outcome));
}

static void sums_fill(struct sequence_sums *out, const struct gate_pass *pass, const struct point *p, const struct gate_rates *r)
{
	out->open = out->of[OUTCOME_PENDING] + out->of[OUTCOME_AWAY];
	out->lambda = gate_lambda(pass, r);
	out->prefix = (uint32_t)gate_prefix(pass);
	out->max_e = p->all.max_e;
	out->max_at = (uint32_t)p->all.max_at;
	out->max_e_known = p->known.max_e;
	out->max_at_known = (uint32_t)p->known.max_at;
}

void sequence_sums(struct sequence *q, struct sequence_sums *out)
{
	feed(q);
	out->offers = q->count;
	memcpy(out->of, q->of, sizeof out->of);
	sums_fill(out, &q->pass, &q->now, &q->rates);
	out->strata = out->strata_known = (struct strata_mean){ 0 };
	if (q->each)
		sequence_strata_means(q->each, &out->strata, &out->strata_known);
}

void sequence_sums_plain(struct sequence_sums *out, double p0, double p1, const enum outcome *outcomes, uint32_t count)
{
	struct gate_rates r;
	struct gate_pass pass = { 0 };
	struct point p;

	gate_rates(&r, p0, p1);
	point_init(&p);
	*out = (struct sequence_sums){ .offers = count };
	for (uint32_t i = 0; i < count; i++) {
		out->of[outcomes[i]]++;
		gate_pass_step(&pass, sign_of((uint8_t)outcomes[i]));
		point_step(&p, &r, (uint8_t)outcomes[i]);
	}
	sums_fill(out, &pass, &p, &r);
}

/* Fed once and in order, as if nothing had ever changed. */
int sequence_strata_plain(struct sequence_sums *out, double p0, double p1, const enum outcome *outcomes, const uint32_t *group, uint32_t count,
			  uint32_t strata, struct err *e)
{
	struct sequence_strata *t;
	struct gate_rates r;

	gate_rates(&r, p0, p1);
	if (sequence_strata_new(&t, strata, e) < 0)
		return e->code;
	if (sequence_strata_reserve(t, count, e) < 0) {
		sequence_strata_free(t);
		return e->code;
	}
	for (uint32_t i = 0; i < count; i++)
		sequence_strata_feed(t, &r, group[i], sign_of((uint8_t)outcomes[i]), sign_known((uint8_t)outcomes[i]));
	sequence_strata_means(t, &out->strata, &out->strata_known);
	sequence_strata_free(t);
	return 0;
}

uint32_t sequence_stratum_bad(const struct sequence *q, uint32_t stratum)
{
	return stratum < q->strata_room ? q->strata[stratum].bad : 0;
}

uint32_t sequence_stratum_survived(const struct sequence *q, uint32_t stratum)
{
	return stratum < q->strata_room ? q->strata[stratum].survived : 0;
}

bool sequence_stratum_blocked(const struct sequence *q, uint32_t stratum)
{
	const struct stratum *s;

	if (stratum >= q->strata_room)
		return false;
	s = &q->strata[stratum];
	return s->first[0] && s->first[1] && sign_of(q->offers[s->first[0] - 1].outcome) == GATE_BAD &&
	       sign_of(q->offers[s->first[1] - 1].outcome) == GATE_BAD;
}

uint32_t sequence_strata_blocked(const struct sequence *q)
{
	uint32_t blocked = 0;

	for (uint32_t i = 0; i < q->strata_room; i++)
		blocked += sequence_stratum_blocked(q, i);
	return blocked;
}
