/* Runs and what they leave: rows, records, look-ups, cells. */
#include "base/json.h"
#include "store_db.h"

#include <jansson.h>
#include <math.h>
#include <time.h>

static void reopen(struct lab *lab, bool create)
{
    struct err err;
    store_close(lab->store);
    lab->store = NULL;
    OK(store_open(&lab->store, lab->path, create, &err));
}

/* ---- one process ---------------------------------------------------------------------------- */

static void a_committed_run_is_known(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    assert_int_equal(look_up(lab, "recipe", &run), 0);
    assert_int_equal(run_once(lab, "recipe", "weights", false, &err), 0);
    assert_int_equal(look_up(lab, "recipe", &run), 1);
    assert_int_equal(run, 1);
    assert_int_equal(lab->count, 1);
    assert_string_equal(lab->outputs[0].name, "model");
    OK(artifact_verify(lab->store, &lab->outputs[0].artifact, &err));
    assert_int_equal(run_once(lab, "recipe", "weights", false, &err), 1);
    db_gives(
        lab,
        "SELECT id, stage, status, build, config, error, seconds >= 0, started > 1.6e9 FROM run",
        "1|train-vae|done|test|lr: 0.001\n|NULL|1|1\n");
    db_gives(lab, "PRAGMA journal_mode", "wal\n");
}

static void rows_are_what_the_schema_says(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    struct id data;
    OK(artifact_of(&data, lab->store, "images", "pixels", &err));
    struct port input = {"dataset", data};
    struct run_spec spec = {.stage = "evaluate",
                            .recipe_text = "r",
                            .build = "b1",
                            .config = "c",
                            .inputs = &input,
                            .input_count = 1};
    OK(run_claim(&run, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, NULL, &err));
    OK(run_event(run, "resumed", "{\"step\": 1200}", &err));
    FAILS(run_event(run, "resumed", "{step", &err), STATUS_FAILED, "not JSON");
    struct json detail = {0}; /* a path may be any bytes */
    json_text(&detail, NULL, "/home/Andr\xe9/lab");
    OK(run_event(run, "damaged", detail.text.data, &err));
    text_free(&detail.text);
    run_numerics(run, "cpu avx512");
    run_metric(run, "train/loss", 10, 0.5);
    run_metric(run, "train/loss", 20, 0.25);
    run_metric(run, "train/loss", 20, 0.125); /* logged again */
    run_metric(run, "test/dice/cat", -1, 0.1);
    run_metric(run, "test/nan", -1, NAN);
    run_case_metric(run, "cat_1", "test/dice", 1.0 / 3);
    run_case_metric(run, "cat_2", "test/dice", INFINITY);
    struct port outputs[2] = {{.name = "metrics"}, {.name = "cases"}};
    OK(artifact_of(&outputs[0].artifact, lab->store, "metrics.json", "{}", &err));
    OK(artifact_of(&outputs[1].artifact, lab->store, "cases.csv", "id\n", &err));
    OK(run_commit(run, outputs, 2, &err));

    char *expected = xprintf("dataset|%s\n", data.hex);
    db_gives(lab, "SELECT port, artifact FROM run_input WHERE run = 1", expected);
    free(expected);
    expected = xprintf("cases|%s\nmetrics|%s\n", outputs[1].artifact.hex, outputs[0].artifact.hex);
    db_gives(lab, "SELECT port, artifact FROM run_output WHERE run = 1 ORDER BY port", expected);
    free(expected);
    db_gives(lab, "SELECT kind, bytes, made_by FROM artifact ORDER BY kind",
             "cases|3|1\nmetrics|2|1\n");
    db_gives(lab, "SELECT name, step, value FROM metric WHERE run = 1 ORDER BY name, step",
             "test/dice/cat|-1|0.1\ntest/nan|-1|NULL\ntrain/loss|10|0.5\ntrain/loss|20|0.125\n");
    db_gives(lab, "SELECT case_id, name, value FROM case_metric WHERE run = 1 ORDER BY case_id",
             "cat_1|test/dice|0.333333333333333\ncat_2|test/dice|Inf\n");
    db_gives(lab, "SELECT run, kind, detail, at > 1.6e9 FROM event",
             "1|resumed|{\"step\": 1200}|1\n1|damaged|\"/home/Andr\\ufffd/lab\"|1\n");
    db_gives(lab, "SELECT numerics FROM run", "cpu avx512\n");
    db_gives(lab,
             "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' "
             "AND strict = 0 AND name NOT LIKE 'sqlite_%'",
             "0\n");
}

