/* The variants of an experiment: named ones, or a grid. */
#include "pipeline/experiment_parts.h"

#include "base/text.h"

#include <string.h>

enum { MAX_VARIANTS = 1000 };

static int check_path(const struct yaml *key, struct err *err)
{
    char first[128];
    size_t length = strcspn(key->text, ".");
    if (length >= sizeof first)
        return yaml_fail(err, key, "vary: '%.40s...' is too long", key->text);
    memcpy(first, key->text, length);
    first[length] = '\0';
    if (strcmp(first, "backend") != 0 && !stage_of_section(first))
        return yaml_fail(err, key, "vary: '%s' does not begin with a stage's section", key->text);
    return 0;
}

static int named_variant(struct experiment *out, const struct yaml *root, const struct yaml *name,
                         const struct yaml *changes, struct err *err)
{
    struct yaml *tree = (struct yaml *)root;
    for (size_t i = 0; i < changes->count; i++) {
        TRY(check_path(changes->keys[i], err));
        TRY(yaml_replace(&tree, &out->arena, tree, changes->keys[i]->text, changes->items[i], err));
    }
    return experiment_variant(&out->variants[out->variant_count++], &out->arena, name->text, tree,
                              err);
}

/* Combination number `index` of a grid, the last path varying fastest. */
static int grid_variant(struct experiment *out, const struct yaml *root, const struct yaml *vary,
                        size_t index, struct err *err)
{
    struct yaml *tree = (struct yaml *)root;
    struct text name = {0};
    size_t stride = 1;
    for (size_t i = 0; i < vary->count; i++)
        stride *= vary->items[i]->count;
    int status = 0;
    for (size_t i = 0; i < vary->count && !status; i++) {
        const struct yaml *list = vary->items[i];
        stride /= list->count;
        struct yaml *value = list->items[index / stride % list->count];
        const char *dot = strrchr(vary->keys[i]->text, '.');
        text_printf(&name, "%s%s=", i ? "," : "", dot ? dot + 1 : vary->keys[i]->text);
        if (value->kind == YAML_SCALAR)
            text_puts(&name, value->text);
        else
            yaml_write(&name, value);
        status = yaml_replace(&tree, &out->arena, tree, vary->keys[i]->text, value, err);
    }
    const char *kept = arena_strdup(&out->arena, name.data ? name.data : "");
    text_free(&name);
    TRY(status);
    return experiment_variant(&out->variants[out->variant_count++], &out->arena, kept, tree, err);
}

/* Equal values under one path would give two cells of the same name. */
static int check_names(const struct experiment *out, const struct yaml *vary, struct err *err)
{
    for (size_t i = 0; i < out->variant_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(out->variants[i].name, out->variants[j].name) == 0)
                return yaml_fail(err, vary, "vary: two variants are called '%s'",
                                 out->variants[i].name);
    return 0;
}

static int read_grid(struct experiment *out, const struct yaml *root, const struct yaml *vary,
                     struct err *err)
{
    size_t total = 1;
    for (size_t i = 0; i < vary->count; i++) {
        const struct yaml *list = vary->items[i];
        TRY(check_path(vary->keys[i], err));
        if (list->kind != YAML_LIST || !list->count)
            return yaml_fail(err, list, "vary: either named variants (maps) or a grid (lists)");
        if (list->count > MAX_VARIANTS / total)
            return yaml_fail(err, list, "vary: more than %d variants", MAX_VARIANTS);
        total *= list->count;
    }
    out->variants = arena_alloc(&out->arena, total * sizeof *out->variants);
    for (size_t i = 0; i < total; i++)
        TRY(grid_variant(out, root, vary, i, err));
    return check_names(out, vary, err);
}

int experiment_variants(struct experiment *out, const struct yaml *root, struct err *err)
{
    const struct yaml *vary = yaml_get(root, "vary");
    if (!vary || vary->kind == YAML_NULL) {
        out->variants = arena_alloc(&out->arena, sizeof *out->variants);
        out->variant_count = 1;
        return experiment_variant(out->variants, &out->arena, "default", root, err);
    }
    if (vary->kind != YAML_MAP || !vary->count || vary->count > MAX_VARIANTS)
        return yaml_fail(err, vary, "vary: a map of 1 to %d variants expected", MAX_VARIANTS);
    if (vary->items[0]->kind == YAML_LIST)
        return read_grid(out, root, vary, err);
    out->variants = arena_alloc(&out->arena, vary->count * sizeof *out->variants);
    for (size_t i = 0; i < vary->count; i++) {
        const struct yaml *changes = vary->items[i];
        if (changes->kind != YAML_MAP && changes->kind != YAML_NULL)
            return yaml_fail(err, changes, "vary.%s: a map of SECTION.KEY: VALUE expected",
                             vary->keys[i]->text);
        TRY(named_variant(out, root, vary->keys[i], changes, err));
    }
    return 0;
}
