/* cli_table: rows of cells, aligned in columns. */
#include "base/cli.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct cli_table {
	size_t columns;
	struct buf *cells;      /* row after row; the first row holds the titles */
	size_t count, cap;      /* cells */
	bool failed;            /* no memory: what is missing is said when printed */
};

struct cli_table *cli_table_new(const char *const *titles, size_t columns)
{
	struct cli_table *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->columns = columns;
	cli_table_row(t, titles);
	return t;
}

void cli_table_row(struct cli_table *t, const char *const *cells)
{
	if (!t)
		return;
	if (t->cap - t->count < t->columns) {
		size_t cap = t->cap * 2 + t->columns * 16;
		struct buf *more = reallocarray(t->cells, cap, sizeof *more);

		if (!more) {
			t->failed = true;
			return;
		}
		t->cells = more;
		t->cap = cap;
	}
	for (size_t i = 0; i < t->columns; i++) {
		struct buf *cell = &t->cells[t->count++];

		*cell = (struct buf){ 0 };
		log_escape(cell, cells[i], strlen(cells[i]));
		t->failed |= cell->failed;
	}
}

static size_t width(const struct cli_table *t, size_t column)
{
	size_t most = 0;

	for (size_t i = column; i < t->count; i += t->columns)
		most = MAX(most, t->cells[i].len);
	return most;
}

void cli_table_print(struct cli_table *t, FILE *to)
{
	AUTO_FREE size_t *widths = NULL;

	if (t)
		widths = calloc(t->columns, sizeof *widths);
	if (!widths || t->failed) {
		fputs("(no memory for the table)\n", to);
		return;
	}
	for (size_t i = 0; i < t->columns; i++)
		widths[i] = width(t, i);
	for (size_t i = 0; i < t->count; i++) {
		const char *text = t->cells[i].data ? t->cells[i].data : "";

		if ((i + 1) % t->columns)
			fprintf(to, "%-*s  ", (int)widths[i % t->columns], text);
		else
			fprintf(to, "%s\n", text);
	}
}

void cli_table_free(struct cli_table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		buf_release(&t->cells[i]);
	free(t->cells);
	free(t);
}
