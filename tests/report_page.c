/*
 * Reports, on a lab whose runs are played: what each stage leaves is made up here, so that every
 * number of the report can be worked out by hand.
 */
#include "report_world.h"

#include <strings.h>

static const char two_variants[] = "# Is b < a?\n"
                                   "name: t\n"
                                   "seeds: [4, 5, 6]\n"
                                   "preprocess: {source: {format: shapes}}\n"
                                   "train-classifier: {}\n"
                                   "train-vae: {}\n"
                                   "evaluate: {}\n"
                                   "vary:\n"
                                   "  a: {}\n"
                                   "  ../b c: {train-vae.train.lr: 0.5}\n";
static const char one_cell[] = "name: t\n"
                               "preprocess: {source: {format: shapes}}\n"
                               "train-classifier: {}\n"
                               "train-vae: {}\n"
                               "evaluate: {}\n";

/* ---- what the stages leave ------------------------------------------------------------------ */
/* negative_elbo: 10 12 14 and 7 10 11, differences -3 -2 -3; psnr: 20 21 22 and 21 20 22. */
static const double elbo[2][3] = {{10, 12, 14}, {7, 10, 11}},
                    psnr[2][3] = {{20, 21, 22}, {21, 20, 22}};

static void leave_image_pictures(const struct draft *draft, int labels)
{
    static uint8_t pixels[50 * 16];
    static int32_t label[25];
    for (int i = 0; i < 25; i++)
        label[i] = i % 3;
    const struct tensor items[] = {
        {"wrong_label_images", TENSOR_U8, 4, {25, 4, 4, 1}, pixels, 400},
        {"wrong_label_sources", TENSOR_U8, 4, {25, 4, 4, 1}, pixels, 400},
        {"wrong_label_given", TENSOR_I32, 1, {labels}, label, (size_t)labels * 4},
        {"wrong_label_true", TENSOR_I32, 1, {25}, label, 100},
        {"originals", TENSOR_U8, 4, {20, 4, 4, 1}, pixels, 320},
        {"reconstructions", TENSOR_U8, 4, {20, 4, 4, 1}, pixels, 320},
        {"class_grid", TENSOR_U8, 4, {24, 4, 4, 1}, pixels, 384},
        {"class_grid_labels", TENSOR_I32, 1, {3}, label, 12},
        {"interpolation", TENSOR_U8, 4, {20, 4, 4, 1}, pixels, 320},
        {"interpolation_columns", TENSOR_I32, 1, {1}, (const int32_t[]){10}, 4},
        {"samples", TENSOR_U8, 4, {50, 4, 4, 1}, pixels, 800},
    };
    const char *const meta[] = {"classes", "0,1,2"};
    leave_pictures(draft, items, sizeof items / sizeof *items, meta, 1);
}

static void leave_vae(const struct draft *draft, const struct place *place, size_t seed,
                      const struct trouble *trouble)
{
    struct text json = {0}, history = {0};
    text_printf(&json, "{\"test/negative_elbo\": %g, \"test/psnr\": %g, \"test/kl\": null}",
                elbo[place->variant][seed], psnr[place->variant][seed]);
    text_printf(&history, "epoch,step,lr,train/loss,val/loss\n1,10,0.1,%zu,\n2,20,0.1,4,5\n",
                6 + seed + 3 * place->variant);
    if (place->section->stage->trains) {
        leave(draft, "history.csv", history.data);
        if (trouble->file && !strcmp(trouble->file, "history.csv"))
            leave(draft, "history.csv", trouble->content);
    } else if (place->section->stage->measures) {
        leave(draft, "metrics.json", json.data);
        if (trouble->file && !strcmp(trouble->file, "metrics.json"))
            leave(draft, "metrics.json", trouble->content);
        leave_image_pictures(draft, trouble->labels ? trouble->labels : 25);
    } else {
        leave(draft, "data", "x");
    }
    text_free(&json);
    text_free(&history);
}

static void leave_names(const struct draft *draft, const struct place *place, size_t seed,
                        const struct trouble *trouble)
{
    struct place first = *place; /* there are numbers for two variants */
    first.variant = 0;
    leave_vae(draft, &first, seed, trouble);
}

/* ---- tests ---------------------------------------------------------------------------------- */
static const struct trouble none = {0};

