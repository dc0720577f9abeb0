/*
 * View: tables, plots, image grids and HTML. Knows no registry, no tensor file and no model. All
 * output is reproducible: the same input gives the same bytes (no time, no random ids).
 *
 * Text is UTF-8. The structs here own nothing, except that a canvas owns its pixels.
 */
#ifndef CAIRN_VIEW_VIEW_H
#define CAIRN_VIEW_VIEW_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- tables --------------------------------------------------------------------------------- */
enum table_format { TABLE_TEXT, TABLE_MD, TABLE_CSV, TABLE_TEX, TABLE_JSON, TABLE_HTML };
extern const char *const table_formats[]; /* "text", "md", "csv", "tex", "json", "html", NULL */
struct table_cell {
    const char *text; /* NULL: empty */
    bool bold;
    const char *title; /* HTML only: tooltip (the full id of a short one); or NULL */
};
struct table {
    size_t columns, rows;
    const char *const *heads;
    const bool *right;              /* [columns]: numbers are aligned right */
    const struct table_cell *cells; /* rows * columns */
    /* This many rows belong together: the first is named by its first cell (the others' is empty),
     * and formats for reading set the group apart. 0: no groups. Divides rows. */
    size_t group;
};
/*
 * Appends the table, escaped for the format. Bold is "*" after the text in text, ** in md, \textbf
 * in tex, <b> in html and nothing in csv and json, which carry values only. csv is RFC 4180 with
 * CRLF; json is a list with one object per row, in which the numbers of a right-aligned column are
 * numbers and an empty cell is null; tex needs the package booktabs.
 */
void table_write(struct text *out, const struct table *table, enum table_format format);
/* Text next to a table, line by line: escaped in md, comments in tex, unchanged in text. */
void table_words(struct text *out, const char *words, enum table_format format);

/* ---- pictures ------------------------------------------------------------------------------- */
/* An RGB canvas. Integer upscaling only, so that a pixel stays a pixel. */
struct canvas {
    int32_t width, height;
    uint8_t *rgb;
};
struct colour {
    uint8_t r, g, b;
};
/* Each side is 1 to CANVAS_LARGEST pixels, their product at most CANVAS_PIXELS. */
enum { CANVAS_LARGEST = 32768, CANVAS_PIXELS = 1 << 28 };
int canvas_new(struct canvas *out, int32_t width, int32_t height, struct colour ground,
               struct err *err);
void canvas_free(struct canvas *canvas);
/* image: [h,w,c] u8, c = 1 (grey) or 3. Clipped at the canvas' edges; scale > 0. */
void canvas_image(struct canvas *canvas, int32_t x, int32_t y, const uint8_t *image, int32_t h,
                  int32_t w, int32_t c, int32_t scale);
/* A fixed bitmap font, FONT_WIDTH x FONT_HEIGHT pixels per character, times scale. Printable ASCII;
 * anything else shows as a hollow box. x, y: the top left corner. Clipped at the edges. */
enum { FONT_WIDTH = 6, FONT_HEIGHT = 8 };
void canvas_text(struct canvas *canvas, int32_t x, int32_t y, const char *text, int32_t scale,
                 struct colour ink);
int32_t canvas_text_width(const char *text, int32_t scale);
int canvas_png(const struct canvas *canvas, const char *path, struct err *err); /* atomic */

/* A colour and its meaning; a hatched swatch shows the stripes of MASK_HATCHED pixels instead. */
struct swatch {
    const char *name;
    struct colour colour;
    bool hatched;
};

/*
 * A grid of images of equal size with 2 px padding; optionally a caption (one or more lines) under
 * each, a label (likewise) left of each row and above each column, and a legend below (any may be
 * NULL). scale 0: chosen so that an image is at most 144 px and the grid fits a page of about 1000
 * px, where possible. Text next to large images is larger too, since a page will show such a grid
 * scaled down.
 */
struct grid {
    int32_t rows, columns, h, w, c, scale;
    const uint8_t *images;            /* [rows*columns,h,w,c] u8, row by row */
    const char *const *captions;      /* [rows*columns] */
    const char *const *row_labels;    /* [rows] */
    const char *const *column_labels; /* [columns] */
    const struct swatch *swatches;    /* [swatch_count] */
    int32_t swatch_count;
};
int grid_png(const struct grid *grid, const char *path, struct err *err);

/* ---- segmentations -------------------------------------------------------------------------- */
/*
 * Paints masks; every output is [h,w,3] u8. A mask is [h,w] u8 class indices; MASK_HATCHED marks
 * ignored pixels, shown as stripes of white and grey.
 */
enum { MASK_HATCHED = 255 };
/* Class 0 is grey, since it is not tinted; the other colours are distinguishable with the usual
 * colour vision deficiencies (Okabe and Ito 2008, then Tol's muted palette) and repeat after
 * CLASS_COLOURS. */
