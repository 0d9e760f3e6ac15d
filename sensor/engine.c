/* engine: one content, opened, checked, loaded. */
#include "sensor/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "content/check.h"
#include "content/tree.h"
#include "schema/contract.h"

#define LIST_RULES_MAX 16384

/* Ids of rules, as the agent listed them. */
struct list {
	char **ids;             /* owned, as are they */
	size_t count;
};

struct engine {
	struct ringhold_content content;
	struct manifest *manifest;      /* the rules point into it */
	struct loader_set *rules;
	struct list dropped;
	struct tally *tally;            /* NULL: no memory for it, and nothing is counted */
};

/* ---- lists ---- */

static void list_release(struct list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->ids[i]);
	free(l->ids);
	*l = (struct list){ .ids = NULL };
}

static int list_add(void *arg, const char *id)
{
	struct list *l = arg;
	char **more;

	if (l->count == LIST_RULES_MAX)
		return -1;
	if ((l->count & (l->count - 1)) == 0) {
		more = reallocarray(l->ids, l->count ? 2 * l->count : 1, sizeof *more);
		if (!more)
			return -1;
		l->ids = more;
	}
	l->ids[l->count] = strdup(id);
	if (!l->ids[l->count])
		return -1;
	l->count++;
	return 0;
}

static int list_read(struct list *out, const struct ringhold_sensor *s, const struct ringhold_content *c, enum ringhold_list which,
		     struct err *e)
{
	struct ringhold_why why;

	*out = (struct list){ .ids = NULL };
	if (ringhold_list(s, c, which, list_add, out, &why) >= 0)
		return 0;
	list_release(out);
	return err_set(e, ERR_IO, "%s", why.text);
}

static bool list_equal(const struct list *a, const struct list *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->ids[i], b->ids[i]) != 0)
			return false;
	return true;
}

/* ---- loading ---- */

void engine_free(struct engine *en)
{
	if (!en)
		return;
	tally_free(en->tally);
	loader_set_free(en->rules);
	manifest_free(en->manifest);
	list_release(&en->dropped);
	ringhold_content_close(&en->content);
	free(en);
}

const struct ringhold_content *engine_content(const struct engine *en)
{
	return &en->content;
}

struct loader_set *engine_rules(struct engine *en)
{
	return en->rules;
}

struct tally *engine_tally(struct engine *en)
{
	return en->tally;
}

uint64_t engine_serial(const struct engine *en)
{
	return en->manifest->serial;
}

static int observe(struct engine *en, const struct ringhold_sensor *s, struct err *e)
{
	struct list observed;
	int rc;

	if (list_read(&observed, s, &en->content, RINGHOLD_OBSERVE, e) < 0)
		return e->code;
	rc = loader_set_observe(en->rules, (const char *const *)observed.ids, observed.count, e);
	list_release(&observed);
	return rc;
}

static int load(struct engine *en, const struct ringhold_sensor *s, const struct contract *contract,
		struct err *e)
{
	AUTO(check_report) struct check_report *report = NULL;
	struct loader_job job = { .slot = en->content.dir, .slot_path = "",
				  .digest = en->content.digest_hex, .contract = contract };
	int code = list_read(&en->dropped, s, &en->content, RINGHOLD_DROP, e);

	if (code == 0)
		code = tree_manifest(en->content.dir, &en->manifest, NULL, e);
	if (code == 0)
		code = check_content(&report, &(struct check_job){ .dir = en->content.dir, .manifest = en->manifest, .contract = contract }, e);
	if (code == 0)
		code = check_verdict(report, e);
	job.manifest = en->manifest;
	job.drop = (const char *const *)en->dropped.ids;
	job.drop_count = en->dropped.count;
	if (code == 0)
		code = loader_set_load(&en->rules, &job, NULL, e);
	return code == 0 ? observe(en, s, e) : code;
}

int engine_load(struct engine **out, const struct ringhold_sensor *s, const struct contract *contract,
		struct ringhold_content *tried, struct err *e)
{
	AUTO(engine) struct engine *en = calloc(1, sizeof *en);
	int64_t began = clock_work_ms();
	struct ringhold_why why;
	int got;

	memset(tried, 0, sizeof *tried);
	tried->dir = -1;
	if (!en)
		return err_memory(e);
	en->content.dir = -1;
	got = ringhold_content_open(&en->content, s, &why);
	if (got < 0)
		return err_set(e, ERR_IO, "%s", why.text);
	if (got == 0)
		return 0;
	*tried = en->content;
	tried->dir = -1;
	if (load(en, s, contract, e) < 0)
		return err_wrap(e, "content %.12s", en->content.digest_hex);
	en->tally = tally_new(clock_work_ms() - began);
	*out = TAKE(en);
	return 1;
}

int engine_keep(struct engine *en, const struct ringhold_sensor *s, struct err *e)
{
	struct ringhold_content now;
	struct ringhold_why why;
	struct list dropped;
	bool same;

	if (ringhold_content_open(&now, s, &why) <= 0)
		return 0;
	same = strcmp(now.digest_hex, en->content.digest_hex) == 0;
	ringhold_content_close(&now);
	if (!same)
		return 0;
	if (list_read(&dropped, s, &en->content, RINGHOLD_DROP, e) < 0)
		return e->code;
	same = list_equal(&dropped, &en->dropped);
	list_release(&dropped);
	if (!same)
		return 0;
	return observe(en, s, e) < 0 ? e->code : 1;
}
