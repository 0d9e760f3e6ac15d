/* tool_token: `ringholdd token`: tokens made by whoever may write to the server's directory. */
#ifndef SERVER_TOOL_TOKEN_H
#define SERVER_TOOL_TOKEN_H

#include "base/cli.h"

extern const struct cli_command tool_token_commands[];
extern const size_t tool_token_command_count;

#endif
