/* Pictures, plots and pages: what is written is read back by somebody else's code. */
#include "view_files.h"

#include "base/stop.h"
#include "view/gnuplot.h"

#include <errno.h>
#include <poll.h>
#include <sys/wait.h>

/* A full /tmp, to all tests: plots need no file there. */
FILE *tmpfile(void)
{
    errno = ENOSPC;
    return NULL;
}

static void images_are_scaled_and_clipped(void **state)
{
    (void)state;
    const uint8_t grey[] = {10, 20, 30, 40}, colours[] = {1, 2, 3, 4, 5, 6};
    struct canvas canvas;
    char path[PATH_BYTES];
    assert_int_equal(canvas_new(&canvas, 9, 7, (struct colour){200, 201, 202}, &err), 0);
    canvas_image(&canvas, 1, 1, grey, 2, 2, 1, 2);
    canvas_image(&canvas, 7, 5, colours, 1, 2, 3, 1);
    canvas_image(&canvas, -1, 6, grey, 2, 2, 1,
                 1); /* only its right upper pixel is on the canvas */
    canvas_image(&canvas, -1, 3, grey, 1, 1, 1, 2); /* the right half of a pixel of 2 x 2 */
    assert_int_equal(canvas_png(&canvas, in(path, "a.png"), &err), 0);
    canvas_free(&canvas);
    struct seen seen = decode("a.png");
    assert_int_equal(seen.width, 9);
    assert_int_equal(seen.height, 7);
    assert_pixel(&seen, 0, 0, 200, 201, 202);
    assert_pixel(&seen, 1, 1, 10, 10, 10);
    assert_pixel(&seen, 2, 2, 10, 10, 10);
    assert_pixel(&seen, 3, 2, 20, 20, 20);
    assert_pixel(&seen, 1, 3, 30, 30, 30);
    assert_pixel(&seen, 4, 4, 40, 40, 40);
    assert_pixel(&seen, 5, 4, 200, 201, 202);
    assert_pixel(&seen, 7, 5, 1, 2, 3);
    assert_pixel(&seen, 8, 5, 4, 5, 6);
    assert_pixel(&seen, 0, 6, 20, 20, 20);
    assert_pixel(&seen, 1, 6, 200, 201, 202);
    assert_pixel(&seen, 0, 4, 10, 10, 10);
    free(seen.rgb);
}

static void text_is_drawn_as_the_glyph_is(void **state)
{
    (void)state;
    const char *const seven[] = {"#####", "....#", "...#.", "..#..",
                                 ".#...", ".#...", ".#...", "....."};
    struct canvas canvas;
    char path[PATH_BYTES];
    assert_int_equal(canvas_new(&canvas, 40, 20, (struct colour){255, 255, 255}, &err), 0);
    canvas_text(&canvas, 2, 1, " 7\u00b1", 2, (struct colour){9, 8, 7});
    canvas_text(&canvas, 35, 18, "MMM", 4, (struct colour){9, 8, 7}); /* runs out of the canvas */
    assert_int_equal(canvas_png(&canvas, in(path, "t.png"), &err), 0);
    canvas_free(&canvas);
    struct seen seen = decode("t.png");
    for (int y = 0; y < FONT_HEIGHT * 2; y++)
        for (int x = 0; x < 10; x++) {
            bool inked = seven[y / 2][x / 2] == '#';
            assert_pixel(&seen, 2 + 12 + x, 1 + y, inked ? 9 : 255, inked ? 8 : 255,
                         inked ? 7 : 255);
        }
    assert_pixel(&seen, 2 + 24, 1, 9, 8, 7); /* one box for the two bytes of U+00B1 */
    assert_pixel(&seen, 2 + 24 + 4, 1 + 4, 255, 255, 255);
    assert_int_equal(canvas_text_width(" 7\u00b1", 2), 36);
    free(seen.rgb);
}

static void characters_differ(void **state)
{
    (void)state;
    struct canvas canvas;
    uint8_t seen[96][FONT_WIDTH * FONT_HEIGHT * 3];
    assert_int_equal(canvas_new(&canvas, FONT_WIDTH, FONT_HEIGHT, (struct colour){0}, &err), 0);
    for (int c = ' '; c <= '~'; c++) {
        const char text[] = {(char)c, '\0'};
        memset(canvas.rgb, 0, sizeof seen[0]);
        canvas_text(&canvas, 0, 0, text, 1, (struct colour){255, 255, 255});
        memcpy(seen[c - ' '], canvas.rgb, sizeof seen[0]);
        for (int other = ' '; other < c; other++)
            assert_memory_not_equal(seen[c - ' '], seen[other - ' '], sizeof seen[0]);
    }
    canvas_free(&canvas);
}

