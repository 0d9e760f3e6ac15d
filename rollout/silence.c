#include "rollout/silence.h"

#include <stdlib.h>

static const long double ratios[SILENCE_RATIOS] = { 3, 10, 30 };

void silence_init(struct silence *s)
{
	*s = (struct silence){ .max = 1 };
	for (int i = 0; i < SILENCE_RATIOS; i++)
		s->w[i] = 1;
}

long double silence_mean(const struct silence *s)
{
	long double sum = 0;

	for (int i = 0; i < SILENCE_RATIOS; i++)
		sum += s->w[i];
	return sum / SILENCE_RATIOS;
}

void silence_event(struct silence *s, bool treated, uint64_t at_risk, uint64_t waiting)
{
	long double t = (long double)at_risk, c = (long double)waiting;

	if (at_risk == 0 || waiting == 0)
		return;         /* nobody to compare with: says nothing */
	s->armed++;
	for (int i = 0; i < SILENCE_RATIOS; i++)
		s->w[i] *= (treated ? ratios[i] : 1) * (t + c) / (ratios[i] * t + c);
	if (silence_mean(s) > s->max)
		s->max = silence_mean(s);
}

static int in_turn(const void *a, const void *b)
{
	const struct silence_found *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

void silence_ties(struct silence_found *found, size_t count, uint32_t *at_risk, uint32_t *waiting)
{
	if (count == 0)
		return;
	qsort(found, count, sizeof *found, in_turn);
	for (size_t i = 0; i < count; i++)
		++*(found[i].treated ? &at_risk[found[i].group] : &waiting[found[i].group]);
	for (size_t i = 0; i < count; i++) {
		found[i].at_risk = at_risk[found[i].group];
		found[i].waiting = waiting[found[i].group];
		--*(found[i].treated ? &at_risk[found[i].group] : &waiting[found[i].group]);
	}
}

bool silence_halts(const struct silence *s, double alpha)
{
	return s->max >= 1 / (long double)alpha;
}
