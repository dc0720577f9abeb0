/* Raw formats as an experiment file names them: "folder, masks: labels" is its section `source`, all
 * but the braces and the key `format`. */
#ifndef CAIRN_TESTS_DATA_RAW_H
#define CAIRN_TESTS_DATA_RAW_H

#include "data/formats/formats.h"
#include "data/preprocess.h"

#include <string.h>

static inline int raw_bind(struct preprocess_config *out, const char *source, struct arena *arena,
                           struct err *err)
{
    const char *text = arena_printf(arena, "source: {format: %s}", source);
    struct yaml *map;
    TRY(yaml_parse(&map, arena, "test", text, strlen(text), err));
    return config_bind(out, preprocess_fields, map, "", arena, err);
}

static inline int raw_treat(struct collection *out, const char *folder, const char *source,
                            const struct treatment *how, struct err *err)
{
    struct preprocess_config config;
    struct arena arena = {0};
    *out = (struct collection){0};
    int status = raw_bind(&config, source, &arena, err);
    if (!status)
        status = format_read(out, formats[config.source.format.choice], config.source.format.own,
                             folder, how, err);
    arena_free(&arena);
    return status;
}

static inline int raw_read(struct collection *out, const char *folder, const char *source,
                           const struct fit *fit, struct err *err)
{
    return raw_treat(out, folder, source, &(const struct treatment){.fit = *fit}, err);
}

/* The files that would be read. */
static inline int raw_sources(struct sources *out, const char *folder, const char *source,
                              bool skip_bad, struct arena *arena, struct err *err)
{
    struct preprocess_config config;
    *out = (struct sources){.folder = folder, .arena = arena};
    TRY(raw_bind(&config, source, arena, err));
    return format_sources(out, formats[config.source.format.choice], config.source.format.own,
                          skip_bad, err);
}

#endif
