/* Latents in the plane, a dot a case, coloured by class. */
#include "report/report_parts.h"

#include "base/file.h"

#include <string.h>

enum { MOST_CLASSES = 14, COLOURS = 7 }; /* that can be told apart: full dots, then hollow ones */

struct scatter {
    const float *at;      /* [points,2] */
    const int32_t *cases; /* [points]: rows of the labels; NULL: each is its own */
    int64_t points;
};

static int read_scatter(struct scatter *out, const struct tensors *file, const char *name,
                        const char *cases, struct err *err)
{
    const struct tensor *tensor;
    TRY(tensors_need(&tensor, file, name, TENSOR_F32, 2, err));
    *out = (struct scatter){.at = tensor->data, .points = tensor->dim[0]};
    if (tensor->dim[1] != 2)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld columns, not 2", name,
                       (long long)tensor->dim[1]);
    if (!cases)
        return 0;
    TRY(tensors_need(&tensor, file, cases, TENSOR_I32, 1, err));
    if (tensor->dim[0] != out->points)
        return fail_as(err, STATUS_BAD_DATA, "'%s' has %lld entries, '%s' %lld", cases,
                       (long long)tensor->dim[0], name, (long long)out->points);
    out->cases = tensor->data;
    return 0;
}

static int label_of(int32_t *out, const struct scatter *scatter, const struct tensor *labels,
                    int64_t i, size_t classes, struct err *err)
{
    int64_t row = scatter->cases ? scatter->cases[i] : i;
    if (row < 0 || row >= labels->dim[0])
        return fail_as(err, STATUS_BAD_DATA, "point %lld is of case %lld of %lld", (long long)i,
                       (long long)row, (long long)labels->dim[0]);
    *out = ((const int32_t *)labels->data)[row];
    if (*out < 0 || (size_t)*out >= classes)
        return fail_as(err, STATUS_BAD_DATA, "case %lld has label %d of %zu", (long long)row, *out,
                       classes);
    return 0;
}

/* A curve a class. */
static int sort_points(struct plot *plot, const struct panels *panels,
                       const struct scatter *scatter, const struct tensor *labels, struct err *err)
{
    size_t classes = panels->class_count;
    struct curve *curves = arena_alloc(panels->arena, classes * sizeof *curves);
    double **x = arena_alloc(panels->arena, 2 * classes * sizeof *x), **y = x + classes;
    for (size_t c = 0; c < classes; c++) {
        x[c] = arena_alloc(panels->arena, (size_t)scatter->points * sizeof **x);
        y[c] = arena_alloc(panels->arena, (size_t)scatter->points * sizeof **y);
        curves[c] = (struct curve){.name = panels->classes[c],
                                   .x = x[c],
                                   .y = y[c],
                                   .dots = true,
                                   .dashed = c >= COLOURS,
                                   .colour = (int32_t)(c % COLOURS)};
    }
    for (int64_t i = 0; i < scatter->points; i++) {
        int32_t label = 0;
        TRY(label_of(&label, scatter, labels, i, classes, err));
        x[label][curves[label].count] = (double)scatter->at[2 * i];
        y[label][curves[label].count++] = (double)scatter->at[2 * i + 1];
    }
    plot->count = classes;
    plot->curves = curves;
    return 0;
}

static int plots_of(struct plot plots[2], struct panels *panels, const struct tensors *file,
                    struct err *err)
{
    const struct tensor *labels, *share;
    const char *classes = tensors_meta(file, "classes");
    struct scatter scatter;
    if (!classes)
        return fail_as(err, STATUS_BAD_DATA, "latents without 'classes'");
    panels->classes = split_text(&panels->class_count, panels->arena, classes, ',');
    TRY(tensors_need(&labels, file, "labels", TENSOR_I32, 1, err));
    TRY(tensors_need(&share, file, "pca_share", TENSOR_F32, 1, err));
    if (share->dim[0] != 2)
        return fail_as(err, STATUS_BAD_DATA, "'pca_share' has %lld entries, not 2",
                       (long long)share->dim[0]);
    const float *part = share->data;
    plots[0] = (struct plot){
        .title = "principal components",
        .x_label = arena_printf(panels->arena, "first (%.1f %%)", 100 * (double)part[0]),
        .y_label = arena_printf(panels->arena, "second (%.1f %%)", 100 * (double)part[1])};
    plots[1] = (struct plot){.title = "t-SNE", .x_label = "", .y_label = ""};
    TRY(read_scatter(&scatter, file, "pca", NULL, err));
    TRY(sort_points(&plots[0], panels, &scatter, labels, err));
    TRY(read_scatter(&scatter, file, "tsne", "tsne_cases", err));
    return sort_points(&plots[1], panels, &scatter, labels, err);
}

static int draw(struct panels *panels, const struct tensors *file, struct err *err)
{
    struct plot plots[2];
    char path[PATH_BYTES];
    TRY(plots_of(plots, panels, file, err));
    if (panels->class_count > MOST_CLASSES)
        return 0; /* nothing would be seen; the artifact has the numbers */
    const char *name =
        arena_printf(panels->arena, "%s%slatents.svg", panels->folder, panels->prefix);
    TRY(path_join(path, panels->root, name, err));
    int drawn = panels->report->no_plots ? 1 : plot_svg(plots, 2, path, err);
    return gallery_plot(panels->out, panels->report, drawn, name,
                        "The encoder's latents of the split, a dot a case: their two principal "
                        "components, with their shares of the variance, and t-SNE, of which only "
                        "what is near to what means something.",
                        err);
}

int draw_embedding(struct panels *panels, const struct place *place, struct err *err)
{
    struct tensors file;
    char path[PATH_BYTES];
    if (place_file(path, panels->report, place, "embedding.safetensors", err))
        return err->status == STATUS_MISSING ? 0 : -1;
    TRY(tensors_open(&file, path, err));
    int status = draw(panels, &file, err);
    tensors_close(&file);
    return status ? wrap(err, "latents of '%s'", place->section->name) : 0;
}
