#include "cli/remote.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fetch.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/hex.h"

#define ANSWER_MAX ((size_t)64 << 20)
#define PAGES_MAX 4000          /* of one list */
#define TARGET_MAX ((uint64_t)4 << 30)
#define COLUMNS_MAX 16
#define PATIENCE_S 5            /* what a server may ask for, so that it is asked again */
#define TRIES_MAX 5
#define LINE_MAX_BYTES 4096     /* of a file of one line */

struct remote {
	struct fetch *fetch;
	char *url;              /* without a slash at the end */
	char *token;            /* NULL: none */
	bool dry_run;
	char match[120];        /* "If-Match: ..."; "" none */
};

/* ---- finding the server ---- */

static const char *from_environment(const char *option, const char *name)
{
	const char *value = option ? option : getenv(name);

	return value && *value ? value : NULL;
}

static int line_of(char **out, const struct buf *text, const char *path, struct err *e)
{
	if (text->len == 0)
		return err_set(e, ERR_FORMAT, "%s: empty", path);
	text->data[strcspn(text->data, "\r\n")] = '\0';
	*out = strdup(text->data);
	return *out ? 0 : err_memory(e);
}

/* The first line of a file; a missing one leaves *out NULL. */
static int first_line(char **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	if (file_read(&text, path, LINE_MAX_BYTES, e) < 0)
		return e->code == ERR_NOT_FOUND ? 0 : e->code;
	return line_of(out, text, path, e);
}

/* Of a file that nobody else can read. */
static int secret_line(char **out, const char *path, struct err *e)
{
	AUTO(buf) struct buf *text = NULL;

	return file_read_secret(&text, path, LINE_MAX_BYTES, e) < 0 ? e->code : line_of(out, text, path, e);
}

static int line_below(char **out, const char *home, const char *name, struct err *e)
{
	AUTO_FREE char *path = home ? file_join(home, name) : NULL;

	if (!home)
		return 0;
	return path ? first_line(out, path, e) : err_memory(e);
}

static int find_token(struct remote *r, const struct remote_options *o, const char *home, struct err *e)
{
	const char *file = from_environment(o->token_file, "RINGHOLD_TOKEN_FILE");
	AUTO_FREE char *below = home ? file_join(home, "operator-token") : NULL;

	if (!file)
		file = below;
	if (!file)
		return err_set(e, ERR_USAGE, "who asks? name a --token-file, or the server's directory with --home");
	return secret_line(&r->token, file, e);
}

/* The server's directory says "host:port"; with a pin it speaks TLS. */
static int find_url(struct remote *r, const struct remote_options *o, const char *home, bool tls, struct err *e)
{
	const char *url = from_environment(o->server, "RINGHOLD_SERVER");
	AUTO_FREE char *listening = NULL;
	size_t len;

	if (url) {
		/* file: a directory laid out alike, to prepare and sign without a server */
		if (strncmp(url, "https://", 8) != 0 && strncmp(url, "http://", 7) != 0 && strncmp(url, "file://", 7) != 0)
			return err_set(e, ERR_USAGE, "--server %s: not a URL such as https://host:port", url);
		r->url = strdup(url);
	} else if (!home) {
		return err_set(e, ERR_USAGE, "which server? name one with --server, or its directory with --home");
	} else {
		if (line_below(&listening, home, "listening", e) < 0)
			return e->code;
		if (!listening)
			return err_set(e, ERR_NOT_FOUND, "%s/listening: there is none, so no server runs from this directory", home);
		if (asprintf(&r->url, "%s://%s", tls ? "https" : "http", listening) < 0)
			r->url = NULL;
	}
	if (!r->url)
		return err_memory(e);
	for (len = strlen(r->url); len > 8 && r->url[len - 1] == '/'; len--)
		r->url[len - 1] = '\0';
	return 0;
}

