/* test_contract_commands: what `ringhold contract` answers about files, and a sensor built from its header. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "tests/program.h"
#include "tests/scratch.h"

static struct err e;
static struct proc_result ran;

#define CONTRACT "deploy/demo/contract.json"

static int remove_dir(void **state)
{
	proc_result_release(&ran);
	return scratch_remove(state);
}

static void put(const char *name, const char *text, size_t len)
{
	AUTO_FREE char *path = file_join(scratch, name);

	assert_non_null(path);
	assert_ok(file_replace(path, text, len, 0644, &e));
}

/* A word that begins with '@' is a file of the directory. Both streams come back in `ran`. */
static int run(const char *program, const char *const *words)
{
	char *argv[32] = { (char *)(uintptr_t)program }, *made[32] = { NULL };
	struct proc_run r = { .path = program, .argv = argv, .stdin_fd = -1, .timeout_ms = 120000, .output_max = 1 << 20 };
	int argc = 1, count = 0;

	if (access(program, X_OK) != 0)
		skip_named("%s is not there", program);
	for (; *words; words++) {
		if (**words == '@')
			made[count++] = file_join(scratch, *words + 1);
		argv[argc++] = **words == '@' ? made[count - 1] : (char *)(uintptr_t)*words;
	}
	proc_result_release(&ran);
	memset(&ran, 0, sizeof ran);
	assert_ok(proc_run(&r, &ran, &e));
	while (count)
		free(made[--count]);
	assert_false(ran.timed_out);
	return ran.exit_status;
}

#define RUN(...) run(test_program("ringhold"), (const char *const[]){ __VA_ARGS__, NULL })

static const char *said(void)
{
	return ran.output && ran.output->data ? ran.output->data : "";
}

#define assert_says(status, text, ...)                                                                            \
	do {                                                                                                      \
		int got_ = RUN(__VA_ARGS__);                                                                      \
		if (got_ != (status) || !strstr(said(), text))                                                    \
			fail_msg("status %d, expected %d and \"%s\": %s", got_, status, text, said());            \
	} while (0)

/* The demo's contract with one text replaced by another. */
static void put_changed(const char *name, const char *from, const char *to)
{
	AUTO(buf) struct buf *raw = NULL;
	AUTO(buf) struct buf *b = buf_new(0);
	char *at;

	assert_ok(file_read(&raw, CONTRACT, 1 << 20, &e));
	at = strstr(raw->data, from);
	assert_non_null(at);
	buf_add(b, raw->data, (size_t)(at - raw->data));
	buf_adds(b, to);
	buf_adds(b, at + strlen(from));
	put(name, b->data, b->len);
}

/* ---- check ---- */

static void check_says_what_a_contract_accepts(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json *rules;

	(void)state;
	assert_says(0, "template ipc supplies 20 inputs", "contract", "check", CONTRACT);
	assert_int_equal(RUN("contract", "check", "--json", CONTRACT), 0);
	assert_ok(json_parse(&d, "said", said(), strlen(said()), NULL, &e));
	rules = json_get(json_get(d->root, "types"), "rules");
	assert_string_equal(json_get(json_get(rules, "templates"), "ipc")->u.text, "20");
	assert_string_equal(json_get(json_get(rules, "limits"), "fields")->u.text, "32");
	assert_string_equal(json_get(json_get(d->root, "ceilings"), "matches_per_10000")->u.text, "5");
}

