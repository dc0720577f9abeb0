/*
 * The stage table: each stage's name, what it reads and makes, and the keys of its section in an
 * experiment file. Everything else in the pipeline is driven by it.
 */
#ifndef CAIRN_PIPELINE_STAGE_H
#define CAIRN_PIPELINE_STAGE_H

#include "config/config.h"
#include "data/preprocess.h"
#include "model/kinds.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

/* One artifact that a stage makes. */
struct output_info {
    const char *name;  /* in the registry */
    const char *makes; /* its type: fits ports that take the same */
};

/* An unused port is in no recipe. PORT_IF_MADE: used if the file has a section that fills it. */
enum port_use { PORT_UNUSED, PORT_USED, PORT_IF_MADE };
struct stage_info;
struct port_info {
    /* In `inputs:` and in the registry. If the stage has a key of the same name (FIELD_INPUT), its
     * value decides whether the port is used and what fills it. */
    const char *name;
    /* The type it takes. Unless `inputs:` says otherwise, it is filled by the only stage of the
     * file that makes this type; never by its own section. */
    const char *takes;
    /* NULL: always. makers: of the ports before this one, see stage_info.check. */
    enum port_use (*used)(const void *config, const struct stage_info *const *makers);
    const char *also; /* a type that it takes if `inputs:` says so; NULL: none */
};

struct stage_info {
    const char *name, *help;
    const char *also; /* other commands of its program, for --help; NULL: none */
    int version;      /* increased when the same recipe gives other results */
    bool seeded;      /* the cell's seed is part of the recipe */
    bool compute;     /* runs on a backend: precision, and device and threads where given, enter */
    bool trains;      /* fits a model: --explain shows a memory plan */
    bool measures;    /* its artifact is an evaluation, which reports show */
    const struct model_kind *model; /* the kind of model it fits; NULL: none, or unknown */
    const struct field *fields;
    size_t config_size;
    struct output_info outputs[MAX_PORTS + 1]; /* ends with a NULL name, as the ports do */
    struct port_info ports[MAX_PORTS + 1];
    /* Checks that no single field can make: STATUS_CONFIG. makers[i] is the stage whose section
     * fills port i; NULL: none, or an artifact given by its id. NULL: nothing to check. */
    int (*check)(const void *config, const struct stage_info *const *makers, struct err *err);
    /* Source files outside the lab; NULL: none. */
    int (*sources)(const void *config, const char *data, struct arena *arena,
                   const struct source **out, int *count, struct err *err);
};
/* Ends with a NULL name. */
extern const struct stage_info stage_table[];

/* The stage of a section's name (STAGE or STAGE@LABEL), or NULL. */
const struct stage_info *stage_of_section(const char *section);

#endif
