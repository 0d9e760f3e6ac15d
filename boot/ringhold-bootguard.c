/* ringhold-bootguard: decides, before the sensor starts, which content this boot runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot/ladder.h"
#include "boot/link.h"
#include "boot/report.h"
#include "boot/status.h"

#define VERSION "0.1.0"
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"

struct options {
	const char *root;       /* "" or a directory */
	bool json, help, version;
};

static const char usage[] =
	"ringhold-bootguard: decides, before the sensor starts, which content this boot runs\n"
	"\n"
	"usage: ringhold-bootguard [OPTION...]\n"
	"\n"
	"For every channel in /var/lib/ringhold/channels it counts this boot in the boot\n"
	"record, steps down a rung (trial, current, previous, baseline, none) when the\n"
	"rung's tries are used up, and makes /run/ringhold/CHANNEL/current match. Running it\n"
	"twice in one boot counts once. Trouble is reported and never stops the boot: the\n"
	"exit status is 0 unless the command line is wrong (2).\n"
	"\n"
	"      --root DIR  work beneath DIR, such as /sysroot from an initramfs\n"
	"      --json      one JSON object per channel on standard output\n"
	"  -h, --help      print this and stop\n"
	"      --version   print the version and stop\n";

/* One write of one line. dprintf() would do, but it allocates a buffer. */
static void __attribute__((format(printf, 2, 3))) say(int fd, const char *fmt, ...)
{
	char line[4096];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof line, fmt, args);
	va_end(args);
	if (len >= (int)sizeof line)
		len = sizeof line - 1;
	if (len > 0 && write(fd, line, (size_t)len) < 0)
		return;         /* nobody listens: the status file tells as well */
}

/* ---- what the machine says ---- */

/* In an initramfs the root that will be has no /proc yet, and ours tells. */
static int open_boot_id(const char *root)
{
	char path[BOOT_PATH_MAX];
	int fd;

	snprintf(path, sizeof path, "%s%s", root, BOOT_ID_PATH);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 && errno == ENOENT ? open(BOOT_ID_PATH, O_RDONLY | O_CLOEXEC) : fd;
}

/* Zero when it cannot be read: then this boot counts, even when it was counted before. */
static void read_boot_id(uint8_t out[BOOT_ID_LEN], const char *root)
{
	char text[64], hex[BOOT_DIGEST_HEX_LEN + 1];
	uint8_t bytes[BOOT_DIGEST_LEN];
	size_t digits = 0;
	ssize_t n;
	int fd = open_boot_id(root);

	memset(out, 0, BOOT_ID_LEN);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof text);
	close(fd);
	memset(hex, '0', sizeof hex);
	for (ssize_t i = 0; i < n && digits < 2 * BOOT_ID_LEN; i++)
		if (text[i] != '-' && text[i] != '\n')
			hex[digits++] = text[i];
	if (digits == 2 * BOOT_ID_LEN && boot_digest_parse(bytes, hex, BOOT_DIGEST_HEX_LEN))
		memcpy(out, bytes, BOOT_ID_LEN);
}

/* ---- one channel ---- */

/* Several things may go wrong in one boot; all of them are told. */
static void add_trouble(struct boot_status *s, const char *text)
{
	size_t len = strlen(s->report);

	snprintf(s->report + len, sizeof s->report - len, "%s%s", len ? "; " : "", text);
}

static void fill(struct boot_status *s, const struct boot_record *r,
		 const struct boot_decision *d)
{
	s->mode = r->mode;
	s->rung = d->rung;
	memcpy(s->digest, d->digest, sizeof s->digest);
	s->trial = d->trial;
	s->tries_left = r->tries_left;
	s->reason = d->reason;
	s->left = d->left;
	s->left_for = d->left == RUNG_NONE ? BOOT_COUNTED : d->reason;
	memcpy(s->failed, d->failed, sizeof s->failed);
	s->late_failure = d->late_failure;
}

