/*
 * A step's scalars go in at once, come out at once, and are read while the next step runs; where they
 * are needed they have been read; and what is not finite is found a step late, but stops all updates at
 * once and is told as if it had been found in its step.
 */
#include "late_backend.h"
#include "train_toy.h"

/* ---- when ----------------------------------------------------------------------------------- */

/* Before each step, what there was since the one before: a line on stderr, which the parent reads. */
static void tell_traffic(int call)
{
    dprintf(STDERR_FILENO, "call %d: %d puts %d fetches, %d unread, %d strange %d early\n", call,
            wire.puts, wire.fetches, (int)(wire.fetched - wire.awaited), wire.strange_puts,
            wire.early_gets);
    wire.puts = wire.fetches = wire.strange_puts = wire.early_gets = 0;
}

static struct toy late_toy(void)
{
    struct toy toy = toy_new();
    toy.config.epochs = 3;
    toy.each_step = tell_traffic;
    toy.opened = make_late;
    return toy;
}

/* In each of an epoch's steps, and for the batches of the validation at its end. */
struct traffic {
    int steps, puts, fetches, end;
    bool flushed; /* after every step, not every epoch alone */
};

static void expect_traffic(const struct toy *toy, struct traffic want)
{
    char *log = toy_text(toy, "stderr");
    for (int call = 1; call < 3 * want.steps; call++) {
        char line[128];
        bool first = call % want.steps == 0;
        snprintf(line, sizeof line, "call %d: %d puts %d fetches, %d unread, 0 strange 0 early\n",
                 call, want.puts + first * want.end, want.fetches + first * want.end,
                 first || want.flushed ? 0 : want.fetches);
        if (!strstr(log, line))
            fail_msg("no '%s' in\n%s", line, log);
    }
    free(log);
}

static void one_put_and_one_fetch_a_step(void **state)
{
    (void)state;
    struct toy toy = late_toy();
    toy_expect(&toy, STATUS_OK);
    expect_traffic(&toy, (struct traffic){.steps = 8, .puts = 1, .fetches = 1, .end = 3});
    assert_string_equal(toy_result(&toy).hex, toy_uninterrupted(&toy).hex);
    toy_end(&toy);
}

/* 64 cases are 8 batches, two a step, and what they have gathered is applied by a third program, with
 * the norm to tell; the validation is of 24 cases by 4. */
static void accumulating_one_of_each_a_batch(void **state)
{
    (void)state;
    struct toy toy = late_toy();
    toy_use_everything(&toy);
    toy_expect(&toy, STATUS_OK);
    expect_traffic(&toy, (struct traffic){.steps = 8, .puts = 3, .fetches = 3, .end = 6});
    assert_string_equal(toy_result(&toy).hex, toy_uninterrupted(&toy).hex);
    toy_end(&toy);
}

/* An image that is too large to be put with the scalars is put by itself, out of the loader's memory. */
static void what_is_large_is_put_by_itself(void **state)
{
    (void)state;
    struct toy toy = late_toy();
    toy.config.batch = 512;
    toy.train = 1024;
    toy.val = 0;
    toy_expect(&toy, STATUS_OK);
    expect_traffic(&toy, (struct traffic){.steps = 2, .puts = 2, .fetches = 1});
    toy_end(&toy);
}

static void a_checkpoint_has_all_that_was_before_it(void **state)
{
    (void)state;
    struct toy toy = late_toy();
    toy.config.checkpoint.seconds = 0;
    toy_expect(&toy, STATUS_OK);
    expect_traffic(
        &toy, (struct traffic){.steps = 8, .puts = 1, .fetches = 1, .end = 3, .flushed = true});
    assert_string_equal(toy_result(&toy).hex, toy_uninterrupted(&toy).hex);
    toy_end(&toy);
}

static void a_stop_has_all_that_was_before_it(void **state)
{
    (void)state;
    struct toy toy = late_toy();
    toy.signal = SIGTERM;
    toy.signal_at = 13;
    toy_expect(&toy, STATUS_STOPPED);
    toy.signal_at = 0;
    toy_expect(&toy, STATUS_OK);
    assert_string_equal(toy_events(&toy, "resumed").first, "{\"step\": 13}");
    assert_string_equal(toy_result(&toy).hex, toy_uninterrupted(&toy).hex);
    toy_end(&toy);
}

