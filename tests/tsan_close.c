/*
 * tsan_close: lets ThreadSanitizer see how libuv closes descriptors, which is by a raw system call. It knows descriptors by number: to
 * it the next file of that number, opened by a pool thread, would be used together with the loop. Linked in MODE=tsan alone.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 6

long syscall(long number, ...)
{
	static long (*next)(long, ...);
	long a[MOST];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < MOST; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_close)
		return close((int)a[0]);
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "syscall");
	return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
