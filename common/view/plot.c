#include "view/view.h"

#include "base/memory.h"
#include "view/gnuplot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels. A single panel is wider than one of several. */
enum { ONE_WIDTH = 680, PANEL_WIDTH = 400, PLOT_HEIGHT = 240 };
/* MARGIN_LEFT is the least: gnuplot leaves out a label that has no room next to the numbers, which it
 * takes to be TENTHS_A_DIGIT / 10 pixels a character wide. */
enum { MARGIN_LEFT = 66, MARGIN_LABEL = 24, TENTHS_A_DIGIT = 92 };
enum { MARGIN_RIGHT = 16, MARGIN_TOP = 36, MARGIN_BOTTOM = 68 };
enum { LEGEND_LINE = 20, SAMPLE = 30, SAMPLE_GAP = 7, ITEM_GAP = 24 };
enum { COLOURS = 7 }; /* the number in curves.gp */
enum { MOST_IN_ROW = 3 };
enum { MOST_MARKED = 40 }; /* each point gets a dot up to this many */

/* ---- the script ----------------------------------------------------------------------------- */
static bool finite_at(const struct curve *curve, size_t i)
{
    return isfinite(curve->x[i]) && isfinite(curve->y[i]);
}

static size_t finite_points(const struct curve *curve)
{
    size_t count = 0;
    for (size_t i = 0; i < curve->count; i++)
        count += finite_at(curve, i);
    return count;
}

static void point(struct text *out, double x, double y, double low, double high)
{
    char buf[4][NUMBER_TEXT];
    text_printf(out, "%s %s %s %s\n", number_text(buf[0], x), number_text(buf[1], y),
                number_text(buf[2], low), number_text(buf[3], high));
}

/* Columns x, y, low, high; where the band is not finite it has no width. */
static void data_block(struct text *out, const struct curve *curve, size_t panel, size_t index)
{
    text_printf(out, "$p%zuc%zu << EOD\n", panel, index);
    for (size_t i = 0; i < curve->count; i++) {
        if (!finite_at(curve, i))
            continue;
        double y = curve->y[i], low = curve->low ? curve->low[i] : y;
        double high = curve->high ? curve->high[i] : y;
        point(out, curve->x[i], y, isfinite(low) ? low : y, isfinite(high) ? high : y);
    }
    text_puts(out, "EOD\n");
}

static const char *look(const struct curve *curve)
{
    if (curve->dots)
        return curve->dashed ? "points pointtype 6 pointsize 0.35"
                             : "points pointtype 7 pointsize 0.3";
    if (finite_points(curve) > MOST_MARKED)
        return "lines";
    /* hollow, so that even a single point shows which curve it belongs to */
    return curve->dashed ? "linespoints pointtype 6 pointsize 0.45"
                         : "linespoints pointtype 7 pointsize 0.35";
}

static void stroke(struct text *out, const struct curve *curve)
{
    text_printf(out, " linetype %d linewidth 1.8 dashtype %s", curve->colour % COLOURS + 1,
                curve->dashed ? "(9,5)" : "solid");
}

/* Few whole numbers on the x axis (epochs): no fractions between them. */
static bool whole_tics(const struct plot *plot)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t c = 0; c < plot->count; c++)
        for (size_t i = 0; i < plot->curves[c].count; i++) {
            double x = plot->curves[c].x[i];
            if (!isfinite(x))
                continue;
            if (x != floor(x))
                return false;
            low = fmin(low, x);
            high = fmax(high, x);
        }
    return high - low <= 8;
}

/* The legend shows the first curve of each name in any panel. */
static bool first_of_name(const struct plot *panels, size_t panel, size_t curve)
{
    const char *name = panels[panel].curves[curve].name;
    for (size_t p = 0; p <= panel; p++)
        for (size_t c = 0; c < (p == panel ? curve : panels[p].count); c++)
            if (strcmp(panels[p].curves[c].name, name) == 0)
                return false;
    return true;
}

