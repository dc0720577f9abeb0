/*
 * A toy training for the tests of the loop: images of 6 pixels, a few dozen weights, everything
 * that a real model has (an activation, random numbers, running statistics, a frozen group, a
 * factor that follows the step). Every training runs in a child process, so that it can be killed
 * and so that no thread pool is carried across a fork.
 */
#ifndef CAIRN_TESTS_TRAIN_TOY_H
#define CAIRN_TESTS_TRAIN_TOY_H

#include "train/train_parts.h"

#include "base/file.h"
#include "base/text.h"
#include "store/tensors.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#if defined __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

enum { PIXELS = 6, HIDDEN = 8, MAX_CASES = 4096 };
static const uint64_t toy_seed = 0x123456789abcdefull;

/* One test's trainings: what runs, where, and what is to happen on the way. */
struct toy {
    char lab[64];
    struct train_config config;
    uint32_t train, val;
    int threads;
    bool sharp;    /* toy_linear: a term of value 0 whose gradient is not a number */
    bool huge;     /* gradients so large that their squares are infinite */
    bool unsound;  /* toy_linear: the loss of a validation is not a number */
    bool odd;      /* toy_linear: a monitor is not a number */
    bool other;    /* another seed, and so another recipe */
    bool linear;   /* the model of toy_linear, without random numbers */
    bool dark;     /* its model's images are from 0 to 1/2 */
    int nan_at;    /* step (from 1) at which the loss is not a number; 0: never */
    int huge_at;   /* step at which the gradients are huge, as above; 0: never */
    int signal_at; /* step (from 1) before which the process sends itself `signal`; 0: never */
    int signal;
    struct meter meter;
    int calls; /* of the factor: once a step */
    /* Other programs than those of the one model above; 0: those. */
    const struct program_row *programs;
    int program_count;
    uint32_t (*runs)(int64_t step, int64_t steps, const void *user);
    /* Another trainer than that of the toy's models, on its own data; NULL: that one. */
    int (*fit)(const struct training *where, const struct draft *draft, struct err *err);
    const char *borrows; /* a group, from the artifact `lender` of the same lab */
    struct id lender;
    const struct weights_map *map;
    const char *recipe; /* NULL: the usual one */
    void (*each_step)(int call);
    void (*opened)(struct backend *backend); /* before the backend is used */
};

static const struct train_config toy_config = {
    .optimizer = OPTIMISER_ADAM,
    .lr = 0.01,
    .beta1 = 0.9,
    .beta2 = 0.999,
    .eps = 1e-8,
    .momentum = 0.9,
    .epochs = 5,
    .batch = 8,
    .accumulate = 1,
    .schedule = {.power = 0.9},
    .checkpoint = {.by = "loss", .seconds = 1000, .share = 1e9}};

/* Pixels from a fixed generator; pixel 0 of a train case is the mean of the others, of a val case
 * half of that, so that fitting the one at length spoils the other. */
static inline void toy_data(struct dataset *out, const struct toy *toy)
{
    static uint8_t images[MAX_CASES * PIXELS];
    static int32_t labels[MAX_CASES];
    static char names[MAX_CASES][8];
    static const char *ids[MAX_CASES];
    uint32_t count = toy->train + toy->val, random = 12345;
    for (uint32_t i = 0; i < count; i++) {
        int sum = 0;
        snprintf(names[i], sizeof names[i], "c%u", i % 100000);
        ids[i] = names[i];
        for (int k = 1; k < PIXELS; k++) {
            random = random * 1664525u + 1013904223u;
            images[i * PIXELS + (uint32_t)k] = (uint8_t)(random >> 24);
            sum += (int)(random >> 24);
        }
        images[i * PIXELS] = (uint8_t)(sum / 5 / (i < toy->train ? 1 : 2));
        labels[i] = (int32_t)(i % 3);
    }
    *out = (struct dataset){.d = 1,
                            .h = 2,
                            .w = 3,
                            .c = 1,
                            .begin = {0, toy->train, count},
                            .count = {toy->train, toy->val, 0},
                            .images = images,
                            .labels = labels,
                            .ids = ids,
                            .class_count = 3};
}