static void the_record_holds_the_whole_run(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    assert_int_equal(claim(&run, lab, "re\"cipe\n", false, &err), 0);
    run_metric(run, "loss", 3, 0.1);
    run_metric(run, "final", -1, -INFINITY);
    run_case_metric(run, "case \"1\"", "dice", 0.75);
    OK(run_event(run, "resumed", "{\"step\": 7}", &err));
    struct id recipe = *run_recipe(run);
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    OK(run_commit(run, &port, 1, &err));

    char *command = xprintf("cat '%s'/runs/%s-*.json", lab->path, recipe.hex);
    FILE *pipe = popen(command, "r");
    json_t *record = json_loadf(pipe, JSON_REJECT_DUPLICATES, NULL);
    assert_int_equal(pclose(pipe), 0);
    free(command);
    assert_non_null(record);
    const char *stage, *config, *recipe_hex, *artifact, *name, *value, *case_id, *case_name, *kind;
    double at, dice, loss, seconds, started;
    int step, event_step, final_step, pid, version;
    const char *loss_name;
    assert_int_equal(json_unpack(record, "{s:s, s:s, s:s, s:{s:s}, s:n, s:F, s:F, s:i}", "stage",
                                 &stage, "config", &config, "recipe", &recipe_hex, "outputs",
                                 "model", &artifact, "numerics", "seconds", &seconds, "started",
                                 &started, "version", &version),
                     0);
    assert_int_equal(json_unpack(record,
                                 "{s:[[s,i,F],[s,i,s]], s:[[s,s,F]], s:[[F,s,{s:i}]], s:{s:i}}",
                                 "metrics", &loss_name, &step, &loss, &name, &final_step, &value,
                                 "case_metrics", &case_id, &case_name, &dice, "events", &at, &kind,
                                 "step", &event_step, "owner", "pid", &pid),
                     0);
    assert_string_equal(stage, "train-vae");
    assert_string_equal(config, "lr: 0.001\n");
    assert_string_equal(recipe_hex, recipe.hex);
    assert_string_equal(artifact, port.artifact.hex);
    assert_int_equal(step, 3);
    assert_true(loss == 0.1);
    assert_string_equal(value, "-inf");
    assert_string_equal(case_id, "case \"1\"");
    assert_true(dice == 0.75);
    assert_int_equal(event_step, 7);
    assert_int_equal(pid, getpid());
    const char *key, *before = "";
    json_t *field;
    json_object_foreach(record, key, field)
    {
        assert_true(strcmp(before, key) < 0); /* sorted */
        before = key;
    }
    json_decref(record);
}

static void a_result_whose_files_are_gone_is_made_again(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES];
    int64_t run;
    OK(run_once(lab, "recipe", "weights", false, &err));
    assert_int_equal(look_up(lab, "recipe", &run), 1);
    OK(artifact_path(path, lab->store, &lab->outputs[0].artifact, "weights.bin", &err));
    assert_int_equal(truncate(path, 3), 0);
    assert_int_equal(look_up(lab, "recipe", &run), 0);
    unlink(path);
    assert_int_equal(look_up(lab, "recipe", &run), 0);
    assert_int_equal(run_once(lab, "recipe", "weights", false, &err), 0);
    assert_int_equal(look_up(lab, "recipe", &run), 1);
    assert_int_equal(run, 2);
    db_gives(lab, "SELECT count(*) FROM event", "0\n");
}

static void a_commit_needs_its_artifacts(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    int64_t found;
    OK(claim(&run, lab, "recipe", false, &err));
    struct port port = {.name = "model", .artifact = sha256_of("x", 1)};
    run_metric(run, "loss", 1, 1);
    FAILS(run_commit(run, &port, 1, &err), STATUS_BAD_DATA, "is not in lab");
    assert_int_equal(look_up(lab, "recipe", &found), 0);
    db_gives(
        lab,
        "SELECT status, (SELECT count(*) FROM metric), (SELECT count(*) FROM run_output) FROM run",
        "failed|0|0\n");
}

