#include "data/integrity.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LINES "[\n*,\n*]" /* one item per line */

/* ---- equal images --------------------------------------------------------------------------- */

/* A case's position in the artifact: by split, then in source order. */
static int place_order(const struct raw_case *x, const struct raw_case *y)
{
    if (x->split != y->split)
        return x->split < y->split ? -1 : 1;
    return (x > y) - (x < y);
}

static int by_pixels(const void *a, const void *b)
{
    const struct raw_case *x = *(const struct raw_case *const *)a,
                          *y = *(const struct raw_case *const *)b;
    int order = strcmp(x->pixels->hex, y->pixels->hex);
    return order ? order : place_order(x, y);
}

/* Cases with equal images, in the artifact's order. */
struct group {
    const struct raw_case **cases;
    uint32_t count;
};

static int by_first(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return place_order(x->cases[0], y->cases[0]);
}

/* The groups of two or more; the caller frees both. */
static struct group *find_groups(const struct raw_case ***sorted, uint32_t *count,
                                 const struct collection *collection)
{
    *sorted = xcalloc(collection->count, sizeof **sorted);
    *count = 0;
    for (uint32_t i = 0; i < collection->count; i++)
        (*sorted)[i] = &collection->cases[i];
    qsort(*sorted, collection->count, sizeof **sorted, by_pixels);
    struct group *groups = xcalloc(collection->count / 2, sizeof *groups);
    for (uint32_t begin = 0, end; begin < collection->count; begin = end) {
        const char *pixels = (*sorted)[begin]->pixels->hex;
        end = begin + 1;
        while (end < collection->count && strcmp((*sorted)[end]->pixels->hex, pixels) == 0)
            end++;
        if (end - begin > 1)
            groups[(*count)++] = (struct group){*sorted + begin, end - begin};
    }
    qsort(groups, *count, sizeof *groups, by_first);
    return groups;
}

/* The first case in a split other than that of the group's first; NULL: all are in one split. */
static const struct raw_case *elsewhere(const struct group *group)
{
    for (uint32_t i = 1; i < group->count; i++)
        if (group->cases[i]->split != group->cases[0]->split)
            return group->cases[i];
    return NULL;
}

int integrity_check_leaks(const struct collection *collection, struct err *err)
{
    const struct raw_case **sorted, *one = NULL, *other = NULL;
    uint32_t count, leaks = 0;
    struct group *groups = find_groups(&sorted, &count, collection);
    for (uint32_t i = 0; i < count; i++) {
        const struct raw_case *copy = elsewhere(&groups[i]);
        if (copy && !leaks++) {
            one = groups[i].cases[0];
            other = copy;
        }
    }
    free(groups);
    free(sorted);
    if (!leaks)
        return 0;
    return fail_as(err, STATUS_BAD_DATA,
                   "'%s/%s' and '%s/%s' are the same image; %u image%s in more than one split",
                   split_names[one->split], one->id, split_names[other->split], other->id, leaks,
                   leaks == 1 ? " is" : "s are");
}

static void put_equal(struct json *json, const struct collection *collection)
{
    const struct raw_case **sorted;
    uint32_t count;
    struct group *groups = find_groups(&sorted, &count, collection);
    json_begin(json, "equal", LINES);
    for (uint32_t i = 0; i < count; i++) {
        json_begin(json, NULL, "[*,*]");
        for (uint32_t j = 0; j < groups[i].count; j++) {
            const struct raw_case *one = groups[i].cases[j];
            char *name = xprintf("%s/%s", split_names[one->split], one->id);
            json_text(json, NULL, name);
            free(name);
        }
        json_end(json);
    }
    json_end(json);
    free(groups);
    free(sorted);
}

/* ---- sizes ---------------------------------------------------------------------------------- */

struct size {
    int32_t side[3];
    uint32_t cases;
};

static int by_sides(const void *a, const void *b)
{
    const struct size *x = a, *y = b;
    for (int i = 0; i < 3; i++)
        if (x->side[i] != y->side[i])
            return x->side[i] < y->side[i] ? -1 : 1;
    return 0;
}

