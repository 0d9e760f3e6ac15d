#include <stdlib.h>

#include "boot/effects.h"
#include "boot/sensor_status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What a sensor publishes, and what the kernel says of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct boot_effects effects;
	struct sensor_process process;
	struct boot_report why;
	char text[512] = "";

	if (boot_effects_parse(&effects, (const char *)data, len, &why) == 0)
		for (size_t i = 0; i < effects.counts.rule_count; i++)
			if (!*effects.counts.rules[i].id)
				abort();
	for (size_t i = 0; i < len && i + 1 < sizeof text; i++)
		text[i] = (char)data[i];
	(void)sensor_process_parse(&process, text);
	return 0;
}
