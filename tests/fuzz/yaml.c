/* Any bytes: parsed, bound to a table with every type, dumped. What is accepted must read back from
 * its written form and from its canonical dump as the same; what is refused has one clear line. */
#include "config_table.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check(bool holds, const char *what)
{
    if (!holds)
        bug("%s", what);
}

static void check_refusal(const struct err *err)
{
    check(err->status == STATUS_CONFIG, "another status");
    check(starts_with(err->text, "fuzz.yaml:"), "a message without a position");
    check(!strchr(err->text, '\n'), "a message of two lines");
}

/* NULL: refused as too large, which a text with many escapes or aliases may be. */
static struct yaml *reread(struct arena *arena, const struct text *text)
{
    struct err err;
    struct yaml *tree = NULL;
    if (text->length > YAML_BYTES)
        return NULL;
    if (yaml_parse(&tree, arena, "fuzz.yaml", text->data, text->length, &err))
        bug("written form refused: %s", err.text);
    return tree;
}

static struct yaml *check_written(struct arena *arena, const struct yaml *tree)
{
    struct text once = {0}, twice = {0};
    yaml_write(&once, tree);
    check(!strchr(once.data, '\n'), "written on two lines");
    struct yaml *again = reread(arena, &once);
    if (again) {
        yaml_write(&twice, again);
        check(strcmp(once.data, twice.data) == 0, "written form reads back as another");
    }
    text_free(&once);
    text_free(&twice);
    return again;
}

/* The tree that the lines "t.path=value" of a dump describe. */
static struct yaml *tree_of(struct arena *arena, const char *dump)
{
    struct err err;
    struct yaml *tree = NULL, *value;
    for (size_t length; *dump; dump += length + 1) {
        length = strcspn(dump, "\n");
        const char *equals = strchr(dump, '=');
        check(starts_with(dump, "t.") && equals && equals < dump + length, "not path=value");
        const char *path = arena_strndup(arena, dump + 2, (size_t)(equals - dump - 2));
        const char *text = arena_strndup(arena, equals + 1, (size_t)(dump + length - equals - 1));
        if (strcmp(text, "given") == 0)
            text = "{}";
        if (yaml_parse(&value, arena, "dump", text, strlen(text), &err) ||
            yaml_replace(&tree, arena, tree, path, value, &err))
            bug("%s", err.text);
    }
    return tree;
}

static void check_dump(struct arena *arena, const struct sample *sample, const struct yaml *again)
{
    struct text first = {0}, second = {0};
    struct sample other = {0};
    struct err err;
    config_dump(&first, sample_fields, sample, "t");
    const struct yaml *trees[] = {again, tree_of(arena, first.data)};
    for (size_t i = 0; i < 2; i++) {
        if (!trees[i])
            continue;
        if (config_bind(&other, sample_fields, trees[i], "t", arena, &err))
            bug("what was accepted is refused: %s", err.text);
        config_dump(&second, sample_fields, &other, "t");
        check(strcmp(first.data, second.data) == 0, "another canonical dump");
        text_free(&second);
    }
    text_free(&first);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena arena = {0};
    struct err err = {0};
    struct yaml *tree;
    if (yaml_parse(&tree, &arena, "fuzz.yaml", (const char *)data, size, &err)) {
        check_refusal(&err);
    } else {
        const struct yaml *again = check_written(&arena, tree);
        struct sample sample = {0};
        if (config_bind(&sample, sample_fields, tree, "t", &arena, &err))
            check_refusal(&err);
        else
            check_dump(&arena, &sample, again);
    }
    arena_free(&arena);
    return 0;
}