static void numbers_are_those_of_the_artifacts(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, two_variants, &none);
    const char *csv = report_text(world, "ablation.csv");
    assert_has(csv, "section,measure,variant,n,mean,sd,difference,low,high,p,p_holm,best,"
                    "missing_seeds,cases,of_cases\r\n"
                    "evaluate,test/negative_elbo,a,3,12,2,,,,,,0,,,\r\n");
    assert_has(csv, "\r\nevaluate,test/psnr,../b c,3,21,1,0,");
    assert_has(csv, "\r\nevaluate,test/kl,a,0,,,,,,,,0,4 5 6,,\r\n"); /* null is missing */
    assert_has(csv, "\r\ntrain-vae,train/parameters,../b c,3,1234567,0,0,0,0,,,0,,,\r\n");
    assert_has(csv, "\r\ntrain-vae,train/seconds,a,3,4000,0,");
    struct comparison all[2];
    compare_variants(all, &world->report, &world->report.measures[0]);
    assert_string_equal(world->report.measures[0].name, "test/negative_elbo");
    /* -8/3 -+ t(0.975, 2) * sqrt(1/3) / sqrt(3), t = 4.302652729749462 */
    assert_true(fabs(all[1].difference.mean + 8.0 / 3) < 1e-12);
    assert_true(fabs(all[1].difference.low + 4.100884243249821) < 1e-9);
    assert_true(fabs(all[1].difference.high + 1.232449090083512) < 1e-9);
    assert_true(all[1].p == 0.25 && all[1].p_holm == 0.25);
    assert_false(all[1].best || all[0].best); /* three seeds prove nothing */
    const char *md = report_text(world, "ablation.md");
    assert_has(md,
               "| test/negative\\_elbo (nats) \u2193 | a | 12.0 \u00b1 2.0 | 3 | baseline |  |  |\n"
               "|  | ../b c | 9.3 \u00b1 2.1 | 3 | -2.7 \\[-4.1, -1.2\\] | 0.25 | 0.25 |\n");
    assert_has(md, "|  | ../b c | 21.0 \u00b1 1.0 | 3 | +0.0 \\[-2.5, +2.5\\] | 1 | 1 |\n");
}

static void page_shows_everything(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, two_variants, &none);
    const char *html = report_text(world, "index.html");
    for (size_t i = 0; i < world->resolution.count; i++) {
        const struct place *place = &world->resolution.places[i];
        assert_has(html, place->recipe.hex);
        assert_has(html, place->outputs[0].artifact.hex);
    }
    assert_has(html, "Is b &lt; a?");
    assert_has(html, ">9.3 \u00b1 2.1</td>");
    assert_null(strstr(html, "<b>"));
    assert_has(html, "nothing can be bold here");
    assert_has(html, "resumed</td><td>{&quot;step&quot;: 1200}");
    assert_has(html, "made-up arithmetic");
    assert_has(html, "0123456789ab cafe");
    assert_has(html, "1,234,567");
    assert_has(html, ">7.7 GB<");
    assert_has(html, "DATA=&#39;raw data&#39;");
    assert_has(html, "<img src=\"wrong-label-5x5.png\"");
    assert_has(html, "<img src=\"variants/-.-b-c/seed-5/loss.svg\"");
    assert_null(strstr(html, "have no result"));
}

static void assert_size(struct world *world, const char *name, int32_t width, int32_t height)
{
    struct picture picture = picture_of(world, name);
    assert_int_equal(picture.width, width);
    assert_int_equal(picture.height, height);
}

static void pictures_have_their_names_and_sizes(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, two_variants, &none);
    static const char *const files[] = {"reconstructions.png",
                                        "samples.png",
                                        "interpolation.png",
                                        "wrong-label-sources-5x5.png",
                                        "loss-by-variant.svg",
                                        "loss-train-classifier.svg",
                                        "variants/a/seed-5/loss.svg",
                                        "variants/-.-b-c/seed-4/class-grid.png",
                                        "experiment.yaml"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!report_has(world, files[i]))
            fail_msg("'%s' is not there", files[i]);
    assert_false(report_has(world, "variants/a/seed-4")); /* it stands at the top */
    /* 4 x 4 pixels at 36 = 144, captions of 12 characters a little less than 144 wide, and 16 */
    assert_size(world, "wrong-label-5x5.png", 2 + 5 * (142 + 16 + 2),
                2 + 5 * (144 + 3 + 18 + 12 + 2));
    /* 3 rows of 8: 880 / 8 / 4 = 27 times 4; labels of one character and a gap of 6 */
    assert_size(world, "class-grid.png", 2 + 10 + 6 + 8 * (108 + 2), 2 + 3 * (108 + 2));
    const char *loss = report_text(world, "loss.svg"),
               *all = report_text(world, "loss-by-variant.svg");
    assert_has(loss, ">Total loss<");
    assert_has(loss, ">validation<");
    assert_has(all, ">../b c, train<");
}

/* Train losses of a: 6 7 8 in the first epoch and 4 in the second, validation 5 there; of b: 9 10
 * 11 and 4. Heights are proportional, whatever the scale. */
