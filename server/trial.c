/* trial: what a bundle is worth before it is published. */
#include "server/trial.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "content/bundle.h"
#include "content/canary.h"
#include "content/check.h"
#include "content/loader.h"
#include "schema/contract.h"
#include "server/publish_check.h"

#define SELF "/proc/self/exe"
#define CONTRACTS_MAX 256
#define FINDINGS_MAX 100        /* of one contract, in an answer */
#define BENIGN_MAX 32

/* What one contract, or with none registered no contract, says. */
struct opinion {
	struct contract *contract;      /* NULL: what holds for every sensor */
	char *text;                     /* its document, for the canary process */
	size_t len;
	struct check_report *report;
	bool tried;                     /* the canary ran */
	struct canary_result canary;
	char why[600];                  /* of a refusal */
};

struct trial {
	struct server *s;
	char *tree;                     /* path of the unpacked bundle */
	char digest[DIGEST_HEX_LEN + 1];
	struct manifest *manifest;
	struct manifest *previous;      /* of the bundle before; NULL: none, or no longer here */
	struct check_corpus corpora[BENIGN_MAX];
	struct opinion *opinions;
	struct publish_opinion *said;   /* of each opinion */
	size_t count;
	struct publish_check *check;
};

void trial_free(struct trial *t)
{
	struct err e;

	if (!t)
		return;
	publish_check_free(t->check);
	if (t->tree && file_remove_tree(t->tree, &e) < 0)
		log_warn("%s", e.msg);
	for (size_t i = 0; i < t->count; i++) {
		contract_free(t->opinions[i].contract);
		check_report_free(t->opinions[i].report);
		free(t->opinions[i].text);
	}
	for (size_t i = 0; i < BENIGN_MAX; i++)
		if (t->corpora[i].name)
			fd_freep(&t->corpora[i].dir);
	free(t->opinions);
	manifest_free(t->previous);
	manifest_free(t->manifest);
	free(t->tree);
	free(t->said);
	free(t);
}

/* ---- who is asked ---- */

