#include "view/view.h"

#include "view/gnuplot.h"

#include <math.h>

/* Pixels of a cell: for share and count, for a share only, for colour only. */
enum { LARGE = 88, MIDDLE = 40, SMALL = 12 };
enum { MOST_LARGE = 6, MOST_MIDDLE = MATRIX_NUMBERS };
enum { AXIS_TITLE = 26, NAME_GAP = 14, TOP = 14, RIGHT = 16, LEAST_NAMES = 30 };

static size_t cell_size(size_t classes)
{
    return classes <= MOST_LARGE ? LARGE : classes <= MOST_MIDDLE ? MIDDLE : SMALL;
}

static double row_sum(const struct matrix *matrix, size_t row)
{
    double sum = 0;
    for (size_t i = 0; i < matrix->classes; i++)
        sum += matrix->counts[row * matrix->classes + i];
    return sum;
}

/* White to dark blue, so that the diagonal of a good model stands out. */
static void shade(struct text *out, double share)
{
    const double dark[] = {8, 72, 140};
    unsigned rgb = 0;
    for (int i = 0; i < 3; i++)
        rgb = rgb << 8 | (unsigned)lround(255 + share * (dark[i] - 255));
    text_printf(out, "\"#%06x\"", rgb);
}

/* A share that is not 0 or 1 but rounds to it is marked as such. */
static void percentage(struct text *out, double share)
{
    double percent = 100 * share;
    if (share > 0 && percent < 0.1)
        text_puts(out, "<0.1");
    else if (share < 1 && percent >= 99.95)
        text_puts(out, ">99.9");
    else
        text_printf(out, percent > 0 && percent < 100 ? "%.1f" : "%.0f", percent);
}

static void count_text(struct text *out, double count)
{
    static const char units[] = " kMGTPE";
    int unit = 0;
    for (; count >= 999.5 && units[unit + 1]; unit++)
        count /= 1000;
    text_printf(out, unit && count < 99.95 ? "%.1f" : "%.0f", count);
    if (unit)
        text_printf(out, " %c", units[unit]);
}

static void cell(struct text *out, const struct matrix *matrix, size_t row, size_t column,
                 size_t size)
{
    double count = matrix->counts[row * matrix->classes + column], sum = row_sum(matrix, row);
    double share = sum > 0 ? count / sum : 0;
    text_printf(out, "set object rectangle from %zu,%zu to %zu,%zu fillcolor rgb ", column, row,
                column + 1, row + 1);
    shade(out, share);
    text_puts(out, " fillstyle solid border linecolor rgb \"#ffffff\" linewidth 1\n");
    if (size == SMALL)
        return;
    text_puts(out, "set label \"");
    if (sum > 0)
        percentage(out, share);
    else
        text_puts(out, "-");
    if (size == LARGE) {
        text_puts(out, sum > 0 ? " %\\n" : "\\n");
        count_text(out, count);
    }
    text_printf(out, "\" at %zu.5,%zu.5 center font \",%d\" offset 0, %s textcolor rgb \"%s\"\n",
                column, row, size == LARGE ? 13 : 11, size == LARGE ? "0.45" : "0",
                share > 0.5 ? "#ffffff" : "#1d232b");
}

static void axis(struct text *out, const struct matrix *matrix, const char *which)
{
    text_printf(out, "set %s (", which);
    for (size_t i = 0; i < matrix->classes; i++) {
        text_puts(out, i ? ", " : "");
        gnuplot_tic(out, matrix->names[i]);
        text_printf(out, " %zu.5", i);
    }
    text_puts(out, ") scale 0");
}

static void script(struct text *out, const struct matrix *matrix)
{
    size_t size = cell_size(matrix->classes), side = size * matrix->classes, names = LEAST_NAMES;
    for (size_t i = 0; i < matrix->classes; i++) {
        size_t width = gnuplot_text_width(matrix->names[i]);
        names = width > names ? width : names;
    }
    bool turned = names + NAME_GAP > size;
    size_t left = AXIS_TITLE + names + NAME_GAP;
    size_t bottom = AXIS_TITLE + (turned ? names : AXIS_TITLE) + NAME_GAP;
    text_printf(out, "width = %zu\nheight = %zu\n%s", left + side + RIGHT, TOP + side + bottom,
                gnuplot_look);
    text_printf(out, "set lmargin at screen %zu.0/width\nset rmargin at screen %zu.0/width\n", left,
                left + side);
    text_printf(out, "set bmargin at screen %zu.0/height\nset tmargin at screen %zu.0/height\n",
                bottom, bottom + side);
    text_puts(out, "unset border\nunset grid\nset offsets 0, 0, 0, 0\n");
    axis(out, matrix, "xtics");
    text_puts(out, turned ? " rotate by 90 right\n" : "\n");
    axis(out, matrix, "ytics");
    text_printf(out, "\nset label 'truth' at screen 14.0/width, screen %zu.0/height center rotate ",
                bottom + side / 2);
    text_printf(out, "textcolor rgb \"#3c4650\"\nset label 'prediction' at screen %zu.0/width, ",
                left + side / 2);
    text_puts(out, "screen 12.0/height center textcolor rgb \"#3c4650\"\n");
    for (size_t row = 0; row < matrix->classes; row++)
        for (size_t column = 0; column < matrix->classes; column++)
            cell(out, matrix, row, column, size);
    text_printf(out, "plot [0:%zu] [%zu:0] NaN notitle\n", matrix->classes, matrix->classes);
}

int matrix_svg(const struct matrix *matrix, const char *path, struct err *err)
{
    if (matrix->classes < 1 || matrix->classes > MATRIX_MOST)
        return fail(err, "cannot draw a matrix of %zu classes as '%s'", matrix->classes, path);
    struct text input = {0};
    script(&input, matrix);
    int status = gnuplot_svg(&input, path, PLOT_SECONDS, err);
    text_free(&input);
    return status;
}
