/*
 * Tables as CSV (RFC 4180), in the words of text_csv: what it puts before a field that a spreadsheet
 * would take for a formula is taken off again. Whatever cannot be read is STATUS_BAD_DATA with the
 * line that it is in.
 */
#ifndef CAIRN_BASE_CSV_H
#define CAIRN_BASE_CSV_H

#include "base/memory.h"

/* All in the arena. Every row has as many fields as the head. */
struct csv {
    size_t columns, rows; /* without the head */
    const char **heads;   /* [columns] */
    const char **cells;   /* [rows, columns] */
};
int csv_parse(struct csv *out, struct arena *arena, const char *bytes, size_t length,
              struct err *err);
int csv_read(struct csv *out, struct arena *arena, const char *path, struct err *err);
size_t csv_column(const struct csv *csv, const char *head); /* csv->columns if there is none */
/* All cells of a column as numbers, NaN where one is empty: there is no such value. */
int csv_numbers(double *out, const struct csv *csv, size_t column, struct err *err);

#endif
