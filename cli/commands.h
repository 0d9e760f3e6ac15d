/*
 * commands: the command tables that make up `ringhold`, one per file of this room.
 *
 * A file X_commands.c defines X_commands[] and X_command_count; they are
 * declared here and listed in ringhold.c, in the order help shows them.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "base/cli.h"

extern const struct cli_command init_commands[];
extern const size_t init_command_count;
extern const struct cli_command key_commands[];
extern const size_t key_command_count;
extern const struct cli_command bundle_commands[];
extern const size_t bundle_command_count;
extern const struct cli_command lint_commands[];
extern const size_t lint_command_count;
extern const struct cli_command publish_commands[];
extern const size_t publish_command_count;
extern const struct cli_command diff_commands[];
extern const size_t diff_command_count;
extern const struct cli_command schema_commands[];
extern const size_t schema_command_count;
extern const struct cli_command contract_commands[];
extern const size_t contract_command_count;
extern const struct cli_command rollout_commands[];
extern const size_t rollout_command_count;
extern const struct cli_command policy_commands[];
extern const size_t policy_command_count;
extern const struct cli_command policy_suggest_commands[];
extern const size_t policy_suggest_command_count;
extern const struct cli_command policy_version_commands[];
extern const size_t policy_version_command_count;
extern const struct cli_command plan_commands[];
extern const size_t plan_command_count;
extern const struct cli_command rings_commands[];
extern const size_t rings_command_count;
extern const struct cli_command fleet_commands[];
extern const size_t fleet_command_count;
extern const struct cli_command webhook_commands[];
extern const size_t webhook_command_count;
extern const struct cli_command audit_commands[];
extern const size_t audit_command_count;
extern const struct cli_command token_commands[];
extern const size_t token_command_count;
extern const struct cli_command sign_commands[];
extern const size_t sign_command_count;
extern const struct cli_command trust_commands[];
extern const size_t trust_command_count;
extern const struct cli_command repo_commands[];
extern const size_t repo_command_count;
extern const struct cli_command mirror_commands[];
extern const size_t mirror_command_count;
extern const struct cli_command sweep_commands[];
extern const size_t sweep_command_count;
extern const struct cli_command authority_commands[];
extern const size_t authority_command_count;
extern const struct cli_command floor_commands[];
extern const size_t floor_command_count;
extern const struct cli_command promoter_commands[];
extern const size_t promoter_command_count;

#endif
