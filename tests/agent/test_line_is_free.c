/* test_line_is_free: the transfer-hook we ship, on machines made of files, and the real agent that asks it. */
#include "endpoint_story.h"

#define SHIPPED "deploy/hooks/line-is-free"

/* Of a fake /sys/class/power_supply. */
static void supply(const struct endpoint *p, const char *name, const char *attribute, const char *value)
{
	char path[200];

	snprintf(path, sizeof path, "/machine/sys/class/power_supply/%s/%s", name, attribute);
	endpoint_write(p, path, value, 0644);
}

/* The shipped hook, as it is, on the machine that lies below the host's root. */
static void ship_hook(struct endpoint *p, const char *file)
{
	AUTO(buf) struct buf *shipped = NULL;
	char wrapper[900];
	struct err e;

	assert_ok(file_read(&shipped, SHIPPED, 1 << 16, &e));
	endpoint_write(p, "/etc/ringhold/line-is-free", shipped->data, 0755);
	snprintf(wrapper, sizeof wrapper, "#!/bin/sh\nRINGHOLD_LINE_ROOT=%s/machine PATH=%s/machine/bin:$PATH exec %s/etc/ringhold/line-is-free \"$@\"\n",
		 p->root, p->root, p->root);
	endpoint_write(p, file, wrapper, 0755);
}

/* NULL: it is free. Else a piece of the reason. */
static void assert_line(struct endpoint *p, const char *urgency, const char *reason)
{
	char path[300];
	char *argv[] = { path, (char *)"edr", (char *)"0", (char *)"110", (char *)"1000", (char *)urgency, NULL };
	struct proc_run run = { .path = path, .argv = argv, .stdin_fd = -1, .timeout_ms = 60000, .output_max = 4096 };
	struct proc_result r;
	struct err e;

	snprintf(path, sizeof path, "%s/etc/ringhold/hook", p->root);
	assert_ok(proc_run(&run, &r, &e));
	if (r.exit_status != (reason ? 1 : 0) || (reason && !strstr(r.output->data, reason)))
		fail_msg("exit status %d, \"%s\"; expected %s", r.exit_status, r.output->data ? r.output->data : "", reason ? reason : "a free line");
	proc_result_release(&r);
}

static void the_shipped_hook_says_no_on_battery_and_only_then(void **state)
{
	struct endpoint *p = *state;

	ship_hook(p, "/etc/ringhold/hook");
	assert_line(p, "normal", NULL);         /* no supply is known: a server, a virtual machine */
	supply(p, "AC", "type", "Mains\n");
	supply(p, "AC", "online", "0\n");
	assert_line(p, "normal", NULL);         /* without a battery nothing else can feed it */
	supply(p, "mouse", "type", "Battery\n");
	supply(p, "mouse", "scope", "Device\n");
	supply(p, "mouse", "status", "Discharging\n");
	assert_line(p, "normal", NULL);
	supply(p, "BAT0", "type", "Battery\n");
	supply(p, "BAT0", "present", "1\n");
	supply(p, "BAT0", "status", "Unknown\n");
	assert_line(p, "normal", "the machine runs on battery");
	assert_line(p, "urgent", NULL);
	supply(p, "ucsi0", "type", "USB\n");
	supply(p, "ucsi0", "online", "1\n");
	assert_line(p, "normal", NULL);
	supply(p, "ucsi0", "online", "0\n");
	supply(p, "BAT0", "present", "0\n");
	assert_line(p, "normal", NULL);
}

static void without_a_known_outside_supply_the_battery_says_whether_it_is_emptied(void **state)
{
	struct endpoint *p = *state;

	ship_hook(p, "/etc/ringhold/hook");
	supply(p, "BAT0", "type", "Battery\n");
	supply(p, "BAT0", "status", "Charging\n");
	assert_line(p, "normal", NULL);
	supply(p, "BAT0", "status", "Discharging\n");
	assert_line(p, "normal", "the machine runs on battery");
}