static void impossible_canvases_are_refused(void **state)
{
    (void)state;
    struct canvas canvas;
    assert_int_equal(canvas_new(&canvas, 0, 5, (struct colour){0}, &err), -1);
    assert_int_equal(canvas_new(&canvas, 5, -1, (struct colour){0}, &err), -1);
    assert_int_equal(canvas_new(&canvas, CANVAS_LARGEST, CANVAS_LARGEST, (struct colour){0}, &err),
                     -1);
    assert_string_equal(err.text, "a picture of 32768 x 32768 pixels cannot be drawn");
}

static void unwritable_pictures_are_errors(void **state)
{
    (void)state;
    struct canvas canvas;
    assert_int_equal(canvas_new(&canvas, 2, 2, (struct colour){0}, &err), 0);
    assert_int_equal(canvas_png(&canvas, "/nonexistent/x.png", &err), -1);
    assert_non_null(strstr(err.text, "/nonexistent/x.png"));
    canvas_free(&canvas);
}

/* ---- grids ---------------------------------------------------------------------------------- */
static void grids_put_images_in_order(void **state)
{
    (void)state;
    const uint8_t images[] = {10, 20, 30, 40, 50, 60}; /* 2 x 3 images of one pixel */
    struct grid grid = {2, 3, 1, 1, 1, 4, images, NULL, NULL, NULL, NULL, 0};
    char path[PATH_BYTES];
    assert_int_equal(grid_png(&grid, in(path, "g.png"), &err), 0);
    struct seen seen = decode("g.png");
    assert_int_equal(seen.width, 2 + 3 * (4 + 2)); /* 2 px around and between */
    assert_int_equal(seen.height, 2 + 2 * (4 + 2));
    for (int i = 0; i < 6; i++) {
        int x = 2 + i % 3 * 6, y = 2 + i / 3 * 6, v = images[i];
        assert_pixel(&seen, x, y, v, v, v);
        assert_pixel(&seen, x + 3, y + 3, v, v, v);
        assert_pixel(&seen, x - 1, y, 255, 255, 255);
        assert_pixel(&seen, x, y + 4, 255, 255, 255);
    }
    free(seen.rgb);
    assert_int_equal(grid_png(&grid, in(path, "again.png"), &err), 0);
    assert_same_bytes("g.png", "again.png");
}

static void grids_make_room_for_their_texts(void **state)
{
    (void)state;
    uint8_t images[2 * 28 * 28];
    memset(images, 255, sizeof images);
    const char *const captions[] = {"as 7 (was 3)", NULL}, *const rows[] = {"seven"};
    const char *const columns[] = {NULL, "right"};
    struct grid bare = {1, 2, 28, 28, 1, 0, images, NULL, NULL, NULL, NULL, 0};
    struct grid full = {1, 2, 28, 28, 1, 0, images, captions, rows, columns, NULL, 0};
    char path[PATH_BYTES];
    assert_int_equal(grid_png(&bare, in(path, "bare.png"), &err), 0);
    assert_int_equal(grid_png(&full, in(path, "full.png"), &err), 0);
    struct seen small = decode("bare.png"), large = decode("full.png");
    assert_int_equal(small.width, 2 + 2 * (28 * 5 + 2)); /* 144 / 28 = 5 */
    assert_int_equal(small.height, 2 + 28 * 5 + 2);
    assert_int_equal(dark_pixels(&small, 0, 0, small.width, small.height), 0);
    int middle = 2 + 2 * FONT_WIDTH * 5 + (large.width - 2 - 2 * FONT_WIDTH * 5) / 2;
    int bottom = large.height / 2 + 28 * 5 / 2;
    assert_true(dark_pixels(&large, 0, 20, 2 + 2 * FONT_WIDTH * 5, bottom) > 100); /* row */
    assert_true(dark_pixels(&large, middle, 0, large.width, 18) > 100);            /* column */
    assert_true(dark_pixels(&large, 62, bottom, middle, large.height) > 200);      /* caption */
    assert_int_equal(dark_pixels(&large, middle, 20, large.width, large.height), 0);
    free(small.rgb);
    free(large.rgb);
}

