/*
 * events: lines in, verdicts out, both NDJSON.
 *
 *   {"template":"ipc","fields":{...}}
 *   {"event":1,"verdict":"alert","rule":"ipc-0001","matches":2,"serial":110}
 *   {"event":1,"verdict":"observe","rule":"ipc-0002",...,"would":"block","would_rule":"ipc-0002"}     on trial
 *   {"event":2,"error":"event:1:9: ..."}            malformed, or over a limit: never a match
 *   {"event":3,"verdict":"none","rule":"","matches":0,"serial":null}        no content is loaded
 */
#ifndef SENSOR_EVENTS_H
#define SENSOR_EVENTS_H

#include "base/buf.h"

struct engine;

struct events {
	struct buf line;        /* what came of the line so far; released by events_release() */
	bool too_long;          /* the rest of the line is thrown away */
	uint64_t number;        /* of the last event, from 1 */
	struct buf *out;        /* borrowed: verdict lines are appended */
};

/* Any piece of input; every line that is complete in it is judged. engine NULL: no content. */
void events_feed(struct events *ev, struct engine *engine, const char *bytes, size_t len);
void events_end(struct events *ev, struct engine *engine);      /* the last line had no newline */
void events_release(struct events *ev);

#endif
