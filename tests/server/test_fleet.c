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

static void add(struct fleet *f, unsigned number)
{
	struct device *d;
	char id[DEVICE_ID_LEN + 1];
	struct err e;

	snprintf(id, sizeof id, "%08x%024x", number * 2654435761u, number);
	assert_ok(fleet_add(f, &d, id, &e));
}

/* Devices enrol between the pages of one who walks, each anywhere: whoever was there at the beginning goes by once. */
static void a_walk_by_pages_meets_every_device_once_whoever_enrols_meanwhile(void **state)
{
	struct fleet f = { .count = 0 };
	char after[DEVICE_ID_LEN + 1] = "";
	struct device *const *list;
	unsigned added = 0, met = 0;
	size_t count;
	struct err e;

	(void)state;
	assert_ok(fleet_after(&f, "", &list, &count, &e));
	assert_int_equal(count, 0);
	while (added < 1000)
		add(&f, added++);
	for (;;) {
		assert_ok(fleet_after(&f, after, &list, &count, &e));
		if (count == 0)
			break;
		for (size_t i = 0; i < 7 && i < count; i++) {
			assert_true(strcmp(after, list[i]->id) < 0);
			memcpy(after, list[i]->id, sizeof after);
			met += strtoul(list[i]->id + 8, NULL, 16) < 1000;
		}
		for (unsigned more = added % 4; more > 0; more--)
			add(&f, added++);
		add(&f, added++);
	}
	assert_int_equal(met, 1000);
	assert_ok(fleet_after(&f, "", &list, &count, &e));
	assert_int_equal(count, added);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(fleet_find(&f, list[i]->id), list[i]);
		assert_true(i == 0 || strcmp(list[i - 1]->id, list[i]->id) < 0);
	}
	fleet_release(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_walk_by_pages_meets_every_device_once_whoever_enrols_meanwhile),
		cmocka_unit_test(a_device_with_ever_new_channels_takes_nobody_s_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
