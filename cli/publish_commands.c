/* publish_commands: `ringhold publish`. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/keys.h"
#include "cli/publish.h"

struct publish_options {
	struct remote_options remote;
	struct keys_options keys;
	struct cli_list allowed;
	const char *reason;
	int64_t deltas, keep;
	bool dry_run, no_delta, adopt;
};

#define AT(field) offsetof(struct publish_options, field)

static const struct cli_option publish_rows[] = {
	KEYS_ROWS(AT(keys)),
	{ "reason", 0, CLI_TEXT, AT(reason), "TEXT", "why, for the record" },
	{ "allow-refused", 0, CLI_MANY, AT(allowed), "SENSOR/VERSION",
	  "publish although this sensor refuses it (its hosts still do); may be given again; needs --reason" },
	{ "deltas", 0, CLI_INT, AT(deltas), "N", "make deltas from so many bundles before it [3]" },
	{ "no-delta", 0, CLI_FLAG, AT(no_delta), NULL, "the whole archive only" },
	{ "keep", 0, CLI_INT, AT(keep), "N", "so many newest bundles stay listed, and those that rings name [50]" },
	{ "adopt", 0, CLI_FLAG, AT(adopt), NULL, "sign although none of these keys signed what is published now" },
	{ "dry-run", 'n', CLI_FLAG, AT(dry_run), NULL, "sign it, let the server check it and print the matrix; nothing is published" },
	REMOTE_ROWS(AT(remote)),
};

/* "rules/ipc.json:31:7: sentence (contract 7.11)": one line, escaped by the terminal's rules. */
static void print_finding(const struct json *f)
{
	AUTO(buf) struct buf *line = buf_new(0);
	char file[200], sentence[600], number[24], more[120];

	if (!line)
		return;
	remote_text(f, "file", file, sizeof file);
	remote_text(f, "sentence", sentence, sizeof sentence);
	log_escape(line, file, strlen(file));
	for (int i = 0; i < 2; i++) {
		remote_text(f, i ? "column" : "line", number, sizeof number);
		if (strcmp(number, "-") != 0 && strcmp(number, "0") != 0)
			buf_addf(line, ":%s", number);
	}
	buf_adds(line, ": ");
	log_escape(line, sentence, strlen(sentence));
	remote_text(f, "contract", more, sizeof more);
	if (strcmp(more, "-") != 0 && !strstr(sentence, more)) {
		buf_adds(line, " [contract ");
		log_escape(line, more, strlen(more));
		buf_addc(line, ']');
	}
	remote_text(f, "severity", more, sizeof more);
	fprintf(stderr, "ringhold publish: %s%s\n", strcmp(more, "warning") == 0 ? "warning: " : "", line->failed ? "(no memory)" : line->data);
}

static void print_findings(const struct remote_answer *a)
{
	const struct json *findings = a->doc ? json_get(a->doc->root, "findings") : NULL;

	for (size_t i = 0; findings && findings->type == JSON_ARRAY && i < findings->count; i++)
		print_finding(&findings->u.items[i]);
}

/* What each registered sensor says of it, and how many devices of the target rings that concerns. */
static int print_matrix(const struct remote_answer *a, struct err *e)
{
	static const struct remote_column columns[] = {
		{ "SENSOR", "sensor" }, { "VERSION", "version" }, { "ANSWER", "answer" }, { "DEVICES", "devices" }, { "WHY", "why" },
	};
	const struct json *root = a->doc ? a->doc->root : NULL, *matrix = root ? json_get(root, "matrix") : NULL;
	int64_t unknown = 0;

	if (!matrix || matrix->type != JSON_ARRAY || matrix->count == 0)
		return 0;
	if (remote_table(matrix, columns, ARRAY_LEN(columns), e) < 0)
		return e->code;
	if (json_to_int(json_get(root, "unknown_sensors"), &unknown) && unknown > 0)
		printf("%lld devices run a sensor whose contract is not registered\n", (long long)unknown);
	fflush(stdout);         /* before the findings, which go to the other stream */
	return 0;
}

