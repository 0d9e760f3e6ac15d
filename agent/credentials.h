/*
 * credentials: who the server says we are; /var/lib/ringhold/device.json, mode
 * 0600, and the enrolment string of /etc/ringhold/enrol.
 */
#ifndef AGENT_CREDENTIALS_H
#define AGENT_CREDENTIALS_H

#include "agent/message.h"
#include "agent/settings.h"

struct credentials {
	struct message_token now;               /* token "": not enrolled */
	struct message_server server;           /* of the configuration, else of the enrolment */
	char enrolment[MESSAGE_TOKEN];          /* "" none */
};

/* Absent files are no error. */
int credentials_load(struct credentials *c, const struct settings *s, struct err *e) MUST_CHECK;
int credentials_store(struct credentials *c, const char *root, const struct message_token *t, struct err *e) MUST_CHECK;

/* Checks an enrolment string and keeps it; what was known of an older server is forgotten. */
int credentials_enrol(const char *root, const char *text, struct err *e) MUST_CHECK;

#endif
