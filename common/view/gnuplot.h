/* Drawing through gnuplot; not for other rooms. */
#ifndef CAIRN_VIEW_GNUPLOT_H
#define CAIRN_VIEW_GNUPLOT_H

#include "base/err.h"
#include "base/text.h"

/* reports/curves.gp, the look of all plots; it wants `width` and `height` (pixels) before it. */
extern const char gnuplot_look[] __attribute__((visibility("hidden")));

/* Appends text in single quotes: gnuplot substitutes nothing within them. They cannot span lines, so
 * control characters become spaces. */
void gnuplot_quoted(struct text *out, const char *text);

/* Runs the script and publishes what it draws. Returns 1, with what it said in err, if gnuplot is
 * missing, fails or takes longer than so many seconds. */
int gnuplot_svg(const struct text *script, const char *path, int seconds, struct err *err);

/* Pixels that a text takes, about: the plots' font is not known before a browser shows them. */
size_t gnuplot_text_width(const char *text);

#endif
