/* stories: what the demo tells and the system tests assert. */
#include "stories.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "takeover.h"
#include "watch.h"

#define CANARIES 4      /* machines 0..3 are the canary ring: world_populate() */

/* Content that the stories publish, in order of serial. */
static struct bundle_made good, fields21, bootbomb, better;

static int reboot_those_on_trial(struct world *w, struct watch *look, struct err *e)
{
	for (size_t i = 0; i < w->machine_count; i++) {
		struct machine *m = &w->machines[i];

		if (m->state != MACHINE_UP || m->rebooted_for == look->bundle->serial ||
		    !watch_phase_is(look, m, "ACTIVE"))
			continue;
		m->rebooted_for = look->bundle->serial;
		if (machine_reboot(m, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- (a) ---- */

/* A hold that does not end by itself. Endpoints that announced their reboot are away: such a hold ends when they are back. */
static bool needs_a_person(const struct watch_ring *ring)
{
	return !strcmp(ring->state, "held") && strcmp(ring->cause, "left-out") != 0;
}

/* Says each change of a ring's state once; positive when every ring passed. */
static int rings_passed(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0 || reboot_those_on_trial(w, look, e) < 0)
		return e->code;
	for (size_t i = 0; i < look->ring_count; i++)
		if (!strcmp(look->rings[i].state, "halted") || needs_a_person(&look->rings[i]))
			return err_set(e, ERR_REFUSED, "ring %s is %s: %s", look->rings[i].ring,
				       look->rings[i].state, look->rings[i].sentence);
	return look->ring_count == 3 && watch_all_rings(look, "passed");
}

static int expect_everywhere(struct world *w, const struct digest *d, struct err *e)
{
	for (size_t i = 0; i < w->machine_count; i++)
		if (!machine_runs(&w->machines[i], w, d))
			return err_set(e, ERR_CONFLICT, "%s does not run the expected content", w->machines[i].name);
	return 0;
}

static int good_content_passes_every_ring(struct world *w, struct err *e)
{
	struct watch look = { .bundle = &good };

	if (bundle_make(&good, w, "deploy/demo/edr-good", 100, e) < 0 || bundle_publish(&good, w, e) < 0)
		return e->code;
	world_say(w, "serial 100 is checked, signed and published; the canary ring may ask for permits");
	if (world_until(w, true, "serial 100 passed canary, early and broad", rings_passed, &look, e) < 0)
		return e->code;
	for (size_t i = 0; i < look.ring_count; i++)
		if (strcmp(look.rings[i].cause, "coverage") != 0)
			return err_set(e, ERR_CONFLICT, "ring %s passed by %s, not by coverage", look.rings[i].ring,
				       look.rings[i].cause);
	world_say(w, "all %zu endpoints rebooted once and run serial 100", w->machine_count);
	return expect_everywhere(w, &good.digest, e);
}

/* ---- one bad rule ---- */

#define BAD_RULE "ipc-0001"

/* Every canary says that it leaves out what its ring's assignment does: `rules` of them. */
static int canaries_follow(struct world *w, void *arg, struct err *e)
{
	__attribute__((cleanup(world_reply_release))) struct world_reply a = { NULL, NULL };
	const struct json *rings, *canary;
	int64_t rules, devices, following;

	if (world_get(w, "/v1/channels/edr/drops", &a, e) < 0)
		return e->code;
	rings = json_get(a.doc->root, "rings");
	canary = rings && rings->type == JSON_ARRAY && rings->count == 3 ? &rings->u.items[0] : NULL;
	if (!canary || !json_to_int(json_get(canary, "rules"), &rules) || !json_to_int(json_get(canary, "devices"), &devices) ||
	    !json_to_int(json_get(canary, "following"), &following))
		return err_set(e, ERR_FORMAT, "the list of rules left out names no rings");
	return rules == *(const int *)arg && devices == CANARIES && following == CANARIES;
}

static int drop(struct world *w, const char *undo, struct err *e)
{
	AUTO_FREE char *home = file_join(w->dir, "server");

	if (!home)
		return err_memory(e);
	return world_expect(w, 0, NULL, e, "ringhold", "rollout", "drop", "edr", BAD_RULE, "--reason", "false positives", "--home", home, undo, NULL);
}

static int a_bad_rule_leaves_and_comes_back_without_a_bundle(struct world *w, struct err *e)
{
	int one = 1, none = 0;

	if (drop(w, NULL, e) < 0)
		return e->code;
	if (world_until(w, true, "every canary leaves " BAD_RULE " out", canaries_follow, &one, e) < 0)
		return e->code;
	world_say(w, "all canaries left " BAD_RULE " out of the content they run; later rings wait for a person's signature");
	if (drop(w, "--undo", e) < 0 || world_until(w, true, "every canary loads " BAD_RULE " again", canaries_follow, &none, e) < 0)
		return e->code;
	return expect_everywhere(w, &good.digest, e);
}

/* ---- (b) ---- */

static int twenty_one_fields_are_refused_at_publish(struct world *w, struct err *e)
{
	static const char *const named[] = { "rules/ipc.json", "field 21", "ringhold-sensor 7.11" };
	AUTO(buf) struct buf *said = NULL;

	if (bundle_make(&fields21, w, "deploy/demo/edr-21", 101, e) < 0 ||
	    bundle_refused(&fields21, w, &said, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(named); i++)
		if (!strstr(said->data, named[i]))
			return err_set(e, ERR_CONFLICT, "the refusal does not name %s: %.300s", named[i], said->data);
	world_say(w, "refused: %.400s", said->data);
	return 0;
}

/* ---- (c) ---- */

static int everybody_declined(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0)
		return e->code;
	return look->declined == w->machine_count;
}

static int every_agent_refuses_what_bypassed_the_server(struct world *w, struct err *e)
{
	struct watch look = { .bundle = &fields21 };

	world_say(w, "server, promoter and vendor are taken over: every key they have signs serial 101 for all rings");
	if (world_server_stop(w, SIGTERM, e) < 0 || takeover_assign_everywhere(w, &fields21, e) < 0 ||
	    world_server_start(w, e) < 0)
		return e->code;
	if (world_until(w, true, "all endpoints declined serial 101", everybody_declined, &look, e) < 0)
		return e->code;
	world_say(w, "%zu of %zu declined: %s", look.declined, w->machine_count, look.said);
	if (!strstr(look.said, "field 21") || !strstr(look.said, "ringhold-sensor 7.11"))
		return err_set(e, ERR_CONFLICT, "the agents do not say why: %s", look.said);
	for (size_t i = 0; i < w->machine_count; i++)
		if (machine_ever_ran(&w->machines[i], &fields21.digest) ||
		    watch_history_holds(w, &w->machines[i], &fields21, "canar", e) != 0)
			return err_set(e, ERR_CONFLICT, "%s: serial 101 came as far as the canary", w->machines[i].name);
	return expect_everywhere(w, &good.digest, e);
}

/* ---- (d) ---- */

/*
 * Each agent is held still once it says that it runs the bundle on trial: a
 * slow endpoint would else find the others committed before it could reboot.
 */
static int canaries_are_held_on_trial(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;
	size_t held = 0;

	if (watch_refresh(look, w, e) < 0)
		return e->code;
	for (size_t i = 0; i < CANARIES; i++) {
		struct machine *m = &w->machines[i];

		if (m->state == MACHINE_UP && watch_phase_is(look, m, "ACTIVE") && machine_freeze(m, e) < 0)
			return e->code;
		held += m->state == MACHINE_FROZEN;
	}
	return held == CANARIES;
}

static int canary_halted_and_back(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0)
		return e->code;
	if (!watch_ring_is(look, "canary", "halted") && !watch_ring_is(look, "canary", "rolled-back"))
		return 0;
	for (size_t i = 0; i < CANARIES; i++)
		if (w->machines[i].state != MACHINE_UP || !machine_runs(&w->machines[i], w, &good.digest))
			return 0;
	return look->failed == CANARIES;
}

static int a_boot_loop_is_reverted_by_the_machine_and_halts(struct world *w, struct err *e)
{
	struct watch look = { .bundle = &bootbomb };
	unsigned panics = 0;

	if (bundle_make(&bootbomb, w, "deploy/demo/edr-bootbomb", 102, e) < 0 || bundle_publish(&bootbomb, w, e) < 0)
		return e->code;
	world_say(w, "serial 102 passed every check: its defect shows only when a sensor loads it at boot");
	if (world_until(w, true, "the canary endpoints run serial 102 on trial", canaries_are_held_on_trial, &look, e) < 0)
		return e->code;
	world_say(w, "four canary endpoints run it, healthy so far; now they reboot");
	for (size_t i = 0; i < CANARIES; i++)
		if (machine_reboot(&w->machines[i], e) < 0)
			return e->code;
	if (world_until(w, true, "the canaries are back on serial 100 and the rollout is halted", canary_halted_and_back,
			&look, e) < 0)
		return e->code;
	for (size_t i = 0; i < CANARIES; i++)
		panics += w->machines[i].panics;
	world_say(w, "%u panics on 4 machines; each boot guard went back to serial 100 by itself", panics);
	world_say(w, "canary is %s: %s", watch_ring_state(&look, "canary"), watch_ring_sentence(&look, "canary"));
	for (size_t i = 0; i < CANARIES; i++)
		if (w->machines[i].panics == 0 || w->machines[i].panics > 2)
			return err_set(e, ERR_CONFLICT, "%s panicked %u times; a trial has two tries", w->machines[i].name,
				       w->machines[i].panics);
	for (size_t i = CANARIES; i < w->machine_count; i++)
		if (machine_holds(&w->machines[i], w, &bootbomb.digest) || machine_ever_ran(&w->machines[i], &bootbomb.digest))
			return err_set(e, ERR_CONFLICT, "%s got serial 102 although canary failed", w->machines[i].name);
	return expect_everywhere(w, &good.digest, e);
}

/* ---- (e) ---- */

static int first_canary_on_trial(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0)
		return e->code;
	return watch_phase_is(look, &w->machines[0], "ACTIVE");
}

static int canary_is_held(struct world *w, void *arg, struct err *e)
{
	struct watch *look = arg;

	if (watch_refresh(look, w, e) < 0 || reboot_those_on_trial(w, look, e) < 0)
		return e->code;
	return look->lost == 1 && watch_ring_is(look, "canary", "held");
}

static int a_silent_endpoint_counts_as_lost_and_holds(struct world *w, struct err *e)
{
	struct watch look = { .bundle = &better };

	if (bundle_make(&better, w, "deploy/demo/edr-good", 103, e) < 0 || bundle_publish(&better, w, e) < 0)
		return e->code;
	if (world_until(w, true, "the first canary endpoint runs serial 103", first_canary_on_trial, &look, e) < 0)
		return e->code;
	world_say(w, "%s took serial 103 and goes silent (SIGSTOP)", w->machines[0].name);
	if (machine_freeze(&w->machines[0], e) < 0)
		return e->code;
	if (world_until(w, true, "the silent endpoint is lost and the ring held", canary_is_held, &look, e) < 0)
		return e->code;
	world_say(w, "canary is held: %s", watch_ring_sentence(&look, "canary"));
	for (size_t i = CANARIES; i < w->machine_count; i++)
		if (machine_ever_ran(&w->machines[i], &better.digest))
			return err_set(e, ERR_CONFLICT, "%s got serial 103 while canary is held", w->machines[i].name);
	return machine_thaw(&w->machines[0], e);
}

/* ---- killed ---- */

/* Kills come by the turn, whatever a slow machine gets done between two of them: so their number has an end. */
#define SERVERS_KILLED 3
#define AGENTS_KILLED 24

struct killing {
	struct watch look;
	unsigned turns, servers, agents;
};

/* As rings_passed(), and every so often the server or an agent is killed on the spot. */
static int rings_passed_under_kills(struct world *w, void *arg, struct err *e)
{
	struct killing *k = arg;
	struct machine *m = &w->machines[k->turns % w->machine_count];

	if (++k->turns % 150 == 0 && k->servers < SERVERS_KILLED) {
		k->servers++;
		if (world_server_stop(w, SIGKILL, e) < 0 || world_server_start(w, e) < 0)
			return e->code;
	}
	if (k->turns % 23 == 0 && k->agents < AGENTS_KILLED && m->state == MACHINE_UP) {
		k->agents++;
		machine_kill_agent(m);
	}
	return rings_passed(w, &k->look, e);
}

static int abort_held(struct world *w, struct err *e)
{
	AUTO_FREE char *home = file_join(w->dir, "server");
	struct watch look = { .bundle = &better };
	char id[24];

	if (!home)
		return err_memory(e);
	if (watch_refresh(&look, w, e) < 0)
		return e->code;
	snprintf(id, sizeof id, "%lld", (long long)look.rollout);
	if (world_expect(w, 0, NULL, e, "ringhold", "rollout", "abort", id, "--reason", "one endpoint is lost", "--home",
			 home, NULL) < 0)
		return e->code;
	/* It came back with serial 103 on trial, which still wants to see a boot. */
	return machine_reboot(&w->machines[0], e);
}

static int killed_servers_and_agents_go_on_where_they_were(struct world *w, struct err *e)
{
	static struct bundle_made last;
	struct killing k = { .look = { .bundle = &last } };

	if (abort_held(w, e) < 0 || bundle_make(&last, w, "deploy/demo/edr-good", 104, e) < 0 ||
	    bundle_publish(&last, w, e) < 0)
		return e->code;
	if (world_until(w, true, "serial 104 passed every ring under kill -9", rings_passed_under_kills, &k, e) < 0)
		return e->code;
	world_say(w, "%u servers and %u agents were killed on the way", k.servers, k.agents);
	if (k.servers < SERVERS_KILLED || k.agents < AGENTS_KILLED)
		return err_set(e, ERR_INTERNAL, "only %u servers and %u agents were killed", k.servers, k.agents);
	return expect_everywhere(w, &last.digest, e);
}

const struct story stories[] = {
	{ "good_content_passes_every_ring",
	  "A good bundle goes canary, early, broad; small rings pass by coverage.", good_content_passes_every_ring },
	{ "a_bad_rule_leaves_and_comes_back_without_a_bundle",
	  "One rule of the good bundle finds what it should not: it is left out, and loaded again.",
	  a_bad_rule_leaves_and_comes_back_without_a_bundle },
	{ "twenty_one_fields_are_refused_at_publish",
	  "July 2024 again: 21 fields for a sensor that supplies 20.", twenty_one_fields_are_refused_at_publish },
	{ "every_agent_refuses_what_bypassed_the_server",
	  "The same content, the server's check bypassed, assigned to all three rings.",
	  every_agent_refuses_what_bypassed_the_server },
	{ "a_boot_loop_is_reverted_by_the_machine_and_halts",
	  "Content that passes every check and kills the sensor at boot.", a_boot_loop_is_reverted_by_the_machine_and_halts },
	{ "a_silent_endpoint_counts_as_lost_and_holds",
	  "An endpoint that takes the content and goes silent.", a_silent_endpoint_counts_as_lost_and_holds },
	{ "killed_servers_and_agents_go_on_where_they_were", NULL, killed_servers_and_agents_go_on_where_they_were },
};
const size_t story_count = ARRAY_LEN(stories);

/* ---- YARA ---- */

int story_yara(struct world *w, const char *first, const char *second, struct err *e)
{
	static struct bundle_made one, two;
	struct watch look = { .bundle = &one };

	if (bundle_make(&one, w, first, 1, e) < 0 || bundle_publish(&one, w, e) < 0)
		return e->code;
	world_say(w, "%s is published: %llu bytes", first, (unsigned long long)one.size);
	if (world_until(w, true, "the first YARA bundle passed every ring", rings_passed, &look, e) < 0 ||
	    expect_everywhere(w, &one.digest, e) < 0)
		return e->code;
	world_say(w, "all %zu endpoints run it", w->machine_count);
	if (!second)
		return 0;
	look = (struct watch){ .bundle = &two };
	if (bundle_make(&two, w, second, 2, e) < 0 || bundle_publish(&two, w, e) < 0)
		return e->code;
	world_say(w, "%s is published", second);
	if (world_until(w, true, "the second YARA bundle passed every ring", rings_passed, &look, e) < 0 ||
	    expect_everywhere(w, &two.digest, e) < 0)
		return e->code;
	for (size_t i = 0; i < w->machine_count; i++)
		if (watch_history_holds(w, &w->machines[i], &two, "delta", e) <= 0)
			return err_set(e, ERR_CONFLICT, "%s did not take the delta", w->machines[i].name);
	world_say(w, "all %zu endpoints took it as a delta", w->machine_count);
	return 0;
}

/* ---- the table ---- */

static char mark(const struct machine *m, const struct world *w, const struct bundle_made *b)
{
	if (b->serial == 0)
		return ' ';
	if (machine_runs(m, w, &b->digest))
		return '#';
	return machine_ever_ran(m, &b->digest) ? '+' : '.';
}

void stories_table(const struct world *w)
{
	const struct bundle_made *all[] = { &good, &fields21, &bootbomb, &better };

	if (!w || !w->narrate || good.serial == 0)
		return;
	printf("\nWho ran what (# runs now, + ran, . never)\n\n  %-10s %6s %6s  %5s  %5s  %5s  %5s\n", "endpoint", "boots",
	       "panics", "100", "101", "102", "103");
	for (size_t i = 0; i < w->machine_count; i++) {
		const struct machine *m = &w->machines[i];

		printf("  %-10s %6u %6u", m->name, m->boots, m->panics);
		for (size_t k = 0; k < ARRAY_LEN(all); k++)
			printf("  %5c", mark(m, w, all[k]));
		putchar('\n');
	}
}
