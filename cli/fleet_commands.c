/* fleet_commands: rings, devices, enrolment, and the state of everything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/remote.h"

struct fleet_options {
	struct remote_options remote;
	struct cli_list attributes;
	const char *ring, *name, *reason;
	int64_t uses, lifetime_s, after;
};

#define AT(field) offsetof(struct fleet_options, field)

static const struct cli_option plain_rows[] = { REMOTE_ROWS(AT(remote)) };
static const struct cli_option assign_rows[] = { REMOTE_MATCH_ROW(AT(remote)), REMOTE_CHANGE_ROWS(AT(remote)) };
static const struct cli_option device_rows[] = {
	{ "ring", 0, CLI_TEXT, AT(ring), "NAME", "of this ring only" },
	REMOTE_ROWS(AT(remote)),
};
static const struct cli_option enrol_rows[] = {
	{ "hint", 0, CLI_TEXT, AT(ring), "RING", "the ring that its devices are meant for: the attribute ring" },
	{ "attribute", 'a', CLI_MANY, AT(attributes), "KEY=VALUE", "assigned to every device that uses it, such as ring=canary" },
	{ "name", 0, CLI_TEXT, AT(name), "TEXT", "what it is for [enrolment]" },
	{ "uses", 0, CLI_INT, AT(uses), "N", "how many devices may use it [any number]" },
	{ "lifetime", 0, CLI_SECONDS, AT(lifetime_s), "TIME", "how long it is good, such as 12h [7d]" },
	REMOTE_CHANGE_ROWS(AT(remote)),
};
#define REASON_ROW { "reason", 0, CLI_TEXT, AT(reason), "TEXT", "why, for the audit log" }
static const struct cli_option reason_rows[] = { REASON_ROW, REMOTE_CHANGE_ROWS(AT(remote)) };
static const struct cli_option device_change_rows[] = {
	REASON_ROW,
	REMOTE_MATCH_ROW(AT(remote)),
	REMOTE_CHANGE_ROWS(AT(remote)),
};
static const struct cli_option event_rows[] = {
	{ "after", 0, CLI_INT, AT(after), "N", "those after this number [0]" },
	REMOTE_ROWS(AT(remote)),
};

/* One request whose answer is shown as it is. */
static int call_and_print(const struct remote_options *o, const char *method, const char *path, const struct buf *body, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	if (remote_open(&r, o, e) < 0 || remote_call(r, method, path, body, &answer, e) < 0)
		return e->code;
	return remote_print(answer.doc->root, e);
}

/* ---- status and rings ---- */

/* How often its emergency lane was used: never, as a rule. */
static void print_channel(const struct json *channel, const char *name)
{
	char total[24], recent[24];

	remote_text(channel, "emergencies.total", total, sizeof total);
	remote_text(channel, "emergencies.last_90_days", recent, sizeof recent);
	printf("channel %s", name);
	if (strcmp(total, "0") != 0 && strcmp(total, "-") != 0)
		printf(": %s rollouts by the emergency lane, %s of them in 90 days", total, recent);
	printf("\n");
}

/* One table over all channels: who is where. */
static int print_rings(const struct json *status, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "RING", "ring" }, { "DEVICES", "devices" }, { "ASSIGNED", "assigned.serial" }, { "ROLLOUT", "rollout" }, { "STATE", "state" },
		{ "CAUSE", "cause" }, { "SAYS", "sentence" },
	};
	static const struct remote_column running[] = { { "DEVICES", "devices" }, { "RUN SERIAL", "serial" }, { "DIGEST", "digest" } };
	const struct json *channels = json_get(status, "channels");
	char name[80];

	for (size_t i = 0; channels && channels->type == JSON_ARRAY && i < channels->count; i++) {
		const struct json *rings = json_get(&channels->u.items[i], "rings");

		remote_text(&channels->u.items[i], "channel", name, sizeof name);
		print_channel(&channels->u.items[i], name);
		if (remote_table(rings, columns, ARRAY_LEN(columns), e) < 0)
			return e->code;
		printf("\n");
		for (size_t k = 0; k < rings->count; k++) {
			const struct json *what = json_get(&rings->u.items[k], "running");

			if (!what || what->type != JSON_ARRAY || what->count == 0)
				continue;
			remote_text(&rings->u.items[k], "ring", name, sizeof name);
			printf("ring %s\n", name);
			if (remote_table(what, running, ARRAY_LEN(running), e) < 0)
				return e->code;
			printf("\n");
		}
	}
	return 0;
}

static int with_status(const void *options, int (*print)(const struct json *, struct err *), struct err *e)
{
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "GET", "/v1/status", NULL, &answer, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(answer.doc->root, e) : print(answer.doc->root, e);
}

