/*
 * View: tables, plots, image grids and HTML. Knows no registry, no tensor file and no model. All
 * output is reproducible: the same input gives the same bytes (no time, no random ids).
 *
 * Text is UTF-8. The structs here own nothing but a canvas, which owns its pixels.
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
    const char
        *title; /* HTML only: shown when pointed at (a full id behind a short one); or NULL */
};
struct table {
    size_t columns, rows;
    const char *const *heads;
    const bool *right;              /* [columns]: numbers are aligned right */
    const struct table_cell *cells; /* rows * columns */
    /* So many rows belong together, the first of them named by its first cell (the others' is empty),
     * and are set apart where one reads; 0: none do. Divides rows. */
    size_t group;
};
/*
 * Appends the table, escaped as the format wants it. Bold is "*" behind the text in text, ** in md,
 * \textbf in tex, <b> in html and nothing in csv and json, which carry values only. csv is RFC 4180
 * with CRLF; json is a list with one object a row, in which the numbers of a right-aligned column
 * are numbers and an empty cell is null; tex needs the package booktabs.
 */
void table_write(struct text *out, const struct table *table, enum table_format format);
/* Words beside a table, line by line: escaped in md, comments in tex, as they are in text. */
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
/* Sizes are 1 to CANVAS_LARGEST a side, CANVAS_PIXELS in all. */
enum { CANVAS_LARGEST = 32768, CANVAS_PIXELS = 1 << 28 };
int canvas_new(struct canvas *out, int32_t width, int32_t height, struct colour ground,
               struct err *err);
void canvas_free(struct canvas *canvas);
/* image: [h,w,c] u8, c = 1 (grey) or 3. Clipped at the canvas' edges; scale > 0. */
void canvas_image(struct canvas *canvas, int32_t x, int32_t y, const uint8_t *image, int32_t h,
                  int32_t w, int32_t c, int32_t scale);
/* A fixed bitmap font, FONT_WIDTH x FONT_HEIGHT pixels a character times scale; printable ASCII,
 * anything else shows as a hollow box. x, y: the top left corner. Clipped at the edges. */
enum { FONT_WIDTH = 6, FONT_HEIGHT = 8 };
void canvas_text(struct canvas *canvas, int32_t x, int32_t y, const char *text, int32_t scale,
                 struct colour ink);
int32_t canvas_text_width(const char *text, int32_t scale);
int canvas_png(const struct canvas *canvas, const char *path, struct err *err); /* atomic */

/* A colour and what it means; hatched ones show the stripes of MASK_HATCHED pixels instead. */
struct swatch {
    const char *name;
    struct colour colour;
    bool hatched;
};

/*
 * A grid of equal images with 2 px padding and an optional caption (of one or more lines) under
 * each, label (likewise) left of each row and above each column, and a legend below (any may be
 * NULL). scale 0: chosen so that an image is at most 144 px and the grid fits a page of about
 * 1000 px, where that is possible. Beside large images letters are large too: a page will show such
 * a grid smaller than it is.
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
 * Images of masks, all of them out: [h,w,3] u8. A mask is [h,w] u8 class indices; MASK_HATCHED marks
 * pixels that count nowhere, and they are shown as stripes of white and grey.
 */
enum { MASK_HATCHED = 255 };
/* Class 0 is grey, as it is not tinted; the others are told apart by readers with any of the usual
 * colour deficiencies (Okabe and Ito 2008, then Tol's muted), and repeat after CLASS_COLOURS. */
enum { CLASS_COLOURS = 17 };
struct colour class_colour(int32_t class);
enum error_kind { ERROR_NONE, ERROR_FALSE_POSITIVE, ERROR_FALSE_NEGATIVE, ERROR_WRONG_CLASS };
struct colour error_colour(enum error_kind kind);
/* Viridis (van der Walt and Smith 2015) at share 0 (dark) to 1 (light). */
struct colour scale_colour(double share);

/* image: [h,w,c] u8; grey unless it has three channels (of others the first is shown). */
void paint_image(uint8_t *out, const uint8_t *image, int32_t h, int32_t w, int32_t c);
/* The image in grey, each pixel tinted by its class. */
void paint_classes(uint8_t *out, const uint8_t *image, const uint8_t *mask, int32_t h, int32_t w,
                   int32_t c);
/* With two classes false positives and negatives of class 1, with more of them wrong ones; what is
 * right is light grey, darker where the truth is not class 0. Hatched where the truth is. */
void paint_errors(uint8_t *out, const uint8_t *truth, const uint8_t *prediction, int32_t classes,
                  int32_t h, int32_t w);
/* On what is there: the outline of each class but 0, along its inside, in ink, or in the class's own
 * colour if that is NULL: pixels that have another class within `reach` pixels of them, straight up,
 * down, left or right. Hatched pixels have no outline. */
void paint_contours(uint8_t *rgb, const uint8_t *mask, int32_t h, int32_t w, int32_t reach,
                    const struct colour *ink);
/* value: [h,w] u8; low (and what is below) is scale_colour(0), 255 is scale_colour(1). low < 255. */
void paint_scale(uint8_t *out, const uint8_t *value, int32_t low, int32_t h, int32_t w);

/* ---- plots ---------------------------------------------------------------------------------- */
struct curve {
    const char *name;
    size_t count;
    const double *x, *y;      /* a point that is not finite is left out */
    const double *low, *high; /* a band; NULL: none */
    bool dashed;
    int32_t colour; /* entry of the palette; curves that belong together share one */
};
struct plot {
    const char *title, *x_label, *y_label;
    size_t count;
    const struct curve *curves;
};
/*
 * One SVG of one or more panels side by side (three in a row), through gnuplot and
 * reports/curves.gp. They share one legend below them, in which each name stands once: a name looks
 * the same in every panel. Returns 1 if there is no plot, and err says why: gnuplot is missing, fails or
 * takes longer than PLOT_SECONDS.
 */
enum { PLOT_SECONDS = 30 };
int plot_svg(const struct plot *panels, size_t count, const char *path, struct err *err);

/* Many values under one name, each a dot. */
struct strip {
    const char *name;
    size_t count;
    const double *values; /* one that is not finite is left out */
};
struct strips {
    const char *title, *y_label;
    size_t count;
    const struct strip *strips; /* side by side; the one at i has entry i of the palette */
    bool shares;                /* values are of 0 to 1, and the axis ends there */
};
/*
 * As plot_svg, with as many panels in a row as fit. The dots are spread sideways as widely as there
 * are others of about their value, by a rule and not by chance; a bar marks the median and tells it.
 */
int strips_svg(const struct strips *panels, size_t count, const char *path, struct err *err);

/*
 * A confusion matrix: truth downwards, prediction across, and each cell's share of its row as colour
 * and, up to MATRIX_NUMBERS classes, as a number in per cent (with the count below it if the cells
 * are large). A row without a count has no share.
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
 * Fills the skeleton reports/page.html (its style is inside it): one page that opens offline. body
 * is HTML; title is escaped here. The style knows: sections with h2, tables (wrapped in <div
 * class="table">), <figure> with <figcaption>, <pre>, <code>, .note, .bad and .good.
 */
int page_write(const char *path, const char *title, const char *body, struct err *err);

#endif