static void again_compares(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    OK(run_once(lab, "recipe", "weights", false, &err));
    assert_int_equal(run_once(lab, "recipe", "weights", true, &err), 0);
    db_gives(lab, "SELECT status FROM run", "done\ndone\n");
    FAILS(run_once(lab, "recipe", "WEIGHTS", true, &err), STATUS_FAILED,
          "output 'model' differs from that of run 2");
    db_gives(lab, "SELECT id, status, error LIKE 'output %' FROM run",
             "1|done|NULL\n2|done|NULL\n3|failed|1\n");
    db_gives(lab,
             "SELECT run, kind, json_extract(detail, '$.run'), json_extract(detail, '$.port') FROM "
             "event",
             "3|differs|2|model\n");
    assert_int_equal(look_up(lab, "recipe", &run), 1);
    assert_int_equal(run, 2);
    db_gives(lab, "SELECT count(DISTINCT artifact) FROM run_output", "2\n");
    /* to repeat once more means from the start, not from this run's last checkpoint */
    char *work = xprintf("%s/work", lab->path);
    assert_int_equal(rmdir(work), 0);
    free(work);
}

static void other_bits_on_other_numerics_are_said_to_be_so(void **state)
{
    struct lab *lab = *state;
    struct err err;
    for (int i = 0; i < 2; i++) {
        struct run *run;
        struct port port = {.name = "model"};
        OK(claim(&run, lab, "recipe", true, &err));
        run_numerics(run, i ? "threads 1" : "threads 2");
        OK(artifact_of(&port.artifact, lab->store, "w", i ? "x" : "y", &err));
        if (i)
            FAILS(run_commit(run, &port, 1, &err), STATUS_FAILED,
                  "now; numerics then 'threads 2', now 'threads 1'");
        else
            OK(run_commit(run, &port, 1, &err));
    }
}

static void other_artifacts_of_one_recipe_are_an_event(void **state)
{
    struct lab *lab = *state;
    struct err err;
    char path[PATH_BYTES];
    int64_t run;
    OK(run_once(lab, "recipe", "weights", false, &err));
    look_up(lab, "recipe", &run);
    OK(artifact_path(path, lab->store, &lab->outputs[0].artifact, "weights.bin", &err));
    unlink(path);
    OK(run_once(lab, "recipe", "WEIGHTS", false, &err));
    db_gives(lab, "SELECT run, kind FROM event", "2|differs\n");
    assert_int_equal(look_up(lab, "recipe", &run), 1);
    assert_int_equal(run, 2);
}

static void failed_and_stopped_runs_keep_their_folder(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    char path[PATH_BYTES], folder[PATH_BYTES];
    OK(claim(&run, lab, "recipe", false, &err));
    snprintf(folder, sizeof folder, "%s", run_folder(run));
    OK(path_join(path, run_folder(run), "checkpoint", &err));
    OK(file_publish(path, "x", 1, &err));
    fail_as(&err, STATUS_STOPPED, "stopped");
    run_end(run, &err);
    OK(claim(&run, lab, "recipe", false, &err));
    assert_int_equal(run_id(run), 2);
    assert_string_equal(run_folder(run), folder);
    assert_true(exists(folder, "checkpoint"));
    fail_as(&err, STATUS_FAILED, "loss is not a number at step 7");
    run_end(run, &err);
    OK(claim(&run, lab, "recipe", false, &err));
    assert_true(exists(folder, "checkpoint"));
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    OK(run_commit(run, &port, 1, &err));
    assert_false(file_exists(folder));
    db_gives(lab, "SELECT status, error FROM run",
             "stopped|NULL\nfailed|loss is not a number at step 7\ndone|NULL\n");
}

/* A run that was killed between its commit and the removal leaves its folder. */
static void what_a_finished_run_left_is_no_checkpoint(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    OK(run_once(lab, "recipe", "weights", false, &err));
    struct id recipe = sha256_of("recipe", 6);
    char *left = xprintf("%s/work/%s", lab->path, recipe.hex);
    OK(folder_make(left, &err));
    OK(claim(&run, lab, "recipe", true, &err));
    assert_true(file_exists(left));
    fail_as(&err, STATUS_FAILED, "x");
    run_end(run, &err);
    OK(registry_sweep(lab->store, &err));
    assert_true(file_exists(left)); /* the newest run has failed: its checkpoints stay */
    OK(run_once(lab, "recipe", "weights", true, &err));
    OK(folder_make(left, &err));
    OK(registry_sweep(lab->store, &err));
    assert_false(file_exists(left));
    free(left);
}

/* ---- reading -------------------------------------------------------------------------------- */