/*
 * The legend is drawn here with lines and labels: gnuplot's own key cannot be centred under several
 * panels, and it guesses how many columns fit.
 */
struct legend {
    const struct curve **items; /* one per name, in order of appearance */
    size_t count, lines;
};

static size_t item_width(const struct curve *curve)
{
    return SAMPLE + SAMPLE_GAP + gnuplot_text_width(curve->name) + ITEM_GAP;
}

/* The item after the last one of the line that begins with `first`, and the line's width. */
static size_t line_end(const struct legend *legend, size_t first, size_t width, size_t *used)
{
    size_t i = first;
    *used = 0;
    do
        *used += item_width(legend->items[i++]);
    while (i < legend->count && *used + item_width(legend->items[i]) <= width);
    return i;
}

static struct legend legend_new(const struct plot *panels, size_t count, size_t width)
{
    struct legend legend = {0};
    size_t curves = 0, used;
    for (size_t p = 0; p < count; p++)
        curves += panels[p].count;
    legend.items = xcalloc(curves, sizeof *legend.items);
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < panels[p].count; c++)
            if (first_of_name(panels, p, c))
                legend.items[legend.count++] = &panels[p].curves[c];
    for (size_t i = 0; i < legend.count; i = line_end(&legend, i, width, &used))
        legend.lines++;
    return legend;
}

static void legend_draw(struct text *out, const struct legend *legend, size_t width)
{
    size_t used, end, y = legend->lines * LEGEND_LINE - LEGEND_LINE / 4;
    for (size_t i = 0; i < legend->count; y -= LEGEND_LINE) {
        end = line_end(legend, i, width, &used);
        /* a line wider than the picture starts at its left edge */
        size_t x = used < width ? (width - used + ITEM_GAP) / 2 : 0;
        for (; i < end; i++) {
            const struct curve *curve = legend->items[i];
            text_printf(out, "set arrow from screen %zu.0/width, %zu.0/height ", x, y);
            text_printf(out, "to screen %zu.0/width, %zu.0/height nohead", x + SAMPLE, y);
            stroke(out, curve);
            text_puts(out, "\nset label ");
            gnuplot_quoted(out, curve->name);
            text_printf(out, " at screen %zu.0/width, %zu.0/height textcolor rgb \"#3c4650\"\n",
                        x + SAMPLE + SAMPLE_GAP, y);
            x += item_width(curve);
        }
    }
}

static void x_axis(struct text *out, const struct plot *plot)
{
    if (!plot->log_x) {
        text_printf(out, "\nunset logscale\nset xtics %s\n", whole_tics(plot) ? "1" : "autofreq");
        return;
    }
    text_puts(out, "\nset logscale x\nset xtics (");
    for (size_t i = 0; i < plot->curves[0].count; i++) {
        char number[NUMBER_TEXT];
        number_text(number, plot->curves[0].x[i]);
        text_printf(out, "%s'%s' %s", i ? ", " : "", number, number);
    }
    text_puts(out, ")\n");
}

static void draw_panel(struct text *out, const struct plot *plot, size_t p)
{
    const char *comma = "";
    text_puts(out, "set title ");
    gnuplot_quoted(out, plot->title);
    text_puts(out, "\nset xlabel ");
    gnuplot_quoted(out, plot->x_label);
    text_puts(out, "\nset ylabel ");
    gnuplot_quoted(out, plot->y_label);
    x_axis(out, plot);
    text_puts(out, "plot ");
    for (size_t c = 0; c < plot->count; c++) {
        const struct curve *curve = &plot->curves[c];
        if (!curve->low || !curve->high || !finite_points(curve))
            continue;
        text_printf(out, "%s$p%zuc%zu using 1:3:4 with filledcurves linetype %d notitle", comma, p,
                    c, curve->colour % COLOURS + 1);
        comma = ", ";
    }
    for (size_t c = 0; c < plot->count; c++) {
        if (!finite_points(&plot->curves[c]))
            continue;
        text_printf(out, "%s$p%zuc%zu using 1:2 with %s", comma, p, c, look(&plot->curves[c]));
        stroke(out, &plot->curves[c]);
        text_puts(out, " notitle");
        comma = ", ";
    }
    if (!*comma) /* nothing to draw: an empty frame needs explicit ranges */
        text_puts(out, "[0:1] [0:1] NaN notitle");
    text_puts(out, "\n");
}

