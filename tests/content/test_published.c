/* test_published: the readers of manifests, bundle.json and rules give the same answers as the published schemas. */
#include <fcntl.h>
#include <unistd.h>

#include "content/bundle_recipe.h"
#include "content/rules_model.h"
#include "published.h"
#include "scratch.h"

static int read_manifest(const char *text, size_t len, struct err *e)
{
	AUTO(manifest) struct manifest *m = NULL;

	return manifest_parse(&m, text, len, e);
}

static int read_bundle(const char *text, size_t len, struct err *e)
{
	AUTO(bundle_recipe) struct bundle_recipe *r = NULL;
	AUTO_FD int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (file_replaceat(fd, "bundle.json", text, len, 0644, e) < 0)
		return e->code;
	return bundle_recipe_read(&r, fd, e);
}

static int read_rules(const char *text, size_t len, struct err *e)
{
	struct rules_limits limits;
	struct rules_log log = rules_log_first(e);
	AUTO(rules_model) struct rules_model *m = NULL;
	AUTO(rules) struct rules *r = NULL;
	struct buf *source = buf_new(0);

	rules_limits_default(&limits);
	m = rules_model_new(&limits);
	buf_add(source, text, len);
	if (rules_model_add(m, "rules.json", source, &log, e) < 0 || rules_model_link(m, &log, e) < 0 ||
	    rules_compile(&r, m, NULL, 0, &log, e) < 0)
		return e->code;
	return log.errors ? ERR_FORMAT : 0;
}

static void the_reader_of_manifests_agrees(void **state)
{
	(void)state;
	published_hold("manifest", "\n", read_manifest);
}

static void the_reader_of_bundle_json_agrees(void **state)
{
	(void)state;
	published_hold("bundle", "\n", read_bundle);
}

static void the_reader_of_rules_agrees(void **state)
{
	(void)state;
	published_hold("rules", "\n", read_rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_reader_of_manifests_agrees),
		cmocka_unit_test(the_reader_of_bundle_json_agrees),
		cmocka_unit_test(the_reader_of_rules_agrees),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
