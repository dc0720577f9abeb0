/*
 * Segmentation in reports, on a lab whose runs are played: discs as objects, predictions that miss
 * them by a known amount, so that every pixel and number of the report can be worked out.
 */
#include "report_world.h"

#include "base/random.h"

static const char four_variants[] = "# Does the loss or the downsampling matter more?\n"
                                    "name: t\n"
                                    "seeds: 6\n"
                                    "preprocess: {source: {format: shapes}}\n"
                                    "transfer-unet: {loss: {bce: {weight: 1.0}}}\n"
                                    "evaluate: {}\n"
                                    "vary:\n"
                                    "  MP+Tr+BCE: {}\n"
                                    "  MP+Tr+Dice: {transfer-unet.train.lr: 0.5}\n"
                                    "  StrConv+Tr+BCE: {transfer-unet.train.lr: 0.25}\n"
                                    "  StrConv+Ups+Dice: {transfer-unet.train.lr: 0.125}\n";
static const char one_cell[] = "name: t\n"
                               "preprocess: {source: {format: shapes}}\n"
                               "transfer-unet: {loss: {bce: {weight: 1.0}}}\n"
                               "evaluate: {}\n";

/* ---- what the stages leave ------------------------------------------------------------------ */
enum { SIDE = 64, CASES = 9, PIXELS = SIDE * SIDE };

/* Class 1 inside the disc, ring (if any) around it ignored. */
static uint8_t disc(int i, double x, double y, double radius, double ring)
{
    double distance = hypot(i % SIDE - x, (double)(i / SIDE) - y);
    return distance < radius ? 1 : distance < radius + ring ? 255 : 0;
}

struct drawn {
    uint8_t images[CASES * PIXELS * 3], truth[CASES * PIXELS], prediction[CASES * PIXELS];
    float seen[CASES * PIXELS];
    uint8_t confidence[CASES * PIXELS], classes[CASES * PIXELS * 2];
    float score[CASES];
};

static void draw_case(struct drawn *out, int k)
{
    struct stream noise = stream_new((uint64_t)k, "image");
    double x = 28 + k, y = 36 - k, radius = 12 + k;
    for (int i = 0; i < PIXELS; i++) {
        int at = k * PIXELS + i;
        double edge = hypot(i % SIDE - x - k, (double)(i / SIDE) - y) - radius;
        bool inside = disc(i, x, y, radius, 0);
        for (int c = 0; c < 3; c++)
            out->images[3 * at + c] =
                (uint8_t)((inside ? 150 - 30 * c : 60 + 40 * c) + stream_uniform(&noise) * 40);
        out->truth[at] = disc(i, x, y, radius, 2);
        out->prediction[at] = disc(i, x + k, y, radius, 0);
        out->confidence[at] = (uint8_t)(128 + 127 * fmin(1, fabs(edge) / 10));
        out->seen[at] = inside ? 1 : 0;
        out->classes[2 * at + 1] = inside ? 255 : 0;
        out->classes[2 * at] = 255 - out->classes[2 * at + 1];
    }
    out->score[k] = (float)(0.99 - 0.06 * k);
}