/* ---- what is not finite --------------------------------------------------------------------- */

static void expect_error(struct toy *toy, const char *text)
{
    toy_expect(toy, STATUS_FAILED);
    char *got = toy_text(toy, "error");
    if (!strstr(got, text))
        fail_msg("'%s' lacks '%s'", got, text);
    free(got);
}

/* A hash of what each array was in the end. */
static void tell_freed(const void *block, size_t bytes)
{
    dprintf(STDERR_FILENO, "freed %zu: %s\n", bytes, sha256_of(block, bytes).hex);
}

static void make_late_and_tell(struct backend *backend)
{
    make_late(backend);
    wire.freed = tell_freed;
}

/* Of blocks of this size, number i in the order in which they were freed. */
static struct id freed(const struct toy *toy, size_t bytes, int i)
{
    char *log = toy_text(toy, "stderr"), start[64];
    struct id id;
    snprintf(start, sizeof start, "freed %zu: ", bytes);
    const char *at = strstr(log, start);
    while (at && i--)
        at = strstr(at + 1, start);
    if (!at)
        fail_msg("no more '%s' in\n%s", start, log);
    memcpy(id.hex, at + strlen(start), sizeof id.hex - 1);
    id.hex[sizeof id.hex - 1] = 0;
    free(log);
    return id;
}

/* The arrays of group "net": 128 numbers, padding included, in the order of enum array; its state, 16
 * numbers, after the two arrays that the frozen group has, of which one is the average. */
enum { NET_BYTES = 4 * 128, STATE_BYTES = 4 * 16 };

/* Step number `step` of `bad` and the one after it leave everything as the steps before have left it; the
 * running state that is written before the loss is known is that of the first of their batches. */
static void expect_kept(struct toy bad, int step, const char *error)
{
    struct toy before = bad, with = bad;
    before.nan_at = with.nan_at = before.huge_at = with.huge_at = 0;
    before.config.steps = step - 1;
    with.config.steps = step;
    before.recipe = "before\n";
    with.recipe = "with\n";
    struct id want[4], state;
    static const int arrays[] = {ARRAY_PARAM, ARRAY_M, ARRAY_V, ARRAY_EMA};
    toy_expect(&before, STATUS_OK);
    for (int i = 0; i < 4; i++)
        want[i] = freed(&before, NET_BYTES, arrays[i]);
    toy_expect(&with, STATUS_OK);
    state = freed(&with, STATE_BYTES, 2);
    for (int i = 0; i < 4; i++)
        assert_string_not_equal(freed(&with, NET_BYTES, arrays[i]).hex, want[i].hex);

    expect_error(&bad, error);
    for (int i = 0; i < 4; i++)
        assert_string_equal(freed(&bad, NET_BYTES, arrays[i]).hex, want[i].hex);
    if (bad.config.accumulate == 1)
        assert_string_equal(freed(&bad, STATE_BYTES, 2).hex, state.hex);
}

static void no_update_goes_through_after_it(void **state)
{
    (void)state;
    for (int accumulate = 1; accumulate <= 2; accumulate++)
        for (int clip = 0; clip < 3; clip++) {
            struct toy toy = toy_new();
            bool loss = clip < 2; /* else it is the norm alone */
            toy.opened = make_late_and_tell;
            toy.config.ema = 0.9;
            toy.config.clip_norm = clip;
            toy.config.accumulate = accumulate;
            toy.config.batch = 8 / accumulate;
            *(loss ? &toy.nan_at : &toy.huge_at) = 5; /* of 8 */
            expect_kept(toy, 5,
                        loss ? "loss is nan at step 5; first at 'toy.head.mul"
                             : "the gradient's norm is infinite at step 5; first at 'sum_squares");
            toy_end(&toy);
        }
}

static void tell_lent(int call)
{
    int lent = 0;
    for (int i = 0; i < LATE_BLOCKS; i++)
        lent += wire.lent[i].begin != NULL;
    dprintf(STDERR_FILENO, "call %d: %d lent\n", call, lent);
}

static int lent_at(const char *log, const char *call)
{
    const char *at = strstr(log, call);
    if (!at)
        fail_msg("no '%s' in\n%s", call, log);
    return (int)strtol(at + strlen(call), NULL, 10);
}

