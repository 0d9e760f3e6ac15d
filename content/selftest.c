/* selftest: a bundle's own expectations, and the benign corpora it must leave alone. */
#include "content/selftest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "schema/contract.h"

#define FILE_MAX_BYTES ((size_t)64 << 20)
#define CORPUS_FILES_MAX 10000
#define LINE_DEPTH 12

/* A run and where it adds up; what visitors get. */
struct running {
	const struct selftest_run *run;
	struct selftest_figures *figures;
	uint64_t ns;                    /* of the last match */
	struct err first;               /* failure, when all are told */
};

static int visit_line(const char *file, unsigned number, const char *text, size_t len, selftest_visit *visit,
		      void *arg, struct err *e)
{
	const struct json_limits limits = { .bytes = LOADER_EVENT_MAX + 4096, .depth = LINE_DEPTH };
	struct selftest_line l = { .file = file, .number = number };
	int rc;

	if (strspn(text, " \t\r") >= len)
		return 0;
	snprintf(l.name, sizeof(l.name), "%s:%u", file, number);
	if (json_parse(&l.doc, l.name, text, len, &limits, e) < 0)
		return e->code;
	rc = visit(arg, &l, e);
	json_free(l.doc);
	return rc;
}

int selftest_each(const char *file, const struct buf *text, selftest_visit *visit, void *arg, struct err *e)
{
	const char *at = text->data, *end = at + text->len;

	for (unsigned number = 1; at && at < end; number++) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (!stop)
			stop = end;
		if (visit_line(file, number, at, (size_t)(stop - at), visit, arg, e) < 0)
			return e->code;
		at = stop + 1;
	}
	return 0;
}

/*
 * Of this thread, in which engines run: the clock of the process only ticks
 * every few milliseconds once it has a limit on processor time.
 */
static uint64_t cpu_ns(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) < 0 ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int timed_match(struct running *r, const struct selftest_line *l, const struct json *event,
		       struct detection *got, struct err *e)
{
	uint64_t before;
	int rc;

	if (r->run->progress)
		r->run->progress(r->run->progress_arg, l->file, l->number);
	before = cpu_ns();
	rc = loader_set_match_doc(r->run->engine, l->doc, event, got, e);
	r->ns = cpu_ns() - before;
	r->figures->cpu_ns += r->ns;
	r->figures->timed++;
	return rc;
}

/* ---- self-tests ---- */

int selftest_read(struct selftest_want *out, const struct selftest_line *l, struct err *e)
{
	const struct json *expect;
	const char *verdict;

	*out = (struct selftest_want){ .rule = NULL };
	if (json_want_object(l->doc, l->doc->root, "event", &out->event, e) < 0 ||
	    json_want_object(l->doc, l->doc->root, "expect", &expect, e) < 0 ||
	    json_want_text(l->doc, expect, "verdict", 32, &verdict, e) < 0 ||
	    json_may_text(l->doc, expect, "rule", DETECTION_RULE_MAX, &out->rule, e) < 0)
		return e->code;
	if (!detection_parse(&out->action, verdict))
		return json_error(l->doc, json_get(expect, "verdict"), e, ERR_FORMAT,
				  "verdict \"%s\" is none of none, observe, alert, block, quarantine", verdict);
	if (out->action == DETECTION_NONE && out->rule)
		return json_error(l->doc, json_get(expect, "rule"), e, ERR_FORMAT,
				  "a verdict of none comes from no rule");
	return 0;
}

/* "id", or for YARA also "path:id". */
static bool is_dropped(const struct selftest_run *r, const char *rule)
{
	for (size_t i = 0; i < r->drop_count; i++) {
		const char *colon = strrchr(r->drop[i], ':');

		if (strcmp(r->drop[i], rule) == 0 || (colon && strcmp(colon + 1, rule) == 0))
			return true;
	}
	return false;
}

