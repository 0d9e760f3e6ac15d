/* cli_help: what a command table says about itself; for base/cli.c only. */
#ifndef BASE_CLI_HELP_H
#define BASE_CLI_HELP_H

#include "base/cli.h"

void cli_help_program(const struct cli_program *p, FILE *to);
void cli_help_command(const struct cli_program *p, const struct cli_command *c, FILE *to);
bool cli_help_group(const struct cli_program *p, const char *first, FILE *to);  /* commands whose first word this is; false: none */
void cli_help_version(const struct cli_program *p, FILE *to);
void cli_help_completion(const struct cli_program *p, FILE *to);        /* for bash, to be sourced */

const struct cli_command *cli_nameless(const struct cli_program *p);   /* the row whose name is ""; NULL: none */

/* Sets ERR_USAGE with the nearest name, when one is near. */
int cli_help_unknown(const struct cli_program *p, int argc, char **argv, struct err *e);

#endif
