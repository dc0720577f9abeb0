/* Memory: a step allocates nothing, and what training takes is known before its first step. And a
 * disk that is full when a checkpoint is to be written. */
#include "allocations.h"
#include "train_toy.h"

#include <sys/resource.h>

/* On stderr, which the parent reads: how many there were in the 50 steps after the first two. */
static void count_allocations(int call)
{
    static long before;
    if (call == 2)
        before = allocations;
    if (call == 52)
        dprintf(STDERR_FILENO, "allocations: %ld\n", allocations - before);
}

static void steps_allocate_nothing(void **state)
{
    (void)state;
    allocations_begin();
    for (int accumulate = 1; accumulate <= 2; accumulate++) {
        struct toy toy = toy_new();
        toy.train = 1024; /* 128 or 64 steps an epoch: no validation among them */
        toy.config.epochs = 1;
        toy.config.accumulate = accumulate;
        toy.config.ema = 0.9;
        toy.config.clip_norm = 1;
        toy.threads = 2;
        toy.each_step = count_allocations;
        toy_expect(&toy, STATUS_OK);
        char *log = toy_text(&toy, "stderr");
        if (!strstr(log, "allocations: 0\n"))
            fail_msg("%s", log);
        free(log);
        toy_end(&toy);
    }
}

/* ---- the figure that is printed before the run ---------------------------------------------- */

static int find_peak(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    if (!strcmp(row->name, "train/peak_bytes"))
        *(double *)user = row->value;
    return 0;
}

static double peak_bytes(const struct toy *toy)
{
    struct store *store = toy_store(toy);
    struct err err;
    double peak = 0;
    if (registry_metrics(store, 1, true, find_peak, &peak, &err))
        fail_msg("%s", err.text);
    store_close(store);
    return peak;
}

/* "memory 12.3 kB" in bytes. */
static double printed_bytes(const char *log)
{
    const char *at = strstr(log, "memory ");
    if (!at)
        fail_msg("no memory in '%s'", log);
    char *unit;
    double value = strtod(at + strlen("memory "), &unit);
    return value * (unit[1] == 'k' ? 1e3 : unit[1] == 'M' ? 1e6 : 1);
}

/* What is alive at once on any processor: 110 parameters that are trained, with gradient and two
 * moments, and of each case its pixels, the hidden layer and what is made of it. */
static double needed_bytes(const struct train_config *config)
{
    double cases = (double)config->batch / config->accumulate;
    return 4 * (4 * 110 + cases * (PIXELS + HIDDEN + PIXELS));
}

static void memory_is_known_before_the_first_step(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct toy toy = toy_new();
        toy.config.batch = i & 1 ? 512 : 64;
        toy.config.checkpoint.seconds = i & 1 ? 0 : 1000;
        toy.config.epochs = 2;
        toy.train = MAX_CASES / 2;
        toy.val = MAX_CASES / 4;
        if (i & 2)
            toy_use_everything(&toy);
        toy_expect(&toy, STATUS_OK);
        char *log = toy_text(&toy, "stderr");
        double printed = printed_bytes(log), peak = peak_bytes(&toy);
        free(log);
        assert_true(peak > needed_bytes(&toy.config));
        if (!(fabs(printed - peak) <= 0.05 * peak))
            fail_msg("printed %.0f, peak %.0f", printed, peak);
        toy_end(&toy);
    }
}

static void summary_says_what_is_trained(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy_expect(&toy, STATUS_OK);
    char *log = toy_text(&toy, "stderr");
    /* 6 scales, 6*8 + 8, 8*6 + 6 parameters; 48 + 48 multiply-adds */
    assert_non_null(strstr(log, "toy: 116 parameters, 96 multiply-adds per sample, memory "));
    assert_non_null(strstr(log, "toy: 40 steps of 8 samples, 8 per epoch, on cpu "));
    free(log);
    toy_end(&toy);
}

/* ---- a full disk ---------------------------------------------------------------------------- */

static void fill_disk(int call)
{
    signal(SIGXFSZ, SIG_IGN);
    if (call == 10)
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){2048, 2048});
}

static void a_full_disk_stops_cleanly(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.config.checkpoint.seconds = 0;
    toy.each_step = fill_disk;
    assert_int_equal(toy_wait(toy_start(&toy)), STATUS_IO);
    toy.each_step = NULL;
    toy_expect(&toy, STATUS_OK);
    struct toy_event resumed = toy_events(&toy, "resumed");
    assert_string_equal(resumed.first, "{\"step\": 10}");
    assert_int_equal(toy_events(&toy, "damaged").count, 0);
    assert_string_equal(toy_result(&toy).hex, toy_uninterrupted(&toy).hex);
    toy_end(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_allocate_nothing),
        cmocka_unit_test(memory_is_known_before_the_first_step),
        cmocka_unit_test(summary_says_what_is_trained),
        cmocka_unit_test(a_full_disk_stops_cleanly),
    };
    return cmocka_run_group_tests_name("train/memory", tests, NULL, NULL);
}
