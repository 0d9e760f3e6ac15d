/* command: the command line's functions; ringhold-agent.c has the table. */
#ifndef AGENT_COMMAND_H
#define AGENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct command_common {
	const char *root;       /* NULL: "/" */
};
extern struct command_common command_common;

/* The root as paths begin: "" or without a slash at its end. */
const char *command_root(void);

struct run_options { bool once; };
struct show_options { bool json; };
struct history_options { int64_t count; bool json; };
struct hold_options { const char *until; };
struct contract_options { int64_t wait_s; };
struct install_options { const char *channel; int64_t wait_s; bool json; };

int command_run(int argc, char **argv, const void *options, struct err *e);
int command_install(int argc, char **argv, const void *options, struct err *e);
int command_enrol(int argc, char **argv, const void *options, struct err *e);
int command_baseline(int argc, char **argv, const void *options, struct err *e);
int command_hold(int argc, char **argv, const void *options, struct err *e);
int command_unhold(int argc, char **argv, const void *options, struct err *e);
int command_pin(int argc, char **argv, const void *options, struct err *e);
int command_unpin(int argc, char **argv, const void *options, struct err *e);
int command_revert(int argc, char **argv, const void *options, struct err *e);
int command_disable(int argc, char **argv, const void *options, struct err *e);
int command_enable(int argc, char **argv, const void *options, struct err *e);

int command_contract_changed(int argc, char **argv, const void *options, struct err *e);

int command_status(int argc, char **argv, const void *options, struct err *e);
int command_check(int argc, char **argv, const void *options, struct err *e);
int command_history(int argc, char **argv, const void *options, struct err *e);
int command_explain(int argc, char **argv, const void *options, struct err *e);
int command_doctor(int argc, char **argv, const void *options, struct err *e);

#endif
