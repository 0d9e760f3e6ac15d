/* cli: a command line is a table; parse and dispatch. */
#include "base/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cli_help.h"
#include "base/number.h"

/* One command line under way. */
struct line {
	const struct cli_program *program;
	const struct cli_command *command;      /* NULL until it is known */
	void *options;                          /* of the command; owned */
	bool *given;                            /* per option: the command's, then the common ones; owned */
	char **args;                            /* what is no option; owned, the strings are argv's */
	int arg_count;
	bool help, version;
};

static size_t own_count(const struct line *l)
{
	return l->command ? l->command->option_count : 0;
}

/* Where the value of option `i` of the line goes; NULL when there is no such option. */
static const struct cli_option *option_at(const struct line *l, size_t i, void **into)
{
	size_t own = own_count(l);

	if (i < own) {
		*into = (char *)l->options + l->command->options[i].offset;
		return &l->command->options[i];
	}
	i -= own;
	if (i >= l->program->common_count)
		return NULL;
	*into = (char *)l->program->common_options + l->program->common[i].offset;
	return &l->program->common[i];
}

static bool is_named(const struct cli_option *o, const char *word, size_t len)
{
	if (word[1] != '-')
		return len == 2 && o->letter && o->letter == word[1];
	return strlen(o->name) == len - 2 && memcmp(o->name, word + 2, len - 2) == 0;
}

static int list_add(struct cli_list *list, const char *value, struct err *e)
{
	const char **more = reallocarray(list->items, list->count + 1, sizeof *more);

	if (!more)
		return err_memory(e);
	list->items = more;
	list->items[list->count++] = value;
	return 0;
}

static int store(const struct cli_option *o, void *into, const char *value, struct err *e)
{
	switch (o->kind) {
	case CLI_FLAG:
		*(bool *)into = true;
		return 0;
	case CLI_TEXT:
		*(const char **)into = value;
		return 0;
	case CLI_INT:
		if (number_parse(into, value))
			return 0;
		return err_set(e, ERR_USAGE, "--%s %s: not a whole number", o->name, value);
	case CLI_SECONDS:
		if (number_parse_seconds(into, value))
			return 0;
		return err_set(e, ERR_USAGE, "--%s %s: not a time such as 90, 15m, 4h or 7d",
			       o->name, value);
	case CLI_MANY:
		return list_add(into, value, e);
	}
	return err_set(e, ERR_INTERNAL, "--%s: option of no known kind", o->name);
}

/* Reads the option at argv[*at], moving *at past a value in the next word. */
static int take_option(struct line *l, int argc, char **argv, int *at, struct err *e)
{
	const char *word = argv[*at];
	const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
	size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const char *value = equals ? equals + 1 : NULL;
	const struct cli_option *o;
	void *into;
	size_t i = 0;

	if (!strcmp(word, "--help") || !strcmp(word, "-h"))
		return l->help = true, 0;
	while ((o = option_at(l, i, &into)) && !is_named(o, word, len))
		i++;
	if (!o && !strcmp(word, "--version"))
		return l->version = true, 0;
	if (!o)
		return err_set(e, ERR_USAGE, "unknown option %.*s", (int)len, word);
	if (o->kind == CLI_FLAG && value)
		return err_set(e, ERR_USAGE, "--%s takes no value", o->name);
	if (o->kind != CLI_FLAG && !value) {
		if (*at + 1 >= argc)
			return err_set(e, ERR_USAGE, "--%s needs a value (%s)", o->name, o->value);
		value = argv[++*at];
	}
	/* Seen before the command was known, a common option has another index; kinds but MANY count. */
	if (o->kind != CLI_MANY && l->given && l->given[i])
		return err_set(e, ERR_USAGE, "--%s given twice", o->name);
	if (l->given)
		l->given[i] = true;
	return store(o, into, value, e);
}

static int parse_rest(struct line *l, int argc, char **argv, struct err *e)
{
	bool only_args = false;

	l->options = calloc(1, MAX(l->command->options_size, (size_t)1));
	l->given = calloc(own_count(l) + l->program->common_count + 1, sizeof *l->given);
	l->args = calloc((size_t)argc + 1, sizeof *l->args);
	if (!l->options || !l->given || !l->args)
		return err_memory(e);
	for (int i = 0; i < argc; i++) {
		if (!only_args && !strcmp(argv[i], "--"))
			only_args = true;
		else if (only_args || argv[i][0] != '-' || !argv[i][1])
			l->args[l->arg_count++] = argv[i];
		else if (take_option(l, argc, argv, &i, e) < 0)
			return e->code;
	}
	return 0;
}

static int check_args(const struct line *l, struct err *e)
{
	const struct cli_command *c = l->command;

	if (l->arg_count < c->min_args)
		return err_set(e, ERR_USAGE, "too few arguments: %s", c->args ? c->args : "");
	if (c->max_args >= 0 && l->arg_count > c->max_args)
		return err_set(e, ERR_USAGE, "unexpected argument %s", l->args[c->max_args]);
	return 0;
}