static int judge(struct running *r, const struct selftest_line *l, enum selftest_outcome *outcome, struct err *e)
{
	struct selftest_want want;
	struct detection got;

	*outcome = SELFTEST_PASSED;
	if (selftest_read(&want, l, e) < 0)
		return e->code;
	if (want.rule && is_dropped(r->run, want.rule)) {
		*outcome = SELFTEST_SKIPPED;
		return 0;
	}
	if (timed_match(r, l, want.event, &got, e) < 0)
		return strstr(e->msg, l->name) ? e->code : err_wrap(e, "%s", l->name);
	if (got.action == want.action && (!want.rule || strcmp(got.rule, want.rule) == 0))
		return 0;
	if (r->run->drop_count && !want.rule && got.action < want.action) {
		*outcome = SELFTEST_SKIPPED;    /* the rule that is gone may be the one it meant */
		return 0;
	}
	return err_set(e, ERR_REFUSED, "%s: expected %s%s%s, got %s%s%s", l->name, detection_name(want.action),
		       want.rule ? " by " : "", want.rule ? want.rule : "", detection_name(got.action),
		       *got.rule ? " by " : "", got.rule);
}

static int one_test(void *arg, const struct selftest_line *l, struct err *e)
{
	struct running *r = arg;
	enum selftest_outcome outcome;
	int rc;

	r->ns = 0;
	rc = judge(r, l, &outcome, e);
	if (rc == 0)
		*(outcome == SELFTEST_SKIPPED ? &r->figures->skipped : &r->figures->run) += 1;
	if (!r->run->told)
		return rc;
	r->run->told(r->run->told_arg, l->file, l->number, rc < 0 ? SELFTEST_FAILED : outcome, r->ns, rc < 0 ? e->msg : "");
	if (rc < 0 && !r->first.code)
		r->first = *e;
	return rc == ERR_MEMORY ? rc : 0;
}

int selftest_file(const struct selftest_run *r, int dir, const char *path, struct selftest_figures *f, struct err *e)
{
	struct running running = { .run = r, .figures = f };
	AUTO(buf) struct buf *text = NULL;

	if (file_readat(&text, dir, path, FILE_MAX_BYTES, e) < 0 || selftest_each(path, text, one_test, &running, e) < 0)
		return e->code;
	if (running.first.code)
		*e = running.first;
	return running.first.code;
}

static int offer_test(void *arg, const struct selftest_line *l, struct err *e)
{
	struct running *r = arg;
	struct selftest_want want;

	if (selftest_read(&want, l, e) < 0)
		return e->code;
	if (want.rule && is_dropped(r->run, want.rule))
		return 0;
	return loader_set_offer(r->run->engine, l->doc, want.event, e);
}

int selftest_offer(const struct selftest_run *r, int dir, const char *path, struct err *e)
{
	struct running running = { .run = r };
	AUTO(buf) struct buf *text = NULL;

	if (file_readat(&text, dir, path, FILE_MAX_BYTES, e) < 0)
		return e->code;
	return selftest_each(path, text, offer_test, &running, e);
}

/* ---- benign corpora ---- */

/* The first protected path among the texts of an event; NULL: none. */
static const char *protected_in(const struct contract *c, const struct json *v)
{
	const char *found = NULL;

	if (v->type == JSON_STRING)
		return v->count && strlen(v->u.text) == v->count && contract_protects(c, v->u.text) ? v->u.text : NULL;
	for (uint32_t i = 0; v->type == JSON_ARRAY && i < v->count && !found; i++)
		found = protected_in(c, &v->u.items[i]);
	for (uint32_t i = 0; v->type == JSON_OBJECT && i < v->count && !found; i++)
		found = protected_in(c, &v->u.members[i].value);
	return found;
}

static int offer_benign(void *arg, const struct selftest_line *l, struct err *e)
{
	struct running *r = arg;
	int rc = loader_set_offer(r->run->engine, l->doc, l->doc->root, e);

	if (rc == ERR_FORMAT)           /* another bundle's sample: ignored when it is matched, too */
		return 0;
	return rc == ERR_LIMIT ? err_set(e, ERR_LIMIT, "benign corpus: %s: too many events or bytes", l->name) : rc;
}

/*
 * What the host keeps is too much for one batch: its own trouble, like a
 * malformed line of it. Of a bundle it is the bundle's: its own events come
 * first, and have the room to themselves.
 */
static int offer_hosts(void *arg, const struct selftest_line *l, struct err *e)
{
	int rc = offer_benign(arg, l, e);

	e->code = rc = rc == ERR_LIMIT ? ERR_USAGE : rc;
	return rc;
}

