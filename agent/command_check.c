/* command_check: does every channel run what its ring is assigned? */
#include <inttypes.h>
#include <stdio.h>

#include "agent/command.h"
#include "agent/command_json.h"
#include "agent/command_left_out.h"
#include "base/log.h"

static bool up_to_date(const struct channel *c)
{
	struct digest running = trial_running(&c->boot);

	return digest_is_zero(&c->state.last.assigned) || digest_equal(&running, &c->state.last.assigned);
}

static int text(const struct host *h, struct err *e)
{
	for (size_t i = 0; i < h->channel_count; i++) {
		const struct channel *c = &h->channels[i];
		char hex[DIGEST_HEX_LEN + 1];

		if (up_to_date(c))
			continue;
		digest_hex(hex, &c->state.last.assigned);
		printf("%s: serial %" PRIu64 ", %.12s, is assigned and does not run\n", c->state.name, c->state.last.assigned_serial, hex);
		if (left_out_print(c, LEFT_OUT_SHORT, e) < 0)
			return e->code;
	}
	return 0;
}

static void put_assigned(struct json_writer *w, const struct message_verdict *v)
{
	char hex[DIGEST_HEX_LEN + 1];

	if (digest_is_zero(&v->assigned)) {
		json_put_null(w, "assigned");
		return;
	}
	digest_hex(hex, &v->assigned);
	json_open_object(w, "assigned");
	json_put_text(w, "digest", hex);
	json_put_int(w, "serial", (int64_t)v->assigned_serial);
	json_close_object(w);
}

static int json(const struct host *h, bool all, struct err *e)
{
	struct command_json j;
	int rc = command_json_open(&j, e);

	if (rc < 0)
		return rc;
	json_put_bool(&j.w, "up_to_date", all);
	json_open_array(&j.w, "channels");
	for (size_t i = 0; i < h->channel_count; i++) {
		const struct channel *c = &h->channels[i];
		struct digest running = trial_running(&c->boot);

		json_open_object(&j.w, NULL);
		json_put_text(&j.w, "channel", c->state.name);
		json_put_bool(&j.w, "up_to_date", up_to_date(c));
		command_json_content(&j.w, "running", c, &running);
		put_assigned(&j.w, &c->state.last);
		json_put_text(&j.w, "reason", *c->state.last.reason ? c->state.last.reason : NULL);
		left_out_put(&j.w, c);
		json_close_object(&j.w);
	}
	json_close_array(&j.w);
	rc = command_json_print(&j, e);
	command_json_close(&j);
	return rc;
}

int command_check(int argc, char **argv, const void *options, struct err *e)
{
	const struct show_options *o = options;
	AUTO(settings) struct settings *s = NULL;
	struct host h = { 0 };
	bool all = true;
	int rc;

	(void)argc;
	(void)argv;
	log_init("agent", LOG_ERROR);
	rc = settings_load(&s, command_root(), NULL, e);
	if (rc == 0)
		rc = host_open(&h, s, true, e);
	for (size_t i = 0; i < h.channel_count; i++)
		all &= up_to_date(&h.channels[i]);
	if (rc == 0)
		rc = o->json ? json(&h, all, e) : text(&h, e);
	host_close(&h);
	return rc < 0 ? rc : !all;
}