/* Counts and decides; the record is durable before this returns, or the trial is not run. */
static void decide(struct boot_status *s, int channel_dir)
{
	struct boot_report why = { "" }, slots = { "" };
	struct boot_decision d;
	struct boot_record r;
	enum boot_read got = boot_record_read(&r, channel_dir, &why);
	unsigned usable;

	if (got == BOOT_READ_ONE)
		add_trouble(s, why.text);
	if (got != BOOT_READ_OK && got != BOOT_READ_ONE) {
		if (got != BOOT_READ_MISSING)   /* which is no trouble, but a host before its first content */
			add_trouble(s, why.text);
		s->reason = BOOT_NO_RECORD;
		s->uncounted = got == BOOT_READ_FAILED;         /* it may be a good one, which the agent comes to read */
		return;
	}
	usable = boot_slots_usable(channel_dir, &r, &slots);
	if (*slots.text)
		add_trouble(s, slots.text);
	d = boot_decide(&r, s->boot_id, usable);
	if (d.write && boot_record_write(&r, channel_dir, &why) < 0) {
		add_trouble(s, why.text);
		d = boot_decide_unwritten(&r, &d, usable);
		s->uncounted = true;
	}
	fill(s, &r, &d);
}

/* A second run in the same boot must not hide from the agent what the first one saw. */
static void keep_step(struct boot_status *s, int run_dir)
{
	struct boot_status first;
	struct boot_report ignored;     /* a record that cannot be read tells of no step */

	if (s->reason != BOOT_SAME || boot_status_read(&first, run_dir, &ignored) != 1 ||
	    memcmp(first.boot_id, s->boot_id, BOOT_ID_LEN) != 0)
		return;
	s->left = first.left;
	s->left_for = first.left_for;
	memcpy(s->failed, first.failed, sizeof s->failed);
	s->late_failure = first.late_failure;
	s->uncounted = first.uncounted;
}

static void publish(struct boot_status *s, const char *root, const char *channel)
{
	struct boot_report why;
	int run_dir = boot_run_open(root, channel, true, &why);

	if (run_dir < 0) {
		add_trouble(s, why.text);
		return;
	}
	keep_step(s, run_dir);
	if (boot_link_set(run_dir, channel, s->digest, &why) < 0)
		add_trouble(s, why.text);
	if (boot_status_write(run_dir, s, &why) < 0)
		add_trouble(s, why.text);
	close(run_dir);
}

static void print_text(const char *channel, const struct boot_status *s)
{
	char hex[BOOT_DIGEST_HEX_LEN + 1] = "", failed[BOOT_DIGEST_HEX_LEN + 1], step[128] = "";

	boot_digest_hex(failed, s->failed);
	if (!boot_digest_empty(s->digest))
		boot_digest_hex(hex, s->digest);
	if (s->left != RUNG_NONE)
		snprintf(step, sizeof step, ", stepped down from %s %.12s%s",
			 boot_rung_name(s->left), failed,
			 s->late_failure ? ", a late failure" : "");
	say(STDOUT_FILENO, "%s: %s%s%.12s (%s, %s, %u tries left)%s%s%s%s\n", channel,
	    boot_rung_name(s->rung), *hex ? " " : "", hex, boot_mode_name(s->mode),
	    boot_reason_name(s->reason), s->tries_left, step,
	    s->uncounted ? ", this boot is not counted" : "", *s->report ? ": " : "", s->report);
}

