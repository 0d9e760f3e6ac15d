/* sigreq_parts: what signing/sigreq*.c share; for these only. */
#ifndef SIGNING_SIGREQ_PARTS_H
#define SIGNING_SIGREQ_PARTS_H

#include "signing/sigreq.h"

enum metadata_type sigreq_type(const char *role);       /* METADATA_TARGETS for every delegated role */
bool sigreq_signature_good(const struct sigreq *q, const char *role, const struct sigreq_trust *t, struct json_string keyid,
			   const char *hex, size_t hex_len);

#endif
