/* document_check: the target files of people's roles, looked at before they are published. */
#include "server/document_check.h"

#include <stdio.h>
#include <string.h>

#include "rollout/approvals.h"
#include "rollout/assignment.h"
#include "rollout/ringmap.h"

/* The channel in the path is the one in the document: ".../<channel><end>". */
static int check_channel(const char *path, const char *channel, const char *end, struct err *e)
{
	size_t have = strlen(path), want = 1 + strlen(channel) + strlen(end);
	char tail[PATH_LEN_MAX + 1];

	snprintf(tail, sizeof tail, "/%s%s", channel, end);
	if (have >= want && !strcmp(path + have - want, tail))
		return 0;
	return err_set(e, ERR_REFUSED, "%s: its document is for channel %s", path, channel);
}

static int check_recall(const char *path, const char *bytes, size_t len, struct stops **out, struct err *e)
{
	AUTO(stops) struct stops *s = NULL;

	if (out && *out)
		return err_set(e, ERR_FORMAT, "recalls are published one channel at a time");
	if (stops_parse(&s, STOPS_RECALL, path, bytes, len, e) < 0 || check_channel(path, s->channel, "/recalls.json", e) < 0)
		return e->code;
	if (out)
		*out = TAKE(s);
	return 0;
}

/* "bundles/<channel>/floor.json" */
static int check_floor(const char *path, const char *bytes, size_t len, struct err *e)
{
	const char *channel = path + strlen("bundles/"), *end = strchr(channel, '/');
	char name[NAME_LEN_MAX + 1];
	uint64_t serial;

	if (!end || strcmp(end, "/floor.json") != 0)
		return 0;
	if (!name_valid(channel, (size_t)(end - channel)))
		return err_set(e, ERR_REFUSED, "%s: of no channel", path);
	snprintf(name, sizeof name, "%.*s", (int)(end - channel), channel);
	return floor_parse(&serial, name, path, bytes, len, e);
}

int document_check(const char *path, const struct buf *text, struct stops **recalls, struct err *e)
{
	AUTO(assignment) struct assignment *assignment = NULL;
	AUTO(approvals) struct approvals *approvals = NULL;
	AUTO(ringmap) struct ringmap *map = NULL;
	AUTO(stops) struct stops *stops = NULL;
	const char *bytes = text->len ? text->data : "";

	if (!strcmp(path, RINGMAP_PATH))
		return ringmap_parse(&map, path, bytes, text->len, e);
	if (!strncmp(path, "rings/", strlen("rings/")))
		return assignment_parse(&assignment, path, bytes, text->len, e);
	if (!strncmp(path, "approvals/", strlen("approvals/")))
		return approvals_parse(&approvals, path, bytes, text->len, e) < 0 ? e->code : check_channel(path, approvals->channel, ".json", e);
	if (!strncmp(path, "stop/", strlen("stop/")))
		return stops_parse(&stops, STOPS_STOP, path, bytes, text->len, e) < 0 ? e->code : check_channel(path, stops->channel, "/stops.json", e);
	if (!strncmp(path, "bundles/", strlen("bundles/")))
		return check_floor(path, bytes, text->len, e);
	return strncmp(path, "recall/", strlen("recall/")) ? 0 : check_recall(path, bytes, text->len, recalls, e);
}
