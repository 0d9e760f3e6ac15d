/* test_contract: what a contract says, what is refused, and the header a sensor compiles against. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc.h"
#include "schema/contract.h"
#include "scratch.h"

static struct err e;

static const char sample[] =
	"{\"format\":1,\"sensor\":\"ringhold-sensor\",\"version\":\"7.11\",\n"
	" \"accepts\":{\n"
	"  \"rules\":{\"versions\":[1,\"2\"],\n"
	"   \"schema\":{\"type\":\"object\",\"required\":[\"rules\"]},\n"
	"   \"templates\":{\"ipc\":{\"fields\":[\n"
	"     {\"name\":\"image\",\"type\":\"path\"},{\"name\":\"pid\",\"type\":\"integer\"},\n"
	"     {\"name\":\"verb\",\"type\":\"enum\",\"values\":[\"open\",\"read\"]}]}},\n"
	"   \"limits\":{\"files\":10,\"regex_steps\":5000}},\n"
	"  \"yara\":{\"versions\":[\"4.2\"]}},\n"
	" \"ceilings\":{\"load_ms\":2000},\n"
	" \"protected\":[\"/usr/lib/systemd/systemd\",\"/boot/\"],\"future\":{}}";

static struct contract *parsed(const char *text)
{
	struct contract *c = NULL;

	if (contract_parse(&c, "contract.json", text, strlen(text), &e) < 0)
		fail_msg("%s", e.msg);
	return c;
}

static void a_contract_says_what_the_sensor_accepts(void **state)
{
	AUTO(contract) struct contract *c = parsed(sample);
	const struct contract_type *rules = contract_find_type(c, "rules"), *yara = contract_find_type(c, "yara");
	const struct contract_template *ipc;
	struct digest digest;

	(void)state;
	assert_string_equal(c->sensor, "ringhold-sensor");
	assert_string_equal(c->version, "7.11");
	assert_int_equal(c->type_count, 2);
	assert_non_null(rules->schema);
	assert_null(yara->schema);
	assert_true(contract_offers(rules, "1") && contract_offers(rules, "2") && !contract_offers(rules, "3"));
	assert_true(contract_offers(yara, "4.2"));
	ipc = contract_find_template(rules, "ipc");
	assert_int_equal(ipc->field_count, 3);
	assert_int_equal(contract_find_field(ipc, "pid"), 1);
	assert_int_equal(contract_find_field(ipc, "uid"), -1);
	assert_int_equal(ipc->fields[0].type, CONTRACT_PATH);
	assert_int_equal(ipc->fields[2].type, CONTRACT_ENUM);
	assert_true(contract_field_allows(&ipc->fields[2], "read"));
	assert_false(contract_field_allows(&ipc->fields[2], "write"));
	assert_null(contract_find_template(rules, "net"));
	assert_null(contract_find_template(yara, "ipc"));
	assert_int_equal(rules->limits.files, 10);
	assert_int_equal(rules->limits.regex_steps, 5000);
	assert_true(rules->limits.bytes == CONTRACT_UNLIMITED && yara->limits.files == CONTRACT_UNLIMITED);
	assert_int_equal(c->ceilings.load_ms, 2000);
	assert_true(c->ceilings.rss_bytes == CONTRACT_UNLIMITED);
	assert_true(contract_protects(c, "/usr/lib/systemd/systemd"));
	assert_true(contract_protects(c, "/boot/vmlinuz"));
	assert_false(contract_protects(c, "/usr/lib/systemd/systemd-logind"));
	hash_bytes(&digest, sample, sizeof sample - 1);
	assert_true(digest_equal(&digest, &c->digest));
}

static void refusals_name_sensor_version_and_type(void **state)
{
	AUTO(contract) struct contract *c = parsed(sample);

	(void)state;
	assert_ok(contract_accepts(c, "rules", "1", &e));
	assert_ok(contract_accepts(c, "rules", NULL, &e));
	assert_refused(contract_accepts(c, "clamav", NULL, &e), ERR_REFUSED,
		       "contract ringhold-sensor 7.11: the content type \"clamav\" is not accepted");
	assert_refused(contract_accepts(c, "rules", "9", &e), ERR_REFUSED, "version 9 of the content type \"rules\"");
}

static void malformed_contracts_are_refused_with_their_place(void **state)
{
	static const struct { const char *text; int code; const char *says; } cases[] = {
		{ "", ERR_FORMAT, "c:1:1: expected a value" },
		{ "[]", ERR_FORMAT, "expected an object" },
		{ "{\"format\":2}", ERR_UNSUPPORTED, "c:1:11: \"format\" is 2" },
		{ "{\"format\":1,\"needs\":[\"x\"]}", ERR_UNSUPPORTED, "needs the feature \"x\"" },
		{ "{\"format\":1}", ERR_FORMAT, "\"sensor\" is missing" },
		{ "{\"format\":1,\"sensor\":\"s*/x\",\"version\":\"1\",\"accepts\":{}}", ERR_FORMAT, "no name of a sensor" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"\",\"accepts\":{}}", ERR_FORMAT, "no version" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"R\":{}}}", ERR_FORMAT, "no content type" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[]}}}", ERR_FORMAT,
		  "without a version" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1,\"1\"]}}}", ERR_FORMAT,
		  "a second time" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1.5]}}}", ERR_FORMAT,
		  "expected a string or an integer" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],\"limits\":{\"files\":-1}}}}",
		  ERR_FORMAT, "\"files\": expected an integer" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"schema\":{\"contians\":{}}}}}", ERR_UNSUPPORTED, "keyword \"contians\"" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"templates\":{\"a b\":{\"fields\":[]}}}}}", ERR_FORMAT, "no template name" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"templates\":{\"t\":{\"fields\":[{\"name\":\"a\",\"type\":\"float\"}]}}}}}", ERR_UNSUPPORTED, "no field type" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"templates\":{\"t\":{\"fields\":[{\"name\":\"a\",\"type\":\"enum\"}]}}}}}", ERR_FORMAT, "\"values\" belongs" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"templates\":{\"t\":{\"fields\":[{\"name\":\"a\",\"type\":\"ip\",\"values\":[\"x\"]}]}}}}}", ERR_FORMAT,
		  "\"values\" belongs" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{\"r\":{\"versions\":[1],"
		  "\"templates\":{\"t\":{\"fields\":[{\"name\":\"a\",\"type\":\"ip\"},{\"name\":\"a\",\"type\":\"ip\"}]}}}}}",
		  ERR_FORMAT, "field \"a\" a second time" },
		{ "{\"format\":1,\"sensor\":\"s\",\"version\":\"1\",\"accepts\":{},\"protected\":[\"boot\"]}", ERR_FORMAT,
		  "no absolute path" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct contract *c = NULL;

		assert_refused(contract_parse(&c, "c", cases[i].text, strlen(cases[i].text), &e), cases[i].code, cases[i].says);
		assert_null(c);
	}
}

