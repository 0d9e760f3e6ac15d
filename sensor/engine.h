/*
 * engine: one content, opened, checked against the sensor's own contract, loaded.
 *
 * The agent has validated the content before; the sensor trusts nobody and
 * checks again, since it is the one that would crash.
 */
#ifndef SENSOR_ENGINE_H
#define SENSOR_ENGINE_H

#include "boot/ringhold-sensor.h"
#include "content/loader.h"
#include "sensor/tally.h"

struct contract;

struct engine;          /* a content that is in use; its slot stays locked */

/*
 * Opens and loads what `current` leads to. 1 and the engine; 0 when there is
 * no content to load; negative with the reason, and *tried then names the
 * content that failed (dir -1), or is all zero when not even that is known.
 */
int engine_load(struct engine **out, const struct ringhold_sensor *s, const struct contract *contract,
		struct ringhold_content *tried, struct err *e) MUST_CHECK;
void engine_free(struct engine *en);            /* NULL is fine */

/*
 * After news: 1 when the content that runs is still the one to run, with the
 * same rules left out; which of them only observe was read anew. 0: load anew.
 */
int engine_keep(struct engine *en, const struct ringhold_sensor *s, struct err *e) MUST_CHECK;

const struct ringhold_content *engine_content(const struct engine *en);   /* borrowed */
struct loader_set *engine_rules(struct engine *en);                     /* borrowed */
struct tally *engine_tally(struct engine *en);                            /* borrowed; may be NULL */
uint64_t engine_serial(const struct engine *en);

AUTO_DEFINE(engine, struct engine *, engine_free);

#endif
