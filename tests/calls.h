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

#define CALLS_STRACE "/usr/bin/strace"
#define CALLS_MAX 4096
/* Whatever changes a disk, and whatever opens and closes. */
#define CALLS_NAMES "openat,close,write,pwrite64,ftruncate,fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,symlinkat," \
		    "unlink,unlinkat,rmdir,mkdir,mkdirat,fchmod"

struct call {
	char name[16];
	unsigned when;          /* its number among all calls of this name */
	char text[80];          /* for people: what it was about */
	char stage[16];         /* the program's log had said "... -> stage" */
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

/* What a call names, without the directory: the last path of the line. */
static inline void calls_text(char *out, size_t cap, const char *line, const char *dir)
{
	const char *at = line, *last = NULL;

	while ((at = strstr(at, dir)))
		last = at += strlen(dir);
	snprintf(out, cap, "%.*s", last ? (int)strcspn(last, "\n") : 0, last ? last : "");
}

/* A line of the program's own log that tells of a step: "idle -> fetching: ...". */
static inline void calls_stage(char stage[16], const char *line)
{
	const char *at = !strncmp(line, "write(2<", 8) ? strstr(line, " -> ") : NULL;

	if (at)
		snprintf(stage, 16, "%.*s", (int)strspn(at + 4, "abcdefghijklmnopqrstuvwxyz"), at + 4);
}

static inline bool calls_alike(const struct call *a, const struct call *b)
{
	return !strcmp(a->name, b->name) && !strcmp(a->text, b->text) && !strcmp(a->stage, b->stage);
}

/*
 * trace: of strace -y. most: how many calls of one name about one thing count
 * in one stage (0: all); what is looked at again and again fails so often.
 * False: unreadable, or more than there is room for.
 */
static inline bool calls_read(struct calls *out, const char *trace, const char *dir, unsigned most)
{
	FILE *f = fopen(trace, "r");
	static char line[8192];
	char stage[16] = "start";

	out->count = 0;
	calls_number(NULL);
	while (f && fgets(line, sizeof line, f)) {
		size_t len = strcspn(line, "("), same = 0;
		struct call c = { .when = 0 };

		calls_stage(stage, line);
		if (len >= sizeof c.name || !line[len] || strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789_") != len)
			continue;
		memcpy(c.name, line, len);
		c.when = calls_number(c.name);
		if (!strstr(line, dir) || out->count == CALLS_MAX)
			continue;
		memcpy(c.stage, stage, sizeof c.stage);
		calls_text(c.text, sizeof c.text, line, dir);
		for (size_t i = 0; i < out->count; i++)
			same += calls_alike(&out->list[i], &c);
		if (!most || same < most)
			out->list[out->count++] = c;
	}
	if (f)
		fclose(f);
	return f && out->count;
}

#endif
