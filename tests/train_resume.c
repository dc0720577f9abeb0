/* Stopping and going on: whatever happens on the way, the result is that of an undisturbed run. */
#include "train_toy.h"

#include <fcntl.h>
#include <sys/stat.h>

static void same_result(struct toy *toy)
{
    struct id want = toy_uninterrupted(toy), got = toy_result(toy);
    assert_string_equal(got.hex, want.hex);
}

/* The child says through a pipe when it has come to its first step. After ten more it waits for
 * its end: a fast machine must not finish the training while it is still being killed. */
static int running[2];
static void say_running(int call)
{
    if (!call && write(running[1], "", 1) != 1)
        _exit(97);
    while (call == 10)
        pause();
}

static void killed_at_random_moments(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy_use_everything(&toy);
    toy.config.epochs = 30;
    toy.config.checkpoint.seconds = 0;
    toy.each_step = say_running;
    srand(7);
    int killed = 0;
    for (int i = 0; i < 20; i++) {
        char byte;
        assert_int_equal(pipe(running), 0);
        pid_t child = toy_start(&toy);
        close(running[1]);
        if (i % 4) /* every fourth dies before or while it starts */
            assert_int_equal(read(running[0], &byte, 1), 1);
        usleep((unsigned)(rand() % 30000));
        kill(child, SIGKILL);
        killed += toy_wait(child) == -SIGKILL;
        close(running[0]);
    }
    toy.each_step = NULL;
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(killed, 20);
    assert_true(toy_events(&toy, "resumed").count >= 14);
    assert_int_equal(toy_events(&toy, "damaged").count, 0);
    same_result(&toy);
    toy_end(&toy);
}

static void killed_before_chosen_steps(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.config.checkpoint.seconds = 0;
    toy.config.early_stopping.present = true;
    toy.config.early_stopping.patience = 3;
    toy.signal = SIGKILL;
    static const int steps[] = {1, 2, 8, 9, 10, 17, 39, 40}; /* 8 steps an epoch, 40 in all */
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        toy.signal_at = steps[i];
        toy_expect(&toy, -SIGKILL);
    }
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "resumed").count, 8);
    same_result(&toy);
    toy_end(&toy);
}

/* The first is due at once; for the next there is not the time. */
static void checkpoints_take_no_more_than_their_share(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.config.checkpoint.seconds = 0;
    toy.config.checkpoint.share = 1e-9;
    toy.signal = SIGKILL;
    toy.signal_at = 20;
    toy_expect(&toy, -SIGKILL);
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    assert_string_equal(toy_events(&toy, "resumed").first, "{\"step\": 0}");
    same_result(&toy);
    toy_end(&toy);
}

static void without_checkpoints_it_starts_again(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.signal = SIGKILL;
    toy.signal_at = 20;
    toy_expect(&toy, -SIGKILL);
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "resumed").count, 0);
    same_result(&toy);
    toy_end(&toy);
}

static void signals_stop_at_a_step_boundary(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR2};
    struct toy toy = toy_new();
    toy_use_everything(&toy);
    for (int i = 0; i < 3; i++) {
        toy.signal = signals[i];
        toy.signal_at = 3 + 8 * i;
        toy_expect(&toy, STATUS_STOPPED);
        char want[128], *text = toy_text(&toy, "error");
        snprintf(want, sizeof want, "stopped at step %d of 40; run the same command to continue",
                 3 + 8 * i);
        assert_string_equal(text, want);
        free(text);
    }
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    struct toy_event resumed = toy_events(&toy, "resumed");
    assert_int_equal(resumed.count, 3);
    assert_string_equal(resumed.first, "{\"step\": 3}");
    same_result(&toy);
    toy_end(&toy);
}

static int stops_in_validation;
static void stop_in_validation(int call)
{
    /* the 8th step ends the epoch: the flag is set before it and found after it */
    if (call == 7 && stops_in_validation)
        raise(SIGTERM);
}