static void a_contract_that_is_malformed_or_contradicts_itself_is_refused(void **state)
{
	static const struct { const char *from, *to, *says; } cases[] = {
		{ "\"versions\": [1]", "\"versions\": []", "without a version" },
		{ "\"type\": \"path\"", "\"type\": \"file\"", "no field type" },
		{ "\"fields\": 32", "\"fields\": 0", "rules: \"fields\" is 0: no content could keep to it" },
		{ "\"load_ms\": 5000", "\"load_ms\": 0", "\"load_ms\" is 0" },
		{ "\"name\": \"user\", \"type\": \"string\"", "\"name\": \"parent-pid\", \"type\": \"string\"", "one identifier in C: \"parent_pid\" and \"parent-pid\"" },
		{ "\"process\": {\"fields\"", "\"IPC\": {\"fields\"", "one identifier in C: \"ipc\" and \"IPC\"" },
		{ "\"versions\": [\"4.2\"],", "\"versions\": [\"4.2\"], \"schema\": false,", "its schema accepts nothing" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_changed("c.json", cases[i].from, cases[i].to);
		assert_says(1, cases[i].says, "contract", "check", "@c.json");
		assert_says(1, cases[i].says, "contract", "header", "@c.json");
	}
	assert_says(1, "No such file", "contract", "check", "@missing.json");
}

/* ---- header ---- */

static const char *compiler(void)
{
	return access("/usr/bin/cc", X_OK) == 0 ? "/usr/bin/cc" : "/usr/bin/gcc";
}

/* A sensor's table of its own, with this many inputs of the template ipc. */
static void put_sensor(int inputs)
{
	AUTO(buf) struct buf *b = buf_new(0);

	buf_adds(b, "#include \"contract.h\"\n#include <stdio.h>\n"
		    "static const char *const ipc[] = {\n");
	for (int i = 0; i < inputs; i++)
		buf_addf(b, "\t\"input %d\",\n", i + 1);
	buf_adds(b, "};\nstatic const char *const process[8] = { \"image\" };\n"
		    "RINGHOLD_IPC_SUPPLIED_BY(ipc);\nRINGHOLD_PROCESS_SUPPLIED_BY(process);\nRINGHOLD_CONTRACT_COMPLETE;\n"
		    "int main(void)\n{\n\tprintf(\"%s %d\\n\", RINGHOLD_CONTRACT_VERSION, RINGHOLD_IPC_FIELDS);\n"
		    "\treturn ipc[RINGHOLD_IPC_FIELDS - 1] && process[0] && RINGHOLD_RULES_MAX_FIELDS == 32 ? 0 : 1;\n}\n");
	put("sensor.c", b->data, b->len);
}

static int compile(void)
{
	return run(compiler(), (const char *const[]){ "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", "@sensor", "@sensor.c", NULL });
}

static void put_header(const char *contract)
{
	assert_int_equal(RUN("contract", "header", contract), 0);
	put("contract.h", said(), strlen(said()));
}

static void a_sensor_that_supplies_what_it_promises_compiles_and_runs(void **state)
{
	AUTO_FREE char *sensor = file_join(scratch, "sensor");

	(void)state;
	put_header(CONTRACT);
	put_sensor(20);
	if (compile() != 0)
		fail_msg("%s", said());
	assert_int_equal(run(sensor, (const char *const[]){ NULL }), 0);
	assert_string_equal(said(), "7.11 20\n");
}

/* The outage of July 2024: the validator knew 21 fields, the sensor supplied 20. */
static void twenty_inputs_for_twenty_one_fields_do_not_compile(void **state)
{
	(void)state;
	put_changed("c.json", "{\"name\": \"image_hash\", \"type\": \"bytes\"}\n        ]",
		    "{\"name\": \"image_hash\", \"type\": \"bytes\"},\n{\"name\": \"pipe_flags\", \"type\": \"integer\"}\n        ]");
	put_header("@c.json");
	put_sensor(20);
	assert_true(compile() != 0);
	if (!strstr(said(), "template ipc: the contract has 21 fields, ipc supplies another number"))
		fail_msg("another error: %s", said());
	put_sensor(21);
	if (compile() != 0)
		fail_msg("%s", said());
}

/* ---- diff ---- */

static void diff_classes_changes_and_its_exit_status_tells(void **state)
{
	(void)state;
	assert_says(0, "compatible: 0 narrowing, 0 widening, 0 compatible changes", "contract", "diff", CONTRACT, CONTRACT);
	put_changed("wide.json", "\"fields\": 32", "\"fields\": 64");
	assert_says(0, "raised from 32 to 64", "contract", "diff", CONTRACT, "@wide.json");
	assert_says(3, "narrowing", "contract", "diff", "@wide.json", CONTRACT);
	put("a.json", "{\"maximum\":1}", 13);
	put("b.yaml", "maximum: 2\n", 11);
	assert_says(0, "raised from 1 to 2", "contract", "diff", "@a.json", "@b.yaml");
	assert_says(3, "lowered from 2 to 1", "contract", "diff", "@b.yaml", "@a.json");
	assert_says(2, "compare two of a kind", "contract", "diff", CONTRACT, "@a.json");
	assert_says(1, "No such file", "contract", "diff", CONTRACT, "@missing");
}

static void diff_says_which_bundles_would_be_refused(void **state)
{
	AUTO(json) struct json_doc *d = NULL;
	const struct json *bundles;

	(void)state;
	put_changed("fewer.json", "          {\"name\": \"signer\", \"type\": \"string\"},\n", "");
	assert_says(4, "1 of 1 bundles refused", "contract", "diff", CONTRACT, "@fewer.json", "--bundle", "deploy/demo/edr-good");
	assert_non_null(strstr(said(), "/accepts/rules/templates/ipc"));
	put_changed("wide.json", "\"fields\": 32", "\"fields\": 64");
	assert_says(0, "0 of 1 bundles refused", "contract", "diff", CONTRACT, "@wide.json", "--bundle", "deploy/demo/edr-good");
	assert_int_equal(RUN("contract", "diff", "--json", CONTRACT, "@fewer.json", "--bundle", "deploy/demo/edr-good", "--bundle", "deploy/demo/edr-21"), 4);
	assert_ok(json_parse(&d, "said", said(), strlen(said()), NULL, &e));
	assert_true(json_is(json_get(d->root, "class"), "narrowing"));
	bundles = json_get(d->root, "bundles");
	assert_int_equal(bundles->count, 2);
	assert_true(json_is(json_get(&bundles->u.items[0], "before"), "pass") && json_is(json_get(&bundles->u.items[0], "after"), "refuse"));
	assert_true(json_is(json_get(&bundles->u.items[1], "before"), "refuse"));
	assert_int_equal(json_get(&bundles->u.items[0], "why")->type, JSON_STRING);
}

static void a_schema_by_itself_is_held_against_the_files_of_its_type(void **state)
{
	(void)state;
	put("a.json", "{\"type\":\"object\"}", 17);
	put("b.json", "{\"type\":\"object\",\"required\":[\"wings\"]}", 38);
	assert_says(4, "expected a member \"wings\"", "contract", "diff", "@a.json", "@b.json", "--bundle", "deploy/demo/edr-good");
	assert_says(3, "0 of 1 bundles refused", "contract", "diff", "@a.json", "@b.json", "--type", "yara", "--bundle", "deploy/demo/edr-good");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_says_what_a_contract_accepts),
		cmocka_unit_test(a_contract_that_is_malformed_or_contradicts_itself_is_refused),
		cmocka_unit_test(a_sensor_that_supplies_what_it_promises_compiles_and_runs),
		cmocka_unit_test(twenty_inputs_for_twenty_one_fields_do_not_compile),
		cmocka_unit_test(diff_classes_changes_and_its_exit_status_tells),
		cmocka_unit_test(diff_says_which_bundles_would_be_refused),
		cmocka_unit_test(a_schema_by_itself_is_held_against_the_files_of_its_type),
	};

	return cmocka_run_group_tests(tests, scratch_make, remove_dir);
}