static void print_prepared(const struct publish *p)
{
	char hex[DIGEST_HEX_LEN + 1];

	digest_hex(hex, &p->digest);
	printf("channel %s, serial %llu, %s\n", p->manifest->channel, (unsigned long long)p->manifest->serial, hex);
	printf("archive %zu bytes; ", p->bytes->len);
	for (size_t i = 0; i < p->made_count; i++)
		printf("%sdelta from serial %llu: %zu bytes\n", i ? "  and " : "", (unsigned long long)p->made[i].from, p->made[i].bytes->len);
	if (p->made_count == 0)
		printf("no delta: %s\n", p->note);
	if (p->dropped)
		printf("%zu old files leave the list\n", p->dropped);
	if (p->kept[0])
		printf("nothing leaves the list: %s\n", p->kept);
	fflush(stdout);         /* before the findings, which go to the other stream */
}

static int finish(struct publish *p, struct remote *r, const struct publish_options *o, struct err *e)
{
	AUTO_ANSWER answer = { 0 };
	char rollout[32];
	struct err later;
	int code;

	if (publish_prepare(p, r, e) < 0)
		return e->code;
	if (!o->remote.json)
		print_prepared(p);
	code = publish_send(p, r, &answer, e);
	if (o->remote.json && answer.doc && remote_print(answer.doc->root, &later) < 0)
		return code < 0 ? code : later.code;
	if (!o->remote.json && print_matrix(&answer, &later) < 0)
		log_warn("%s", later.msg);
	print_findings(&answer);
	if (code < 0 || o->remote.json)
		return code;
	if (role_edit_waits(&answer))
		return 0;
	if (o->dry_run) {
		printf("it would be published; nothing was\n");
		return 0;
	}
	remote_text(answer.doc->root, "rollout", rollout, sizeof rollout);
	printf("%s; rollout %s\n", answer.status == 200 ? "it was published before" : "published", rollout);
	return 0;
}

static int publish(int argc, char **argv, const void *options, struct err *e)
{
	const struct publish_options *o = options;
	AUTO(remote) struct remote *r = NULL;
	AUTO(keyring) struct keyring *keys = NULL;
	struct publish p = { .archive = argv[0], .reason = o->reason, .allowed = o->allowed, .dry_run = o->dry_run,
			     .adopt = o->adopt, .deltas = o->no_delta ? 0 : o->deltas ? o->deltas : PUBLISH_DELTAS,
			     .keep = o->keep ? o->keep : PUBLISH_KEEP, .now = clock_now() };
	int code;

	(void)argc;
	if (o->allowed.count > 0 && !o->reason)
		return err_set(e, ERR_USAGE, "--allow-refused needs a --reason: it is kept and shown");
	if (o->deltas < 0 || o->deltas > PUBLISH_DELTAS_MAX || o->keep < 0)
		return err_set(e, ERR_USAGE, "--deltas is a number up to %d, --keep one from 1", PUBLISH_DELTAS_MAX);
	if (keys_open(&keys, &o->keys, e) < 0 || remote_open(&r, &o->remote, e) < 0)
		return e->code;
	p.keys = keys;
	code = finish(&p, r, o, e);
	publish_release(&p);
	return code;
}

const struct cli_command publish_commands[] = {
	{ .name = "publish", .args = "ARCHIVE", .help = "sign a bundle with the vendor's keys and bring it to a server", .min_args = 1, .max_args = 1,
	  .run = publish, .options = publish_rows, .option_count = ARRAY_LEN(publish_rows), .options_size = sizeof(struct publish_options),
	  .more = "The role content-CHANNEL is signed here; the server checks the bundle against every registered\n"
		  "contract, runs its self-tests in a confined process, and begins its rollout with the first ring.\n"
		  "A role of several people waits for the others' signatures as a signing request." },
};
const size_t publish_command_count = ARRAY_LEN(publish_commands);
