/* gate_record_parts: the members of a gate record, in one place for both directions; for rollout/gate_record*.c only. */
#ifndef ROLLOUT_GATE_RECORD_PARTS_H
#define ROLLOUT_GATE_RECORD_PARTS_H

#include "rollout/field.h"
#include "rollout/gate_record.h"

#define GATE_RECORD_DEPTH 6
#define OFFER_COLUMNS 11
#define SILENCED_COLUMNS 6
#define SILENCE_NUMBER 48       /* bytes of a long double in decimal */

/* Came after the first records of format 2: missing when it is 0, or false. */
#define GATE_RECORD_LATER 0

struct gate_count {
	const char *key;
	size_t offset;
	bool wide;              /* int64_t, else uint32_t */
	int since;              /* format, or GATE_RECORD_LATER */
};
extern const struct gate_count gate_counts[];
extern const size_t gate_counts_len;

struct gate_flag {
	const char *key;
	size_t offset;
	int until;              /* the last format that has it, or GATE_RECORD_LATER */
};
extern const struct gate_flag gate_flags[];
extern const size_t gate_flags_len;

/* The times of one offer, in the order of its columns. */
#define GATE_TIMES 8
extern const size_t gate_times[GATE_TIMES];

#define AT(type, base, offset) ((type *)(void *)((char *)(base) + (offset)))
#define AT_CONST(type, base, offset) ((const type *)(const void *)((const char *)(base) + (offset)))

#endif