/* NetworkManager itself needs a system bus and devices of its own. */
static void the_shipped_hook_asks_a_stand_in_for_nmcli_about_the_default_routes_connection(void **state)
{
	struct endpoint *p = *state;

	ship_hook(p, "/etc/ringhold/hook");
	endpoint_write(p, "/machine/bin/nmcli",
		       "#!/bin/sh\n[ \"$1 $2 $3 $4\" = '-g GENERAL.METERED device show' ] || exit 2\n"
		       "case $5 in wwan0) echo 'yes (guessed)' ;; wlan0) echo yes ;; eth0) echo 'no (guessed)' ;; *) exit 10 ;; esac\n", 0755);
	assert_line(p, "normal", NULL);         /* no route */
	endpoint_write(p, "/machine/proc/net/ipv6_route",
		       "fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 1 0 1 eth0\n"
		       "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 1 0 200200 lo\n"
		       "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 1 0 3 wlan0\n", 0644);
	assert_line(p, "normal", "the connection of wlan0 is metered");
	endpoint_write(p, "/machine/proc/net/route",
		       "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
		       "wwan0\t00000000\t0100A8C0\t0003\t0\t0\t700\t00000000\t0\t0\t0\n"
		       "wlan0\t0000A8C0\t00000000\t0001\t0\t0\t50\t00FFFFFF\t0\t0\t0\n"
		       "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", 0644);
	assert_line(p, "normal", NULL);
	endpoint_write(p, "/machine/proc/net/route",
		       "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
		       "wwan0\t00000000\t0100A8C0\t0003\t0\t0\t700\t00000000\t0\t0\t0\n", 0644);
	assert_line(p, "normal", "the connection of wwan0 is metered");
	assert_line(p, "urgent", NULL);
	endpoint_write(p, "/machine/proc/net/route", "usb0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", 0644);
	assert_line(p, "normal", NULL);         /* a device that is not NetworkManager's */
}

/* ---- the agent asks it ---- */

static bool status_says(struct endpoint *p, const char *text)
{
	char *out = NULL;
	bool says;

	assert_int_equal(endpoint_command(p, &out, "status", NULL, NULL), 0);
	says = strstr(out, text);
	free(out);
	return says;
}

static bool waits_for_the_outlet(const struct seen *s, const void *arg)
{
	return s->state.phase == PHASE_FETCHING && status_says((struct endpoint *)arg, "the download waits: the machine runs on battery");
}

static int setup_hook(void **state)
{
	return endpoint_setup_with(state, "transfer-hook = /etc/ringhold/hook\ntransfer-hook-every = 10s");
}

static void on_battery_the_download_waits_for_the_outlet(void **state)
{
	struct endpoint *p = *state;
	struct published one;
	char slot[600];

	NEED_AGENT(p);
	ship_hook(p, "/etc/ringhold/hook");
	supply(p, "AC", "type", "Mains\n");
	supply(p, "AC", "online", "0\n");
	supply(p, "BAT0", "type", "Battery\n");
	supply(p, "BAT0", "status", "Discharging\n");
	one = endpoint_bundle(p, GOOD, 110, NULL);
	endpoint_assign(p, &one, NULL, 1, 10, 0);
	endpoint_sensor_start(p);
	endpoint_agent_start(p);
	endpoint_until(p, "the download waits", waits_for_the_outlet, p, 1000);
	slot_path(slot, p, &one);
	assert_false(file_exists(slot));
	supply(p, "AC", "online", "1\n");
	endpoint_until(p, "it is committed", endpoint_runs_committed, &one, 1000);
	assert_false(status_says(p, "battery"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ENDPOINT_TEST(the_shipped_hook_says_no_on_battery_and_only_then, endpoint_setup),
		ENDPOINT_TEST(without_a_known_outside_supply_the_battery_says_whether_it_is_emptied, endpoint_setup),
		ENDPOINT_TEST(the_shipped_hook_asks_a_stand_in_for_nmcli_about_the_default_routes_connection, endpoint_setup),
		ENDPOINT_TEST(on_battery_the_download_waits_for_the_outlet, setup_hook),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
