/* fuzz_contract: whatever parses has a header, and finds its own types, templates and fields again. */
#include <stdint.h>
#include <stdlib.h>

#include "schema/contract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(contract) struct contract *c = NULL;
	AUTO(buf) struct buf *header = buf_new(0);
	struct err e;

	if (contract_parse(&c, "fuzz", (const char *)data, len, &e) < 0)
		return 0;
	for (size_t i = 0; i < c->type_count; i++) {
		const struct contract_type *t = &c->types[i];

		if (contract_find_type(c, t->name) != t || !contract_offers(t, t->versions[0]))
			abort();
		for (size_t k = 0; k < t->template_count; k++)
			for (size_t f = 0; f < t->templates[k].field_count; f++)
				if (contract_find_field(&t->templates[k], t->templates[k].fields[f].name) != (int)f)
					abort();
	}
	if (contract_header(header, c, &e) < 0)
		abort();
	return 0;
}
