/* tally: what came of the events since the content was taken over, for the agent. */
#ifndef SENSOR_TALLY_H
#define SENSOR_TALLY_H

#include "base/err.h"
#include "boot/ringhold-sensor.h"

struct detection;       /* content/loader.h */
struct tally;

struct tally *tally_new(int64_t load_ms);       /* NULL: no memory */
void tally_free(struct tally *t);               /* NULL is fine, here and below */

void tally_add(struct tally *t, const struct detection *d);
void tally_error(struct tally *t);              /* an event that could not be judged */

/* Now and then, sooner with news. */
bool tally_due(const struct tally *t);
int64_t tally_wait_ms(const struct tally *t);   /* until it is due; -1: never */

/* Fails when the agent's directory cannot be written: for the log. */
int tally_report(struct tally *t, const struct ringhold_sensor *s, const struct ringhold_content *c, struct err *e) MUST_CHECK;

#endif
