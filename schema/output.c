/* output: what a check found, as JSON in the "basic" form of the specification. */
#include "schema/output.h"

#include <stdio.h>

struct output {
	struct json_writer *w;
	const char *key;
	bool begun;
};

static void begin(struct output *o)
{
	if (o->begun)
		return;
	o->begun = true;
	json_open_object(o->w, o->key);
	json_put_bool(o->w, "valid", false);
	json_open_array(o->w, "errors");
}

static void put_error(void *context, const struct schema_error *error)
{
	char absolute[sizeof error->resource + 2100];
	struct output *o = context;

	begin(o);
	json_open_object(o->w, NULL);
	json_put_text(o->w, "keywordLocation", error->path);
	if (error->uri[0]) {
		snprintf(absolute, sizeof absolute, "%s#%s", error->uri, error->resource);
		json_put_text(o->w, "absoluteKeywordLocation", absolute);
	}
	json_put_text(o->w, "instanceLocation", error->pointer);
	json_put_text(o->w, "error", error->text);
	json_close_object(o->w);
}

int schema_output_basic(struct json_writer *w, const char *key, const struct schema *s, const struct json_doc *d,
			const struct json *v, unsigned most, struct err *e)
{
	struct output o = { .w = w, .key = key };
	int rc = schema_check_each(s, d, v, most, put_error, &o, NULL, e);

	if (rc == 0) {
		json_open_object(w, key);
		json_put_bool(w, "valid", true);
		json_close_object(w);
	} else if (rc == ERR_FORMAT) {
		begin(&o);
		json_close_array(w);
		json_close_object(w);
	}
	return rc;
}
