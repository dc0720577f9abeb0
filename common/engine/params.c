#include "engine/graph_parts.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

/* Entries start at multiples of this many elements, so that all kernels get aligned addresses. */
enum { PACK = 16 };

struct group {
    char *name;
    int64_t count[2];         /* declared elements with padding: trained, state */
    int64_t realised[ARRAYS]; /* elements allocated and filled */
    void *block[ARRAYS];
    bool asked[ARRAYS];
};

struct params {
    struct arena arena;
    struct entry **entry;
    struct group *group;
    int32_t entries, groups;
    struct backend *backend; /* once realised */
    void *guard;
    bool guarded; /* a graph asked for it */
    uint64_t generation;
};

struct params *params_new(void)
{
    return xcalloc(1, sizeof(struct params));
}

static size_t array_bytes(const struct params *params, int64_t count)
{
    return (size_t)count * params->backend->calls->size_of(F32);
}

void params_free(struct params *params)
{
    if (!params)
        return;
    for (int32_t i = 0; i < params->groups; i++) {
        struct group *group = &params->group[i];
        for (int which = 0; which < ARRAYS; which++)
            if (group->block[which])
                params->backend->calls->free(params->backend, group->block[which],
                                             array_bytes(params, group->realised[which]));
    }
    if (params->guard)
        params->backend->calls->free(params->backend, params->guard, array_bytes(params, PACK));
    arena_free(&params->arena);
    free(params->entry);
    free(params->group);
    free(params);
}

int32_t params_count(const struct params *params)
{
    return params->entries;
}

const struct entry *params_entry(const struct params *params, int32_t index)
{
    return params->entry[index];
}

static int32_t find_index(const struct params *params, const char *name)
{
    for (int32_t i = 0; i < params->entries; i++)
        if (!strcmp(params->entry[i]->name, name))
            return i;
    return -1;
}

const struct entry *params_find(const struct params *params, const char *name)
{
    int32_t index = find_index(params, name);
    return index < 0 ? NULL : params->entry[index];
}

int64_t params_elements(const struct params *params)
{
    int64_t count = 0;
    for (int32_t i = 0; i < params->entries; i++)
        if (!params->entry[i]->state)
            count += shape_count(params->entry[i]->shape);
    return count;
}

int32_t params_group(const struct params *params, const char *name)
{
    for (int32_t i = 0; i < params->groups; i++)
        if (!strcmp(params->group[i].name, name))
            return i;
    return -1;
}

int64_t params_group_count(const struct params *params, int32_t group, enum array which)
{
    return params->group[group].count[which == ARRAY_STATE];
}

void params_ask(struct params *params, int32_t group, enum array which)
{
    if (group == GROUP_OF_GUARD)
        params->guarded = true;
    else
        params->group[group].asked[which] = true;
}

uint64_t params_generation(const struct params *params)
{
    return params->generation;
}

bool params_has(const struct params *params, int32_t group, enum array which)
{
    return params->group[group].block[which] != NULL;
}

static int32_t add_group(struct params *params, const char *name)
{
    *ARRAY_ADD(params->group, params->groups) = (struct group){
        .name = arena_strdup(&params->arena, name),
        .asked = {[ARRAY_PARAM] = true, [ARRAY_STATE] = true},
    };
    return params->groups - 1;
}

int32_t params_declare(struct params *params, const char *group, const char *name,
                       struct shape shape, bool state, struct initial init, struct err *err)
{
    int32_t index = find_index(params, name);
    if (index >= 0) {
        const struct entry *entry = params->entry[index];
        char here[SHAPE_TEXT], there[SHAPE_TEXT];
        if (!shape_equal(entry->shape, shape))
            return fail(err, "parameter '%s' has the shape %s here but %s where it was declared",
                        name, shape_text(here, shape), shape_text(there, entry->shape));
        if (entry->state != state || strcmp(entry->group, group))
            return fail(err, "parameter '%s' is in group '%s' here but '%s' where it was declared",
                        name, group, entry->group);
        return index;
    }
    int32_t g = params_group(params, group);
    if (g < 0)
        g = add_group(params, group);
    int64_t *count = &params->group[g].count[state];
    struct entry *entry = arena_alloc(&params->arena, sizeof *entry);
    *entry = (struct entry){.name = arena_strdup(&params->arena, name),
                            .group = params->group[g].name,
                            .shape = shape,
                            .state = state,
                            .init = init,
                            .group_index = g,
                            .offset = *count};
    *count += (shape_count(shape) + PACK - 1) / PACK * PACK;
    *ARRAY_ADD(params->entry, params->entries) = entry;
    return params->entries - 1;
}

/* ---- memory and first values ---------------------------------------------------------------- */

void *params_address(const struct params *params, const struct backend *backend, int32_t group,
                     enum array which, int64_t offset, int64_t count)
{
    if (group == GROUP_OF_GUARD)
        return params->backend == backend ? params->guard : NULL;
    const struct group *g = &params->group[group];
    if (params->backend != backend || offset + count > g->realised[which])
        return NULL;
    return (char *)g->block[which] + array_bytes(params, offset);
}