static void a_stop_at_the_end_of_an_epoch_loses_no_row(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.each_step = stop_in_validation;
    stops_in_validation = 1;
    toy_expect(&toy, STATUS_STOPPED);
    stops_in_validation = 0;
    toy_expect(&toy, STATUS_OK);
    struct toy_event resumed = toy_events(&toy, "resumed");
    assert_string_equal(resumed.first, "{\"step\": 8}");
    toy.each_step = NULL;
    same_result(&toy);
    toy_end(&toy);
}

static void resuming_keeps_the_number_of_threads(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.threads = 3;
    toy.signal = SIGTERM;
    toy.signal_at = 12;
    toy_expect(&toy, STATUS_STOPPED);
    toy.signal_at = 0;
    toy.threads = 1;
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "numerics").count, 0);
    struct store *store = toy_store(&toy);
    struct arena arena = {0};
    struct run_row row;
    struct err err;
    if (registry_find_run(store, toy_result(&toy).hex, &arena, &row, &err))
        fail_msg("%s", err.text);
    assert_true(ends_with(row.numerics, "threads 3"));
    arena_free(&arena);
    store_close(store);
    toy.threads = 3;
    same_result(&toy);
    toy_end(&toy);
}

static void linger(int call)
{
    if (!call)
        usleep(300000);
}

static int find_seconds(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    if (!strcmp(row->name, "train/seconds"))
        *(double *)user = row->value;
    return 0;
}

static void the_time_before_a_stop_counts(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    struct err err;
    double seconds = 0;
    toy.each_step = linger;
    toy.signal = SIGTERM;
    toy.signal_at = 3;
    toy_expect(&toy, STATUS_STOPPED);
    toy.each_step = NULL;
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    struct store *store = toy_store(&toy);
    assert_int_equal(registry_metrics(store, 2, true, find_seconds, &seconds, &err), 0);
    store_close(store);
    assert_true(seconds >= 0.3);
    toy_end(&toy);
}

/* ---- damage --------------------------------------------------------------------------------- */

/* Names of the checkpoints there are, sorted by step; returns how many. */
static int list_checkpoints(char paths[8][PATH_BYTES], const struct toy *toy, int64_t steps[8])
{
    char folder[PATH_BYTES - 256];
    struct id recipe = sha256_of(toy_recipe(toy), strlen(toy_recipe(toy)));
    snprintf(folder, sizeof folder, "%s/work/%s", toy->lab, recipe.hex);
    int count = 0;
    for (int64_t step = 0; step < 200 && count < 8; step++) {
        snprintf(paths[count], PATH_BYTES, "%s/checkpoint-%lld.safetensors", folder,
                 (long long)step);
        if (file_exists(paths[count]))
            steps[count++] = step;
    }
    return count;
}

