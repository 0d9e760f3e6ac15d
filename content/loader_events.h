/*
 * loader_events: events for a check command, as files it can read, and what it
 * answered. For content/loader_exec.c only.
 *
 * Beneath the command's directory, events/N holds the bytes of event N, from 1
 * (of an event that is no sample: its JSON), and events/N.json the event.
 */
#ifndef CONTENT_LOADER_EVENTS_H
#define CONTENT_LOADER_EVENTS_H

#include "content/loader_answers.h"

#define LOADER_EVENTS_MAX 20000
#define LOADER_EVENTS_BYTES ((uint64_t)64 << 20)

struct loader_events;
struct loader_events *loader_events_new(void);          /* NULL: no memory */
void loader_events_free(struct loader_events *v);       /* NULL is fine; the files stay */

/* ERR_LIMIT beyond the bounds above. */
int loader_events_add(struct loader_events *v, const struct loader_job *job, const char *home, const struct json_doc *d,
		      const struct json *event, struct err *e) MUST_CHECK;
size_t loader_events_count(const struct loader_events *v);
const char *loader_events_dir(const struct loader_events *v);   /* absolute; "" before the first event */

/* Room for the answers, until they are settled; then what is still missing: the number of the first, 0: none. */
int loader_events_ask(struct loader_events *v, struct loader_answers *out, struct err *e) MUST_CHECK;
size_t loader_events_settle(struct loader_events *v);

/* The answer to an equal event; NULL: none, with e->code 0 unless there was no memory. */
const struct detection *loader_events_find(const struct loader_events *v, const struct json *event, struct err *e);

AUTO_DEFINE(loader_events, struct loader_events *, loader_events_free);

#endif