static void initial_values(float *out, int64_t count, struct initial init, struct stream stream)
{
    for (int64_t i = 0; i < count; i++)
        switch (init.kind) {
        case INIT_ZERO:
            out[i] = 0;
            break;
        case INIT_ONE:
            out[i] = 1;
            break;
        case INIT_NORMAL:
            out[i] = (float)(init.scale * stream_normal(&stream));
            break;
        case INIT_UNIFORM:
            out[i] = (float)(init.scale * (2 * stream_uniform(&stream) - 1));
            break;
        }
}

static int put_initial(struct params *params, const struct entry *entry, enum array which,
                       uint64_t seed, struct err *err)
{
    int64_t count = shape_count(entry->shape);
    float *values = xmalloc((size_t)count * sizeof *values);
    initial_values(values, count, entry->init, stream_new(seed, entry->name));
    int rc = params_put(params, entry, which, values, err);
    free(values);
    return rc;
}

/* Device to device through the host, as raw bytes: used when a store grows or averaging begins. */
static int copy_bytes(struct backend *backend, void *to, const void *from, size_t bytes,
                      struct err *err)
{
    void *host = xmalloc(bytes);
    int rc = backend->calls->get(backend, host, from, (int64_t)bytes, U8, err) ||
             backend->calls->put(backend, to, host, (int64_t)bytes, U8, err);
    free(host);
    return rc ? -1 : 0;
}

/* New elements are zero. */
static int grow(struct params *params, struct group *group, enum array which, int64_t count,
                struct err *err)
{
    struct backend *backend = params->backend;
    void *block, *old = group->block[which];
    size_t bytes = array_bytes(params, count), had = array_bytes(params, group->realised[which]);
    TRY(backend->calls->alloc(backend, &block, bytes, err));
    if (backend->calls->fill(backend, block, 0, bytes, err) ||
        (old && copy_bytes(backend, block, old, had, err))) {
        backend->calls->free(backend, block, bytes);
        return -1;
    }
    if (old)
        backend->calls->free(backend, old, had);
    group->block[which] = block;
    group->realised[which] = count;
    params->generation++;
    return 0;
}

static int realise_array(struct params *params, int32_t index, enum array which, uint64_t seed,
                         struct err *err)
{
    struct group *group = &params->group[index];
    int64_t count = params_group_count(params, index, which), had = group->realised[which];
    if (!group->asked[which] || count == had)
        return 0;
    TRY(grow(params, group, which, count, err));
    if (which == ARRAY_EMA)
        return copy_bytes(params->backend, (char *)group->block[which] + array_bytes(params, had),
                          (char *)group->block[ARRAY_PARAM] + array_bytes(params, had),
                          array_bytes(params, count - had), err);
    if (which != ARRAY_PARAM && which != ARRAY_STATE)
        return 0;
    for (int32_t i = 0; i < params->entries; i++) {
        const struct entry *entry = params->entry[i];
        if (entry->group_index == index && entry->state == (which == ARRAY_STATE) &&
            entry->offset >= had)
            TRY(put_initial(params, entry, which, seed, err));
    }
    return 0;
}

static int realise_guard(struct params *params, struct err *err)
{
    struct backend *backend = params->backend;
    if (!params->guarded || params->guard)
        return 0;
    TRY(backend->calls->alloc(backend, &params->guard, array_bytes(params, PACK), err));
    return backend->calls->fill(backend, params->guard, 0, array_bytes(params, PACK), err);
}

int params_realise(struct params *params, struct backend *backend, uint64_t seed, struct err *err)
{
    if (params->backend && params->backend != backend)
        return fail(err, "the parameters live on another backend");
    params->backend = backend;
    for (int32_t i = 0; i < params->groups; i++)
        for (int which = 0; which < ARRAYS; which++)
            TRY(realise_array(params, i, (enum array)which, seed, err));
    return realise_guard(params, err);
}

static int locate(void **out, const struct params *params, const struct entry *entry,
                  enum array which, struct err *err)
{
    if (entry->state != (which == ARRAY_STATE))
        return fail(err, "parameter '%s' is not in that array", entry->name);
    *out = params_address(params, params->backend, entry->group_index, which, entry->offset,
                          shape_count(entry->shape));
    return *out ? 0 : fail(err, "parameter '%s' has no memory yet", entry->name);
}

int params_get(struct params *params, const struct entry *entry, enum array which, float *out,
               struct err *err)
{
    void *at;
    TRY(locate(&at, params, entry, which, err));
    return params->backend->calls->get(params->backend, out, at, shape_count(entry->shape), F32,
                                       err);
}

int params_put(struct params *params, const struct entry *entry, enum array which, const float *in,
               struct err *err)
{
    void *at;
    TRY(locate(&at, params, entry, which, err));
    return params->backend->calls->put(params->backend, at, in, shape_count(entry->shape), F32,
                                       err);
}
