/* Any bytes as metadata of any type; what parses is asked everything. The first byte chooses the type. */
#include <stdint.h>
#include <string.h>

#include "signing/delegation.h"
#include "signing/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ask(const struct metadata *m)
{
	char bin[DELEGATION_NAME_MAX];
	struct authority by;
	struct err e;

	for (size_t i = 0; i < m->delegation_count; i++) {
		delegation_match(&m->delegations[i], "a/b/c", 5);
		if (authority_of(&by, m, m->delegations[i].name))
			verify_count(m, &by);
	}
	if (m->succinct.bit_length && delegation_bin(&m->succinct, "a/b/c", 5, bin, &e) == 0 && !authority_of(&by, m, bin))
		__builtin_trap();
	for (int type = 0; m->type == METADATA_ROOT && type < METADATA_TYPES; type++)
		if (authority_of(&by, m, metadata_type_name(type)))
			verify_count(m, &by);
	for (size_t i = 0; i < m->target_count; i++) {
		if (metadata_target(m, m->targets[i].path.text, m->targets[i].path.len) != &m->targets[i])
			__builtin_trap();
		(void)!metadata_file_check(&m->targets[i].file, "file", "bytes", 5, &e);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(metadata) struct metadata *m = NULL;
	struct err e;

	if (len && metadata_parse(&m, data[0] % METADATA_TYPES, "file", data + 1, len - 1, &e) == 0)
		ask(m);
	return 0;
}
