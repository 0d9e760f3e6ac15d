/* events: lines in, verdicts out. */
#include "sensor/events.h"

#include <string.h>

#include "sensor/engine.h"

static void put_error(struct events *ev, const char *sentence)
{
	struct json_writer w = { .out = ev->out };

	json_open_object(&w, NULL);
	json_put_int(&w, "event", (int64_t)ev->number);
	json_put_text(&w, "error", sentence);
	json_close_object(&w);
	buf_addc(ev->out, '\n');
}

static void put_detection(struct events *ev, const struct detection *d, const struct engine *engine)
{
	struct json_writer w = { .out = ev->out };

	json_open_object(&w, NULL);
	json_put_int(&w, "event", (int64_t)ev->number);
	json_put_text(&w, "verdict", detection_name(d->action));
	json_put_text(&w, "rule", d->rule);
	json_put_int(&w, "matches", d->matches);
	if (d->would != DETECTION_NONE) {
		json_put_text(&w, "would", detection_name(d->would));
		json_put_text(&w, "would_rule", d->would_rule);
	}
	if (engine)
		json_put_int(&w, "serial", (int64_t)engine_serial(engine));
	else
		json_put_null(&w, "serial");
	json_close_object(&w);
	buf_addc(ev->out, '\n');
}

static bool blank(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r", line[i]))
			return false;
	return true;
}

static void judge(struct events *ev, struct engine *engine, const char *line, size_t len)
{
	struct detection d = { .action = DETECTION_NONE };
	struct err e = { 0 };

	if (blank(line, len))
		return;
	ev->number++;
	if (engine && loader_set_match(engine_rules(engine), line, len, &d, &e) < 0) {
		tally_error(engine_tally(engine));
		put_error(ev, e.msg);
		return;
	}
	if (engine)
		tally_add(engine_tally(engine), &d);
	put_detection(ev, &d, engine);
}

static void end_line(struct events *ev, struct engine *engine)
{
	if (ev->too_long) {
		ev->number++;
		put_error(ev, "longer than an event may be");
	} else if (ev->line.len) {
		judge(ev, engine, ev->line.data, ev->line.len);
	}
	ev->too_long = false;
	buf_clear(&ev->line);
}

/* A part of a line; beyond the limit all of it is thrown away. */
static void keep(struct events *ev, const char *bytes, size_t len)
{
	ev->line.max = LOADER_EVENT_MAX;
	if (!ev->too_long)
		buf_add(&ev->line, bytes, len);
	if (ev->line.failed) {
		ev->too_long = true;
		buf_release(&ev->line);
	}
}

void events_feed(struct events *ev, struct engine *engine, const char *bytes, size_t len)
{
	const char *newline;

	while ((newline = memchr(bytes, '\n', len))) {
		size_t part = (size_t)(newline - bytes);

		keep(ev, bytes, part);
		end_line(ev, engine);
		bytes += part + 1;
		len -= part + 1;
	}
	if (len)
		keep(ev, bytes, len);
}

void events_end(struct events *ev, struct engine *engine)
{
	end_line(ev, engine);
}

void events_release(struct events *ev)
{
	buf_release(&ev->line);
}