enum { CLASS_COLOURS = 17 };
struct colour class_colour(int32_t class);
enum error_kind { ERROR_NONE, ERROR_FALSE_POSITIVE, ERROR_FALSE_NEGATIVE, ERROR_WRONG_CLASS };
struct colour error_colour(enum error_kind kind);
/* Viridis (van der Walt and Smith 2015) at share 0 (dark) to 1 (light). */
struct colour scale_colour(double share);

/* image: [h,w,c] u8; grey unless it has three channels (otherwise the first is shown). */
void paint_image(uint8_t *out, const uint8_t *image, int32_t h, int32_t w, int32_t c);
/* The image in grey, each pixel tinted by its class. */
void paint_classes(uint8_t *out, const uint8_t *image, const uint8_t *mask, int32_t h, int32_t w,
                   int32_t c);
/* Where class 0 is a background, a pixel of another class taken for it is a false negative, and one of it
 * taken for another a false positive; everything else that differs is a wrong class. Correct pixels are
 * light grey, darker where the truth is not class 0. Hatched where the truth is. */
void paint_errors(uint8_t *out, const uint8_t *truth, const uint8_t *prediction, bool background,
                  int32_t h, int32_t w);
/* Draws over rgb the outline of each class but 0, along its inside, in ink or, if that is NULL, in
 * the class's own colour: pixels with another class at most `reach` pixels straight up, down, left
 * or right. Hatched pixels have no outline. */
void paint_contours(uint8_t *rgb, const uint8_t *mask, int32_t h, int32_t w, int32_t reach,
                    const struct colour *ink);
/* value: [h,w] u8; the image in grey, half of it the colour that 0 to 255 have on the scale. */
void paint_heat(uint8_t *out, const uint8_t *image, const uint8_t *value, int32_t h, int32_t w,
                int32_t c);
/* value: [h,w] u8; low (and below) is scale_colour(0), 255 is scale_colour(1). low < 255. */
void paint_scale(uint8_t *out, const uint8_t *value, int32_t low, int32_t h, int32_t w);

/* ---- plots ---------------------------------------------------------------------------------- */
struct curve {
    const char *name;
    size_t count;
    const double *x, *y;      /* non-finite points are skipped */
    const double *low, *high; /* a band; NULL: none */
    bool dashed;
    bool dots;      /* no line: each point by itself, hollow if dashed */
    int32_t colour; /* index into the palette; related curves share one */
};
struct plot {
    const char *title, *x_label, *y_label;
    size_t count;
    const struct curve *curves;
    bool log_x; /* every x is above 0, and those of the first curve are marked on the axis */
};
/*
 * One SVG of one or more panels side by side (three per row), drawn by gnuplot with
 * reports/curves.gp. A shared legend below them lists each name once; a name looks the same in
 * every panel. Returns 1 if there is no plot, with the reason in err: gnuplot is missing, fails or
 * takes longer than PLOT_SECONDS.
 */
enum { PLOT_SECONDS = 30 };
int plot_svg(const struct plot *panels, size_t count, const char *path, struct err *err);

/* The values of one group, each drawn as a dot. */
struct strip {
    const char *name;
    size_t count;
    const double *values; /* non-finite ones are skipped */
};
struct strips {
    const char *title, *y_label;
    size_t count;
    const struct strip *strips; /* side by side; strip i has colour i of the palette */
    bool shares;                /* values lie in 0 to 1, and so does the axis */
};
/*
 * As plot_svg, with as many panels per row as fit. Dots are spread sideways in proportion to how
 * many have about the same value, deterministically; a labelled bar marks the median.
 */
int strips_svg(const struct strips *panels, size_t count, const char *path, struct err *err);

/*
 * A confusion matrix: truth down, prediction across; each cell's share of its row as a colour and,
 * up to MATRIX_NUMBERS classes, in per cent (with the count below if the cells are large). A row
 * without counts has no shares.
 */
enum { MATRIX_NUMBERS = 24, MATRIX_MOST = 64 };
struct matrix {
    size_t classes; /* 1 to MATRIX_MOST */
    const char *const *names;
    const double *counts; /* [truth, prediction] */
};
int matrix_svg(const struct matrix *matrix, const char *path, struct err *err);

/* ---- pages ---------------------------------------------------------------------------------- */
/*
 * Fills the skeleton reports/page.html (which contains the style): one page that opens offline.
 * body is HTML; title is escaped here. The style covers sections with h2, tables (wrapped in <div
 * class="table">), <figure> with <figcaption>, <pre>, <code>, .note, .bad and .good.
 */
int page_write(const char *path, const char *title, const char *body, struct err *err);

#endif
