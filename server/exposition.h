/*
 * exposition: metrics as text, in the format that Prometheus reads (0.0.4), pure.
 *
 * Families come one after the other, each begun once and followed by its
 * samples. Whatever a label says is escaped here.
 */
#ifndef SERVER_EXPOSITION_H
#define SERVER_EXPOSITION_H

#include "base/buf.h"

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct exposition {
	struct buf *out;
	const char *name;       /* of the family under way */
};

struct label {
	const char *name;       /* of ours */
	const char *value;
};
#define LABELS(...) ((const struct label[]){ __VA_ARGS__, { NULL, NULL } })
#define NO_LABELS NULL

void expose_family(struct exposition *x, const char *name, const char *type, const char *help);
/* labels end with a NULL name; NULL: none. */
void expose(struct exposition *x, const struct label *labels, double value);
void expose_count(struct exposition *x, const struct label *labels, uint64_t value);
/*
 * A histogram: `bounds` are upper limits in the unit of the family, counts[i]
 * what fell between bound i-1 and bound i, counts[count] what was above all.
 */
void expose_histogram(struct exposition *x, const struct label *labels, const double *bounds, const uint64_t *counts, size_t count, double sum);

#endif
