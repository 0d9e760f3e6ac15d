/* story: what the stories of this folder have in common: a host with content, and the machine it becomes. */
#ifndef TESTS_VM_STORY_H
#define TESTS_VM_STORY_H

#include "agent/endpoint.h"
#include "shell.h"
#include "vm.h"

static inline void vm_report_free(struct vm_report *r)
{
	if (!r)
		return;
	vm_report_release(r);
	free(r);
}

AUTO_DEFINE(vm_report, struct vm_report *, vm_report_free);

#define STORY_GOOD "deploy/demo/edr-good"
#define STORY_BOMB "deploy/demo/edr-bootbomb"           /* kills a machine that boots, from its first day */

#define story_needs_a_machine()                                 \
	do {                                                    \
		const char *missing_ = vm_missing();            \
		if (missing_)                                   \
			skip_missing_program(missing_);         \
	} while (0)

/* One of the modules that pieces.sh made ready; NULL when it could not. */
static inline const char *story_module(const char *name)
{
	static char paths[4][64];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof paths[0], "build/vm/modules/%s.ko", name);
	return access(path, R_OK) == 0 ? path : NULL;
}

/* ---- the host, before it is a machine ---- */

/* A directory like STORY_BOMB, its bomb of another kind: "late-bomb-0001". */
static inline const char *story_bomb_of_kind(const struct endpoint *p, const char *id)
{
	static char dir[200];

	snprintf(dir, sizeof dir, "%s/%s", p->dir, id);
	shell_must("cp -r " STORY_BOMB " %s && sed -i s/boot-bomb-0001/%s/ %s/rules/process.json %s/selftest/process.ndjson", dir, id, dir, dir);
	return dir;
}

/* A bundle, tried for a moment and committed; the sensor is this process until the machine boots. */
static inline struct published story_committed(struct endpoint *p, const char *dir, uint64_t serial, const struct published *before)
{
	struct published b = endpoint_bundle(p, dir, serial, NULL);

	endpoint_assign(p, &b, before, 1, 30, 0);
	if (!p->sensor_up)
		endpoint_sensor_start(p);
	if (p->agent <= 0)
		endpoint_agent_start(p);
	endpoint_until(p, "the bundle is committed", endpoint_runs_committed, &b, 1000);
	return b;
}

static inline bool story_is_active(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &((const struct published *)arg)->digest);
}

/* A bundle on trial, healthy as long as nobody boots. */
static inline struct published story_on_trial(struct endpoint *p, const char *dir, uint64_t serial, const struct published *before)
{
	struct published b = endpoint_bundle(p, dir, serial, NULL);

	endpoint_assign(p, &b, before, 1, 100000, 1);
	endpoint_until(p, "the trial runs", story_is_active, &b, 1000);
	return b;
}

/* ---- the machine ---- */

static inline const char *story_bin(const struct endpoint *p)
{
	static char bin[512];

	snprintf(bin, sizeof bin, "%.*s", (int)(strrchr(p->bin, '/') - p->bin), p->bin);
	return bin;
}

/* The power goes; what is on the host's disk becomes the machine's. extra: as vm_disk(). */
static inline const char *story_power_off(struct endpoint *p, const char *extra)
{
	static char disk[200];
	struct err e;

	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	snprintf(disk, sizeof disk, "%s/disk.img", p->dir);
	assert_ok(vm_disk(p->root, story_bin(p), extra, disk, &e));
	return disk;
}

static inline void story_print(const struct vm_report *r)
{
	const char *text = r->serial && r->serial->data ? r->serial->data : "";
	size_t len = strlen(text);

	fprintf(stderr, "%u boots, %u panics, content %s; it ends with:\n%s\n", r->boots, r->panics, r->content, text + (len > 4000 ? len - 4000 : 0));
}

/* Boots until it is off; it must end as `verdict` says, on that content (NULL: none). */
static inline struct vm_report *story_boots(const struct vm_boot *how, enum vm_verdict verdict, const struct published *content)
{
	struct vm_report *r = calloc(1, sizeof *r);
	char hex[DIGEST_HEX_LEN + 1] = "none";
	struct vm_boot b = *how;
	struct err e;

	assert_non_null(r);
	if (content)
		digest_hex(hex, &content->digest);
	b.content = hex;
	assert_ok(vm_run(&b, r, &e));
	if (r->verdict != verdict || strcmp(r->content, hex) != 0) {
		story_print(r);
		fail_msg("the machine is %s, not %s; %s runs, not %s", vm_verdict_name(r->verdict), vm_verdict_name(verdict), r->content, hex);
	}
	return r;
}

static inline void story_tells(const struct vm_report *r, const char *what)
{
	if (r->serial && r->serial->data && strstr(r->serial->data, what))
		return;
	story_print(r);
	fail_msg("it does not tell of \"%s\"", what);
}

/* In a line of the host's own history: the console shows the words of the kernel, too. */
static inline void story_reports(const struct vm_report *r, const char *what)
{
	const char *at = r->serial && r->serial->data ? r->serial->data : "";

	while ((at = strstr(at, "vm: history "))) {
		const char *found = strstr(at, what);

		if (found && found < at + strcspn(at, "\n"))
			return;
		at++;
	}
	story_print(r);
	fail_msg("no line of its history tells of \"%s\"", what);
}

/* ... of exactly this bundle. */
static inline void story_reports_of(const struct vm_report *r, const char *kind, const struct published *b)
{
	char line[DIGEST_HEX_LEN + 40], hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &b->digest);
	snprintf(line, sizeof line, "%s  %.12s", kind, hex);
	story_reports(r, line);
}

#endif
