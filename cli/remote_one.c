/* remote_one: one thing of the operator plane, by its name, and what words and lists look like. */
#include <stdio.h>

#include "base/log.h"
#include "cli/remote.h"

int remote_below(struct buf **out, const char *base, const char *word, const char *rest, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_adds(path, base);
	remote_escape(path, word);
	buf_adds(path, rest);
	if (buf_check(path, e) < 0)
		return e->code;
	*out = TAKE(path);
	return 0;
}

int remote_one(const struct remote_options *o, const char *method, const struct remote_name *name, const struct buf *body,
	       struct remote_answer *answer, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = NULL;

	if (remote_below(&path, name->base, name->word, name->rest, e) < 0 || remote_open(&r, o, e) < 0)
		return e->code;
	return remote_call(r, method, path->data, body, answer, e);
}

void remote_put_list(struct json_writer *w, const char *key, const struct cli_list *words)
{
	json_open_array(w, key);
	for (size_t i = 0; i < words->count; i++)
		json_put_text(w, NULL, words->items[i]);
	json_close_array(w);
}

void remote_lines(const char *title, const struct json *lines)
{
	for (uint32_t i = 0; lines && lines->type == JSON_ARRAY && i < lines->count; i++) {
		AUTO(buf) struct buf *text = buf_new(0);
		const struct json *v = &lines->u.items[i];

		if (!text || v->type != JSON_STRING)
			continue;
		log_escape(text, v->u.text, v->count);
		printf("%s: %s\n", title, text->failed ? "" : text->data);
	}
}