static void leave_segmentation(const struct draft *draft, const struct trouble *trouble)
{
    struct drawn *drawn = xcalloc(1, sizeof *drawn);
    for (int k = 0; k < CASES; k++)
        draw_case(drawn, k);
    if (trouble->labels) /* of a class that is not there */
        drawn->prediction[100] = (uint8_t)trouble->labels;
    const struct tensor items[] = {
        {"segmentation_images",
         TENSOR_U8,
         4,
         {CASES, SIDE, SIDE, 3},
         drawn->images,
         sizeof drawn->images},
        {"segmentation_truth",
         TENSOR_U8,
         3,
         {CASES, SIDE, SIDE},
         drawn->truth,
         sizeof drawn->truth},
        {"segmentation_prediction",
         TENSOR_U8,
         3,
         {CASES, SIDE, SIDE},
         drawn->prediction,
         sizeof drawn->prediction},
        {"segmentation_confidence",
         TENSOR_U8,
         3,
         {CASES, SIDE, SIDE},
         drawn->confidence,
         sizeof drawn->confidence},
        {"segmentation_classes",
         TENSOR_U8,
         4,
         {CASES, SIDE, SIDE, 2},
         drawn->classes,
         sizeof drawn->classes},
        {"gradcam_images",
         TENSOR_U8,
         4,
         {CASES, SIDE, SIDE, 3},
         drawn->images,
         sizeof drawn->images},
        {"gradcam_maps", TENSOR_F32, 3, {CASES, SIDE, SIDE}, drawn->seen, sizeof drawn->seen},
        {"segmentation_score", TENSOR_F32, 1, {CASES}, drawn->score, sizeof drawn->score},
    };
    const char *ids = "Abyssinian_1\nBirman_2\npug_33\nsamoyed_4\nstaffordshire_bull_terrier_163\n"
                      "pug_5\nbeagle_6\nboxer_7\nyorkshire_terrier_8";
    if (trouble->file && !strcmp(trouble->file, "segmentation_ids"))
        ids = trouble->content;
    const char *const meta[] = {
        "mask_classes",       "background,foreground",
        "segmentation_ids",   ids,
        "segmentation_ranks", "best,best,best,median,median,median,worst,worst,worst",
        "gradcam_layer",      "decoder.0",
        "gradcam_class",      "foreground",
        "gradcam_ids",        "1\n2\n3\n4\n5\n6\n7\n8\n9"};
    leave_pictures(draft, items, sizeof items / sizeof *items, meta, 6);
    free(drawn);
}

/* 200 cases; the first has no object. */
static void leave_cases(const struct draft *draft, size_t variant, size_t seed)
{
    struct text text = {0};
    struct stream noise = stream_new(seed, "cases");
    text_puts(&text, "case_id,label,test/dice_per_case/foreground,test/iou_per_case/foreground\n"
                     "\"a, \"\"b\"\"\",,,\n");
    for (int i = 0; i < 200; i++) {
        double dice = fmin(1, 0.99 - 0.02 * (double)variant - 0.1 * fabs(stream_normal(&noise)));
        text_printf(&text, "case-%d,,%.9g,%.9g\n", i, dice, dice / (2 - dice));
    }
    leave(draft, "cases.csv", text.data);
    text_free(&text);
}

static void leave_metrics(const struct draft *draft, size_t variant, size_t seed)
{
    double noise = 0.004 * (double)(seed % 3), dice = 0.93 - 0.02 * (double)variant + noise;
    struct text text = {0};
    text_printf(&text,
                "{\"test/pixel_accuracy\": %g, \"test/miou\": %g, \"test/iou/foreground\": %g, "
                "\"test/dice/foreground\": %g, \"test/precision/foreground\": %g, "
                "\"test/recall/foreground\": %g, \"test/dice_per_case/foreground\": %g, "
                "\"test/iou_per_case/foreground\": %g, \"test/boundary_f_per_case/foreground\": "
                "%g, \"test/hd95_per_case/foreground\": %g, \"test/hd95_undefined/foreground\": 1",
                0.96 + noise / 2, dice - 0.05, dice - 0.07, dice, dice + 0.01,
                dice - 0.01 + noise * (double)(variant % 2), dice - 0.02, dice - 0.1, dice - 0.2,
                40 - 30 * dice);
    /* a metric that some cells do not have */
    if (variant == 3 && seed % 2)
        text_puts(&text, ", \"test/surface_distance_per_case/foreground\": 3.5");
    text_puts(&text, "}");
    leave(draft, "metrics.json", text.data);
    text_free(&text);
}

static void leave_history(const struct draft *draft, size_t variant, size_t seed)
{
    struct text text = {0};
    text_puts(&text, "epoch,step,lr,train/loss,train/dice,val/loss,val/dice\n");
    for (int epoch = 1; epoch <= 20; epoch++) {
        double loss = 0.7 * exp(-epoch / (6.0 + (double)variant)) + 0.01 * (double)seed;
        text_printf(&text, "%d,%d,0.001,%g,%g,%g,%g\n", epoch, 19 * epoch, loss, 0.95 - 0.9 * loss,
                    loss + 0.05, 0.9 - 0.9 * loss);
    }
    leave(draft, "history.csv", text.data);
    text_free(&text);
}

