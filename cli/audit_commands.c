/* audit_commands: who did what; whether that is still what was written; and a copy of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/audit_check.h"
#include "cli/commands.h"
#include "cli/remote.h"

#define PAGE "500"
#define PAGE_ITEMS 500

struct audit_options {
	struct remote_options remote;
	const char *who, *action, *subject, *since, *until;
	const char *checkpoint, *keep, *file, *output, *key;
	int64_t after, limit;
};

#define AT(field) offsetof(struct audit_options, field)

static const struct cli_option list_rows[] = {
	{ "who", 0, CLI_TEXT, AT(who), "NAME", "what this operator did" },
	{ "action", 0, CLI_TEXT, AT(action), "WORD", "of this kind, such as policy" },
	{ "subject", 0, CLI_TEXT, AT(subject), "TEXT", "to this, as the list shows it" },
	{ "since", 0, CLI_TEXT, AT(since), "TIME", "from this time on, such as 2026-01-31T12:00:00Z" },
	{ "until", 0, CLI_TEXT, AT(until), "TIME", "up to this time" },
	{ "after", 0, CLI_INT, AT(after), "N", "rows after this number [0]" },
	{ "limit", 0, CLI_INT, AT(limit), "N", "at most so many [all]" },
	REMOTE_ROWS(AT(remote)),
};
static const struct cli_option verify_rows[] = {
	{ "checkpoint", 0, CLI_TEXT, AT(checkpoint), "FILE", "a checkpoint that was kept: what it saw must still be there" },
	{ "keep", 0, CLI_TEXT, AT(keep), "FILE", "the same, and when all is well the newest is kept there instead; made when absent" },
	{ "export", 0, CLI_TEXT, AT(file), "FILE", "check an export, without any server" },
	{ "key", 0, CLI_TEXT, AT(key), "FILE", "public key that must have signed [that of the kept checkpoint]" },
	REMOTE_ROWS(AT(remote)),
};
static const struct cli_option export_rows[] = {
	{ "output", 'o', CLI_TEXT, AT(output), "FILE", "append here what it has not got yet [standard output, from --after on]" },
	{ "after", 0, CLI_INT, AT(after), "N", "rows after this number [0]" },
	REMOTE_ROWS(AT(remote)),
};

/* ---- pages ---- */

static void add_query(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return;
	buf_addf(path, "&%s=", name);
	remote_escape(path, value);
}

static int page_after(struct remote *r, const struct audit_options *o, uint64_t after, struct remote_answer *out, struct err *e)
{
	AUTO(buf) struct buf *path = buf_new(0);

	if (!path)
		return err_memory(e);
	buf_addf(path, "/v1/audit?limit=" PAGE "&after=%" PRIu64, after);
	add_query(path, "who", o->who);
	add_query(path, "action", o->action);
	add_query(path, "subject", o->subject);
	add_query(path, "since", o->since);
	add_query(path, "until", o->until);
	if (buf_check(path, e) < 0)
		return e->code;
	return remote_call(r, "GET", path->data, NULL, out, e);
}

/* Each row from `after` on, page by page: memory for one page. A visit's answer above 0 ends it. */
typedef int row_visit(void *arg, const struct json_doc *d, const struct json *row, struct err *e);

static int each_row(struct remote *r, const struct audit_options *o, uint64_t after, row_visit *visit, void *arg, struct err *e)
{
	for (bool more = true; more;) {
		AUTO_ANSWER page = { 0 };
		const struct json *items;
		int64_t last;

		if (page_after(r, o, after, &page, e) < 0 || json_want_array(page.doc, page.doc->root, "items", PAGE_ITEMS, &items, e) < 0 ||
		    json_want_int(page.doc, page.doc->root, "last", 0, INT64_MAX, &last, e) < 0)
			return e->code;
		for (uint32_t i = 0; i < items->count; i++) {
			int got = visit(arg, page.doc, &items->u.items[i], e);

			if (got != 0)
				return got < 0 ? got : 0;
		}
		more = items->count > 0 && (uint64_t)last > after;
		after = (uint64_t)last;
	}
	return 0;
}

/* ---- list ---- */

struct listing {
	struct buf *text;
	struct json_writer w;
	int64_t left;           /* -1: all */
	bool more;              /* there are rows beyond the limit */
	int64_t last;           /* number of the last row */
};

static int take_row(void *arg, const struct json_doc *d, const struct json *row, struct err *e)
{
	struct listing *x = arg;

	if (x->left == 0) {
		x->more = true;
		return 1;
	}
	json_put_value(&x->w, NULL, row);
	if (json_want_int(d, row, "id", 1, INT64_MAX, &x->last, e) < 0 || buf_check(x->text, e) < 0)
		return e->code;
	if (x->left > 0)
		x->left--;
	return 0;
}