/* ---- models --------------------------------------------------------------------------------- */

static const struct window toy_dense = {.size = {1, 1, 1}, .stride = {1, 1, 1}};

static inline val toy_weight(struct graph *g, const char *group, const char *name, int32_t out,
                             int32_t in)
{
    return g_param(g, group, name, (struct shape){out, 1, 1, 1, in},
                   (struct initial){INIT_UNIFORM, 0.4f});
}

static inline val toy_bias(struct graph *g, const char *group, const char *name, int32_t out)
{
    return g_param(g, group, name, (struct shape){1, 1, 1, 1, out}, (struct initial){INIT_ZERO, 0});
}

/* A noisy autoencoder 6 -> 8 -> 6 behind a frozen scale, with a running mean of its hidden layer.
 */
static inline val toy_loss(struct graph *g, const struct feed *feed, const void *user,
                           struct monitors *monitors)
{
    (void)user;
    graph_push(g, "toy");
    int32_t n = g_shape(g, feed->image).n;
    val x = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val scale = g_param(g, "frozen", "scale", (struct shape){1, 1, 1, 1, PIXELS},
                        (struct initial){INIT_NORMAL, 1});
    val hidden = g_conv(g, g_binary(g, OP_mul, x, scale),
                        toy_weight(g, "net", "hidden.weight", HIDDEN, PIXELS),
                        toy_bias(g, "net", "hidden.bias", HIDDEN), toy_dense, ACT_TANH);
    val noise = g_affine(g, g_normal(g, (struct shape){n, 1, 1, 1, HIDDEN}), 0.1f, 0);
    val running = g_state(g, "net", "hidden.mean", (struct shape){1, 1, 1, 1, HIDDEN},
                          (struct initial){INIT_ZERO, 0});
    if (graph_mode(g) == MODE_TRAIN) {
        val sum = g_reduce_sum(g, hidden, (struct shape){1, 1, 1, 1, HIDDEN});
        g_blend(g, running, sum, 0.9f, 0.1f / (float)n, 0);
    }
    val y = g_conv(g, g_binary(g, OP_add, hidden, noise),
                   toy_weight(g, "net", "out.weight", PIXELS, HIDDEN),
                   toy_bias(g, "net", "out.bias", PIXELS), toy_dense, ACT_NONE);
    val error = weighted_mean(g, g_loss(g, OP_mse, y, x), feed->weight);
    monitor(monitors, "error", LESS_IS_BETTER, error);
    monitor(monitors, "factor", LESS_IS_BETTER, feed->scalar[0]);
    graph_push(g, "head");
    val loss = g_binary(g, OP_mul, error, feed->scalar[0]);
    graph_pop(g);
    graph_pop(g);
    return loss;
}

/* Pixel 0 from the other five: y = w x + b, from zero. */
static inline val toy_linear(struct graph *g, const struct feed *feed, const void *user,
                             struct monitors *monitors)
{
    const struct toy *toy = user;
    int32_t n = g_shape(g, feed->image).n;
    val x = g_reshape(g, feed->image, (struct shape){n, 1, 1, 1, PIXELS});
    val w = g_param(g, "net", "weight", (struct shape){1, 1, 1, 1, PIXELS - 1},
                    (struct initial){INIT_ZERO, 0});
    val y = g_conv(g, g_slice(g, x, AXIS_C, 1, PIXELS - 1), w, toy_bias(g, "net", "bias", 1),
                   toy_dense, ACT_NONE);
    val error = weighted_mean(g, g_loss(g, OP_mse, y, g_slice(g, x, AXIS_C, 0, 1)), feed->weight);
    if (toy->odd)
        monitor(monitors, "odd", LESS_IS_BETTER, g_unary(g, OP_log_, g_affine(g, error, 0, -1)));
    if (toy->sharp)
        error = g_binary(g, OP_add, error, g_unary(g, OP_sqrt_, g_affine(g, error, 0, 0)));
    if (toy->unsound && graph_mode(g) == MODE_EVALUATE)
        error = g_unary(g, OP_sqrt_, g_affine(g, error, 0, -1));
    return error;
}

