/* Shared by the files of this room; private to it. */
#ifndef CAIRN_REPORT_REPORT_PARTS_H
#define CAIRN_REPORT_REPORT_PARTS_H

#include "report/report.h"
#include "store/tensors.h"

/* ---- collecting ----------------------------------------------------------------------------- */
/* A file of one of the place's outputs; STATUS_MISSING if none has it. */
int place_file(char *path, const struct report *report, const struct place *place, const char *name,
               struct err *err);
/* The coverage of all figures of an evaluation, from its cases.csv, if it has one. */
int count_cases(struct facts *facts, const struct report *report, struct err *err);
/* For an evaluation, how many of its cases were also used to make something it reads, but
 * allowed. */
int count_leaks(struct facts *facts, const struct report *report, struct err *err);
double figure_of(const struct facts *facts, const char *name); /* NaN: none */
/* "mlp, seed 0" or "mlp" if there is one seed; in the report's arena. */
const char *cell_name(struct arena *arena, const struct experiment *experiment, size_t variant,
                      uint64_t seed);
/* The variant's name as a folder name, unique among the variants even ignoring case. */
const char *variant_slug(struct arena *arena, const struct experiment *experiment, size_t variant);
/* The folder of a cell's pictures, relative to the report's: "" or "variants/SLUG/seed-N/". */
const char *cell_folder(struct arena *arena, const struct experiment *experiment, size_t variant,
                        uint64_t seed);

/* ---- tables --------------------------------------------------------------------------------- */
struct rows {
    size_t columns, group, count;
    struct table_cell *cells;
};
struct table_cell *rows_add(struct rows *rows); /* an empty row, until the next call */
void rows_write(struct text *out, struct rows *rows, const char *const *heads, const bool *right,
                enum table_format format);                           /* and frees them */
struct table_cell id_cell(struct arena *arena, const struct id *id); /* short, full id as title */

/* Numbers for reading, in the arena; NaN is "". */
const char *show_value(struct arena *arena, enum unit unit, double value);
const char *show_mean(struct arena *arena, enum unit unit, double mean, double sd);
/* The number, with the number of cases it is a mean over if it leaves some out. */
const char *show_coverage(struct arena *arena, const char *number, struct coverage coverage);

/* "+0.02 [-0.01, +0.05]"; "": there is none. */
const char *show_difference(struct arena *arena, enum unit unit, const struct paired *difference);
const char *show_p(struct arena *arena, double p);
const char *show_seeds(struct arena *arena, size_t count, const struct report *report);

/* One value a seed that the variant has; out: [seeds]. */
size_t measure_seeds(double *out, const struct report *report, const struct measure *measure,
                     size_t variant);
/* As compare_variants, of one and another in the baseline's place; knows no family and no best. */
void compare_two(struct comparison *out, const struct report *report, const struct measure *measure,
                 size_t variant, size_t baseline);

/* The measure's name with an arrow to where it is better. */
const char *measure_title(struct arena *arena, const struct measure *measure);
/* Explains in words what is bold and what the differences are. */
const char *winner_rule(struct arena *arena, const struct report *report);
const char *difference_rule(struct arena *arena, const struct report *report);

/* The ablation table for reading, without the costs. */
void result_comparison(struct text *out, const struct report *report, enum table_format format);

/* Of each evaluation that measured several classes a table, in HTML; false: there is none. */
bool class_tables(struct text *out, struct report *report);

/*
 * Variants as series over one number: they differ in one key with numbers for values, or in others as
 * well, and those that agree in all others are a series. Found where there are at least SERIES of
 * SERIES_VALUES values; series of fewer are left to the ablation table.
 */
enum { SERIES = 2, SERIES_VALUES = 3 };
struct series {
    const char *name; /* what is its own among them, "init=none" */
    size_t count;
    size_t *variants; /* by ascending value of the key */
    double *values;
};
struct sweep {
    const char *path, *key; /* "transfer-unet.label_fraction", "label_fraction" */
    size_t count, baseline; /* the series that others are compared with */
    struct series *series;
};
/* In the report's arena, in the order of the keys. */
struct sweep *find_sweeps(struct report *report, size_t *count);
/* Each series' means, and their differences to the baseline's at the same value and seed. */
void sweep_table(struct text *out, struct report *report, const struct sweep *sweep,
                 enum table_format format);
