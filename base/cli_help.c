/* cli_help: what a command table says about itself. */
#include "base/cli_help.h"

#include <string.h>

#define NAME_MAX_LEN 40         /* of a command, for suggestions */

void cli_help_version(const struct cli_program *p, FILE *to)
{
	fprintf(to, "%s %s\n", p->name, RINGHOLD_VERSION);
}

static int option_text(char *out, size_t cap, const struct cli_option *o)
{
	char letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof letter, "-%c, ", o->letter);
	return snprintf(out, cap, "%s--%s%s%s%s", letter, o->name, o->value ? " " : "",
			o->value ? o->value : "", o->kind == CLI_MANY ? " ..." : "");
}

static void print_options(const struct cli_option *options, size_t count, FILE *to)
{
	char text[80];
	int width = 0;

	for (size_t i = 0; i < count; i++)
		width = MAX(width, option_text(text, sizeof text, &options[i]));
	for (size_t i = 0; i < count; i++) {
		option_text(text, sizeof text, &options[i]);
		fprintf(to, "  %-*s  %s\n", width, text, options[i].help);
	}
}

static const struct cli_option always[] = {
	{ "help", 'h', CLI_FLAG, 0, NULL, "print this and stop" },
	{ "version", 0, CLI_FLAG, 0, NULL, "print the version and stop" },
};

static bool has_option(const struct cli_command *c, const char *name)
{
	for (size_t i = 0; c && i < c->option_count; i++)
		if (!strcmp(c->options[i].name, name))
			return true;
	return false;
}

/* A command's own --version (of what it makes) takes the place of the program's. */
static void print_common(const struct cli_program *p, const struct cli_command *c, FILE *to)
{
	if (p->common_count) {
		fputs("\noptions of every command:\n", to);
		print_options(p->common, p->common_count, to);
	}
	fputs("\n", to);
	print_options(always, ARRAY_LEN(always) - has_option(c, "version"), to);
}

static int usage_text(char *out, size_t cap, const struct cli_command *c)
{
	return snprintf(out, cap, "%s%s%s", c->name, c->args && *c->args && *c->name ? " " : "",
			c->args ? c->args : "");
}

static bool in_group(const struct cli_command *c, const char *first)
{
	size_t len = first ? strlen(first) : 0;

	return first ? strncmp(c->name, first, len) == 0 && c->name[len] == ' ' : *c->name;
}

bool cli_help_group(const struct cli_program *p, const char *first, FILE *to)
{
	char text[120];
	int width = 0;
	bool any = false;

	for (size_t i = 0; i < p->count; i++)
		if (in_group(&p->commands[i], first))
			width = MAX(width, usage_text(text, sizeof text, &p->commands[i]));
	for (size_t i = 0; i < p->count; i++) {
		if (!in_group(&p->commands[i], first))
			continue;
		usage_text(text, sizeof text, &p->commands[i]);
		fprintf(to, "  %-*s  %s\n", MIN(width, 44), text, p->commands[i].help);
		any = true;
	}
	return any;
}

const struct cli_command *cli_nameless(const struct cli_program *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (!*p->commands[i].name)
			return &p->commands[i];
	return NULL;
}

void cli_help_program(const struct cli_program *p, FILE *to)
{
	const struct cli_command *c = cli_nameless(p);

	fprintf(to, "%s: %s\n\nusage: %s COMMAND [OPTION...] [ARGUMENT...]\n", p->name, p->purpose, p->name);
	if (c) {
		fprintf(to, "       %s %s\n\nwithout a command: %s\n", p->name, c->args, c->help);
		print_options(c->options, c->option_count, to);
	}
	fputs("\ncommands:\n", to);
	cli_help_group(p, NULL, to);
	print_common(p, NULL, to);
	fprintf(to, "\n%s COMMAND --help tells more; %s completion bash prints completion rules.\n",
		p->name, p->name);
}

