/* fetch: bounded HTTP(S) and file:// requests, through libcurl. */
#include "base/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/libcurl.h"

#define CONNECT_MS 10000
#define TOTAL_MS 60000
#define HEADERS_MAX ((size_t)64 * 1024)         /* of one answer */
#define DROPPED_MAX ((size_t)64 * 1024)         /* of a body nobody wants: an error page */
#define SLOW_BYTES 64L                          /* per second, */
#define SLOW_SECONDS 30                         /* for so long, unless told: given up */
#define RATED_BUFFER_MIN 1024                   /* libcurl takes no less */
#define RATED_BUFFER_MAX 16384
#define RETRY_AFTER_MAX (7 * 86400)

struct fetch {
	CURL *easy;
	char *pin, *ca_file, *proxy, *agent;    /* owned */
	char *client;           /* owned; NULL: none */
	size_t client_len;
	int64_t connect_ms, total_ms, slow_s, max_rate;
	bool (*may_connect)(const void *arg, const struct sockaddr *to, bool tls);
	const void *may_arg;
	const char *may_why;
	bool tls;               /* the request under way; */
	bool forbidden;         /* its address was refused */
	char why[CURL_ERROR_SIZE];
};

/* One transfer: where its bytes go, and what its headers said. */
struct transfer {
	CURL *easy;
	struct fetch_answer answer;
	size_t header_bytes;
	int64_t range_first;    /* of Content-Range; -1: absent */
	struct buf *body;       /* NULL: to fd */
	int fd;
	uint64_t from, at, max; /* at: offset of the next byte */
	size_t dropped;
	bool status_only, enough;       /* the body is not wanted; and no more of it is read */
	bool began;             /* the first bytes came, or were waited for in vain */
	struct err e;           /* code 0 unless a callback stopped the transfer */
};

static char *copy(const char *text, bool *failed)
{
	char *mine = text ? strdup(text) : NULL;

	*failed |= text && !mine;
	return mine;
}

int fetch_new(struct fetch **out, const struct fetch_settings *s, struct err *e)
{
	AUTO(fetch) struct fetch *f = calloc(1, sizeof *f);
	bool failed = false;

	if (!f)
		return err_memory(e);
	if (libcurl_load(e) < 0)
		return e->code;
	f->pin = copy(s->pin, &failed);
	f->ca_file = copy(s->ca_file, &failed);
	f->proxy = copy(s->proxy ? s->proxy : "", &failed);
	f->agent = copy(s->agent ? s->agent : "ringhold", &failed);
	if (s->client && s->client_len) {
		f->client = malloc(s->client_len);
		failed |= !f->client;
		if (f->client)
			memcpy(f->client, s->client, s->client_len);
		f->client_len = s->client_len;
	}
	f->connect_ms = s->connect_ms ? s->connect_ms : CONNECT_MS;
	f->total_ms = s->total_ms;
	f->slow_s = s->slow_s ? s->slow_s : SLOW_SECONDS;
	f->max_rate = s->max_rate;
	f->may_connect = s->may_connect;
	f->may_arg = s->may_arg;
	f->may_why = s->may_why;
	f->easy = libcurl.easy_init();
	if (!f->easy || failed)
		return err_memory(e);
	*out = TAKE(f);
	return 0;
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	if (f->easy)
		libcurl.easy_cleanup(f->easy);
	free(f->pin);
	free(f->ca_file);
	free(f->proxy);
	free(f->agent);
	if (f->client)
		explicit_bzero(f->client, f->client_len);
	free(f->client);
	free(f);
}

void fetch_answer_release(struct fetch_answer *a)
{
	buf_free(a->body);
	a->body = NULL;
}

/* ---- what the server says ---- */

static void note_retry_after(struct transfer *t, const char *value)
{
	char *end;
	long long seconds = strtoll(value, &end, 10);

	if (end == value || *end) {
		time_t when = libcurl.getdate(value, NULL);

		if (when < 0)
			return;
		seconds = (long long)when - clock_now();
	}
	t->answer.retry_after = MIN(MAX(seconds, 0), RETRY_AFTER_MAX);
}

/* Visible characters and what `also` names; anything else, or one that is too long, counts as absent. */
static void note_text(char *out, size_t cap, const char *value, char also)
{
	size_t len = strlen(value);

	out[0] = '\0';
	if (len >= cap)
		return;
	for (size_t i = 0; i < len; i++)
		if ((value[i] < 0x21 || value[i] > 0x7e) && value[i] != also)
			return;
	memcpy(out, value, len + 1);
}

static void note_etag(struct transfer *t, const char *value)
{
	note_text(t->answer.etag, sizeof t->answer.etag, value, '\0');
}

static void note_type(struct transfer *t, const char *value)
{
	note_text(t->answer.type, sizeof t->answer.type, value, ' ');
}

