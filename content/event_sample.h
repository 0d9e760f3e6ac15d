/*
 * event_sample: an event that is bytes to look through rather than fields:
 * {"text":"..."}, {"base64":"..."} or {"file":"path in the bundle"}, with an
 * optional "name", the path it stands for.
 */
#ifndef CONTENT_EVENT_SAMPLE_H
#define CONTENT_EVENT_SAMPLE_H

#include <stdbool.h>

#include "base/json.h"

struct manifest;

#define EVENT_SAMPLE_MAX ((size_t)16 << 20)   /* bytes of a file that an event names */

bool event_sample_is(const struct json *event);

/* Borrowed from the event, or in *own, which the caller frees. ERR_FORMAT for what is none, or names no file of the bundle. */
int event_sample_get(struct json_string *out, struct buf **own, int slot, const struct manifest *m, const struct json_doc *d,
	       const struct json *event, struct err *e) MUST_CHECK;

#endif