static void impossible_grids_are_refused(void **state)
{
    (void)state;
    const uint8_t images[4] = {0};
    const struct grid bad[] = {
        {0, 1, 1, 1, 1, 1, images, NULL, NULL, NULL, NULL, 0},
        {1, 1, 1, 1, 2, 1, images, NULL, NULL, NULL, NULL, 0},
        {1, 1, 0, 1, 1, 1, images, NULL, NULL, NULL, NULL, 0},
        {1, 1, 1, INT32_MAX, 1, 0, images, NULL, NULL, NULL, NULL, 0},
        {1, 1, 1, 1, 1, -1, images, NULL, NULL, NULL, NULL, 0},
        {1, 1, 2, 2, 1, 32768, images, NULL, NULL, NULL, NULL, 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(grid_png(&bad[i], "/nonexistent", &err), -1);
}

/* ---- plots ---------------------------------------------------------------------------------- */
static const double xs[] = {1, 2, 3, 4}, ys[] = {4, 3, 2.5, 2.25}, holed[] = {4, NAN, 2, INFINITY};

static void plots_name_their_curves_once(void **state)
{
    (void)state;
    const struct curve curves[] = {
        {.name = "mlp train", .count = 4, .x = xs, .y = ys, .low = holed, .high = ys},
        {.name = "<it's> `touch x` @a_b & \"c\"",
         .count = 4,
         .x = xs,
         .y = holed,
         .dashed = true,
         .colour = 8},
    };
    const struct plot panels[] = {{"Total", "epoch", "nats", 2, curves, false},
                                  {"KL\nnext", "epoch", "nats", 1, curves, false}};
    char path[PATH_BYTES];
    assert_int_equal(plot_svg(panels, 2, in(path, "p.svg"), &err), 0);
    assert_int_equal(plot_svg(panels, 2, in(path, "again.svg"), &err), 0);
    assert_same_bytes("p.svg", "again.svg");
    size_t length;
    char *svg = contents("p.svg", &length);
    assert_well_formed(svg);
    assert_int_equal(occurrences(svg, ">mlp train<"), 1);
    assert_int_equal(occurrences(svg, "&lt;it's> `touch x` @a_b &amp; \"c\"<"), 1);
    assert_int_equal(occurrences(svg, ">Total<"), 1);
    assert_int_equal(occurrences(svg, ">KL next<"), 1);
    assert_int_equal(occurrences(svg, ">epoch<"), 2);
    assert_non_null(strstr(svg, "stroke-dasharray"));
    free(svg);
}

/* Each point of a short curve is a dot: gnuplot's symbol 7, in the curve's colour. */
static int dots(const double *y, const char *name)
{
    const struct curve curve = {.name = "c", .count = 4, .x = xs, .y = y, .colour = 1};
    const struct plot plot = {"t", "x", "y", 1, &curve, false};
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(plot_svg(&plot, 1, in(path, name), &err), 0);
    char *svg = contents(name, &length);
    int count = occurrences(svg, "<use xlink:href='#gpPt6' transform");
    assert_well_formed(svg);
    free(svg);
    return count;
}

/* gnuplot leaves out what has no room; a label has it, however wide the numbers are. */
static void labels_have_room_beside_wide_numbers(void **state)
{
    (void)state;
    static const double ranges[][2] = {{1, 4},           {0.90005, 0.9001}, {-0.000123, -0.000121},
                                       {1e-7, 9e-7},     {123400, 123470},  {-1e12, 1e12},
                                       {-250000, 125000}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const double x[] = {0, 1};
        const struct curve curve = {.name = "c", .count = 2, .x = x, .y = ranges[i]};
        const struct plot plot = {"t", "x", "nats", 1, &curve, false};
        char path[PATH_BYTES];
        size_t length;
        assert_int_equal(plot_svg(&plot, 1, in(path, "wide.svg"), &err), 0);
        char *svg = contents("wide.svg", &length);
        if (occurrences(svg, ">nats<") != 1)
            fail_msg("no label from %g to %g", ranges[i][0], ranges[i][1]);
        free(svg);
    }
}

static void points_that_are_not_finite_are_left_out(void **state)
{
    (void)state;
    const double nothing[] = {NAN, NAN, NAN, NAN};
    assert_int_equal(dots(ys, "four.svg"), 4);
    assert_int_equal(dots(holed, "two.svg"), 2);
    assert_int_equal(dots(nothing, "none.svg"), 0);
}

static void without_gnuplot_there_is_no_plot(void **state)
{
    (void)state;
    const struct plot plot = {"t", "x", "y", 0, NULL, false};
    char path[PATH_BYTES], *before = strdup(getenv("PATH"));
    setenv("PATH", folder, 1);
    assert_int_equal(plot_svg(&plot, 1, in(path, "missing.svg"), &err), 1);
    assert_non_null(strstr(err.text, "'gnuplot' is not installed"));
    assert_false(file_exists(path));

    FILE *script = fopen(in(path, "gnuplot"), "w"); /* and one that fails */
    fputs("#!/bin/sh\necho '\n  ^\nline 3: no such terminal\n' >&2\nexit 1\n", script);
    fclose(script);
    chmod(path, 0755);
    assert_int_equal(plot_svg(&plot, 1, in(path, "missing.svg"), &err), 1);
    assert_non_null(strstr(err.text, "gnuplot failed: line 3: no such terminal"));
    assert_false(file_exists(in(path, "missing.svg")));

    script = fopen(in(path, "gnuplot"), "w");           /* and one that never ends */
    fputs("#!/bin/sh\n/bin/sleep 600\nexit\n", script); /* but waits for another that does not */
    fclose(script);
    int left[2]; /* whoever runs on has it open */
    assert_int_equal(pipe(left), 0);
    struct text input = {0};
    text_puts(&input, "plot 1\n");
    assert_int_equal(gnuplot_svg(&input, in(path, "missing.svg"), 1, &err), 1);
    assert_string_equal(err.text, "gnuplot took longer than 1 s");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and is gone */
    assert_false(file_exists(path));
    err = (struct err){0};
    struct stop stop = stop_watch(); /* as it is at once when we are to stop */
    raise(SIGTERM);
    assert_int_equal(gnuplot_svg(&input, path, 600, &err), -1);
    assert_int_equal(err.status, STATUS_STOPPED);
    stop_unwatch(&stop);
    close(left[1]);
    assert_int_equal(poll(&(struct pollfd){.fd = left[0]}, 1, 10000), 1);
    close(left[0]);
    text_free(&input);
    unlink(in(path, "gnuplot"));
    setenv("PATH", before, 1);
    free(before);
}

static uint64_t mask_of(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    return at ? strtoull(at + strlen(name), NULL, 16) : UINT64_MAX;
}

/* Masks and ignored signals come through an exec: what is ours must not be gnuplot's. */
static void gnuplot_begins_with_signals_as_ever(void **state)
{
    (void)state;
    char path[PATH_BYTES], *before = strdup(getenv("PATH"));
    FILE *script = fopen(in(path, "gnuplot"), "w");
    fputs(
        "#!/bin/sh\necho '</svg>'\nwhile read -r line; do echo \"$line\"; done </proc/$$/status\n",
        script);
    fclose(script);
    chmod(path, 0755);
    setenv("PATH", folder, 1);
    stop_never_by_writing();
    struct stop stop = stop_watch();
    struct text input = {0};
    text_puts(&input, "plot 1\n");
    assert_int_equal(gnuplot_svg(&input, in(path, "status"), 10, &err), 0);
    stop_unwatch(&stop);
    text_free(&input);
    char status[8192] = "";
    FILE *file = fopen(path, "r");
    assert_true(file && fread(status, 1, sizeof status - 1, file) > 0);
    fclose(file);
    assert_int_equal(mask_of(status, "SigBlk:"), 0);
    assert_int_equal(mask_of(status, "SigIgn:") & (1 << (SIGPIPE - 1) | 1 << (SIGXFSZ - 1)), 0);
    unlink(in(path, "gnuplot"));
    setenv("PATH", before, 1);
    free(before);
}

/* ---- pages ---------------------------------------------------------------------------------- */
static void pages_are_filled_and_offline(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(page_write(in(path, "i.html"), "a <b> @BODY@", "<p>@TITLE@ &amp; x</p>", &err),
                     0);
    char *html = contents("i.html", &length);
    assert_int_equal(strncmp(html, "<!DOCTYPE html>", 15), 0);
    assert_non_null(strstr(html, "<title>a &lt;b&gt; @BODY@</title>"));
    assert_int_equal(occurrences(html, "<p>@TITLE@ &amp; x</p>"), 1);
    assert_non_null(strstr(html, "</html>"));
    assert_null(strstr(html, "http"));
    assert_null(strstr(html, "url("));
    free(html);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_scaled_and_clipped),
        cmocka_unit_test(text_is_drawn_as_the_glyph_is),
        cmocka_unit_test(characters_differ),
        cmocka_unit_test(impossible_canvases_are_refused),
        cmocka_unit_test(unwritable_pictures_are_errors),
        cmocka_unit_test(grids_put_images_in_order),
        cmocka_unit_test(grids_make_room_for_their_texts),
        cmocka_unit_test(impossible_grids_are_refused),
        cmocka_unit_test(plots_name_their_curves_once),
        cmocka_unit_test(labels_have_room_beside_wide_numbers),
        cmocka_unit_test(points_that_are_not_finite_are_left_out),
        cmocka_unit_test(without_gnuplot_there_is_no_plot),
        cmocka_unit_test(gnuplot_begins_with_signals_as_ever),
        cmocka_unit_test(pages_are_filled_and_offline),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
