/* operator_health: whether the server lives, and whether it is of use. */
#include <string.h>

#include "server/handlers.h"
#include "server/now.h"
#include "server/ready.h"

#define EXCLUDE_MAX 128

void health(struct request *q)
{
	struct json_writer w = reply_json(&q->reply, 200);

	json_open_object(&w, NULL);
	json_put_text(&w, "status", "ok");
	json_close_object(&w);
}

/* "exclude=followed,space": what whoever asks does not mind. False: the reply says which word is none. */
static bool take_excluded(struct request *q, bool excluded[READY_CONDITIONS])
{
	char text[EXCLUDE_MAX] = "";

	memset(excluded, 0, READY_CONDITIONS * sizeof *excluded);
	(void)http_query(q->http, "exclude", text, sizeof text);
	for (char *save = NULL, *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int c = 0;

		while (c < READY_CONDITIONS && strcmp(ready_name((enum ready)c), word) != 0)
			c++;
		if (c == READY_CONDITIONS) {
			reply_problem(&q->reply, PROBLEM_MALFORMED, "exclude: \"%.40s\" is no condition", word);
			return false;
		}
		excluded[c] = true;
	}
	return true;
}

static void put_conditions(struct json_writer *w, char why[READY_CONDITIONS][READY_WHY], const bool excluded[READY_CONDITIONS])
{
	json_open_array(w, "conditions");
	for (int c = 0; c < READY_CONDITIONS; c++) {
		json_open_object(w, NULL);
		json_put_text(w, "condition", ready_name((enum ready)c));
		json_put_bool(w, "holds", !why[c][0]);
		json_put_bool(w, "excluded", excluded[c]);
		handler_put_text(w, "why", why[c]);
		json_close_object(w);
	}
	json_close_array(w);
}

void readiness(struct request *q)
{
	char why[READY_CONDITIONS][READY_WHY];
	bool excluded[READY_CONDITIONS];
	const char *first = NULL;
	struct json_writer w;

	if (!take_excluded(q, excluded))
		return;
	ready_look(q->server, server_now(q->server), why);
	for (int c = READY_CONDITIONS - 1; c >= 0; c--)
		if (why[c][0] && !excluded[c])
			first = why[c];
	if (first) {
		w = reply_problem_open(&q->reply, PROBLEM_UNAVAILABLE, first);
	} else {
		w = reply_json(&q->reply, 200);
		json_open_object(&w, NULL);
		json_put_text(&w, "status", "ok");
	}
	put_conditions(&w, why, excluded);
	json_close_object(&w);
}
