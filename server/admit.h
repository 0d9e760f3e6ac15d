/* admit: who may come in. */
#ifndef SERVER_ADMIT_H
#define SERVER_ADMIT_H

#include "server/server.h"

/*
 * May this request in? 0; else the HTTP status, and q->reply says why. Fills
 * in q->who and, of an operator, q->identity. For loop_settings: it runs on
 * the loop thread, before a byte of the body is accepted.
 */
int server_admit(struct request *q);

#endif
