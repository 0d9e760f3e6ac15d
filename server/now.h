/*
 * now: the time that a server goes by.
 *
 * It is the clock's, but for jumps: one is not believed before it has lasted
 * ten minutes (clockwatch.h), and until then time goes on by ticks that nobody
 * sets, whether this server runs meanwhile or not. So a glitch ends no soak, matures no silence and expires no token. A
 * jump that is believed moves every mark that durations are counted from
 * (control_clock_moved()): they stay as long as they are.
 */
#ifndef SERVER_NOW_H
#define SERVER_NOW_H

#include "server/server.h"

int64_t server_now(struct server *s);           /* any thread */
/* Clock and ticks of one moment: read apart, a test that moves both would seem to jump. */
void now_read(int64_t *now, int64_t *ticks_ms);
/*
 * The ticker's look: the time, and in *moved by how many seconds a jump has
 * lasted long enough, else 0. It is believed by now_believe(), with the clock as
 * it is `after`, when the marks have moved; until then each look says so again.
 */
int64_t now_look(struct server *s, int64_t *moved, struct clockwatch *after);
void now_believe(struct server *s, const struct clockwatch *after);
bool now_doubts(struct server *s);      /* the clock jumped, and is not believed */

/* What is kept of the clock, so that a jump is seen that happens while no server runs; boot is for the caller to hold. */
#define NOW_BOOT 40
void now_row(const struct clockwatch *w, struct store_clock *row, char boot[NOW_BOOT]);
void now_keep(struct server *s, struct store_clock *row, char boot[NOW_BOOT]);
int now_resume(struct server *s, struct err *e) MUST_CHECK;     /* before anybody asks for the time; reads the store */

#endif