static int see_cell(void *user, const struct cell *cell, struct err *err)
{
    (void)err;
    text_printf(user, "%s %d %s %.4s\n", cell->variant, (int)cell->seed, cell->section,
                cell->recipe.hex[0] ? cell->recipe.hex : "-");
    return 0;
}

static void cells_are_replaced_and_keep_their_order(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    OK(claim(&run, lab, "recipe", false, &err));
    struct id recipe = *run_recipe(run);
    run_metric(run, "test/dice", -1, 0.5);
    run_metric(run, "train/loss", 1, 9);
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    OK(run_commit(run, &port, 1, &err));
    struct cell cells[] = {{"z", 1, "train-vae", recipe},
                           {"z", 1, "evaluate", {{0}}},
                           {"a", 1, "train-vae", recipe},
                           {"a", 2, "train-vae", {{0}}}};
    struct text text = {0};
    OK(registry_set_cells(lab->store, "other", cells, 1, &err));
    OK(registry_set_cells(lab->store, "mine", cells + 1, 3, &err));
    OK(registry_set_cells(lab->store, "mine", cells, 3, &err));
    OK(registry_cells(lab->store, "mine", see_cell, &text, &err));
    char *expected =
        xprintf("z 1 train-vae %.4s\nz 1 evaluate -\na 1 train-vae %.4s\n", recipe.hex, recipe.hex);
    assert_string_equal(text.data, expected);
    free(expected);
    text_free(&text);
    db_gives(lab, "SELECT * FROM cell_metric WHERE experiment = 'mine' ORDER BY variant",
             "mine|a|1|train-vae|test/dice|0.5\nmine|z|1|train-vae|test/dice|0.5\n");
    /* the same place twice is refused, and the cells stay as they were */
    cells[1] = cells[0];
    FAILS(registry_set_cells(lab->store, "mine", cells, 3, &err), STATUS_FAILED, "UNIQUE");
    db_gives(lab, "SELECT count(*) FROM cell", "4\n");
}

static void the_view_shows_the_newest_finished_run(void **state)
{
    struct lab *lab = *state;
    struct err err;
    for (int i = 0; i < 3; i++) {
        struct run *run;
        OK(claim(&run, lab, "recipe", true, &err));
        struct cell cell = {"v", 0, "s", *run_recipe(run)};
        OK(registry_set_cells(lab->store, "e", &cell, 1, &err));
        run_metric(run, "m", -1, i);
        struct port port = {.name = "model"};
        OK(artifact_of(&port.artifact, lab->store, "w", i == 2 ? "y" : "x", &err));
        if (i < 2)
            OK(run_commit(run, &port, 1, &err));
        else
            FAILS(run_commit(run, &port, 1, &err), STATUS_FAILED, "differs");
    }
    db_gives(lab, "SELECT value FROM cell_metric", "1.0\n");
}

static int see_run(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    text_printf(user, "%d %s %s\n", (int)row->id, row->stage, row->status);
    return 0;
}

static int stop_at_two(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    ++*(int *)user;
    return row->id == 2 ? 7 : 0;
}

static void runs_are_listed_newest_first(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct text text = {0};
    OK(run_once(lab, "a", "1", false, &err));
    OK(run_once(lab, "b", "2", false, &err));
    OK(run_once(lab, "c", "3", false, &err));
    db_run(lab, "UPDATE run SET stage = 'evaluate' WHERE id = 2");
    OK(registry_runs(lab->store, NULL, 0, 2, see_run, &text, &err));
    OK(registry_runs(lab->store, "evaluate", 0, -1, see_run, &text, &err));
    assert_string_equal(text.data, "3 train-vae done\n2 evaluate done\n2 evaluate done\n");
    text_free(&text);
    int calls = 0;
    assert_int_equal(registry_runs(lab->store, NULL, 0, -1, stop_at_two, &calls, &err), 7);
    assert_int_equal(calls, 2);
}

