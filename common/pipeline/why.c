/* Why two runs differ: their recipe texts, compared line by line, back to the first cause. */
#include "pipeline/resolve.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines of a recipe ---------------------------------------------------------------------- */

/* "KEY=VALUE", "source NAME ID", "input PORT ID": the key is everything before the value. */
struct line {
    const char *key, *value;
    int key_length, value_length;
};

static bool next_line(const char **at, struct line *line)
{
    if (!**at)
        return false;
    const char *start = *at;
    size_t length = strcspn(start, "\n");
    const char *split = starts_with(start, "input ") || starts_with(start, "source ")
                            ? memrchr(start, ' ', length)
                            : memchr(start, '=', length);
    if (!split)
        split = start + length;
    line->key = start;
    line->key_length = (int)(split - start);
    line->value = split < start + length ? split + 1 : split;
    line->value_length = (int)(start + length - line->value);
    *at = start + length + (start[length] == '\n');
    return true;
}

static bool find_line(const char *text, const struct line *like, struct line *out)
{
    while (next_line(&text, out))
        if (out->key_length == like->key_length &&
            memcmp(out->key, like->key, (size_t)like->key_length) == 0)
            return true;
    return false;
}

static bool same_value(const struct line *a, const struct line *b)
{
    return a->value_length == b->value_length &&
           memcmp(a->value, b->value, (size_t)a->value_length) == 0;
}

/* Two runs are compared once, however many paths lead to them. */
struct comparison {
    struct text *out;
    struct store *store;
    struct {
        int64_t from, to;
    } * done;
    size_t count;
    size_t found; /* differences, including those already reported */
};

/* The same cause may reach a run through several inputs; it is reported once. */
static void add_once(struct comparison *c, struct text *item)
{
    c->found++;
    if (!c->out->data || !strstr(c->out->data, item->data))
        text_puts(c->out, item->data);
    text_free(item);
}

static void add_item(struct comparison *c, const char *recipe, const struct line *key,
                     const struct line *from, const struct line *to)
{
    static const char absent[] = "(none)";
    int stage = (int)strcspn(recipe, "\n");
    struct text item = {0};
    text_printf(&item, "%.*s%s%.*s: %.*s -> %.*s\n", stage - 6, recipe + 6, /* after "stage=" */
                memchr(key->key, ' ', (size_t)key->key_length) ? " " : ".", key->key_length,
                key->key, from ? from->value_length : (int)sizeof absent - 1,
                from ? from->value : absent, to ? to->value_length : (int)sizeof absent - 1,
                to ? to->value : absent);
    add_once(c, &item);
}

/* Numerics are in no recipe but affect the bits. */
static void compare_numerics(struct comparison *c, const struct run_row *a, const struct run_row *b)
{
    static const char threads[] = " threads ";
    const char *from = a->numerics ? a->numerics : "none", *to = b->numerics ? b->numerics : "none";
    if (strcmp(from, to) == 0)
        return;
    const char *i = strstr(from, threads), *j = strstr(to, threads), *what = "numerics";
    if (i && j && i - from == j - to && memcmp(from, to, (size_t)(i - from)) == 0) {
        what = "threads";
        from = i + sizeof threads - 1;
        to = j + sizeof threads - 1;
    }
    struct text item = {0};
    text_printf(&item, "%s %s: %s -> %s\n", b->stage, what, from, to);
    add_once(c, &item);
}

/* ---- runs ----------------------------------------------------------------------------------- */

static int differ(struct comparison *c, int64_t old_run, int64_t new_run, struct err *err);

/* Two artifacts at one port: how their makers differ. */
static int follow(struct comparison *c, const char *recipe, const struct line *from,
                  const struct line *to, struct err *err)
{
    struct id a, b;
    int64_t old_run = 0, new_run = 0;
    snprintf(a.hex, sizeof a.hex, "%.*s", from->value_length, from->value);
    snprintf(b.hex, sizeof b.hex, "%.*s", to->value_length, to->value);
    TRY(registry_maker(c->store, &a, &old_run, err));
    TRY(registry_maker(c->store, &b, &new_run, err));
    for (size_t i = 0; i < c->count; i++)
        if (c->done[i].from == old_run && c->done[i].to == new_run) {
            c->found++;
            return 0;
        }
    size_t before = c->found;
    if (old_run && new_run)
        TRY(differ(c, old_run, new_run, err));
    if (c->found == before) /* one has no maker, or one recipe has two results */
        add_item(c, recipe, from, from, to);
    return 0;
}

static int compare(struct comparison *c, const char *old_text, const char *new_text,
                   struct err *err)
{
    struct line a, b;
    for (const char *at = old_text; next_line(&at, &a);) {
        bool both = find_line(new_text, &a, &b);
        if (both && same_value(&a, &b))
            continue;
        if (both && starts_with(a.key, "input "))
            TRY(follow(c, new_text, &a, &b, err));
        else
            add_item(c, new_text, &a, &a, both ? &b : NULL);
    }
    for (const char *at = new_text; next_line(&at, &b);)
        if (!find_line(old_text, &b, &a))
            add_item(c, new_text, &b, NULL, &b);
    return 0;
}

