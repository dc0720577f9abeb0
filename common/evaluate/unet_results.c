/* What a UNet's evaluation leaves: metrics.json, cases.csv, confusion.csv and predictions. */
#include "evaluate/unet_parts.h"

#include "base/file.h"
#include "base/png.h"
#include "base/sha256.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- metrics -------------------------------------------------------------------------------- */
static const struct {
    const char *name, *undefined; /* how many cases lack it although the class is there */
    enum metric asked;
} measures[CASE_MEASURES] = {
    [CASE_DICE] = {"dice_per_case", NULL, METRIC_DICE},
    [CASE_IOU] = {"iou_per_case", NULL, METRIC_IOU},
    [CASE_BOUNDARY_F] = {"boundary_f_per_case", NULL, METRIC_BOUNDARY_F},
    [CASE_HD95] = {"hd95_per_case", "hd95_undefined", METRIC_HD95},
    [CASE_SURFACE_DISTANCE] = {"surface_distance_per_case", "surface_distance_undefined",
                               METRIC_SURFACE_DISTANCE},
    [CASE_SURFACE_DICE] = {"surface_dice_per_case", NULL, METRIC_SURFACE_DICE},
};

/* SPLIT/NAME or SPLIT/NAME/CLASS */
static const char *metric_name(struct segmentation *s, const char *name, int32_t class)
{
    const char *split = split_names[s->config->split];
    if (class < 0)
        return arena_printf(&s->arena, "%s/%s", split, name);
    return arena_printf(&s->arena, "%s/%s/%s", split, name, s->what->dataset->mask_classes[class]);
}

static void add_metric(struct segmentation *s, const char *name, int32_t class, double value)
{
    if (s->metric_count == s->metric_capacity) {
        s->metric_capacity = s->metric_capacity ? 2 * s->metric_capacity : 32;
        s->metrics = xrealloc(s->metrics, s->metric_capacity, sizeof *s->metrics);
    }
    s->metrics[s->metric_count++] = (struct named_value){metric_name(s, name, class), value};
}

static void pooled_metrics(struct segmentation *s)
{
    const struct evaluate_config *config = s->config;
    if (evaluate_wants(config, METRIC_PIXEL_ACCURACY))
        add_metric(s, "pixel_accuracy", -1, confusion_accuracy(s->confusion, s->classes));
    if (evaluate_wants(config, METRIC_IOU))
        add_metric(s, "miou", -1, confusion_miou(s->confusion, s->classes));
    for (int32_t class = s->classes == 2 ? s->first : 0; class < s->classes; class ++) {
        struct overlap overlap = confusion_overlap(s->confusion, s->classes, class);
        if (evaluate_wants(config, METRIC_DICE))
            add_metric(s, "dice", class, overlap.dice);
        if (evaluate_wants(config, METRIC_IOU))
            add_metric(s, "iou", class, overlap.iou);
        if (evaluate_wants(config, METRIC_PRECISION))
            add_metric(s, "precision", class, overlap.precision);
        if (evaluate_wants(config, METRIC_RECALL))
            add_metric(s, "recall", class, overlap.recall);
    }
}

static void case_mean(struct segmentation *s, int32_t class, enum case_measure measure)
{
    double sum = 0;
    uint32_t measured = 0, there = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        const double *of_case = case_measures(s, i, class);
        there += !isnan(of_case[CASE_DICE]);
        if (isnan(of_case[measure]))
            continue;
        sum += of_case[measure];
        measured++;
    }
    add_metric(s, measures[measure].name, class, measured ? sum / measured : NAN);
    if (measures[measure].undefined)
        add_metric(s, measures[measure].undefined, class, there - measured);
}

static void case_metrics(struct segmentation *s)
{
    for (int32_t class = s->first; class < s->classes; class ++)
        for (int k = 0; k < CASE_MEASURES; k++)
            if (evaluate_wants(s->config, measures[k].asked))
                case_mean(s, class, (enum case_measure)k);
}

static void keep_on_run(struct segmentation *s)
{
    struct run *run = s->what->run;
    for (size_t i = 0; i < s->metric_count; i++)
        run_metric(run, s->metrics[i].name, -1, s->metrics[i].value);
    for (int32_t class = s->first; class < s->classes; class ++)
        for (int k = 0; k < CASE_MEASURES; k++) {
            if (!evaluate_wants(s->config, measures[k].asked))
                continue;
            const char *name = metric_name(s, measures[k].name, class);
            for (uint32_t i = 0; i < s->count; i++) {
                double value = case_measures(s, i, class)[k];
                if (!isnan(value))
                    run_case_metric(run, case_name(s, i), name, value);
            }
        }
}

/* ---- tables --------------------------------------------------------------------------------- */
/* Publishes the text and frees it. */
static int publish(struct text *text, const struct draft *draft, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    int status =
        draft_path(draft, name, path, err) || file_publish(path, text->data, text->length, err);
    text_free(text);
    return status ? -1 : 0;
}

