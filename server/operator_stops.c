/* operator_stops: which bundles of a channel are taken away for good, and which are wanted in haste. */
#include <stdio.h>
#include <string.h>

#include "server/handlers.h"

#define PAGE 200
#define PAGE_MAX 1000

static void put_list(struct handler_page *p, const struct stops *list, const char *kind)
{
	for (size_t i = 0; list && i < list->count; i++) {
		const struct stop_entry *t = &list->entries[i];
		const char *word = t->urgent ? "urgent" : kind;
		char hex[DIGEST_HEX_LEN + 1], key[DIGEST_HEX_LEN + 16];

		digest_hex(hex, &t->digest);
		snprintf(key, sizeof key, "%s-%s", word, hex);
		if (!handler_page_takes(p, key))
			continue;
		json_open_object(&p->w, NULL);
		json_put_text(&p->w, "digest", hex);
		json_put_int(&p->w, "serial", (int64_t)t->serial);
		json_put_text(&p->w, "kind", word);
		handler_put_time(&p->w, "at", t->at);
		handler_put_text(&p->w, "reason", t->reason);
		json_close_object(&p->w);
	}
}

void operator_stops(struct request *q)
{
	const char *channel = q->params[0];
	AUTO(stops) struct stops *stops = NULL, *recalls = NULL;
	struct handler_page page;
	struct err e;

	if (!name_valid(channel, strlen(channel))) {
		reply_problem(&q->reply, PROBLEM_NOT_FOUND, "no channel has such a name");
		return;
	}
	if (desk_stops(q->server->desk, STOPS_STOP, channel, &stops, &e) < 0 || desk_stops(q->server->desk, STOPS_RECALL, channel, &recalls, &e) < 0) {
		reply_error(&q->reply, &e);
		return;
	}
	if (!handler_page_begin(q, &page, PAGE, PAGE_MAX))
		return;
	put_list(&page, stops, "stop");
	put_list(&page, recalls, "recall");
	handler_page_end(q, &page);
}
