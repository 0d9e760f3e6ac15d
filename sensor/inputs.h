/*
 * inputs: what this sensor supplies to a rule, template by template, in order.
 *
 * The one source of its contract: `ringhold-sensor contract` prints these rows,
 * so the contract cannot promise an input that the code does not have. A field
 * more than these is what the sensor would read out of bounds.
 */
#ifndef SENSOR_INPUTS_H
#define SENSOR_INPUTS_H

#include "schema/contract.h"

#define INPUTS_SENSOR "ringhold-sensor"
#define INPUTS_VERSION "7.11"           /* of the contract: rises when an input changes */

struct input {
	const char *name;
	enum contract_field_type type;
	const char *const *values;      /* of an enum, NULL-terminated; else NULL */
};

struct input_template {
	const char *name;
	const struct input *inputs;
	size_t count;
};

extern const struct input_template inputs_templates[];
extern const size_t inputs_template_count;

/* Objects that no content may act on. NULL-terminated. */
extern const char *const inputs_protected[];

/* Appends the contract as a JSON document, for people and for contract_parse(). */
void inputs_contract(struct buf *out);

#endif