static void leave_unet(const struct draft *draft, const struct place *place, size_t seed,
                       const struct trouble *trouble)
{
    if (place->section->stage->trains) {
        leave_history(draft, place->variant, seed);
    } else if (place->section->stage->measures) {
        leave_metrics(draft, place->variant, seed);
        leave_cases(draft, place->variant, seed);
        leave(draft, "confusion.csv",
              "truth,background,foreground\nbackground,2934881,65119\nforeground,12000,988000\n");
        leave(draft, "calibration.csv",
              "low,high,pixels,confidence,accuracy\n0,0.5,0,,\n0.5,0.75,100,0.625,0.5\n"
              "0.75,1,300,0.9375,0.875\n");
        if (trouble->file && ends_with(trouble->file, ".csv"))
            leave(draft, trouble->file, trouble->content);
        leave_segmentation(draft, trouble);
    } else {
        leave(draft, "data", "x");
    }
}

static const struct trouble none = {0};

/* ---- what a picture shows ------------------------------------------------------------------- */
/* Of the case's panel: 64 pixels at 4 are 256, 2 apart, below heads of 18 px; the right margin is
 * 2. */
static struct colour seen_at(const struct picture *picture, int k, int column, int x, int y)
{
    int32_t left = picture->width - 5 * 258 + column * 258, top = 2 + 18 + k * 258;
    const uint8_t *rgb = picture->rgb + 3 * ((top + 4 * y + 1) * picture->width + left + 4 * x + 1);
    return (struct colour){rgb[0], rgb[1], rgb[2]};
}

static bool greyish(struct colour colour)
{
    return colour.r == colour.g && colour.g == colour.b;
}

/* Case 8: the truth is a disc of radius 20 about (36, 28), the prediction the same 8 to the
 * right. */
static void a_row_shows_a_case(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, one_cell, &none);
    struct picture picture = picture_of(world, "segmentation.png");
    struct drawn *drawn = xcalloc(1, sizeof *drawn);
    draw_case(drawn, 8);
    const uint8_t *pixel = drawn->images + 3 * (8 * PIXELS + 28 * SIDE + 40);
    assert_colour(seen_at(&picture, 8, 0, 40, 28), (struct colour){pixel[0], pixel[1], pixel[2]},
                  "image");
    /* 18 is of the truth alone, 40 of both, 58 of the prediction alone, 2 of none, (36, 49)
     * ignored */
    struct colour truth[] = {seen_at(&picture, 8, 1, 18, 28), seen_at(&picture, 8, 1, 40, 28),
                             seen_at(&picture, 8, 1, 60, 28), seen_at(&picture, 8, 1, 2, 28)};
    assert_true(truth[0].r > truth[0].b + 50 && truth[1].r > truth[1].b + 50);
    assert_true(greyish(truth[2]) && greyish(truth[3]));
    assert_true(greyish(seen_at(&picture, 8, 2, 18, 28)));
    assert_false(greyish(seen_at(&picture, 8, 2, 60, 28)));
    assert_colour(seen_at(&picture, 8, 3, 18, 28), error_colour(ERROR_FALSE_NEGATIVE),
                  "false negative");
    assert_colour(seen_at(&picture, 8, 3, 60, 28), error_colour(ERROR_FALSE_POSITIVE),
                  "false positive");
    assert_colour(seen_at(&picture, 8, 3, 40, 28), error_colour(ERROR_NONE), "right");
    assert_true(seen_at(&picture, 8, 3, 2, 28).r > error_colour(ERROR_NONE).r);
    struct colour ignored = seen_at(&picture, 8, 3, 36, 49);
    assert_true(greyish(ignored) && ignored.r != seen_at(&picture, 8, 3, 2, 28).r);
    assert_colour(seen_at(&picture, 8, 1, 36, 49), ignored, "the same stripes");
    assert_colour(seen_at(&picture, 8, 4, 2, 2), scale_colour(1), "sure");
    free(drawn);
}

