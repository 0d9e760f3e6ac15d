/* repo_files: the files of a repository, in a directory or below a URL. */
#include "cli/repo_files.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "signing/delegation.h"

void repo_files_metadata_url(struct buf *out, const struct repo_files *f, const char *name)
{
	buf_addf(out, "%s/metadata/%s", f->base, name);
}

void repo_files_target_url(struct buf *out, const struct repo_files *f, const char *name)
{
	const char *slash;

	buf_addf(out, "%s/targets/", f->base);
	for (; (slash = strchr(name, '/')); name = slash + 1) {
		delegation_quote(out, name, (size_t)(slash - name));
		buf_addc(out, '/');
	}
	delegation_quote(out, name, strlen(name));
}

static int get_file(const struct repo_files *f, const char *below, const char *name, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int got;

	if (asprintf(&path, "%s/%s/%s", f->base, below, name) < 0) {
		path = NULL;
		return err_memory(e);
	}
	got = file_read(out, path, max, e);
	return got == ERR_NOT_FOUND ? 1 : got;
}

static int get_url(const struct repo_files *f, const struct buf *url, size_t max, struct buf **out, struct err *e)
{
	struct fetch_answer answer = { 0 };
	long status;

	if (buf_check(url, e) < 0 || fetch_do(f->fetch, &(const struct fetch_request){ .method = "GET", .url = url->data, .max = max }, &answer, e) < 0)
		return e->code;
	status = answer.status;
	if (status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (status == 404 || status == 403)
		return 1;
	return status == 200 ? 0 : err_set(e, ERR_NET, "%s: status %ld", url->data, status);
}

int repo_files_metadata(void *files, const char *name, size_t max, struct buf **out, struct err *e)
{
	const struct repo_files *f = files;
	AUTO(buf) struct buf *url = NULL;

	if (!f->fetch)
		return get_file(f, "metadata", name, max, out, e);
	url = buf_new(0);
	if (!url)
		return err_memory(e);
	repo_files_metadata_url(url, f, name);
	return get_url(f, url, max, out, e);
}

int repo_files_target(void *files, const char *name, size_t max, struct buf **out, struct err *e)
{
	const struct repo_files *f = files;
	AUTO(buf) struct buf *url = NULL;

	if (!f->fetch)
		return get_file(f, "targets", name, max, out, e);
	url = buf_new(0);
	if (!url)
		return err_memory(e);
	repo_files_target_url(url, f, name);
	return get_url(f, url, max, out, e);
}
