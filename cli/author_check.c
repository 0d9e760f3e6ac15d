/* author_check: what the server and every host will check, on the author's machine. */
#include "cli/author_check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/scratch.h"
#include "content/bundle.h"
#include "schema/contract.h"

#define NOBODY 65534
#define TESTS_MAX 50000         /* whose results are kept one by one */
#define CORPORA_MAX 32

/* ---- the tree ---- */

static int unpack(struct author_tree *t, const char *archive, struct err *e)
{
	if (bundle_unpack(archive, NULL, t->scratch->path, "slot", &t->manifest, &t->digest, e) < 0)
		return e->code;
	t->slot = file_join(t->scratch->path, "slot");
	if (!t->slot)
		return err_memory(e);
	t->dir = open(t->slot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return t->dir < 0 ? err_errno(e, "%s: open", t->slot) : 0;
}

static int tree_new(struct author_tree **out, struct err *e)
{
	AUTO(author_tree) struct author_tree *t = calloc(1, sizeof *t);

	if (!t)
		return err_memory(e);
	t->dir = -1;
	if (scratch_new(&t->scratch, e) < 0)
		return e->code;
	*out = TAKE(t);
	return 0;
}

int author_tree_of(struct author_tree **out, const struct buf *archive, struct err *e)
{
	AUTO(author_tree) struct author_tree *t = NULL;
	AUTO_FREE char *path = NULL;

	if (tree_new(&t, e) < 0)
		return e->code;
	path = file_join(t->scratch->path, "bundle.tar.gz");
	if (!path)
		return err_memory(e);
	if (file_replace(path, archive->data, archive->len, 0600, e) < 0 || unpack(t, path, e) < 0)
		return e->code;
	*out = TAKE(t);
	return 0;
}

int author_tree_open(struct author_tree **out, const char *what, struct err *e)
{
	const struct bundle_options options = { .created = BUNDLE_UNSET, .created_fallback = 0 };
	AUTO(author_tree) struct author_tree *t = NULL;
	AUTO(bundle) struct bundle *b = NULL;
	struct stat st;

	if (stat(what, &st) < 0)
		return err_errno(e, "%s", what);
	if (S_ISDIR(st.st_mode))
		return bundle_build(&b, what, &options, e) < 0 ? e->code : author_tree_of(out, b->archive, e);
	if (tree_new(&t, e) < 0 || unpack(t, what, e) < 0)
		return e->code;
	*out = TAKE(t);
	return 0;
}

void author_tree_free(struct author_tree *t)
{
	if (!t)
		return;
	fd_freep(&t->dir);
	manifest_free(t->manifest);
	free(t->slot);
	scratch_free(t->scratch);
	free(t);
}

/* ---- examining ---- */

/* What all rounds share. */
struct examination {
	const struct author_check *how;
	struct author_tree *tree;
	struct author_tree *previous;   /* owned */
	struct check_corpus corpora[CORPORA_MAX];
	bool try;
};

static void examination_release(struct examination *x)
{
	author_tree_free(x->previous);
	for (size_t i = 0; i < MIN(x->how->benign.count, (size_t)CORPORA_MAX); i++)
		fd_freep(&x->corpora[i].dir);
}

static int open_corpora(struct examination *x, struct err *e)
{
	for (size_t i = 0; i < CORPORA_MAX; i++)
		x->corpora[i].dir = -1;
	if (x->how->benign.count > CORPORA_MAX)
		return err_set(e, ERR_USAGE, "more than %d benign corpora", CORPORA_MAX);
	for (size_t i = 0; i < x->how->benign.count; i++) {
		x->corpora[i].name = x->how->benign.items[i];
		x->corpora[i].dir = open(x->corpora[i].name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (x->corpora[i].dir < 0)
			return err_errno(e, "benign corpus %s", x->corpora[i].name);
	}
	return 0;
}

static int check_round(const struct examination *x, struct author_round *r, const struct contract *c, struct err *e)
{
	const struct check_job job = {
		.dir = x->tree->dir, .manifest = x->tree->manifest, .contract = c,
		.previous = x->previous ? x->previous->manifest : NULL, .size_ratio = (unsigned)x->how->size_ratio,
		.corpora = x->corpora, .corpus_count = x->how->benign.count, .widest_percent = (unsigned)x->how->widest,
	};

	return check_content(&r->report, &job, e);
}

static int try_round(const struct examination *x, struct author_round *r, const struct buf *contract, struct err *e)
{
	bool root = geteuid() == 0;
	char digest[DIGEST_HEX_LEN + 1];
	struct canary_job job = {
		.slot = x->tree->slot, .digest = digest, .contract = contract ? contract->data : NULL,
		.contract_len = contract ? contract->len : 0, .benign = x->how->benign.items, .benign_count = x->how->benign.count,
		.uid = root ? NOBODY : 0, .gid = root ? NOBODY : 0, .checked = true,
	};

	r->untried_type = loader_foreign_type(x->tree->manifest);
	if (r->untried_type)
		return 0;
	r->tests = job.tests = canary_tests_new(TESTS_MAX);
	if (!r->tests)
		return err_memory(e);
	digest_hex(digest, &x->tree->digest);
	if (canary_run(&job, &r->result, e) < 0)
		return e->code;
	r->tried = true;
	return 0;
}

static int examine_round(const struct examination *x, struct author_round *r, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	AUTO(contract) struct contract *c = NULL;

	if (path && (file_read(&text, path, CONTRACT_BYTES_MAX, e) < 0 || contract_parse(&c, path, text->data, text->len, e) < 0))
		return err_wrap(e, "contract");
	snprintf(r->sensor, sizeof r->sensor, "%s%s%s", c ? c->sensor : "every sensor", c ? " " : "", c ? c->version : "");
	if (check_round(x, r, c, e) < 0)
		return e->code;
	return x->try && r->report->errors == 0 ? try_round(x, r, text, e) : 0;
}

static int check_numbers(const struct author_check *how, struct err *e)
{
	if (how->size_ratio < 0 || how->size_ratio == 1 || how->size_ratio > 1000000)
		return err_set(e, ERR_USAGE, "--size-ratio %lld: not from 2 to 1000000", (long long)how->size_ratio);
	if (how->widest < 0 || how->widest > 100)
		return err_set(e, ERR_USAGE, "--widest %lld: not from 1 to 100", (long long)how->widest);
	return 0;
}

int author_examine(struct author_result **out, struct author_tree *tree, const struct author_check *how, bool try, struct err *e)
{
	AUTO(author_result) struct author_result *r = calloc(1, sizeof *r);
	__attribute__((cleanup(examination_release))) struct examination x = { .how = how, .tree = tree, .try = try };
	size_t count = MAX(how->contracts.count, (size_t)1);

	if (r)
		r->rounds = calloc(count, sizeof *r->rounds);
	if (!r || !r->rounds)
		return err_memory(e);
	r->tree = tree;
	r->strict = how->strict;
	if (open_corpora(&x, e) < 0 || check_numbers(how, e) < 0 || (how->previous && author_tree_open(&x.previous, how->previous, e) < 0))
		return e->code;
	for (; r->count < count; r->count++)
		if (examine_round(&x, &r->rounds[r->count], how->contracts.count ? how->contracts.items[r->count] : NULL, e) < 0) {
			r->count++;     /* what it holds already is freed with the others */
			return e->code;
		}
	*out = TAKE(r);
	return 0;
}

void author_result_free(struct author_result *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		check_report_free(r->rounds[i].report);
		canary_tests_free(r->rounds[i].tests);
	}
	free(r->rounds);
	free(r);
}

static int round_verdict(const struct author_round *r, bool strict, struct err *e)
{
	const struct canary_result *got = &r->result;

	if (check_verdict(r->report, e) < 0)
		return err_wrap(e, "%s", r->sensor);
	if (strict && r->report->warnings)
		return err_set(e, ERR_REFUSED, "%s: %zu warnings, and --strict", r->sensor, r->report->warnings);
	if (!r->tried || got->outcome == CANARY_OK)
		return 0;
	if (got->outcome == CANARY_ENVIRONMENT)
		return err_set(e, ERR_IO, "it could not be tried here: %s", got->sentence);
	return err_set(e, got->outcome == CANARY_CRASH ? ERR_CRASH : ERR_REFUSED, "%s: the canary process says %s: %s", r->sensor,
		       canary_outcome_name(got->outcome), got->sentence);
}

int author_verdict(const struct author_result *r, struct err *e)
{
	for (size_t i = 0; i < r->count; i++)
		if (round_verdict(&r->rounds[i], r->strict, e) < 0)
			return e->code;
	return 0;
}
