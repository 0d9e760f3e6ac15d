/* driver: drives the client engine with a directory as store. */
#include "signing/driver.h"

#include <string.h>

#include "base/file.h"

#define FILE_MODE 0644

static int load(const struct driver *d, struct tuf_client *c, const struct tuf_step *step, struct err *e)
{
	AUTO_FREE char *path = file_join(d->dir, step->name);
	AUTO(buf) struct buf *bytes = NULL;
	struct err why;

	if (!path)
		return err_memory(e);
	/* A file that cannot be read is as good as absent: it is fetched again. */
	if (file_read(&bytes, path, step->max, &why) < 0)
		tuf_client_answer(c, TUF_ABSENT, NULL, 0);
	else
		tuf_client_answer(c, TUF_GOT, bytes->data, bytes->len);
	return 0;
}

static int fetch(const struct driver *d, struct tuf_client *c, const struct tuf_step *step, struct err *e)
{
	AUTO(buf) struct buf *bytes = NULL;
	int rc;

	if (!d->get)
		return err_set(e, ERR_INTERNAL, "%s: no way to fetch it", step->name);
	rc = d->get(d->arg, step->name, step->max, &bytes, e);
	if (rc < 0)
		return rc;
	if (rc == 0 && bytes->len > step->max)
		return err_set(e, ERR_LIMIT, "%s: more than %zu bytes", step->name, step->max);
	if (rc == 0)
		tuf_client_answer(c, TUF_GOT, bytes->data, bytes->len);
	else
		tuf_client_answer(c, TUF_ABSENT, NULL, 0);
	return 0;
}

static int store(const struct driver *d, const struct tuf_step *step, struct err *e)
{
	AUTO_FREE char *path = file_join(d->dir, step->name);

	if (!path)
		return err_memory(e);
	return file_replace(path, step->bytes, step->len, FILE_MODE, e);
}

static int drive(const struct driver *d, struct tuf_client *c, struct err *e)
{
	struct tuf_step step;
	int rc;

	while ((rc = tuf_client_next(c, &step, e)) == 0 && step.need != TUF_DONE) {
		if (step.need == TUF_LOAD)
			rc = load(d, c, &step, e);
		else if (step.need == TUF_FETCH)
			rc = fetch(d, c, &step, e);
		else
			rc = store(d, &step, e);
		if (rc < 0)
			break;
	}
	return rc;
}

static int64_t root_version(const struct tuf_client *c)
{
	return tuf_client_metadata(c, "root")->version;
}

int driver_open(struct tuf_client **out, const char *dir, const void *anchor, size_t anchor_len,
		enum tuf_rules rules, struct err *e)
{
	AUTO(tuf_client) struct tuf_client *stored = NULL, *given = NULL;
	AUTO(buf) struct buf *bytes = NULL;
	AUTO_FREE char *path = file_join(dir, "root.json");

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, path, METADATA_ROOT_MAX, e) == 0 &&
	    tuf_client_new(&stored, bytes->data, bytes->len, rules, e) < 0)
		err_wrap(e, "%s", path);
	if (anchor && tuf_client_new(&given, anchor, anchor_len, rules, e) < 0)
		return err_wrap(e, "the trusted root");
	if (!stored && !given)
		return e->code;
	if (stored && given)
		*out = root_version(given) > root_version(stored) ? TAKE(given) : TAKE(stored);
	else
		*out = stored ? TAKE(stored) : TAKE(given);
	return 0;
}

int driver_refresh(const struct driver *d, struct tuf_client *c, int64_t now, struct err *e)
{
	if (d->get)
		tuf_client_refresh(c, now);
	else
		tuf_client_resume(c, now);
	return drive(d, c, e);
}

int driver_find(const struct driver *d, struct tuf_client *c, const char *path, const struct tuf_target **out, struct err *e)
{
	if (tuf_client_find(c, path, strlen(path), e) < 0 || drive(d, c, e) < 0)
		return e->code;
	*out = tuf_client_target(c);
	return 0;
}

int driver_target(const struct driver *d, struct tuf_client *c, const char *path, driver_get *get, void *arg,
		  size_t max, struct buf **out, const struct tuf_target **found, struct err *e)
{
	AUTO(buf) struct buf *bytes = NULL, *name = buf_new(0);
	const struct tuf_target *t;
	int rc;

	if (!name)
		return err_memory(e);
	if (driver_find(d, c, path, &t, e) < 0)
		return e->code;
	if (!t)
		return err_set(e, ERR_NOT_FOUND, "%s: no role lists it", path);
	if ((uint64_t)t->target->file.length > max)
		return err_set(e, ERR_LIMIT, "%s: %lld bytes, more than the %zu allowed", path,
			       (long long)t->target->file.length, max);
	if (tuf_client_target_name(c, t->target, name, e) < 0)
		return e->code;
	rc = get(arg, name->data, (size_t)t->target->file.length, &bytes, e);
	if (rc < 0)
		return rc;
	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "%s: the repository does not have it", path);
	if (metadata_file_check(&t->target->file, path, bytes->data, bytes->len, e) < 0)
		return e->code;
	*out = TAKE(bytes);
	if (found)
		*found = t;
	return 0;
}
