/* What changed on disk without a word: it is named, with what it touches, and never used. */
#include "store_db.h"

#include <fcntl.h>
#include <sys/stat.h>

/* ---- a lab with two experiments that share a data set -------------------------------------- */

static struct id make_run(struct lab *lab, const char *stage, const char *recipe,
                          const struct id *input, const char *file, const char *bytes, double value)
{
    struct err err;
    struct run *run;
    struct port in = {.name = "dataset"}, out = {.name = "model"};
    if (input)
        in.artifact = *input;
    struct run_spec spec = {.stage = stage,
                            .recipe_text = recipe,
                            .build = "test",
                            .config = "lr: 0.001\n",
                            .inputs = &in,
                            .input_count = input != NULL};
    int known =
        run_claim(&run, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, NULL, &err);
    assert_int_equal(known, 0);
    OK(artifact_of(&out.artifact, lab->store, file, bytes, &err));
    run_metric(run, "test/dice", -1, value);
    run_metric(run, "train/loss", 3, 0.1);
    run_metric(run, "train/loss", 3, value); /* of two the later one stays */
    run_case_metric(run, "case \"1\"", "dice", 0.75);
    OK(run_event(run, "resumed", "{\"step\": 7}", &err));
    run_numerics(run, "threads 2");
    OK(run_commit(run, &out, 1, &err));
    return out.artifact;
}

static struct id id_of(const char *text)
{
    return sha256_of(text, strlen(text));
}

static int setup(void **state)
{
    struct err err;
    if (lab_setup(state))
        return -1;
    struct lab *lab = *state;
    struct id data = make_run(lab, "preprocess", "data\n", NULL, "dataset", "pixels", 1);
    make_run(lab, "train-vae", "one\n", &data, "weights", "first weights", 0.25);
    make_run(lab, "evaluate", "two\n", &data, "metrics.json", "{\"test/dice\": 0.5}", 0.5);
    struct cell first[] = {{"base", 1, "preprocess", id_of("data\n")},
                           {"base", 1, "train-vae", id_of("one\n")}};
    struct cell second[] = {{"wide", 7, "preprocess", id_of("data\n")},
                            {"wide", 7, "evaluate", id_of("two\n")}};
    return registry_set_cells(lab->store, "alpha", first, 2, &err) ||
                   registry_set_cells(lab->store, "beta", second, 2, &err)
               ? -1
               : 0;
}

#define VERIFY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, lab_teardown)

static void take_line(void *user, const char *damage)
{
    text_puts(user, damage);
    text_puts(user, "\n");
}

/* All that verify_all says. */
static struct text verify_lab(struct lab *lab, int64_t *damaged)
{
    struct err err;
    struct text text = {0};
    struct verify *verify = verify_open(lab->store, take_line, &text);
    text_add(&text, "", 0);
    if (verify_all(verify, &err))
        take_line(&text, err.text);
    *damaged = verify_close(verify).damaged;
    return text;
}

static void expect_lines(struct lab *lab, int64_t lines, const char *const *parts)
{
    int64_t damaged;
    struct text text = verify_lab(lab, &damaged);
    assert_int_equal(damaged, lines);
    for (; *parts; parts++)
        if (!strstr(text.data, *parts))
            fail_msg("'%s' does not contain '%s'", text.data, *parts);
    text_free(&text);
}

