/* What the files of the report share; not for others. */
#ifndef CAIRN_PIPELINE_REPORT_PARTS_H
#define CAIRN_PIPELINE_REPORT_PARTS_H

#include "pipeline/report.h"

/* ---- collecting ----------------------------------------------------------------------------- */
bool is_trainer(const struct stage_info *stage);
/* A file of the place's only output; STATUS_MISSING if it has none of that name. */
int place_file(char *path, const struct report *report, const struct place *place, const char *name,
               struct err *err);
double figure_of(const struct facts *facts, const char *name); /* NaN: none */
/* "mlp, seed 0" or "mlp" if there is one seed; in the report's arena. */
const char *cell_name(struct arena *arena, const struct experiment *experiment, size_t variant,
                      uint64_t seed);
/* The variant's name as a folder's name, different for each variant. */
const char *variant_slug(struct arena *arena, const struct experiment *experiment, size_t variant);
/* Where a cell's pictures are below the report's folder: "" or "VARIANT/seed-N/". */
const char *cell_folder(struct arena *arena, const struct experiment *experiment, size_t variant,
                        uint64_t seed);

/* ---- tables --------------------------------------------------------------------------------- */
struct rows {
    size_t columns, count, capacity;
    struct table_cell *cells;
};
struct table_cell *rows_add(struct rows *rows); /* an empty row, until the next call */
void rows_write(struct text *out, struct rows *rows, const char *const *heads, const bool *right,
                enum table_format format);                           /* and frees them */
struct table_cell id_cell(struct arena *arena, const struct id *id); /* short, the whole as title */

/* Numbers for reading, in the arena; NaN is "". */
const char *show_value(struct arena *arena, enum unit unit, double value);
const char *show_mean(struct arena *arena, enum unit unit, double mean, double sd);
const char *show_difference(struct arena *arena, enum unit unit, const struct paired *difference);
const char *show_p(struct arena *arena, double p);

/* The ablation table for reading, without the costs. */
void result_comparison(struct text *out, const struct report *report, enum table_format format);

/* ---- figures -------------------------------------------------------------------------------- */
struct shown {
    const char *file; /* below the report's folder */
    const char *caption;
};
struct gallery {
    struct shown *items;
    size_t count, capacity;
};
void gallery_add(struct gallery *gallery, struct arena *arena, const char *file,
                 const char *caption);
/* The loss curves of the trainers in one cell; one that serves every seed (a judge) stands with the
 * first cell alone. */
int draw_cell_curves(struct gallery *out, struct report *report, const char *folder, size_t variant,
                     uint64_t seed, struct err *err);
/* Those of all variants, means over seeds, if there are several cells. */
int draw_all_curves(struct gallery *out, struct report *report, const char *folder,
                    struct err *err);
/* The image panels of the evaluations in one cell. */
int draw_pictures(struct gallery *out, struct report *report, const char *folder, size_t variant,
                  uint64_t seed, struct err *err);

/* ---- the page ------------------------------------------------------------------------------- */
struct cell_gallery {
    size_t variant;
    uint64_t seed;
    struct gallery curves, pictures;
};
struct page {
    struct report *report;
    const struct options *options;
    const struct gallery *overview;
    const struct cell_gallery *cells; /* [cell_count], the baseline's first seed first */
    size_t cell_count;
};
void page_body(struct text *out, const struct page *page);
void markdown_body(struct text *out, struct report *report);
/* What is missing: cells that failed or did not run, with the reason. Nothing if all is there. */
size_t missing_table(struct text *out, struct report *report, enum table_format format);

#endif