static void every_truncated_contract_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof sample - 1; len++) {
		struct contract *c = NULL;

		assert_true(contract_parse(&c, "c", sample, len, &e) < 0);
	}
}

static void an_absent_file_is_not_found(void **state)
{
	struct contract *c = NULL;

	(void)state;
	assert_refused(contract_load(&c, "/nonexistent/contract.json", &e), ERR_NOT_FOUND, "/nonexistent/contract.json");
}

/* ---- the header ---- */

#define TEMPLATE_FIELDS 21

static void put_file(const char *name, const struct buf *text)
{
	AUTO_FREE char *path = file_join(scratch, name);

	assert_ok(file_replace(path, text->data, text->len, 0644, &e));
}

static struct contract *with_21_fields(void)
{
	AUTO(buf) struct buf *b = buf_new(0);

	buf_adds(b, "{\"format\":1,\"sensor\":\"s\",\"version\":\"7.11\",\"accepts\":{\"rules\":{\"versions\":[1],"
		    "\"templates\":{\"ipc\":{\"fields\":[");
	for (int i = 0; i < TEMPLATE_FIELDS; i++)
		buf_addf(b, "%s{\"name\":\"field-%d\",\"type\":\"%s\"}", i ? "," : "", i, i % 2 ? "integer" : "string");
	buf_adds(b, "]}},\"limits\":{\"rules\":5000}}},\"ceilings\":{\"load_ms\":2000}}");
	return parsed(b->data);
}