int remote_open(struct remote **out, const struct remote_options *o, struct err *e)
{
	AUTO(remote) struct remote *r = calloc(1, sizeof *r);
	const char *home = from_environment(o->home, "RINGHOLD_HOME");
	const char *pin = from_environment(o->pin, "RINGHOLD_PIN");
	AUTO_FREE char *own_pin = NULL;

	if (!r)
		return err_memory(e);
	r->dry_run = o->dry_run;
	/* A version as it is shown, or already in its quotes, or * for any. */
	if (o->match && (strlen(o->match) > 96 || strpbrk(o->match, "\r\n")))
		return err_set(e, ERR_USAGE, "--if-match %.40s...: no version is so long", o->match);
	if (o->match)
		snprintf(r->match, sizeof r->match, *o->match == '"' || !strcmp(o->match, "*") ? "If-Match: %s" : "If-Match: \"%s\"", o->match);
	if (!pin && line_below(&own_pin, home, "pin", e) < 0)
		return e->code;
	if (!pin)
		pin = own_pin;
	if (find_url(r, o, home, pin != NULL, e) < 0 || find_token(r, o, home, e) < 0)
		return e->code;
	if (fetch_new(&r->fetch, &(const struct fetch_settings){ .pin = pin, .ca_file = o->ca_file, .agent = "ringhold/" RINGHOLD_VERSION,
								 .total_ms = 600000 }, e) < 0)
		return e->code;
	*out = TAKE(r);
	return 0;
}

void remote_free(struct remote *r)
{
	if (!r)
		return;
	fetch_free(r->fetch);
	free(r->url);
	free(r->token);
	free(r);
}

const char *remote_url(const struct remote *r)
{
	return r->url;
}

/* ---- asking it ---- */

static int code_of(long status)
{
	switch (status) {
	case 401: case 403:
		return ERR_AUTH;
	case 404:
		return ERR_NOT_FOUND;
	case 409: case 412:
		return ERR_CONFLICT;
	case 413:
		return ERR_LIMIT;
	case 400: case 422:
		return ERR_REFUSED;
	default:
		return ERR_NET;
	}
}

/* What a problem document says, or the bare status. */
static int complain(const struct remote_answer *a, const char *method, const char *path, struct err *e)
{
	char detail[300];

	remote_text(a->doc ? a->doc->root : NULL, "detail", detail, sizeof detail);
	if (strcmp(detail, "-") == 0)
		return err_set(e, code_of(a->status), "%s %s: the server answers %ld", method, path, a->status);
	return err_set(e, code_of(a->status), "the server answers %ld: %s", a->status, detail);
}

static int request(struct remote *r, const struct fetch_request *q, struct fetch_answer *out, struct err *e)
{
	if (fetch_do(r->fetch, q, out, e) < 0)
		return err_wrap(e, "%s", r->url);
	return 0;
}

/* The same, and again after the moment that the server asks for. */
static int request_patiently(struct remote *r, const struct fetch_request *q, struct fetch_answer *out, struct err *e)
{
	for (int tries = 1;; tries++) {
		if (request(r, q, out, e) < 0)
			return e->code;
		if ((out->status != 503 && out->status != 429) || out->retry_after < 0 || out->retry_after > PATIENCE_S || tries == TRIES_MAX)
			return 0;
		poll(NULL, 0, (int)MAX(out->retry_after, 1) * 1000);
		fetch_answer_release(out);
	}
}

static int idempotency_key(char header[80], struct err *e)
{
	uint8_t bytes[16];
	int len = snprintf(header, 80, "Idempotency-Key: ");

	if (random_bytes(bytes, sizeof bytes, e) < 0)
		return e->code;
	hex_encode(header + len, bytes, sizeof bytes);
	return 0;
}

static char *url_of(const struct remote *r, const char *method, const char *path)
{
	bool dry = r->dry_run && strcmp(method, "GET") != 0;
	char *url;

	return asprintf(&url, "%s%s%s", r->url, path, !dry ? "" : strchr(path, '?') ? "&dry_run=true" : "?dry_run=true") < 0 ? NULL : url;
}

/* One request and what came of it; outside 2xx the error says what the server says. */
static int exchange(struct remote *r, const char *method, const char *path, const char *type, const struct buf *body, struct remote_answer *out,
		struct err *e)
{
	AUTO_FREE char *url = url_of(r, method, path);
	char key[80];
	const char *headers[3] = { NULL };
	size_t count = 0;
	struct fetch_request q = { .method = method, .url = url, .type = type, .bearer = r->token, .max = ANSWER_MAX };
	struct fetch_answer answer = { 0 };
	struct err unreadable;

