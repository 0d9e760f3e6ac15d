/*
 * calls: the system calls that a program makes on files below one directory,
 * in their order, from a trace; and the option that makes one of them fail.
 * The loader of programs asks the disk as well: its calls are not counted in,
 * but do count where strace counts.
 */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/shell.h"

#define CALLS_STRACE "/usr/bin/strace"
#define CALLS_MAX 4096
/* Whatever changes a disk, and whatever opens and closes. */
#define CALLS_CHANGE "openat,close,write,pwrite64,ftruncate,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,symlinkat," \
		     "unlink,unlinkat,rmdir,mkdir,mkdirat,fchmod,fchmodat,fchown,fchownat"
/* Whatever asks it for something that it has. */
#define CALLS_READ "read,pread64,getdents64,readlink,readlinkat,newfstatat"
#define CALLS_NAMES CALLS_CHANGE "," CALLS_READ

/* Skips a test where there is no strace, or it may trace nothing. */
#define NEED_STRACE()                                                             \
	do {                                                                      \
		if (access(CALLS_STRACE, X_OK) < 0)                               \
			skip_missing_program("strace");                           \
		if (!shell_ok(CALLS_STRACE " -qq -o /dev/null true 2>/dev/null")) \
			skip_named("strace cannot trace here");                   \
	} while (0)

struct call {
	char name[16];
	unsigned when;          /* its number among all calls of this name */
	bool looks;             /* it changed nothing, and had no need of space */
	char text[256];         /* what it was about: the path, and the name in it */
	char stage[16];         /* the program's log had said "... -> stage"; "start", "up": nothing yet */
	unsigned synced;        /* how many syncs there were before it, in this stage */
};

struct calls {
	struct call list[CALLS_MAX];
	size_t count;
};

/* One more of this name; its number. */
static inline unsigned calls_number(const char *name)
{
	static struct { char name[16]; unsigned n; } seen[64];

	if (!name) {
		memset(seen, 0, sizeof seen);
		return 0;
	}
	for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
		if (!*seen[i].name)
			snprintf(seen[i].name, sizeof seen[i].name, "%s", name);
		if (!strcmp(seen[i].name, name))
			return ++seen[i].n;
	}
	return 0;
}

/* NAME stands in a list of names with commas between them. */
static inline bool calls_listed(const char *list, const char *name)
{
	for (const char *at = list; (at = strstr(at, name)); at += strlen(name))
		if ((at == list || at[-1] == ',') && strchr(",", at[strlen(name)]))
			return true;
	return false;
}

static inline bool calls_syncs(const char *name)
{
	return !strcmp(name, "fsync") || !strcmp(name, "fdatasync") || !strcmp(name, "syncfs");
}

static inline bool calls_looks(const char *name, const char *line)
{
	return calls_listed(CALLS_READ, name) || !strcmp(name, "close") || (!strcmp(name, "openat") && !strstr(line, "O_CREAT"));
}

/* What a call names, without the directory: the last path of the line, and the name that follows it; not what is read or written. */
static inline void calls_text(char *out, size_t cap, const char *name, const char *line, const char *dir)
{
	const char *at = line, *last = NULL;
	size_t len;

	while ((at = strstr(at, dir)))
		last = at += strlen(dir);
	if (!last)
		last = "";
	len = strcspn(last, ">\"\n");
	len += last[len] == '>';
	if (!strncmp(last + len, ", \"", 3) && !strstr(name, "read") && !strstr(name, "write")) {
		len += 3 + strcspn(last + len + 3, "\"\n");
		len += last[len] == '"';
	}
	snprintf(out, cap, "%.*s", (int)len, last);
}

/* A line of the program's own log that tells of a step: "idle -> fetching: ...", or that it "is up". */
static inline bool calls_stage(char stage[16], const char *line)
{
	const char *at = !strncmp(line, "write(2<", 8) ? strstr(line, " -> ") : NULL;

	if (at)
		snprintf(stage, 16, "%.*s", (int)strspn(at + 4, "abcdefghijklmnopqrstuvwxyz"), at + 4);
	else if (!strncmp(line, "write(2<", 8) && strstr(line, " is up, "))
		at = strcpy(stage, "up");
	return at;
}

static inline bool calls_alike(const struct call *a, const struct call *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->text, b->text) && !strcmp(a->stage, b->stage) && (a->looks || a->synced == b->synced);
}

/*
 * trace: of strace -y. most: how many calls of one name about one thing count
 * (0: all): of those that look, in one stage; of the others, between two syncs.
 * False: unreadable, or more than there is room for.
 */
static inline bool calls_read(struct calls *out, const char *trace, const char *dir, unsigned most)
{
	FILE *f = fopen(trace, "r");
	static char line[8192];
	char stage[16] = "start";
	unsigned synced = 0;

	out->count = 0;
	calls_number(NULL);
	while (f && fgets(line, sizeof line, f)) {
		size_t len = strcspn(line, "("), same = 0;
		struct call c = { .when = 0 };

		if (calls_stage(stage, line))
			synced = 0;
		if (len >= sizeof c.name || !line[len] || strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
			continue;
		memcpy(c.name, line, len);
		c.when = calls_number(c.name);
		if (!strstr(line, dir))
			continue;
		c.looks = calls_looks(c.name, line);
		c.synced = synced;
		synced += calls_syncs(c.name);
		memcpy(c.stage, stage, sizeof c.stage);
		calls_text(c.text, sizeof c.text, c.name, line, dir);
		for (size_t i = 0; i < out->count; i++)
			same += calls_alike(&out->list[i], &c);
		if (most && same >= most)
			continue;
		if (out->count == CALLS_MAX) {
			fclose(f);
			return false;
		}
		out->list[out->count++] = c;
	}
	if (f)
		fclose(f);
	return f && out->count;
}

#endif