static void a_run_is_found_by_number_recipe_or_artifact(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run_row row;
    OK(run_once(lab, "a", "1", false, &err));
    OK(run_once(lab, "b", "2", false, &err));
    OK(run_once(lab, "a", "1", true, &err));
    struct id recipe = sha256_of("a", 1);
    struct port outputs[MAX_PORTS];
    int count;
    char prefix[65];
    OK(registry_find_run(lab->store, "2", &lab->arena, &row, &err));
    assert_int_equal(row.id, 2);
    assert_string_equal(row.stage, "train-vae");
    assert_string_equal(row.config, "lr: 0.001\n");
    snprintf(prefix, sizeof prefix, "%.7s", recipe.hex);
    OK(registry_find_run(lab->store, prefix, &lab->arena, &row, &err));
    assert_int_equal(row.id, 3);
    assert_string_equal(row.recipe.hex, recipe.hex);
    OK(registry_ports(lab->store, 3, true, &lab->arena, outputs, &count, &err));
    snprintf(prefix, sizeof prefix, "%.5s", outputs[0].artifact.hex);
    OK(registry_find_run(lab->store, prefix, &lab->arena, &row, &err));
    assert_int_equal(row.id, 1); /* made it first */
    int64_t maker;
    OK(registry_maker(lab->store, &outputs[0].artifact, &maker, &err));
    assert_int_equal(maker, 1);
    OK(registry_maker(lab->store, &recipe, &maker, &err));
    assert_int_equal(maker, 0);
    FAILS(registry_find_run(lab->store, "4", &lab->arena, &row, &err), STATUS_MISSING,
          "no run '4'");
    FAILS(registry_find_run(lab->store, "", &lab->arena, &row, &err), STATUS_MISSING, "no run ''");
    FAILS(registry_find_run(lab->store, "'; DROP", &lab->arena, &row, &err), STATUS_MISSING,
          "no run");
    db_run(lab, "UPDATE run SET recipe = 'abcd1' WHERE id = 1; UPDATE run SET recipe = 'abcd2' "
                "WHERE id = 2");
    FAILS(registry_find_run(lab->store, "abcd", &lab->arena, &row, &err), STATUS_USAGE,
          "ambiguous");
    char *text;
    OK(registry_recipe_text(&text, lab->store, &recipe, &err));
    assert_string_equal(text, "a");
    free(text);
}

static int see_metric(void *user, const struct metric_row *row, struct err *err)
{
    (void)err;
    text_printf(user, "%s %d %g\n", row->name, (int)row->step, row->value);
    return 0;
}

static void metrics_are_read_in_order(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct run *run;
    struct text text = {0};
    OK(claim(&run, lab, "recipe", false, &err));
    for (int step = 3000; step > 0; step--)
        run_metric(run, "train/loss", step, step);
    run_metric(run, "test/psnr", -1, NAN);
    run_case_metric(run, "b", "m", 2);
    run_case_metric(run, "a", "m", 1);
    struct port port = {.name = "model"};
    OK(artifact_of(&port.artifact, lab->store, "w", "x", &err));
    OK(run_commit(run, &port, 1, &err));
    OK(registry_metrics(lab->store, 1, true, see_metric, &text, &err));
    assert_string_equal(text.data, "test/psnr -1 nan\n");
    db_gives(lab, "SELECT run, case_id, name, value FROM case_metric ORDER BY case_id",
             "1|a|m|1.0\n1|b|m|2.0\n");
    text_free(&text);
    OK(registry_metrics(lab->store, 1, false, see_metric, &text, &err));
    assert_int_equal(strncmp(text.data, "test/psnr -1 nan\ntrain/loss 1 1\ntrain/loss 2 2\n", 47),
                     0);
    assert_true(ends_with(text.data, "\ntrain/loss 3000 3000\n"));
    text_free(&text);
}

/* ---- hashes of input files ------------------------------------------------------------------ */

static void hashes_of_files_are_cached(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id first, second;
    const char *old = "/bin/sh"; /* was not changed in the last two seconds */
    OK(store_hash_file(lab->store, old, &first, &err));
    FILE *pipe = popen("sha256sum /bin/sh", "r");
    char expected[65];
    assert_int_equal(fscanf(pipe, "%64s", expected), 1);
    pclose(pipe);
    assert_string_equal(first.hex, expected);
    reopen(lab, true); /* writes the cache */
    db_gives(lab, "SELECT count(*) FROM file_hash", "1\n");
    struct id planted = sha256_of("planted", 7);
    char *sql = xprintf("UPDATE file_hash SET hash = '%s'", planted.hex);
    db_run(lab, sql);
    free(sql);
    OK(store_hash_file(lab->store, old, &second, &err));
    assert_string_equal(second.hex, planted.hex); /* it was not read again */
    db_run(lab, "UPDATE file_hash SET ctime_ns = ctime_ns - 1");
    OK(store_hash_file(lab->store, old, &second, &err));
    assert_string_equal(second.hex, first.hex);
}

