/* credentials: one JSON file that nobody else may read. */
#include "agent/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/enrolment.h"
#include "agent/home.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#define DEVICE_PATH HOME_STATE "/device.json"
#define ENROL_PATH HOME_ETC "/enrol"
#define FILE_MAX 16384

static int read_member(char *out, size_t cap, const struct json_doc *d, const char *key, struct err *e)
{
	const char *text;

	if (json_want_text(d, d->root, key, cap - 1, &text, e) < 0)
		return e->code;
	snprintf(out, cap, "%s", text);
	return 0;
}

static int load_device(struct credentials *c, const char *root, struct err *e)
{
	struct message_token *t = &c->now;
	AUTO(buf) struct buf *text = NULL;
	AUTO(json) struct json_doc *d = NULL;
	char path[HOME_PATH_MAX];

	if (home_path(path, root, DEVICE_PATH, e) < 0)
		return e->code;
	if (file_read_secret(&text, path, FILE_MAX, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	if (json_parse(&d, path, text->data, text->len, NULL, e) < 0 ||
	    json_want_format(d, 1, NULL, e) < 0 || read_member(t->token, sizeof t->token, d, "token", e) < 0 ||
	    read_member(t->device, sizeof t->device, d, "device", e) < 0 ||
	    read_member(c->server.server, sizeof c->server.server, d, "server", e) < 0 ||
	    read_member(c->server.pin, sizeof c->server.pin, d, "pin", e) < 0)
		return e->code;
	return 0;
}

static int load_enrolment(struct credentials *c, const char *root, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;
	struct enrolment en;
	char path[HOME_PATH_MAX];

	if (home_path(path, root, ENROL_PATH, e) < 0)
		return e->code;
	if (file_read_secret(&text, path, FILE_MAX, e) < 0) {
		if (e->code == ERR_REFUSED)     /* delivery goes on; a secret that others could read makes no device */
			log_warn("this host does not enrol: %s", e->msg);
		return e->code == ERR_NOT_FOUND || e->code == ERR_REFUSED ? 0 : e->code;
	}
	if (enrolment_parse(&en, text->data, e) < 0 || text->len >= sizeof c->enrolment)
		return err_wrap(e, "%s", path);
	snprintf(c->enrolment, sizeof c->enrolment, "%.*s", (int)strcspn(text->data, "\r\n"), text->data);
	if (!*c->now.token) {
		snprintf(c->server.server, sizeof c->server.server, "%s", en.server);
		snprintf(c->server.pin, sizeof c->server.pin, "%s", en.pin);
	}
	return 0;
}

int credentials_load(struct credentials *c, const struct settings *s, struct err *e)
{
	struct err why;

	memset(c, 0, sizeof *c);
	if (load_device(c, s->root, &why) < 0) {        /* damaged: enrol again rather than stop delivering */
		memset(c, 0, sizeof *c);
		log_warn("device credentials cannot be read, this host enrols again: %s", why.msg);
	}
	if (load_enrolment(c, s->root, e) < 0)
		return e->code;
	if (*s->server)
		snprintf(c->server.server, sizeof c->server.server, "%s", s->server);
	if (*s->pin)
		snprintf(c->server.pin, sizeof c->server.pin, "%s", s->pin);
	return 0;
}

int credentials_store(struct credentials *c, const char *root, const struct message_token *t, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(FILE_MAX);
	struct json_writer w = { .out = text, .indent = true };
	char path[HOME_PATH_MAX];

	if (!text)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_int(&w, "format", 1);
	json_put_text(&w, "device", t->device);
	json_put_text(&w, "token", t->token);
	json_put_text(&w, "server", c->server.server);
	json_put_text(&w, "pin", c->server.pin);
	json_close_object(&w);
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0 || home_path(path, root, DEVICE_PATH, e) < 0 ||
	    file_replace(path, text->data, text->len, 0600, e) < 0)
		return e->code;
	c->now = *t;
	return 0;
}

int credentials_enrol(const char *root, const char *text, struct err *e)
{
	struct enrolment en;
	char path[HOME_PATH_MAX], device[HOME_PATH_MAX];

	if (enrolment_parse(&en, text, e) < 0 || home_make(root, HOME_ETC, false, e) < 0 ||
	    home_path(path, root, ENROL_PATH, e) < 0 || home_path(device, root, DEVICE_PATH, e) < 0 ||
	    file_replace(path, text, strlen(text), 0600, e) < 0)
		return e->code;
	if (unlink(device) < 0 && errno != ENOENT)
		return err_errno(e, "%s", device);
	return 0;
}
