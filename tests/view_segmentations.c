/* Segmentations as pictures, and the plots of their cases: colours, places and numbers. */
#include "view_files.h"

static bool same(struct colour a, struct colour b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

static struct colour at(const uint8_t *rgb, int i)
{
    return (struct colour){rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]};
}

static void assert_is(const uint8_t *rgb, int i, int r, int g, int b)
{
    const struct colour seen = at(rgb, i);
    if (seen.r != r || seen.g != g || seen.b != b)
        fail_msg("pixel %d is %d %d %d, not %d %d %d", i, seen.r, seen.g, seen.b, r, g, b);
}

static void classes_have_colours_of_their_own(void **state)
{
    (void)state;
    for (int32_t a = 0; a < CLASS_COLOURS; a++)
        for (int32_t b = 0; b < a; b++)
            assert_false(same(class_colour(a), class_colour(b)));
    assert_true(same(class_colour(CLASS_COLOURS), class_colour(1))); /* class 0's stays its own */
    assert_true(same(class_colour(254), class_colour(254 % (CLASS_COLOURS - 1))));
    assert_false(same(error_colour(ERROR_FALSE_POSITIVE), error_colour(ERROR_FALSE_NEGATIVE)));
}

/* The values of Matplotlib's viridis at 0, 1/8, 1/2 and 1; halfway between two of them the mean. */
static void the_scale_is_viridis(void **state)
{
    (void)state;
    assert_true(same(scale_colour(0), (struct colour){68, 1, 84}));
    assert_true(same(scale_colour(-3), (struct colour){68, 1, 84}));
    assert_true(same(scale_colour(0.125), (struct colour){71, 44, 122}));
    assert_true(same(scale_colour(0.1875), (struct colour){65, 63, 131}));
    assert_true(same(scale_colour(0.5), (struct colour){33, 144, 141}));
    assert_true(same(scale_colour(1), (struct colour){253, 231, 37}));
    assert_true(same(scale_colour(2), (struct colour){253, 231, 37}));
}

static void images_of_any_channels_are_shown(void **state)
{
    (void)state;
    const uint8_t one[] = {10, 20}, three[] = {1, 2, 3, 4, 5, 6}, four[] = {7, 0, 0, 0, 8, 0, 0, 0};
    uint8_t out[6];
    paint_image(out, one, 1, 2, 1);
    assert_is(out, 0, 10, 10, 10);
    assert_is(out, 1, 20, 20, 20);
    paint_image(out, three, 1, 2, 3);
    assert_is(out, 0, 1, 2, 3);
    assert_is(out, 1, 4, 5, 6);
    paint_image(out, four, 1, 2, 4);
    assert_is(out, 0, 7, 7, 7);
    assert_is(out, 1, 8, 8, 8);
}

/* 60 % of the class's colour, (230, 159, 0), and 40 % of the grey below it. */
static void classes_tint_a_grey_image(void **state)
{
    (void)state;
    const uint8_t grey[] = {100, 100, 100}, mask[] = {0, 1, MASK_HATCHED};
    const uint8_t colours[] = {200, 100, 50};
    uint8_t out[9];
    paint_classes(out, grey, mask, 1, 3, 1);
    assert_is(out, 0, 100, 100, 100);
    assert_is(out, 1, 178, 135, 40);
    assert_is(out, 2, 255, 255, 255);
    paint_classes(out, colours, mask, 1, 1, 3);
    assert_is(out, 0, 124, 124, 124); /* 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2 */
}

static void errors_are_told_apart(void **state)
{
    (void)state;
    const uint8_t truth[] = {0, 0, 1, 1, 255, 255}, prediction[] = {0, 1, 0, 1, 0, 1};
    const uint8_t three_truth[] = {0, 0, 1, 2, 2}, three[] = {0, 2, 2, 2, 0};
    const struct colour positive = error_colour(ERROR_FALSE_POSITIVE);
    const struct colour negative = error_colour(ERROR_FALSE_NEGATIVE);
    const struct colour wrong = error_colour(ERROR_WRONG_CLASS);
    uint8_t out[18];
    paint_errors(out, truth, prediction, true, 1, 6);
    assert_is(out, 0, 240, 240, 240);
    assert_true(same(at(out, 1), positive) && same(at(out, 2), negative));
    assert_is(out, 3, 205, 205, 205);
    assert_is(out, 4, 185, 185, 185); /* stripes, whatever was predicted */
    assert_is(out, 5, 185, 185, 185);
    paint_errors(out, three_truth, three, true, 1, 5);
    assert_is(out, 0, 240, 240, 240);
    assert_true(same(at(out, 1), positive) && same(at(out, 2), wrong) &&
                same(at(out, 4), negative));
    paint_errors(out, three_truth, three, false, 1, 5); /* class 0 is one like the others */
    assert_is(out, 0, 240, 240, 240);
    assert_true(same(at(out, 1), wrong) && same(at(out, 2), wrong) && same(at(out, 4), wrong));
    assert_is(out, 3, 205, 205, 205);
}

