/* author_check: what the server and every host will check, on the author's machine. */
#include "cli/author_check.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "content/canary.h"
#include "content/check.h"
#include "content/tree.h"
#include "schema/contract.h"

#define NOBODY 65534

/* One round: the bundle against one contract, or none. */
struct round {
	const char *slot;
	int dir;
	const struct manifest *manifest;
	char digest[DIGEST_HEX_LEN + 1];
	const struct cli_list *benign;
	const char *contract_path;      /* NULL: none */
	struct buf *contract_text;
	struct contract *contract;
};

static void round_release(struct round *r)
{
	contract_free(r->contract);
	buf_free(r->contract_text);
}

static int load_contract(struct round *r, struct err *e)
{
	if (!r->contract_path)
		return 0;
	if (file_read(&r->contract_text, r->contract_path, CONTRACT_BYTES_MAX, e) < 0)
		return err_wrap(e, "contract");
	return contract_parse(&r->contract, r->contract_path, r->contract_text->data,
			      r->contract_text->len, e);
}

static int print_finding(const struct check_finding *f, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);

	if (!text)
		return err_memory(e);
	check_finding_text(text, f);
	if (buf_check(text, e) < 0)
		return e->code;
	fprintf(stderr, "ringhold: %s\n", text->data);
	return 0;
}

static int check(struct round *r, struct err *e)
{
	AUTO(check_report) struct check_report *report = NULL;

	if (check_content(&report, &(struct check_job){ .dir = r->dir, .manifest = r->manifest, .contract = r->contract }, e) < 0)
		return e->code;
	for (size_t i = 0; i < report->count; i++)
		if (print_finding(&report->items[i], e) < 0)
			return e->code;
	if (report->cut)
		fprintf(stderr, "ringhold: %zu errors, %zu warnings in all\n", report->errors, report->warnings);
	return check_verdict(report, e);
}

/* The type of a file that only a command on the hosts can judge; NULL: none. */
static const char *foreign_type(const struct manifest *m)
{
	for (size_t i = 0; i < m->file_count; i++) {
		const char *type = m->files[i].type;
		bool known = loader_is_data(type);

		for (size_t k = 0; loader_builtin[k] && !known; k++)
			known = loader_builtin[k]->type && !strcmp(loader_builtin[k]->type, type);
		if (!known)
			return type;
	}
	return NULL;
}

static void print_figures(const struct round *r, const struct canary_result *got)
{
	char missing[128];

	printf("tried against %s: %" PRIu64 " files, %" PRIu64 " rules, load %" PRId64 " ms, %" PRId64 " KiB,"
	       " %" PRIu64 " self-tests, %" PRIu64 " benign events, %" PRId64 " us an event\n",
	       r->contract_path ? r->contract_path : "no contract", got->files, got->rules, got->load_ms,
	       got->rss_bytes / 1024, got->selftests, got->benign_events, got->us_per_event);
	canary_confinement_words(CANARY_CONFINEMENT_ALL & ~got->confinement, missing, sizeof(missing));
	if (*missing)
		fprintf(stderr, "ringhold: warning: tried without %s\n", missing);
}

static int try(struct round *r, struct err *e)
{
	bool root = geteuid() == 0;
	const struct canary_job job = {
		.slot = r->slot, .digest = r->digest,
		.contract = r->contract_text ? r->contract_text->data : NULL,
		.contract_len = r->contract_text ? r->contract_text->len : 0,
		.benign = r->benign->items, .benign_count = r->benign->count,
		.uid = root ? NOBODY : 0, .gid = root ? NOBODY : 0,
	};
	const char *foreign = foreign_type(r->manifest);
	struct canary_result got;

	if (foreign) {
		fprintf(stderr, "ringhold: warning: not tried: type %s is loaded by a command of the hosts\n", foreign);
		return 0;
	}
	if (canary_run(&job, &got, e) < 0)
		return e->code;
	if (got.outcome == CANARY_OK) {
		print_figures(r, &got);
		return 0;
	}
	if (got.outcome == CANARY_ENVIRONMENT)
		return err_set(e, ERR_IO, "it could not be tried here: %s", got.sentence);
	return err_set(e, got.outcome == CANARY_CRASH ? ERR_CRASH : ERR_REFUSED, "the canary process says %s: %s",
		       canary_outcome_name(got.outcome), got.sentence);
}

static int one_round(const struct round *common, const char *contract_path, struct err *e)
{
	__attribute__((cleanup(round_release))) struct round r = *common;

	r.contract_path = contract_path;
	if (load_contract(&r, e) < 0)
		return e->code;
	return check(&r, e) < 0 ? e->code : try(&r, e);
}

int author_check(const char *slot, const struct digest *digest, const struct author_check *how, struct err *e)
{
	AUTO(manifest) struct manifest *m = NULL;
	AUTO_FD int dir = open(slot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct round common = { .slot = slot, .dir = dir, .benign = &how->benign };

	if (dir < 0)
		return err_errno(e, "%s: open", slot);
	if (tree_manifest(dir, &m, NULL, e) < 0)
		return e->code;
	common.manifest = m;
	digest_hex(common.digest, digest);
	if (!how->contracts.count)
		return one_round(&common, NULL, e);
	for (size_t i = 0; i < how->contracts.count; i++)
		if (one_round(&common, how->contracts.items[i], e) < 0)
			return e->code;
	return 0;
}
