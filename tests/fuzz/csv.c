/*
 * Any bytes as a CSV file. What is accepted is a table whose rows all have as many fields as the
 * head, and is the same table when it was written and read again.
 */
#include "base/csv.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void write_row(struct text *out, const char *const *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text_puts(out, i ? "," : "");
        text_csv(out, fields[i]);
    }
    text_puts(out, "\n");
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena arena = {0};
    struct csv csv, again;
    struct err err = {0};
    if (csv_parse(&csv, &arena, (const char *)data, size, &err)) {
        if (err.status != STATUS_BAD_DATA || !err.text[0])
            abort();
        arena_free(&arena);
        return 0;
    }
    struct text text = {0};
    for (size_t row = 0; row <= csv.rows; row++)
        write_row(&text, row ? csv.cells + (row - 1) * csv.columns : csv.heads, csv.columns);
    if (csv_parse(&again, &arena, text.data, text.length, &err) || again.rows != csv.rows ||
        again.columns != csv.columns)
        abort();
    for (size_t i = 0; i < csv.columns; i++)
        if (strcmp(again.heads[i], csv.heads[i]) != 0)
            abort();
    for (size_t i = 0; i < csv.rows * csv.columns; i++)
        if (strcmp(again.cells[i], csv.cells[i]) != 0)
            abort();
    double *numbers = calloc(csv.rows + 1, sizeof *numbers);
    for (size_t i = 0; i < csv.columns; i++)
        csv_numbers(numbers, &csv, i, &err);
    free(numbers);
    text_free(&text);
    arena_free(&arena);
    return 0;
}
