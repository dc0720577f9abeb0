/* The table of metrics: names that are told apart, what is usual, and what needs what. */
#include "evaluate/evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void a_full_name_finds_its_row(void **state)
{
    (void)state;
    static const struct {
        const char *full, *name, *class;
        int better;
    } rows[] = {
        {"test/dice/foreground", "dice", "foreground", MORE},
        {"test/dice_per_case/left/atrium", "dice_per_case", "left/atrium", MORE},
        {"val/label_obedience/prior", "label_obedience/prior", "", MORE},
        {"test/negative_elbo", "negative_elbo", "", LESS},
        {"train/hd95_per_case/a", "hd95_per_case", "a", LESS},
        {"test/hd95_undefined/a", "hd95_undefined", "a", NEITHER},
        {"test/kl", "kl", "", NEITHER},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct metric_info *found = metric_find(rows[i].full);
        assert_non_null(found);
        assert_string_equal(found->name, rows[i].name);
        assert_string_equal(metric_class(found, rows[i].full), rows[i].class);
        assert_int_equal(found->better, rows[i].better);
    }
    static const char *const unknown[] = {"dice", "test/dic", "test/dicey",
                                          "",     "test/",    "a/b/dice"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_null(metric_find(unknown[i]));
}

static void no_two_rows_share_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < metric_count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(metric_table[i].name, metric_table[k].name);
}

static bool is_wanted(const struct evaluate_config *config, const char *full, unsigned has)
{
    return evaluate_wants(config, metric_find(full), has);
}

/* What encodes and decodes also gives back. */
enum { CODES = HAS_IMAGES | HAS_CODES };

/* Without a list: what is usual, of what the model can do, judged if there is a judge. */
static void what_is_usual(void **state)
{
    (void)state;
    const struct evaluate_config config = {0};
    static const struct {
        const char *full;
        bool given_back, images, judged, told, masks, both;
    } rows[] = {
        {"test/mse", true, true, true, true, false, true},
        {"test/mae", false, false, false, false, false, false},
        {"test/kl", false, true, true, true, false, true},
        {"test/negative_iw_bound", false, false, false, false, false, false},
        {"test/fd_judge/prior", false, false, true, true, false, false},
        {"test/judge_accuracy", false, false, true, true, false, false},
        {"test/label_obedience/prior", false, false, false, true, false, false},
        {"test/iou_per_case/a", false, false, false, false, true, true},
        {"test/boundary_f_per_case/a", false, false, false, false, true, true},
        {"test/hd95_per_case/a", false, false, false, false, false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(is_wanted(&config, rows[i].full, HAS_IMAGES), rows[i].given_back);
        assert_int_equal(is_wanted(&config, rows[i].full, CODES), rows[i].images);
        assert_int_equal(is_wanted(&config, rows[i].full, CODES | HAS_JUDGE), rows[i].judged);
        assert_int_equal(is_wanted(&config, rows[i].full, CODES | HAS_JUDGE | HAS_LABELS),
                         rows[i].told);
        assert_int_equal(is_wanted(&config, rows[i].full, HAS_MASKS), rows[i].masks);
        assert_int_equal(is_wanted(&config, rows[i].full, CODES | HAS_MASKS), rows[i].both);
    }
}

/* With a list: it alone, with the other names of its keys and what its work gives anyway. */
static void what_is_listed(void **state)
{
    (void)state;
    int64_t keys[] = {METRIC_hd95, METRIC_fd_judge};
    const struct evaluate_config config = {.metrics = {2, keys}};
    const unsigned has = HAS_ALL;
    assert_true(is_wanted(&config, "test/hd95_per_case/a", has));
    assert_true(is_wanted(&config, "test/hd95_undefined/a", has));
    assert_true(is_wanted(&config, "test/fd_judge/prior", has));
    assert_true(is_wanted(&config, "test/judge_accuracy", has));
    assert_false(is_wanted(&config, "test/surface_dice_per_case/a", has));
    assert_false(is_wanted(&config, "test/label_obedience/prior", has));
    assert_false(is_wanted(&config, "test/mse", has));
    assert_int_equal(evaluate_needs(&config, has), NEED_SURFACES | NEED_FEATURES);
    assert_int_equal(evaluate_needs(&config, HAS_MASKS), NEED_SURFACES);
    const struct evaluate_config bounded = {.metrics = {1, keys}, .importance_samples = 2};
    assert_true(is_wanted(&bounded, "test/negative_iw_bound", HAS_ALL));
    assert_false(is_wanted(&bounded, "test/negative_iw_bound", HAS_MASKS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_name_finds_its_row),
        cmocka_unit_test(no_two_rows_share_a_name),
        cmocka_unit_test(what_is_usual),
        cmocka_unit_test(what_is_listed),
    };
    return cmocka_run_group_tests_name("evaluate_metrics", tests, NULL, NULL);
}