void cli_help_command(const struct cli_program *p, const struct cli_command *c, FILE *to)
{
	fprintf(to, "%s%s%s: %s\n\nusage: %s%s%s%s%s%s\n", p->name, *c->name ? " " : "", c->name,
		*c->name ? c->help : p->purpose, p->name, *c->name ? " " : "", c->name,
		c->option_count || p->common_count ? " [OPTION...]" : "",
		c->args && *c->args ? " " : "", c->args ? c->args : "");
	if (c->option_count) {
		fputs("\noptions:\n", to);
		print_options(c->options, c->option_count, to);
	}
	print_common(p, c, to);
	if (c->more)
		fprintf(to, "\n%s\n", c->more);
}

static void complete_options(const struct cli_option *options, size_t count, FILE *to)
{
	for (size_t i = 0; i < count; i++)
		fprintf(to, " --%s", options[i].name);
}

/* Every word that may follow `first`; NULL: every first word, once each. */
static void complete_words(const struct cli_program *p, const char *first, FILE *to)
{
	for (size_t i = 0; i < p->count; i++) {
		const char *name = p->commands[i].name;
		size_t len = strcspn(name, " ");

		if (!*name)
			continue;
		if (first && in_group(&p->commands[i], first))
			fprintf(to, " %s", name + len + 1);
		else if (!first && (i == 0 || strncmp(p->commands[i - 1].name, name, len) != 0 ||
				    strcspn(p->commands[i - 1].name, " ") != len))
			fprintf(to, " %.*s", (int)len, name);
	}
}

void cli_help_completion(const struct cli_program *p, FILE *to)
{
	fprintf(to, "_%s()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n", p->name);
	fputs("\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords=\"", to);
	complete_words(p, NULL, to);
	fputs(" help\"\n\telse\n\t\tcase \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n", to);
	for (size_t i = 0; i < p->count; i++) {
		const struct cli_command *c = &p->commands[i];

		if (!*c->name)
			continue;
		fprintf(to, "\t\t\"%s\"%s) words=\"", c->name, strchr(c->name, ' ') ? "" : "\\ *");
		complete_options(c->options, c->option_count, to);
		complete_options(p->common, p->common_count, to);
		complete_options(always, ARRAY_LEN(always), to);
		fputs("\" ;;\n", to);
	}
	for (size_t i = 0; i < p->count; i++) {
		size_t len = strcspn(p->commands[i].name, " ");
		char first[NAME_MAX_LEN];

		if (!p->commands[i].name[len] || len >= sizeof first)
			continue;
		memcpy(first, p->commands[i].name, len);
		first[len] = '\0';
		if (i && in_group(&p->commands[i - 1], first))
			continue;
		fprintf(to, "\t\t\"%s\"\\ *) words=\"", first);
		complete_words(p, first, to);
		fputs("\" ;;\n", to);
	}
	fputs("\t\tesac\n\tfi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
	      "\t[ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n",
	      to);
	fprintf(to, "complete -F _%s %s\n", p->name, p->name);
}

/* Levenshtein's distance; longer words than NAME_MAX_LEN are far from everything. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_LEN + 1], b_len = strlen(b);

	if (strlen(a) > NAME_MAX_LEN || b_len > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < b_len; j++) {
			size_t change = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = MIN(MIN(row[j], row[j + 1]) + 1, change);
		}
	}
	return row[b_len];
}

int cli_help_unknown(const struct cli_program *p, int argc, char **argv, struct err *e)
{
	char two[2 * NAME_MAX_LEN + 2];
	const char *best = NULL;
	size_t least = 3;

	snprintf(two, sizeof two, "%.*s %.*s", NAME_MAX_LEN, argv[0], NAME_MAX_LEN,
		 argc > 1 && argv[1][0] != '-' ? argv[1] : "");
	for (size_t i = 0; i < p->count; i++) {
		const char *name = p->commands[i].name;
		size_t d = !*name ? least : distance(strchr(name, ' ') ? two : argv[0], name);

		if (d < least) {
			least = d;
			best = name;
		}
	}
	if (best)
		return err_set(e, ERR_USAGE, "unknown command %s; did you mean %s?", argv[0], best);
	for (size_t i = 0; i < p->count; i++)
		if (in_group(&p->commands[i], argv[0]))
			return err_set(e, ERR_USAGE, "%s needs a second word, such as %s", argv[0],
				       p->commands[i].name);
	return err_set(e, ERR_USAGE, "unknown command %s", argv[0]);
}