static void note_range(struct transfer *t, const char *value)
{
	long long first;

	if (sscanf(value, "bytes %lld-", &first) == 1 && first >= 0)
		t->range_first = first;
}

static const struct {
	const char *name;
	void (*note)(struct transfer *t, const char *value);
} noted[] = {
	{ "Retry-After:", note_retry_after },
	{ "ETag:", note_etag },
	{ "Content-Type:", note_type },
	{ "Content-Range:", note_range },
};

static void forget_headers(struct transfer *t)
{
	t->answer.retry_after = -1;
	t->answer.etag[0] = t->answer.type[0] = '\0';
	t->range_first = -1;
}

static size_t on_header(char *line, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	char value[256];

	(void)one;
	t->header_bytes += len;
	if (t->header_bytes > HEADERS_MAX) {
		err_set(&t->e, ERR_LIMIT, "headers of more than %zu bytes", HEADERS_MAX);
		return 0;
	}
	if (len > 5 && !memcmp(line, "HTTP/", 5))
		forget_headers(t);      /* an interim answer came before this one */
	for (size_t i = 0; i < ARRAY_LEN(noted); i++) {
		size_t name = strlen(noted[i].name), end = len;

		if (len <= name || strncasecmp(line, noted[i].name, name) != 0)
			continue;
		while (end > name && strchr("\r\n \t", line[end - 1]))
			end--;
		while (name < end && strchr(" \t", line[name]))
			name++;
		if (end - name < sizeof value) {
			memcpy(value, line + name, end - name);
			value[end - name] = '\0';
			noted[i].note(t, value);
		}
	}
	return len;
}

/* ---- where bytes go ---- */

static long status_of(struct transfer *t)
{
	long status = 0;

	libcurl.easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status)
		return status;
	return t->from ? 206 : 200;     /* file:// has none */
}

static int to_buffer(struct transfer *t, const char *bytes, size_t len)
{
	if (t->status_only) {
		t->dropped += len;
		t->enough = t->dropped > t->max;
		return t->enough ? -1 : 0;
	}
	if (len > t->max - t->body->len)
		return err_set(&t->e, ERR_LIMIT, "body of more than %llu bytes",
			       (unsigned long long)t->max);
	buf_add(t->body, bytes, len);
	return t->body->failed ? err_memory(&t->e) : 0;
}

/* Decides, once the status is known, at which offset of the file the body begins. */
static int begin_file(struct transfer *t, long status)
{
	bool over_http = t->range_first >= 0;

	t->began = true;
	if (status == 206 && over_http && (uint64_t)t->range_first != t->from)
		return err_set(&t->e, ERR_NET, "bytes from %lld on where %llu was asked for",
			       (long long)t->range_first, (unsigned long long)t->from);
	if (status != 200 || !t->from)
		return 0;
	if (ftruncate(t->fd, 0) < 0)
		return err_errno(&t->e, "truncate");
	t->at = 0;
	return 0;
}

static int to_file(struct transfer *t, const char *bytes, size_t len)
{
	long status = status_of(t);

	if (!t->began && begin_file(t, status) < 0)
		return t->e.code;
	if (status != 200 && status != 206) {
		t->dropped += len;
		if (t->dropped > DROPPED_MAX)
			return err_set(&t->e, ERR_LIMIT, "status %ld with more than %zu bytes",
				       status, DROPPED_MAX);
		return 0;
	}
	if (t->at > t->max || len > t->max - t->at)
		return err_set(&t->e, ERR_LIMIT, "more than %llu bytes",
			       (unsigned long long)t->max);
	while (len) {
		ssize_t n = pwrite(t->fd, bytes, len, (off_t)t->at);

		if (n < 0)
			return err_errno(&t->e, "write");
		bytes += n;
		len -= (size_t)n;
		t->at += (uint64_t)n;
	}
	return 0;
}

static size_t on_body(char *bytes, size_t one, size_t len, void *arg)
{
	struct transfer *t = arg;
	int code = t->body ? to_buffer(t, bytes, len) : to_file(t, bytes, len);

	(void)one;
	return code < 0 ? 0 : len;
}

/* ---- the request ---- */

/* Bytes that could end a header line, or hide in one, are our own mistake or somebody's trick. */
static int check_text(const char *what, const char *text, struct err *e)
{
	for (const unsigned char *c = (const unsigned char *)text; c && *c; c++)
		if (*c < 0x20 || *c == 0x7f)
			return err_set(e, ERR_USAGE, "%s holds a control character", what);
	return 0;
}

static int add_header(struct curl_slist **list, const char *line, struct err *e)
{
	struct curl_slist *more;

	if (check_text("header", line, e) < 0)
		return e->code;
	more = libcurl.slist_append(*list, line);
	if (!more)
		return err_memory(e);
	*list = more;
	return 0;
}

