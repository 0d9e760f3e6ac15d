/*
 * clock: the one source of time.
 *
 * Test builds (RINGHOLD_TEST) add the offset found in the file named by
 * $RINGHOLD_TEST_CLOCK (one little-endian int64, milliseconds) to clock_now()
 * and clock_ticks_ms(), read afresh on every call, so that a test can advance
 * every process at once; clock_poll_ms() then is short enough that loops notice.
 * A second int64 in that file is added to clock_now() alone: somebody set the clock.
 * Release builds contain none of this.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>

#include "base/err.h"

int64_t clock_now(void);        /* seconds since the epoch, UTC; never before this program was built */
bool clock_behind(int64_t *says);       /* the system's clock says an earlier time than that, so that clock_now() stands still; what it says, in seconds */
int64_t clock_ticks_ms(void);   /* monotonic while the machine runs; schedules and time-outs of our own */
int64_t clock_work_us(void);    /* monotonic, never shifted: to measure */
int64_t clock_work_ms(void);    /* monotonic, never shifted: to bound and measure real work */
int64_t clock_cpu_us(void);     /* CPU time of this process so far */

/* How long a loop may sleep when its next deadline is `wait` ms away; wait < 0: for ever. */
int clock_poll_ms(int64_t wait);

/* "2026-01-31T12:00:00Z", RFC 3339 in UTC with whole seconds: the only form we write. */
#define CLOCK_TEXT_LEN 20
void clock_text(char out[CLOCK_TEXT_LEN + 1], int64_t seconds);
bool clock_parse(int64_t *out, const char *text, size_t len);   /* exactly that form, years 1970 to 9999 */

#endif