static void add_case(struct text *text, const struct segmentation *s, uint32_t i)
{
    const struct dataset *data = s->what->dataset;
    char number[NUMBER_TEXT];
    text_csv(text, case_name(s, i));
    text_puts(text, ",");
    if (data->labels)
        text_csv(text, data->classes[data->labels[s->begin + i]]);
    for (int32_t class = s->first; class < s->classes; class ++)
        for (int k = 0; k < CASE_MEASURES; k++) {
            double value = case_measures(s, i, class)[k];
            if (evaluate_wants(s->config, measures[k].asked))
                text_printf(text, ",%s", isnan(value) ? "" : number_text(number, value));
        }
    text_puts(text, "\n");
}

static int write_case_table(struct segmentation *s, const struct draft *draft, struct err *err)
{
    struct text text = {0};
    text_puts(&text, "case_id,label");
    for (int32_t class = s->first; class < s->classes; class ++)
        for (int k = 0; k < CASE_MEASURES; k++)
            if (evaluate_wants(s->config, measures[k].asked)) {
                text_puts(&text, ",");
                text_csv(&text, metric_name(s, measures[k].name, class));
            }
    text_puts(&text, "\n");
    for (uint32_t i = 0; i < s->count; i++)
        add_case(&text, s, i);
    return publish(&text, draft, "cases.csv", err);
}

static int write_confusion(const struct segmentation *s, const struct draft *draft, struct err *err)
{
    const char **names = s->what->dataset->mask_classes;
    struct text text = {0};
    text_puts(&text, "truth");
    for (int32_t j = 0; j < s->classes; j++) {
        text_puts(&text, ",");
        text_csv(&text, names[j]);
    }
    text_puts(&text, "\n");
    for (int32_t i = 0; i < s->classes; i++) {
        text_csv(&text, names[i]);
        for (int32_t j = 0; j < s->classes; j++)
            text_printf(&text, ",%lld", (long long)s->confusion[i * s->classes + j]);
        text_puts(&text, "\n");
    }
    return publish(&text, draft, "confusion.csv", err);
}

/* ---- predictions ---------------------------------------------------------------------------- */
/* A file's name for a case's; different cases have different ones. Where a character is not allowed,
 * it and every '_' are _XX behind a second '-', with which no plain name begins. No folder takes a
 * very long name: it is cut, and ends in the hash of the whole. */
static const char *file_of(struct arena *arena, const char *id)
{
    enum { LONGEST = 200, KEPT = 100 };
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    struct text text = {0};
    bool escaped = *id == '-';
    for (const char *p = id; *p; p++)
        escaped |= !strchr(plain, *p) && *p != '_';
    text_puts(&text, escaped ? "prediction--" : "prediction-");
    for (const char *p = id; *p; p++)
        if (strchr(plain, *p) || (*p == '_' && !escaped))
            text_add(&text, p, 1);
        else
            text_printf(&text, "_%02X", (unsigned char)*p);
    const char *name = text.length > LONGEST ? arena_printf(arena, "%.*s-%s.png", KEPT, text.data,
                                                            sha256_of(id, strlen(id)).hex)
                                             : arena_printf(arena, "%s.png", text.data);
    text_free(&text);
    return name;
}

/* [count,d,h,w,last], without d for images and without last if it is 0; metadata: layout */
static int write_whole(struct segmentation *s, const struct draft *draft, const char *name,
                       enum tensor_type type, int64_t last, const void *data, struct err *err)
{
    const struct dataset *set = s->what->dataset;
    char path[PATH_BYTES], file[64];
    const int64_t dim[] = {s->count, set->d > 1 ? set->d : 0, set->h, set->w, last};
    struct tensor tensor = segment_tensor(name, type, dim, 5, data);
    snprintf(file, sizeof file, "%s.safetensors", name);
    TRY(draft_path(draft, file, path, err));
    const char *meta[] = {"layout", arena_printf(&s->arena, "[case,%sheight,width%s]",
                                                 set->d > 1 ? "depth," : "", last ? ",class" : "")};
    return tensors_write(path, &tensor, 1, meta, 1, err);
}

static int write_predictions(struct segmentation *s, const struct draft *draft, struct err *err)
{
    const struct dataset *data = s->what->dataset;
    bool kept = false;
    char path[PATH_BYTES];
    for (size_t i = 0; i < s->config->save.count; i++)
        kept |= s->config->save.items[i] == SAVE_PREDICTIONS;
    if (s->probability)
        TRY(write_whole(s, draft, "probabilities", TENSOR_F32, s->outputs, s->probability, err));
    if (kept && data->d > 1)
        return write_whole(s, draft, "predictions", TENSOR_U8, 0, s->predicted, err);
    for (uint32_t i = 0; kept && i < s->count; i++) {
        TRY(stop_obey(err));
        TRY(draft_path(draft, file_of(&s->arena, case_name(s, i)), path, err));
        TRY(png_publish(path, s->predicted + i * s->pixels, data->h, data->w, 1, err));
    }
    return 0;
}

int segment_results(struct segmentation *s, const struct draft *draft, struct err *err)
{
    pooled_metrics(s);
    case_metrics(s);
    TRY(write_metrics(s->metrics, s->metric_count, draft, err));
    TRY(write_case_table(s, draft, err));
    TRY(write_confusion(s, draft, err));
    TRY(write_predictions(s, draft, err));
    TRY(segment_pictures(s, draft, err));
    if (s->what->run)
        keep_on_run(s);
    return 0;
}
