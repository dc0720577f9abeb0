/* Labs whose runs are played, the reports on them, and what tests look for in those. */
#ifndef CAIRN_TESTS_REPORT_WORLD_H
#define CAIRN_TESTS_REPORT_WORLD_H

#include "store_lab.h"

#include "report/report.h"
#include "report/report_parts.h"
#include "store/tensors.h"

#include <math.h>
#include <png.h>

/* What does not go as it should. */
struct trouble {
    const char *file, *content; /* of every artifact that has this file */
    int fails;                  /* the trainer of variant 1 with this seed; 0: none */
    int labels;                 /* wrong labels that go with the 25 images; 0: 25 */
};

static inline void leave(const struct draft *draft, const char *name, const char *content)
{
    char path[PATH_BYTES];
    struct err err;
    OK(draft_path(draft, name, path, &err));
    OK(file_publish(path, content, strlen(content), &err));
}

static inline void leave_pictures(const struct draft *draft, const struct tensor *items,
                                  size_t count, const char *const *meta, size_t metas)
{
    char path[PATH_BYTES];
    struct err err;
    OK(draft_path(draft, "pictures.safetensors", path, &err));
    OK(tensors_write(path, items, count, meta, metas, &err));
}

/* Writes what a stage leaves; seed: its place among the experiment's. */
typedef void leaver(const struct draft *draft, const struct place *place, size_t seed,
                    const struct trouble *trouble);

static inline void play_run(struct lab *lab, leaver *leave_files, const struct place *place,
                            size_t seed, const struct trouble *trouble)
{
    struct run_spec spec = {.stage = place->section->stage->name,
                            .recipe_text = place->recipe_text,
                            .build = "0123456789ab cafe",
                            .config = "",
                            .inputs = place->inputs,
                            .input_count = place->input_count};
    struct run *run;
    struct draft *draft;
    struct port output = {.name = place->section->stage->outputs[0].name};
    struct err err;
    OK(run_claim(&run, lab->store, &spec, &lab->arena, lab->outputs, &lab->count, NULL, &err));
    if (!run)
        return; /* made by a place of the same recipe */
    bool trainer = place->section->stage->trains && place->section->stage->seeded;
    if (trainer && place->variant == 1 && trouble->fails &&
        place->seed == (uint64_t)trouble->fails) {
        fail_as(&err, STATUS_FAILED, "loss is <nan> at step 3");
        run_end(run, &err);
        return;
    }
    if (trainer) {
        run_numerics(run, "made-up arithmetic");
        run_metric(run, "train/parameters", -1, 1234567);
        run_metric(run, "train/peak_bytes", -1, 5e6);
        run_metric(run, "train/seconds", -1, 4000); /* before and after the stop */
        if (place->seed == 5)
            OK(run_event(run, "resumed", "{\"step\": 1200}", &err));
    }
    if (place->section->stage->measures)
        run_metric(run, "stage/peak_resident_bytes", -1, 7654e6);
    OK(draft_open(&draft, lab->store, &err));
    leave_files(draft, place, seed, trouble);
    OK(draft_seal(draft, &output.artifact, &err));
    OK(run_commit(run, &output, 1, &err));
}

static inline size_t seed_index(const struct experiment *experiment, uint64_t seed)
{
    size_t i = 0;
    while (experiment->seeds[i] != seed)
        i++;
    return i;
}

/* Every stage in an order in which its inputs are there. */
static inline void play(struct lab *lab, leaver *leave_files, const struct experiment *experiment,
                        const struct trouble *trouble)
{
    for (const struct stage_info *stage = stage_table; stage->name; stage++) {
        struct resolution resolution;
        struct err err;
        OK(resolve(&resolution, experiment, lab->store, "/nowhere", -1, -1, &err));
        for (size_t i = 0; i < resolution.count; i++) {
            const struct place *place = &resolution.places[i];
            if (place->section->stage == stage && place->state == PLACE_READY)
                play_run(lab, leave_files, place, seed_index(experiment, place->seed), trouble);
        }
        resolution_free(&resolution);
    }
}

/* ---- reporting ------------------------------------------------------------------------------ */
/* A lab and the report in it; a test's texts and paths live as long as the lab. */
struct world {
    struct lab *lab;
    struct experiment experiment;
    struct resolution resolution;
    struct report report;
};