static int by_cases(const void *a, const void *b)
{
    const struct size *x = a, *y = b;
    if (x->cases != y->cases)
        return x->cases > y->cases ? -1 : 1;
    return by_sides(a, b);
}

static void put_sizes(struct json *json, const struct collection *collection)
{
    struct size *sizes = xcalloc(collection->count, sizeof *sizes);
    uint32_t count = 0;
    for (uint32_t i = 0; i < collection->count; i++) {
        const int32_t *own = collection->cases[i].size;
        sizes[i] = own[0] ? (struct size){{own[0], own[1], own[2]}, 1}
                          : (struct size){{collection->d, collection->h, collection->w}, 1};
    }
    qsort(sizes, collection->count, sizeof *sizes, by_sides);
    for (uint32_t i = 0; i < collection->count; i++)
        if (count && by_sides(&sizes[count - 1], &sizes[i]) == 0)
            sizes[count - 1].cases++;
        else
            sizes[count++] = sizes[i];
    qsort(sizes, count, sizeof *sizes, by_cases);
    json_begin(json, "sizes", LINES);
    for (uint32_t i = 0; i < count; i++)
        json_raw(json, NULL, "{\"d\":%d,\"h\":%d,\"w\":%d,\"c\":%d,\"cases\":%u}", sizes[i].side[0],
                 sizes[i].side[1], sizes[i].side[2], collection->c, sizes[i].cases);
    json_end(json);
    free(sizes);
}

/* ---- counts --------------------------------------------------------------------------------- */

static void put_counts(struct json *json, const char *key, const uint64_t *counts,
                       const char *const *names, uint32_t count)
{
    json_begin(json, key, "{*,*}");
    for (uint32_t i = 0; i < count; i++)
        json_raw(json, names[i], "%" PRIu64, counts[i]);
    json_end(json);
}

static void put_cases(struct json *json, const struct collection *collection)
{
    uint64_t counts[SPLITS] = {0};
    for (uint32_t i = 0; i < collection->count; i++)
        counts[collection->cases[i].split]++;
    put_counts(json, "cases", counts, split_names, SPLITS);
}

static void count_labels(uint64_t counts[], const struct collection *collection, int split)
{
    for (uint32_t i = 0; i < collection->count; i++)
        if ((int)collection->cases[i].split == split && collection->cases[i].label >= 0)
            counts[collection->cases[i].label]++;
}

static void count_pixels(uint64_t counts[256], const struct collection *collection, int split)
{
    size_t pixels = (size_t)collection->d * (size_t)collection->h * (size_t)collection->w;
    for (uint32_t i = 0; i < collection->count; i++)
        for (size_t p = 0; (int)collection->cases[i].split == split && p < pixels; p++)
            counts[collection->cases[i].mask[p]]++;
}

static bool has_masks(const struct collection *collection)
{
    return collection->count && collection->cases[0].mask;
}

static void put_labels(struct json *json, const struct collection *collection)
{
    if (!collection->class_count)
        return;
    json_begin(json, "labels", "{\n*,\n*}");
    for (int split = 0; split < SPLITS; split++) {
        uint64_t *counts = xcalloc(collection->class_count, sizeof *counts);
        count_labels(counts, collection, split);
        put_counts(json, split_names[split], counts, collection->classes, collection->class_count);
        free(counts);
    }
    json_end(json);
}

static void put_mask_pixels(struct json *json, const struct collection *collection)
{
    uint32_t classes = collection->mask_class_count;
    if (!has_masks(collection))
        return;
    const char **names = xcalloc(classes + 1, sizeof *names);
    for (uint32_t i = 0; i < classes; i++)
        names[i] = collection->mask_classes[i];
    names[classes] = "ignore";
    json_begin(json, "mask_pixels", "{\n*,\n*}");
    for (int split = 0; split < SPLITS; split++) {
        uint64_t counts[256] = {0};
        count_pixels(counts, collection, split);
        counts[classes] = counts[MASK_IGNORE];
        put_counts(json, split_names[split], counts, names, classes + 1);
    }
    json_end(json);
    free(names);
}

/* ---- anomalies ------------------------------------------------------------------------------ */

/* The classes, of labels and then of masks, without any case or pixel in the train split; none if
 * there is no such split. */
