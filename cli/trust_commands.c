/*
 * trust_commands: `ringhold root ...`, `delegate ...`, `key rotate` and
 * `request renew`: who may sign what, changed by a request that people sign.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/number.h"
#include "cli/ceremony.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/trust_edit.h"

/* What all of these have in common. */
struct change_options {
	struct trust_options place;
	struct keys_options keys;
	const char *reason, *output;
	bool yes, dry_run;
	/* of one or the other: */
	struct cli_list add, remove, thresholds, public, paths;
	int64_t threshold;
};

#define AT(field) offsetof(struct change_options, field)
#define CHANGE_ROWS                                                                                                                 \
	{ "reason", 0, CLI_TEXT, AT(reason), "TEXT", "why, for those who are asked to sign" },                                      \
	{ "output", 'o', CLI_TEXT, AT(output), "FILE", "write the request into a file instead of handing it in" },                  \
	{ "yes", 'y', CLI_FLAG, AT(yes), NULL, "sign without asking: the difference was read" },                                    \
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "show what would change, do nothing" },                                      \
	KEYS_ROWS(AT(keys)), TRUST_ROWS(AT(place))

/* ---- asking ---- */

static bool has_keys(const struct change_options *o)
{
	return o->keys.keys.count > 0 || o->keys.dir;
}

static int sign_here(struct sigreq *q, const struct change_options *o, struct keyring *ring, struct err *e)
{
	if (!ring)
		return 0;
	if (ceremony_confirm("Sign this?", o->yes, e) < 0)
		return e->code;
	return ceremony_sign(q, ring, e) < 0 ? e->code : 0;
}

static int hand_in(struct sigreq *q, const struct change_options *o, struct trust_place *p, struct err *e)
{
	struct trust_result result;

	if (o->output) {
		if (ceremony_write(o->output, q, e) < 0)
			return e->code;
		printf("%s: request %s; sign it with `ringhold sign`, bring it back with `ringhold request import`\n", o->output, q->id);
		return 0;
	}
	if (trust_place_submit(p, q, &result, e) < 0) {
		if (o->place.repository && e->code == ERR_AUTH)
			return err_wrap(e, "not published; name more keys, or write the request into a file with -o and have it signed");
		return e->code;
	}
	trust_result_print(&result, o->place.remote.json);
	return 0;
}

/* Seals, shows, signs with the keys at hand, hands in or writes. */
static int finish(struct sigreq *q, const struct change_options *o, struct trust_place *p, int64_t now, struct err *e)
{
	AUTO(keyring) struct keyring *ring = NULL;

	if (trust_ask_companions(q, p, now, e) < 0 || sigreq_seal(q, e) < 0 || ceremony_check(q, NULL, now, e) < 0)
		return e->code;
	if (has_keys(o) && !o->dry_run && keys_open(&ring, &o->keys, e) < 0)
		return e->code;
	if (ceremony_show(q, ring, o->place.remote.json && o->dry_run, e) < 0)
		return e->code;
	if (o->dry_run)
		return 0;
	return sign_here(q, o, ring, e) < 0 ? e->code : hand_in(q, o, p, e);
}

/* One file under change, and the request for it. */
struct editing {
	struct trust_place *place;
	struct metadata *was;
	struct trust_edit *edit;
	int64_t now;
};

static void editing_close(struct editing *x)
{
	trust_edit_free(x->edit);
	metadata_free(x->was);
	trust_place_free(x->place);
}
#define AUTO_EDITING __attribute__((cleanup(editing_close))) struct editing

static int begin(struct editing *x, const char *file, const struct change_options *o, struct err *e)
{
	x->now = clock_now();
	if (trust_place_open(&x->place, &o->place, e) < 0 || trust_place_role(x->place, file, &x->was, e) < 0)
		return e->code;
	return trust_edit_new(&x->edit, x->was, e);
}

static int end(struct editing *x, const char *file, const struct change_options *o, const char *reason, struct err *e)
{
	AUTO(sigreq) struct sigreq *q = NULL;
	AUTO(buf) struct buf *text = NULL;

	if (trust_edit_finish(x->edit, x->now, &text, e) < 0 || trust_ask(&q, x->place, o->reason ? o->reason : reason, x->now, e) < 0 ||
	    sigreq_add(q, file, x->was, text->data, text->len, e) < 0)
		return e->code;
	return finish(q, o, x->place, x->now, e);
}