static void stripes_run_across_both_axes(void **state)
{
    (void)state;
    uint8_t mask[36], out[108];
    memset(mask, MASK_HATCHED, sizeof mask);
    paint_errors(out, mask, mask, true, 6, 6);
    for (int i = 0; i < 36; i++)
        assert_int_equal(out[3 * i], (i / 6 + i % 6) % 6 < 3 ? 255 : 185);
}

/* Drawn as rows: which pixels of the mask have been painted. */
static void assert_outline(const uint8_t *mask, int h, int w, int reach, const char *want)
{
    const struct colour ink = {1, 2, 3};
    uint8_t rgb[3 * 64];
    for (int own = 0; own < 2; own++) {
        memset(rgb, 90, sizeof rgb);
        paint_contours(rgb, mask, h, w, reach, own ? NULL : &ink);
        for (int i = 0; i < h * w; i++) {
            struct colour expected = want[i] == '.' ? (struct colour){90, 90, 90}
                                     : own          ? class_colour(mask[i])
                                                    : ink;
            if (!same(at(rgb, i), expected))
                fail_msg("pixel %d with reach %d is %d %d %d", i, reach, rgb[3 * i], rgb[3 * i + 1],
                         rgb[3 * i + 2]);
        }
        assert_is(rgb, h * w, 90, 90, 90);
    }
}

static void outlines_run_inside_what_they_enclose(void **state)
{
    (void)state;
    const uint8_t block[] = {0, 0, 0, 0, 0, 0, 0, /**/ 0, 1, 1, 1, 1, 1, 0,
                             0, 1, 1, 1, 1, 1, 0, /**/ 0, 1, 1, 1, 1, 1, 0,
                             0, 1, 1, 1, 1, 1, 0, /**/ 0, 1, 1, 1, 1, 1, 0};
    assert_outline(block, 6, 7, 1,
                   "......."
                   ".#####."
                   ".#...#."
                   ".#...#."
                   ".#...#."
                   ".#...#.");
    assert_outline(block, 6, 7, 2,
                   "......."
                   ".#####."
                   ".#####."
                   ".##.##."
                   ".##.##."
                   ".##.##.");
    const uint8_t side[] = {1, 1, 2, 2, 2, 0, 255, 255, 1, 0, 0, 3};
    assert_outline(side, 1, 12, 1, ".##.#...#..#");
    assert_outline(side, 12, 1, 1, ".##.#...#..#");
    assert_outline(side, 12, 1, 2, "#####...#..#");
    const uint8_t last[] = {0, 1, 1, 1, 0};
    assert_outline(last + 2, 3, 1, 1, ".#.");
    assert_outline(last + 2, 1, 3, 1, ".#.");
    assert_outline(last, 3, 1, 1, ".#.");
    assert_outline(last, 1, 3, 1, ".#.");
}

static void scales_begin_where_they_are_told(void **state)
{
    (void)state;
    const uint8_t values[] = {0, 127, 191, 255};
    uint8_t out[12];
    paint_scale(out, values, 127, 2, 2);
    assert_true(same(at(out, 0), scale_colour(0)) && same(at(out, 1), scale_colour(0)));
    assert_true(same(at(out, 2), scale_colour(0.5)) && same(at(out, 3), scale_colour(1)));
}

