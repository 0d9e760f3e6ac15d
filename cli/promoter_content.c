#include "cli/promoter_content.h"

#include <stdlib.h>
#include <string.h>

#include "base/fetch.h"
#include "cli/repo_files.h"

#define REQUEST_MS 15000        /* one request: a dead vendor holds up a look for no longer */

struct promoter_content {
	char *url;
	struct fetch *fetch;
	struct repo_files files;
	struct promoter_view *view;
	bool fresh;
	struct err why;         /* when it is not */
};

int promoter_content_open(struct promoter_content **out, const struct promoter_content_settings *s, struct err *e)
{
	const struct fetch_settings settings = { .pin = *s->pin ? s->pin : NULL, .ca_file = *s->ca_file ? s->ca_file : NULL,
						 .agent = "ringhold/" RINGHOLD_VERSION, .connect_ms = REQUEST_MS / 3, .total_ms = REQUEST_MS };
	AUTO(promoter_content) struct promoter_content *c = calloc(1, sizeof *c);
	struct promoter_source source;
	size_t len = strlen(s->url);

	if (!c)
		return err_memory(e);
	while (len > 0 && s->url[len - 1] == '/')
		len--;
	c->url = strndup(s->url, len);
	if (!c->url)
		return err_memory(e);
	if (fetch_new(&c->fetch, &settings, e) < 0)
		return e->code;
	c->files = (struct repo_files){ c->fetch, c->url };
	source = (struct promoter_source){ repo_files_metadata, repo_files_target, &c->files };
	err_set(&c->why, ERR_NET, "%s was not asked yet", c->url);
	if (promoter_view_open(&c->view, s->root, s->dir, &source, e) < 0)
		return err_wrap(e, "the vendor's repository");
	*out = TAKE(c);
	return 0;
}

void promoter_content_close(struct promoter_content *c)
{
	if (!c)
		return;
	promoter_view_close(c->view);
	fetch_free(c->fetch);
	free(c->url);
	free(c);
}

void promoter_content_refresh(struct promoter_content *c, int64_t now)
{
	bool changed;

	c->fresh = promoter_view_refresh(c->view, now, &changed, &c->why) == 0;
}

struct promoter_view *promoter_content_view(struct promoter_content *c, struct err *e)
{
	if (c->fresh)
		return c->view;
	*e = c->why;
	err_wrap(e, "the vendor's repository");
	return NULL;
}