static void print_json(const char *channel, const struct boot_status *s)
{
	char hex[BOOT_DIGEST_HEX_LEN + 1] = "", failed[BOOT_DIGEST_HEX_LEN + 1] = "";
	char report[2 * sizeof s->report], *to = report;

	if (!boot_digest_empty(s->digest))
		boot_digest_hex(hex, s->digest);
	if (!boot_digest_empty(s->failed))
		boot_digest_hex(failed, s->failed);
	for (const char *c = s->report; *c; c++) {
		if (*c == '"' || *c == '\\')
			*to++ = '\\';
		*to++ = *c >= 0x20 && *c < 0x7f ? *c : '?';
	}
	*to = '\0';
	say(STDOUT_FILENO,
		"{\"channel\":\"%s\",\"mode\":\"%s\",\"rung\":\"%s\",\"digest\":\"%s\",\"trial\":%s,"
		"\"tries_left\":%u,\"reason\":\"%s\",\"left\":\"%s\",\"failed\":\"%s\","
		"\"left_for\":\"%s\",\"late_failure\":%s,\"uncounted\":%s,\"report\":\"%s\"}\n",
		channel, boot_mode_name(s->mode), boot_rung_name(s->rung), hex,
		s->trial ? "true" : "false", s->tries_left, boot_reason_name(s->reason),
		boot_rung_name(s->left), failed,
		boot_reason_name(s->left_for), s->late_failure ? "true" : "false",
		s->uncounted ? "true" : "false", report);
}

static void guard_channel(const struct options *o, const char *channel,
			  const uint8_t boot_id[BOOT_ID_LEN])
{
	struct boot_status s = { .rung = RUNG_NONE, .left = RUNG_NONE };
	struct boot_report why;
	int channel_dir = boot_channel_open(o->root, channel, &why);

	memcpy(s.boot_id, boot_id, BOOT_ID_LEN);
	if (channel_dir < 0) {
		s.reason = BOOT_NO_RECORD;
		s.uncounted = true;
		add_trouble(&s, why.text);
	} else {
		decide(&s, channel_dir);
		close(channel_dir);
	}
	publish(&s, o->root, channel);
	if (o->json)
		print_json(channel, &s);
	else
		print_text(channel, &s);
}

/* ---- all channels ---- */

static void guard_all(const struct options *o)
{
	static char entries[32768] __attribute__((aligned(__alignof__(struct dirent64))));
	uint8_t boot_id[BOOT_ID_LEN];
	char path[BOOT_PATH_MAX];
	ssize_t n;
	int fd;

	read_boot_id(boot_id, o->root);
	snprintf(path, sizeof path, "%s%s", o->root, BOOT_CHANNELS_DIR);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		say(STDERR_FILENO, "ringhold-bootguard: %s: %s\n", path, strerror(errno));
		return;
	}
	while ((n = getdents64(fd, entries, sizeof entries)) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *entry = (const void *)(entries + at);

			if (boot_channel_valid(entry->d_name))
				guard_channel(o, entry->d_name, boot_id);
			at += entry->d_reclen;
		}
	if (n < 0)
		say(STDERR_FILENO, "ringhold-bootguard: %s: %s\n", path, strerror(errno));
	close(fd);
}

static int parse(struct options *o, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json"))
			o->json = true;
		else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			o->help = true;
		else if (!strcmp(argv[i], "--version"))
			o->version = true;
		else if (!strcmp(argv[i], "--root") && i + 1 < argc)
			o->root = argv[++i];
		else if (!strncmp(argv[i], "--root=", 7))
			o->root = argv[i] + 7;
		else
			return i;
	}
	if (!strcmp(o->root, "/"))
		o->root = "";
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .root = "" };
	int bad = parse(&o, argc, argv);

	if (bad) {
		say(STDERR_FILENO, "ringhold-bootguard: %s: wrong use; see --help\n", argv[bad]);
		return 2;
	}
	if (strlen(o.root) > BOOT_PATH_MAX / 2) {
		say(STDERR_FILENO, "ringhold-bootguard: --root: longer than %d bytes\n",
			BOOT_PATH_MAX / 2);
		return 2;
	}
	if (o.help)
		say(STDOUT_FILENO, "%s", usage);
	else if (o.version)
		say(STDOUT_FILENO, "ringhold-bootguard %s\n", VERSION);
	else
		guard_all(&o);
	return 0;
}
