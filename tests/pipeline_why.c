/* Why a run differs from those before it, in a registry that has grown long. */
#include "store_db.h"

#include "pipeline/resolve.h"

#include <time.h>

enum { RUNS = 10000, RECIPES = 100 };

/* What run N was: a hundred rates in turn, and the seed changes with every fifth. */
static char *recipe_of(int64_t number)
{
    return xprintf("stage=train-vae\nversion=1\nseed=%d\ntrain.lr=%d\n", (int)(number / 5 % 2),
                   (int)(number % RECIPES));
}

static void fill(struct lab *lab)
{
    struct err err;
    OK(run_once(lab, "recipe", "weights", false, &err));
    db_run(lab,
           "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
           "INSERT INTO run SELECT i, stage, recipe, 'done', started, seconds, build, numerics, "
           "config, error, printf('%d', i), owner_host, owner_boot, owner_pid, owner_start "
           "FROM n, run WHERE run.id = 1");
    struct text sql = {0};
    text_puts(&sql, "BEGIN;");
    for (int i = 0; i < RECIPES; i++) {
        struct id id;
        char *text = recipe_of(i);
        OK(object_put(lab->store, text, strlen(text), &id, &err));
        text_printf(&sql, "UPDATE run SET recipe = '%s' WHERE id %% %d = %d;", id.hex, RECIPES, i);
        free(text);
    }
    text_puts(&sql, "COMMIT");
    db_run(lab, sql.data);
    text_free(&sql);
}

static void why(struct lab *lab, int64_t run, int64_t nearest, const char *items)
{
    struct err err;
    struct text text = {0};
    int64_t other;
    OK(why_nearest(&other, lab->store, run, &err));
    assert_int_equal(other, nearest);
    OK(why_differ(&text, lab->store, other, run, &err));
    assert_string_equal(text.data, items);
    text_free(&text);
}

static void the_nearest_is_found_among_those_before(void **state)
{
    struct lab *lab = *state;
    fill(lab);
    /* one key differs from the one just before it, although thousands are newer */
    why(lab, 47, 46, "train-vae.train.lr: 46 -> 47\n");
    why(lab, 9047, 9046, "train-vae.train.lr: 46 -> 47\n");
    /* two differ from the five before it, one from the sixth */
    why(lab, 9045, 9039, "train-vae.train.lr: 39 -> 45\n");
}

static void a_run_repeated_for_ever_is_one_recipe(void **state)
{
    struct lab *lab = *state;
    fill(lab);
    db_run(lab, "UPDATE run SET recipe = (SELECT recipe FROM run WHERE id = 9047) "
                "WHERE id BETWEEN 9048 AND 9900");
    why(lab, 9900, 9046, "train-vae.train.lr: 46 -> 47\n");
}

/* make and make -j2 give one recipe two results. */
static void numerics_are_a_reason_too(void **state)
{
    struct lab *lab = *state;
    fill(lab);
    db_run(lab, "UPDATE run SET numerics = 'cpu v3 library 2 threads 2';"
                "UPDATE run SET numerics = 'cpu v3 library 2 threads 11' WHERE id = 9047;"
                "UPDATE run SET numerics = 'cpu v4 library 2 threads 2' WHERE id = 9147;"
                "UPDATE run SET numerics = NULL WHERE id = 9247");
    struct err err;
    struct text text = {0};
    OK(why_differ(&text, lab->store, 8947, 9047, &err));
    OK(why_differ(&text, lab->store, 8947, 9147, &err));
    OK(why_differ(&text, lab->store, 9147, 9247, &err));
    OK(why_differ(&text, lab->store, 8947, 9347, &err));
    assert_string_equal(
        text.data, "train-vae threads: 2 -> 11\n"
                   "train-vae numerics: cpu v3 library 2 threads 2 -> cpu v4 library 2 threads 2\n"
                   "train-vae numerics: cpu v4 library 2 threads 2 -> none\n");
    text_free(&text);
    why(lab, 9047, 9046, "train-vae.train.lr: 46 -> 47\ntrain-vae threads: 2 -> 11\n");
}

/* The only other run is of the same recipe. */
static void a_run_repeated_with_other_threads(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t other;
    OK(run_once(lab, "stage=train-vae\n", "weights", false, &err));
    OK(run_once(lab, "stage=train-vae\n", "weights", true, &err));
    OK(run_once(lab, "stage=train-vae\n", "weights", true, &err));
    db_run(lab, "UPDATE run SET numerics = 'cpu v3 library 2 threads ' || max(id, 2)");
    why(lab, 3, 2, "train-vae threads: 2 -> 3\n");
    OK(why_nearest(&other, lab->store, 2, &err));
    assert_int_equal(other, 0);
}

static void an_answer_among_ten_thousand_runs(void **state)
{
    struct lab *lab = *state;
    struct err err;
    fill(lab);
    double best = 1e9, worst = 0;
    for (int i = 0; i < 20; i++) {
        struct timespec start, end;
        struct text text = {0};
        int64_t other;
        clock_gettime(CLOCK_MONOTONIC, &start);
        OK(why_nearest(&other, lab->store, RUNS - i, &err));
        OK(why_differ(&text, lab->store, other, RUNS - i, &err));
        clock_gettime(CLOCK_MONOTONIC, &end);
        text_free(&text);
        double took = (double)(end.tv_sec - start.tv_sec) * 1e3 +
                      (double)(end.tv_nsec - start.tv_nsec) * 1e-6;
        best = took < best ? took : best;
        worst = took > worst ? took : worst;
    }
    print_message("# why among %d runs: %.2f to %.2f ms\n", RUNS, best, worst);
    assert_true(best < 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(the_nearest_is_found_among_those_before),
        LAB_TEST(a_run_repeated_for_ever_is_one_recipe),
        LAB_TEST(numerics_are_a_reason_too),
        LAB_TEST(a_run_repeated_with_other_threads),
        LAB_TEST(an_answer_among_ten_thousand_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