/* ---- root ---- */

/* "root=new.pub": the role into `role`; answers what is behind the sign. */
static const char *behind(const char *word, char role[64], struct err *e)
{
	const char *equals = strchr(word, '=');

	if (!equals || equals == word || (size_t)(equals - word) >= 64 || !equals[1]) {
		err_set(e, ERR_USAGE, "%s: write ROLE=VALUE, such as root=FILE", word);
		return NULL;
	}
	snprintf(role, 64, "%.*s", (int)(equals - word), word);
	return equals + 1;
}

typedef int edit_key(struct trust_edit *x, const char *role, const char *value, struct err *e);

static int set_threshold(struct trust_edit *x, const char *role, const char *value, struct err *e)
{
	int64_t n;

	if (!number_parse(&n, value))
		return err_set(e, ERR_USAGE, "%s: %s is no number of signatures", role, value);
	return trust_edit_set_threshold(x, role, n, e);
}

static int for_each(struct trust_edit *x, const struct cli_list *words, edit_key *act, struct err *e)
{
	for (size_t i = 0; i < words->count; i++) {
		char role[64];
		const char *value = behind(words->items[i], role, e);

		if (!value || act(x, role, value, e) < 0)
			return e->code;
	}
	return 0;
}

static int root_edit(int argc, char **argv, const void *options, struct err *e)
{
	const struct change_options *o = options;
	AUTO_EDITING x = { 0 };

	(void)argc;
	(void)argv;
	if (begin(&x, "root", o, e) < 0 || for_each(x.edit, &o->add, trust_edit_add_key, e) < 0 ||
	    for_each(x.edit, &o->remove, trust_edit_remove_key, e) < 0 || for_each(x.edit, &o->thresholds, set_threshold, e) < 0)
		return e->code;
	return end(&x, "root", o, "a new version of root", e);
}

/* ---- delegations ---- */

static int for_role(struct trust_edit *x, const char *role, const struct cli_list *values, edit_key *act, struct err *e)
{
	for (size_t i = 0; i < values->count; i++)
		if (act(x, role, values->items[i], e) < 0)
			return e->code;
	return 0;
}

/* Keys, threshold and paths as the options say. */
static int set_role(struct trust_edit *x, const char *role, const struct change_options *o, struct err *e)
{
	if (for_role(x, role, &o->public, trust_edit_add_key, e) < 0 || for_role(x, role, &o->remove, trust_edit_remove_key, e) < 0)
		return e->code;
	if (o->threshold && trust_edit_set_threshold(x, role, o->threshold, e) < 0)
		return e->code;
	return o->paths.count ? trust_edit_set_paths(x, role, &o->paths, e) : 0;
}

static int delegate(const char *role, const char *reason, int (*act)(struct trust_edit *, const char *, struct err *), const struct change_options *o,
		    bool set, struct err *e)
{
	char why[160];
	AUTO_EDITING x = { 0 };

	snprintf(why, sizeof why, "%s %.100s", reason, role);
	if (begin(&x, "targets", o, e) < 0 || (act && act(x.edit, role, e) < 0) || (set && set_role(x.edit, role, o, e) < 0))
		return e->code;
	return end(&x, "targets", o, why, e);
}

static int delegate_add(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return delegate(argv[0], "delegate to", trust_edit_add_role, options, true, e);
}

static int delegate_set(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return delegate(argv[0], "change the delegation to", NULL, options, true, e);
}

static int delegate_remove(int argc, char **argv, const void *options, struct err *e)
{
	(void)argc;
	return delegate(argv[0], "end the delegation to", trust_edit_remove_role, options, false, e);
}

/* ---- rotation and renewal ---- */

static bool in_root(const char *role)
{
	for (int type = 0; type < METADATA_TYPES; type++)
		if (strcmp(role, metadata_type_name(type)) == 0)
			return true;
	return false;
}

static int rotate(int argc, char **argv, const void *options, struct err *e)
{
	const struct change_options *o = options;
	const char *role = argv[0], *file = in_root(role) ? "root" : "targets";
	char why[160];
	AUTO_EDITING x = { 0 };

	(void)argc;
	if (o->add.count == 0 && o->remove.count == 0)
		return err_set(e, ERR_USAGE, "which keys? name the new with --add FILE, the old with --remove ID");
	snprintf(why, sizeof why, "rotate the keys of %.100s", role);
	if (begin(&x, file, o, e) < 0 || for_role(x.edit, role, &o->add, trust_edit_add_key, e) < 0 ||
	    for_role(x.edit, role, &o->remove, trust_edit_remove_key, e) < 0)
		return e->code;
	if (o->threshold && trust_edit_set_threshold(x.edit, role, o->threshold, e) < 0)
		return e->code;
	return end(&x, file, o, why, e);
}

