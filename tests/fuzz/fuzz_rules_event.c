/* fuzz_rules_event: any bytes as an event, against one rule of every matcher on every type. */
#include <stdint.h>
#include <stdlib.h>

#include "tests/content/rules_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define R(id, match) "{\"id\":\"" id "\",\"template\":\"t\",\"verdict\":\"alert\",\"match\":{" match "}}"

static const char text[] =
	"{\"format\":1,\"templates\":[{\"name\":\"t\",\"fields\":[{\"name\":\"s\",\"type\":\"string\"},"
	"{\"name\":\"p\",\"type\":\"path\"},{\"name\":\"n\",\"type\":\"integer\"},{\"name\":\"i\",\"type\":\"ip\"},"
	"{\"name\":\"e\",\"type\":\"enum\",\"values\":[\"low\",\"high\"]},{\"name\":\"b\",\"type\":\"bytes\"}]}],"
	"\"instances\":[" R("s1", "\"s\":{\"prefix\":\"a\",\"suffix\":\"b\"}") "," R("s2", "\"s\":{\"contains\":\"ab\"}")
	"," R("s3", "\"s\":{\"regex\":\"^(a+)+$\"}") "," R("s4", "\"s\":{\"glob\":\"*a?b*\"}") ","
	R("s5", "\"s\":{\"set\":[\"x\",\"yy\"]}") "," R("p1", "\"p\":{\"glob\":\"/tmp/*/x**\"}") ","
	R("p2", "\"p\":{\"regex\":\"/(ba)?sh$\"}") "," R("n1", "\"n\":{\"range\":[null,5]}") ","
	R("n2", "\"n\":{\"set\":[1,2,3]}") "," R("i1", "\"i\":{\"cidr\":[\"10.0.0.0/8\",\"2001:db8::/33\"]}") ","
	R("i2", "\"i\":{\"equals\":\"::1\"}") "," R("e1", "\"e\":{\"equals\":\"low\"}") ","
	R("b1", "\"b\":{\"prefix\":\"00\",\"suffix\":\"ff\"}") "," R("b2", "\"b\":{\"contains\":\"0102\"}") "]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct rules *r;
	const struct json_limits limits = { .bytes = 65536, .depth = 8 };
	AUTO(json) struct json_doc *d = NULL;
	struct detection got;
	struct err e = { 0 };

	if (!r && rules_from_text(&r, text, &e) < 0)
		abort();
	if (json_parse(&d, "event", (const char *)data, len, &limits, &e) < 0)
		return 0;
	if (rules_match(r, d, d->root, &got, &e) < 0 && (got.action || got.matches))
		abort();        /* an event in error is never a match */
	return 0;
}