/* A sensor that supplies this many inputs; `says` it does so, or forgets to. */
static bool sensor_compiles(int inputs, bool says)
{
	AUTO(contract) struct contract *c = with_21_fields();
	AUTO(buf) struct buf *header = buf_new(0);
	AUTO(buf) struct buf *source = buf_new(0);
	AUTO_FREE char *path = file_join(scratch, "sensor.c");
	char cc[] = "cc", language[] = "-std=c11", all[] = "-Wall", extra[] = "-Wextra", fatal[] = "-Werror",
	     only[] = "-fsyntax-only";
	char *argv[] = { cc, language, all, extra, fatal, only, path, NULL };
	struct proc_run run = { .path = access("/usr/bin/cc", X_OK) == 0 ? "/usr/bin/cc" : "/usr/bin/gcc", .argv = argv,
				.stdin_fd = -1, .timeout_ms = 60000, .output_max = 8192 };
	struct proc_result result = { 0 };
	bool ok;

	if (access(run.path, X_OK) != 0)
		skip_named("no C compiler at %s", run.path);
	assert_ok(contract_header(header, c, &e));
	put_file("contract.h", header);
	buf_adds(source, "#include \"contract.h\"\n"
			 "static const struct { const char *name; enum ringhold_type type; } inputs[] = {\n");
	for (int i = 0; i < inputs; i++)
		buf_addf(source, "\t{ \"field-%d\", %s },\n", i, i % 2 ? "RINGHOLD_TYPE_INTEGER" : "RINGHOLD_TYPE_STRING");
	buf_adds(source, "};\n");
	if (says)
		buf_adds(source, "RINGHOLD_IPC_SUPPLIED_BY(inputs);\n");
	buf_adds(source, "RINGHOLD_CONTRACT_COMPLETE;\n"
			 "#define X(index, text, kind) [index] = kind,\n"
			 "static const enum ringhold_type types[RINGHOLD_IPC_FIELDS] = { RINGHOLD_IPC_EACH(X) };\n"
			 "#undef X\n"
			 "_Static_assert(RINGHOLD_IPC_FIELD_FIELD_20 == 20 && RINGHOLD_RULES_MAX_RULES == 5000, \"values\");\n"
			 "_Static_assert(RINGHOLD_CEILING_LOAD_MS == 2000, \"ceiling\");\n"
			 "int main(void) { return inputs[0].type == types[0] ? 0 : 1; }\n");
	put_file("sensor.c", source);
	assert_ok(proc_run(&run, &result, &e));
	ok = result.exit_status == 0;
	if (!ok && inputs == TEMPLATE_FIELDS && says)
		fail_msg("%s", result.output->data);
	if (!ok && says && !strstr(result.output->data, "the contract has 21 fields"))
		fail_msg("another error: %s", result.output->data);
	proc_result_release(&result);
	return ok;
}

static void a_sensor_with_20_inputs_for_21_fields_does_not_compile(void **state)
{
	(void)state;
	assert_true(sensor_compiles(21, true));
	assert_false(sensor_compiles(20, true));
	assert_false(sensor_compiles(22, true));
}

static void a_sensor_that_does_not_say_what_it_supplies_does_not_compile(void **state)
{
	(void)state;
	assert_false(sensor_compiles(21, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_contract_says_what_the_sensor_accepts),
		cmocka_unit_test(refusals_name_sensor_version_and_type),
		cmocka_unit_test(malformed_contracts_are_refused_with_their_place),
		cmocka_unit_test(every_truncated_contract_is_refused),
		cmocka_unit_test(an_absent_file_is_not_found),
		cmocka_unit_test(a_sensor_with_20_inputs_for_21_fields_does_not_compile),
		cmocka_unit_test(a_sensor_that_does_not_say_what_it_supplies_does_not_compile),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
