#include "base/csv.h"

#include "base/file.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { CSV_BYTES = 256 << 20 };

/* Takes one field off the text, in place. *end: what ended it, ',', '\n' or 0. NULL: malformed. */
static const char *take_field(char **rest, size_t *line, char *end)
{
    char *from = *rest, *p = from, *to = from;
    if (*p == '"') {
        for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
            p += *p == '"';
            *line += *p == '\n';
            *to++ = *p;
        }
        if (*p++ != '"')
            return NULL;
    } else {
        to = p += strcspn(p, ",\r\n");
    }
    p += *p == '\r' && p[1] == '\n';
    if (*p && *p != ',' && *p != '\n')
        return NULL;
    *end = *p;
    *rest = *p ? p + 1 : p;
    *to = '\0';
    return from + (*from == '\''); /* see text_csv */
}

int csv_parse(struct csv *out, struct arena *arena, const char *bytes, size_t length,
              struct err *err)
{
    size_t fields = 1, count = 0, row = 0, line = 1;
    char *rest = arena_strndup(arena, bytes, length);
    *out = (struct csv){0};
    if (strlen(rest) != length)
        return fail_as(err, STATUS_BAD_DATA, "it contains a NUL byte");
    for (const char *p = rest; *p; p++)
        fields += *p == ',' || *p == '\n';
    const char **all = arena_alloc(arena, fields * sizeof *all);
    while (*rest) {
        char end;
        size_t begin = line;
        if (!(all[count++] = take_field(&rest, &line, &end)))
            return fail_as(err, STATUS_BAD_DATA, "line %zu has a stray quote or line break", begin);
        if (end == ',' && *rest)
            continue;
        if (end == ',') /* the text ends after a comma: an empty field */
            all[count++] = "";
        if (!row++)
            out->columns = count;
        if (count != row * out->columns)
            return fail_as(err, STATUS_BAD_DATA, "line %zu does not have %zu fields", line,
                           out->columns);
        line++;
    }
    if (!row)
        return fail_as(err, STATUS_BAD_DATA, "it is empty");
    out->heads = all;
    out->cells = all + out->columns;
    out->rows = row - 1;
    return 0;
}

int csv_read(struct csv *out, struct arena *arena, const char *path, struct err *err)
{
    char *bytes;
    size_t length;
    TRY(file_read(&bytes, &length, path, CSV_BYTES, err));
    int status = csv_parse(out, arena, bytes, length, err);
    free(bytes);
    return status;
}

size_t csv_column(const struct csv *csv, const char *head)
{
    size_t column = 0;
    while (column < csv->columns && strcmp(csv->heads[column], head) != 0)
        column++;
    return column;
}

int csv_numbers(double *out, const struct csv *csv, size_t column, struct err *err)
{
    for (size_t row = 0; row < csv->rows; row++) {
        const char *text = csv->cells[row * csv->columns + column];
        char *end = "";
        out[row] = *text ? strtod(text, &end) : NAN;
        if (*end)
            return fail_as(err, STATUS_BAD_DATA, "'%s' in row %zu of column '%s' is not a number",
                           text, row + 1, csv->heads[column]);
    }
    return 0;
}