/* ---- grids with a legend -------------------------------------------------------------------- */
static void grids_have_a_legend(void **state)
{
    (void)state;
    uint8_t images[2 * 64 * 64];
    memset(images, 255, sizeof images);
    const struct swatch swatches[] = {
        {"a", {10, 20, 30}, false}, {"none", {0, 0, 0}, true}, {"b", {40, 50, 60}, false}};
    struct grid grid = {
        .rows = 1, .columns = 2, .h = 64, .w = 64, .c = 1, .scale = 1, .images = images};
    char path[PATH_BYTES];
    assert_int_equal(grid_png(&grid, in(path, "bare.png"), &err), 0);
    grid.swatches = swatches;
    grid.swatch_count = 3;
    assert_int_equal(grid_png(&grid, in(path, "legend.png"), &err), 0);
    struct seen bare = decode("bare.png"), seen = decode("legend.png");
    assert_int_equal(bare.width, seen.width); /* 134 */
    /* squares of 14 px, a name 6 further, 16 more to the next: 14 + 6 + 10 + 16 = 46 of "a", 82 of
     * "none", which still fits; "b" stands in the next line, 18 + 6 further down */
    int y = bare.height + 6;
    assert_int_equal(seen.height, y + 2 * 24);
    assert_pixel(&seen, 2, y, 10, 20, 30);
    assert_pixel(&seen, 15, y + 13, 10, 20, 30);
    assert_pixel(&seen, 16, y, 255, 255, 255);
    assert_pixel(&seen, 48, y, 255, 255, 255);
    assert_pixel(&seen, 51, y, 185, 185, 185);
    assert_pixel(&seen, 2, y + 24, 40, 50, 60);
    free(bare.rgb);
    free(seen.rgb);
}

/* Labels of three lines of 18 px in the middle of 64: from 7 to 57, with blank lines between. */
static void row_labels_have_lines(void **state)
{
    (void)state;
    uint8_t image[64 * 64];
    memset(image, 255, sizeof image);
    const char *const labels[] = {"M\nMMM\nM"};
    const struct grid grid = {.rows = 1,
                              .columns = 1,
                              .h = 64,
                              .w = 64,
                              .c = 1,
                              .scale = 1,
                              .images = image,
                              .row_labels = labels};
    char path[PATH_BYTES];
    assert_int_equal(grid_png(&grid, in(path, "lines.png"), &err), 0);
    struct seen seen = decode("lines.png");
    int left = 2 + 3 * 12 - 2 + 6, top = 2 + 7;
    assert_int_equal(seen.width, left + 64 + 2);
    assert_int_equal(dark_pixels(&seen, 0, 0, seen.width, top), 0);
    assert_true(dark_pixels(&seen, 0, top, left, top + 2) > 0);
    assert_int_equal(dark_pixels(&seen, 0, top, 2 + 20, top + 14), 0); /* aligned right */
    assert_true(dark_pixels(&seen, 0, top + 18, 12, top + 32) > 0);
    assert_int_equal(dark_pixels(&seen, 0, top + 14, left, top + 18), 0);
    assert_true(dark_pixels(&seen, 24, top + 36, left, top + 50) > 0);
    assert_int_equal(dark_pixels(&seen, 0, top + 50, left, seen.height), 0);
    free(seen.rgb);
}

/* Images of 480 px: letters twice as large as beside small ones. */
static void letters_grow_with_the_images(void **state)
{
    (void)state;
    uint8_t *image = calloc(480, 480);
    const char *const heads[] = {"image"};
    struct grid grid = {.rows = 1,
                        .columns = 1,
                        .h = 480,
                        .w = 480,
                        .c = 1,
                        .scale = 1,
                        .images = image,
                        .column_labels = heads};
    char path[PATH_BYTES];
    assert_int_equal(grid_png(&grid, in(path, "large.png"), &err), 0);
    struct seen seen = decode("large.png");
    assert_int_equal(seen.height, 2 + 9 * 4 + 480 + 2);
    free(seen.rgb);
    free(image);
}

/* ---- strips --------------------------------------------------------------------------------- */
/* The x and y of each dot of this colour, in the file's order. */
static int dots_of(const char *svg, const char *colour, double *x, double *y, int most)
{
    static const char dot[] = "<use xlink:href='#gpPt6' transform='translate(";
    int count = 0;
    for (const char *p = svg; count < most && (p = strstr(p, dot)); p++) {
        const char *end = strchr(p, '>'), *is = strstr(p, colour);
        if (is && is < end)
            assert_int_equal(sscanf(p + strlen(dot), "%lf,%lf", &x[count], &y[count]), 2), count++;
    }
    return count;
}