/* Case 8: the disc about (36, 28) is of class 1. Columns of 128 pixels, 2 apart. */
static void a_class_has_a_column(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, one_cell, &none);
    struct picture picture = picture_of(world, "class-confidence.png");
    int32_t top = 2 + 18 + 8 * 130, left = picture.width - 2 * 130;
    for (int class = 0; class < 2; class ++)
        for (int inside = 0; inside < 2; inside++) {
            int32_t x = left + class * 130 + 2 * (inside ? 36 : 2) + 1, y = top + 2 * 28 + 1;
            const uint8_t *rgb = picture.rgb + 3 * (y * picture.width + x);
            assert_colour((struct colour){rgb[0], rgb[1], rgb[2]}, scale_colour(class == inside),
                          inside ? "inside" : "outside");
        }
}

/* Case 8 again, in columns of 192 pixels: the image, the map, and half of each. */
static void what_a_layer_sees_is_shown(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, one_cell, &none);
    struct picture picture = picture_of(world, "gradcam.png");
    int32_t top = 2 + 18 + 8 * 194, left = picture.width - 3 * 194;
    for (int inside = 0; inside < 2; inside++) {
        const uint8_t *at = picture.rgb + 3 * ((top + 3 * 28 + 1) * picture.width + left +
                                               3 * (inside ? 36 : 2) + 1);
        const uint8_t *map = at + 3 * 194, *both = map + 3 * 194;
        struct colour colour = scale_colour(inside);
        assert_colour((struct colour){map[0], map[1], map[2]}, colour, "map");
        double grey = 0.299 * at[0] + 0.587 * at[1] + 0.114 * at[2];
        assert_true(fabs(both[0] - (grey + colour.r) / 2) <= 0.51);
        assert_true(fabs(both[2] - (grey + colour.b) / 2) <= 0.51);
    }
    assert_has(report_text(world, "index.html"),
               "where the layer decoder.0 sees what speaks for foreground");
}

static void the_page_shows_segmentations(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, four_variants, &(struct trouble){.fails = 2});
    const char *html = report_text(world, "index.html");
    assert_has(html, "<img src=\"segmentation.png\"");
    assert_has(html, "<img src=\"confusion.svg\"");
    assert_has(html, "<img src=\"calibration.svg\"");
    assert_has(html, "<img src=\"cases.svg\"");
    assert_has(html, "<h2>Test cases</h2>");
    assert_null(strstr(html, "<h2>Classes</h2>")); /* one class: the results have it */
    assert_has(html, "best, median and worst Dice, with image");
    assert_has(html, "Hatched pixels have no truth");
    assert_has(html, "variants/StrConv-Ups-Dice/seed-5/segmentation.png");
    assert_has(html,
               "for the first seed of each variant, one dot per case; the bar is the median.");
    assert_has(html, "2 of 72 stages have no result");
    assert_true(report_has(world, "variants/MP-Tr-Dice/seed-3/confusion.svg"));
    assert_false(report_has(world, "variants/MP-Tr-Dice/seed-2/segmentation.png"));
}

/* Dice 0.93 + noise and less by 0.02 a variant: each seed's differences are equal, and a winner has
 * six pairs with each other variant only if no cell failed. */
