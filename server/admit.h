/*
 * admit: who may come in, and how often.
 *
 * Token buckets keep one caller from using everything: one for each operator,
 * each device, and each address that comes to the operator plane with a token
 * that is not known at once (of an identity provider, or a bad one): behind
 * one address a stranger uses up nothing of a colleague's. One for each address
 * that enrols devices as well. Bad tokens
 * are counted by address, apart for operators and for devices: too many lock
 * the address out, which means that whoever shows a bad token there hears 429
 * instead of 401 for a while. A token that is good is let in all the same: its
 * 256 bits are guessed by nobody, and behind one NAT or proxy no stranger
 * shuts out colleagues or devices. An IPv6 address counts by its /64. The address
 * is the one that a trusted proxy names, where the configuration says in which
 * header (forwarded.h).
 */
#ifndef SERVER_ADMIT_H
#define SERVER_ADMIT_H

#include "server/server.h"

struct admission;

struct admission *admission_new(const struct config *c);        /* NULL when there is no memory */
void admission_free(struct admission *a);       /* NULL is fine */

/*
 * May this request in? 0; else the HTTP status, and q->reply says why. Fills
 * in q->who and, of an operator, q->identity. For loop_settings: it runs on
 * the loop thread, before a byte of the body is accepted.
 */
int server_admit(struct request *q);

/* An enrolment token was no good: the reply that says so may become one that locks out. On a pool thread. */
void admission_bad_enrolment(struct request *q);

#endif
