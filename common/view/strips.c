#include "view/view.h"

#include "base/memory.h"
#include "view/gnuplot.h"

#include <math.h>
#include <stdlib.h>

/* Pixels; a row of panels is at most as wide as the page. */
enum { PAGE = 1040, PANEL_HEIGHT = 260, STRIP = 110, NAME_GAP = 18 };
/* gnuplot omits a label that has no room next to the numbers. */
enum { MARGIN_LEFT = 86, MARGIN_RIGHT = 16, MARGIN_TOP = 36, MARGIN_BOTTOM = 34 };
enum { BINS = 40, COLOURS = 7 };

struct sorted {
    double *values; /* the finite ones, ascending */
    size_t count;
};

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct sorted sort(const struct strip *strip)
{
    struct sorted out = {xcalloc(strip->count + 1, sizeof *out.values), 0};
    for (size_t i = 0; i < strip->count; i++)
        if (isfinite(strip->values[i]))
            out.values[out.count++] = strip->values[i];
    qsort(out.values, out.count, sizeof *out.values, ascending);
    return out;
}

static double median(const struct sorted *sorted)
{
    size_t middle = sorted->count / 2;
    return sorted->count % 2 ? sorted->values[middle]
                             : (sorted->values[middle - 1] + sorted->values[middle]) / 2;
}

static size_t bin_of(const struct sorted *sorted, double value)
{
    double low = sorted->values[0], high = sorted->values[sorted->count - 1];
    size_t bin = high > low ? (size_t)((value - low) / (high - low) * BINS) : 0;
    return bin < BINS ? bin : BINS - 1;
}

/*
 * x is the strip's position plus a multiple of the golden ratio, which spreads neighbours evenly,
 * scaled by how full the value's bin is.
 */
static void dots(struct text *out, const struct sorted *sorted, size_t place)
{
    const double golden = 0.6180339887498949, most_aside = 0.36;
    size_t filled[BINS] = {0}, fullest = 1;
    char buf[2][NUMBER_TEXT];
    for (size_t i = 0; i < sorted->count; i++)
        filled[bin_of(sorted, sorted->values[i])]++;
    for (size_t i = 0; i < BINS; i++)
        fullest = filled[i] > fullest ? filled[i] : fullest;
    for (size_t i = 0; i < sorted->count; i++) {
        double full = (double)(filled[bin_of(sorted, sorted->values[i])] - 1) / (double)fullest;
        double turn = (double)(i + 1) * golden;
        double aside = (2 * (turn - floor(turn)) - 1) * most_aside * sqrt(full);
        text_printf(out, "%s %s\n", number_text(buf[0], (double)place + aside),
                    number_text(buf[1], sorted->values[i]));
    }
}

/* The median as a bar across the strip, and its value in a box above the dots. */
static void mark_median(struct text *out, const struct sorted *sorted, size_t place)
{
    char number[NUMBER_TEXT];
    number_text(number, median(sorted));
    text_printf(out, "set arrow from %zu.0-0.42, first %s to %zu.0+0.42, first %s", place, number,
                place, number);
    text_puts(out, " nohead front linecolor rgb \"#1d232b\" linewidth 2\n");
    text_printf(out,
                "set label \"%.4g\" at %zu.0, first %s offset 0, 0.6 center front "
                "textcolor rgb \"#1d232b\" boxed\n",
                median(sorted), place, number);
}

/* The axis of shares: the range of the values and a margin, within 0 to 1; all of 0 to 1 for a
 * single value, which has no range. */
static void share_range(struct text *out, const struct strips *panel)
{
    double low = INFINITY, high = -INFINITY;
    char buf[2][NUMBER_TEXT];
    for (size_t i = 0; i < panel->count; i++)
        for (size_t k = 0; k < panel->strips[i].count; k++)
            if (isfinite(panel->strips[i].values[k])) {
                low = fmin(low, panel->strips[i].values[k]);
                high = fmax(high, panel->strips[i].values[k]);
            }
    double margin = 0.05 * (high - low);
    if (low < high)
        text_printf(out, "set yrange [%s:%s]\n", number_text(buf[0], fmax(0, low - margin)),
                    number_text(buf[1], fmin(1, high + margin)));
    else
        text_puts(out, "set yrange [0:1]\n");
}

