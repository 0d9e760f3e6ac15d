/* exposition: metrics as text, in the format that Prometheus reads. */
#include "server/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void expose_family(struct exposition *x, const char *name, const char *type, const char *help)
{
	x->name = name;
	buf_addf(x->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_value(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n') {
			buf_adds(out, "\\n");
			continue;
		}
		if (*text == '"' || *text == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

/* Name, suffix and labels; `le` as one more label unless NULL. */
static void add_series(struct exposition *x, const char *suffix, const struct label *labels, const char *le)
{
	const char *before = "{";

	buf_addf(x->out, "%s%s", x->name, suffix);
	for (; labels && labels->name; labels++, before = ",") {
		buf_addf(x->out, "%s%s=\"", before, labels->name);
		add_value(x->out, labels->value);
		buf_addc(x->out, '"');
	}
	if (le)
		buf_addf(x->out, "%sle=\"%s\"", before, le);
	if (le || *before == ',')
		buf_addc(x->out, '}');
	buf_addc(x->out, ' ');
}

static void add_number(struct buf *out, double value)
{
	if (isnan(value))
		buf_adds(out, "NaN\n");
	else if (isinf(value))
		buf_adds(out, value > 0 ? "+Inf\n" : "-Inf\n");
	else
		buf_addf(out, "%.15g\n", value);
}

void expose(struct exposition *x, const struct label *labels, double value)
{
	add_series(x, "", labels, NULL);
	add_number(x->out, value);
}

void expose_count(struct exposition *x, const struct label *labels, uint64_t value)
{
	add_series(x, "", labels, NULL);
	buf_addf(x->out, "%" PRIu64 "\n", value);
}

void expose_histogram(struct exposition *x, const struct label *labels, const double *bounds, const uint64_t *counts, size_t count, double sum)
{
	uint64_t so_far = 0;
	char le[32];

	for (size_t i = 0; i <= count; i++) {
		so_far += counts[i];
		snprintf(le, sizeof le, "%.15g", i < count ? bounds[i] : INFINITY);
		add_series(x, "_bucket", labels, i < count ? le : "+Inf");
		buf_addf(x->out, "%" PRIu64 "\n", so_far);
	}
	add_series(x, "_sum", labels, NULL);
	add_number(x->out, sum);
	add_series(x, "_count", labels, NULL);
	buf_addf(x->out, "%" PRIu64 "\n", so_far);
}
