/* test_inputs: the contract that the reference sensor prints is sound, and the one the demo ships. */
#include "base/file.h"
#include "sensor/inputs.h"
#include "tests/test.h"

static struct err e;

static void the_contract_is_made_from_the_inputs_and_contradicts_nothing(void **state)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(contract) struct contract *c = NULL;
	const struct contract_type *rules;

	(void)state;
	inputs_contract(text);
	assert_ok(contract_parse(&c, "contract", text->data, text->len, &e));
	assert_ok(contract_check(c, &e));
	rules = contract_find_type(c, "rules");
	assert_non_null(rules->schema);
	assert_int_equal(rules->template_count, inputs_template_count);
	for (size_t i = 0; i < inputs_template_count; i++)
		assert_int_equal(rules->templates[i].field_count, inputs_templates[i].count);
}

static void the_demo_ships_the_contract_that_the_sensor_prints(void **state)
{
	AUTO(buf) struct buf *text = buf_new(0), *file = NULL;
	AUTO(json) struct json_doc *printed = NULL, *shipped = NULL;

	(void)state;
	inputs_contract(text);
	assert_ok(json_parse(&printed, "printed", text->data, text->len, NULL, &e));
	assert_ok(file_read(&file, "deploy/demo/contract.json", 1 << 20, &e));
	assert_ok(json_parse(&shipped, "deploy/demo/contract.json", file->data, file->len, NULL, &e));
	assert_true(json_equal(printed->root, shipped->root));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_contract_is_made_from_the_inputs_and_contradicts_nothing),
		cmocka_unit_test(the_demo_ships_the_contract_that_the_sensor_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
