/* command_json: what the documents that commands print for programs have in common. */
#ifndef AGENT_COMMAND_JSON_H
#define AGENT_COMMAND_JSON_H

#include "agent/channel.h"
#include "base/json.h"

/* One document: {"format": 1, ...}. The writer stands in the open object until command_json_print(). */
struct command_json {
	struct buf *out;        /* owned */
	struct json_writer w;
};

int command_json_open(struct command_json *j, struct err *e) MUST_CHECK;
int command_json_print(struct command_json *j, struct err *e) MUST_CHECK;        /* on standard output */
void command_json_close(struct command_json *j);

/* {"digest", "serial"} of one bundle, serial 0 when it is unknown; null for none. */
void command_json_content(struct json_writer *w, const char *key, const struct channel *c, const struct digest *d);

#endif
