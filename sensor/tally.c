/* tally: counters by verdict and by rule. */
#include "sensor/tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "content/loader.h"

#define REPORT_EVERY_MS 2000
#define REPORT_QUIET_MS 30000   /* without news, so that the seconds go on */
#define RULES_MAX 4096          /* that are told apart; a power of two */

struct tally_rule {
	char id[RINGHOLD_RULE_MAX + 1];
	uint64_t n;             /* 0: free */
};

struct tally {
	struct ringhold_effects counts;
	int64_t since, reported;        /* clock_work_ms(); reported 0: never */
	bool news;
	size_t used;
	struct tally_rule rules[RULES_MAX];     /* open addressing, at most half full */
};

struct tally *tally_new(int64_t load_ms)
{
	struct tally *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->since = clock_work_ms();
	t->counts.load_ms = (uint64_t)load_ms;
	t->news = true;
	return t;
}

void tally_free(struct tally *t)
{
	free(t);
}

/* FNV-1a: ids come from signed content, and the table is bounded anyway. */
static size_t place(const char *id)
{
	uint32_t h = 2166136261u;

	for (; *id; id++)
		h = (h ^ (unsigned char)*id) * 16777619u;
	return h % RULES_MAX;
}

static void count_rule(struct tally *t, const char *id)
{
	size_t at = place(id);

	if (!*id || strlen(id) > RINGHOLD_RULE_MAX)
		return;
	while (t->rules[at].n && strcmp(t->rules[at].id, id) != 0)
		at = (at + 1) % RULES_MAX;
	if (!t->rules[at].n) {
		if (t->used == RULES_MAX / 2)
			return;
		t->used++;
		memcpy(t->rules[at].id, id, strlen(id) + 1);
	}
	t->rules[at].n++;
}

void tally_add(struct tally *t, const struct detection *d)
{
	uint64_t nothing = 0;

	if (!t)
		return;
	uint64_t *const of[] = { [DETECTION_NONE] = &nothing, [DETECTION_OBSERVE] = &t->counts.observe,
				 [DETECTION_ALERT] = &t->counts.alert, [DETECTION_BLOCK] = &t->counts.block,
				 [DETECTION_QUARANTINE] = &t->counts.quarantine };

	t->news = true;
	t->counts.events++;
	++*of[d->action];
	t->counts.would_block += d->would == DETECTION_BLOCK;
	t->counts.would_quarantine += d->would == DETECTION_QUARANTINE;
	count_rule(t, d->rule);
	if (d->would != DETECTION_NONE && strcmp(d->would_rule, d->rule) != 0)
		count_rule(t, d->would_rule);
}

void tally_error(struct tally *t)
{
	if (!t)
		return;
	t->news = true;
	t->counts.events++;
	t->counts.errors++;
}

int64_t tally_wait_ms(const struct tally *t)
{
	if (!t)
		return -1;
	return t->reported ? MAX(t->reported + (t->news ? REPORT_EVERY_MS : REPORT_QUIET_MS) - clock_work_ms(), 0) : 0;
}

bool tally_due(const struct tally *t)
{
	return tally_wait_ms(t) == 0;
}

static int most_first(const void *a, const void *b)
{
	const struct ringhold_rule *x = a, *y = b;

	if (x->verdicts != y->verdicts)
		return x->verdicts < y->verdicts ? 1 : -1;
	return strcmp(x->id, y->id);
}

int tally_report(struct tally *t, const struct ringhold_sensor *s, const struct ringhold_content *c, struct err *e)
{
	AUTO_FREE struct ringhold_rule *rules = calloc(t->used + 1, sizeof *rules);
	struct ringhold_why why;
	size_t n = 0;

	if (!rules)
		return err_memory(e);
	for (size_t i = 0; i < RULES_MAX; i++)
		if (t->rules[i].n)
			rules[n++] = (struct ringhold_rule){ t->rules[i].id, t->rules[i].n };
	qsort(rules, n, sizeof *rules, most_first);
	t->counts.rules = rules;
	t->counts.rule_count = n;
	t->reported = clock_work_ms();
	t->counts.seconds = (uint64_t)(t->reported - t->since) / 1000;
	t->news = false;
	if (ringhold_effects(s, c, &t->counts, &why) < 0)
		return err_set(e, ERR_IO, "%s", why.text);
	return 0;
}
