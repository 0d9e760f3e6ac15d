/* ringhold-agent: the on-host agent. `run` is the supervisor; --role, which people never type, its other processes. */
#include <string.h>

#include "agent/command.h"
#include "agent/role.h"
#include "base/cli.h"

#define AT(type, f) offsetof(struct type, f)

static const struct cli_option common[] = {
	{ "root", 0, CLI_TEXT, offsetof(struct command_common, root), "DIR", "directory that all paths are below (default: /)" },
};
static const struct cli_option run_opts[] = {
	{ "once", 0, CLI_FLAG, AT(run_options, once), NULL, "one round, until nothing is left to do" },
};
static const struct cli_option status_opts[] = {
	{ "json", 0, CLI_FLAG, AT(show_options, json), NULL, "for programs" },
};
static const struct cli_option history_opts[] = {
	{ "count", 'n', CLI_INT, AT(history_options, count), "N", "newest N (default 50)" },
	{ "json", 0, CLI_FLAG, AT(history_options, json), NULL, "for programs: one object a line" },
};
static const struct cli_option hold_opts[] = {
	{ "until", 0, CLI_TEXT, AT(hold_options, until), "TIME", "2026-01-31T12:00:00Z; default: until unhold" },
};

#define OPTIONS(list, type) list, ARRAY_LEN(list), sizeof(struct type)
#define NO_OPTIONS NULL, 0, 0

static const struct cli_command commands[] = {
	{ "run", "", "deliver content, for ever", 0, 0, OPTIONS(run_opts, run_options), command_run, NULL },
	{ "status", "", "what runs, and what is under way", 0, 0, OPTIONS(status_opts, show_options), command_status, NULL },
	{ "check", "", "exit status 0: everything assigned runs; 1: an update is available", 0, 0, NO_OPTIONS, command_check, NULL },
	{ "history", "[CHANNEL]", "what happened here", 0, 1, OPTIONS(history_opts, history_options), command_history, NULL },
	{ "explain", "", "why this content, why not that: every clause of the activation rule", 0, 0, NO_OPTIONS, command_explain, NULL },
	{ "hold", "CHANNEL", "take nothing new", 1, 1, OPTIONS(hold_opts, hold_options), command_hold, NULL },
	{ "unhold", "CHANNEL", "follow the assignment again", 1, 1, NO_OPTIONS, command_unhold, NULL },
	{ "pin", "CHANNEL", "stay at what runs now", 1, 1, NO_OPTIONS, command_pin, NULL },
	{ "unpin", "CHANNEL", "end a pin", 1, 1, NO_OPTIONS, command_unpin, NULL },
	{ "revert", "CHANNEL", "back to the content before this", 1, 1, NO_OPTIONS, command_revert, NULL },
	{ "disable", "CHANNEL", "run no content at all", 1, 1, NO_OPTIONS, command_disable, NULL },
	{ "enable", "CHANNEL", "end a disable", 1, 1, NO_OPTIONS, command_enable, NULL },
	{ "baseline", "CHANNEL ARCHIVE", "install the content that came with the sensor", 2, 2, NO_OPTIONS, command_baseline, NULL },
	{ "enrol", "STRING", "keep the enrolment string for the next check-in", 1, 1, NO_OPTIONS, command_enrol, NULL },
	{ "doctor", "", "is everything in place; which confinement is in force", 0, 0, NO_OPTIONS, command_doctor, NULL },
};

int main(int argc, char **argv)
{
	static const struct cli_program program = {
		.name = "ringhold-agent",
		.purpose = "delivers detection content to this host, and takes it back",
		.commands = commands,
		.count = ARRAY_LEN(commands),
		.common = common,
		.common_count = ARRAY_LEN(common),
		.common_options = &command_common,
	};

	if (argc == 5 && !strcmp(argv[1], "--role") && !strcmp(argv[3], "--root"))
		return role_main(argv[2], argv[4]);
	return cli_run(&program, argc, argv);
}
