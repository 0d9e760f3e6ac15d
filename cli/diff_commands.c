/* diff_commands: `ringhold contract diff`: what a change of contract or schema means for content that is out there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/documents.h"
#include "base/file.h"
#include "base/name.h"
#include "cli/author_check.h"
#include "cli/commands.h"
#include "cli/remote.h"
#include "schema/contract_diff.h"
#include "schema/schema_diff.h"

#define NEWEST 10               /* published bundles looked at in each channel */
#define BUNDLES_MAX 1000
#define TEXT_MAX 600

/* Exit status beside 0 (nothing that was accepted is refused), 1 and 2 (as everywhere). */
enum { NARROWS = 3, REFUSES = 4 };

struct diff_options {
	struct remote_options remote;
	struct cli_list bundles, channels;
	const char *type;
	int64_t newest;
	bool published;
};

#define AT(field) offsetof(struct diff_options, field)

static const struct cli_option diff_rows[] = {
	{ "bundle", 0, CLI_MANY, AT(bundles), "BUNDLE", "an archive or a directory that AFTER must accept; may be given again" },
	{ "published", 0, CLI_FLAG, AT(published), NULL, "the newest bundles of the server, too" },
	{ "channel", 0, CLI_MANY, AT(channels), "NAME", "with --published: of these channels; else of all" },
	{ "newest", 0, CLI_INT, AT(newest), "N", "with --published: how many of each channel [10]" },
	{ "type", 0, CLI_TEXT, AT(type), "TYPE", "between schemas: the content type they are for [rules]" },
	REMOTE_ROWS(AT(remote)),
};
#undef AT

/* ---- the two sides ---- */

/* A contract, or a schema by itself. */
struct side {
	const char *path;
	struct buf *text;
	struct json_doc *doc;
	struct contract *contract;      /* NULL: a schema */
	struct schema *schema;
};

static void side_release(struct side *s)
{
	contract_free(s->contract);
	schema_free(s->schema);
	json_free(s->doc);
	buf_free(s->text);
}

static int side_open(struct side *s, const char *path, struct err *e)
{
	s->path = path;
	if (documents_read(&s->doc, &s->text, path, NULL, e) < 0)
		return e->code;
	if (json_get(s->doc->root, "sensor") && json_get(s->doc->root, "accepts"))
		return contract_load(&s->contract, path, e);
	return schema_compile_as(&s->schema, s->doc, s->doc->root, NULL, e);
}

static int find_changes(struct diff **out, const struct side *a, const struct side *b, struct err *e)
{
	AUTO(diff) struct diff *d = NULL;

	if (!a->contract != !b->contract)
		return err_set(e, ERR_USAGE, "%s is a %s and %s a %s: compare two of a kind", a->path, a->contract ? "contract" : "schema", b->path,
			       b->contract ? "contract" : "schema");
	if (a->contract)
		return contract_diff(out, a->contract, b->contract, e);
	if (diff_new(&d, e) < 0 || schema_diff(d, "", a->doc->root, b->doc->root, e) < 0)
		return e->code;
	*out = TAKE(d);
	return 0;
}

/* ---- bundles ---- */

struct verdict {
	char bundle[TEXT_MAX];          /* "edr 110 (version)" */
	bool before, after;             /* accepted */
	char why[TEXT_MAX];             /* of AFTER's refusal */
};

struct verdicts {
	struct verdict *items;
	size_t count, refused;
};

/* Each file of the type against a schema by itself. */
static int check_files(const struct side *s, const struct author_tree *t, const char *type, struct err *e)
{
	for (size_t i = 0; i < t->manifest->file_count; i++) {
		const struct manifest_file *f = &t->manifest->files[i];
		AUTO(json) struct json_doc *d = NULL;
		AUTO(buf) struct buf *text = NULL;

		if (strcmp(f->type, type) != 0)
			continue;
		if (file_readat(&text, t->dir, f->path, (size_t)64 << 20, e) < 0 ||
		    json_parse(&d, f->path, text->data ? text->data : "", text->len, NULL, e) < 0 ||
		    schema_check(s->schema, d, d->root, NULL, e) < 0)
			return e->code;
	}
	return 0;
}

/* Zero: accepted; ERR_REFUSED, ERR_FORMAT, ERR_LIMIT: refused; anything else: it could not be checked. */
static int ask(const struct side *s, const struct author_tree *t, const char *type, struct err *e)
{
	AUTO(check_report) struct check_report *report = NULL;

	if (!s->contract)
		return check_files(s, t, type, e);
	if (check_content(&report, &(struct check_job){ .dir = t->dir, .manifest = t->manifest, .contract = s->contract }, e) < 0)
		return e->code;
	return check_verdict(report, e);
}

static bool refuses(int code)
{
	return code == ERR_REFUSED || code == ERR_FORMAT || code == ERR_LIMIT;
}