/* Called once a step, before it: where things happen. */
static inline double toy_factor(double epoch, const void *user)
{
    struct toy *toy = (struct toy *)(uintptr_t)user;
    int64_t per_epoch = (toy->train + toy->config.batch * toy->config.accumulate / 2) /
                        (toy->config.batch * toy->config.accumulate);
    int step = (int)lround(epoch * (double)(per_epoch > 1 ? per_epoch : 1)) + 1;
    if (step == toy->signal_at)
        raise(toy->signal);
    if (toy->each_step)
        toy->each_step(toy->calls++);
    return step == toy->nan_at ? (double)NAN : toy->huge || step == toy->huge_at ? 1e25 : 1 + epoch;
}

/* ---- one training, in a child --------------------------------------------------------------- */

static inline const char *toy_recipe(const struct toy *toy)
{
    if (toy->recipe)
        return toy->recipe;
    return toy->other ? "stage toy\nseed 2\n" : "stage toy\n";
}

/* Of one size. */
static inline struct model_facts toy_facts(const void *description)
{
    (void)description;
    return (struct model_facts){.range = {-1, 1}};
}

static inline struct model_facts toy_dark_facts(const void *description)
{
    (void)description;
    return (struct model_facts){.range = {0, 0.5f}};
}

static inline int toy_claimed(struct toy *toy, struct store *store, struct run *run,
                              struct port *port, struct err *err)
{
    const struct program_row programs[] = {
        {.loss = toy->linear ? toy_linear : toy_loss, .groups = {{.name = "net"}}},
        {.loss = toy->linear ? toy_linear : toy_loss},
    };
    struct dataset dataset;
    toy_data(&dataset, toy);
    static const struct field fields[] = {{.key = "name", .type = FIELD_TEXT}, {0}};
    const struct model_kind kind = {
        .name = "toy", .fields = fields, .facts = toy->dark ? toy_dark_facts : toy_facts};
    static const char *const description = "toy";
    struct task task = {.name = "toy",
                        .kind = &kind,
                        .model = &description,
                        .config = &toy->config,
                        .seed = toy_seed + toy->other,
                        .programs = programs,
                        .program_count = 2,
                        .scalars = {{toy_factor, 1}},
                        .runs = toy->runs,
                        .user = toy};
    const struct borrowed borrowed = {toy->borrows, &toy->lender, toy->map};
    if (toy->programs) {
        task.programs = toy->programs;
        task.program_count = toy->program_count;
    }
    if (toy->borrows) {
        task.borrowed = &borrowed;
        task.borrowed_count = 1;
    }
    struct training where = {.run = run, .store = store, .dataset = &dataset, .meter = &toy->meter};
    struct draft *draft;
    TRY(backend_open(&where.backend, &(struct backend_spec){.threads = toy->threads}, &toy->meter,
                     err));
    if (toy->opened)
        toy->opened(where.backend);
    TRY(draft_open(&draft, store, err));
    int status = toy->fit ? toy->fit(&where, draft, err) : train(&where, &task, draft, err);
    backend_close(where.backend);
    if (status) {
        draft_drop(draft);
        return -1;
    }
    port->name = "model";
    return draft_seal(draft, &port->artifact, err);
}

