/* endpoint_boot: power cuts and boots of one host: the real guard, as the sensor finds things afterwards. */
#ifndef TESTS_AGENT_ENDPOINT_BOOT_H
#define TESTS_AGENT_ENDPOINT_BOOT_H

#include "endpoint.h"
#include "shell.h"

/* Beneath a shell prefix, such as strace. */
static inline void the_guard_runs_under(struct endpoint *p, const char *prefix, const char *boot_id)
{
	endpoint_write(p, "/proc/sys/kernel/random/boot_id", boot_id, 0644);
	shell_must("%s%s --root %s", prefix, endpoint_program(p, "ringhold-bootguard"), p->root);
}

static inline void the_guard_runs(struct endpoint *p, const char *boot_id)
{
	the_guard_runs_under(p, "", boot_id);
}

/* As the next boot finds it: /run is empty, and the sensor's link with it. */
static inline void power_is_cut(struct endpoint *p)
{
	endpoint_agent_end(p, SIGKILL);
	endpoint_sensor_stop(p);
	shell_must("rm -rf %s/run", p->root);
}

static inline bool linked_to(struct endpoint *p, const struct published *b)
{
	uint8_t digest[BOOT_DIGEST_LEN];
	struct boot_report why;
	int dir = boot_run_open(p->root, "edr", false, &why);
	bool same = boot_link_get(dir, digest, &why) == 1 && !memcmp(digest, b->digest.bytes, sizeof digest);

	close(dir);
	return same;
}

#endif
