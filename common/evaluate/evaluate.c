/* A whole evaluation: one model, one pass over the split, and everything measured on it. */
#include "evaluate/evaluate_parts.h"

#include "base/progress.h"
#include "train/model_text.h"

#include <stdlib.h>
#include <string.h>

/* The automatic batch: cases of images only; with masks by pixels, with a limit on cases. */
enum { AUTO_IMAGES = 200, AUTO_PIXELS = 1 << 18, AUTO_MOST = 64 };

static const struct side *const sides[] = {&image_side, &latent_side, &segment_side};
enum { SIDES = sizeof sides / sizeof *sides };

const char *case_name(const struct evaluator *e, uint32_t i)
{
    return e->what->dataset->ids[e->begin + i];
}

int32_t case_label(const struct evaluator *e, uint32_t i)
{
    const int32_t *labels = e->what->dataset->labels;
    return labels ? labels[e->begin + i] : 0;
}

unsigned evaluate_has(const struct model_kind *kind)
{
    const unsigned both = CAN(ENCODE) | CAN(DECODE), can = model_abilities(kind);
    const bool codes = (can & both) == both;
    return (codes ? HAS_IMAGES | HAS_CODES : 0) | (can & CAN(RECONSTRUCT) ? HAS_IMAGES : 0) |
           (can & CAN(ENCODE) ? HAS_LATENTS : 0) | (can & CAN(SEGMENT) ? HAS_MASKS : 0);
}

/* ---- the model ------------------------------------------------------------------------------ */
/* Chooses what is measured: what the model can do, is requested, and the data set allows. */
static int choose_sides(struct evaluator *e, unsigned can, struct err *err)
{
    const struct evaluation *what = e->what;
    TRY(evaluate_check(e->config, can, err));
    unsigned asked = evaluate_needs(e->config, can | HAS_BESIDE);
    e->has = asked & can;
    if (e->has & HAS_MASKS && !what->dataset->masks) {
        if (e->config->metrics.count || !(e->has & HAS_IMAGES))
            return fail_as(err, STATUS_CONFIG,
                           "segmentation metrics need masks, but the data set has none");
        e->has &= ~(unsigned)HAS_MASKS;
    }
    if (e->has & HAS_IMAGES) /* then also by a code, if there is one */
        e->has |= can & HAS_CODES;
    e->has |= what->judge ? HAS_JUDGE : 0;
    e->has |= what->lpips ? HAS_LPIPS : 0;
    e->has |= e->facts.conditional && what->dataset->class_count > 1 ? HAS_LABELS : 0;
    e->needs = evaluate_needs(e->config, e->has);
    return 0;
}

static int check_data(const struct evaluator *e, struct err *err)
{
    struct image_data data = image_data_of(e->what->dataset);
    uint32_t mask_classes = e->what->dataset->mask_class_count;
    if (!(e->has & HAS_IMAGES))
        data.classes = e->facts.data.classes; /* it does not use labels of whole images */
    TRY(image_data_match(&e->facts.data, &data, "the model", err));
    if (e->has & HAS_MASKS && e->facts.mask_classes != (int64_t)mask_classes)
        return fail_as(err, STATUS_BAD_DATA,
                       "the model was trained on masks of %d classes, but the data set has %u",
                       (int)e->facts.mask_classes, mask_classes);
    return 0;
}

/* What it does with whole cases. */
static unsigned whole_abilities(const struct evaluator *e)
{
    return (e->has & HAS_CODES    ? CAN(ENCODE) | CAN(DECODE)
            : e->has & HAS_IMAGES ? CAN(RECONSTRUCT)
                                  : 0) |
           (e->has & HAS_LATENTS ? CAN(ENCODE) : 0) |
           (e->has & HAS_MASKS && e->whole ? CAN(SEGMENT) : 0);
}

static int32_t choose_batch(const struct evaluator *e)
{
    const struct dataset *data = e->what->dataset;
    int64_t pixels = (int64_t)data->d * data->h * data->w;
    int32_t batch = AUTO_MOST;
    if (!whole_abilities(e))
        return 1;
    if (e->config->batch > 0)
        return (int32_t)e->config->batch;
    if (!(e->has & HAS_MASKS))
        return AUTO_IMAGES;
    while (batch > 1 && batch * pixels > AUTO_PIXELS)
        batch /= 2;
    return batch;
}