/* A bit of a byte, and the file looks as if nothing had been done to it. */
static void flip(const char *path, off_t at, int bit)
{
    struct stat st;
    unsigned char byte;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(chmod(path, 0644), 0);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= (unsigned char)(1 << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    struct timespec times[] = {st.st_atim, st.st_mtim};
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(fchmod(fd, st.st_mode), 0);
    close(fd);
}

static char *file_of(struct lab *lab, const char *recipe, const char *name, int64_t *run)
{
    struct err err;
    char path[PATH_BYTES];
    assert_int_equal(look_up(lab, recipe, run), 1);
    OK(artifact_path(path, lab->store, &lab->outputs[0].artifact, name, &err));
    return arena_strdup(&lab->arena, path);
}

/* ---- reading -------------------------------------------------------------------------------- */

static void a_changed_bit_is_not_read(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    char path[PATH_BYTES], *weights = file_of(lab, "one\n", "weights", &run);
    struct id model = lab->outputs[0].artifact;
    flip(weights, 4, 0);
    assert_int_equal(look_up(lab, "one\n", &run), 1); /* to be known costs no reading */
    FAILS(artifact_path(path, lab->store, &model, "weights", &err), STATUS_BAD_DATA,
          "is damaged: 'weights' of artifact");
    assert_non_null(strstr(err.text, weights));
    assert_non_null(strstr(err.text, "made by run 2 (train-vae), of cell alpha/base/1 (train-vae); "
                                     "remove it (rm -f) and run the experiment again"));
    unlink(weights);
    assert_int_equal(look_up(lab, "one\n", &run), 0);
    struct id data = id_of("");
    assert_int_equal(look_up(lab, "data\n", &run), 1);
    data = lab->outputs[0].artifact;
    struct id again = make_run(lab, "train-vae", "one\n", &data, "weights", "first weights", 0.25);
    assert_string_equal(again.hex, model.hex);
    OK(artifact_path(path, lab->store, &model, "weights", &err));
    expect_lines(lab, 0, (const char *const[]){"", NULL});
}

static void a_changed_manifest_is_neither_known_nor_absent(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    assert_int_equal(look_up(lab, "one\n", &run), 1);
    struct id recipe = id_of("one\n"), model = lab->outputs[0].artifact;
    char path[PATH_BYTES];
    OK(object_path(path, lab->store, &model, &err));
    flip(path, 70, 3);
    FAILS(registry_lookup(lab->store, &recipe, &lab->arena, &run, lab->outputs, &lab->count, &err),
          STATUS_BAD_DATA, "is damaged: manifest of artifact");
    struct run *claimed;
    FAILS(claim(&claimed, lab, "one\n", false, &err), STATUS_BAD_DATA, "is damaged");
    unlink(path);
    assert_int_equal(look_up(lab, "one\n", &run), 0);
}

/* A link to itself: the system will not say what is there. */
static void what_cannot_be_looked_at_is_not_absent(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    char *weights = file_of(lab, "one\n", "weights", &run), path[PATH_BYTES];
    struct id recipe = id_of("one\n");
    struct run *claimed;
    for (int i = 0; i < 2; i++) {
        const char *victim = weights;
        if (i) {
            OK(object_path(path, lab->store, &lab->outputs[0].artifact, &err));
            victim = path;
        }
        char *aside = xprintf("%s.aside", victim);
        assert_int_equal(rename(victim, aside), 0);
        assert_int_equal(symlink(victim, victim), 0);
        FAILS(registry_lookup(lab->store, &recipe, &lab->arena, &run, lab->outputs, &lab->count,
                              &err),
              STATUS_IO, "ymbolic link");
        FAILS(claim(&claimed, lab, "one\n", false, &err), STATUS_IO, "ymbolic link");
        assert_int_equal(rename(aside, victim), 0);
        free(aside);
        assert_int_equal(look_up(lab, "one\n", &run), 1);
    }
    db_gives(lab, "SELECT count(*) FROM run", "3\n");
}

/* ---- verify --------------------------------------------------------------------------------- */

static void a_sound_lab_gives_no_line(void **state)
{
    expect_lines(*state, 0, (const char *const[]){"", NULL});
}

static void only_what_is_touched_is_named(void **state)
{
    struct lab *lab = *state;
    int64_t run, damaged;
    flip(file_of(lab, "data\n", "dataset", &run), 0, 7);
    struct text text = verify_lab(lab, &damaged);
    assert_int_equal(damaged, 1);
    assert_non_null(
        strstr(text.data, "made by run 1 (preprocess), read by run 2 (train-vae), 3 (evaluate), of "
                          "cell alpha/base/1 (preprocess, train-vae), beta/wide/7 (preprocess, "
                          "evaluate); remove it"));
    text_free(&text);
}

static void a_file_that_is_gone_is_named(void **state)
{
    struct lab *lab = *state;
    int64_t run;
    unlink(file_of(lab, "two\n", "metrics.json", &run));
    expect_lines(lab, 1,
                 (const char *const[]){"is gone: 'metrics.json' of artifact",
                                       "of cell beta/wide/7 (evaluate);", NULL});
}

static void the_rows_are_compared_with_record_and_artifact(void **state)
{
    struct lab *lab = *state;
    static const struct {
        const char *change, *wrong;
        int lines;
    } changes[] = {
        {"UPDATE metric SET value = 0.75 WHERE run = 3 AND step = -1", "disagree on its metrics",
         2},
        {"UPDATE metric SET value = 0.5 WHERE run = 2 AND step = 3", "disagree on its metrics", 1},
        {"DELETE FROM metric WHERE run = 3 AND step = -1", "lacks metrics of its metrics.json", 2},
        {"INSERT INTO metric VALUES (2, 'test/more', -1, 1)", "disagree on its metrics", 1},
        {"UPDATE case_metric SET case_id = 'case 2' WHERE run = 2", "on its case_metrics", 1},
        {"UPDATE run SET numerics = 'threads 3' WHERE id = 2", "disagree on its numerics", 1},
        {"UPDATE run SET owner_pid = owner_pid + 1 WHERE id = 2", "disagree on its owner", 1},
        {"UPDATE event SET detail = '{\"step\": 8}' WHERE run = 2", "disagree on its events", 1},
        {"UPDATE run_input SET port = 'datasat' WHERE run = 2", "disagree on its inputs", 1},
        {"UPDATE run SET uuid = '0' WHERE id = 2", "is gone", 1},
        {"UPDATE artifact SET made_by = 1", "was not made by run 1", 2},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char *keep = xprintf("cp '%s/registry.db' '%s/kept'", lab->path, lab->path);
        char *restore = xprintf("mv '%s/kept' '%s/registry.db'", lab->path, lab->path);
        struct err err;
        store_close(lab->store); /* folds the log into the file */
        assert_int_equal(system(keep), 0);
        db_run(lab, changes[i].change);
        OK(store_open(&lab->store, lab->path, false, &err));
        expect_lines(lab, changes[i].lines, (const char *const[]){changes[i].wrong, NULL});
        store_close(lab->store);
        assert_int_equal(system(restore), 0);
        free(keep);
        free(restore);
        OK(store_open(&lab->store, lab->path, false, &err));
    }
}

/* ---- a bit anywhere ------------------------------------------------------------------------- */

static char *one_line(struct lab *lab, const char *format)
{
    char *command = xprintf(format, lab->path), line[PATH_BYTES];
    FILE *pipe = popen(command, "r");
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    free(command);
    line[strcspn(line, "\n")] = '\0';
    return arena_strdup(&lab->arena, line);
}

enum { FLIPS = 60 };

static void one_bit_of_any_object_or_record_is_found(void **state)
{
    struct lab *lab = *state;
    srand(5);
    for (int i = 0; i < FLIPS; i++) {
        int64_t damaged;
        char *find = xprintf("find '%%s/objects' '%s/runs' -type f | sort | sed -n %dp", lab->path,
                             1 + rand() % 12);
        char *path = one_line(lab, find);
        free(find);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        off_t at = rand() % st.st_size;
        int bit = rand() % 8;
        flip(path, at, bit);
        struct text text = verify_lab(lab, &damaged);
        if (damaged != 1 || !strstr(text.data, path))
            fail_msg("bit %d of byte %lld of '%s': %s", bit, (long long)at, path, text.data);
        text_free(&text);
        flip(path, at, bit);
    }
    expect_lines(lab, 0, (const char *const[]){"", NULL});
}

/* What the rows say; not the plan's cells, which the next plan compares, and not the cache. */
static char *all_rows(const struct lab *lab)
{
    return one_line(
        (struct lab *)(uintptr_t)lab,
        "cd '%s' && sqlite3 registry.db \"SELECT * FROM run; SELECT * FROM run_input; "
        "SELECT * FROM run_output; SELECT id, kind, made_by FROM artifact; SELECT * "
        "FROM metric; SELECT * FROM case_metric; SELECT * FROM event\" 2>&1 | sha256sum");
}

/* Much of the file is free room, and full of zeros. */
static off_t used_byte(const char *path, off_t size)
{
    int fd = open(path, O_RDONLY);
    unsigned char byte = 0;
    off_t at = 0;
    while (!byte) {
        at = rand() % size;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
    }
    close(fd);
    return at;
}

static void one_bit_of_the_registry_is_found_or_changes_no_row(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct stat st;
    char *path = xprintf("%s/registry.db", lab->path);
    store_close(lab->store);
    lab->store = NULL;
    const char *before = all_rows(lab);
    int found = 0;
    assert_int_equal(stat(path, &st), 0);
    srand(6);
    for (int i = 0; i < FLIPS; i++) {
        off_t at = used_byte(path, st.st_size);
        int bit = rand() % 8;
        int64_t damaged = 1;
        flip(path, at, bit);
        bool same = !strcmp(before, all_rows(lab));
        struct text text = {0};
        if (store_open(&lab->store, lab->path, false, &err))
            assert_true(err.status == STATUS_BAD_DATA || err.status == STATUS_CONFIG);
        else
            text = verify_lab(lab, &damaged);
        found += damaged > 0 || text.length;
        if (!damaged && !text.length && !same)
            fail_msg("not found: bit %d of byte %lld", bit, (long long)at);
        text_free(&text);
        store_close(lab->store);
        lab->store = NULL;
        flip(path, at, bit);
    }
    print_message("# %d of %d bits of the registry were in use, and found\n", found, FLIPS);
    assert_in_range(found, FLIPS / 4, FLIPS);
    free(path);
}

/* ---- made again ----------------------------------------------------------------------------- */

static void a_registry_is_made_again_from_the_records(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run, runs;
    struct text text = {0};
    char *path = xprintf("%s/registry.db", lab->path);
    const char *before = all_rows(lab);
    store_close(lab->store);
    lab->store = NULL;
    OK(file_publish(path, "this is no database, not at all", 31, &err));
    FAILS(store_open(&lab->store, lab->path, true, &err), STATUS_BAD_DATA, "registry rebuild");
    OK(store_rebuild(lab->path, &runs, take_line, &text, &err));
    assert_int_equal(runs, 3);
    assert_null(text.data);
    assert_string_equal(all_rows(lab), before);
    OK(store_open(&lab->store, lab->path, false, &err));
    assert_int_equal(look_up(lab, "two\n", &run), 1);
    assert_int_equal(run, 3);
    expect_lines(lab, 0, (const char *const[]){"", NULL});
    assert_true(exists(lab->path, "registry.db.before"));
    free(path);
}

static void a_damaged_record_is_left_out(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run, runs;
    struct text text = {0};
    struct id recipe = id_of("one\n");
    char *find = xprintf("ls '%%s'/runs/%s-*", recipe.hex), *record = one_line(lab, find);
    flip(record, 20, 1);
    OK(store_rebuild(lab->path, &runs, take_line, &text, &err));
    assert_int_equal(runs, 2);
    assert_non_null(strstr(text.data, record));
    store_close(lab->store);
    OK(store_open(&lab->store, lab->path, false, &err));
    assert_int_equal(look_up(lab, "one\n", &run), 0);
    assert_int_equal(look_up(lab, "two\n", &run), 1);
    text_free(&text);
    free(find);
}

static void a_registry_that_is_gone_is_not_begun_anew(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run, runs;
    struct text text = {0};
    char *path = xprintf("%s/registry.db", lab->path), *folder = xprintf("%s/runs", lab->path);
    store_close(lab->store);
    lab->store = NULL;
    assert_int_equal(unlink(path), 0);
    for (int create = 0; create < 2; create++)
        FAILS(store_open(&lab->store, lab->path, create, &err), STATUS_BAD_DATA,
              "is gone, but records of its runs exist; 'registry rebuild'");
    assert_false(file_exists(path));
    OK(store_rebuild(lab->path, &runs, take_line, &text, &err));
    assert_int_equal(runs, 3);
    OK(store_open(&lab->store, lab->path, true, &err));
    assert_int_equal(look_up(lab, "two\n", &run), 1);
    store_close(lab->store);
    lab->store = NULL;
    /* with all that it knew */
    assert_int_equal(unlink(path), 0);
    OK(folder_remove(folder, &err));
    OK(store_open(&lab->store, lab->path, true, &err));
    assert_int_equal(look_up(lab, "two\n", &run), 0);
    free(path);
    free(folder);
}

static void count_alive(void *user, const char *damage)
{
    (void)damage;
    struct err err;
    struct lab *lab = user;
    char folder[PATH_BYTES], **names;
    size_t count;
    OK(path_join(folder, lab->path, "alive", &err));
    OK(folder_names(&names, &count, folder, &lab->arena, &err));
    lab->count = (int)count;
}

static void a_rebuild_is_a_process_at_work(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t runs;
    struct id recipe = id_of("one\n");
    char *find = xprintf("ls '%%s'/runs/%s-*", recipe.hex), *none = xprintf("%s/none", lab->path);
    flip(one_line(lab, find), 20, 1);
    store_close(lab->store);
    lab->store = NULL;
    OK(store_rebuild(lab->path, &runs, count_alive, lab, &err));
    assert_int_equal(lab->count, 1);
    count_alive(lab, "");
    assert_int_equal(lab->count, 0);
    FAILS(store_rebuild(none, &runs, count_alive, lab, &err), STATUS_MISSING, "no lab at");
    assert_false(file_exists(none));
    free(none);
    free(find);
}

static void a_finished_run_has_an_output(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run, runs;
    struct id recipe = id_of("one\n");
    struct run *claimed;
    db_run(lab, "UPDATE run_output SET run = 1, port = 'modem' WHERE run = 2");
    FAILS(registry_lookup(lab->store, &recipe, &lab->arena, &run, lab->outputs, &lab->count, &err),
          STATUS_BAD_DATA, "is damaged: run 2 has no output; 'registry rebuild'");
    FAILS(claim(&claimed, lab, "one\n", false, &err), STATUS_BAD_DATA, "run 2 has no output");
    OK(store_rebuild(lab->path, &runs, take_line, NULL, &err));
    store_close(lab->store);
    OK(store_open(&lab->store, lab->path, false, &err));
    assert_int_equal(look_up(lab, "one\n", &run), 1);
}

static void nothing_is_made_again_under_a_run(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    int64_t runs;
    assert_int_equal(claim(&run, lab, "under way", false, &err), 0);
    FAILS(store_rebuild(lab->path, &runs, take_line, NULL, &err), STATUS_FAILED,
          "run 4 is in progress");
    run_end(run, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VERIFY_TEST(a_changed_bit_is_not_read),
        VERIFY_TEST(a_changed_manifest_is_neither_known_nor_absent),
        VERIFY_TEST(what_cannot_be_looked_at_is_not_absent),
        VERIFY_TEST(a_sound_lab_gives_no_line),
        VERIFY_TEST(only_what_is_touched_is_named),
        VERIFY_TEST(a_file_that_is_gone_is_named),
        VERIFY_TEST(the_rows_are_compared_with_record_and_artifact),
        VERIFY_TEST(one_bit_of_any_object_or_record_is_found),
        VERIFY_TEST(one_bit_of_the_registry_is_found_or_changes_no_row),
        VERIFY_TEST(a_registry_is_made_again_from_the_records),
        VERIFY_TEST(a_damaged_record_is_left_out),
        VERIFY_TEST(a_registry_that_is_gone_is_not_begun_anew),
        VERIFY_TEST(a_rebuild_is_a_process_at_work),
        VERIFY_TEST(a_finished_run_has_an_output),
        VERIFY_TEST(nothing_is_made_again_under_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
