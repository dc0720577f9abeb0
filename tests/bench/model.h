/*
 * The training steps that are timed: models of the project on made data, built by what trains them
 * (programs_open), with the trainers' losses and monitors. The programs here print "KEY,VALUE" lines
 * for scripts/bench.
 */
#ifndef CAIRN_TESTS_BENCH_MODEL_H
#define CAIRN_TESTS_BENCH_MODEL_H

#include "engine/plan_parts.h"
#include "train/unet_train.h"
#include "train/train_parts.h"
#include "train/vae_train.h"

enum { BENCH_SETS = 8 };
struct bench_options {
    const char *model;
    enum dtype precision;
    int threads;                     /* 0: all */
    int32_t side;                    /* of an image or volume; 0: the model's own */
    double seconds;                  /* how long is measured */
    const char *set[BENCH_SETS + 1]; /* "train.batch=8"; ends with NULL */
};

struct bench {
    struct arena arena;
    struct meter meter;
    struct dataset dataset;
    union {
        struct vae_config vae;
        struct unet_config unet;
    } config;
    struct vae_description vae;
    struct class_counts counts;
    struct task task;
    struct backend *backend;
    struct params *params;
    struct programs programs;
    struct loader *loader;
    double multiply_adds; /* of a case, forward */
};

/* Options of the command line; ends the program with STATUS_USAGE and the names of the models. */
struct bench_options bench_parse(int argc, char **argv);
/* Everything up to the first step. */
int bench_open(struct bench *out, const struct bench_options *options, struct err *err);
void bench_close(struct bench *bench);
/* Sorts them. */
double bench_median(double *values, int count);

#endif