static void tables_are_in_a_readers_order(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, four_variants, &none);
    static const char *const order[] = {
        "test/pixel\\_accuracy \u2191",
        "test/miou \u2191",
        "test/dice/foreground \u2191",
        "test/iou/foreground \u2191",
        "test/precision/foreground \u2191",
        "test/recall/foreground \u2191",
        "test/dice\\_per\\_case/foreground \u2191",
        "test/iou\\_per\\_case/foreground \u2191",
        "test/boundary\\_f\\_per\\_case/foreground \u2191",
        "test/hd95\\_per\\_case/foreground (mm or pixels) \u2193",
        "test/hd95\\_undefined/foreground (cases) | MP",
        "test/surface\\_distance\\_per\\_case/foreground (mm or pixels) "
        "\u2193",
        "train/parameters",
        "train/multiply\\_adds",
        "train/samples\\_per\\_second",
        "train/seconds",
        "train/peak\\_bytes"};
    const char *md = report_text(world, "ablation.md"), *html = report_text(world, "index.html");
    const char *at = md;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const char *found = strstr(at, order[i]);
        if (!found)
            fail_msg("'%s' is not there or stands too early", order[i]);
        at = found;
    }
    assert_has(md, "foreground \u2191 | MP+Tr+BCE | **0.9340 \u00b1 0.0036** | 6 | baseline");
    assert_has(md, "(mm or pixels) \u2193 | MP+Tr+BCE | **11.98 \u00b1 0.11** | 6 | baseline");
    /* the case without an object has no value in any variant */
    assert_has(md, "**0.9140 \u00b1 0.0036 (1200 of 1206 cases)** | 6 | baseline");
    assert_has(html, "A mean that leaves cases out states how many it is over");
    assert_has(md, "|  | StrConv+Ups+Dice | 3.5 | 3 of 6 |  |  |  |");
    assert_has(html, "<b>0.9340 \u00b1 0.0036</b>");
    assert_has(html, "missing</td><td class=\"n\">3.5</td>");
}

/* ---- classes -------------------------------------------------------------------------------- */
/* Dice of cat 0.5 0.6 and dog 0.3 0.4 over two seeds, of b 0.1 more; the background has no per-case value.
 */
static void leave_classes(const struct draft *draft, const struct place *place, size_t seed,
                          const struct trouble *trouble)
{
    struct text json = {0};
    double more = 0.1 * (double)(seed + place->variant);
    if (!place->section->stage->measures) {
        leave_unet(draft, place, seed, trouble);
        return;
    }
    text_printf(&json,
                "{\"test/miou\": 0.5, \"test/dice/background\": 0.9, \"test/dice/cat\": %g, "
                "\"test/dice/dog\": %g, \"test/dice_per_case/cat\": %g, "
                "\"test/dice_per_case/dog\": %g}",
                0.5 + more, 0.3 + more, 0.25 + more, 0.125 + more);
    leave(draft, "metrics.json", json.data);
    text_free(&json);
}

static void classes_are_rows(void **state)
{
    struct world *world = *state;
    report_on(world, leave_classes,
              "name: t\nseeds: 2\npreprocess: {source: {format: shapes}}\n"
              "transfer-unet: {loss: {bce: {weight: 1.0}}}\nevaluate: {}\n"
              "vary: {a: {}, b: {transfer-unet.train.lr: 0.5}}\n",
              &none);
    const char *html = report_text(world, "index.html"), *at = strstr(html, "<h2>Classes</h2>");
    assert_non_null(at);
    assert_has(at, ">test/dice \u2191</th><th class=\"n\">test/dice_per_case \u2191</th>");
    const char *const rows[] = {">background</td><td class=\"n\">0.9</td><td class=\"n\"></td>",
                                ">cat</td><td class=\"n\">0.550 \u00b1 0.071</td>"
                                "<td class=\"n\">0.300 \u00b1 0.071</td>",
                                ">dog</td><td class=\"n\">0.350 \u00b1 0.071</td>"
                                "<td class=\"n\">0.175 \u00b1 0.071</td>",
                                ">b<",
                                ">background<",
                                ">cat</td><td class=\"n\">0.650 \u00b1"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        at = strstr(at, rows[i]);
        if (!at)
            fail_msg("'%s' is not there or stands too early", rows[i]);
    }
}

/* ---- the plots ------------------------------------------------------------------------------ */
static int occurrences(const char *text, const char *what)
{
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
        count++;
    return count;
}

