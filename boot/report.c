/* report: sentences without allocation. */
#include "boot/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int report_set(struct boot_report *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	return -1;
}

int report_errno(struct boot_report *why, const char *fmt, ...)
{
	const char *reason = strerror(errno);
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof why->text, fmt, ap);
	va_end(ap);
	len = strlen(why->text);
	snprintf(why->text + len, sizeof why->text - len, ": %s", reason);
	return -1;
}