static int read_run(struct run_row *row, char **text, struct store *store, struct arena *arena,
                    int64_t run, struct err *err)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)run);
    TRY(registry_find_run(store, number, arena, row, err));
    return registry_recipe_text(text, store, &row->recipe, err);
}

/* How a planned run differs from an earlier one. */
static int differ_from(struct text *out, struct store *store, int64_t old_run, const char *new_text,
                       struct err *err)
{
    struct comparison c = {.out = out, .store = store};
    char *old_text = NULL;
    struct run_row row;
    struct arena arena = {0};
    int status = read_run(&row, &old_text, store, &arena, old_run, err);
    if (!status)
        status = compare(&c, old_text, new_text, err);
    free(old_text);
    free(c.done);
    arena_free(&arena);
    return status;
}

static int differ(struct comparison *c, int64_t old_run, int64_t new_run, struct err *err)
{
    char *old_text = NULL, *new_text = NULL;
    struct run_row a, b;
    struct arena arena = {0};
    int status = -1;
    c->done = xrealloc(c->done, c->count + 1, sizeof *c->done);
    c->done[c->count].from = old_run;
    c->done[c->count++].to = new_run;
    if (read_run(&a, &old_text, c->store, &arena, old_run, err) ||
        read_run(&b, &new_text, c->store, &arena, new_run, err) ||
        compare(c, old_text, new_text, err))
        goto done;
    compare_numerics(c, &a, &b);
    status = 0;
done:
    free(old_text);
    free(new_text);
    arena_free(&arena);
    return status;
}

int why_differ(struct text *out, struct store *store, int64_t old_run, int64_t new_run,
               struct err *err)
{
    struct comparison c = {.out = out, .store = store};
    int status = differ(&c, old_run, new_run, err);
    free(c.done);
    return status;
}

/* ---- the nearest run ------------------------------------------------------------------------ */

/* Few enough to answer in milliseconds however large the registry is. */
enum { CANDIDATES = 32 };
struct search {
    struct id recipes[1 + CANDIDATES]; /* the run's own, then one for each candidate */
    int64_t runs[CANDIDATES];
    int count;
    const char *numerics; /* the run's own; NULL: none */
    int64_t twin;         /* the newest run of its recipe with other numerics; 0: none */
};

static int candidate(void *user, const struct run_row *row, struct err *err)
{
    (void)err;
    struct search *search = user;
    if (!search->twin && search->numerics && row->numerics &&
        strcmp(row->recipe.hex, search->recipes[0].hex) == 0 &&
        strcmp(row->numerics, search->numerics) != 0)
        search->twin = row->id;
    for (int i = 0; i <= search->count; i++) /* a resumed or repeated run does not differ */
        if (strcmp(row->recipe.hex, search->recipes[i].hex) == 0)
            return 0;
    search->runs[search->count++] = row->id;
    search->recipes[search->count] = row->recipe;
    return search->count == CANDIDATES;
}

static int count_lines(const struct text *text)
{
    int lines = 0;
    for (size_t i = 0; i < text->length; i++)
        lines += text->data[i] == '\n';
    return lines;
}

/* The candidate with the fewest differences, which are left in items. */
static int nearest(int64_t *out, struct text *items, struct store *store,
                   const struct search *search, const char *recipe_text, struct err *err)
{
    int least = -1;
    *out = 0;
    for (int i = 0; i < search->count; i++) {
        struct text here = {0};
        if (differ_from(&here, store, search->runs[i], recipe_text, err)) {
            text_free(&here);
            return -1;
        }
        int lines = count_lines(&here);
        if (least < 0 || lines < least) { /* the newest first */
            least = lines;
            *out = search->runs[i];
            text_free(items);
            *items = here;
        } else {
            text_free(&here);
        }
    }
    return 0;
}

int why_nearest(int64_t *out, struct store *store, int64_t run, struct err *err)
{
    struct search search = {0};
    struct arena arena = {0};
    struct text items = {0};
    struct run_row row;
    char *recipe_text = NULL;
    int status = -1;
    if (read_run(&row, &recipe_text, store, &arena, run, err))
        goto done;
    search.recipes[0] = row.recipe;
    search.numerics = row.numerics;
    if (registry_runs(store, row.stage, run, -1, candidate, &search, err) < 0 ||
        nearest(out, &items, store, &search, recipe_text, err))
        goto done;
    if (!*out)
        *out = search.twin;
    status = 0;
done:
    free(recipe_text);
    text_free(&items);
    arena_free(&arena);
    return status;
}

int why_not_known(struct reason *out, struct arena *arena, struct store *store,
                  const struct place *place, struct err *err)
{
    struct search search = {.recipes = {place->recipe}};
    *out = (struct reason){.place = place};
    if (!store)
        return 0;
    if (registry_find_run(store, place->recipe.hex, arena, &out->run, err) == 0)
        return 0;
    if (err->status != STATUS_MISSING)
        return -1;
    int64_t run;
    out->run = (struct run_row){0};
    TRY(registry_runs(store, place->section->stage->name, 0, -1, candidate, &search, err) < 0);
    TRY(nearest(&run, &out->differs, store, &search, place->recipe_text, err));
    if (!run)
        return 0;
    char number[32];
    snprintf(number, sizeof number, "%lld", (long long)run);
    return registry_find_run(store, number, arena, &out->run, err);
}
