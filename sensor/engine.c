/* engine: one content, opened, checked, loaded. */
#include "sensor/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "content/check.h"
#include "content/tree.h"
#include "schema/contract.h"

#define DROP_BYTES_MAX ((size_t)256 << 10)
#define DROP_RULES_MAX 1024

struct engine {
	struct sensor_content content;
	struct manifest *manifest;      /* the rules point into it */
	struct loader_set *rules;
};

/* Rules to leave out: ids, which point into text. */
struct drops {
	struct buf *text;
	const char *ids[DROP_RULES_MAX];
	size_t count;
};

void engine_free(struct engine *en)
{
	if (!en)
		return;
	loader_set_free(en->rules);
	manifest_free(en->manifest);
	sensor_content_close(&en->content);
	free(en);
}

const struct sensor_content *engine_content(const struct engine *en)
{
	return &en->content;
}

struct loader_set *engine_rules(struct engine *en)
{
	return en->rules;
}

uint64_t engine_serial(const struct engine *en)
{
	return en->manifest->serial;
}

/* A list for other content than this is none of ours: the agent writes it before it switches. */
static int read_drops(struct drops *out, const struct sensor *s, const char *digest, struct err *e)
{
	char *save = NULL, *line;

	out->count = 0;
	if (file_readat(&out->text, s->run, SENSOR_DROP_NAME, DROP_BYTES_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : err_wrap(e, "list of dropped rules");
	line = strtok_r(out->text->data, "\n", &save);
	if (!line || strcmp(line, digest) != 0)
		return 0;
	while ((line = strtok_r(NULL, "\n", &save))) {
		if (out->count == DROP_RULES_MAX)
			return err_set(e, ERR_LIMIT, "list of dropped rules: more than %d",
				       DROP_RULES_MAX);
		out->ids[out->count++] = line;
	}
	return 0;
}

static int load(struct engine *en, const struct sensor *s, const struct contract *contract,
		struct err *e)
{
	AUTO(check_report) struct check_report *report = NULL;
	struct drops drops = { .text = NULL };
	struct loader_job job = { .slot = en->content.dir, .slot_path = "",
				  .digest = en->content.digest_hex, .contract = contract };
	int code = read_drops(&drops, s, en->content.digest_hex, e);

	if (code == 0)
		code = tree_manifest(en->content.dir, &en->manifest, NULL, e);
	if (code == 0)
		code = check_content(&report, &(struct check_job){ .dir = en->content.dir, .manifest = en->manifest, .contract = contract }, e);
	if (code == 0)
		code = check_verdict(report, e);
	job.manifest = en->manifest;
	job.drop = drops.ids;
	job.drop_count = drops.count;
	if (code == 0)
		code = loader_set_load(&en->rules, &job, NULL, e);
	buf_free(drops.text);
	return code;
}

int engine_load(struct engine **out, const struct sensor *s, const struct contract *contract,
		struct sensor_content *tried, struct err *e)
{
	AUTO(engine) struct engine *en = calloc(1, sizeof *en);
	struct boot_report why;
	int got;

	memset(tried, 0, sizeof *tried);
	tried->dir = -1;
	if (!en)
		return err_memory(e);
	en->content.dir = -1;
	got = sensor_content_open(&en->content, s, &why);
	if (got < 0)
		return err_set(e, ERR_IO, "%s", why.text);
	if (got == 0)
		return 0;
	*tried = en->content;
	tried->dir = -1;
	if (load(en, s, contract, e) < 0)
		return err_wrap(e, "content %.12s", en->content.digest_hex);
	*out = TAKE(en);
	return 1;
}
