/* clock: the one source of time. */
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#ifndef RINGHOLD_BUILD_DATE
#define RINGHOLD_BUILD_DATE 0
#endif

#ifdef RINGHOLD_TEST
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEST_POLL_MS 20

static const volatile int64_t *test_offset;
static pthread_once_t test_once = PTHREAD_ONCE_INIT;

static void test_open(void)
{
	const char *path = getenv("RINGHOLD_TEST_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, 2 * sizeof *test_offset, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		test_offset = at;
}

static int64_t shift_ms(void)
{
	pthread_once(&test_once, test_open);
	return test_offset ? *test_offset : 0;
}

static int64_t set_ms(void)
{
	pthread_once(&test_once, test_open);
	return test_offset ? test_offset[1] : 0;        /* of a shorter file: the zeros that follow it in its page */
}

int clock_poll_ms(int64_t wait)
{
	pthread_once(&test_once, test_open);
	if (test_offset && (wait < 0 || wait > TEST_POLL_MS))
		return TEST_POLL_MS;
	return wait > INT32_MAX ? INT32_MAX : (int)wait;
}
#else
static int64_t shift_ms(void)
{
	return 0;
}

static int64_t set_ms(void)
{
	return 0;
}

int clock_poll_ms(int64_t wait)
{
	return wait > INT32_MAX ? INT32_MAX : (int)wait;
}
#endif

static int64_t read_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t system_now(void)
{
	return (read_ms(CLOCK_REALTIME) + shift_ms() + set_ms()) / 1000;
}

int64_t clock_now(void)
{
	int64_t now = system_now();

	return now < RINGHOLD_BUILD_DATE ? RINGHOLD_BUILD_DATE : now;
}

bool clock_behind(int64_t *says)
{
	*says = system_now();
	return *says < RINGHOLD_BUILD_DATE;
}

int64_t clock_ticks_ms(void)
{
	return read_ms(CLOCK_BOOTTIME) + shift_ms();
}

int64_t clock_work_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_work_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}

int64_t clock_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void clock_text(char out[CLOCK_TEXT_LEN + 1], int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year > 9999 - 1900 || tm.tm_year < 70) {
		memcpy(out, "1970-01-01T00:00:00Z", CLOCK_TEXT_LEN + 1);
		return;
	}
	strftime(out, CLOCK_TEXT_LEN + 1, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static bool digits(int *out, const char *at, int count)
{
	*out = 0;
	for (int i = 0; i < count; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		*out = *out * 10 + (at[i] - '0');
	}
	return true;
}

bool clock_parse(int64_t *out, const char *text, size_t len)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	char back[CLOCK_TEXT_LEN + 1];
	struct tm tm = { 0 };

	if (len != CLOCK_TEXT_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (form[i] != 'd' && form[i] != text[i])
			return false;
	if (!digits(&tm.tm_year, text, 4) || !digits(&tm.tm_mon, text + 5, 2) ||
	    !digits(&tm.tm_mday, text + 8, 2) || !digits(&tm.tm_hour, text + 11, 2) ||
	    !digits(&tm.tm_min, text + 14, 2) || !digits(&tm.tm_sec, text + 17, 2))
		return false;
	if (tm.tm_year < 1970)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*out = (int64_t)timegm(&tm);
	/* timegm() accepts 31 February; a real date comes back as it went in. */
	clock_text(back, *out);
	return memcmp(back, text, len) == 0;
}