static void curves_are_means_over_seeds(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, two_variants, &none);
    const char *svg = report_text(world, "loss-by-variant.svg");
    double a[3], b[2];
    dots_of(svg, 6, "rgb(  0, 114, 178)", NULL, a, 2);
    dots_of(svg, 5, "rgb(  0, 114, 178)", NULL, a + 2, 1);
    dots_of(svg, 6, "rgb(213,  94,   0)", NULL, b, 2);
    assert_true(fabs((a[1] - a[0]) / (b[1] - b[0]) - 0.5) < 1e-3);
    assert_true(fabs((a[1] - a[2]) / (a[1] - a[0]) - 1.0 / 3) < 1e-3);
    assert_true(a[1] == b[1]);
}

static void missing_cells_are_listed(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, two_variants, &(struct trouble){.fails = 6});
    const char *html = report_text(world, "index.html"), *md = report_text(world, "ablation.md");
    const char *csv = report_text(world, "ablation.csv");
    assert_has(html, "2 of 24 stages have no result");
    assert_has(html, "<td>train-vae</td><td>failed</td>");
    assert_has(html, "loss is &lt;nan&gt; at step 3");
    assert_has(html, "<td>evaluate</td><td>waiting for an input</td>");
    assert_has(md, "| ../b c | 6 | train-vae | failed |");
    assert_has(csv, "\r\nevaluate,test/negative_elbo,../b c,2,8.5,");
    assert_has(csv, ",6,,\r\n");
}

static void one_seed_has_no_winner(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae, one_cell, &none);
    const char *html = report_text(world, "index.html");
    assert_null(strstr(html, "<b>"));
    assert_null(strstr(html, "Comparison"));
    assert_has(html, "One seed");
    assert_false(report_has(world, "loss-by-variant.svg"));
    assert_true(report_has(world, "loss.svg"));
}

static void nothing_run_is_a_report_too(void **state)
{
    struct world *world = *state;
    report_on(world, NULL, one_cell, &none);
    const char *html = report_text(world, "index.html");
    assert_has(html, "4 of 4 stages have no result");
    assert_has(html, "not run yet");
}

static void a_new_report_replaces_the_old_one_whole(void **state)
{
    struct world *world = *state;
    struct err err;
    report_on(world, leave_vae, two_variants, &none);
    static const char *const files[] = {"index.html", "ablation.csv", "loss.svg",
                                        "wrong-label-5x5.png", REPORT_STAMP};
    struct id before[5], after;
    for (int i = 0; i < 5; i++)
        OK(sha256_file(&before[i], NULL, report_path(world, files[i]), &err));
    OK(file_publish(report_path(world, "stale.png"), "x", 1, &err));
    OK(report_again(world, &err));
    for (int i = 0; i < 5; i++) {
        OK(sha256_file(&after, NULL, report_path(world, files[i]), &err));
        assert_string_equal(after.hex, before[i].hex);
    }
    assert_false(report_has(world, "stale.png"));
    const char *stamp = report_text(world, REPORT_STAMP);
    assert_int_equal(strncmp(stamp, report_stamp(&world->experiment, &world->resolution).hex, 64),
                     0);
    assert_false(file_exists(
        arena_printf(&world->lab->arena, "%s/reports/.t.%ld", world->lab->path, (long)getpid())));
}

/* Whatever a variant is called, its pictures have a place, and nothing else has. */
static void every_name_has_a_place(void **state)
{
    struct world *world = *state;
    report_on(world, leave_names,
              "name: t\npreprocess: {source: {format: shapes}}\ntrain-classifier: {}\n"
              "train-vae: {}\nevaluate: {}\nvary:\n  index.html: {}\n"
              "  loss.svg: {train-vae.train.lr: 0.5}\n  variants: {train-vae.train.lr: 0.6}\n"
              "  ablation.md: {train-vae.train.lr: 0.7}\n",
              &none);
    static const char *const files[] = {"index.html",
                                        "loss.svg",
                                        "ablation.md",
                                        "variants/loss.svg/seed-0/loss.svg",
                                        "variants/variants/seed-0/loss.svg",
                                        "variants/ablation.md/seed-0/class-grid.png"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!report_has(world, files[i]))
            fail_msg("'%s' is not there", files[i]);

    struct text grid = {0}; /* names of more than 255 bytes, which no folder can have */
    text_printf(&grid,
                "name: t\npreprocess: {source: {format: shapes}}\ntrain-classifier: {}\n"
                "train-vae: {}\nevaluate: {}\nvary: {train-vae.train.lr: [0.5%0300d, 0.6%0300d]}\n",
                0, 0);
    report_on(world, leave_names, grid.data, &none);
    text_free(&grid);
}