static int judge(struct verdicts *v, const struct side *a, const struct side *b, const struct author_tree *t, const char *type, struct err *e)
{
	struct verdict *more = reallocarray(v->items, v->count + 1, sizeof *more), *one;
	int before, after;

	if (!more)
		return err_memory(e);
	v->items = more;
	one = &v->items[v->count];
	*one = (struct verdict){ .why = "" };
	before = ask(a, t, type, e);
	after = ask(b, t, type, e);
	if ((before < 0 && !refuses(before)) || (after < 0 && !refuses(after)))
		return e->code;
	snprintf(one->bundle, sizeof one->bundle, "%s %" PRIu64 " (%s)", t->manifest->channel, t->manifest->serial, t->manifest->version);
	one->before = before == 0;
	one->after = after == 0;
	if (after < 0)
		snprintf(one->why, sizeof one->why, "%s", e->msg);
	v->count++;
	v->refused += after < 0;
	return 0;
}

static int judge_local(struct verdicts *v, const struct side *a, const struct side *b, const struct diff_options *o, const char *type,
		       struct err *e)
{
	for (size_t i = 0; i < o->bundles.count; i++) {
		AUTO(author_tree) struct author_tree *t = NULL;

		if (author_tree_open(&t, o->bundles.items[i], e) < 0 || judge(v, a, b, t, type, e) < 0)
			return err_wrap(e, "%s", o->bundles.items[i]);
	}
	return 0;
}

/* ---- those of a server ---- */

/* The SHA-256 of a target, by the signed role of its channel. */
static int target_hash(const struct json *role, const char *path, char hex[DIGEST_HEX_LEN + 1], struct err *e)
{
	const struct json *target = json_get(json_get(json_get(role, "signed"), "targets"), path);
	const struct json *sha = json_get(json_get(target, "hashes"), "sha256");

	if (!sha || sha->type != JSON_STRING || sha->count != DIGEST_HEX_LEN)
		return err_set(e, ERR_NOT_FOUND, "%s: the channel's role does not list it any more", path);
	memcpy(hex, sha->u.text, DIGEST_HEX_LEN + 1);
	return 0;
}

static int fetch_tree(struct author_tree **out, struct remote *r, const struct json *bundle, struct err *e)
{
	char channel[NAME_LEN_MAX + 1], path[PATH_LEN_MAX + 1], url[NAME_LEN_MAX + 32], hex[DIGEST_HEX_LEN + 1];
	AUTO(buf) struct buf *archive = NULL;
	AUTO_ANSWER role = { 0 };
	int64_t length = 0;

	remote_text(bundle, "channel", channel, sizeof channel);
	remote_text(bundle, "path", path, sizeof path);
	if (!name_valid(channel, strlen(channel)) || !json_to_int(json_get(bundle, "length"), &length) || length < 1)
		return err_set(e, ERR_FORMAT, "the server's list of bundles has an entry without channel or length");
	snprintf(url, sizeof url, "/v1/roles/content-%s", channel);
	if (remote_call(r, "GET", url, NULL, &role, e) < 0 || target_hash(role.doc ? role.doc->root : NULL, path, hex, e) < 0 ||
	    remote_target(r, path, (uint64_t)length, hex, &archive, e) < 0)
		return e->code;
	return author_tree_of(out, archive, e);
}

static bool wanted(const struct diff_options *o, const char *channel)
{
	for (size_t i = 0; i < o->channels.count; i++)
		if (strcmp(o->channels.items[i], channel) == 0)
			return true;
	return o->channels.count == 0;
}

/* How many bundles of the same channel stand before i in the list, which is newest first. */
static int64_t newer(const struct json *items, uint32_t i)
{
	char channel[NAME_LEN_MAX + 1], other[NAME_LEN_MAX + 1];
	int64_t count = 0;

	remote_text(&items->u.items[i], "channel", channel, sizeof channel);
	for (uint32_t k = 0; k < i; k++) {
		remote_text(&items->u.items[k], "channel", other, sizeof other);
		count += strcmp(channel, other) == 0;
	}
	return count;
}

static int judge_published(struct verdicts *v, const struct side *a, const struct side *b, const struct diff_options *o, const char *type,
			   struct err *e)
{
	AUTO(remote) struct remote *r = NULL;
	AUTO_ANSWER list = { 0 };
	const struct json *items;

	if (remote_open(&r, &o->remote, e) < 0 || remote_all(r, "/v1/bundles", &list, e) < 0)
		return e->code;
	items = json_get(list.doc->root, "items");
	for (uint32_t i = 0; items && items->type == JSON_ARRAY && i < MIN(items->count, (uint32_t)BUNDLES_MAX); i++) {
		AUTO(author_tree) struct author_tree *t = NULL;
		char channel[NAME_LEN_MAX + 1];
		int rc;

		remote_text(&items->u.items[i], "channel", channel, sizeof channel);
		if (!wanted(o, channel) || newer(items, i) >= (o->newest ? o->newest : NEWEST))
			continue;
		rc = fetch_tree(&t, r, &items->u.items[i], e);
		if (rc == ERR_NOT_FOUND)
			fprintf(stderr, "ringhold contract diff: warning: %s\n", e->msg);
		else if (rc < 0 || judge(v, a, b, t, type, e) < 0)
			return e->code;
	}
	return 0;
}