static int list(int argc, char **argv, const void *options, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "N", "id" }, { "AT", "at" }, { "WHO", "who" }, { "ACTION", "action" }, { "SUBJECT", "subject" }, { "WHY", "why" }, { "DETAIL", "detail" },
	};
	const struct audit_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;
	struct listing x = { .text = text, .w = { .out = text }, .left = o->limit ? o->limit : -1 };

	(void)argc;
	(void)argv;
	if (!text)
		return err_memory(e);
	json_open_object(&x.w, NULL);
	json_open_array(&x.w, "items");
	if (remote_open(&r, &o->remote, e) < 0 || each_row(r, o, (uint64_t)o->after, take_row, &x, e) < 0)
		return e->code;
	json_close_array(&x.w);
	json_put_int(&x.w, "last", x.last);
	json_put_bool(&x.w, "more", x.more);
	json_close_object(&x.w);
	if (buf_check(text, e) < 0 || json_parse(&d, "audit", text->data, text->len, NULL, e) < 0)
		return e->code;
	return o->remote.json ? remote_print(d->root, e) : remote_table(json_get(d->root, "items"), columns, ARRAY_LEN(columns), e);
}

/* ---- verify ---- */

static int check_row(void *arg, const struct json_doc *d, const struct json *row, struct err *e)
{
	return audit_check_row(arg, d, row, e);
}