const char *sweep_rule(struct arena *arena, const struct sweep *sweep);

/* ---- figures -------------------------------------------------------------------------------- */
struct shown {
    const char *file; /* relative to the report's folder; NULL: it could not be drawn */
    const char *caption;
};
struct gallery {
    struct shown *items;
    size_t count;
};
void gallery_add(struct gallery *gallery, struct arena *arena, const char *file,
                 const char *caption);
/* Adds the result of plot_svg and similar functions. A page does without plots that cannot be
 * drawn: once one fails, report->no_plots has the reason and no more are tried. */
int gallery_plot(struct gallery *gallery, struct report *report, int drawn, const char *file,
                 const char *caption, struct err *err);
/* The loss curves of the trainers in one cell; one that serves every seed (a judge) is shown only
 * with the first cell. */
int draw_cell_curves(struct gallery *out, struct report *report, const char *folder, size_t variant,
                     uint64_t seed, struct err *err);
/* Those of all variants, means over seeds, if there are several cells. */
int draw_all_curves(struct gallery *out, struct report *report, const char *folder,
                    struct err *err);
/* Of each sweep one plot of its measures. */
int draw_sweeps(struct gallery *out, struct report *report, const char *folder, struct err *err);
/* The image panels of the evaluations in one cell. */
int draw_pictures(struct gallery *out, struct report *report, const char *folder, size_t variant,
                  uint64_t seed, struct err *err);

/* The state while the panels of one evaluation are drawn. */
struct panels {
    struct gallery *out;
    struct report *report;
    struct arena *arena; /* the report's: file names and captions outlive the drawing */
    const char *root;    /* the report's folder */
    const char *folder;  /* the cell's, relative to it */
    const char *prefix;  /* "LABEL-" of a section evaluate@LABEL, or "" */
    struct tensors tensors;
    int background;       /* of masks: enum background, as the evaluation was told */
    const char **classes; /* names of the labels */
    size_t class_count;
};
/* Images [k,h,w,c] of this name, or the middle axial slices of volumes [k,d,h,w,c], as one row of a
 * grid; 0 if there are none, 1 if there are. */
int panel_images(struct grid *out, const struct panels *panels, const char *name, struct err *err);
int panel_publish(struct panels *panels, const struct grid *grid, const char *name,
                  const char *caption, struct err *err);
/* The parts of a text, in the arena; an empty text has none. */
const char **split_text(size_t *count, struct arena *arena, const char *text, char between);
int draw_segmentation(struct panels *panels, struct err *err);
int draw_gradcam(struct panels *panels, struct err *err);
int draw_slices(struct panels *panels, struct err *err); /* of volumes */
/* From confusion.csv, if the evaluation has one. */
int draw_confusion(struct panels *panels, const struct place *place, struct err *err);
/* From embedding.safetensors, likewise. */
int draw_embedding(struct panels *panels, const struct place *place, struct err *err);
/* From calibration.csv, likewise. */
int draw_calibration(struct panels *panels, const struct place *place, struct err *err);
/* For each evaluation section with per-case values, those of all test cases, by variant. */
int draw_cases(struct gallery *out, struct report *report, const char *folder, struct err *err);

/* ---- the page ------------------------------------------------------------------------------- */
struct cell_gallery {
    size_t variant;
    uint64_t seed;
    struct gallery curves, pictures;
};
struct page {
    struct report *report;
    const struct options *options;
    const struct gallery *overview; /* curves of all variants */
    const struct gallery *cases;
    const struct gallery *sweeps;     /* one plot each */
    const struct cell_gallery *cells; /* [cell_count], the baseline's first seed first */
    size_t cell_count;
};
void page_body(struct text *out, const struct page *page);
void markdown_body(struct text *out, struct report *report);

#endif
