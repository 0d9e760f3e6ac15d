/* world_install: what is set up in a world: the server with its keys and people, and machines of three rings. */
#include "world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* ---- an installation ---- */

/* The kernel chose the port once; a restarted server must be found where it was. */
static int keep_port(struct world *w, struct err *e)
{
	AUTO_FREE char *path = file_join(w->dir, "server/ringholdd.ini");
	AUTO(buf) struct buf *old = NULL, *new = buf_new(0);
	const char *address = w->url + strlen("https://");
	char *line, *save;

	if (!path || !new)
		return err_memory(e);
	if (file_read(&old, path, 65536, e) < 0)
		return e->code;
	for (line = strtok_r(old->data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "listen", 6))
			buf_addf(new, "listen = %s\n", address);
		else
			buf_addf(new, "%s\n", line);
	}
	if (buf_check(new, e) < 0)
		return e->code;
	return file_replace(path, new->data, new->len, 0600, e);
}

/* The stories watch far more closely than a person would, all of them as one operator. */
static int let_it_ask(struct world *w, struct err *e)
{
	static const char limits[] = "token-rate = 100000\ntoken-burst = 100000\naddress-rate = 100000\naddress-burst = 100000\n";
	AUTO_FREE char *path = file_join(w->dir, "server/ringholdd.ini");
	AUTO(buf) struct buf *text = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&text, path, 65536, e) < 0)
		return e->code;
	buf_adds(text, limits);
	if (buf_check(text, e) < 0)
		return e->code;
	return file_replace(path, text->data, text->len, 0600, e);
}

int world_install(struct world *w, struct err *e)
{
	AUTO_FREE char *server = file_join(w->dir, "server");
	AUTO_FREE char *contract = file_join(w->tree, "deploy/demo/contract.json");

	if (!server || !contract)
		return err_memory(e);
	if (world_expect(w, 0, NULL, e, "ringhold", "init", w->dir, "--channel", w->channel, "--listen", "127.0.0.1:0",
			 NULL) < 0)
		return e->code;
	world_say(w, "keys, a first repository and a server's configuration are made");
	if (let_it_ask(w, e) < 0 || world_server_start(w, e) < 0 || keep_port(w, e) < 0)
		return e->code;
	world_say(w, "ringholdd listens on %s, TLS, its key pinned", w->url);
	if (world_promoter_start(w, e) < 0)
		return e->code;
	world_say(w, "a promoter, another process and user, watches it and co-signs for every ring but the first");
	return world_expect(w, 0, NULL, e, "ringhold", "contract", "register", contract, "--home", server, NULL);
}

/* ---- the machines ---- */

static int enrolment_of(struct world *w, const char *ring, struct buf **out, struct err *e)
{
	AUTO_FREE char *home = file_join(w->dir, "server");
	AUTO_FREE char *attribute = NULL;

	if (!home || asprintf(&attribute, "ring=%s", ring) < 0)
		return err_memory(e);
	if (world_expect(w, 0, out, e, "ringhold", "token", "enrol", "--attribute", attribute, "--home", home, NULL) < 0)
		return e->code;
	if (!strstr((*out)->data, "rh1:"))
		return err_set(e, ERR_FORMAT, "ringhold token enrol printed no enrolment string: %.200s", (*out)->data);
	return 0;
}

static int copy_file(const char *from, const struct machine *m, const char *to, struct err *e)
{
	AUTO_FREE char *path = machine_path(m, to);
	AUTO(buf) struct buf *bytes = NULL;

	if (!path)
		return err_memory(e);
	if (file_read(&bytes, from, (size_t)1 << 20, e) < 0)
		return e->code;
	return file_replace(path, bytes->data, bytes->len, 0644, e);
}

static int furnish(struct world *w, struct machine *m, struct err *e)
{
	AUTO_FREE char *root = file_join(w->dir, "root.json");
	AUTO_FREE char *contract = file_join(w->tree, "deploy/demo/contract.json");
	AUTO_FREE char *ini = machine_path(m, "etc/ringhold/agent.ini");
	AUTO_FREE char *text = NULL;

	if (!root || !contract || !ini ||
	    asprintf(&text, "[agent]\nattributes = ring=%s\nos = debian-12\nhost = %s\n\n[channel %s]\n", m->ring, m->name,
		     w->channel) < 0)
		return err_memory(e);
	if (copy_file(root, m, "etc/ringhold/trust/content.root.json", e) < 0 ||
	    copy_file(contract, m, "etc/ringhold/contract.json", e) < 0)
		return e->code;
	return file_replace(ini, text, strlen(text), 0644, e);
}

static int enrol(struct world *w, struct machine *m, const char *said, struct err *e)
{
	const char *at = strstr(said, "rh1:");
	AUTO_FREE char *string = strndup(at, strcspn(at, " \r\n"));

	if (!string)
		return err_memory(e);
	return world_expect(w, 0, NULL, e, "ringhold-agent", "enrol", string, "--root", m->root, NULL);
}

int world_all_heard(struct world *w, void *arg, struct err *e)
{
	struct world_reply reply;
	const struct json *items;
	size_t known = 0;

	(void)arg;
	if (world_get(w, "/v1/devices?limit=100", &reply, e) < 0)
		return e->code;
	items = json_get(reply.doc->root, "items");
	for (uint32_t k = 0; items && k < items->count; k++) {
		const struct json *device = &items->u.items[k];
		const struct json *id = json_get(device, "device");
		const struct json *host = json_get(json_get(device, "facts"), "host");
		const struct json *seen = json_get(device, "last_seen");

		for (size_t i = 0; host && i < w->machine_count; i++)
			if (json_is(host, w->machines[i].name))
				snprintf(w->machines[i].device, sizeof w->machines[i].device, "%s", id->u.text);
		known += seen && seen->type == JSON_STRING;
	}
	world_reply_release(&reply);
	return known == w->machine_count;
}

int world_populate(struct world *w, struct err *e)
{
	static const char *const rings[] = { "canary", "early", "broad" };

	for (size_t i = 0; i < WORLD_MACHINES; i++) {
		const char *ring = rings[i * ARRAY_LEN(rings) / WORLD_MACHINES];
		struct machine *m = &w->machines[i];
		AUTO(buf) struct buf *said = NULL;

		if (machine_new(m, w, ring, (unsigned)(i % (WORLD_MACHINES / ARRAY_LEN(rings)) + 1), e) < 0)
			return e->code;
		m->at = i;
		w->machine_count = i + 1;
		if (enrolment_of(w, ring, &said, e) < 0 || furnish(w, m, e) < 0 || enrol(w, m, said->data, e) < 0 ||
		    machine_boot(m, w, e) < 0)
			return err_wrap(e, "%s", m->name);
	}
	if (world_until(w, false, "every endpoint checked in", world_all_heard, NULL, e) < 0)
		return e->code;
	world_say(w, "%zu endpoints in three rings are enrolled, booted and checked in", w->machine_count);
	return 0;
}
