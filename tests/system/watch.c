/* watch: what the server knows of one bundle, asked anew on every turn; and the bundles themselves. */
#include "watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "content/bundle.h"

#define CREATED "2026-01-31T12:00:00Z"

/* ---- bundles ---- */

int bundle_make(struct bundle_made *out, struct world *w, const char *dir, uint64_t serial, struct err *e)
{
	AUTO_FREE char *source = *dir == '/' || *dir == '.' ? strdup(dir) : file_join(w->tree, dir);
	AUTO_FREE char *config = source ? file_join(source, "bundle.json") : NULL;
	AUTO_FREE char *archive = NULL;
	AUTO(buf) struct buf *bytes = NULL;
	char number[24];
	bool plain;

	if (!source || !config || asprintf(&archive, "%s/%llu.tar.gz", w->dir, (unsigned long long)serial) < 0)
		return err_memory(e);
	snprintf(number, sizeof number, "%llu", (unsigned long long)serial);
	plain = !file_exists(config);
	if (world_expect(w, 0, NULL, e, "ringhold", "bundle", "build", source, "--output", archive, "--serial", number,
			 "--version", number, "--unchecked", "--channel", w->channel, "--created", CREATED, plain ? "--type" : NULL,
			 "yara", NULL) < 0)
		return e->code;
	if (bundle_check(archive, NULL, NULL, &out->digest, NULL, e) < 0 ||
	    file_read(&bytes, archive, (size_t)1 << 30, e) < 0)
		return e->code;
	out->serial = serial;
	out->size = bytes->len;
	free(out->archive);
	out->archive = TAKE(archive);
	return 0;
}

static int publish(const struct bundle_made *b, struct world *w, int expect, struct buf **said, struct err *e)
{
	AUTO_FREE char *home = file_join(w->dir, "server");
	AUTO_FREE char *keys = file_join(w->dir, "vendor-keys");

	if (!home || !keys)
		return err_memory(e);
	return world_expect(w, expect, said, e, "ringhold", "publish", b->archive, "--keys", keys, "--home", home, NULL);
}

int bundle_publish(const struct bundle_made *b, struct world *w, struct err *e)
{
	return publish(b, w, 0, NULL, e);
}

int bundle_refused(const struct bundle_made *b, struct world *w, struct buf **said, struct err *e)
{
	return publish(b, w, 1, said, e);
}

/* ---- watching ---- */

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);

	return v && v->type == JSON_STRING ? v->u.text : "";
}

static int64_t int_of(const struct json *o, const char *key)
{
	const struct json *v = json_get(o, key);
	int64_t n = 0;

	if (v)
		(void)!json_to_int(v, &n);
	return n;
}

static bool names_bundle(const struct watch *look, const struct json *o)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &look->bundle->digest);
	return !strcmp(text_of(o, "digest"), hex);
}

