/* report: sentences without allocation; for this room only. */
#ifndef BOOT_REPORT_H
#define BOOT_REPORT_H

#include "boot/record.h"
#include "boot/ringhold-sensor.h"

#define BOOT_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

/* Both return -1, so that a caller can write return report_errno(...). */
int report_set(struct boot_report *why, const char *fmt, ...) BOOT_PRINTF(2, 3);
int report_errno(struct boot_report *why, const char *fmt, ...) BOOT_PRINTF(2, 3);      /* adds strerror(errno) */

/* The sentence of the public header is one of ours. */
_Static_assert(sizeof(struct ringhold_why) == sizeof(struct boot_report), "one layout");
#define REPORT(why) ((struct boot_report *)(void *)(why))

#endif
