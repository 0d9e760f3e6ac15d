/* defs: the few macros every file may use. No domain words, no state. */
#ifndef BASE_DEFS_H
#define BASE_DEFS_H

#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/*
 * Scope ends, resource ends: AUTO(buf) struct buf *raw = NULL;
 * A type takes part by declaring its <type>_freep() with AUTO_DEFINE().
 */
#define AUTO(type) __attribute__((cleanup(type##_freep)))
#define AUTO_DEFINE(type, ctype, release)              \
	static inline void type##_freep(ctype *slot)   \
	{                                              \
		release(*slot);                        \
	}                                              \
	struct auto_define_##type

/* The moment ownership leaves: *out = TAKE(m); */
#define TAKE(p)                          \
	({                               \
		__typeof__(p) took_ = (p); \
		(p) = NULL;              \
		took_;                   \
	})

/* Plain memory and plain descriptors. */
void memory_freep(void *slot);   /* slot is a pointer to the pointer */
void fd_freep(int *fd);          /* closes when >= 0 */
#define AUTO_FREE __attribute__((cleanup(memory_freep)))
#define AUTO_FD __attribute__((cleanup(fd_freep)))

#endif