static uint32_t find_absent(const char ***out, const struct collection *collection,
                            struct arena *arena)
{
    uint32_t count = 0, classes = collection->class_count, masks = collection->mask_class_count;
    uint64_t pixels[256] = {0}, *labels = xcalloc(classes, sizeof *labels);
    bool trains = false;
    for (uint32_t i = 0; i < collection->count; i++)
        trains |= collection->cases[i].split == SPLIT_TRAIN;
    *out = arena_alloc(arena, (classes + masks) * sizeof **out);
    count_labels(labels, collection, SPLIT_TRAIN);
    for (uint32_t i = 0; trains && i < classes; i++)
        if (!labels[i])
            (*out)[count++] = collection->classes[i];
    if (trains && has_masks(collection)) {
        count_pixels(pixels, collection, SPLIT_TRAIN);
        for (uint32_t i = 0; i < masks; i++)
            if (!pixels[i])
                (*out)[count++] = collection->mask_classes[i];
    }
    free(labels);
    return count;
}

static void put_absent(struct json *json, const struct collection *collection)
{
    struct arena arena = {0};
    const char **names;
    uint32_t count = find_absent(&names, collection, &arena);
    if (count)
        json_begin(json, "absent", "[*,*]");
    for (uint32_t i = 0; i < count; i++)
        json_text(json, NULL, names[i]);
    if (count)
        json_end(json);
    arena_free(&arena);
}

static void put_cut(struct json *json, const struct collection *collection)
{
    bool any = false;
    for (uint32_t i = 0; i < collection->count; i++) {
        const struct raw_case *one = &collection->cases[i];
        if (!one->cut)
            continue;
        if (!any)
            json_begin(json, "cut", LINES);
        any = true;
        json_begin(json, NULL, "{*,*}");
        json_text(json, "id", one->id);
        json_raw(json, "voxels", "%lld", (long long)one->cut);
        json_raw(json, "of", "%lld", (long long)one->labelled);
        json_end(json);
    }
    if (any)
        json_end(json);
}

static void note_absent(struct collection *collection)
{
    const char **names, *all = "";
    uint32_t count = find_absent(&names, collection, &collection->arena);
    for (uint32_t i = 0; i < count; i++)
        all = arena_printf(&collection->arena, "%s%s'%s'", all, i ? ", " : "", names[i]);
    if (count)
        collection_note(collection,
                        arena_printf(&collection->arena,
                                     "the train split has no case or pixel of class %s", all));
}

static void note_cut(struct collection *collection)
{
    const struct raw_case *most = NULL;
    uint32_t cases = 0;
    for (uint32_t i = 0; i < collection->count; i++) {
        const struct raw_case *one = &collection->cases[i];
        cases += one->cut > 0;
        if (one->cut > 0 && (!most || one->cut * most->labelled > most->cut * one->labelled))
            most = one;
    }
    if (most)
        collection_note(
            collection,
            arena_printf(&collection->arena,
                         "the size cuts off labelled voxels of %u case%s, most of '%s': %lld of "
                         "%lld",
                         cases, cases == 1 ? "" : "s", most->id, (long long)most->cut,
                         (long long)most->labelled));
}

void integrity_note(struct collection *collection)
{
    note_cut(collection);
    note_absent(collection);
}

static void put_skipped(struct json *json, const struct collection *collection)
{
    json_begin(json, "skipped", LINES);
    for (uint32_t i = 0; i < collection->skipped_count; i++) {
        json_begin(json, NULL, "{*,*}");
        json_text(json, "id", collection->skipped[i].id);
        json_text(json, "reason", collection->skipped[i].reason);
        json_end(json);
    }
    json_end(json);
}

int integrity_write(const struct collection *collection, const struct draft *draft, struct err *err)
{
    struct json json = {.tight = true};
    json_begin(&json, NULL, "{*,\n*}\n");
    put_cases(&json, collection);
    put_sizes(&json, collection);
    put_labels(&json, collection);
    put_mask_pixels(&json, collection);
    put_absent(&json, collection);
    put_cut(&json, collection);
    put_equal(&json, collection);
    put_skipped(&json, collection);
    json_end(&json);
    return draft_text(draft, "integrity.json", &json.text, err);
}
