/*
 * clockwatch: whether the clock jumped, and which time to sign by meanwhile.
 *
 * It is shown the clock and ticks that nobody sets (clock_ticks_ms()). A jump
 * is not believed before it has lasted ten minutes: a glitch of a minute shall
 * not leave signatures of another year behind. Until then time goes on by the
 * ticks; afterwards the clock is right, for a machine that was asleep must not
 * wait for a person to renew what expired. Pure.
 */
#ifndef SERVER_CLOCKWATCH_H
#define SERVER_CLOCKWATCH_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_JUMP_S 60         /* less is a correction */
#define CLOCK_DOUBT_S 600       /* a jump must last so long to be believed */

struct clockwatch {             /* zero: never looked */
	int64_t now, ticks_ms;  /* of the last look */
	int64_t offset;         /* seconds from the clock to what is believed; 0: the clock is */
	int64_t since_ms;       /* ticks at the last jump */
	int64_t jumped_at;      /* believed time of the last jump; 0: none was seen */
	int64_t jump_s;         /* how far it was, forward positive */
	uint64_t jumps;
};

enum clock_news {
	CLOCK_STEADY,
	CLOCK_JUMPED,           /* jump_s says how far */
	CLOCK_RETURNED,         /* to where it was before */
	CLOCK_BELIEVED,         /* it has stayed there long enough */
};

enum clock_news clockwatch_look(struct clockwatch *w, int64_t now, int64_t ticks_ms);
/*
 * Goes on from what another run kept, who may have ended long ago. Ticks of
 * another boot have another beginning: then as much time has passed as the clock
 * says, but none when it says less, and a jump that was in doubt is so anew.
 */
void clockwatch_resume(struct clockwatch *w, const struct clockwatch *kept, bool same_boot, int64_t now, int64_t ticks_ms);
/* The time to go by when the clock says now, or when somebody goes by it already. */
int64_t clockwatch_time(const struct clockwatch *w, int64_t now);

#endif
