/* schedule: when to try again. Pure; `chance` is any uniformly random number. */
#ifndef AGENT_SCHEDULE_H
#define AGENT_SCHEDULE_H

#include <stdint.h>

/* Milliseconds until the next poll: the last fifth before `seconds`, never later: silence is counted from there. */
int64_t schedule_poll_ms(int64_t seconds, uint64_t chance);

/*
 * Milliseconds until try number `failures` + 1: from first_s on, doubling,
 * never above most_s; somewhere in the upper half of that, so that a fleet
 * does not come back in step.
 */
int64_t schedule_backoff_ms(uint64_t failures, int64_t first_s, int64_t most_s, uint64_t chance);

#endif
