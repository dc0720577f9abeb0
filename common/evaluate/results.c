/* The results of an evaluation, case by case and their means: metrics.json, cases.csv, the run. */
#include "evaluate/evaluate_parts.h"

#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- columns -------------------------------------------------------------------------------- */
static void add_column(struct evaluator *e, const struct metric_info *metric, int32_t class)
{
    const struct dataset *data = e->what->dataset;
    struct column column = {.metric = metric, .class = class, .value = NAN};
    column.name = arena_printf(&e->arena, "%s/%s%s%s", split_names[e->config->split], metric->name,
                               class < 0 ? "" : "/", class < 0 ? "" : data->mask_classes[class]);
    if (metric->scope & BY_CASE)
        column.cases = arena_alloc(&e->arena, e->count * sizeof *column.cases);
    *ARRAY_ADD(e->columns, e->column_count) = column;
}

/* Is the metric measured for a class? -1: for none. */
static bool is_of(const struct evaluator *e, const struct metric_info *metric, int32_t class)
{
    bool all = !(metric->scope & COUNTING) && e->facts.mask_classes != 2;
    if (class < 0 || !(metric->scope & BY_CLASS))
        return (class < 0) == !(metric->scope & BY_CLASS);
    return class >= (all ? 0 : e->first_class);
}

void choose_columns(struct evaluator *e)
{
    for (int32_t class = -1; class < (e->has & HAS_MASKS ? e->facts.mask_classes : 0); class ++)
        for (size_t i = 0; i < metric_count; i++)
            if (evaluate_wants(e->config, &metric_table[i], e->has) &&
                is_of(e, &metric_table[i], class))
                add_column(e, &metric_table[i], class);
}

void measure(struct evaluator *e, enum has has, int32_t class, int64_t i, const struct subject *s)
{
    for (struct column *c = e->columns; c < e->columns + e->column_count; c++)
        if (c->metric->need & has && c->class == class && (c->cases != NULL) == (i != POOLED_ALL))
            *(c->cases ? &c->cases[i] : &c->value) = c->metric->value(s);
}

/* Over the cases that have a value; for images all must have one. */
static int take_mean(const struct evaluator *e, struct column *column, struct err *err)
{
    double sum = 0;
    uint32_t measured = 0;
    for (uint32_t i = 0; i < e->count; i++) {
        double value = column->cases[i];
        if (!isfinite(value) && column->metric->need & HAS_IMAGES)
            return fail(err, "case '%s': %s is %g; a finite number expected", case_name(e, i),
                        column->metric->name, value);
        if (isnan(value))
            continue;
        sum += value;
        measured++;
    }
    column->value = measured ? sum / measured : NAN;
    return 0;
}

/* ---- files ---------------------------------------------------------------------------------- */
static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct column *)a)->name, ((const struct column *)b)->name);
}

static int write_metrics(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    struct column *sorted = xcalloc(e->column_count, sizeof *sorted);
    struct json json = {0};
    memcpy(sorted, e->columns, e->column_count * sizeof *sorted);
    qsort(sorted, e->column_count, sizeof *sorted, by_name);
    json_begin(&json, NULL, "{\n  *,\n  *\n}\n");
    for (size_t i = 0; i < e->column_count; i++)
        json_number(&json, sorted[i].name, sorted[i].value);
    json_end(&json);
    free(sorted);
    return draft_text(draft, "metrics.json", &json.text, err);
}

static void add_case(struct text *text, const struct evaluator *e, uint32_t i)
{
    char number[NUMBER_TEXT];
    text_csv(text, case_name(e, i));
    text_puts(text, ",");
    if (e->what->dataset->labels)
        text_csv(text, e->what->dataset->classes[case_label(e, i)]);
    for (const struct column *c = e->columns; c < e->columns + e->column_count; c++)
        if (c->cases)
            text_printf(text, ",%s", isnan(c->cases[i]) ? "" : number_text(number, c->cases[i]));
    text_puts(text, "\n");
}

static int write_cases(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    struct text text = {0};
    text_puts(&text, "case_id,label");
    for (size_t k = 0; k < e->column_count; k++)
        if (e->columns[k].cases) {
            text_puts(&text, ",");
            text_csv(&text, e->columns[k].name);
        }
    text_puts(&text, "\n");
    for (uint32_t i = 0; i < e->count; i++)
        add_case(&text, e, i);
    return draft_text(draft, "cases.csv", &text, err);
}

static void keep_on_run(const struct evaluator *e)
{
    struct run *run = e->what->run;
    for (const struct column *c = e->columns; c < e->columns + e->column_count; c++) {
        run_metric(run, c->name, -1, c->value);
        for (uint32_t i = 0; i < e->count && c->cases && !(c->metric->scope & QUIET); i++)
            if (!isnan(c->cases[i]))
                run_case_metric(run, case_name(e, i), c->name, c->cases[i]);
    }
}

/* ---- pictures ------------------------------------------------------------------------------- */
struct tensor tensor_of(const char *name, enum tensor_type type, const int64_t *dim, int dims,
                        const void *data)
{
    struct tensor t = {.name = name, .type = type, .data = data, .bytes = tensor_size(type)};
    for (int i = 0; i < dims; i++)
        if (dim[i] > 0) {
            t.dim[t.dims++] = dim[i];
            t.bytes *= (size_t)dim[i];
        }
    return t;
}

void add_picture(struct evaluator *e, const char *name, enum tensor_type type, const int64_t *dim,
                 int dims, const void *data)
{
    *ARRAY_ADD(e->pictures, e->picture_count) = tensor_of(name, type, dim, dims, data);
}

void add_note(struct evaluator *e, const char *key, const char *value)
{
    *ARRAY_ADD(e->notes, e->note_count) = key;
    *ARRAY_ADD(e->notes, e->note_count) = value;
}

const char *joined(struct evaluator *e, const char *const *names, size_t count, char between)
{
    struct text text = {0};
    text_puts(&text, "");
    for (size_t i = 0; i < count; i++)
        text_printf(&text, "%.*s%s", i > 0, &between, names[i]);
    const char *out = arena_strdup(&e->arena, text.data);
    text_free(&text);
    return out;
}

static int write_pictures(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    char path[PATH_BYTES];
    if (!e->picture_count)
        return 0;
    TRY(draft_path(draft, "pictures.safetensors", path, err));
    return tensors_write(path, e->pictures, e->picture_count, e->notes, e->note_count / 2, err);
}

int write_results(struct evaluator *e, const struct draft *draft, struct err *err)
{
    for (struct column *c = e->columns; c < e->columns + e->column_count; c++) {
        if (c->cases)
            TRY(take_mean(e, c, err));
        if (isinf(c->value))
            return fail(err, "metric '%s' is infinite", c->name);
    }
    TRY(write_metrics(e, draft, err));
    TRY(write_cases(e, draft, err));
    TRY(write_pictures(e, draft, err));
    if (e->what->run)
        keep_on_run(e);
    return 0;
}
