#include "train/train_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void history_init(struct history *history)
{
    *history = (struct history){.columns = COLUMN_MEASURES, .by = -1};
    history->names[COLUMN_EPOCH] = "epoch";
    history->names[COLUMN_STEP] = "step";
    history->names[COLUMN_LR] = "lr";
}

int history_add(struct history *history, const char *prefix, const struct monitors *monitors)
{
    int first = history->columns;
    for (int i = 0; i <= monitors->count; i++)
        history->names[history->columns++] = arena_printf(&history->arena, "%s/%s", prefix,
                                                          i ? monitors->items[i - 1].name : "loss");
    return first;
}

void history_free(struct history *history)
{
    free(history->cells);
    arena_free(&history->arena);
    *history = (struct history){0};
}

void history_append(struct history *history, const double *row)
{
    history->cells = array_grow(history->cells, (size_t)history->rows,
                                (size_t)history->columns * sizeof *history->cells);
    memcpy(history->cells + history->rows * history->columns, row,
           (size_t)history->columns * sizeof *row);
    history->rows++;
}

const double *history_row(const struct history *history, int64_t row)
{
    return history->cells + row * history->columns;
}

static bool is_better(const struct history *history, double value, double than, double by)
{
    return history->better == MORE_IS_BETTER ? value > than + by : value < than - by;
}

int64_t history_best(const struct history *history)
{
    int64_t best = -1;
    for (int64_t row = 0; history->by >= 0 && row < history->rows; row++) {
        double value = history_row(history, row)[history->by];
        if (!isnan(value) &&
            (best < 0 || is_better(history, value, history_row(history, best)[history->by], 0)))
            best = row;
    }
    return best;
}

bool history_exhausted(const struct history *history, int64_t patience, double min_delta)
{
    double reference = history->better == MORE_IS_BETTER ? -INFINITY : INFINITY;
    int64_t since = 0;
    for (int64_t row = 0; row < history->rows; row++) {
        double value = history_row(history, row)[history->by];
        since++;
        if (is_better(history, value, reference, min_delta)) {
            reference = value;
            since = 0;
        }
    }
    return since >= patience;
}

static void header(struct text *out, const struct history *history)
{
    for (int i = 0; i < history->columns; i++)
        text_printf(out, "%s%s", i ? "," : "", history->names[i]);
}

char *history_header(const struct history *history)
{
    struct text out = {0};
    header(&out, history);
    return text_take(&out);
}

void history_csv(struct text *out, const struct history *history)
{
    header(out, history);
    text_puts(out, "\n");
    for (int64_t row = 0; row < history->rows; row++)
        for (int i = 0; i < history->columns; i++) {
            double value = history_row(history, row)[i];
            char number[NUMBER_TEXT] = "";
            if (!isnan(value))
                number_text(number, value);
            text_printf(out, "%s%s", number, i + 1 < history->columns ? "," : "\n");
        }
}
