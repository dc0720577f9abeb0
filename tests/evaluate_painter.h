/* UNets whose weights are written by hand, so that an image's grey levels are its prediction, and
 * drawn cases for them. */
#ifndef CAIRN_TESTS_EVALUATE_PAINTER_H
#define CAIRN_TESTS_EVALUATE_PAINTER_H

#include "evaluate_world.h"
#include "model_artifact.h"

#include "data/data.h"
#include "train/unet_train.h"
#include "store/tensors.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE, MOST = 16, CLASSES = 3 };
static const uint8_t levels[CLASSES] = {51, 204, 128}; /* grey of a class; 1 is the lightest */

/* ---- data ----------------------------------------------------------------------------------- */
struct data {
    uint8_t images[MOST * PIXELS], masks[MOST * PIXELS];
    const char *ids[MOST];
    struct dataset set;
};

/* A case as drawn: rows of truth and, behind a blank each, of what the model is to see; 'x': no class. */
struct drawing {
    const char *id, *rows;
};

/* Two train cases first, which no evaluation of the test split may touch. */
enum { TEST_BEGIN = 2 };

static inline void draw(struct data *data, const struct drawing *drawings, uint32_t count,
                        uint32_t mask_classes)
{
    static const char *names[] = {"background", "foreground", "stone"};
    memset(data, 0, sizeof *data);
    memset(data->images, levels[1], TEST_BEGIN * PIXELS);
    data->ids[0] = "train-0";
    data->ids[1] = "train-1";
    for (uint32_t i = 0; i < count; i++) {
        size_t at = (TEST_BEGIN + i) * PIXELS;
        data->ids[TEST_BEGIN + i] = drawings[i].id;
        for (int k = 0; k < PIXELS; k++) {
            const char *row = drawings[i].rows + k / SIDE * 2 * (SIDE + 1);
            char truth = row[k % SIDE], seen = row[SIDE + 1 + k % SIDE];
            data->masks[at + (size_t)k] = truth == 'x' ? MASK_IGNORE : (uint8_t)(truth - '0');
            data->images[at + (size_t)k] = levels[seen - '0'];
        }
    }
    data->set = (struct dataset){.d = 1,
                                 .h = SIDE,
                                 .w = SIDE,
                                 .c = 1,
                                 .begin = {0, TEST_BEGIN, TEST_BEGIN},
                                 .count = {TEST_BEGIN, 0, count},
                                 .images = data->images,
                                 .masks = data->masks,
                                 .ids = data->ids,
                                 .mask_class_count = mask_classes,
                                 .mask_classes = names};
}

/* The five cases of most tests; "behind" has an ignored row that is predicted as foreground. */
static const struct drawing five[] = {
    {"wide", "1100 1110 1100 1110 1100 1110 1100 1110 "},
    {"empty", "0000 0000 0000 0000 0000 0000 0000 0000 "},
    {"only seen", "0000 0000 0000 0110 0000 0110 0000 0000 "},
    {"right", "1100 1100 1100 1100 0000 0000 0000 0000 "},
    {"behind", "1111 1110 xxxx 1111 0000 0000 0000 0000 "},
};
enum { FIVE = sizeof five / sizeof *five };

/* "all": of 0 4 of 6 are found, of 1 5 of 5, of 2 4 of 5. "none of 2": stone is seen once. */
static const struct drawing three[] = {
    {"all", "0011 0111 0011 0111 0012 0012 2222 2222 "},
    {"none of 2", "0000 0000 0000 0000 1111 1111 1111 1112 "},
    {"nothing", "0000 0000 0000 0000 0000 0000 xxxx 1212 "},
};

/* ---- models --------------------------------------------------------------------------------- */
struct weights {
    size_t count;
    struct tensor items[24];
    float data[24][64];
};

static inline float *weight(struct weights *w, const char *name, int dims, const int64_t *dim)
{
    struct tensor *t = &w->items[w->count];
    *t = (struct tensor){.name = name, .type = TENSOR_F32, .dims = dims, .data = w->data[w->count]};
    t->bytes = sizeof(float);
    for (int i = 0; i < dims; i++) {
        t->dim[i] = dim[i];
        t->bytes *= (size_t)dim[i];
    }
    assert_true(t->bytes <= sizeof w->data[0]);
    return w->data[w->count++];
}

/* A convolution (of a volume, if deep) with its bias; returns its weights, zeros. */
static inline float *convolution(struct weights *w, const char *weight_name, const char *bias_name,
                                 bool deep, int32_t side, int32_t from, int32_t to)
{
    int64_t dim[5] = {to};
    weight(w, bias_name, 1, dim);
    int dims = shape_dims(dim, (struct shape){to, deep ? side : 1, side, side, from});
    return weight(w, weight_name, dims, dim);
}

struct head {
    int outputs;
    const float *slope, *offset; /* logit k = slope[k] * grey + offset[k] */
};

