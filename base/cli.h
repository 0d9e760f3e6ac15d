/*
 * cli: a command line is a table.
 *
 * Help, dispatch and completion come from the same rows. Programs answer
 * --help and --version everywhere (unless a command has an option of its own
 * named version); exit status 0 done, 1 failed or refused,
 * 2 wrong use; errors are one sentence on standard error: "program: sentence".
 */
#ifndef BASE_CLI_H
#define BASE_CLI_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

#define RINGHOLD_VERSION "0.1.0"

enum cli_kind { CLI_FLAG /* bool */, CLI_TEXT /* const char * */, CLI_INT /* int64_t */, CLI_SECONDS /* int64_t */,
		CLI_MANY /* struct cli_list, may be given again */ };

struct cli_list {
	const char **items;     /* borrowed from argv; the array is freed by cli_run() */
	size_t count;
};

struct cli_option {
	const char *name;       /* "server" for --server; always long */
	char letter;            /* 'o' for -o, or 0 */
	enum cli_kind kind;
	size_t offset;          /* into the command's options struct */
	const char *value;      /* what help calls the value: "URL"; NULL for a flag */
	const char *help;
};

struct cli_command {
	const char *name;       /* "bundle build": one or two words */
	const char *args;       /* "DIR [FILE...]", for help */
	const char *help;       /* one line */
	int min_args, max_args; /* -1: any number */
	const struct cli_option *options;       /* of this command; NULL: none */
	size_t option_count;
	size_t options_size;    /* of the struct, zeroed before parsing */
	/* Zero or positive: the exit status (check: 1 is "update available"); negative: an err code. */
	int (*run)(int argc, char **argv, const void *options, struct err *e);
	const char *more;       /* paragraphs after the options in --help; may be NULL */
};

struct cli_program {
	const char *name;       /* "ringhold" */
	const char *purpose;    /* one line */
	const struct cli_command *commands;
	size_t count;
	const struct cli_option *common;        /* accepted by every command, into `common_options` */
	size_t common_count;
	void *common_options;
};

/*
 * Finds the command, parses, runs, prints an error; returns main()'s status.
 * A program of one command has one row whose name is ""; beside named ones
 * such a row is what a line that begins with an option means.
 */
int cli_run(const struct cli_program *p, int argc, char **argv);

/*
 * "program command: sentence" on standard error, as cli_run() writes it; command may be "".
 * Escapes what could play with a terminal: sentences may quote what came from outside.
 */
void cli_complain(const char *program, const char *command, const struct err *e);

/* Rows of cells aligned in columns; cells are escaped as log_escape() does. */
struct cli_table;
struct cli_table *cli_table_new(const char *const *titles, size_t columns);
void cli_table_row(struct cli_table *t, const char *const *cells);
void cli_table_print(struct cli_table *t, FILE *to);
void cli_table_free(struct cli_table *t);

#endif
