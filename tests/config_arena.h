/* An arena of its own for each test of the configuration, and the tree of a text in it. */
#ifndef CAIRN_TESTS_CONFIG_ARENA_H
#define CAIRN_TESTS_CONFIG_ARENA_H

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline int arena_setup(void **state)
{
    *state = xcalloc(1, sizeof(struct arena));
    return 0;
}

static inline int arena_teardown(void **state)
{
    arena_free(*state);
    free(*state);
    return 0;
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, arena_setup, arena_teardown)

static inline struct yaml *parse(struct arena *arena, const char *text)
{
    struct err err;
    struct yaml *tree;
    if (yaml_parse(&tree, arena, "x.yaml", text, strlen(text), &err))
        fail_msg("%s", err.text);
    return tree;
}

/* What is in a text, kept by the arena. */
static inline const char *kept(struct arena *arena, struct text *text)
{
    const char *copy = arena_strdup(arena, text->data);
    text_free(text);
    return copy;
}

#endif
