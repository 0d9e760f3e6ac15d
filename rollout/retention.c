/* retention: what a repository keeps, with what its assignments name. */
#include "rollout/retention.h"

#include <stdlib.h>
#include <string.h>

#include "rollout/assignment.h"

#define DAY_S 86400

struct named {
	const struct repo *r;
	char **paths;           /* owned */
	size_t count;
};

static void named_freep(struct named *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->paths[i]);
	free(n->paths);
}

static int add(struct named *n, const struct bundle_ref *b, struct err *e)
{
	char **more;

	if (digest_is_zero(&b->digest))
		return 0;
	more = realloc(n->paths, (n->count + 1) * sizeof *more);
	if (more)
		n->paths = more;
	if (!more || !(n->paths[n->count] = strdup(b->path)))
		return err_memory(e);
	n->count++;
	return 0;
}

static int name_bundles(const struct repo_target *t, void *arg, struct err *e)
{
	struct named *n = arg;
	AUTO(assignment) struct assignment *a = NULL;
	AUTO(buf) struct buf *text = NULL;

	if (strncmp(t->path, "rings/", 6) != 0)
		return 0;
	if (repo_read_target(n->r, t->path, ASSIGNMENT_MAX, &text, e) < 0 || assignment_parse(&a, t->path, text->data, text->len, e) < 0 ||
	    add(n, &a->bundle, e) < 0 || add(n, &a->previous, e) < 0)
		return e->code;
	return 0;
}

int retention_sweep(struct repo *r, const struct retention *keep, int64_t now, bool dry, repo_gone *gone, void *arg, struct err *e)
{
	__attribute__((cleanup(named_freep))) struct named n = { .r = r };
	struct repo_retention what = { .bundles = (size_t)keep->bundles, .seconds = keep->days * DAY_S, .waiting = keep->waiting,
				       .waiting_count = keep->waiting_count };

	if (repo_each_target(r, NULL, name_bundles, &n, e) < 0)
		return err_wrap(e, "what assignments name");
	what.named = (const char *const *)n.paths;
	what.named_count = n.count;
	return repo_sweep(r, &what, now, dry, gone, arg, e);
}
