/* inputs: what this sensor supplies to a rule. */
#include "sensor/inputs.h"

#include "base/json.h"

#define VALUES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct input ipc[] = {
	{ "image", CONTRACT_PATH, NULL },
	{ "pid", CONTRACT_INTEGER, NULL },
	{ "parent_image", CONTRACT_PATH, NULL },
	{ "parent_pid", CONTRACT_INTEGER, NULL },
	{ "user", CONTRACT_STRING, NULL },
	{ "session", CONTRACT_INTEGER, NULL },
	{ "integrity", CONTRACT_ENUM, VALUES("low", "medium", "high", "system") },
	{ "operation", CONTRACT_ENUM, VALUES("create", "connect", "read", "write", "close") },
	{ "pipe_name", CONTRACT_STRING, NULL },
	{ "server_image", CONTRACT_PATH, NULL },
	{ "server_pid", CONTRACT_INTEGER, NULL },
	{ "client_address", CONTRACT_IP, NULL },
	{ "client_host", CONTRACT_STRING, NULL },
	{ "bytes_in", CONTRACT_INTEGER, NULL },
	{ "bytes_out", CONTRACT_INTEGER, NULL },
	{ "first_bytes", CONTRACT_BYTES, NULL },
	{ "access_mask", CONTRACT_INTEGER, NULL },
	{ "logon", CONTRACT_ENUM, VALUES("local", "remote", "service") },
	{ "signer", CONTRACT_STRING, NULL },
	{ "image_hash", CONTRACT_BYTES, NULL },
};
_Static_assert(ARRAY_LEN(ipc) == 20, "contract 7.11 promises twenty inputs of ipc");

static const struct input process[] = {
	{ "image", CONTRACT_PATH, NULL },
	{ "command_line", CONTRACT_STRING, NULL },
	{ "pid", CONTRACT_INTEGER, NULL },
	{ "parent_image", CONTRACT_PATH, NULL },
	{ "user", CONTRACT_STRING, NULL },
	{ "elevated", CONTRACT_ENUM, VALUES("no", "yes") },
	{ "image_hash", CONTRACT_BYTES, NULL },
	{ "remote_address", CONTRACT_IP, NULL },
};
_Static_assert(ARRAY_LEN(process) == 8, "contract 7.11 promises eight inputs of process");

const struct input_template inputs_templates[] = {
	{ "ipc", ipc, ARRAY_LEN(ipc) },
	{ "process", process, ARRAY_LEN(process) },
};
const size_t inputs_template_count = ARRAY_LEN(inputs_templates);

const char *const inputs_protected[] = {
	"/sbin/init",	  "/usr/lib/systemd/systemd", "/usr/sbin/sshd",
	"/usr/bin/login", "/usr/bin/ringhold-agent",  "/usr/bin/ringhold-sensor", NULL,
};

static const struct limit {
	const char *name;
	int64_t value;
} rules_limits[] = {
	{ "files", 64 }, { "bytes", 8 << 20 }, { "rules", 10000 }, { "fields", 32 },
	{ "regex_steps", 100000 },
}, yara_limits[] = {
	{ "files", 5000 }, { "bytes", 64 << 20 }, { "rules", 100000 },
}, ceilings[] = {
	{ "load_ms", 5000 }, { "rss_bytes", 256 << 20 }, { "us_per_event", 2000 },
	{ "matches_per_10000", 5 },
};

static void put_limits(struct json_writer *w, const char *key, const struct limit *rows,
		       size_t count)
{
	json_open_object(w, key);
	for (size_t i = 0; i < count; i++)
		json_put_int(w, rows[i].name, rows[i].value);
	json_close_object(w);
}

static void put_input(struct json_writer *w, const struct input *in)
{
	json_open_object(w, NULL);
	json_put_text(w, "name", in->name);
	json_put_text(w, "type", contract_field_type_name(in->type));
	if (in->values) {
		json_open_array(w, "values");
		for (const char *const *v = in->values; *v; v++)
			json_put_text(w, NULL, *v);
		json_close_array(w);
	}
	json_close_object(w);
}

static void put_list_schema(struct json_writer *w, const char *key)
{
	json_open_object(w, key);
	json_put_text(w, "type", "array");
	json_open_object(w, "items");
	json_put_text(w, "type", "object");
	json_close_object(w);
	json_close_object(w);
}

/* What every rules file is, whatever its rules say; the templates below say the rest. */
static void put_schema(struct json_writer *w)
{
	json_open_object(w, "schema");
	json_put_text(w, "type", "object");
	json_open_array(w, "required");
	json_put_text(w, NULL, "format");
	json_close_array(w);
	json_open_object(w, "properties");
	json_open_object(w, "format");
	json_put_int(w, "const", 1);
	json_close_object(w);
	put_list_schema(w, "templates");
	put_list_schema(w, "instances");
	json_close_object(w);
	json_close_object(w);
}

static void put_rules(struct json_writer *w)
{
	json_open_object(w, "rules");
	json_open_array(w, "versions");
	json_put_int(w, NULL, 1);
	json_close_array(w);
	put_schema(w);
	json_open_object(w, "templates");
	for (size_t i = 0; i < inputs_template_count; i++) {
		json_open_object(w, inputs_templates[i].name);
		json_open_array(w, "fields");
		for (size_t k = 0; k < inputs_templates[i].count; k++)
			put_input(w, &inputs_templates[i].inputs[k]);
		json_close_array(w);
		json_close_object(w);
	}
	json_close_object(w);
	put_limits(w, "limits", rules_limits, ARRAY_LEN(rules_limits));
	json_close_object(w);
}

static void put_yara(struct json_writer *w)
{
	json_open_object(w, "yara");
	json_open_array(w, "versions");
	json_put_text(w, NULL, "4.2");
	json_close_array(w);
	put_limits(w, "limits", yara_limits, ARRAY_LEN(yara_limits));
	json_close_object(w);
}

void inputs_contract(struct buf *out)
{
	struct json_writer w = { .out = out, .indent = true };

	json_open_object(&w, NULL);
	json_put_int(&w, "format", CONTRACT_FORMAT);
	json_put_text(&w, "sensor", INPUTS_SENSOR);
	json_put_text(&w, "version", INPUTS_VERSION);
	json_open_object(&w, "accepts");
	put_rules(&w);
	put_yara(&w);
	json_close_object(&w);
	put_limits(&w, "ceilings", ceilings, ARRAY_LEN(ceilings));
	json_open_array(&w, "protected");
	for (const char *const *p = inputs_protected; *p; p++)
		json_put_text(&w, NULL, *p);
	json_close_array(&w);
	json_close_object(&w);
	buf_addc(out, '\n');
}