static inline void forget(struct world *world)
{
    report_free(&world->report);
    resolution_free(&world->resolution);
    experiment_free(&world->experiment);
}

static inline int world_setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    *state = world;
    return lab_setup((void **)&world->lab);
}

static inline int world_teardown(void **state)
{
    struct world *world = *state;
    void *lab = world->lab;
    forget(world);
    free(world);
    return lab_teardown(&lab);
}

#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)

static inline int report_again(struct world *world, struct err *err)
{
    struct options options = {.lab = world->lab->path, .data = "raw data"};
    char index[PATH_BYTES];
    report_free(&world->report);
    TRY(report_collect(&world->report, &world->experiment, &world->resolution, world->lab->store,
                       err));
    return report_write(index, &world->report, &options, err);
}

/* Of an experiment whose stages have been played; leave_files: NULL for one that has not run. */
static inline int try_report(struct world *world, leaver *leave_files, const char *file,
                             const struct trouble *trouble, struct err *err)
{
    forget(world);
    TRY(experiment_parse(&world->experiment, "t.yaml", file, strlen(file), NULL, 0, err));
    if (leave_files)
        play(world->lab, leave_files, &world->experiment, trouble);
    TRY(resolve(&world->resolution, &world->experiment, world->lab->store, "/nowhere", -1, -1,
                err));
    return report_again(world, err);
}

static inline void report_on(struct world *world, leaver *leave_files, const char *file,
                             const struct trouble *trouble)
{
    struct err err;
    OK(try_report(world, leave_files, file, trouble, &err));
}

static inline const char *report_path(struct world *world, const char *name)
{
    return arena_printf(&world->lab->arena, "%s/reports/t/%s", world->lab->path, name);
}

static inline bool report_has(struct world *world, const char *name)
{
    return file_exists(report_path(world, name));
}

static inline const char *report_text(struct world *world, const char *name)
{
    char *bytes;
    size_t length;
    struct err err;
    OK(file_read(&bytes, &length, report_path(world, name), 1 << 24, &err));
    const char *text = arena_strdup(&world->lab->arena, bytes);
    free(bytes);
    return text;
}

/* Trouble, and words of the error that it makes. */
struct refusal {
    struct trouble trouble;
    const char *words;
};

static inline void assert_refused(leaver *leave_files, const char *file,
                                  const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *own;
        struct err err;
        assert_int_equal(world_setup(&own), 0);
        struct world *world = own;
        FAILS(try_report(world, leave_files, file, &cases[i].trouble, &err), STATUS_BAD_DATA,
              cases[i].words);
        assert_false(report_has(world, "index.html"));
        assert_int_equal(world_teardown(&own), 0);
    }
}

struct picture {
    int32_t width, height;
    uint8_t *rgb;
};

static inline struct picture picture_of(struct world *world, const char *name)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, report_path(world, name)));
    image.format = PNG_FORMAT_RGB;
    struct picture out = {(int32_t)image.width, (int32_t)image.height,
                          arena_alloc(&world->lab->arena, PNG_IMAGE_SIZE(image))};
    assert_true(png_image_finish_read(&image, NULL, out.rgb, 0, NULL));
    return out;
}

static inline void assert_colour(struct colour seen, struct colour expected, const char *what)
{
    if (memcmp(&seen, &expected, sizeof seen) != 0)
        fail_msg("%s: %d %d %d is not %d %d %d", what, seen.r, seen.g, seen.b, expected.r,
                 expected.g, expected.b);
}

static inline void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("'%s' is not there", words);
}

/* Where the dots of one kind (6: filled, 5: hollow) and colour are, in the order of the file; x may be
 * NULL. */
static inline void dots_of(const char *svg, int kind, const char *colour, double *x, double *y,
                           int count)
{
    char dot[64];
    double across;
    int found = 0;
    snprintf(dot, sizeof dot, "<use xlink:href='#gpPt%d' transform='translate(", kind);
    for (const char *p = svg; found < count && (p = strstr(p, dot)); p++) {
        const char *line_end = strchr(p, '>'), *is = strstr(p, colour);
        if (!is || is >= line_end)
            continue;
        assert_int_equal(sscanf(p + strlen(dot), "%lf,%lf", &across, &y[found]), 2);
        if (x)
            x[found] = across;
        found++;
    }
    assert_int_equal(found, count);
}

#endif
