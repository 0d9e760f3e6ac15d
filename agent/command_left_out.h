/* command_left_out: what a hold, pin or disable leaves out, and single rules that the assignment does, for people and for programs. */
#ifndef AGENT_COMMAND_LEFT_OUT_H
#define AGENT_COMMAND_LEFT_OUT_H

#include <stddef.h>

#include "agent/channel.h"
#include "base/json.h"

#define LEFT_OUT_SHORT 10       /* detections named where people want an overview */
#define LEFT_OUT_ALL 4096

/* Lines on standard output; nothing when nothing is kept away. */
int left_out_print(const struct channel *c, size_t max_rules, struct err *e) MUST_CHECK;

/* The rules that the assignment leaves out of what runs; nothing when there are none. */
int left_out_print_dropped(const struct channel *c, struct err *e) MUST_CHECK;
void left_out_put_dropped(struct json_writer *w, const struct channel *c);      /* member "dropped" of the open object */

/* Members "held", "held_since", "held_until" and "left_out" of the open object. */
void left_out_put(struct json_writer *w, const struct channel *c);

#endif