static int add_named(struct curl_slist **list, const char *name, const char *value, struct err *e)
{
	AUTO_FREE char *line = NULL;

	if (asprintf(&line, "%s%s", name, value) < 0) {
		line = NULL;
		return err_memory(e);
	}
	return add_header(list, line, e);
}

static int headers_of(struct curl_slist **list, const struct fetch_request *r, struct err *e)
{
	/* libcurl would wait a second for permission to send the body. */
	if (add_header(list, "Expect:", e) < 0)
		return e->code;
	if (r->bearer && add_named(list, "Authorization: Bearer ", r->bearer, e) < 0)
		return e->code;
	if (r->body && add_named(list, "Content-Type: ", r->type ? r->type : "application/json",
				 e) < 0)
		return e->code;
	for (const char *const *h = r->headers; h && *h; h++)
		if (add_header(list, *h, e) < 0)
			return e->code;
	return 0;
}

static void set_method(CURL *c, const struct fetch_request *r)
{
	bool get = !strcmp(r->method, "GET");

	if (get && !r->body) {
		libcurl.easy_setopt(c, CURLOPT_HTTPGET, 1L);
		return;
	}
	if (r->body || !strcmp(r->method, "POST") || !strcmp(r->method, "PUT")) {
		libcurl.easy_setopt(c, CURLOPT_POST, 1L);
		libcurl.easy_setopt(c, CURLOPT_POSTFIELDS, r->body ? r->body : "");
		libcurl.easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
	}
	libcurl.easy_setopt(c, CURLOPT_CUSTOMREQUEST, r->method);
}

/* One text holds both: each is found by its own mark. */
static void set_client(struct fetch *f)
{
	struct curl_blob pem = { .data = f->client, .len = f->client_len, .flags = CURL_BLOB_NOCOPY };

	if (!f->client)
		return;
	libcurl.easy_setopt(f->easy, CURLOPT_SSLCERTTYPE, "PEM");
	libcurl.easy_setopt(f->easy, CURLOPT_SSLCERT_BLOB, &pem);
	libcurl.easy_setopt(f->easy, CURLOPT_SSLKEYTYPE, "PEM");
	libcurl.easy_setopt(f->easy, CURLOPT_SSLKEY_BLOB, &pem);
}

static void set_trust(struct fetch *f)
{
	CURL *c = f->easy;

	libcurl.easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	set_client(f);
	if (f->ca_file)
		libcurl.easy_setopt(c, CURLOPT_CAINFO, f->ca_file);
	if (!f->pin)
		return;         /* libcurl's default checks chain and name */
	libcurl.easy_setopt(c, CURLOPT_PINNEDPUBLICKEY, f->pin);
	libcurl.easy_setopt(c, CURLOPT_CAINFO, NULL);   /* nor read what nobody asks: megabytes of authorities */
	libcurl.easy_setopt(c, CURLOPT_CAPATH, NULL);
	libcurl.easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	libcurl.easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
}

static curl_socket_t on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct fetch *f = arg;

	(void)purpose;
	if (!f->may_connect(f->may_arg, &to->addr, f->tls)) {
		f->forbidden = true;
		return CURL_SOCKET_BAD;
	}
	return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

static void set_addresses(struct fetch *f, const char *url)
{
	f->forbidden = false;
	f->tls = strncasecmp(url, "https:", 6) == 0;
	if (!f->may_connect)
		return;
	libcurl.easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	libcurl.easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
}

static void set_bounds(struct fetch *f, int64_t total_ms)
{
	CURL *c = f->easy;

	libcurl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https,file");
	libcurl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	libcurl.easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	libcurl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	libcurl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)f->connect_ms);
	libcurl.easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)total_ms);
	libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)f->slow_s);
	libcurl.easy_setopt(c, CURLOPT_MAX_RECV_SPEED_LARGE, (curl_off_t)f->max_rate);
	/* libcurl looks at the rate after a hundred buffers: no more than a second's worth. */
	if (f->max_rate)
		libcurl.easy_setopt(c, CURLOPT_BUFFERSIZE, (long)MIN(MAX(f->max_rate / 100, RATED_BUFFER_MIN), RATED_BUFFER_MAX));
	libcurl.easy_setopt(c, CURLOPT_PROXY, f->proxy);  /* "": none, whatever the environment says */
	libcurl.easy_setopt(c, CURLOPT_USERAGENT, f->agent);
}

static int answer_of_file_error(CURLcode code, const char *url)
{
	if (strncasecmp(url, "file:", 5) != 0)
		return 0;
	if (code == CURLE_FILE_COULDNT_READ_FILE)
		return 404;
	return code == CURLE_BAD_DOWNLOAD_RESUME || code == CURLE_RANGE_ERROR ? 416 : 0;
}