/* ---- what is printed ---- */

static void print_people(const struct diff *d, const struct verdicts *v)
{
	static const char *const change_titles[] = { "CLASS", "WHERE", "WHAT" };
	static const char *const bundle_titles[] = { "BUNDLE", "BEFORE", "AFTER", "WHY" };
	struct cli_table *changes = cli_table_new(change_titles, ARRAY_LEN(change_titles));
	struct cli_table *bundles = cli_table_new(bundle_titles, ARRAY_LEN(bundle_titles));

	for (size_t i = 0; changes && i < d->count; i++)
		cli_table_row(changes, (const char *const[]){ diff_class_name(d->items[i].class), d->items[i].where, d->items[i].what });
	for (size_t i = 0; bundles && i < v->count; i++)
		cli_table_row(bundles, (const char *const[]){ v->items[i].bundle, v->items[i].before ? "pass" : "refuse",
							      v->items[i].after ? "pass" : "refuse", v->items[i].after ? "-" : v->items[i].why });
	if (changes && d->count)
		cli_table_print(changes, stdout);
	if (bundles && v->count)
		cli_table_print(bundles, stdout);
	cli_table_free(changes);
	cli_table_free(bundles);
	printf("%s: %zu narrowing, %zu widening, %zu compatible changes; %zu of %zu bundles refused\n", diff_class_name(diff_class(d)),
	       d->of[DIFF_NARROWING], d->of[DIFF_WIDENING], d->of[DIFF_COMPATIBLE], v->refused, v->count);
}

static int print_programs(const struct diff *d, const struct verdicts *v, struct err *e)
{
	AUTO(buf) struct buf *out = buf_new(0);
	struct json_writer w = { .out = out, .indent = true };

	if (!out)
		return err_memory(e);
	json_open_object(&w, NULL);
	json_put_text(&w, "class", diff_class_name(diff_class(d)));
	json_open_array(&w, "changes");
	for (size_t i = 0; i < d->count; i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "class", diff_class_name(d->items[i].class));
		json_put_text(&w, "where", d->items[i].where);
		json_put_text(&w, "what", d->items[i].what);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_open_array(&w, "bundles");
	for (size_t i = 0; i < v->count; i++) {
		json_open_object(&w, NULL);
		json_put_text(&w, "bundle", v->items[i].bundle);
		json_put_text(&w, "before", v->items[i].before ? "pass" : "refuse");
		json_put_text(&w, "after", v->items[i].after ? "pass" : "refuse");
		json_put_text(&w, "why", v->items[i].after ? NULL : v->items[i].why);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	if (buf_check(out, e) < 0)
		return e->code;
	printf("%s\n", out->data);
	return 0;
}

static int diff_both(const struct diff_options *o, const struct side *a, const struct side *b, struct verdicts *v, struct err *e)
{
	const char *type = o->type ? o->type : "rules";
	AUTO(diff) struct diff *d = NULL;

	if (find_changes(&d, a, b, e) < 0 || judge_local(v, a, b, o, type, e) < 0 || (o->published && judge_published(v, a, b, o, type, e) < 0))
		return e->code;
	if (o->remote.json && print_programs(d, v, e) < 0)
		return e->code;
	if (!o->remote.json)
		print_people(d, v);
	return v->refused ? REFUSES : diff_class(d) == DIFF_NARROWING ? NARROWS : 0;
}

static int diff(int argc, char **argv, const void *options, struct err *e)
{
	const struct diff_options *o = options;
	__attribute__((cleanup(side_release))) struct side a = { .path = NULL }, b = { .path = NULL };
	struct verdicts v = { .count = 0 };
	int rc;

	(void)argc;
	if (o->newest < 0)
		return err_set(e, ERR_USAGE, "--newest: a number from 1");
	if (side_open(&a, argv[0], e) < 0 || side_open(&b, argv[1], e) < 0)
		return e->code;
	rc = diff_both(o, &a, &b, &v, e);
	free(v.items);
	return rc;
}

const struct cli_command diff_commands[] = {
	{ .name = "contract diff", .args = "BEFORE AFTER", .help = "class every change between two contracts or schemas", .min_args = 2, .max_args = 2,
	  .run = diff, .options = diff_rows, .option_count = ARRAY_LEN(diff_rows), .options_size = sizeof(struct diff_options),
	  .more = "compatible accepts what it accepted, widening accepts more, narrowing may refuse what it accepted; what\n"
		  "cannot be judged counts as narrowing. Exit status 0 when nothing narrows, 3 when something does, 4 when\n"
		  "one of the bundles would be refused." },
};
const size_t diff_command_count = ARRAY_LEN(diff_commands);