static int renew(int argc, char **argv, const void *options, struct err *e)
{
	const struct change_options *o = options;
	AUTO(trust_place) struct trust_place *p = NULL;
	AUTO(sigreq) struct sigreq *q = NULL;
	int64_t now = clock_now();

	(void)argc;
	if (trust_place_open(&p, &o->place, e) < 0 || trust_ask(&q, p, o->reason ? o->reason : "sign again before it expires", now, e) < 0 ||
	    trust_ask_renewal(q, p, argv[0], now, e) < 0)
		return e->code;
	return finish(q, o, p, now, e);
}

/* ---- the table ---- */

static const struct cli_option root_rows[] = {
	{ "add", 0, CLI_MANY, AT(add), "ROLE=FILE", "a key more for root, targets, snapshot or timestamp; may be given again" },
	{ "remove", 0, CLI_MANY, AT(remove), "ROLE=ID|FILE", "a key less, by its id, the beginning of it, or its file; may be given again" },
	{ "threshold", 0, CLI_MANY, AT(thresholds), "ROLE=N", "how many keys must sign; may be given again" },
	CHANGE_ROWS,
};
static const struct cli_option role_rows[] = {
	{ "public", 0, CLI_MANY, AT(public), "FILE", "a key that may sign the role; may be given again" },
	{ "remove", 0, CLI_MANY, AT(remove), "ID|FILE", "a key that no longer may, by its id, the beginning of it, or its file" },
	{ "threshold", 0, CLI_INT, AT(threshold), "N", "how many of its keys must sign" },
	{ "path", 0, CLI_MANY, AT(paths), "PATTERN", "what it may sign, instead of what its name says" },
	CHANGE_ROWS,
};
static const struct cli_option remove_rows[] = { CHANGE_ROWS };
static const struct cli_option rotate_rows[] = {
	{ "add", 0, CLI_MANY, AT(add), "FILE", "a new key; may be given again" },
	{ "remove", 0, CLI_MANY, AT(remove), "ID|FILE", "an old key, by its id, the beginning of it, or its file; may be given again" },
	{ "threshold", 0, CLI_INT, AT(threshold), "N", "how many of the keys must sign" },
	CHANGE_ROWS,
};

#define ROWS(rows) .options = rows, .option_count = ARRAY_LEN(rows), .options_size = sizeof(struct change_options)

const struct cli_command trust_commands[] = {
	{ .name = "root edit", .args = "", .help = "ask for a new root: keys and thresholds of root, targets, snapshot, timestamp",
	  .run = root_edit, ROWS(root_rows),
	  .more = "Opens a signing request; `ringhold sign` (or --key) signs it, and the last signature that lacked publishes it.\n"
		  "What must be signed again because its keys change is part of the same request." },
	{ .name = "delegate add", .args = "ROLE", .help = "a new delegated role: content-CHANNEL, ring-RING, approve-PARTY, fleet, recall, stop",
	  .min_args = 1, .max_args = 1, .run = delegate_add, ROWS(role_rows) },
	{ .name = "delegate set", .args = "ROLE", .help = "change keys, threshold or paths of a delegated role", .min_args = 1, .max_args = 1,
	  .run = delegate_set, ROWS(role_rows) },
	{ .name = "delegate remove", .args = "ROLE", .help = "believe nobody about a role any more", .min_args = 1, .max_args = 1,
	  .run = delegate_remove, ROWS(remove_rows) },
	{ .name = "key rotate", .args = "ROLE", .help = "replace keys of any role", .min_args = 1, .max_args = 1, .run = rotate, ROWS(rotate_rows),
	  .more = "For keys that a server holds, put the new key into its keys directory first: it reads them when\n"
		  "the request is published. Take the old key away afterwards." },
	{ .name = "request renew", .args = "ROLE", .help = "ask for the same once more, before it expires", .min_args = 1, .max_args = 1,
	  .run = renew, ROWS(remove_rows) },
};
const size_t trust_command_count = ARRAY_LEN(trust_commands);