static void plots_have_their_numbers(void **state)
{
    struct world *world = *state;
    report_on(world, leave_unet, four_variants, &none);
    const char *cases = report_text(world, "cases.svg"),
               *matrix = report_text(world, "confusion.svg");
    assert_has(cases, ">MP+Tr+BCE<");
    assert_has(cases, ">StrConv+Ups+Dice<");
    assert_has(cases, ">dice<");
    assert_has(cases, ">foreground<");
    /* a dot a case and variant, but for the case without an object */
    assert_int_equal(occurrences(cases, "<use xlink:href='#gpPt6' transform"), 4 * 200);
    /* 2934881 and 65119 of 3000000; 12000 and 988000 of 1000000 */
    static const char *const cells[] = {">97.8 %<", ">2.9 M<",  ">2.2 %<",  ">65.1 k<",
                                        ">1.2 %<",  ">12.0 k<", ">98.8 %<", ">988 k<"};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        assert_has(matrix, cells[i]);
    const char *calibration = report_text(world, "calibration.svg");
    assert_has(calibration, ">perfectly calibrated<");
    assert_has(calibration, ">share of the pixels<");
    const char *loss = report_text(world, "loss-by-variant.svg");
    assert_has(loss, ">Soft Dice<");
    assert_has(loss, ">StrConv+Tr+BCE, validation<");
}

static void without_the_first_seed_the_next_is_shown(void **state)
{
    struct world *world = *state;
    static const char first_fails[] = "name: t\n"
                                      "seeds: [7, 8]\n"
                                      "preprocess: {source: {format: shapes}}\n"
                                      "transfer-unet: {loss: {bce: {weight: 1.0}}}\n"
                                      "evaluate@x: {}\n"
                                      "vary: {a: {}, b: {transfer-unet.train.lr: 0.5}}\n";
    report_on(world, leave_unet, first_fails, &(struct trouble){.fails = 7});
    const char *cases = report_text(world, "x-cases.svg");
    assert_has(cases, ">a<");
    assert_has(cases, ">b, seed 8<");
    assert_true(report_has(world, "x-confusion.svg"));
    assert_true(report_has(world, "x-segmentation.png"));
}

/* ---- what does not fit ---------------------------------------------------------------------- */
static void bad_artifacts_are_errors(void **state)
{
    static const struct refusal cases[] = {
        {{.labels = 2}, "class 0 of truth and 2 of prediction; there are 2"},
        {{.file = "segmentation_ids", .content = "a\nb"}, "9 segmentations have 2 ids and 9 ranks"},
        {{.file = "confusion.csv", .content = "truth,a,b\na,1,2\n"}, "1 rows for 2 classes"},
        {{.file = "confusion.csv", .content = "truth,a\nb,1\n"}, "row 'b' is where 'a' should be"},
        {{.file = "confusion.csv", .content = "truth,a\na,-1\n"}, "'-1' in row 'a' is not a count"},
        {{.file = "confusion.csv", .content = "truth,a\na,\n"}, "'' in row 'a' is not a count"},
        {{.file = "confusion.csv", .content = ""}, "confusion.csv of 'evaluate': it is empty"},
        {{.file = "confusion.csv", .content = "truth,a\na,1,2\n"}, "line 2 does not have 2 fields"},
        {{.file = "confusion.csv", .content = "truth,a\n\"a\"b,1\n"}, "line 2 has a stray quote"},
        {{.file = "confusion.csv", .content = "truth,a\n\"a,1\n"}, "line 2 has a stray quote"},
        {{.file = "calibration.csv", .content = "low,high,pixels,accuracy\n0,1,1,1\n"},
         "calibration.csv of 'evaluate': there is no column 'confidence'"},
        {{.file = "cases.csv", .content = "case_id,test/dice_per_case/x\na,good\n"},
         "'good' in row 1 of column 'test/dice_per_case/x' is not a number"},
        {{.file = "cases.csv", .content = "case_id,test/dice_per_case/x\na\n"},
         "cases.csv of 'evaluate': line 2 does not have 2 fields"},
    };
    (void)state;
    assert_refused(leave_unet, one_cell, cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT_TEST(a_row_shows_a_case),
        REPORT_TEST(a_class_has_a_column),
        REPORT_TEST(what_a_layer_sees_is_shown),
        REPORT_TEST(the_page_shows_segmentations),
        REPORT_TEST(tables_are_in_a_readers_order),
        REPORT_TEST(classes_are_rows),
        REPORT_TEST(plots_have_their_numbers),
        REPORT_TEST(without_the_first_seed_the_next_is_shown),
        cmocka_unit_test(bad_artifacts_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