static int find_rollout(struct watch *look, struct world *w, struct err *e)
{
	struct world_reply reply;
	const struct json *items;

	if (world_get(w, "/v1/rollouts", &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (uint32_t i = 0; items && i < items->count; i++)
		if (names_bundle(look, &items->u.items[i]) && look->rollout == 0)
			look->rollout = int_of(&items->u.items[i], "id");
	world_reply_release(&reply);
	return 0;
}

/* Tells each new state of a ring once. */
static void take_ring(struct watch *look, const struct world *w, size_t at, const struct json *ring)
{
	struct watch_ring *to = &look->rings[at];
	bool changed = strcmp(to->state, text_of(ring, "state")) != 0;

	snprintf(to->ring, sizeof to->ring, "%s", text_of(ring, "ring"));
	snprintf(to->state, sizeof to->state, "%s", text_of(ring, "state"));
	snprintf(to->cause, sizeof to->cause, "%s", text_of(ring, "cause"));
	snprintf(to->sentence, sizeof to->sentence, "%s", text_of(ring, "sentence"));
	if (changed)
		world_say(w, "%-6s serial %llu is %s: %s", to->ring, (unsigned long long)look->bundle->serial, to->state,
			  to->sentence);
	look->lost += (size_t)int_of(json_get(ring, "offers"), "lost");
}

static int take_rollout(struct watch *look, struct world *w, struct err *e)
{
	struct world_reply reply;
	const struct json *rings;
	char path[64];

	if (look->rollout == 0 && find_rollout(look, w, e) < 0)
		return e->code;
	if (look->rollout == 0)
		return 0;
	snprintf(path, sizeof path, "/v1/rollouts/%lld", (long long)look->rollout);
	if (world_get(w, path, &reply, e) < 0)
		return e->code;
	rings = json_get(reply.doc->root, "rings");
	look->lost = 0;
	look->ring_count = 0;
	for (uint32_t i = 0; rings && i < rings->count && i < WATCH_RINGS_MAX; i++) {
		take_ring(look, w, i, &rings->u.items[i]);
		look->ring_count++;
	}
	world_reply_release(&reply);
	return 0;
}

static struct machine *machine_of(struct world *w, const char *device)
{
	for (size_t i = 0; i < w->machine_count; i++)
		if (*device && !strcmp(w->machines[i].device, device))
			return &w->machines[i];
	return NULL;
}

static int take_devices(struct watch *look, struct world *w, struct err *e)
{
	struct world_reply reply;
	const struct json *items;

	if (world_get(w, "/v1/devices?limit=100", &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (uint32_t i = 0; items && i < items->count; i++) {
		const struct json *device = &items->u.items[i];
		const struct machine *m = machine_of(w, text_of(device, "device"));
		const struct json *channels = json_get(device, "channels");

		for (uint32_t k = 0; m && channels && k < channels->count; k++) {
			const struct json *channel = &channels->u.items[k];
			char hex[DIGEST_HEX_LEN + 1];

			digest_hex(hex, &look->bundle->digest);
			snprintf(look->phases[m->at], sizeof look->phases[m->at], "%s",
				 !strcmp(text_of(channel, "running"), hex) ? text_of(channel, "phase") : "");
		}
	}
	world_reply_release(&reply);
	return 0;
}

static void take_event(struct watch *look, struct world *w, const struct json *event)
{
	const struct machine *m = machine_of(w, text_of(event, "device"));
	const char *kind = text_of(event, "kind");

	look->last_event = MAX(look->last_event, int_of(event, "id"));
	if (!m || !names_bundle(look, event))
		return;
	if (!strcmp(kind, "declined") && !look->counted[m->at][0]) {
		look->counted[m->at][0] = true;
		look->declined++;
		snprintf(look->said, sizeof look->said, "%s", text_of(event, "sentence"));
	}
	if (!strcmp(kind, "failed") && !look->counted[m->at][1]) {
		look->counted[m->at][1] = true;
		look->failed++;
		world_say(w, "%s reports %s: %s", m->name, text_of(event, "cause"), text_of(event, "sentence"));
	}
}

static int take_events(struct watch *look, struct world *w, struct err *e)
{
	struct world_reply reply;
	const struct json *items;
	char path[64];

	snprintf(path, sizeof path, "/v1/events?after=%lld&limit=500", (long long)look->last_event);
	if (world_get(w, path, &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (uint32_t i = 0; items && i < items->count; i++)
		take_event(look, w, &items->u.items[i]);
	world_reply_release(&reply);
	return 0;
}

int watch_refresh(struct watch *look, struct world *w, struct err *e)
{
	if (take_rollout(look, w, e) < 0 || take_devices(look, w, e) < 0 || take_events(look, w, e) < 0)
		return e->code;
	return 0;
}

bool watch_phase_is(const struct watch *look, const struct machine *m, const char *phase)
{
	return !strcmp(look->phases[m->at], phase);
}

bool watch_all_rings(const struct watch *look, const char *state)
{
	for (size_t i = 0; i < look->ring_count; i++)
		if (strcmp(look->rings[i].state, state) != 0)
			return false;
	return look->ring_count > 0;
}

static const struct watch_ring *ring_of(const struct watch *look, const char *ring)
{
	static const struct watch_ring none;

	for (size_t i = 0; i < look->ring_count; i++)
		if (!strcmp(look->rings[i].ring, ring))
			return &look->rings[i];
	return &none;
}

bool watch_ring_is(const struct watch *look, const char *ring, const char *state)
{
	return !strcmp(ring_of(look, ring)->state, state);
}

const char *watch_ring_state(const struct watch *look, const char *ring)
{
	return ring_of(look, ring)->state;
}

const char *watch_ring_sentence(const struct watch *look, const char *ring)
{
	return ring_of(look, ring)->sentence;
}

int watch_history_holds(struct world *w, const struct machine *m, const struct bundle_made *b, const char *word,
			struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	int count = 0;
	char *save, *line;

	digest_hex(hex, &b->digest);
	if (world_expect(w, 0, &text, e, "ringhold-agent", "history", "--json", "--root", m->root, NULL) < 0)
		return e->code;
	for (line = text->len ? strtok_r(text->data, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		if (strstr(line, hex) && strstr(line, word))
			count++;
	return count;
}
