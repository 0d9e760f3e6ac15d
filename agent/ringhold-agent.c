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
static const struct cli_option show_opts[] = {
	{ "json", 0, CLI_FLAG, AT(show_options, json), NULL, "for programs" },
};
static const struct cli_option history_opts[] = {
	{ "count", 'n', CLI_INT, AT(history_options, count), "N", "newest N (default 50)" },
	{ "json", 0, CLI_FLAG, AT(history_options, json), NULL, "for programs: one object a line" },
};
static const struct cli_option hold_opts[] = {
	{ "until", 0, CLI_TEXT, AT(hold_options, until), "TIME", "2026-01-31T12:00:00Z; default: until unhold" },
};

static const struct cli_option contract_opts[] = {
	{ "wait", 0, CLI_SECONDS, AT(contract_options, wait_s), "TIME", "for the outcome; default 10 min" },
};

static const struct cli_option install_opts[] = {
	{ "channel", 0, CLI_TEXT, AT(install_options, channel), "NAME", "of this channel only" },
	{ "wait", 0, CLI_SECONDS, AT(install_options, wait_s), "TIME", "for what comes of it; default 2 min" },
	{ "json", 0, CLI_FLAG, AT(install_options, json), NULL, "for programs" },
};

static const char check_more[] =
	"Exit status: 0 every channel runs what its ring is assigned, 1 something else is assigned\n"
	"(an update, or a hold, pin or disable keeps it away: the lines say which and since when),\n"
	"2 wrong use.\n";
static const char explain_more[] =
	"Without WHAT: every clause of the activation rule for what is assigned, and the detections\n"
	"that a hold, pin or disable leaves out. WHAT is a serial or the first digits of a digest:\n"
	"all that this host knows of that bundle. Exit status: 0, or 1 when it knows nothing of it.\n";
static const char order_more[] =
	"Works without network or agent, takes effect at once and at boot, is written to history\n"
	"and reported. Exit status: 0 done, 1 refused (the sentence says why), 2 wrong use.\n";
static const char hold_more[] =
	"Works without network or agent, takes effect at once and at boot, is written to history\n"
	"and reported. While it keeps newer content away, status, check and explain say which\n"
	"bundles and detections that leaves out, and since when; a stop is obeyed all the same.\n"
	"Exit status: 0 done, 1 refused (the sentence says why), 2 wrong use.\n";
static const char contract_more[] =
	"For the hook of the sensor's package: after the new contract is in place, before the new\n"
	"sensor starts. What runs is held against the contract, loaded in the canary process and put\n"
	"on trial again. Killed anywhere, it may be repeated; the agent goes on by itself as well.\n"
	"Exit status: 0 accepted, 1 failed, 2 wrong use, 3 refused, and what is accepted runs instead,\n"
	"4 nothing on this host is accepted, so nothing runs, 5 not finished in time.\n";
static const char install_more[] =
	"PATH is an archive as its repository serves it, or a mirror directory (ringhold mirror). Nothing\n"
	"is believed for where it came from: signatures, versions, expiry, assignment, stops, quarantine,\n"
	"contract, permit, canary and trial are those of the network. Of a file only the archive that this\n"
	"host is to install now is taken. Works beside the running agent, and alone: then the rest is done\n"
	"once the agent runs. Exit status: 0 taken, on its way, or running already, 1 refused (the sentence\n"
	"says why), 2 wrong use.\n";
static const char doctor_more[] = "Exit status: 0 all is well, 1 something is WRONG, 2 wrong use.\n";

#define OPTIONS(list, type) list, ARRAY_LEN(list), sizeof(struct type)
#define NO_OPTIONS NULL, 0, 0

static const struct cli_command commands[] = {
	{ "run", "", "deliver content, for ever", 0, 0, OPTIONS(run_opts, run_options), command_run, NULL },
	{ "status", "", "what runs, and what is under way", 0, 0, OPTIONS(show_opts, show_options), command_status, NULL },
	{ "check", "", "exit status 0: everything assigned runs; 1: an update is available", 0, 0, OPTIONS(show_opts, show_options), command_check, check_more },
	{ "history", "[CHANNEL]", "what happened here", 0, 1, OPTIONS(history_opts, history_options), command_history, NULL },
	{ "explain", "[WHAT]", "why this content, why not that", 0, 1, OPTIONS(show_opts, show_options), command_explain, explain_more },
	{ "hold", "CHANNEL", "take nothing new", 1, 1, OPTIONS(hold_opts, hold_options), command_hold, hold_more },
	{ "unhold", "CHANNEL", "follow the assignment again", 1, 1, NO_OPTIONS, command_unhold, order_more },
	{ "pin", "CHANNEL", "stay at what runs now", 1, 1, NO_OPTIONS, command_pin, hold_more },
	{ "unpin", "CHANNEL", "end a pin", 1, 1, NO_OPTIONS, command_unpin, order_more },
	{ "revert", "CHANNEL", "back to the content before this", 1, 1, NO_OPTIONS, command_revert, order_more },
	{ "disable", "CHANNEL", "run no content at all", 1, 1, NO_OPTIONS, command_disable, hold_more },
	{ "enable", "CHANNEL", "end a disable", 1, 1, NO_OPTIONS, command_enable, order_more },
	{ "baseline", "CHANNEL ARCHIVE", "install the content that came with the sensor", 2, 2, NO_OPTIONS, command_baseline, NULL },
	{ "install", "PATH", "take content from a file or a mirror directory", 1, 1, OPTIONS(install_opts, install_options), command_install, install_more },
	{ "enrol", "STRING", "keep the enrolment string for the next check-in", 1, 1, NO_OPTIONS, command_enrol, NULL },
	{ "contract-changed", "", "prove what runs under the contract of an upgraded sensor", 0, 0, OPTIONS(contract_opts, contract_options), command_contract_changed, contract_more },
	{ "doctor", "", "is everything in place; which confinement is in force", 0, 0, OPTIONS(show_opts, show_options), command_doctor, doctor_more },
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
		return role_main(argv[2], argv[4], NULL);
	if (argc == 7 && !strcmp(argv[1], "--role") && !strcmp(argv[3], "--root") && !strcmp(argv[5], "--mirror"))
		return role_main(argv[2], argv[4], argv[6]);
	return cli_run(&program, argc, argv);
}
