/* command_json: open, fill, print whole or not at all. */
#include "agent/command_json.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENT_MAX ((size_t)4 << 20)

int command_json_open(struct command_json *j, struct err *e)
{
	memset(j, 0, sizeof *j);
	j->out = buf_new(DOCUMENT_MAX);
	if (!j->out)
		return err_memory(e);
	j->w = (struct json_writer){ .out = j->out, .indent = true };
	json_open_object(&j->w, NULL);
	json_put_int(&j->w, "format", 1);
	return 0;
}

int command_json_print(struct command_json *j, struct err *e)
{
	json_close_object(&j->w);
	if (buf_check(j->out, e) < 0)
		return e->code;
	puts(j->out->data);
	return 0;
}

void command_json_close(struct command_json *j)
{
	buf_free(TAKE(j->out));
}

void command_json_content(struct json_writer *w, const char *key, const struct channel *c, const struct digest *d)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (digest_is_zero(d)) {
		json_put_null(w, key);
		return;
	}
	digest_hex(hex, d);
	json_open_object(w, key);
	json_put_text(w, "digest", hex);
	json_put_int(w, "serial", (int64_t)channel_serial(c, d));
	json_close_object(w);
}