static void flip_bit(const char *path, off_t from_end, int bit)
{
    int fd = open(path, O_RDWR);
    unsigned char byte;
    off_t at = lseek(fd, -from_end, SEEK_END);
    assert_true(fd >= 0 && at >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= (unsigned char)(1 << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void stop_at_20_with_two_checkpoints(struct toy *toy, char paths[8][PATH_BYTES])
{
    int64_t steps[8];
    toy->config.checkpoint.seconds = 0;
    toy->signal = SIGTERM;
    toy->signal_at = 20;
    toy_expect(toy, STATUS_STOPPED);
    toy->signal_at = 0;
    assert_int_equal(list_checkpoints(paths, toy, steps), 2);
    assert_int_equal(steps[0], 19);
    assert_int_equal(steps[1], 20);
}

/* What a stray write over the heap leaves beside a block. */
static struct meter *overwritten;
static void overwrite(int call)
{
    void *block;
    struct err err;
    if (call == 5 && !block_alloc(&block, 64, overwritten, &err))
        ((unsigned char *)block)[64] = 0;
}

static void expect_nothing_kept(struct toy *toy, const char *why)
{
    int64_t steps[8];
    char paths[8][PATH_BYTES];
    toy_expect(toy, STATUS_FAILED);
    char *text = toy_text(toy, "error"), start[128];
    snprintf(start, sizeof start, "the training cannot be saved: %s", why);
    assert_ptr_equal(strstr(text, start), text);
    free(text);
    assert_int_equal(list_checkpoints(paths, toy, steps), 0);
}

static void overwritten_memory_is_never_kept(void **state)
{
    (void)state;
#if defined __SANITIZE_ADDRESS__
    skip();
#endif
    for (int stopped = 0; stopped < 2; stopped++) { /* in a checkpoint, and in the result */
        struct toy toy = toy_new();
        overwritten = &toy.meter;
        toy.each_step = overwrite;
        toy.signal = SIGTERM;
        toy.signal_at = stopped ? 7 : 0;
        expect_nothing_kept(&toy, "memory next to a block of 64 bytes was overwritten");
        toy.each_step = NULL;
        toy.signal_at = 0;
        toy_expect(&toy, STATUS_OK);
        same_result(&toy);
        toy_end(&toy);
    }
}

static void numbers_that_are_none_are_never_kept(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.huge = true;
    toy.signal = SIGTERM;
    toy.signal_at = 3;
    expect_nothing_kept(&toy, "value 0 of 'v/toy.hidden.");
    toy_end(&toy);
}

static void a_damaged_checkpoint_is_passed_over(void **state)
{
    (void)state;
    static const off_t where[] = {3, 200, 900}; /* bytes before the end: all inside the data */
    for (int i = 0; i < 4; i++) {
        struct toy toy = toy_new();
        char paths[8][PATH_BYTES];
        stop_at_20_with_two_checkpoints(&toy, paths);
        if (i < 3)
            flip_bit(paths[1], where[i], 2);
        else
            assert_int_equal(truncate(paths[1], 1000), 0);
        toy_expect(&toy, STATUS_OK);
        struct toy_event damaged = toy_events(&toy, "damaged");
        struct toy_event resumed = toy_events(&toy, "resumed");
        assert_int_equal(damaged.count, 1);
        assert_non_null(strstr(damaged.first, "checkpoint-20.safetensors"));
        char *said = toy_text(&toy, "stderr");
        assert_non_null(strstr(said, "/checkpoint-20.safetensors' is not used: "));
        free(said);
        assert_string_equal(resumed.first, "{\"step\": 19}");
        same_result(&toy);
        toy_end(&toy);
    }
}

/* The header's bytes are as good as the others: each training goes two steps on, of which the flip
 * in its last checkpoint takes one back. */
static void one_bit_anywhere_in_a_checkpoint_is_found(void **state)
{
    (void)state;
    enum { FLIPS = 40 };
    struct toy toy = toy_new();
    char paths[8][PATH_BYTES];
    struct stat st;
    toy.config.epochs = 10;
    stop_at_20_with_two_checkpoints(&toy, paths);
    toy.signal = SIGTERM;
    srand(11);
    for (int i = 0; i < FLIPS; i++) {
        int64_t steps[8];
        assert_int_equal(list_checkpoints(paths, &toy, steps), 2);
        assert_int_equal(stat(paths[1], &st), 0);
        off_t from_end = 1 + rand() % st.st_size;
        flip_bit(paths[1], from_end, rand() % 8);
        toy.signal_at = 21 + i;
        toy_expect(&toy, STATUS_STOPPED);
        if (toy_events(&toy, "damaged").count != i + 1)
            fail_msg("not found: a bit %lld bytes before the end", (long long)from_end);
    }
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "resumed").count, FLIPS + 1);
    same_result(&toy);
    toy_end(&toy);
}

/* Another seed of the same training: everything fits but the recipe. */
static void a_checkpoint_of_another_recipe_is_not_continued(void **state)
{
    (void)state;
    struct toy toy = toy_new(), other = toy_new();
    char own[8][PATH_BYTES], foreign[8][PATH_BYTES];
    other.other = true;
    stop_at_20_with_two_checkpoints(&toy, own);
    stop_at_20_with_two_checkpoints(&other, foreign);
    assert_int_equal(rename(foreign[1], own[1]), 0);
    toy_expect(&toy, STATUS_OK);
    struct toy_event damaged = toy_events(&toy, "damaged");
    assert_int_equal(damaged.count, 1);
    assert_non_null(strstr(damaged.first, "it belongs to recipe"));
    assert_string_equal(toy_events(&toy, "resumed").first, "{\"step\": 19}");
    same_result(&toy);
    toy_end(&toy);
    toy_end(&other);
}

/* What waits for the end of the training must come to it as it was written. */
static void a_kept_epoch_that_changed_is_not_delivered(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    char paths[8][PATH_BYTES], epoch[PATH_BYTES];
    toy.config.checkpoint.keep = KEEP_ALL;
    stop_at_20_with_two_checkpoints(&toy, paths);
    snprintf(epoch, sizeof epoch, "%.*s/epoch-001.safetensors",
             (int)(strrchr(paths[0], '/') - paths[0]), paths[0]);
    flip_bit(epoch, 5, 1);
    toy_expect(&toy, STATUS_BAD_DATA);
    char *error = toy_text(&toy, "error");
    assert_non_null(strstr(error, "epoch-001.safetensors' is damaged"));
    free(error);
    flip_bit(epoch, 5, 1);
    toy_expect(&toy, STATUS_OK);
    same_result(&toy);
    toy_end(&toy);
}

static void all_damaged_means_from_the_start(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    char paths[8][PATH_BYTES];
    stop_at_20_with_two_checkpoints(&toy, paths);
    flip_bit(paths[0], 3, 2);
    assert_int_equal(truncate(paths[1], 0), 0);
    toy_expect(&toy, STATUS_OK);
    assert_int_equal(toy_events(&toy, "damaged").count, 2);
    assert_int_equal(toy_events(&toy, "resumed").count, 0);
    same_result(&toy);
    toy_end(&toy);
}

static void a_torn_writer_s_leftovers_are_removed(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    char paths[8][PATH_BYTES], torn[PATH_BYTES];
    struct err err;
    stop_at_20_with_two_checkpoints(&toy, paths);
    snprintf(torn, sizeof torn, "%.*s/checkpoint-7.safetensors.part",
             (int)(strrchr(paths[0], '/') - paths[0]), paths[0]);
    assert_int_equal(file_publish(torn, "torn", 4, &err), 0);
    toy.signal_at = 22;
    toy_expect(&toy, STATUS_STOPPED);
    assert_false(file_exists(torn));
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    same_result(&toy);
    toy_end(&toy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_before_chosen_steps),
        cmocka_unit_test(killed_at_random_moments),
        cmocka_unit_test(checkpoints_take_no_more_than_their_share),
        cmocka_unit_test(without_checkpoints_it_starts_again),
        cmocka_unit_test(signals_stop_at_a_step_boundary),
        cmocka_unit_test(a_stop_at_the_end_of_an_epoch_loses_no_row),
        cmocka_unit_test(resuming_keeps_the_number_of_threads),
        cmocka_unit_test(the_time_before_a_stop_counts),
        cmocka_unit_test(overwritten_memory_is_never_kept),
        cmocka_unit_test(numbers_that_are_none_are_never_kept),
        cmocka_unit_test(a_damaged_checkpoint_is_passed_over),
        cmocka_unit_test(one_bit_anywhere_in_a_checkpoint_is_found),
        cmocka_unit_test(a_checkpoint_of_another_recipe_is_not_continued),
        cmocka_unit_test(a_kept_epoch_that_changed_is_not_delivered),
        cmocka_unit_test(all_damaged_means_from_the_start),
        cmocka_unit_test(a_torn_writer_s_leftovers_are_removed),
    };
    return cmocka_run_group_tests_name("train/resume", tests, NULL, NULL);
}