void cli_complain(const char *program, const char *command, const struct err *e)
{
	fprintf(stderr, "%s%s%s: ", program, *command ? " " : "", command);
	for (const unsigned char *c = (const unsigned char *)e->msg; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			fprintf(stderr, "\\x%02x", *c);
		else
			fputc(*c, stderr);
	if (e->code == ERR_USAGE)
		fprintf(stderr, " (see %s%s%s --help)", program, *command ? " " : "", command);
	fputc('\n', stderr);
}

/* What was printed must have arrived: a full disk behind standard output is a failure. */
static int flush(int status, const char *program)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "%s: standard output: %s\n", program, strerror(errno));
	return status ? status : 1;
}

static int run_command(struct line *l, int argc, char **argv, struct err *e)
{
	int code = parse_rest(l, argc, argv, e);

	if (l->help) {
		cli_help_command(l->program, l->command, stdout);
		return 0;
	}
	if (l->version) {
		cli_help_version(l->program, stdout);
		return 0;
	}
	if (code >= 0)
		code = check_args(l, e);
	if (code >= 0)
		code = l->command->run(l->arg_count, l->args, l->options, e);
	return code;
}

static void free_lists(const struct cli_option *options, size_t count, void *base)
{
	for (size_t i = 0; base && i < count; i++) {
		struct cli_list *list = (void *)((char *)base + options[i].offset);

		if (options[i].kind != CLI_MANY)
			continue;
		free(list->items);
		*list = (struct cli_list){ 0 };
	}
}

static void release(struct line *l)
{
	if (l->command)
		free_lists(l->command->options, l->command->option_count, l->options);
	free_lists(l->program->common, l->program->common_count, l->program->common_options);
	free(l->options);
	free(l->given);
	free(l->args);
}

/* The row named by the first one or two words; *words says how many. */
static const struct cli_command *find(const struct cli_program *p, int argc, char **argv,
				      int *words)
{
	const struct cli_command *single = NULL;

	for (size_t i = 0; i < p->count; i++) {
		const char *name = p->commands[i].name;
		const char *blank = strchr(name, ' ');
		size_t len = blank ? (size_t)(blank - name) : strlen(name);

		if (strlen(argv[0]) != len || memcmp(argv[0], name, len) != 0)
			continue;
		if (!blank)
			single = &p->commands[i];
		else if (argc > 1 && !strcmp(argv[1], blank + 1))
			return *words = 2, &p->commands[i];
	}
	*words = 1;
	return single;
}

/* "help", "help COMMAND" and "completion bash" belong to every program of several commands. */
static bool built_in(const struct cli_program *p, int argc, char **argv)
{
	const struct cli_command *c;
	int words;

	if (!strcmp(argv[0], "completion") && argc == 2 && !strcmp(argv[1], "bash")) {
		cli_help_completion(p, stdout);
		return true;
	}
	if (strcmp(argv[0], "help") != 0)
		return false;
	c = argc > 1 ? find(p, argc - 1, argv + 1, &words) : NULL;
	if (c)
		cli_help_command(p, c, stdout);
	else if (argc == 1 || !cli_help_group(p, argv[1], stdout))
		cli_help_program(p, stdout);
	return true;
}

/* Options before the command: the common ones, --help and --version. */
static int leading_options(struct line *l, int argc, char **argv, int *at, struct err *e)
{
	for (; *at < argc && argv[*at][0] == '-' && argv[*at][1]; ++*at)
		if (take_option(l, argc, argv, at, e) < 0)
			return e->code;
	return 0;
}

/* The row without a name: the only one, or, beside others, what a line of options alone means. */
static const struct cli_command *nameless(const struct cli_program *p, int argc, char **argv)
{
	const struct cli_command *c = cli_nameless(p);

	if (!c || p->count == 1)
		return c;
	if (argc < 2 || argv[1][0] != '-' || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "--version"))
		return NULL;
	return c;
}

static int dispatch(struct line *l, int argc, char **argv, struct err *e)
{
	const struct cli_program *p = l->program;
	int at = 1, words = 0;

	l->command = nameless(p, argc, argv);
	if (l->command)
		return run_command(l, argc - 1, argv + 1, e);
	if (leading_options(l, argc, argv, &at, e) < 0)
		return e->code;
	if (l->version)
		return cli_help_version(p, stdout), 0;
	if (l->help)
		return cli_help_program(p, stdout), 0;
	if (at == argc)
		return err_set(e, ERR_USAGE, "no command given");
	l->command = find(p, argc - at, argv + at, &words);
	if (l->command)
		return run_command(l, argc - at - words, argv + at + words, e);
	if (built_in(p, argc - at, argv + at))
		return 0;
	return cli_help_unknown(p, argc - at, argv + at, e);
}

int cli_run(const struct cli_program *p, int argc, char **argv)
{
	struct line l = { .program = p };
	struct err e = { 0 };
	int status = dispatch(&l, argc, argv, &e);

	if (status < 0) {
		cli_complain(p->name, l.command ? l.command->name : "", &e);
		status = err_exit_status(status);
	}
	release(&l);
	return flush(status, p->name);
}
