/*
 * now: the time that a server goes by.
 *
 * It is the clock's, but for jumps: one is not believed before it has lasted
 * ten minutes (clockwatch.h), and until then time goes on by ticks that nobody
 * sets. So a glitch ends no soak, matures no silence and expires no token. A
 * jump that is believed moves every mark that durations are counted from
 * (control_clock_moved()): they stay as long as they are.
 */
#ifndef SERVER_NOW_H
#define SERVER_NOW_H

#include "server/server.h"

int64_t server_now(struct server *s);           /* any thread */
/* Clock and ticks of one moment: read apart, a test that moves both would seem to jump. */
void now_read(int64_t *now, int64_t *ticks_ms);
/* The ticker's look, which alone may believe a jump: *moved is by how many seconds, else 0. */
int64_t now_look(struct server *s, int64_t *moved);

#endif