	if (!url)
		return err_memory(e);
	if (strcmp(method, "POST") == 0) {
		if (idempotency_key(key, e) < 0)
			return e->code;
		headers[count++] = key;
	}
	if (r->match[0] && strcmp(method, "GET") != 0)
		headers[count++] = r->match;
	q.headers = count ? headers : NULL;
	if (body) {
		if (buf_check(body, e) < 0)
			return e->code;
		q.body = body->data;
		q.body_len = body->len;
	}
	if (request_patiently(r, &q, &answer, e) < 0)
		return e->code;
	out->status = answer.status;
	out->text = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (out->text->len > 0 && json_parse(&out->doc, "the server's answer", out->text->data, out->text->len, NULL, &unreadable) < 0)
		out->doc = NULL;
	return out->status < 200 || out->status > 299 ? complain(out, method, path, e) : 0;
}

int remote_call(struct remote *r, const char *method, const char *path, const struct buf *body, struct remote_answer *out, struct err *e)
{
	*out = (struct remote_answer){ 0 };
	if (exchange(r, method, path, NULL, body, out, e) < 0)
		return e->code;
	return out->doc ? 0 : err_set(e, ERR_FORMAT, "%s %s: the server's answer is no JSON", method, path);
}

/* One page below path; next (room for 200 bytes) becomes the cursor of the one after, or "". */
static int get_page(struct remote *r, const char *path, char next[200], struct remote_answer *out, struct err *e)
{
	AUTO(buf) struct buf *url = buf_new(0);
	const struct json *cursor;

	if (!url)
		return err_memory(e);
	buf_adds(url, path);
	if (next[0]) {
		buf_adds(url, strchr(path, '?') ? "&cursor=" : "?cursor=");
		remote_escape(url, next);
	}
	if (buf_check(url, e) < 0 || remote_call(r, "GET", url->data, NULL, out, e) < 0)
		return e->code;
	cursor = json_get(out->doc->root, "next");
	snprintf(next, 200, "%s", cursor && cursor->type == JSON_STRING ? cursor->u.text : "");
	return 0;
}

/* Each page's document lives only as long as it is copied. A server may be the one that is distrusted: no list is endless. */
int remote_all(struct remote *r, const char *path, struct remote_answer *out, struct err *e)
{
	struct json_writer w = { .out = buf_new(ANSWER_MAX) };
	char next[200] = "";
	int pages = 0;

	*out = (struct remote_answer){ .status = 200, .text = w.out };
	if (!w.out)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_open_array(&w, "items");
	do {
		AUTO_ANSWER page = { 0 };
		const struct json *items;

		if (get_page(r, path, next, &page, e) < 0)
			return e->code;
		items = json_get(page.doc->root, "items");
		if (!items || items->type != JSON_ARRAY)
			return err_set(e, ERR_FORMAT, "the server's answer holds no list");
		for (uint32_t i = 0; i < items->count; i++)
			json_put_value(&w, NULL, &items->u.items[i]);
		if (buf_check(w.out, e) < 0)
			return e->code;
		if (next[0] && ++pages == PAGES_MAX)
			return err_set(e, ERR_LIMIT, "the server's list has no end: %d pages were read", PAGES_MAX);
	} while (next[0]);
	json_close_array(&w);
	json_put_null(&w, "next");
	json_close_object(&w);
	return buf_check(w.out, e) < 0 ? e->code : json_parse(&out->doc, "the list", w.out->data, w.out->len, NULL, e);
}

int remote_list(struct remote *r, const char *path, bool json, const struct remote_column *columns, size_t count, struct err *e)
{
	AUTO_ANSWER answer = { 0 };

	if (remote_all(r, path, &answer, e) < 0)
		return e->code;
	return json ? remote_print(answer.doc->root, e) : remote_table(json_get(answer.doc->root, "items"), columns, count, e);
}

void remote_answer_release(struct remote_answer *a)
{
	json_free(a->doc);
	buf_free(a->text);
	*a = (struct remote_answer){ 0 };
}

int remote_get(struct remote *r, const char *path, size_t max, struct buf **out, struct err *e)
{
	AUTO_FREE char *url = NULL;
	struct fetch_request q = { .method = "GET", .max = max };
	struct fetch_answer answer = { 0 };
	long status;

	if (asprintf(&url, "%s%s", r->url, path) < 0)
		return err_memory(e);
	q.url = url;
	if (request(r, &q, &answer, e) < 0)
		return e->code;
	status = answer.status;
	if (status == 200)
		*out = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (status == 200 || status == 404)
		return status == 404;
	return err_set(e, code_of(status), "GET %s: the server answers %ld", path, status);
}