static inline int toy_child(struct toy *toy, struct err *err)
{
    struct store *store;
    struct arena arena = {0};
    struct port ports[MAX_PORTS];
    int count;
    struct run *run;
    struct run_spec spec = {
        .stage = "toy", .recipe_text = toy_recipe(toy), .build = "test", .config = ""};
    TRY(store_open(&store, toy->lab, true, err));
    int known = run_claim(&run, store, &spec, &arena, ports, &count, NULL, err);
    int status = known;
    if (!known) {
        status = toy_claimed(toy, store, run, ports, err);
        if (status)
            run_end(run, err);
        else
            status = run_commit(run, ports, 1, err);
    }
    arena_free(&arena);
    store_close(store);
    return status;
}

static inline void toy_path(char *out, const struct toy *toy, const char *name)
{
    snprintf(out, PATH_BYTES, "%s/%s", toy->lab, name);
}

/* Starts a training; its stderr goes to LAB/stderr, its error's text to LAB/error. */
static inline pid_t toy_start(struct toy *toy)
{
    pid_t child = fork();
    if (child)
        return child;
    char path[PATH_BYTES];
    struct err err = {0}, ignored;
    toy_path(path, toy, "stderr");
    if (!freopen(path, "w", stderr))
        _exit(99);
    int status = toy_child(toy, &err);
    toy_path(path, toy, "error");
    if (status < 0)
        file_publish(path, err.text, strlen(err.text), &ignored);
    fflush(stderr);
#if defined __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check()) /* which _exit would leave out */
        _exit(96);
#endif
    _exit(status < 0 ? (int)err.status : status ? 98 : 0);
}

/* The exit status, or minus the signal. */
static inline int toy_wait(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child)
        return -1000;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline char *toy_text(const struct toy *toy, const char *name)
{
    char path[PATH_BYTES];
    struct err err;
    char *text;
    size_t length;
    toy_path(path, toy, name);
    return file_read(&text, &length, path, 1 << 20, &err) ? xstrdup("") : text;
}

static inline void toy_expect(struct toy *toy, int want)
{
    int got = toy_wait(toy_start(toy));
    if (got == want)
        return;
    char *error = toy_text(toy, "error"), *log = toy_text(toy, "stderr");
    fail_msg("the training ended with %d instead of %d: %s\n%s", got, want, error, log);
}

/* ---- looking at it from outside ------------------------------------------------------------- */

static inline struct toy toy_new(void)
{
    struct toy toy = {.lab = "/tmp/cairn-train-XXXXXX",
                      .config = toy_config,
                      .train = 64,
                      .val = 24,
                      .threads = 1};
    if (!mkdtemp(toy.lab))
        fail_msg("cannot make a folder for the lab");
    return toy;
}

/* Everything at once: accumulation, averaging, clipping, a schedule, validation, all epochs kept.
 */
static inline void toy_use_everything(struct toy *toy)
{
    toy->config.accumulate = 2;
    toy->config.batch = 4;
    toy->config.ema = 0.9;
    toy->config.clip_norm = 0.5;
    toy->config.schedule.kind = SCHEDULE_COSINE;
    toy->config.schedule.warmup_steps = 5;
    toy->config.checkpoint.keep = KEEP_ALL;
    static int64_t augmentations[] = {AUGMENT_FLIP, AUGMENT_ROTATE, AUGMENT_BRIGHTNESS};
    toy->config.augment = (struct int_list){3, augmentations};
    toy->config.augment_limits.rotate = 90;
    toy->config.augment_limits.brightness = 0.3;
    toy->config.augment_limits.crop = 1;
}

static inline void toy_end(const struct toy *toy)
{
    struct err err;
    if (folder_remove(toy->lab, &err))
        fail_msg("%s", err.text);
}

static inline struct store *toy_store(const struct toy *toy)
{
    struct store *store;
    struct err err;
    if (store_open(&store, toy->lab, false, &err))
        fail_msg("%s", err.text);
    return store;
}

