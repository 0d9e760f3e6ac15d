/*
 * engine: one content, opened, checked against the sensor's own contract, loaded.
 *
 * The agent has validated the content before; the sensor trusts nobody and
 * checks again, since it is the one that would crash.
 */
#ifndef SENSOR_ENGINE_H
#define SENSOR_ENGINE_H

#include "boot/sensor.h"
#include "content/loader.h"

struct contract;

struct engine;          /* a content that is in use; its slot stays locked */

/*
 * Opens and loads what `current` leads to. 1 and the engine; 0 when there is
 * no content to load; negative with the reason, and *tried then names the
 * content that failed (dir -1), or is all zero when not even that is known.
 */
int engine_load(struct engine **out, const struct sensor *s, const struct contract *contract,
		struct sensor_content *tried, struct err *e) MUST_CHECK;
void engine_free(struct engine *en);            /* NULL is fine */

const struct sensor_content *engine_content(const struct engine *en);   /* borrowed */
struct loader_set *engine_rules(struct engine *en);                     /* borrowed */
uint64_t engine_serial(const struct engine *en);

AUTO_DEFINE(engine, struct engine *, engine_free);

#endif
