/* test_fleet: what memory keeps of a device's readings. */
#include "server/fleet.h"

#include "tests/test.h"

/* A check-in with readings of one channel. */
static struct checkin *reading(const char *channel)
{
	struct checkin *c = calloc(1, sizeof *c);

	assert_non_null(c);
	c->channels = calloc(1, sizeof *c->channels);
	assert_non_null(c->channels);
	c->channel_count = 1;
	snprintf(c->channels->channel, sizeof c->channels->channel, "%s", channel);
	c->channels->effects = calloc(1, sizeof *c->channels->effects);
	assert_non_null(c->channels->effects);
	return c;
}

static void say(struct fleet *f, struct device *d, const char *channel)
{
	struct checkin *c = reading(channel);

	fleet_take_effects(f, d, c);
	checkin_free(c);
}

static void a_device_with_ever_new_channels_takes_nobody_s_room(void **state)
{
	struct fleet f = { .count = 0 };
	struct device *loud, *quiet;
	struct err e;
	char name[24];

	(void)state;
	assert_ok(fleet_add(&f, &loud, "00000000000000000000000000000001", &e));
	assert_ok(fleet_add(&f, &quiet, "00000000000000000000000000000002", &e));
	for (int i = 0; i < FLEET_EFFECTS_MAX + 1; i++) {
		snprintf(name, sizeof name, "c-%d", i);
		say(&f, loud, name);
	}
	say(&f, quiet, "edr");
	assert_non_null(device_effects(quiet, "edr"));
	assert_non_null(device_effects(loud, name));
	assert_null(device_effects(loud, "c-0"));
	assert_int_equal(f.effects, 2);
	fleet_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_with_ever_new_channels_takes_nobody_s_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