static int err_of_curl(struct fetch *f, CURLcode code, struct err *e)
{
	const char *why = *f->why ? f->why : libcurl.easy_strerror(code);

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(e, ERR_TIMEOUT, "%s", why);
	case CURLE_FILESIZE_EXCEEDED:
		return err_set(e, ERR_LIMIT, "larger than allowed");
	case CURLE_OUT_OF_MEMORY:
		return err_memory(e);
	case CURLE_URL_MALFORMAT:
		return err_set(e, ERR_USAGE, "%s", why);
	default:
		return err_set(e, ERR_NET, "%s", why);
	}
}

/* Runs the prepared transfer; the status of the answer, or a negative code. */
static long perform(struct fetch *f, struct transfer *t, const char *url, struct err *e)
{
	CURL *c = f->easy;
	CURLcode code;
	long status;

	t->easy = c;
	forget_headers(t);
	f->why[0] = '\0';
	set_trust(f);
	set_addresses(f, url);
	libcurl.easy_setopt(c, CURLOPT_URL, url);
	libcurl.easy_setopt(c, CURLOPT_ERRORBUFFER, f->why);
	libcurl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	libcurl.easy_setopt(c, CURLOPT_HEADERDATA, t);
	libcurl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	libcurl.easy_setopt(c, CURLOPT_WRITEDATA, t);
	code = libcurl.easy_perform(c);
	if (t->e.code) {
		*e = t->e;
		return e->code;
	}
	if (code == CURLE_OK || t->enough)
		return status_of(t);
	if (f->forbidden)
		return err_set(e, ERR_REFUSED, "%s", f->may_why);
	status = answer_of_file_error(code, url);
	return status ? status : err_of_curl(f, code, e);
}

/* The address for sentences: a query may hold a signature. */
static int wrap(struct err *e, const char *url)
{
	return err_wrap(e, "%.*s", (int)strcspn(url, "?"), url);
}

static int check_url(const struct fetch *f, const char *url, struct err *e)
{
	static const char *const schemes[] = { "http://", "https://", "file://" };
	bool known = false;

	if (check_text("address", url, e) < 0)
		return e->code;
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		known |= strncasecmp(url, schemes[i], strlen(schemes[i])) == 0;
	if (!known)
		return err_set(e, ERR_USAGE, "neither http, https nor file");
	if (f->pin && strncasecmp(url, "http:", 5) == 0)
		return err_set(e, ERR_USAGE, "not https, though the server's key is pinned");
	return 0;
}

static long prepare_and_perform(struct fetch *f, const struct fetch_request *r, const char *range,
				struct transfer *t, int64_t total_ms, struct err *e)
{
	struct curl_slist *headers = NULL;
	long status;

	if (check_url(f, r->url, e) < 0)
		return wrap(e, r->url);
	libcurl.easy_reset(f->easy);       /* options go, connections stay */
	set_bounds(f, total_ms);
	set_method(f->easy, r);
	if (range)
		libcurl.easy_setopt(f->easy, CURLOPT_RANGE, range);
	status = headers_of(&headers, r, e);
	if (status == 0) {
		libcurl.easy_setopt(f->easy, CURLOPT_HTTPHEADER, headers);
		status = perform(f, t, r->url, e);
	}
	libcurl.easy_reset(f->easy);
	libcurl.slist_free_all(headers);
	return status < 0 ? wrap(e, r->url) : status;
}

int fetch_do(struct fetch *f, const struct fetch_request *r, struct fetch_answer *out,
	     struct err *e)
{
	AUTO(buf) struct buf *body = buf_new(r->max ? r->max : 1);
	struct transfer t = { .body = body, .max = r->max, .fd = -1, .status_only = r->status_only };
	long status;

	if (!body || !buf_grow(body, 0))
		return err_memory(e);
	status = prepare_and_perform(f, r, NULL, &t, f->total_ms ? f->total_ms : TOTAL_MS, e);
	if (status < 0)
		return (int)status;
	t.answer.status = status;
	t.answer.not_modified = status == 304;
	t.answer.body = TAKE(body);
	*out = t.answer;
	return 0;
}

int fetch_to_fd(struct fetch *f, const char *url, const char *bearer, int fd, uint64_t from,
		uint64_t max, struct err *e)
{
	const struct fetch_request r = { .method = "GET", .url = url, .bearer = bearer };
	struct transfer t = { .fd = fd, .from = from, .at = from, .max = max };
	char range[32];
	long status;

	snprintf(range, sizeof range, "%llu-", (unsigned long long)from);
	if (ftruncate(fd, (off_t)from) < 0)
		return err_errno(e, "truncate");
	status = prepare_and_perform(f, &r, from ? range : NULL, &t, f->total_ms, e);
	if (status == 200 && !t.began && begin_file(&t, status) < 0) {
		*e = t.e;
		return wrap(e, url);
	}
	return (int)status;
}
