/* check_size: files that are empty, or far larger or smaller than in the bundle before. */
#include <inttypes.h>
#include <string.h>

#include "content/check_work.h"
#include "content/loader.h"

#define SMALL 4096              /* bytes: below, a ratio says nothing */

static const struct manifest_file *file_of(const struct manifest *m, const char *path)
{
	for (size_t i = 0; i < m->file_count; i++)
		if (strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	return NULL;
}

static bool far_apart(uint64_t before, uint64_t now, unsigned ratio)
{
	uint64_t less = MIN(before, now), more = MAX(before, now);

	return more > SMALL && more / ratio > less;
}

static void check_file(struct check *c, const struct manifest_file *f, unsigned ratio)
{
	const struct check_place at = { .file = f->path };
	const struct manifest_file *before = c->job->previous ? file_of(c->job->previous, f->path) : NULL;

	if (f->size == 0)
		check_note(c, loader_is_data(f->type) ? CHECK_WARNING : CHECK_ERROR, at, f->type, REASON_LINT, "the file is empty");
	else if (before && far_apart(before->size, f->size, ratio))
		check_note(c, CHECK_ERROR, at, f->type, REASON_LINT,
			   "%" PRIu64 " bytes, %" PRIu64 " in bundle %" PRIu64 " before: more than %u times %s", f->size, before->size,
			   c->job->previous->serial, ratio, f->size > before->size ? "larger" : "smaller");
}

static uint64_t bytes_of(const struct manifest *m)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < m->file_count; i++)
		sum += loader_is_data(m->files[i].type) ? 0 : m->files[i].size;
	return sum;
}

void check_sizes(struct check *c)
{
	const struct check_place whole = { .file = MANIFEST_NAME };
	unsigned ratio = c->job->size_ratio ? c->job->size_ratio : CHECK_SIZE_RATIO;
	uint64_t before, now = bytes_of(c->manifest);

	for (size_t i = 0; i < c->manifest->file_count; i++)
		check_file(c, &c->manifest->files[i], ratio);
	if (!c->job->previous)
		return;
	before = bytes_of(c->job->previous);
	if (far_apart(before, now, ratio))
		check_note(c, CHECK_ERROR, whole, "", REASON_LINT,
			   "%" PRIu64 " bytes of content, %" PRIu64 " in bundle %" PRIu64 " before: more than %u times %s", now, before,
			   c->job->previous->serial, ratio, now > before ? "larger" : "smaller");
}
