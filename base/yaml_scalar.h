/* yaml_scalar: what a plain scalar means by the core schema of YAML 1.2; for base/yaml*.c only. */
#ifndef BASE_YAML_SCALAR_H
#define BASE_YAML_SCALAR_H

#include <stdbool.h>

#include "base/buf.h"

enum yaml_scalar { YAML_STR, YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_NOT_JSON /* .inf, .nan */ };

enum yaml_scalar yaml_scalar_type(const char *text, size_t len);

/* Is it an integer written in decimal digits, as a key may be? */
bool yaml_scalar_decimal(const char *text, size_t len);

/* Appends its JSON: null, true, a number in JSON's notation. Not for YAML_STR and YAML_NOT_JSON. False: an integer beyond 64 bits in base 8 or 16. */
bool yaml_scalar_json(struct buf *out, enum yaml_scalar type, const char *text, size_t len);

#endif
