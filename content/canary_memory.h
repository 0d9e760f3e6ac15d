/*
 * canary_memory: how much memory everything below this process has in use;
 * for content/canary*.c only. Where no cgroup bounds a family of processes,
 * somebody has to add up.
 */
#ifndef CONTENT_CANARY_MEMORY_H
#define CONTENT_CANARY_MEMORY_H

#include <stdint.h>

/* Resident bytes of all descendants, shared pages counted for each; 0 when /proc cannot be read. */
uint64_t canary_memory_below(void);

#endif