static int one_benign(void *arg, const struct selftest_line *l, struct err *e)
{
	struct running *r = arg;
	const struct contract *c = r->run->contract;
	const char *object;
	struct detection got;
	struct err why = { 0 };
	int rc = timed_match(r, l, l->doc->root, &got, &why);

	r->figures->events++;
	if (rc == ERR_FORMAT) {
		r->figures->ignored++;  /* an event of another sensor, or of another kind of content */
		return 0;
	}
	if (rc < 0)
		return err_set(e, rc, "%s: %s", l->name, why.msg);
	if (got.action == DETECTION_NONE || got.action == DETECTION_OBSERVE)
		return 0;
	r->figures->matches++;
	object = c && detection_destructive(got.action) ? protected_in(c, l->doc->root) : NULL;
	if (object)
		return err_set(e, ERR_REFUSED, "%s: rule %s would %s the protected object %s", l->name, got.rule,
			       detection_name(got.action), object);
	return 0;
}

static int keep_ndjson(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 7 && strcmp(d->d_name + len - 7, ".ndjson") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int benign_file(struct running *r, int dir, const char *corpus, const char *file, selftest_visit *visit, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO_FREE char *shown = file_join(corpus, file);

	if (!shown)
		return err_memory(e);
	if (file_readat(&text, dir, file, FILE_MAX_BYTES, e) < 0)
		return err_wrap(e, "benign corpus %s", corpus);
	if (selftest_each(shown, text, visit, r, e) == 0)
		return 0;
	if (e->code == ERR_FORMAT)      /* the corpus is the host's, not the content's */
		return err_set(e, ERR_USAGE, "benign corpus: malformed line in %s", shown);
	return e->code;
}

static int benign_corpus(struct running *r, int dir, const char *name, selftest_visit *visit, struct err *e)
{
	struct dirent **files = NULL;
	int count = scandirat(dir, ".", &files, keep_ndjson, by_name), rc = 0;

	if (count < 0)
		return err_errno(e, "benign corpus %s", name);
	if (count > CORPUS_FILES_MAX)
		rc = err_set(e, ERR_USAGE, "benign corpus %s: more than %d files", name, CORPUS_FILES_MAX);
	for (int i = 0; i < count; i++) {
		if (rc == 0)
			rc = benign_file(r, dir, name, files[i]->d_name, visit, e);
		free(files[i]);
	}
	free(files);
	return rc;
}

int selftest_benign(const struct selftest_run *r, int dir, const char *name, struct selftest_figures *f,
		    struct err *e)
{
	struct running running = { .run = r, .figures = f };

	return benign_corpus(&running, dir, name, one_benign, e);
}

int selftest_offer_benign(const struct selftest_run *r, int dir, const char *name, struct err *e)
{
	struct running running = { .run = r };

	return benign_corpus(&running, dir, name, offer_hosts, e);
}

static int bundle_corpus(struct running *r, int dir, const char *path, selftest_visit *visit, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_readat(&text, dir, path, FILE_MAX_BYTES, e) < 0)
		return e->code;
	return selftest_each(path, text, visit, r, e);
}

int selftest_benign_file(const struct selftest_run *r, int dir, const char *path, struct selftest_figures *f, struct err *e)
{
	struct running running = { .run = r, .figures = f };

	return bundle_corpus(&running, dir, path, one_benign, e);
}

int selftest_offer_benign_file(const struct selftest_run *r, int dir, const char *path, struct err *e)
{
	struct running running = { .run = r };

	return bundle_corpus(&running, dir, path, offer_benign, e);
}

int selftest_benign_verdict(const struct selftest_run *r, const struct selftest_figures *f, struct err *e)
{
	int64_t most = r->contract ? r->contract->ceilings.matches_per_10000 : CONTRACT_UNLIMITED;
	uint64_t judged = f->events - f->ignored;

	if (most >= 10000 || f->matches * 10000 <= (uint64_t)most * judged)
		return 0;
	return err_set(e, ERR_LIMIT,
		       "%" PRIu64 " matches in %" PRIu64 " benign events: the contract of %s %s allows %" PRId64
		       " in 10000",
		       f->matches, judged, r->contract->sensor, r->contract->version, most);
}
