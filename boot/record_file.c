/* record_file: the two places of the boot record on disk. */
#include "boot/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/report.h"

#define NEW_NAME "." BOOT_FILE_NAME ".new"

struct places {
	uint8_t bytes[2][BOOT_RECORD_BYTES];
};

/* What is beyond the end of a short file reads as zero, which is no record. */
static int read_places(struct places *out, int fd)
{
	memset(out, 0, sizeof *out);
	for (int i = 0; i < 2; i++) {
		size_t len = 0;

		while (len < BOOT_RECORD_BYTES) {
			ssize_t n = pread(fd, out->bytes[i] + len, BOOT_RECORD_BYTES - len,
					  (off_t)i * BOOT_PLACE_BYTES + (off_t)len);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -1;
			if (n == 0)
				break;
			len += (size_t)n;
		}
	}
	return 0;
}

static int write_at(int fd, const uint8_t *bytes, size_t len, off_t at)
{
	while (len) {
		ssize_t n = pwrite(fd, bytes, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		bytes += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int open_regular(int dir, int flags, struct boot_report *why)
{
	int fd = openat(dir, BOOT_FILE_NAME, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return report_errno(why, "boot record: open");
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	errno = EINVAL;
	return report_set(why, "boot record: not a regular file");
}

enum boot_read boot_record_read(struct boot_record *out, int dir, struct boot_report *why)
{
	struct boot_record a, b;
	struct places p;
	int fd = open_regular(dir, O_RDONLY, why);
	int bad, saved = errno;

	if (fd < 0)
		return saved == ENOENT ? BOOT_READ_MISSING : BOOT_READ_FAILED;
	bad = read_places(&p, fd);
	if (bad)
		report_errno(why, "boot record: read");
	close(fd);
	if (bad)
		return BOOT_READ_FAILED;
	if (boot_record_pick(out, p.bytes[0], p.bytes[1]) < 0) {
		report_set(why, "boot record: damaged in both places");
		return BOOT_READ_DAMAGED;
	}
	if (boot_record_decode(&a, p.bytes[0]) && boot_record_decode(&b, p.bytes[1]))
		return BOOT_READ_OK;
	report_set(why, "boot record: damaged in one place, the other one counts (seq %llu)",
		   (unsigned long long)out->seq);
	return BOOT_READ_ONE;
}

/* Both places at once, beside the real name: there is nothing that a torn write could leave. */
static int create(int dir, const uint8_t record[BOOT_RECORD_BYTES], struct boot_report *why)
{
	uint8_t file[BOOT_FILE_BYTES] = { 0 };
	int fd, bad;

	memcpy(file, record, BOOT_RECORD_BYTES);
	memcpy(file + BOOT_PLACE_BYTES, record, BOOT_RECORD_BYTES);
	if (unlinkat(dir, NEW_NAME, 0) < 0 && errno != ENOENT)
		return report_errno(why, "boot record: remove an old temporary file");
	fd = openat(dir, NEW_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return report_errno(why, "boot record: create");
	bad = write_at(fd, file, sizeof file, 0) < 0 || fsync(fd) < 0 ||
	      renameat(dir, NEW_NAME, dir, BOOT_FILE_NAME) < 0;
	if (bad) {
		report_errno(why, "boot record: create");
		unlinkat(dir, NEW_NAME, 0);
	} else if (fsync(dir) < 0) {
		bad = report_errno(why, "boot record: fsync of its directory");
		unlinkat(dir, BOOT_FILE_NAME, 0);       /* there was none, and the caller goes on from there */
	}
	close(fd);
	return bad ? -1 : 0;
}

/* Into a place that does not count. A failure leaves it as it was, or the next writer would find a record of nobody's. */
static int put(int fd, off_t at, const uint8_t *bytes, const uint8_t *before, struct boot_report *why)
{
	const char *what = "write";

	if (write_at(fd, bytes, BOOT_RECORD_BYTES, at) == 0) {
		what = "fsync";
		if (fsync(fd) == 0)
			return 0;
	}
	report_errno(why, "boot record: %s", what);
	(void)write_at(fd, before, BOOT_RECORD_BYTES, at);
	return -1;
}

/* The place that does not count now; creation fills both. */
static int overwrite(int fd, struct boot_record *next, struct boot_report *why)
{
	uint8_t bytes[BOOT_RECORD_BYTES];
	struct boot_record now;
	struct places p;
	int place;

	if (read_places(&p, fd) < 0)
		return report_errno(why, "boot record: read");
	place = boot_record_pick(&now, p.bytes[0], p.bytes[1]);
	if (place >= 0 && now.seq >= next->seq)
		return report_set(why, "boot record: changed by somebody else meanwhile (seq %llu)",
				  (unsigned long long)now.seq);
	boot_record_encode(bytes, next);
	return place == 0 ? put(fd, BOOT_PLACE_BYTES, bytes, p.bytes[1], why) : put(fd, 0, bytes, p.bytes[0], why);
}

int boot_record_write(struct boot_record *r, int dir, struct boot_report *why)
{
	uint8_t bytes[BOOT_RECORD_BYTES];
	struct boot_record next = *r;
	int fd, code, saved;

	next.seq++;
	fd = open_regular(dir, O_RDWR, why);
	saved = errno;
	if (fd >= 0) {
		flock(fd, LOCK_EX);
		code = overwrite(fd, &next, why);
		close(fd);
	} else if (saved == ENOENT) {
		boot_record_encode(bytes, &next);
		code = create(dir, bytes, why);
	} else {
		return -1;
	}
	if (code == 0)
		*r = next;
	return code;
}

int boot_record_sync(int dir, struct boot_report *why)
{
	int fd = open_regular(dir, O_RDONLY, why);
	int bad;

	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	bad = fsync(fd) < 0 || fsync(dir) < 0;
	if (bad)
		report_errno(why, "boot record: fsync");
	close(fd);
	return bad ? -1 : 0;
}
