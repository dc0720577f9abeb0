#include "data/copies.h"

#include "data/dataset_parts.h"

#include <stdlib.h>
#include <string.h>

/* A case, and the hash of its image. */
struct known {
    const char *pixels, *id;
    enum split split;
};

static int by_pixels(const void *a, const void *b)
{
    return strcmp(((const struct known *)a)->pixels, ((const struct known *)b)->pixels);
}

/* Those of the splits from `first` to before `end`, in the order of cases.json; texts are the JSON's. */
static int list_images(struct known **out, uint32_t *count, struct arena *arena, const json_t *root,
                       enum split first, enum split end, struct err *err)
{
    const json_t *list = json_object_get(root, "cases"), *item;
    size_t i;
    *count = 0;
    *out = arena_alloc(arena, json_array_size(list) * sizeof **out);
    json_array_foreach(list, i, item)
    {
        struct known one = {json_string_value(json_object_get(item, "pixels")),
                            json_string_value(json_object_get(item, "id")), case_split(item)};
        if (!one.pixels || !one.id || one.split == SPLITS)
            return fail_as(err, STATUS_BAD_DATA,
                           "case %zu of cases.json lacks an id, a split or the hash of its pixels",
                           i);
        if (one.split >= first && one.split < end)
            (*out)[(*count)++] = one;
    }
    return 0;
}

static int compare(struct copy **out, uint32_t *count, struct arena *arena, const json_t *cases,
                   const json_t *others, enum split split, struct err *err)
{
    struct known *mine, *seen;
    uint32_t mine_count, seen_count;
    TRY(list_images(&mine, &mine_count, arena, cases, split, split + 1, err));
    TRY(list_images(&seen, &seen_count, arena, others, SPLIT_TRAIN, split, err));
    qsort(seen, seen_count, sizeof *seen, by_pixels);
    *out = arena_alloc(arena, mine_count * sizeof **out);
    for (uint32_t i = 0; i < mine_count; i++) {
        const struct known *same = bsearch(&mine[i], seen, seen_count, sizeof *seen, by_pixels);
        if (same)
            (*out)[(*count)++] = (struct copy){arena_strdup(arena, mine[i].id),
                                               arena_strdup(arena, same->id), same->split};
    }
    return 0;
}

static int is_dataset(bool *out, struct arena *arena, const struct store *store,
                      const struct id *artifact, struct err *err)
{
    struct manifest manifest;
    TRY(artifact_manifest(&manifest, arena, store, artifact, err));
    *out = false;
    for (size_t i = 0; i < manifest.count; i++)
        *out |= strcmp(manifest.lines[i].name, "cases.json") == 0;
    return 0;
}

int copies_find(struct copy **out, uint32_t *count, struct arena *arena, const struct store *store,
                const struct id *dataset, enum split split, const struct id *other, struct err *err)
{
    json_t *cases, *others;
    bool comparable;
    *out = NULL;
    *count = 0;
    TRY(is_dataset(&comparable, arena, store, other, err));
    if (!comparable)
        return 0;
    TRY(cases_load(&cases, store, dataset, err));
    int status = cases_load(&others, store, other, err);
    if (!status) {
        status = compare(out, count, arena, cases, others, split, err);
        json_decref(others);
    }
    json_decref(cases);
    return status;
}
