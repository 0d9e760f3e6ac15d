/* upkeep_commands: `ringholdd check-config | migrate | backup | restore`, typed on the server's machine. */
#ifndef SERVER_UPKEEP_COMMANDS_H
#define SERVER_UPKEEP_COMMANDS_H

#include "base/cli.h"

extern const struct cli_command upkeep_commands[];
extern const size_t upkeep_command_count;

#endif