static int print_status(const struct json *status, struct err *e)
{
	static const struct remote_column roles[] = {
		{ "ROLE", "role" }, { "VERSION", "version" }, { "EXPIRES", "expires" }, { "THRESHOLD", "threshold" }, { "KEYS", "keys" }, { "HERE", "held" },
	};
	char now[32], total[24], silent[24], flagged[24];

	remote_text(status, "now", now, sizeof now);
	remote_text(status, "devices.total", total, sizeof total);
	remote_text(status, "devices.silent", silent, sizeof silent);
	remote_text(status, "devices.flagged", flagged, sizeof flagged);
	printf("%s: %s devices, %s of them silent, %s flagged as cloned\n\n", now, total, silent, flagged);
	if (print_rings(status, e) < 0 || remote_table(json_get(status, "roles"), roles, ARRAY_LEN(roles), e) < 0)
		return e->code;
	printf("\n");
	remote_lines("warning", json_get(status, "warnings"));
	remote_lines("to do", json_get(status, "actions"));
	return 0;
}

static int status(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	(void)argv;
	return with_status(options, print_status, e);
}

static int rings_show(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	(void)argv;
	return with_status(options, print_rings, e);
}

/* ---- devices ---- */

static int devices_list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "DEVICE", "device" }, { "RING", "ring" }, { "HOST", "facts.host" }, { "OS", "facts.os" }, { "SENSOR", "facts.sensor_version" },
		{ "LAST SEEN", "last_seen" }, { "REVOKED", "revoked" }, { "FLAGGED", "flag" },
	};
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = buf_new(0);

	(void)argc;
	(void)argv;
	if (!path)
		return err_memory(e);
	buf_adds(path, "/v1/devices?limit=500");
	if (o->ring) {
		buf_adds(path, "&ring=");
		remote_escape(path, o->ring);
	}
	if (buf_check(path, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, path->data, o->remote.json, columns, ARRAY_LEN(columns), e);
}

/* ---- bundles ---- */

static int bundles(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "CHANNEL", "channel" }, { "SERIAL", "serial" }, { "VERSION", "version" }, { "DIGEST", "digest" }, { "BYTES", "length" },
		{ "PUBLISHED", "published" }, { "BY", "by" },
	};
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_adds(path, "/v1/bundles");
	if (argc) {
		buf_adds(path, "?channel=");
		remote_escape(path, argv[0]);
	}
	if (buf_check(path, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, path->data, o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int on_device(const struct fleet_options *o, const char *method, const char *id, const char *rest, const struct buf *body, struct err *e)
{
	AUTO(buf) struct buf *path = NULL;

	if (remote_below(&path, "/v1/devices/", id, rest, e) < 0)
		return e->code;
	return call_and_print(&o->remote, method, path->data, body, e);
}

static int devices_show(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return on_device(options, "GET", argv[0], "", NULL, e);
}

/* "DELETE below base", with the reason in the query, as it has no body. */
static int end_one(const struct fleet_options *o, const char *base, const char *id, struct err *e)
{
	AUTO(buf) struct buf *path = NULL;

	if (remote_below(&path, base, id, o->reason ? "?reason=" : "", e) < 0)
		return e->code;
	if (o->reason)
		remote_escape(path, o->reason);
	if (buf_check(path, e) < 0)
		return e->code;
	return call_and_print(&o->remote, "DELETE", path->data, NULL, e);
}

static int devices_revoke(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return end_one(options, "/v1/devices/", argv[0], e);
}

static int devices_clear(int argc, char **argv, const void *options, struct err *e)
{
	const struct fleet_options *o = options;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };

	(void)argc;
	if (!body)
		return err_memory(e);
	if (!o->reason)
		return err_set(e, ERR_USAGE, "--reason TEXT is needed: what tells that it is one machine?");
	json_open_object(&w, NULL);
	json_put_text(&w, "reason", o->reason);
	json_close_object(&w);
	return on_device(o, "POST", argv[0], "/clear", body, e);
}

/* {"ring":"canary"} from "ring=canary". */
static int put_attributes(struct json_writer *w, const char *ring /* NULL: no hint */, const char *const *words, size_t count, struct err *e)
{
	json_open_object(w, "attributes");
	if (ring)
		json_put_text(w, "ring", ring);
	for (size_t i = 0; i < count; i++) {
		const char *equals = strchr(words[i], '=');
		char key[128];

		if (!equals || equals == words[i] || (size_t)(equals - words[i]) >= sizeof key)
			return err_set(e, ERR_USAGE, "\"%.80s\" is no attribute such as ring=canary", words[i]);
		snprintf(key, sizeof key, "%.*s", (int)(equals - words[i]), words[i]);
		json_put_text(w, key, equals + 1);
	}
	json_close_object(w);
	return 0;
}

static int devices_assign(int argc, char **argv, const void *options, struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };

	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	if (put_attributes(&w, NULL, (const char *const *)argv + 1, (size_t)argc - 1, e) < 0)
		return e->code;
	json_close_object(&w);
	return on_device(options, "PUT", argv[0], "/attributes", body, e);
}

