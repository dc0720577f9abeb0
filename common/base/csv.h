/*
 * Reads CSV (RFC 4180) as text_csv writes it: the ' that guards a field against being taken for a
 * formula is removed again. Anything that cannot be read is STATUS_BAD_DATA with its line.
 */
#ifndef CAIRN_BASE_CSV_H
#define CAIRN_BASE_CSV_H

#include "base/memory.h"

/* All in the arena. Every row has as many fields as the header. */
struct csv {
    size_t columns, rows; /* without the header */
    const char **heads;   /* [columns] */
    const char **cells;   /* [rows, columns] */
};
int csv_parse(struct csv *out, struct arena *arena, const char *bytes, size_t length,
              struct err *err);
int csv_read(struct csv *out, struct arena *arena, const char *path, struct err *err);
size_t csv_column(const struct csv *csv, const char *head); /* csv->columns if there is none */
/* All cells of a column as numbers; an empty cell (no value) is NaN. */
int csv_numbers(double *out, const struct csv *csv, size_t column, struct err *err);

#endif
