/* story: what the stories of this folder have in common: a host with content, and the machine it becomes. */
#ifndef TESTS_VM_STORY_H
#define TESTS_VM_STORY_H

#include "agent/endpoint.h"
#include "vm.h"

static inline void vm_report_free(struct vm_report *r)
{
	if (!r)
		return;
	vm_report_release(r);
	free(r);
}

AUTO_DEFINE(vm_report, struct vm_report *, vm_report_free);

#define story_needs_a_machine()                                 \
	do {                                                    \
		const char *missing_ = vm_missing();            \
		if (missing_)                                   \
			skip_missing_program(missing_);         \
	} while (0)

/* One good bundle, committed; the sensor is this process until the machine boots. */
static inline struct published story_settled(struct endpoint *p, const char *dir, uint64_t serial)
{
	struct published one = endpoint_bundle(p, dir, serial, NULL);

	endpoint_assign(p, &one, NULL, 1, 30, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the first bundle is committed", endpoint_runs_committed, &one, 1000);
	return one;
}

static inline bool story_is_active(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_ACTIVE && digest_equal(&s->running, &((const struct published *)arg)->digest);
}

/* A second bundle, on trial and healthy as long as nobody boots. Then the power goes. */
static inline struct published story_on_trial(struct endpoint *p, const char *dir, uint64_t serial, const struct published *before)
{
	struct published two = endpoint_bundle(p, dir, serial, NULL);

	endpoint_assign(p, &two, before, 1, 100000, 1);
	endpoint_until(p, "the trial runs", story_is_active, &two, 1000);
	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	return two;
}

static inline const char *story_bin(const struct endpoint *p)
{
	static char bin[512];

	snprintf(bin, sizeof bin, "%.*s", (int)(strrchr(p->bin, '/') - p->bin), p->bin);
	return bin;
}

static inline struct vm_report *story_boots(struct endpoint *p, const char *options, unsigned most)
{
	struct vm_report *r = calloc(1, sizeof *r);
	char disk[200];
	const struct vm_boot b = { .disk = disk, .options = options, .most = most };
	struct err e;

	assert_non_null(r);
	snprintf(disk, sizeof disk, "%s/disk.img", p->dir);
	assert_ok(vm_disk(p->root, story_bin(p), NULL, disk, &e));
	assert_ok(vm_run(&b, r, &e));
	return r;
}

static inline void story_print(const struct vm_report *r)
{
	const char *text = r->serial && r->serial->data ? r->serial->data : "";
	size_t len = strlen(text);

	fprintf(stderr, "%u boots, %u panics, content %s; it ends with:\n%s\n", r->boots, r->panics, r->content, text + (len > 4000 ? len - 4000 : 0));
}

static inline void story_expect(const struct vm_report *r, enum vm_verdict verdict, const struct published *content)
{
	char hex[DIGEST_HEX_LEN + 1] = "none";

	if (content)
		digest_hex(hex, &content->digest);
	if (r->verdict == verdict && strcmp(r->content, hex) == 0)
		return;
	story_print(r);
	if (r->verdict != verdict)
		fail_msg("the machine is %s, not %s", vm_verdict_name(r->verdict), vm_verdict_name(verdict));
	fail_msg("wrong content: %s runs, not %s", r->content, hex);
}

static inline void story_tells(const struct vm_report *r, const char *what)
{
	if (r->serial && r->serial->data && strstr(r->serial->data, what))
		return;
	story_print(r);
	fail_msg("it does not tell of \"%s\"", what);
}

#endif