/* ---- enrolment ---- */

static int token_enrolments(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "ID", "id" }, { "NAME", "name" }, { "RING", "attributes.ring" }, { "USES LEFT", "uses" }, { "EXPIRES", "expires" }, { "BY", "by" },
	};
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;

	(void)argc;
	(void)argv;
	if (remote_open(&r, &o->remote, e) < 0)
		return e->code;
	return remote_list(r, "/v1/enrolment-tokens", o->remote.json, columns, ARRAY_LEN(columns), e);
}

static int token_end_enrolment(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return end_one(options, "/v1/enrolment-tokens/", argv[0], e);
}

static int token_enrol(int argc, char **argv, const void *options, struct err *e)
{
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *body = buf_new(0);
	struct json_writer w = { .out = body };
	AUTO_ANSWER answer = { 0 };
	const struct json *line;

	(void)argc;
	(void)argv;
	if (!body)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "name", o->name ? o->name : "enrolment");
	if (put_attributes(&w, o->ring, o->attributes.items, o->attributes.count, e) < 0)
		return e->code;
	if (o->uses)
		json_put_int(&w, "uses", o->uses);
	if (o->lifetime_s)
		json_put_int(&w, "lifetime_s", o->lifetime_s);
	json_close_object(&w);
	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "POST", "/v1/enrolment-tokens", body, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	if (o->remote.dry_run) {
		printf("the server would make it\n");
		return 0;
	}
	line = json_get(answer.doc->root, "enrolment");
	if (!line || line->type != JSON_STRING || strncmp(line->u.text, "rh1:", 4) != 0)
		return err_set(e, ERR_FORMAT, "the server's answer holds no enrolment string");
	printf("%s\n", line->u.text);
	return 0;
}

/* ---- what happened ---- */

static int events(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "N", "id" }, { "AT", "at" }, { "KIND", "kind" }, { "CHANNEL", "channel" }, { "RING", "ring" }, { "DEVICE", "device" },
		{ "CAUSE", "cause" }, { "SAYS", "sentence" },
	};
	const struct fleet_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };
	char path[64];

	(void)argc;
	(void)argv;
	snprintf(path, sizeof path, "/v1/events?after=%lld", (long long)o->after);
	if (remote_open(&r, &o->remote, e) < 0 || remote_call(r, "GET", path, NULL, &answer, e) < 0)
		return e->code;
	if (o->remote.json)
		return remote_print(answer.doc->root, e);
	return remote_table(json_get(answer.doc->root, "items"), columns, ARRAY_LEN(columns), e);
}

#define COMMAND(function, arguments, least, most, rows_, what)                                                      \
	.args = arguments, .help = what, .min_args = least, .max_args = most, .run = function, .options = rows_,    \
	.option_count = ARRAY_LEN(rows_), .options_size = sizeof(struct fleet_options)

const struct cli_command fleet_commands[] = {
	{ .name = "status", COMMAND(status, NULL, 0, 0, plain_rows, "rings, channels, keys, and what waits for a person") },
	{ .name = "events", COMMAND(events, NULL, 0, 0, event_rows, "decisions and device events in one order") },
	{ .name = "bundles", COMMAND(bundles, "[CHANNEL]", 0, 1, plain_rows, "bundles that were published, newest first") },
	{ .name = "rings show", COMMAND(rings_show, NULL, 0, 0, plain_rows, "which content each ring is assigned and runs") },
	{ .name = "devices list", COMMAND(devices_list, NULL, 0, 0, device_rows, "devices and when they were heard") },
	{ .name = "devices show", COMMAND(devices_show, "DEVICE", 1, 1, plain_rows, "everything known of one device") },
	{ .name = "devices assign", COMMAND(devices_assign, "DEVICE KEY=VALUE...", 2, -1, assign_rows, "replace a device's attributes") },
	{ .name = "devices revoke", COMMAND(devices_revoke, "DEVICE", 1, 1, device_change_rows, "let a device in no more") },
	{ .name = "devices clear", COMMAND(devices_clear, "DEVICE", 1, 1, device_change_rows, "a flagged device is one machine after all: what it survived counts again") },
	{ .name = "token enrol", COMMAND(token_enrol, NULL, 0, 0, enrol_rows, "make the string that enrols endpoints") },
	{ .name = "token enrolments", COMMAND(token_enrolments, NULL, 0, 0, plain_rows, "what endpoints may enrol with, and how many more") },
	{ .name = "token end-enrolment", COMMAND(token_end_enrolment, "ID", 1, 1, reason_rows, "let nobody enrol with it any more") },
};
const size_t fleet_command_count = ARRAY_LEN(fleet_commands);
