#include "nn/train_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void history_init(struct history *history, const struct monitors *monitors)
{
    *history = (struct history){.measures = 1 + monitors->count};
    history->names[COLUMN_EPOCH] = "epoch";
    history->names[COLUMN_STEP] = "step";
    history->names[COLUMN_LR] = "lr";
    history->columns = COLUMN_TRAIN_LOSS;
    for (int split = 0; split < 2; split++)
        for (int i = 0; i < history->measures; i++)
            history->names[history->columns++] =
                arena_printf(&history->arena, "%s/%s", split_names[split],
                             i ? monitors->items[i - 1].name : "loss");
}

void history_free(struct history *history)
{
    free(history->cells);
    arena_free(&history->arena);
    *history = (struct history){0};
}

void history_append(struct history *history, const double *row)
{
    if (history->rows == history->capacity) {
        history->capacity = history->capacity ? 2 * history->capacity : 16;
        history->cells = xrealloc(history->cells, (size_t)history->capacity,
                                  (size_t)history->columns * sizeof *history->cells);
    }
    memcpy(history->cells + history->rows * history->columns, row,
           (size_t)history->columns * sizeof *row);
    history->rows++;
}

const double *history_row(const struct history *history, int64_t row)
{
    return history->cells + row * history->columns;
}

double history_val_loss(const struct history *history, int64_t row)
{
    return history_row(history, row)[COLUMN_TRAIN_LOSS + history->measures];
}

int64_t history_best(const struct history *history)
{
    int64_t best = -1;
    for (int64_t row = 0; row < history->rows; row++) {
        double loss = history_val_loss(history, row);
        if (!isnan(loss) && (best < 0 || loss < history_val_loss(history, best)))
            best = row;
    }
    return best;
}

bool history_exhausted(const struct history *history, int64_t patience, double min_delta)
{
    double reference = INFINITY;
    int64_t since = 0;
    for (int64_t row = 0; row < history->rows; row++) {
        double loss = history_val_loss(history, row);
        since++;
        if (loss < reference - min_delta) {
            reference = loss;
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

char *history_csv(const struct history *history)
{
    struct text out = {0};
    header(&out, history);
    text_puts(&out, "\n");
    for (int64_t row = 0; row < history->rows; row++)
        for (int i = 0; i < history->columns; i++) {
            double value = history_row(history, row)[i];
            char number[NUMBER_TEXT] = "";
            if (!isnan(value))
                number_text(number, value);
            text_printf(&out, "%s%s", number, i + 1 < history->columns ? "," : "\n");
        }
    return text_take(&out);
}
