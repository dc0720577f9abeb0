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
struct told {
    struct experiment experiment;
    struct resolution resolution;
    struct report report;
};

static inline void tell(struct told *out, struct lab *lab, leaver *leave_files, const char *file,
                        const struct trouble *trouble)
{
    struct err err;
    OK(experiment_parse(&out->experiment, "t.yaml", file, strlen(file), NULL, 0, &err));
    play(lab, leave_files, &out->experiment, trouble);
    OK(resolve(&out->resolution, &out->experiment, lab->store, "/nowhere", -1, -1, &err));
}

static inline int write_told(struct told *told, struct lab *lab, struct err *err)
{
    struct options options = {.lab = lab->path, .data = "raw data"};
    char index[PATH_BYTES];
    if (report_collect(&told->report, &told->experiment, &told->resolution, lab->store, err))
        return -1;
    return report_write(index, &told->report, &options, err);
}

static inline void forget(struct told *told)
{
    report_free(&told->report);
    resolution_free(&told->resolution);
    experiment_free(&told->experiment);
}

static inline const char *report_path(char path[PATH_BYTES], const struct lab *lab,
                                      const char *name)
{
    snprintf(path, PATH_BYTES, "%.3000s/reports/t/%s", lab->path, name);
    return path;
}

static inline char *report_text(const struct lab *lab, const char *name)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    struct err err;
    OK(file_read(&bytes, &length, report_path(path, lab, name), 1 << 24, &err));
    return bytes;
}

static inline void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("'%s' is not there", words);
}

static inline void assert_size(const struct lab *lab, const char *name, uint32_t width,
                               uint32_t height)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    char path[PATH_BYTES];
    assert_true(png_image_begin_read_from_file(&image, report_path(path, lab, name)));
    assert_int_equal(image.width, width);
    assert_int_equal(image.height, height);
    png_image_free(&image);
}

#endif
