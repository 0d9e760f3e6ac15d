/* machine: a root directory that boots, for tests of this room. */
#ifndef TESTS_BOOT_MACHINE_H
#define TESTS_BOOT_MACHINE_H

#include "boot/ladder.h"
#include "boot/link.h"
#include "boot/status.h"
#include "tests/shell.h"

static char root[] = "/tmp/test_machine.XXXXXX";

static inline const char *machine_path(const char *beneath)
{
	static char paths[4][512];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", root, beneath);
	return path;
}

/* 64 hex digits for a letter: "41" for 'A' again and again, as its digest has them. */
static inline const char *machine_hex(char letter)
{
	static char hex[4][BOOT_DIGEST_HEX_LEN + 1];
	static int turn;
	uint8_t digest[BOOT_DIGEST_LEN];
	char *out = hex[turn++ % 4];

	memset(digest, letter, sizeof digest);
	boot_digest_hex(out, digest);
	return out;
}

/* The record as given, a slot with a file "name" for every digest in it. */
static inline void machine_install(const char *channel, struct boot_record *r)
{
	struct boot_report why;
	int dir;

	shell_must("mkdir -p %s/var/lib/ringhold/channels/%s/slots"
		   " %s/proc/sys/kernel/random", root, channel, root);
	for (int i = 0; i < BOOT_DIGESTS; i++)
		if (!boot_digest_empty(r->digest[i]))
			shell_must("d=%s/var/lib/ringhold/channels/%s/slots/%s;"
				   "mkdir -p $d && echo %c >$d/name", root, channel,
				   machine_hex((char)r->digest[i][0]),
				   (char)r->digest[i][0]);
	dir = boot_channel_open(root, channel, &why);
	assert_true(dir >= 0);
	shell_must("rm -f %s/var/lib/ringhold/channels/%s/boot", root, channel);
	r->seq = 0;
	if (boot_record_write(r, dir, &why) < 0)
		fail_msg("%s", why.text);
	close(dir);
}

/* "TCPB": trial, current, previous, baseline; a blank is empty. */
static inline struct boot_record machine_record(enum boot_mode mode, enum boot_rung rung,
						const char *digests)
{
	struct boot_record r;

	boot_record_init(&r);
	r.mode = (uint8_t)mode;
	r.rung = (uint8_t)rung;
	for (int i = 0; i < BOOT_DIGESTS; i++)
		memset(r.digest[i], digests[i] == ' ' ? 0 : digests[i], BOOT_DIGEST_LEN);
	r.tries_left = rung < RUNG_NONE ? r.tries[rung] : 0;
	return r;
}

/* What a reader of `current` finds: the letter in its file, '-' without a link, '?' when it dangles. */
static inline char machine_runs(const char *channel)
{
	char path[600], letter = '?';
	FILE *f;

	snprintf(path, sizeof path, "%s/run/ringhold/%s/current", root, channel);
	if (readlink(path, &letter, 1) < 0)
		return '-';
	snprintf(path, sizeof path, "%s/run/ringhold/%s/current/name", root, channel);
	f = fopen(path, "r");
	if (!f)
		return '?';
	letter = (char)fgetc(f);
	fclose(f);
	return letter;
}

static inline struct boot_status machine_status(const char *channel)
{
	struct boot_status s = { 0 };
	struct boot_report why;
	int dir = boot_run_open(root, channel, false, &why);

	assert_true(dir >= 0);
	if (boot_status_read(&s, dir, &why) != 1)
		fail_msg("%s", why.text);
	close(dir);
	return s;
}

static inline struct boot_record machine_read(const char *channel)
{
	struct boot_record r = { 0 };
	struct boot_report why;
	int dir = boot_channel_open(root, channel, &why);
	enum boot_read got = boot_record_read(&r, dir, &why);

	assert_true(got == BOOT_READ_OK || got == BOOT_READ_ONE);
	close(dir);
	return r;
}

#endif