static void draw_panel(struct text *out, const struct strips *panel)
{
    const char *comma = "";
    struct text plot = {0};
    text_puts(out, "set title ");
    gnuplot_quoted(out, panel->title);
    text_puts(out, "\nset ylabel ");
    gnuplot_quoted(out, panel->y_label);
    text_puts(out, "\nunset arrow\nunset label\nset xtics (");
    for (size_t i = 0; i < panel->count; i++) {
        text_puts(out, i ? ", " : "");
        gnuplot_tic(out, panel->strips[i].name);
        text_printf(out, " %zu", i);
    }
    text_puts(out, ")\n");
    text_puts(out, "set yrange [*:*]\n");
    if (panel->shares)
        share_range(out, panel);
    for (size_t i = 0; i < panel->count; i++) {
        struct sorted sorted = sort(&panel->strips[i]);
        if (sorted.count) {
            text_printf(out, "$strip%zu << EOD\n", i);
            dots(out, &sorted, i);
            text_puts(out, "EOD\n");
            mark_median(out, &sorted, i);
            text_printf(&plot, "%s$strip%zu using 1:2 with points pointtype 7 pointsize %s ", comma,
                        i, sorted.count > 300 ? "0.22" : "0.35");
            text_printf(&plot, "linetype %zu notitle", i % COLOURS + 1);
            comma = ", ";
        }
        free(sorted.values);
    }
    text_printf(out, "plot [-0.6:%zu.0-0.4] %s\n", panel->count,
                plot.data ? plot.data : "[0:1] NaN notitle");
    text_free(&plot);
}

static size_t panel_width(const struct strips *panels, size_t count)
{
    size_t most = 1, strip = STRIP;
    for (size_t p = 0; p < count; p++) {
        most = panels[p].count > most ? panels[p].count : most;
        for (size_t i = 0; i < panels[p].count; i++) {
            size_t name = gnuplot_text_width(panels[p].strips[i].name) + NAME_GAP;
            strip = name > strip ? name : strip;
        }
    }
    return MARGIN_LEFT + most * strip + MARGIN_RIGHT;
}

static void script(struct text *out, const struct strips *panels, size_t count)
{
    size_t panel = panel_width(panels, count), in_row = panel < PAGE ? PAGE / panel : 1;
    in_row = in_row < count ? in_row : count;
    size_t rows = (count + in_row - 1) / in_row, row = MARGIN_TOP + PANEL_HEIGHT + MARGIN_BOTTOM;
    text_printf(out, "width = %zu\nheight = %zu\n%s", in_row * panel, rows * row, gnuplot_look);
    text_puts(out, "unset grid\nset grid ytics\nset xtics scale 0\n"
                   "set style textbox opaque fillcolor rgb \"#ffffff\" noborder margins 0.4, 0.2\n"
                   "set multiplot\n");
    for (size_t p = 0; p < count; p++) {
        size_t left = p % in_row * panel, bottom = (rows - p / in_row) * row - MARGIN_TOP;
        text_printf(out, "set lmargin at screen %zu.0/width\n", left + MARGIN_LEFT);
        text_printf(out, "set rmargin at screen %zu.0/width\n", left + panel - MARGIN_RIGHT);
        text_printf(out, "set tmargin at screen %zu.0/height\n", bottom);
        text_printf(out, "set bmargin at screen %zu.0/height\n", bottom - PANEL_HEIGHT);
        draw_panel(out, &panels[p]);
    }
    text_puts(out, "unset multiplot\n");
}

int strips_svg(const struct strips *panels, size_t count, const char *path, struct err *err)
{
    if (count < 1)
        bug("strips of no panels");
    struct text input = {0};
    script(&input, panels, count);
    int status = gnuplot_svg(&input, path, PLOT_SECONDS, err);
    text_free(&input);
    return status;
}