/* What the encoder's first level sees goes over the skip to the head; all else is multiplied by 0.
 * is: all but the network. */
static inline struct id painter_of(struct lab *lab, const struct head *head,
                                   struct unet_description is)
{
    is.model = (struct unet_model_config){.channels = {2, (int64_t[]){1, 1}},
                                          .norm = NORM_NONE,
                                          .norm_groups = 1,
                                          .activation = ACT_RELU};
    struct weights *w = calloc(1, sizeof *w);
    bool deep = is.data.d > 1;
    int middle = deep ? 13 : 4;
#define CONVOLUTION(name, side, from, to)                                                          \
    convolution(w, name ".weight", name ".bias", deep, side, from, to)
    CONVOLUTION("encoder.0.conv1", 3, 1, 1)[middle] = 1;
    CONVOLUTION("encoder.0.conv2", 3, 1, 1)[middle] = 1;
    CONVOLUTION("encoder.1.conv1", 3, 1, 1);
    CONVOLUTION("encoder.1.conv2", 3, 1, 1);
    CONVOLUTION("decoder.0.up", 2, 1, 1);
    CONVOLUTION("decoder.0.conv1", 3, 2, 1)[2 * middle] = 1;
    CONVOLUTION("decoder.0.conv2", 3, 1, 1)[middle] = 1;
    float *slope = CONVOLUTION("head", 1, 1, head->outputs);
#undef CONVOLUTION
    float *offset = (float *)(uintptr_t)w->items[w->count - 2].data;
    memcpy(slope, head->slope, (size_t)head->outputs * sizeof *slope);
    memcpy(offset, head->offset, (size_t)head->outputs * sizeof *offset);

    float spoilt = 0;
    for (int k = 0; k < head->outputs; k++)
        if (head->offset[k] == to_spoil)
            spoilt = NAN;
    struct id id = model_artifact(lab, &(struct made){.kind = &unet_kind,
                                                      .description = &is,
                                                      .weights = w->items,
                                                      .count = w->count,
                                                      .spoilt = spoilt});
    free(w);
    return id;
}

static inline struct id painter(struct lab *lab, const struct head *head, int mask_classes,
                                int depth)
{
    return painter_of(lab, head,
                      (struct unet_description){.data = {depth, SIDE, SIDE, 1, 7},
                                                .mask_classes = mask_classes,
                                                .outputs = head->outputs});
}

/* One logit: 3 where the image is light, -3 where it is dark (or of the third class: 0.012). */
static inline struct id one_logit(struct lab *lab)
{
    const float slope = 10, offset = -5;
    return painter(lab, &(struct head){1, &slope, &offset}, 2, 1);
}

/* A logit a class: the nearest level, as |x - l|^2 is least where 2 x l - l^2 is greatest. */
static inline struct id nearest_level(struct lab *lab)
{
    float slope[CLASSES], offset[CLASSES];
    for (int k = 0; k < CLASSES; k++) {
        float level = (float)levels[k] / 255;
        slope[k] = 2 * 50 * level;
        offset[k] = -50 * level * level;
    }
    return painter(lab, &(struct head){CLASSES, slope, offset}, CLASSES, 1);
}

/* ---- evaluating ----------------------------------------------------------------------------- */
static int64_t all_metrics[] = {
    METRIC_pixel_accuracy, METRIC_iou,        METRIC_dice, METRIC_precision,
    METRIC_recall,         METRIC_boundary_f, METRIC_hd95, METRIC_surface_distance,
    METRIC_surface_dice};
static int64_t both_saved[] = {SAVE_PREDICTIONS, SAVE_PROBABILITIES};
static const struct evaluate_config usual = {.split = SPLIT_TEST,
                                             .metrics = {9, all_metrics},
                                             .batch = 2,
                                             .tolerance = 0.5,
                                             .save = {2, both_saved}};

static inline int evaluated(struct id *out, struct lab *lab, const struct dataset *set,
                            const struct id *model, const struct evaluate_config *config,
                            struct err *err)
{
    return measured(out, lab, (struct evaluation){.dataset = set, .model = model}, config, err);
}

/* One that succeeds. */
static inline struct id evaluation_of(struct lab *lab, const struct dataset *set,
                                      const struct id *model, const struct evaluate_config *config)
{
    struct id result;
    struct err err;
    OK(evaluated(&result, lab, set, model, config, &err));
    return result;
}

/* want NAN: null */
static inline void metric_is(const char *json, const char *name, double want)
{
    double found = metric_of(json, name);
    if (isnan(want) ? !isnan(found) : !(fabs(found - want) < 1e-12))
        fail_msg("%s is %.17g, not %.17g", name, found, want);
}

static inline bool has_file(struct lab *lab, const struct id *id, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    return !artifact_path(path, lab->store, id, name, &err);
}

#endif