/* Step 5 is call 4; step 6 was under way, and then step 5 runs again. Its loader is in place of the
 * training's: two may be more than there is room for, and then nobody would learn of the node. */
static void running_it_again_takes_no_more_memory(void **state)
{
    (void)state;
    struct toy toy = toy_new();
    toy.opened = make_late;
    toy.each_step = tell_lent;
    toy.nan_at = 5;
    expect_error(&toy, "loss is nan at step 5");
    char *log = toy_text(&toy, "stderr");
    int before = lent_at(log, "call 5: ");
    assert_true(before > 0);
    assert_int_equal(lent_at(log, "call 6: "), before);
    free(log);
    toy_end(&toy);
}

/* Not a number for one case alone, which has these values. */
static float spot[2];
static val spotted(struct graph *g, val image)
{
    int32_t n = g_shape(g, image).n;
    val x = g_reshape(g, image, (struct shape){n, 1, 1, 1, PIXELS}), sum = 0;
    for (int i = 0; i < 2; i++) {
        val off = g_affine(g, g_slice(g, x, AXIS_C, i + 1, 1), 1, -spot[i]);
        val square = g_unary(g, OP_square, off);
        sum = sum ? g_binary(g, OP_add, sum, square) : square;
    }
    val bad = g_unary(g, OP_sqrt_, g_affine(g, sum, 1, -1e-6f));
    return g_affine(g, g_reduce_sum(g, bad, (struct shape){1, 1, 1, 1, 1}), 0, 0);
}

static val spotted_loss(struct graph *g, const struct feed *feed, const void *user,
                        struct monitors *monitors)
{
    (void)user, (void)monitors;
    val w =
        g_param(g, "other", "other", (struct shape){1, 1, 1, 1, 1}, (struct initial){INIT_ONE, 0});
    return g_binary(g, OP_add, g_unary(g, OP_square, w), spotted(g, feed->image));
}

/* Marks a case of this batch, of those in an epoch, that no other batch of the epoch has. */
static void mark_case(const struct toy *toy, int number)
{
    struct dataset dataset;
    struct loader *loader;
    struct err err;
    toy_data(&dataset, toy);
    struct loader_spec spec = {.split = SPLIT_TRAIN,
                               .batch = (uint32_t)toy->config.batch,
                               .shuffle = true,
                               .seed = toy_seed,
                               .start = (uint64_t)number};
    assert_int_equal(loader_open(&loader, &dataset, &spec, NULL, &err), 0);
    const float *image = loader_next(loader)->image;
    spot[0] = image[1];
    spot[1] = image[2];
    loader_close(loader);
}

/* The batch that was at fault has been replaced by the next; its row is not the first. */
static void the_batch_is_found_again(void **state)
{
    (void)state;
    static const struct program_row programs[] = {
        {.loss = toy_linear, .groups = {{.name = "net"}}},
        {.loss = spotted_loss, .groups = {{.name = "other"}}, .name = "other"},
        {.loss = toy_linear},
    };
    for (int accumulate = 1; accumulate <= 2; accumulate++) {
        struct toy toy = toy_new();
        toy.opened = make_late;
        toy.linear = true;
        toy.programs = programs;
        toy.program_count = 3;
        toy.config.batch = 4;
        toy.config.accumulate = accumulate;
        mark_case(&toy, 5); /* of 16 */
        expect_error(&toy, accumulate == 1 ? "loss is nan at step 6; first at 'sqrt_"
                                           : "loss is nan at step 3; first at 'sqrt_");
        toy_end(&toy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_put_and_one_fetch_a_step),
        cmocka_unit_test(accumulating_one_of_each_a_batch),
        cmocka_unit_test(what_is_large_is_put_by_itself),
        cmocka_unit_test(a_checkpoint_has_all_that_was_before_it),
        cmocka_unit_test(a_stop_has_all_that_was_before_it),
        cmocka_unit_test(no_update_goes_through_after_it),
        cmocka_unit_test(running_it_again_takes_no_more_memory),
        cmocka_unit_test(the_batch_is_found_again),
    };
    return cmocka_run_group_tests_name("train/late", tests, NULL, NULL);
}
