/* embedded: the assembler takes the files in; the Makefile says so to make. */
#include "schema/embedded.h"

__asm__(".pushsection .rodata\n"
	".global embedded_policy\n"
	"embedded_policy:\n"
	".incbin \"schema/policy.schema.json\"\n"
	".global embedded_policy_end\n"
	"embedded_policy_end:\n"
	".byte 0\n"
	".popsection\n");

int embedded_compile(struct schema **out, struct json_doc **doc, const char *name, const char *from, const char *to, struct err *e)
{
	AUTO(json) struct json_doc *d = NULL;

	if (json_parse(&d, name, from, (size_t)(to - from), NULL, e) < 0 || schema_compile(out, d, d->root, e) < 0)
		return e->code;
	*doc = TAKE(d);
	return 0;
}
