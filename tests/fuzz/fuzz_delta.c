/* fuzz_delta: any bytes as a delta against one small tree. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "content/bundle.h"
#include "content/delta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char root[] = "/tmp/ringhold-fuzz-XXXXXX";
static int old_dir = -1;

static void clean_up(void)
{
	struct err e;

	(void)!file_remove_tree(root, &e);
}

static void put(const char *name, const char *text, size_t len)
{
	AUTO_FREE char *path = file_join(root, name);
	struct err e;

	if (!path || file_replace(path, text, len, 0600, &e) < 0)
		abort();
}

/* The tree of tests/fuzz/corpus/delta's seeds. */
static void prepare(void)
{
	struct bundle_options o = { .channel = "c", .serial = 1, .created = 0, .type = "yara" };
	AUTO(bundle) struct bundle *b = NULL;
	AUTO_FREE char *archive = NULL;
	AUTO_FREE char *tree = NULL;
	struct err e;

	if (!mkdtemp(root) || atexit(clean_up))
		abort();
	put("a.yara", "rule a { condition: true }\n", 27);
	put("b.yara", "rule b { condition: false }\n", 28);
	if (bundle_build(&b, root, &o, &e) < 0)
		abort();
	put("archive", b->archive->data, b->archive->len);
	archive = file_join(root, "archive");
	tree = file_join(root, "tree");
	if (!archive || !tree || bundle_unpack(archive, NULL, root, "tree", NULL, NULL, &e) < 0)
		abort();
	old_dir = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (old_dir < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct delta_info want = { .window_log = 16 };
	struct err e;

	if (old_dir < 0)
		prepare();
	(void)!delta_apply(old_dir, data, len, &want, NULL, NULL, &e);
	return 0;
}
