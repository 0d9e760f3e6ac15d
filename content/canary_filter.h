/* canary_filter: the system calls of a try, through libseccomp; for content/canary*.c only. */
#ifndef CONTENT_CANARY_FILTER_H
#define CONTENT_CANARY_FILTER_H

#include <stdbool.h>

/*
 * Without commands: what reading files and computing needs is allowed; what
 * only an attack would try ends the process; everything else is "not
 * implemented". With commands: all but the network and what reaches beyond
 * the process. False: the kernel took no filter.
 */
bool canary_filter(bool commands);

#endif
