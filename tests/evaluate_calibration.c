/* The expected calibration error, against scikit-learn's reliability curves (scripts/golden-calibration.py)
 * and against what must hold. */
#include "evaluate/calibration.h"

#include "near.h"

static const struct {
    int count, classes, rule;
    double error;
} golden[] = {
#include "golden/calibration.def"
};

static void as_scikit_learns_curves_say(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof golden / sizeof *golden; k++) {
        struct calibration calibration = {0};
        double least = 1.0 / golden[k].classes;
        for (int i = 0; i < golden[k].count; i++)
            calibration_add(&calibration, (float)(least + (1 - least) * (i * i * 31 % 1009) / 1008),
                            i % (golden[k].rule + 1) > 0);
        near(calibration_error(&calibration), golden[k].error, 1e-12);
    }
}

/* Half of what is said with 0.5 is right, all that is said with 1; nothing that is said with 0. */
static void what_is_calibrated_has_no_error(void **state)
{
    (void)state;
    struct calibration calibration = {0};
    assert_true(isnan(calibration_error(&calibration)));
    calibration_add(&calibration, 0, false);
    for (int i = 0; i < 10; i++) {
        calibration_add(&calibration, 0.5, i % 2);
        calibration_add(&calibration, 1, true);
    }
    near(calibration_error(&calibration), 0, 1e-15);
    calibration_add(&calibration, 1, false);
    near(calibration_error(&calibration), 1.0 / 22, 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_scikit_learns_curves_say),
        cmocka_unit_test(what_is_calibrated_has_no_error),
    };
    return cmocka_run_group_tests_name("evaluate_calibration", tests, NULL, NULL);
}