int remote_upload(struct remote *r, const struct buf *bytes, char hex[65], struct err *e)
{
	char path[96];
	struct digest d;
	AUTO_ANSWER answer = { 0 };

	hash_bytes(&d, bytes->data, bytes->len);
	digest_hex(hex, &d);
	snprintf(path, sizeof path, "/v1/uploads/%s", hex);
	return exchange(r, "PUT", path, "application/octet-stream", bytes, &answer, e);
}

int remote_target(struct remote *r, const char *path, uint64_t length, const char *sha256_hex, struct buf **out, struct err *e)
{
	const char *base = strrchr(path, '/');
	int dir = base ? (int)(base - path) + 1 : 0;
	AUTO_FREE char *url = NULL;
	struct fetch_request q = { .method = "GET", .max = length };
	struct fetch_answer answer = { 0 };
	AUTO(buf) struct buf *body = NULL;
	char hex[DIGEST_HEX_LEN + 1];
	struct digest d;
	long status;

	if (length > TARGET_MAX)
		return err_set(e, ERR_LIMIT, "%s: %llu bytes", path, (unsigned long long)length);
	if (asprintf(&url, "%s/content/targets/%.*s%s.%s", r->url, dir, path, sha256_hex, path + dir) < 0)
		return err_memory(e);
	q.url = url;
	if (request(r, &q, &answer, e) < 0)
		return e->code;
	status = answer.status;
	body = TAKE(answer.body);
	fetch_answer_release(&answer);
	if (status != 200)
		return err_set(e, code_of(status), "%s: the server answers %ld", path, status);
	hash_bytes(&d, body->data, body->len);
	digest_hex(hex, &d);
	if (body->len != length || strcmp(hex, sha256_hex) != 0)
		return err_set(e, ERR_REFUSED, "%s: the bytes are not those that were signed", path);
	*out = TAKE(body);
	return 0;
}

void remote_escape(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c))
			buf_addc(out, (char)c);
		else
			buf_addf(out, "%%%02X", c);
	}
}

/* ---- showing answers ---- */

int remote_print(const struct json *v, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	struct json_writer w = { .out = text, .indent = true };

	if (!text)
		return err_memory(e);
	json_put_value(&w, NULL, v);
	buf_addc(text, '\n');
	if (buf_check(text, e) < 0)
		return e->code;
	return fwrite(text->data, 1, text->len, stdout) == text->len ? 0 : err_errno(e, "standard output");
}

/* "a, b", as far as it fits. */
static void join_texts(const struct json *list, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (uint32_t i = 0; i < list->count && len < cap; i++) {
		const struct json *v = &list->u.items[i];

		if (v->type == JSON_STRING)
			len += (size_t)snprintf(out + len, cap - len, "%s%s", len ? "," : "", v->u.text);
	}
}

void remote_text(const struct json *object, const char *path, char *out, size_t cap)
{
	const struct json *v = object;
	char key[64];

	while (v && *path) {
		size_t len = strcspn(path, ".");

		snprintf(key, sizeof key, "%.*s", (int)len, path);
		v = json_get(v, key);
		path += len + (path[len] == '.');
	}
	if (v && (v->type == JSON_STRING || v->type == JSON_NUMBER))
		snprintf(out, cap, "%s", v->u.text);
	else if (v && (v->type == JSON_TRUE || v->type == JSON_FALSE))
		snprintf(out, cap, "%s", v->type == JSON_TRUE ? "yes" : "no");
	else if (v && v->type == JSON_ARRAY && v->count > 0)
		join_texts(v, out, cap);
	else
		snprintf(out, cap, "-");
}

int remote_table(const struct json *rows, const struct remote_column *columns, size_t count, struct err *e)
{
	const char *titles[COLUMNS_MAX];
	char cells[COLUMNS_MAX][320];
	const char *row[COLUMNS_MAX];
	struct cli_table *t;

	if (!rows || rows->type != JSON_ARRAY || count > COLUMNS_MAX)
		return err_set(e, ERR_FORMAT, "the server's answer holds no list");
	for (size_t i = 0; i < count; i++) {
		titles[i] = columns[i].title;
		row[i] = cells[i];
	}
	t = cli_table_new(titles, count);
	if (!t)
		return err_memory(e);
	for (size_t k = 0; k < rows->count; k++) {
		for (size_t i = 0; i < count; i++)
			remote_text(&rows->u.items[k], columns[i].member, cells[i], sizeof cells[i]);
		cli_table_row(t, row);
	}
	cli_table_print(t, stdout);
	cli_table_free(t);
	return 0;
}