static int server_checkpoints(struct remote *r, struct audit_check *c, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	const struct json *items;

	if (remote_call(r, "GET", "/v1/audit/checkpoints?limit=500", NULL, &answer, e) < 0 ||
	    json_want_array(answer.doc, answer.doc->root, "items", PAGE_ITEMS, &items, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < items->count; i++)
		if (audit_check_add(c, answer.doc, &items->u.items[i], e) < 0)
			return err_wrap(e, "the server's checkpoints");
	return 0;
}

static int verify_server(const struct audit_options *o, struct audit_check *c, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;

	if (remote_open(&r, &o->remote, e) < 0 || server_checkpoints(r, c, e) < 0 ||
	    each_row(r, &(const struct audit_options){ .after = 0 }, 0, check_row, c, e) < 0)
		return e->code;
	return audit_check_end(c, e);
}

static int read_kept(struct audit_check *c, const char *path, bool may_be_absent, struct err *e)
{
	int got = path ? audit_check_kept(c, path, e) : 0;

	return may_be_absent && got == ERR_NOT_FOUND ? 0 : got;
}

static int print_verdict(const struct audit_options *o, const struct audit_check *c, struct err *e)
{
	AUTO(buf) struct buf *text = buf_new(0);
	AUTO(json) struct json_doc *d = NULL;
	struct json_writer w = { .out = text };
	char head[DIGEST_HEX_LEN + 1];

	if (!text)
		return err_memory(e);
	digest_hex(head, &c->walk.head);
	if (!o->remote.json) {
		printf("%" PRIu64 " rows are what was written, %zu checkpoints among them; the last is %s\n", c->walk.count, c->met, head);
		if (!c->trusted)
			printf("the key that signed is the server's word: keep a checkpoint with --keep FILE\n");
		return 0;
	}
	json_open_object(&w, NULL);
	json_put_bool(&w, "sound", true);
	json_put_int(&w, "rows", (int64_t)c->walk.count);
	json_put_text(&w, "head", head);
	json_put_int(&w, "checkpoints", (int64_t)c->met);
	json_put_bool(&w, "key_known_before", c->trusted);
	json_close_object(&w);
	if (buf_check(text, e) < 0 || json_parse(&d, "verdict", text->data, text->len, NULL, e) < 0)
		return e->code;
	return remote_print(d->root, e);
}

static int verify(int argc, char **argv, const void *options, struct err *e)
{
	const struct audit_options *o = options;
	AUTO(audit_check) struct audit_check *c = audit_check_new();

	(void)argc;
	(void)argv;
	if (!c)
		return err_memory(e);
	if ((o->key && audit_check_trust(c, o->key, e) < 0) || read_kept(c, o->checkpoint, false, e) < 0 || read_kept(c, o->keep, true, e) < 0 ||
	    (o->file ? audit_check_file(c, o->file, e) : verify_server(o, c, e)) < 0)
		return e->code;
	if (o->keep && audit_check_keep(c, o->keep, e) < 0)
		return e->code;
	return print_verdict(o, c, e);
}

/* ---- export ---- */

/* A checkpoint stands behind the row that it speaks of: without one the end of the file could be cut unseen. */
struct export {
	FILE *out;
	const char *name;
	const struct json *checkpoint;  /* NULL: none */
	int64_t count;                  /* its row */
};

static int write_line(struct export *x, const struct json *v, struct err *e)
{
	AUTO(buf) struct buf *line = buf_new(0);
	struct json_writer w = { .out = line };

	if (!line)
		return err_memory(e);
	json_put_value(&w, NULL, v);
	buf_addc(line, '\n');
	if (buf_check(line, e) < 0)
		return e->code;
	return fwrite(line->data, 1, line->len, x->out) == line->len ? 0 : err_errno(e, "%s", x->name);
}

static int export_row(void *arg, const struct json_doc *d, const struct json *row, struct err *e)
{
	struct export *x = arg;
	int64_t id;

	if (json_want_int(d, row, "id", 1, INT64_MAX, &id, e) < 0 || write_line(x, row, e) < 0)
		return e->code;
	return x->checkpoint && id == x->count ? write_line(x, x->checkpoint, e) : 0;
}

/* Before the rows: so all that it speaks of will be among them. */
static int newest_checkpoint(struct remote *r, struct export *x, struct remote_answer *answer, struct err *e)
{
	const struct json *items, *what;

	if (remote_call(r, "GET", "/v1/audit/checkpoints?limit=1", NULL, answer, e) < 0 ||
	    json_want_array(answer->doc, answer->doc->root, "items", PAGE_ITEMS, &items, e) < 0)
		return e->code;
	if (!items->count)
		return 0;
	x->checkpoint = &items->u.items[0];
	if (json_want_object(answer->doc, x->checkpoint, "signed", &what, e) < 0)
		return e->code;
	return json_want_int(answer->doc, what, "count", 1, INT64_MAX, &x->count, e);
}

/* After a whole line: what a run that was killed left half written is cut off. */
static int open_output(struct export *x, const char *path, struct audit_export *so_far, struct err *e)
{
	AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	x->name = path;
	if (fd < 0)
		return err_errno(e, "%s", path);
	if (audit_check_resume(fd, path, so_far, e) < 0)
		return e->code;
	x->out = fdopen(fd, "a");
	if (!x->out)
		return err_errno(e, "%s", path);
	fd = -1;
	return 0;
}

/* The row that it speaks of may have come in a run before, which did not know of it or was killed between the two. */
static int seal_what_is_there(struct export *x, const struct audit_export *so_far, struct err *e)
{
	bool due = x->checkpoint && (uint64_t)x->count == so_far->last && so_far->sealed < so_far->last;

	return due ? write_line(x, x->checkpoint, e) : 0;
}

static int export_to(const struct audit_options *o, struct export *x, const struct audit_export *so_far, struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER answer = { 0 };

	if (remote_open(&r, &o->remote, e) < 0 || newest_checkpoint(r, x, &answer, e) < 0 || seal_what_is_there(x, so_far, e) < 0 ||
	    each_row(r, &(const struct audit_options){ .after = 0 }, so_far->last, export_row, x, e) < 0)
		return e->code;
	if (fflush(x->out) != 0 || (x->out != stdout && fsync(fileno(x->out)) < 0))
		return err_errno(e, "%s", x->name);
	return 0;
}

static int export(int argc, char **argv, const void *options, struct err *e)
{
	const struct audit_options *o = options;
	struct export x = { .out = stdout, .name = "standard output" };
	struct audit_export so_far = { .last = (uint64_t)o->after };
	int got;

	(void)argc;
	(void)argv;
	if (o->output && open_output(&x, o->output, &so_far, e) < 0)
		return e->code;
	got = export_to(o, &x, &so_far, e);
	if (o->output && fclose(x.out) != 0 && got == 0)
		got = err_errno(e, "%s", x.name);
	return got;
}

#define COMMAND(function, rows_, what)                                                              \
	.help = what, .run = function, .options = rows_, .option_count = ARRAY_LEN(rows_),          \
	.options_size = sizeof(struct audit_options)

const struct cli_command audit_commands[] = {
	{ .name = "audit list", COMMAND(list, list_rows, "who did what, when and why") },
	{ .name = "audit verify", COMMAND(verify, verify_rows, "is the log what was written: every row, their order, and the end"),
	  .more = "Whoever holds the server can write a whole log anew, but not one that fits a checkpoint that somebody kept. "
		  "Run it with --keep FILE from another machine." },
	{ .name = "audit export", COMMAND(export, export_rows, "the log as JSON lines, with a signed checkpoint at the end"),
	  .more = "With --output FILE it goes on where the file ends, however it came to that." },
};
const size_t audit_command_count = ARRAY_LEN(audit_commands);
