/* event_sample: the bytes of an event, wherever they are. */
#include "content/event_sample.h"

#include "base/file.h"
#include "base/hex.h"
#include "content/manifest.h"

bool event_sample_is(const struct json *event)
{
	return json_get(event, "text") || json_get(event, "base64") || json_get(event, "file");
}

static int of_base64(struct json_string *out, struct buf **own, const struct json_doc *d, const struct json *v, struct err *e)
{
	char *room;
	int len;

	*own = buf_new(0);
	room = *own ? buf_grow(*own, v->count + 1) : NULL;
	if (!room)
		return err_memory(e);
	len = base64_decode(room, v->count + 1, v->u.text, v->count);
	if (len < 0)
		return json_error(d, v, e, ERR_FORMAT, "\"base64\": no base64 (RFC 4648)");
	*out = (struct json_string){ room, (size_t)len };
	return 0;
}

int event_sample_get(struct json_string *out, struct buf **own, int slot, const struct manifest *m, const struct json_doc *d,
	       const struct json *event, struct err *e)
{
	const struct json *v = json_get(event, "text");
	const struct manifest_file *f;
	const char *path;

	*own = NULL;
	if (v && v->type == JSON_STRING) {
		*out = (struct json_string){ v->u.text, v->count };
		return 0;
	}
	v = json_get(event, "base64");
	if (v && v->type == JSON_STRING)
		return of_base64(out, own, d, v, e);
	if (json_want_text(d, event, "file", 240, &path, e) < 0)
		return e->code;
	f = manifest_find(m, path);
	if (!f)
		return json_error(d, json_get(event, "file"), e, ERR_FORMAT, "\"file\": %s is not in the bundle", path);
	if (file_readat(own, slot, f->path, EVENT_SAMPLE_MAX, e) < 0)
		return e->code;
	*out = (struct json_string){ (*own)->data ? (*own)->data : "", (*own)->len };
	return 0;
}
