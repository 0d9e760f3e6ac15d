/*
 * introduce: tells a fetch process whom it talks to, and who we are there.
 *
 * It cannot read the private key of this host: the supervisor, which may,
 * hands it over in a sealed file that no other process has.
 */
#ifndef AGENT_INTRODUCE_H
#define AGENT_INTRODUCE_H

#include "agent/message.h"
#include "agent/settings.h"

/* What the files of the identity look like now; zero where there is none. Two looks are equal byte by byte while nothing changed. */
struct introduce_file {
	uint64_t device, inode;
	int64_t size, changed_s, changed_ns;
};
struct introduce_seen {
	struct introduce_file certificate, key;
};
void introduce_look(struct introduce_seen *out, const struct settings *s);

/* SERVER, and IDENTITY when one is configured. One that cannot be read is left out, and the log says why. */
int introduce(int sock, const struct settings *s, const struct message_server *server, struct err *e) MUST_CHECK;

#endif