static void a_file_touched_just_now_is_not_cached(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct id id;
    char path[PATH_BYTES];
    OK(path_join(path, lab->path, "input", &err));
    OK(file_publish(path, "a", 1, &err));
    OK(store_hash_file(lab->store, path, &id, &err));
    assert_string_equal(id.hex, sha256_of("a", 1).hex);
    FAILS(store_hash_file(lab->store, lab->path, &id, &err), STATUS_BAD_DATA, "not a regular file");
    assert_int_equal(unlink(path), 0);
    FAILS(store_hash_file(lab->store, path, &id, &err), STATUS_MISSING, "cannot open");
    reopen(lab, true);
    db_gives(lab, "SELECT count(*) FROM file_hash", "0\n");
}

/* ---- speed: printed, not asserted ----------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void fill(struct lab *lab)
{
    struct err err;
    OK(run_once(lab, "recipe", "weights", false, &err));
    db_run(
        lab,
        "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
        "INSERT INTO run SELECT i, stage, printf('%064x', i), 'done', started, seconds, build, "
        "numerics, config, error, printf('%d', i), owner_host, owner_boot, owner_pid, owner_start "
        "FROM n, run WHERE run.id = 1");
}

/* Every plan and every run begins with it. */
static void a_sweep_among_ten_thousand_runs(void **state)
{
    struct lab *lab = *state;
    struct err err;
    fill(lab);
    for (int i = 2; i < 26; i++) { /* as many trainings stopped half-way as a plan has cells */
        char *folder = xprintf("%s/work/%064x", lab->path, i);
        OK(folder_make(folder, &err));
        free(folder);
    }
    db_run(lab, "UPDATE run SET status = 'stopped' WHERE id BETWEEN 2 AND 25;"
                "UPDATE run SET status = 'running', owner_pid = -1 WHERE id = 26");
    double start = now_ms();
    OK(registry_sweep(lab->store, &err));
    double first = now_ms() - start;
    db_gives(lab, "SELECT id FROM run WHERE status IN ('running', 'lost')", "26\n");
    db_gives(lab, "SELECT status FROM run WHERE id = 26", "lost\n");
    start = now_ms();
    OK(registry_sweep(lab->store, &err));
    print_message("# sweep among 10000 runs: %.2f ms, %.2f ms with nothing to do\n", first,
                  now_ms() - start);
}

static void a_look_up_among_ten_thousand_runs(void **state)
{
    struct lab *lab = *state;
    struct err err;
    int64_t run;
    fill(lab);
    store_close(lab->store);
    lab->store = NULL;
    double best = 1e9, worst = 0;
    for (int i = 0; i < 50; i++) {
        double start = now_ms();
        OK(store_open(&lab->store, lab->path, false, &err));
        assert_int_equal(look_up(lab, "recipe", &run), 1);
        store_close(lab->store);
        lab->store = NULL;
        double took = now_ms() - start;
        best = took < best ? took : best;
        worst = took > worst ? took : worst;
    }
    print_message("# open, look up, close among 10000 runs: %.2f to %.2f ms\n", best, worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAB_TEST(a_committed_run_is_known),
        LAB_TEST(rows_are_what_the_schema_says),
        LAB_TEST(the_record_holds_the_whole_run),
        LAB_TEST(a_result_whose_files_are_gone_is_made_again),
        LAB_TEST(a_commit_needs_its_artifacts),
        LAB_TEST(again_compares),
        LAB_TEST(other_bits_on_other_numerics_are_said_to_be_so),
        LAB_TEST(other_artifacts_of_one_recipe_are_an_event),
        LAB_TEST(failed_and_stopped_runs_keep_their_folder),
        LAB_TEST(what_a_finished_run_left_is_no_checkpoint),
        LAB_TEST(cells_are_replaced_and_keep_their_order),
        LAB_TEST(the_view_shows_the_newest_finished_run),
        LAB_TEST(runs_are_listed_newest_first),
        LAB_TEST(a_run_is_found_by_number_recipe_or_artifact),
        LAB_TEST(metrics_are_read_in_order),
        LAB_TEST(hashes_of_files_are_cached),
        LAB_TEST(a_file_touched_just_now_is_not_cached),
        LAB_TEST(a_sweep_among_ten_thousand_runs),
        LAB_TEST(a_look_up_among_ten_thousand_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
