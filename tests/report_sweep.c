/* Variants that are series over one number, on a lab whose runs are played. */
#include "report_world.h"

#define STAGES                                                                                     \
    "name: t\n"                                                                                    \
    "seeds: [4, 5, 6]\n"                                                                           \
    "preprocess: {source: {format: shapes}}\n"                                                     \
    "pretrain-ae: {}\n"                                                                            \
    "transfer-unet: {loss: {bce: {weight: 1.0}}}\n"                                                \
    "evaluate: {inputs: {model: transfer-unet}}\n"
static const char grid[] = STAGES "vary:\n"
                                  "  transfer-unet.label_fraction: [0.05, 0.25, 1.0]\n"
                                  "  transfer-unet.init: [none, pretrain-ae]\n";
static const struct trouble none = {0};

/* From scratch the means are 0.52, 0.62, 0.72; what pre-training adds seed by seed. */
static const double gain[3][3] = {{0.1, 0.2, 0.1}, {-0.1, -0.1, -0.1}, {0, 0, 0}};

static void leave_dice(const struct draft *draft, int at, bool trained_before, size_t seed)
{
    struct text json = {0};
    double dice = 0.5 + 0.1 * at + 0.02 * (double)seed + (trained_before ? gain[at][seed] : 0);
    text_printf(&json, "{\"test/dice/foreground\": %.9g}", dice);
    leave(draft, "metrics.json", json.data);
    text_free(&json);
}

/* A model of its own for each variant and seed, or they would share what is measured of it. */
static void leave_model(const struct draft *draft, const struct place *place, size_t seed)
{
    struct text history = {0};
    text_printf(&history, "epoch,step,lr,train/loss\n1,10,0.1,%zu\n2,20,0.1,%zu\n",
                10 + place->variant, seed);
    leave(draft, "history.csv", history.data);
    text_free(&history);
}

/* The grid's last key changes fastest. */
static void leave_files(const struct draft *draft, const struct place *place, size_t seed,
                        const struct trouble *trouble)
{
    (void)trouble;
    if (place->section->stage->measures)
        leave_dice(draft, (int)place->variant / 2, place->variant % 2, seed);
    else if (place->section->stage->trains)
        leave_model(draft, place, seed);
    else
        leave(draft, "data", "x");
}

static const char plot[] = "by-transfer-unet-label_fraction.svg";

/* t(0.975, 2) = 4.302652729749462; of 0.1 0.2 0.1 the half width is that times sqrt(1/300) / sqrt(3),
 * 0.143. Three signs agree by chance in 2 of 8 cases, and there are three comparisons. */
static void differences_are_to_the_same_value(void **state)
{
    struct world *world = *state;
    report_on(world, leave_files, grid, &none);
    const char *md = report_text(world, "ablation.md"), *html = report_text(world, "index.html");
    assert_has(
        md, "| measure | label\\_fraction | series | mean \u00b1 sd | n | difference \\[95 %\\] |");
    assert_has(md,
               "| test/dice/foreground \u2191 | 0.05 | init=none | 0.520 \u00b1 0.020 | 3 | "
               "baseline |  |  |\n"
               "|  | 0.05 | init=pretrain-ae | 0.653 \u00b1 0.061 | 3 | +0.13 \\[-0.01, +0.28\\] | "
               "0.25 | 0.75 |\n"
               "|  | 0.25 | init=none | 0.620 \u00b1 0.020 | 3 | baseline |  |  |\n"
               "|  | 0.25 | init=pretrain-ae | 0.520 \u00b1 0.020 | 3 | -0.1 | 0.25 | 0.75 |\n"
               "|  | 1 | init=none |");

    assert_has(md, "Differences are to init=none at the same transfer-unet.label\\_fraction,");
    assert_has(html, "<h2>By label_fraction</h2>");
    assert_has(html, "<td>init=pretrain-ae</td>");
    assert_has(html, plot);
    assert_null(strstr(md, "| train/")); /* costs have no curve */
}

/* Heights are proportional, whatever the scale, and places on the axis to the logarithm. The interval of
 * 0.6 0.72 0.64 reaches t(0.975, 2) * 0.0611 / sqrt(3) = 0.15178 to each side. */
static void curves_have_a_line_a_series(void **state)
{
    struct world *world = *state;
    report_on(world, leave_files, grid, &none);
    const char *svg = report_text(world, plot);
    double x[3], scratch[3], before[3];
    dots_of(svg, 6, "rgb(  0, 114, 178)", x, scratch, 3);
    dots_of(svg, 6, "rgb(213,  94,   0)", NULL, before, 3);
    double step = (scratch[2] - scratch[0]) / 2; /* 0.1 */
    assert_true(fabs(scratch[1] - scratch[0] - step) < 0.2);
    assert_true(fabs((before[0] - scratch[0]) / step - 0.4 / 0.3) < 0.01);
    assert_true(fabs((before[1] - scratch[1]) / step + 1) < 0.01);
    assert_true(before[2] == scratch[2]);
    assert_true(fabs((x[1] - x[0]) / (x[2] - x[0]) - log(5) / log(20)) < 0.01);
    const char *band = strstr(svg, "<polygon fill = 'rgb(213,  94,   0)'");
    double low; /* of the band at the first value, at which its outline begins */
    assert_non_null(band);
    assert_int_equal(sscanf(strstr(band, "points = '"), "points = '%*f,%lf", &low), 1);
    assert_true(fabs((before[0] - low) / step - 1.5178) < 0.01);
    for (const char *const *label = (const char *const[]){">init=none<", ">init=pretrain-ae<",
                                                          ">label_fraction<", ">0.25<", NULL};
         *label; label++)
        assert_has(svg, *label);
}

/* A value that is left to its default stands on the curve, too, whatever the variants are called. */
static void named_variants_are_series(void **state)
{
    struct world *world = *state;
    report_on(world, leave_files,
              STAGES "vary:\n"
                     "  a: {transfer-unet.label_fraction: 0.05}\n"
                     "  b: {transfer-unet.label_fraction: 0.05, transfer-unet.train.lr: 0.5}\n"
                     "  c: {transfer-unet.label_fraction: 0.25}\n"
                     "  d: {transfer-unet.label_fraction: 0.25, transfer-unet.train.lr: 0.5}\n"
                     "  e: {}\n"
                     "  f: {transfer-unet.train.lr: 0.5}\n",
              &none);
    const char *md = report_text(world, "ablation.md");
    assert_has(md, "|  | 0.05 | lr=0.5 | 0.653 \u00b1 0.061 |");
    assert_has(md, "|  | 1 | lr=0.5 | 0.720 \u00b1 0.020 |");
    assert_true(report_has(world, plot));
}

static void few_values_are_no_curve(void **state)
{
    struct world *world = *state;
    static const char *const files[] = {
        STAGES "vary: {transfer-unet.label_fraction: [0.05, 0.25, 1.0]}\n",
        STAGES "vary: {transfer-unet.label_fraction: [0.05, 1.0], "
               "transfer-unet.init: [none, pretrain-ae]}\n",
        STAGES "vary: {a: {}, b: {transfer-unet.train.lr: 0.5, transfer-unet.label_fraction: 0.5}, "
               "c: {transfer-unet.train.lr: 0.6}}\n"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        report_on(world, leave_files, files[i], &none);
        assert_null(strstr(report_text(world, "index.html"), "<h2>By "));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT_TEST(differences_are_to_the_same_value),
        REPORT_TEST(curves_have_a_line_a_series),
        REPORT_TEST(named_variants_are_series),
        REPORT_TEST(few_values_are_no_curve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
