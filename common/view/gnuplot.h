/* Drawing through gnuplot; private to this room. */
#ifndef CAIRN_VIEW_GNUPLOT_H
#define CAIRN_VIEW_GNUPLOT_H

#include "base/err.h"
#include "base/text.h"

/* reports/curves.gp, the look of all plots; `width` and `height` (pixels) must be set before it. */
extern const char gnuplot_look[] __attribute__((visibility("hidden")));

/* Appends text in single quotes, in which gnuplot substitutes nothing. They cannot span lines, so
 * control characters become spaces. */
void gnuplot_quoted(struct text *out, const char *text);
/* The same for the label of a tic, which gnuplot takes for a number's format. */
void gnuplot_tic(struct text *out, const char *text);

/* Runs the script and publishes its SVG. Returns 1, with gnuplot's message in err, if gnuplot is
 * missing, fails or takes longer than `seconds`. */
int gnuplot_svg(const struct text *script, const char *path, int seconds, struct err *err);

/* Approximate width of a text in pixels: the font is only known once a browser shows the plot. */
size_t gnuplot_text_width(const char *text);

#endif