/* Words that a viewer of Markdown would take for its own. */
static void a_question_is_only_words(void **state)
{
    struct world *world = *state;
    report_on(world, leave_vae,
              "# Is <script>alert(1)</script>\n# # big?\nname: t\n"
              "preprocess: {source: {format: shapes}}\ntrain-classifier: {}\ntrain-vae: {}\n"
              "evaluate: {}\nvary: {<img src=x>: {}, b: {train-vae.train.lr: 0.5}}\n",
              &none);
    const char *md = report_text(world, "ablation.md"), *html = report_text(world, "index.html");
    assert_has(md, "# t\n\nIs \\<script\\>alert(1)\\</script\\>\n\\# big?\n\n|");
    assert_has(md, "Differences are to \\<img src=x\\>,");
    assert_null(strstr(html, "<script>"));
}

/* The page is written, with a line where each plot would be, and is not the last word. */
static void a_page_does_without_plots(void **state)
{
    struct world *world = *state;
    char *before = strdup(getenv("PATH"));
    setenv("PATH", world->lab->path, 1);
    report_on(world, leave_vae, two_variants, &none);
    setenv("PATH", before, 1);
    const char *html = report_text(world, "index.html"), *stamp = report_text(world, REPORT_STAMP);
    assert_has(html, "<p class=\"note\">No plot: &#39;gnuplot&#39; is not installed; plots need it."
                     "</p>\n<figcaption>Training of train-vae by epoch: a, seed 4.</figcaption>");
    assert_has(html, "<img src=\"wrong-label-5x5.png\"");
    assert_null(strstr(html, ".svg\""));
    assert_false(report_has(world, "loss.svg"));
    assert_has(stamp, "\nwithout plots\n");
    free(before);
}

static void bad_artifacts_are_errors(void **state)
{
    static const struct refusal cases[] = {
        {{.file = "metrics.json", .content = "[1]"},
         "metrics.json of 'evaluate': not an object of numbers"},
        {{.file = "metrics.json", .content = "{\"test/psnr\": \"good\"}"},
         "'test/psnr' is not a number"},
        {{.file = "metrics.json", .content = "{"}, "metrics.json of 'evaluate': "},
        {{.file = "history.csv", .content = "epoch,train/loss\n1,fast\n"},
         "'fast' in row 1 of column 'train/loss' is not a number"},
        {{.file = "history.csv", .content = "epoch,train/loss\n1,2,3\n"},
         "history.csv of 'train-vae': line 2 does not have 2 fields"},
        {{.labels = 24}, "'wrong_label_given' has 24 entries, not 25"},
    };
    (void)state;
    assert_refused(leave_vae, one_cell, cases, sizeof cases / sizeof *cases);
}

#define LONG                                                                                       \
    "a=0.1,a=0.2,a=0.3,a=0.4,a=0.5,a=0.6,a=0.7,a=0.8,a=0.9,a=1.0,a=1.1,a=1.2,a=1.3,a=1.4,a="
static void slugs_differ(void **state)
{
    (void)state;
    static const char file[] = "name: t\npreprocess: {source: {format: shapes}}\nvary:\n  a b: {}\n"
                               "  a?b: {}\n  a-b+2: {}\n  ..: {}\n  A-B: {}\n"
                               "  " LONG "1: {}\n  " LONG "2: {}\n";
    struct experiment experiment;
    struct arena arena = {0};
    struct err err;
    OK(experiment_parse(&experiment, "t.yaml", file, strlen(file), NULL, 0, &err));
    for (size_t v = 0; v < experiment.variant_count; v++) {
        const char *slug = variant_slug(&arena, &experiment, v);
        assert_true(*slug && *slug != '.' && !strchr(slug, '/') && !strchr(slug, ' '));
        for (size_t w = 0; w < v; w++)
            assert_int_not_equal(strcasecmp(slug, variant_slug(&arena, &experiment, w)), 0);
        assert_in_range(strlen(slug), 1, 80);
    }
    arena_free(&arena);
    experiment_free(&experiment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT_TEST(numbers_are_those_of_the_artifacts),
        REPORT_TEST(page_shows_everything),
        REPORT_TEST(pictures_have_their_names_and_sizes),
        REPORT_TEST(curves_are_means_over_seeds),
        REPORT_TEST(missing_cells_are_listed),
        REPORT_TEST(one_seed_has_no_winner),
        REPORT_TEST(nothing_run_is_a_report_too),
        REPORT_TEST(a_new_report_replaces_the_old_one_whole),
        REPORT_TEST(every_name_has_a_place),
        REPORT_TEST(a_question_is_only_words),
        REPORT_TEST(a_page_does_without_plots),
        cmocka_unit_test(bad_artifacts_are_errors),
        cmocka_unit_test(slugs_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