static int add_opinion(struct trial *t, const char *text, size_t len, struct err *e)
{
	struct opinion *more, one = { .len = len };

	if (t->count == CONTRACTS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d contracts are registered", CONTRACTS_MAX);
	if (text) {
		if (contract_parse(&one.contract, "contract", text, len, e) < 0)
			return e->code;
		one.text = strndup(text, len);
	}
	more = reallocarray(t->opinions, t->count + 1, sizeof *more);
	if (more)
		t->opinions = more;
	if (!more || (text && !one.text)) {
		contract_free(one.contract);
		free(one.text);
		return err_memory(e);
	}
	t->opinions[t->count++] = one;
	return 0;
}

static int collect(const struct store_contract *row, void *arg, struct err *e)
{
	return add_opinion(arg, row->body, row->body_len, e);
}

/* ---- asking ---- */

static int unpack(struct trial *t, const char *archive, const char *channel, uint64_t serial, const char *version,
		  const struct digest *digest, uint64_t size, struct err *e)
{
	struct archive_want want = { .size = size, .digest = *digest };

	digest_hex(t->digest, digest);
	t->tree = file_join(t->s->trials, t->digest);
	if (!t->tree)
		return err_memory(e);
	if (file_remove_tree(t->tree, e) < 0 ||
	    bundle_unpack(archive, &want, t->s->trials, t->digest, &t->manifest, NULL, e) < 0)
		return err_wrap(e, "archive");
	if (strcmp(t->manifest->channel, channel) != 0 || t->manifest->serial != serial || strcmp(t->manifest->version, version) != 0)
		return err_set(e, ERR_REFUSED, "archive: its manifest says channel %s, serial %llu, version %s: not what was signed",
			       t->manifest->channel, (unsigned long long)t->manifest->serial, t->manifest->version);
	return 0;
}

struct older {
	uint64_t below;
	uint64_t serial;                /* 0: none found */
	char path[PATH_LEN_MAX + 1];
};

static int next_older(const struct store_bundle *b, void *arg, struct err *e)
{
	struct older *o = arg;

	(void)e;
	if (b->serial >= o->below)
		return 0;
	o->serial = b->serial;
	snprintf(o->path, sizeof o->path, "%s", b->path);
	return 1;
}

/* The newest bundle of the channel below this one, as far as its archive is still here. */
static int take_previous(struct trial *t, struct err *e)
{
	struct older o = { .below = t->manifest->serial };

	/* Row by row: the desk must not be asked in a visit, for it reads the store itself. */
	for (; !t->previous; o.below = o.serial) {
		AUTO_FREE char *archive = NULL;
		struct digest digest;
		uint64_t size;
		struct err why;

		o.serial = 0;
		if (store_each_bundle(t->s->store, t->manifest->channel, next_older, &o, e) < 0)
			return e->code;
		if (o.serial == 0)
			return 0;
		if (desk_target_file(t->s->desk, o.path, &archive, &why) == 0 && bundle_check(archive, NULL, &t->previous, &digest, &size, &why) < 0)
			log_warn("bundle %llu of %s, to compare sizes with: %s", (unsigned long long)o.serial, t->manifest->channel, why.msg);
	}
	return 0;
}

static int open_corpora(struct trial *t, struct err *e)
{
	char **benign = t->s->config->benign;

	for (size_t i = 0; benign && benign[i]; i++) {
		if (i == BENIGN_MAX)
			return err_set(e, ERR_LIMIT, "more than %d benign corpora", BENIGN_MAX);
		t->corpora[i].dir = open(benign[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (t->corpora[i].dir < 0)
			return err_errno(e, "benign corpus %s", benign[i]);
		t->corpora[i].name = benign[i];
	}
	return 0;
}

static size_t list_length(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static int ask(struct trial *t, int dir, struct opinion *o, struct err *e)
{
	char **benign = t->s->config->benign;
	struct canary_job job = { .slot = t->tree, .digest = t->digest, .contract = o->text, .contract_len = o->len,
				  .benign = (const char *const *)benign, .benign_count = list_length(benign) };

	const struct check_job check = { .dir = dir, .manifest = t->manifest, .contract = o->contract, .previous = t->previous,
					 .size_ratio = (unsigned)t->s->config->size_ratio, .corpora = t->corpora,
					 .corpus_count = list_length(benign) };

	if (check_content(&o->report, &check, e) < 0)
		return e->code;
	/* What only a command of the hosts can judge is tried there, in the first ring's canaries. */
	if (o->report->errors > 0 || loader_foreign_type(t->manifest))
		return 0;
	o->tried = true;
	return canary_spawn(SELF, &job, &o->canary, e);
}

static bool accepts(const struct opinion *o)
{
	return o->report->errors == 0 && (!o->tried || o->canary.outcome == CANARY_OK);
}

/* A bundle addresses the sensors that accept one of the content types it holds or requires; one without any, all. */
static bool addresses(const struct trial *t, const struct contract *c)
{
	const struct manifest *m = t->manifest;
	bool none = true;

	for (size_t i = 0; c && i < m->file_count; i++) {
		if (loader_is_data(m->files[i].type))
			continue;
		none = false;
		if (contract_find_type(c, m->files[i].type))
			return true;
	}
	for (size_t i = 0; c && i < m->require_count; i++) {
		none = false;
		if (contract_find_type(c, m->requires[i].type))
			return true;
	}
	return none;
}

static int explain(struct opinion *o, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	size_t i = 0;

	if (!text)
		return err_memory(e);
	if (o->report->errors == 0) {
		snprintf(o->why, sizeof o->why, "canary: %s: %s", canary_outcome_name(o->canary.outcome), o->canary.sentence);
		return 0;
	}
	while (i < o->report->count && o->report->items[i].severity != CHECK_ERROR)
		i++;
	if (i < o->report->count)
		check_finding_text(text, &o->report->items[i]);
	if (buf_check(text, e) < 0)
		return e->code;
	snprintf(o->why, sizeof o->why, "%s%s", text->data ? text->data : "refused", o->report->errors > 1 ? " (and more)" : "");
	return 0;
}

static int sum_up(struct trial *t, struct err *e)
{
	t->said = calloc(t->count, sizeof *t->said);
	if (!t->said)
		return err_memory(e);
	for (size_t i = 0; i < t->count; i++) {
		struct opinion *o = &t->opinions[i];
		struct publish_opinion *said = &t->said[i];

		*said = (struct publish_opinion){ .accepts = accepts(o), .addressed = addresses(t, o->contract), .why = o->why };
		if (o->contract) {
			said->contract = o->contract->digest;
			said->sensor = o->contract->sensor;
			said->version = o->contract->version;
		}
		if (!said->accepts && explain(o, e) < 0)
			return e->code;
	}
	return 0;
}

static int run(struct trial *t, const struct trial_override *override, struct err *e)
{
	AUTO_FD int dir = open(t->tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(e, "%s: open", t->tree);
	if (open_corpora(t, e) < 0 || take_previous(t, e) < 0 ||
	    store_each_contract(t->s->store, collect, t, e) < 0)
		return e->code;
	if (t->count == 0 && add_opinion(t, NULL, 0, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->count; i++)
		if (ask(t, dir, &t->opinions[i], e) < 0)
			return e->code;
	if (sum_up(t, e) < 0)
		return e->code;
	return publish_check_new(&t->check, t->s, t->manifest->channel, t->said, t->count, override->sensors, override->count, e);
}

int trial_run(struct trial **out, struct server *s, const char *archive, const char *channel, uint64_t serial, const char *version,
	      const struct digest *digest, uint64_t size, const struct trial_override *override, struct err *e)
{
	struct trial *t = calloc(1, sizeof *t);

	if (!t)
		return err_memory(e);
	t->s = s;
	if (unpack(t, archive, channel, serial, version, digest, size, e) < 0 || run(t, override, e) < 0) {
		trial_free(t);
		return e->code;
	}
	*out = t;
	return 0;
}

/* ---- what came of it ---- */

bool trial_refuses(const struct trial *t)
{
	return publish_matrix_blocks(publish_check_matrix(t->check));
}

void trial_sentence(const struct trial *t, char *out, size_t cap)
{
	publish_matrix_sentence(publish_check_matrix(t->check), out, cap);
}

size_t trial_overridden(const struct trial *t, char *out, size_t cap)
{
	return publish_matrix_allowed(publish_check_matrix(t->check), out, cap);
}

void trial_write_matrix(const struct trial *t, struct json_writer *w)
{
	publish_matrix_write(publish_check_matrix(t->check), w);
}

static void contract_name(const struct opinion *o, char *out, size_t cap)
{
	if (o->contract)
		snprintf(out, cap, "%s %s", o->contract->sensor, o->contract->version);
	else
		snprintf(out, cap, "every sensor");
}

static void write_finding(const struct opinion *o, const struct check_finding *f, struct json_writer *w)
{
	char name[160];

	contract_name(o, name, sizeof name);
	json_open_object(w, NULL);
	json_put_text(w, "severity", f->severity == CHECK_ERROR ? "error" : "warning");
	if (o->contract)
		json_put_text(w, "contract", name);
	json_put_text(w, "file", f->file);
	json_put_int(w, "line", f->line);
	json_put_int(w, "column", f->column);
	json_put_text(w, "subject", f->subject);
	json_put_text(w, "reason", f->reason);
	json_put_text(w, "sentence", f->sentence);
	json_close_object(w);
}

static void write_canary(const struct opinion *o, struct json_writer *w)
{
	char name[160];

	contract_name(o, name, sizeof name);
	json_open_object(w, NULL);
	json_put_text(w, "severity", "error");
	if (o->contract)
		json_put_text(w, "contract", name);
	json_put_text(w, "file", "");
	json_put_int(w, "line", 0);
	json_put_int(w, "column", 0);
	json_put_text(w, "subject", canary_outcome_name(o->canary.outcome));
	json_put_text(w, "reason", o->canary.reason);
	json_put_text(w, "sentence", o->canary.sentence);
	json_close_object(w);
}

void trial_write_findings(const struct trial *t, struct json_writer *w)
{
	json_open_array(w, "findings");
	for (size_t i = 0; i < t->count; i++) {
		const struct opinion *o = &t->opinions[i];

		for (size_t k = 0; k < o->report->count && k < FINDINGS_MAX; k++)
			write_finding(o, &o->report->items[k], w);
		if (o->tried && o->canary.outcome != CANARY_OK)
			write_canary(o, w);
	}
	json_close_array(w);
}
