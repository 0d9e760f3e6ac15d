/*
 * remote: a server's operator plane, as the commands of this room use it.
 *
 * Where it is, what proves it and who we are come from options, else from the
 * environment (RINGHOLD_HOME, RINGHOLD_SERVER, RINGHOLD_TOKEN_FILE,
 * RINGHOLD_PIN), else from the server's own directory (--home): its files
 * `listening`, `pin` and `operator-token`.
 */
#ifndef CLI_REMOTE_H
#define CLI_REMOTE_H

#include "base/buf.h"
#include "base/cli.h"
#include "base/json.h"

struct remote_options {
	const char *home, *server, *token_file, *pin, *ca_file;
	const char *match;              /* of commands with REMOTE_MATCH_ROW: only to this version; NULL: as it may be */
	bool json;
	bool dry_run;                   /* of commands with REMOTE_CHANGE_ROWS: every request but a GET changes nothing */
};

/* The rows of a command; `at` is the offset of its struct remote_options in its own options struct. */
#define REMOTE_ROW(at, name, kind, field, value, help) { name, 0, kind, (at) + offsetof(struct remote_options, field), value, help }
#define REMOTE_ROWS(at)                                                                                       \
	REMOTE_ROW(at, "home", CLI_TEXT, home, "DIR", "the server's directory, when it is on this machine"),  \
	REMOTE_ROW(at, "server", CLI_TEXT, server, "URL", "https://host:port"),                               \
	REMOTE_ROW(at, "token-file", CLI_TEXT, token_file, "FILE", "holds the operator's token"),             \
	REMOTE_ROW(at, "pin", CLI_TEXT, pin, "PIN", "sha256//... of the server's key, instead of a CA"),      \
	REMOTE_ROW(at, "ca-file", CLI_TEXT, ca_file, "FILE", "certificates that vouch for the server"),       \
	REMOTE_ROW(at, "json", CLI_FLAG, json, NULL, "print the answer as JSON, for programs")

/* The same for a command that changes something. */
#define REMOTE_CHANGE_ROWS(at)                                                                                \
	REMOTE_ROWS(at),                                                                                      \
	REMOTE_ROW(at, "dry-run", CLI_FLAG, dry_run, NULL, "ask the server to check everything and change nothing")

/* And one row more where what is changed has a version (its ETag). */
#define REMOTE_MATCH_ROW(at) \
	REMOTE_ROW(at, "if-match", CLI_TEXT, match, "VERSION", "only while it is at the version that was looked at")

struct remote;

/* ERR_USAGE when nothing says where the server is. */
int remote_open(struct remote **out, const struct remote_options *o, struct err *e) MUST_CHECK;
void remote_free(struct remote *r);
const char *remote_url(const struct remote *r);

struct remote_answer {
	long status;
	struct buf *text;               /* the body */
	struct json_doc *doc;           /* of it; NULL when there is none */
};

/*
 * One request below the server's URL; body NULL: none, else JSON. A status
 * outside 2xx is an error that says what the server says: ERR_AUTH,
 * ERR_NOT_FOUND, ERR_CONFLICT, ERR_LIMIT, ERR_REFUSED, ERR_NET; *out is
 * filled all the same, so that its findings can be shown. A POST carries an
 * Idempotency-Key, so that asking again when no answer came does nothing twice;
 * a server that says "in a moment" (503 or 429 with a short Retry-After) is
 * asked again.
 */
int remote_call(struct remote *r, const char *method, const char *path, const struct buf *body, struct remote_answer *out,
		struct err *e) MUST_CHECK;
void remote_answer_release(struct remote_answer *a);

/* A list of the operator plane, page after page, as one that has no next: {"items": [...], "next": null}. path may hold a query. */
int remote_all(struct remote *r, const char *path, struct remote_answer *out, struct err *e) MUST_CHECK;
/* The same shown: a table, or, for programs, the JSON. */
struct remote_column;
int remote_list(struct remote *r, const char *path, bool json, const struct remote_column *columns, size_t count, struct err *e) MUST_CHECK;

/* GET of a file of the content plane ("/content/metadata/timestamp.json"), at most max bytes, to be verified by the caller: 0 got, 1 absent. */
int remote_get(struct remote *r, const char *path, size_t max, struct buf **out, struct err *e) MUST_CHECK;

/* PUT /v1/uploads/<sha256>; the digest is computed here and stored. */
int remote_upload(struct remote *r, const struct buf *bytes, char hex[65], struct err *e) MUST_CHECK;
/* GET of a target from the content plane, checked against its hash; path as in metadata. */
int remote_target(struct remote *r, const char *path, uint64_t length, const char *sha256_hex, struct buf **out, struct err *e) MUST_CHECK;

/* Text fit for one segment of a path or a value of a query: everything else is percent-encoded. */
void remote_escape(struct buf *out, const char *text);

/* ---- one thing, by its name (remote_one.c) ---- */

struct remote_name {
	const char *base;               /* "/v1/tokens/" */
	const char *word;               /* of the command line, escaped */
	const char *rest;               /* "/rotate", or a query; "" */
};
int remote_below(struct buf **out, const char *base, const char *word, const char *rest, struct err *e) MUST_CHECK;    /* the caller frees */
/* Opens, and makes one request. */
int remote_one(const struct remote_options *o, const char *method, const struct remote_name *name, const struct buf *body,
	       struct remote_answer *answer, struct err *e) MUST_CHECK;

/* A member that is a list of words of the command line. */
void remote_put_list(struct json_writer *w, const char *key, const struct cli_list *words);
/* "warning: ..." for each text of a list. */
void remote_lines(const char *title, const struct json *lines);

/* The value on standard output, indented, with a line feed. */
int remote_print(const struct json *v, struct err *e) MUST_CHECK;

/* A column of a table made from an array of objects: "offers.total" looks inside. */
struct remote_column {
	const char *title, *member;
};
int remote_table(const struct json *rows, const struct remote_column *columns, size_t count, struct err *e) MUST_CHECK;
/* The text of a value found by a dotted path: "-" when absent or null; a list of texts with commas. Cut to cap. */
void remote_text(const struct json *object, const char *path, char *out, size_t cap);

AUTO_DEFINE(remote, struct remote *, remote_free);
#define AUTO_ANSWER __attribute__((cleanup(remote_answer_release))) struct remote_answer

#endif
