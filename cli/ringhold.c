/* ringhold: the tool of authors and operators; joins the command tables of this room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"

static const struct {
	const struct cli_command *commands;
	const size_t *count;
} tables[] = {
	{ init_commands, &init_command_count },
	{ key_commands, &key_command_count },
	{ bundle_commands, &bundle_command_count },
	{ lint_commands, &lint_command_count },
	{ publish_commands, &publish_command_count },
	{ contract_commands, &contract_command_count },
	{ diff_commands, &diff_command_count },
	{ schema_commands, &schema_command_count },
	{ rollout_commands, &rollout_command_count },
	{ policy_version_commands, &policy_version_command_count },
	{ policy_commands, &policy_command_count },
	{ policy_suggest_commands, &policy_suggest_command_count },
	{ plan_commands, &plan_command_count },
	{ trust_commands, &trust_command_count },
	{ sign_commands, &sign_command_count },
	{ repo_commands, &repo_command_count },
	{ mirror_commands, &mirror_command_count },
	{ sweep_commands, &sweep_command_count },
	{ authority_commands, &authority_command_count },
	{ floor_commands, &floor_command_count },
	{ fleet_commands, &fleet_command_count },
	{ rings_commands, &rings_command_count },
	{ audit_commands, &audit_command_count },
	{ token_commands, &token_command_count },
	{ webhook_commands, &webhook_command_count },
	{ promoter_commands, &promoter_command_count },
};

int main(int argc, char **argv)
{
	AUTO_FREE struct cli_command *all = NULL;
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		count += *tables[i].count;
	all = calloc(count, sizeof *all);
	if (!all) {
		fputs("ringhold: out of memory\n", stderr);
		return 1;
	}
	count = 0;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		memcpy(all + count, tables[i].commands, *tables[i].count * sizeof *all);
		count += *tables[i].count;
	}
	return cli_run(&(const struct cli_program){
			       .name = "ringhold",
			       .purpose = "detection content to endpoints in rings, and back",
			       .commands = all,
			       .count = count,
		       },
		       argc, argv);
}