static inline struct id toy_result(const struct toy *toy)
{
    struct store *store = toy_store(toy);
    struct arena arena = {0};
    struct port ports[MAX_PORTS];
    struct err err;
    int64_t run;
    int count;
    struct id recipe = sha256_of(toy_recipe(toy), strlen(toy_recipe(toy)));
    if (registry_lookup(store, &recipe, &arena, &run, ports, &count, &err) != 1)
        fail_msg("no result in the registry");
    arena_free(&arena);
    store_close(store);
    return ports[0].artifact;
}

/* A file of the result. The caller frees it. */
static inline char *toy_file(const struct toy *toy, const char *name)
{
    struct store *store = toy_store(toy);
    struct id artifact = toy_result(toy);
    struct err err;
    char path[PATH_BYTES], *text;
    size_t length;
    if (artifact_path(path, store, &artifact, name, &err) ||
        file_read(&text, &length, path, 1 << 20, &err))
        fail_msg("%s", err.text);
    store_close(store);
    return text;
}

/* The tensors of a result's file. The caller closes them. */
static inline void toy_tensors(struct tensors *out, const struct toy *toy, const char *file)
{
    struct store *store = toy_store(toy);
    struct id artifact = toy_result(toy);
    struct err err;
    char path[PATH_BYTES];
    if (artifact_path(path, store, &artifact, file, &err) || tensors_open(out, path, &err))
        fail_msg("%s", err.text);
    store_close(store);
}

/* One of them, copied into out[count]. */
static inline void toy_tensor(float *out, int64_t count, const struct toy *toy, const char *file,
                              const char *name)
{
    struct err err;
    struct tensors tensors;
    const struct tensor *tensor;
    toy_tensors(&tensors, toy, file);
    if (tensors_need(&tensor, &tensors, name, TENSOR_F32, -1, &err))
        fail_msg("%s", err.text);
    assert_int_equal(tensor->bytes, (size_t)count * sizeof *out);
    memcpy(out, tensor->data, tensor->bytes);
    tensors_close(&tensors);
}

struct toy_event {
    const char *kind;
    char first[1024]; /* detail of the first of this kind */
    int count;
};
static inline int toy_count_event(void *user, double at, const char *kind, const char *detail,
                                  struct err *err)
{
    (void)at;
    (void)err;
    struct toy_event *event = user;
    if (!strcmp(kind, event->kind) && !event->count++)
        snprintf(event->first, sizeof event->first, "%s", detail);
    return 0;
}

/* Events of a kind over all runs of the lab. */
static inline struct toy_event toy_events(const struct toy *toy, const char *kind)
{
    struct store *store = toy_store(toy);
    struct toy_event event = {.kind = kind};
    struct err err;
    for (int64_t run = 1; run < 200; run++)
        registry_events(store, run, toy_count_event, &event, &err);
    store_close(store);
    return event;
}

/* The id that this training gives when nothing happens on the way. */
static inline struct id toy_uninterrupted(const struct toy *toy)
{
    struct toy plain = toy_new();
    plain.config = toy->config;
    plain.config.checkpoint.seconds = 1000;
    plain.train = toy->train;
    plain.val = toy->val;
    plain.threads = toy->threads;
    plain.linear = toy->linear;
    plain.programs = toy->programs;
    plain.program_count = toy->program_count;
    plain.runs = toy->runs;
    plain.fit = toy->fit;
    toy_expect(&plain, STATUS_OK);
    struct id id = toy_result(&plain);
    toy_end(&plain);
    return id;
}

/* Number `column` of row `row` (from 0, after the header) of a CSV; NAN where the cell is empty. */
static inline double toy_cell(const char *csv, int row, int column)
{
    for (; row >= 0; row--) {
        csv = strchr(csv, '\n');
        if (!csv || !*++csv)
            return (double)NAN;
    }
    for (; column > 0; column--)
        csv = csv + strcspn(csv, ",") + 1;
    return strchr(",\n", *csv) ? (double)NAN : strtod(csv, NULL);
}

static inline int toy_rows(const char *csv)
{
    int lines = 0;
    for (; *csv; csv++)
        lines += *csv == '\n';
    return lines - 1;
}

#endif