static void strips_show_each_value(void **state)
{
    (void)state;
    const double few[] = {0.5, NAN, 0.9, 0.7, 0.1}, even[] = {4, 1, 2, 9}, none[] = {NAN};
    double same_values[100], x[100], y[100];
    for (int i = 0; i < 100; i++)
        same_values[i] = 0.25;
    const struct strip strips[] = {
        {"few", 5, few}, {"it's <same>", 100, same_values}, {"5 %d", 1, none}};
    const struct strip others[] = {{"even", 4, even}};
    const struct strips panels[] = {{"class a", "Dice", 3, strips, true},
                                    {"class b", "Dice", 1, others, false}};
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(strips_svg(panels, 2, in(path, "s.svg"), &err), 0);
    assert_int_equal(strips_svg(panels, 2, in(path, "again.svg"), &err), 0);
    assert_same_bytes("s.svg", "again.svg");
    char *svg = contents("s.svg", &length);
    assert_well_formed(svg);
    assert_int_equal(occurrences(svg, ">Dice<"), 2);
    assert_int_equal(occurrences(svg, ">it's &lt;same><"), 1);
    assert_int_equal(occurrences(svg, ">5 %d<"), 1);
    assert_int_equal(occurrences(svg, ">class b<"), 1);
    /* medians stand on paper of their own, for which gnuplot writes them twice */
    assert_int_equal(occurrences(svg, ">0.6<"), 2);
    assert_int_equal(occurrences(svg, ">3<"), 2); /* of 1 2 4 9 */
    /* "few" and, in the other panel, "even": 4 + 4 dots of the first colour, ascending */
    assert_int_equal(dots_of(svg, "rgb(  0, 114, 178)", x, y, 100), 8);
    assert_true(y[0] > y[1] && y[1] > y[2] && y[2] > y[3]);
    assert_true(fabs((y[0] - y[1]) - 2 * (y[1] - y[2])) < 0.5); /* 0.1 0.5 0.7 0.9 */
    assert_true(fabs(x[0] - x[3]) < 1); /* alone at their height: in the middle */
    assert_int_equal(dots_of(svg, "rgb(213,  94,   0)", x, y, 100), 100);
    double low = x[0], high = x[0];
    for (int i = 0; i < 100; i++) {
        assert_true(y[i] == y[0]);
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
        for (int k = 0; k < i; k++)
            assert_true(fabs(x[i] - x[k]) > 0.1); /* no two on one place */
    }
    assert_true(high - low > 0.6 * 110 && high - low < 0.75 * 160);
    free(svg);
}

/* Shares of one value have an axis from 0 to 1, others end at 1 and with what there is. */
static void shares_end_where_shares_do(void **state)
{
    (void)state;
    const double equal[] = {0, 0}, high[] = {0.5, 1};
    const struct strip strips[] = {{"equal", 2, equal}, {"high", 2, high}};
    const struct strips panels[] = {{"a", "Dice", 1, strips, true},
                                    {"b", "Dice", 1, strips + 1, true}};
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(strips_svg(panels, 2, in(path, "shares.svg"), &err), 0);
    char *svg = contents("shares.svg", &length), *second = strstr(svg, ">a<");
    assert_non_null(second);
    assert_int_equal(occurrences(svg, "> 0.2<"), 1); /* of the first axis alone */
    assert_int_equal(occurrences(svg, "> 1<"), 2);
    assert_int_equal(occurrences(svg, "> 1.02<") + occurrences(svg, "> 1.05<"), 0);
    assert_int_equal(occurrences(svg, ">-"), 0);
    assert_int_equal(occurrences(svg, "> 0.5<"), 1); /* of the second alone */
    double x[4], y[4];
    assert_int_equal(dots_of(svg, "rgb(  0, 114, 178)", x, y, 4), 4);
    assert_true(fabs(y[3] - 36) < 0.5); /* the dot at 1 is where the axis ends */
    free(svg);
}

static void strips_of_nothing_are_a_frame(void **state)
{
    (void)state;
    const struct strips panel = {"t", "y", 0, NULL, false};
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(strips_svg(&panel, 1, in(path, "nothing.svg"), &err), 0);
    char *svg = contents("nothing.svg", &length);
    assert_well_formed(svg);
    free(svg);
}

/* ---- matrices ------------------------------------------------------------------------------- */
/* Where a text stands. */
static void place_of(const char *svg, const char *text, double *x, double *y)
{
    static const char move[] = "translate(";
    const char *last = NULL, *end = strstr(svg, text);
    assert_non_null(end);
    for (const char *p = svg; (p = strstr(p, move)) && p < end; p++)
        last = p;
    assert_int_equal(sscanf(last + strlen(move), "%lf,%lf", x, y), 2);
}