int evaluate_open(struct trained *out, const struct evaluator *e, const struct id *artifact,
                  unsigned abilities, const struct windows *windows, struct err *err)
{
    const struct trained_spec spec = {.store = e->what->store,
                                      .artifact = artifact,
                                      .backend = e->what->backend,
                                      .batch = windows->batch,
                                      .size = {.d = windows->size[0],
                                               .h = windows->size[1],
                                               .w = windows->size[2],
                                               .c = e->what->dataset->c},
                                      .abilities = abilities,
                                      .meter = e->what->meter};
    return trained_open(out, &spec, err);
}

static int open_model(struct evaluator *e, struct err *err)
{
    const struct evaluation *what = e->what;
    const struct dataset *data = what->dataset;
    struct model model;
    TRY(model_read(&model, what->store, what->model, &e->arena, err));
    e->facts = model.facts;
    if (!evaluate_has(model.kind))
        return model_need(model.kind, CAN(ENCODE) | CAN(DECODE), err);
    TRY(choose_sides(e, evaluate_has(model.kind), err));
    TRY(check_data(e, err));
    struct windows whole = {.size = {data->d, data->h, data->w}};
    e->windows = windows_for(&e->facts, whole.size);
    e->whole = memcmp(e->windows.size, whole.size, sizeof whole.size) == 0;
    e->first_class = e->config->background == BACKGROUND_AUTO
                         ? dataset_first_class(data)
                         : e->config->background == BACKGROUND_LEFT_OUT;
    e->batch = whole.batch = choose_batch(e);
    return whole_abilities(e)
               ? evaluate_open(&e->model, e, what->model, whole_abilities(e), &whole, err)
               : 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */
static int measure_batch(struct evaluator *e, const struct batch *b, uint32_t first,
                         struct err *err)
{
    for (int i = 0; i < SIDES; i++) {
        if (!(e->has & sides[i]->has) || !sides[i]->batch(e, b, first, err))
            continue;
        return e->model.bad_case < 0
                   ? -1
                   : wrap(err, "case '%s'", case_name(e, first + (uint32_t)e->model.bad_case));
    }
    return 0;
}

static int pass_over(struct evaluator *e, struct err *err)
{
    struct loader_spec spec = {.split = (enum split)e->config->split,
                               .batch = (uint32_t)e->batch,
                               .memory = backend_host_memory(e->what->backend)};
    struct loader *loader;
    TRY(loader_open(&loader, e->what->dataset, &spec, e->what->meter, err));
    struct progress progress;
    progress_start(&progress, "evaluate", 0, e->count, e->what->quiet);
    int status = 0;
    uint32_t first = 0;
    for (const struct batch *b; !status && (b = loader_next(loader)); first += b->real) {
        status = stop_obey(err);
        if (!status)
            status = measure_batch(e, b, first, err);
        progress_step(&progress, first + b->real, 1, "cases", "");
    }
    progress_end(&progress);
    loader_close(loader);
    return status;
}

static int measure_all(struct evaluator *e, const struct draft *draft, struct err *err)
{
    TRY(find_leaks(e, draft, err));
    TRY(open_model(e, err));
    choose_columns(e);
    for (int i = 0; i < SIDES; i++)
        if (e->has & sides[i]->has)
            TRY(sides[i]->begin(e, err));
    TRY(pass_over(e, err));
    for (int i = 0; i < SIDES; i++)
        if (e->has & sides[i]->has)
            TRY(sides[i]->end(e, draft, err));
    return write_results(e, draft, err);
}

int evaluate(const struct evaluation *what, const struct evaluate_config *config,
             const struct draft *draft, struct err *err)
{
    struct evaluator e = {.what = what, .config = config, .model = {.bad_case = -1}};
    e.begin = what->dataset->begin[config->split];
    e.count = what->dataset->count[config->split];
    if (!e.count)
        return fail_as(err, STATUS_CONFIG, "the %s split is empty", split_names[config->split]);
    int status = measure_all(&e, draft, err);
    for (int i = 0; i < SIDES; i++)
        sides[i]->close(&e);
    trained_close(&e.model);
    free(e.columns);
    free(e.pictures);
    free(e.notes);
    arena_free(&e.arena);
    return status;
}
