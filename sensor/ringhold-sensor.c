/* ringhold-sensor: the reference sensor, and what an integrator reads. */
#include <string.h>

#include "base/cli.h"
#include "base/log.h"
#include "base/name.h"
#include "sensor/inputs.h"
#include "sensor/run.h"

static int print_contract(struct err *e)
{
	struct buf text = { 0 };
	int code;

	inputs_contract(&text);
	code = buf_check(&text, e);
	if (code == 0)
		fwrite(text.data, 1, text.len, stdout);
	buf_release(&text);
	return code;
}

static int run(int argc, char **argv, const void *options, struct err *e)
{
	struct run_options o = *(const struct run_options *)options;

	if (argc == 1 && !strcmp(argv[0], "contract"))
		return print_contract(e);
	if (argc == 1)
		return err_set(e, ERR_USAGE, "%s: the only argument there is, is contract", argv[0]);
	if (!o.channel)
		return err_set(e, ERR_USAGE, "--channel is required");
	if (!name_valid(o.channel, strlen(o.channel)))
		return err_set(e, ERR_USAGE, "--channel %s: not the name of a channel", o.channel);
	if (!o.root || !strcmp(o.root, "/"))
		o.root = "";
	log_init("sensor", LOG_INFO);
	return run_sensor(&o, e);
}

#define AT(member) offsetof(struct run_options, member)

static const struct cli_option options[] = {
	{ "channel", 'c', CLI_TEXT, AT(channel), "NAME", "whose content to load" },
	{ "root", 0, CLI_TEXT, AT(root), "DIR", "work beneath DIR" },
	{ "contract", 0, CLI_TEXT, AT(contract), "FILE", "check content against this contract, not the own one" },
	{ "once", 0, CLI_FLAG, AT(once), NULL, "stop at the end of standard input" },
	{ "at-boot", 0, CLI_FLAG, AT(at_boot), NULL, "started by the boot: the first load comes early" },
};

static const struct cli_command commands[] = {
	{ "", "[contract]", "", 0, 1, options, ARRAY_LEN(options), sizeof(struct run_options), run,
	  "Reads events from standard input, one JSON object a line, and prints one verdict\n"
	  "a line. When the content is switched, or on SIGHUP, the new content is loaded; the\n"
	  "old one stays when that fails. State goes to /run/ringhold/NAME/sensor. SIGTERM\n"
	  "ends it in order. Without --once it stays up when standard input ends.\n\n"
	  "ringhold-sensor contract prints what this sensor supplies and accepts." },
};

static const struct cli_program program = {
	"ringhold-sensor", "loads the current content of a channel and judges events with it",
	commands, ARRAY_LEN(commands), NULL, 0, NULL,
};

int main(int argc, char **argv)
{
	return cli_run(&program, argc, argv);
}
