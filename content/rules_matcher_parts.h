/* rules_matcher_parts: what a matcher is made of; for content/rules_matcher*.c only. */
#ifndef CONTENT_RULES_MATCHER_PARTS_H
#define CONTENT_RULES_MATCHER_PARTS_H

#include "content/rules_matcher.h"

struct rules_text {
	char *bytes;                    /* owned */
	size_t len;
};

struct rules_network {
	uint8_t ip[RULES_IP_LEN];
	unsigned bits;                  /* 0..128 that must agree */
};

struct rules_matcher {
	enum rules_kind kind;
	enum rules_type type;
	size_t count;                   /* of the array in use */
	struct rules_text *texts;       /* equals, set: sorted; prefix, suffix, contains, and the source of glob and regex: one */
	int64_t *numbers;               /* integers: equals, set: sorted; range: two */
	struct rules_network *networks; /* ip: equals, set: sorted, all bits; cidr: in order */
	uint64_t members[RULES_VALUES_MAX / 64];        /* enum: by index */
	struct rules_glob *glob;
	struct rules_regex *regex;
};

int rules_text_compare(const void *a, const void *b);
int rules_number_compare(const void *a, const void *b);
int rules_network_compare(const void *a, const void *b);
bool rules_network_holds(const struct rules_network *n, const uint8_t ip[RULES_IP_LEN]);

#endif