/* Panels per row: up to three; four panels make two rows of two. */
static size_t panels_in_row(size_t count)
{
    return count <= MOST_IN_ROW ? count : count == 4 ? 2 : MOST_IN_ROW;
}

/* Characters of the number as gnuplot writes it next to the axis. */
static size_t tic_length(double value)
{
    char text[NUMBER_TEXT];
    return (size_t)snprintf(text, sizeof text, "% g", value);
}

/* What the y axis takes, with a label: tics are multiples of a step that is no finer than this one. */
static size_t left_margin(const struct plot *plot)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t c = 0; c < plot->count; c++) {
        const struct curve *curve = &plot->curves[c];
        const double *const bounds[] = {curve->y, curve->low, curve->high};
        for (size_t i = 0; i < curve->count; i++)
            for (size_t b = 0; b < 3 && finite_at(curve, i); b++)
                if (bounds[b] && isfinite(bounds[b][i])) {
                    low = fmin(low, bounds[b][i]);
                    high = fmax(high, bounds[b][i]);
                }
    }
    if (!*plot->y_label || !(high > low))
        return MARGIN_LEFT;
    double step = pow(10, floor(log10((high - low) / 4)));
    size_t longest = 0;
    for (double tic = floor(low / step); tic <= ceil(high / step); tic++) {
        size_t length = tic_length(tic * step);
        longest = length > longest ? length : longest;
    }
    size_t margin = MARGIN_LABEL + (longest * TENTHS_A_DIGIT + 9) / 10;
    return margin > MARGIN_LEFT ? margin : MARGIN_LEFT;
}

static void script(struct text *out, const struct plot *panels, size_t count)
{
    size_t in_row = panels_in_row(count), rows = (count + in_row - 1) / in_row;
    size_t panel = in_row == 1 ? ONE_WIDTH : PANEL_WIDTH, width = in_row * panel;
    size_t row = MARGIN_TOP + PLOT_HEIGHT + MARGIN_BOTTOM;
    struct legend legend = legend_new(panels, count, width);
    size_t height = rows * row + legend.lines * LEGEND_LINE;
    text_printf(out, "width = %zu\nheight = %zu\n%s", width, height, gnuplot_look);
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < panels[p].count; c++)
            data_block(out, &panels[p].curves[c], p, c);
    text_puts(out, "set multiplot\n");
    for (size_t p = 0; p < count; p++) {
        size_t left = p % in_row * panel, top = p / in_row * row;
        size_t bottom = height - top - MARGIN_TOP - PLOT_HEIGHT;
        text_printf(out, "set lmargin at screen %zu.0/width\n", left + left_margin(&panels[p]));
        text_printf(out, "set rmargin at screen %zu.0/width\n", left + panel - MARGIN_RIGHT);
        text_printf(out, "set bmargin at screen %zu.0/height\n", bottom);
        text_printf(out, "set tmargin at screen %zu.0/height\n", bottom + PLOT_HEIGHT);
        if (p == 0)
            legend_draw(out, &legend, width);
        draw_panel(out, &panels[p], p);
        if (p == 0)
            text_puts(out, "unset arrow\nunset label\n");
    }
    text_puts(out, "unset multiplot\n");
    free(legend.items);
}

int plot_svg(const struct plot *panels, size_t count, const char *path, struct err *err)
{
    if (count < 1)
        bug("a plot of no panels");
    struct text input = {0};
    script(&input, panels, count);
    int status = gnuplot_svg(&input, path, PLOT_SECONDS, err);
    text_free(&input);
    return status;
}
