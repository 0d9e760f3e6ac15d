/*
 * test_small_machine: an archive of 100 MB on a machine with 256 MB, most of
 * which are taken: the real agent downloads, unpacks, checks, tries and commits
 * it, where a process that holds as much in memory is killed.
 */
#include <time.h>

#include "agent/endpoint_content.h"
#include "story.h"

#define ARCHIVE_BYTES ((size_t)100000000)
#define OCCUPIED "rh.occupy=100"
#define CPU_S 1500

/* The machine has no network: what is published goes with its disk. */
static void take_along(struct endpoint *p)
{
	endpoint_write(p, "/etc/ringhold/agent.ini",
		       "[agent]\ncontent-url = file:///mirror\nattributes = ring=canary\npoll = 5s\nboot-ok = 5s\n"
		       "[channel edr]\nsensor-wait = 120s\n", 0644);
	shell_must("cp -r %s %s/mirror", p->repo, p->root);
}

static void an_archive_of_100_mb_is_committed_on_a_machine_with_256(void **state)
{
	struct endpoint *p = *state;
	struct published good, big;
	char clock[32], now[80], hex[DIGEST_HEX_LEN + 1];
	AUTO(vm_report) struct vm_report *r = NULL;
	time_t later;
	struct tm tm;

	story_needs_a_machine();
	good = story_committed(p, STORY_GOOD, 110, NULL);
	endpoint_agent_end(p, SIGTERM);
	big = endpoint_bundle(p, endpoint_content(p, 0, ARCHIVE_BYTES), 111, NULL);
	assert_true(big.size > ARCHIVE_BYTES);
	endpoint_assign(p, &big, &good, 1, 5, 0);
	take_along(p);
	later = (time_t)clock_now() + 60;       /* this host's clock was moved on */
	strftime(clock, sizeof clock, "%Y-%m-%dT%H:%M:%S", gmtime_r(&later, &tm));
	struct vm_boot how = { .disk = story_power_off(p, NULL), .options = OCCUPIED, .clock = clock, .most = 1, .cpu_s = CPU_S };

	r = story_boots(&how, VM_HEALTHY, &good);       /* as it booted */
	story_tells(r, "vm: who holds 100 MB is killed");
	digest_hex(hex, &big.digest);
	snprintf(now, sizeof now, "vm: now %s", hex);
	story_tells(r, now);
	story_tells(r, "fetched");
	story_tells(r, "survived");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_archive_of_100_mb_is_committed_on_a_machine_with_256, endpoint_setup, endpoint_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
