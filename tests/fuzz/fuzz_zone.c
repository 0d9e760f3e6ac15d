/* fuzz_zone: any bytes as a file of the time zone database, then asked. */
#include "base/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(zone) struct zone *z = NULL;
	struct err e;

	if (zone_parse(&z, "fuzz", data, len, &e) < 0)
		return 0;
	for (int64_t at = -4000000000; at < 8000000000; at += 123456789)
		(void)zone_instant(z, at + zone_offset(z, at));
	return 0;
}
