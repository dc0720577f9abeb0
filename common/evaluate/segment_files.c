/* Files of a mask evaluation besides its metrics: confusion.csv, calibration.csv and
 * predictions. */
#include "evaluate/segment_parts.h"

#include "base/file.h"
#include "base/png.h"
#include "base/sha256.h"

#include <string.h>

static int write_confusion(const struct evaluator *e, const int64_t *confusion,
                           const struct draft *draft, struct err *err)
{
    const char **names = e->what->dataset->mask_classes;
    int32_t classes = e->segmentation->classes;
    struct text text = {0};
    text_puts(&text, "truth");
    for (int32_t j = 0; j < classes; j++) {
        text_puts(&text, ",");
        text_csv(&text, names[j]);
    }
    text_puts(&text, "\n");
    for (int32_t i = 0; i < classes; i++) {
        text_csv(&text, names[i]);
        for (int32_t j = 0; j < classes; j++)
            text_printf(&text, ",%lld", (long long)confusion[i * classes + j]);
        text_puts(&text, "\n");
    }
    return draft_text(draft, "confusion.csv", &text, err);
}

/* One row per bin; undefined values of a bin without pixels are empty. */
static int write_calibration(const struct evaluator *e, const struct draft *draft, struct err *err)
{
    char number[2][NUMBER_TEXT];
    struct text text = {0};
    text_puts(&text, "low,high,pixels,confidence,accuracy\n");
    for (int i = 0; i < CALIBRATION_BINS; i++) {
        const struct calibration_bin *bin = &e->segmentation->calibration.bins[i];
        double count = (double)bin->count;
        text_printf(&text, "%s,", number_text(number[0], (double)i / CALIBRATION_BINS));
        text_printf(&text, "%s,%lld,", number_text(number[0], (i + 1.0) / CALIBRATION_BINS),
                    (long long)bin->count);
        if (bin->count)
            text_printf(&text, "%s,%s\n", number_text(number[0], bin->confidence / count),
                        number_text(number[1], (double)bin->right / count));
        else
            text_puts(&text, ",\n");
    }
    return draft_text(draft, "calibration.csv", &text, err);
}

/* ---- predictions ---------------------------------------------------------------------------- */
/* A file name for a case's id, different for different ids. If a character is not allowed, it and
 * every '_' become _XX after a second '-', with which no plain name begins. Very long names do not
 * fit a file system: they are cut and end in the hash of the whole. */
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
static int write_whole(struct evaluator *e, const struct draft *draft, const char *name,
                       enum tensor_type type, int64_t last, const void *data, struct err *err)
{
    const struct dataset *set = e->what->dataset;
    char path[PATH_BYTES];
    const int64_t dim[] = {e->count, set->d > 1 ? set->d : 0, set->h, set->w, last};
    struct tensor tensor = tensor_of(name, type, dim, 5, data);
    TRY(draft_path(draft, arena_printf(&e->arena, "%s.safetensors", name), path, err));
    const char *meta[] = {"layout", arena_printf(&e->arena, "[case,%sheight,width%s]",
                                                 set->d > 1 ? "depth," : "", last ? ",class" : "")};
    return tensors_write(path, &tensor, 1, meta, 1, err);
}

int write_segmentation(struct evaluator *e, const int64_t *confusion, const struct draft *draft,
                       struct err *err)
{
    const struct segmentation *s = e->segmentation;
    const struct dataset *data = e->what->dataset;
    char path[PATH_BYTES];
    TRY(write_confusion(e, confusion, draft, err));
    if (needs(e, NEED_CONFIDENCE))
        TRY(write_calibration(e, draft, err));
    if (saves(e, SAVE_PROBABILITIES))
        TRY(write_whole(e, draft, "probabilities", TENSOR_F32, s->outputs, s->kept, err));
    if (!saves(e, SAVE_PREDICTIONS))
        return 0;
    if (data->d > 1)
        return write_whole(e, draft, "predictions", TENSOR_U8, 0, s->predicted, err);
    for (uint32_t i = 0; i < e->count; i++) {
        TRY(stop_obey(err));
        TRY(draft_path(draft, file_of(&e->arena, case_name(e, i)), path, err));
        TRY(png_publish(path, s->predicted + i * s->pixels, data->h, data->w, 1, err));
    }
    return 0;
}
