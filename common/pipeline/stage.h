/*
 * The stage table: what each stage is called, what it reads and makes, and the shape of its
 * section in an experiment file. Everything else in the pipeline is driven by it.
 */
#ifndef CAIRN_PIPELINE_STAGE_H
#define CAIRN_PIPELINE_STAGE_H

#include "config/config.h"
#include "data/preprocess.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

enum stage_kind { PREPROCESS, TRAIN_CLASSIFIER, TRAIN_VAE, TRANSFER_UNET, EVALUATE, STAGES };

/* An unused port is in no recipe. PORT_IF_MADE: used if the file has a section that fills it. */
enum port_use { PORT_UNUSED, PORT_USED, PORT_IF_MADE };
enum { MAX_MAKERS = 3 };
struct port_info {
    const char *name; /* in `inputs:` and in the registry */
    int maker_count;
    /* Whose section fills it unless `inputs:` says otherwise: the one of these that the file has. */
    enum stage_kind makers[MAX_MAKERS];
    /* NULL: always. fillers: of the ports before this one, as in stage_info.check. */
    enum port_use (*used)(const void *config, const enum stage_kind *fillers);
};

struct stage_info {
    const char *name, *help;
    const char *also; /* what else its program does, for --help; NULL: nothing */
    int version;      /* raised when the same recipe would give another result */
    bool seeded;      /* the cell's seed is part of the recipe */
    bool compute;     /* runs on a backend: precision, and device and threads where given, enter */
    bool trains;      /* fits a model: --explain has a memory plan to show */
    const struct field *fields;
    size_t config_size;
    const char *output;
    struct port_info ports[MAX_PORTS]; /* ends with a NULL name */
    /* What no field can say of itself: STATUS_CONFIG. fillers[i] is the stage whose section fills port
     * i; STAGES: none, or an artifact given by its id. NULL: nothing to check. */
    int (*check)(const void *config, const enum stage_kind *fillers, struct err *err);
    /* Files read from outside; NULL: none. */
    int (*sources)(const void *config, const char *data, struct arena *arena,
                   const struct source **out, int *count, struct err *err);
};
extern const struct stage_info stage_table[STAGES];

/* The stage of a section's name (STAGE or STAGE@LABEL), or NULL. */
const struct stage_info *stage_of_section(const char *section);

#endif