static void matrices_show_shares_of_rows(void **state)
{
    (void)state;
    const char *const names[] = {"sky", "it's a <road>", "5 %g"};
    const double counts[] = {3, 1, 0, 7, 99993, 0, 0, 0, 0};
    const struct matrix matrix = {3, names, counts};
    char path[PATH_BYTES];
    size_t length;
    assert_int_equal(matrix_svg(&matrix, in(path, "m.svg"), &err), 0);
    char *svg = contents("m.svg", &length);
    assert_well_formed(svg);
    assert_int_equal(occurrences(svg, ">75.0 %<"), 1);
    assert_int_equal(occurrences(svg, ">25.0 %<"), 1);
    assert_int_equal(occurrences(svg, ">&lt;0.1 %<"), 1); /* 7 of 100000 is not 0 */
    assert_int_equal(occurrences(svg, ">>99.9 %<"), 1);   /* and the others are not all */
    assert_int_equal(occurrences(svg, ">100 k<"), 1);
    double x[3], y[3]; /* truth downwards, prediction across */
    place_of(svg, ">75.0 %<", &x[0], &y[0]);
    place_of(svg, ">25.0 %<", &x[1], &y[1]);
    place_of(svg, ">&lt;0.1 %<", &x[2], &y[2]);
    assert_true(y[1] == y[0] && x[1] > x[0] + 80 && x[2] == x[0] && y[2] > y[0] + 80);
    assert_int_equal(occurrences(svg, ">0 %<"), 2);
    assert_int_equal(occurrences(svg, ">-<"), 3); /* of nothing there is no share */
    assert_int_equal(occurrences(svg, ">it's a &lt;road><"), 2);
    assert_int_equal(occurrences(svg, ">5 %g<"), 2);
    assert_int_equal(occurrences(svg, ">truth<") + occurrences(svg, ">prediction<"), 2);
    free(svg);
}

/* Up to 24 classes have numbers, more have colours alone. */
static void large_matrices_are_colours(void **state)
{
    (void)state;
    static double counts[MATRIX_MOST * MATRIX_MOST];
    static const char *names[MATRIX_MOST];
    for (size_t i = 0; i < MATRIX_MOST; i++)
        names[i] = "class";
    for (size_t classes = MATRIX_NUMBERS; classes <= MATRIX_NUMBERS + 1; classes++) {
        char path[PATH_BYTES];
        size_t length;
        for (size_t i = 0; i < classes * classes; i++)
            counts[i] = i / classes == i % classes ? 1 : 0;
        const struct matrix matrix = {classes, names, counts};
        assert_int_equal(matrix_svg(&matrix, in(path, "l.svg"), &err), 0);
        char *svg = contents("l.svg", &length);
        assert_int_equal(occurrences(svg, ">100<"), classes == MATRIX_NUMBERS ? MATRIX_NUMBERS : 0);
        assert_int_equal(occurrences(svg, ">class<"), 2 * (int)classes);
        free(svg);
    }
    const struct matrix none = {0, names, counts}, many = {MATRIX_MOST + 1, names, counts};
    assert_int_equal(matrix_svg(&none, "/nonexistent", &err), -1);
    assert_int_equal(matrix_svg(&many, "/nonexistent", &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_have_colours_of_their_own),
        cmocka_unit_test(the_scale_is_viridis),
        cmocka_unit_test(images_of_any_channels_are_shown),
        cmocka_unit_test(classes_tint_a_grey_image),
        cmocka_unit_test(errors_are_told_apart),
        cmocka_unit_test(stripes_run_across_both_axes),
        cmocka_unit_test(outlines_run_inside_what_they_enclose),
        cmocka_unit_test(scales_begin_where_they_are_told),
        cmocka_unit_test(grids_have_a_legend),
        cmocka_unit_test(row_labels_have_lines),
        cmocka_unit_test(letters_grow_with_the_images),
        cmocka_unit_test(strips_show_each_value),
        cmocka_unit_test(shares_end_where_shares_do),
        cmocka_unit_test(strips_of_nothing_are_a_frame),
        cmocka_unit_test(matrices_show_shares_of_rows),
        cmocka_unit_test(large_matrices_are_colours),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
