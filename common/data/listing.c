#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BYTES = 1 << 26 };

struct mask_values *mask_values_new(struct arena *arena, const char *expected)
{
    struct mask_values *values = arena_alloc(arena, sizeof *values);
    for (size_t i = 0; i < sizeof values->becomes / sizeof *values->becomes; i++)
        values->becomes[i] = -1;
    values->expected = expected;
    return values;
}

/* ---- lists ---------------------------------------------------------------------------------- */

int missing_file(const char *name, const char *folder, const char *fetch, struct err *err)
{
    if (!fetch)
        return fail_as(err, STATUS_MISSING, "cannot find '%s' in '%s'", name, folder);
    char parent[PATH_BYTES];
    TRY(path_join(parent, folder, "", err));
    size_t length = strlen(parent);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    return fail_as(err, STATUS_MISSING,
                   "cannot find '%s' in '%s' (scripts/fetch-data %s -d %s fetches it)", name,
                   folder, fetch, slash ? parent : ".");
}

/* Cuts text into lines, in place. */
static void cut_lines(char ***lines, size_t *count, char *text, size_t length, struct arena *arena)
{
    size_t most = 1;
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        most++;
    *lines = arena_alloc(arena, most * sizeof **lines);
    *count = 0;
    for (char *line = text, *end = text + length; line < end;) {
        char *stop = strchr(line, '\n');
        char *next = stop ? stop + 1 : end;
        if (!stop)
            stop = end;
        if (stop > line && stop[-1] == '\r')
            stop--;
        *stop = '\0';
        (*lines)[(*count)++] = line;
        line = next;
    }
}

static int read_lines(char ***lines, size_t *count, const struct listing *listing, const char *name,
                      struct arena *arena, struct err *err)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    TRY(path_join(path, listing->folder, name, err));
    if (!file_exists(path))
        return missing_file(name, listing->folder, listing->fetch, err);
    TRY(file_read(&bytes, &length, path, LIST_BYTES, err));
    char *text = arena_strndup(arena, bytes, length);
    free(bytes);
    if (strlen(text) != length)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a text file: it has a zero byte", path);
    cut_lines(lines, count, text, length, arena);
    return 0;
}

int listing_split(struct listing *listing, enum split split, const char *name,
                  int (*add)(struct listing *listing, struct listed *one, char *line,
                             const void *user, struct arena *arena, struct err *err),
                  const void *user, struct arena *arena, struct err *err)
{
    char **lines;
    size_t count;
    TRY(read_lines(&lines, &count, listing, name, arena, err));
    listing->lists[listing->list_count++] = name;
    for (size_t i = 0; i < count; i++) {
        struct listed one = {.split = split, .label = -1, .list = name, .line = i + 1};
        bool blank = lines[i][strspn(lines[i], " \t")] == '\0' || lines[i][0] == '#';
        if (!blank)
            TRY(add(listing, &one, lines[i], user, arena, err));
    }
    return 0;
}

size_t line_fields(char *line, char **fields, size_t most)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *field = strtok_r(line, " \t", &rest); field; field = strtok_r(NULL, " \t", &rest)) {
        if (count < most)
            fields[count] = field;
        count++;
    }
    return count;
}

int line_fail(struct err *err, const struct listing *listing, const char *list, size_t line,
              const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return fail_as(err, STATUS_BAD_DATA, "line %zu of '%s/%s': %s", line, listing->folder, list,
                   what);
}

bool name_is_plain(const char *name)
{
    for (const char *p = name; *p; p++)
        if (*p < ' ' || *p > '~' || *p == '/')
            return false;
    return *name && *name != '.';
}

const char *picture_stem(const char *path, struct arena *arena)
{
    static const char *const endings[] = {".png", ".jpg", ".jpeg"};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length > strlen(endings[i]) && ends_with(name, endings[i]))
            return arena_strndup(arena, name, length - strlen(endings[i]));
    return arena_strdup(arena, name);
}

void listing_add(struct listing *listing, const struct listed *one, struct arena *arena)
{
    if (listing->count == listing->room) {
        uint32_t room = listing->room ? 2 * listing->room : 256;
        struct listed *cases = arena_alloc(arena, room * sizeof *cases);
        if (listing->count)
            memcpy(cases, listing->cases, listing->count * sizeof *cases);
        listing->cases = cases;
        listing->room = room;
    }
    listing->cases[listing->count++] = *one;
}

/* By id, equal ones in the order of the listing. */
static int by_id(const void *a, const void *b)
{
    const struct listed *x = *(const struct listed *const *)a,
                        *y = *(const struct listed *const *)b;
    int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

static int check_twice(const struct listing *listing, struct err *err)
{
    const struct listed **sorted = xcalloc(listing->count, sizeof *sorted);
    for (uint32_t i = 0; i < listing->count; i++)
        sorted[i] = &listing->cases[i];
    qsort(sorted, listing->count, sizeof *sorted, by_id);
    int status = 0;
    for (uint32_t i = 1; !status && i < listing->count; i++) {
        const struct listed *first = sorted[i - 1], *second = sorted[i];
        if (strcmp(first->id, second->id))
            continue;
        if (!second->line)
            status = fail_as(err, STATUS_BAD_DATA, "'%s/%s' and '%s' are both called '%s'",
                             listing->folder, first->image, second->image, second->id);
        else
            status = line_fail(err, listing, second->list, second->line,
                               "'%s' is already on line %zu of '%s'", second->id, first->line,
                               first->list);
    }
    free(sorted);
    return status;
}

int listing_check(const struct listing *listing, struct err *err)
{
    for (int i = 0; i < listing->list_count; i++) {
        uint32_t j = 0;
        while (j < listing->count && strcmp(listing->cases[j].list, listing->lists[i]))
            j++;
        if (j == listing->count)
            return fail_as(err, STATUS_BAD_DATA, "'%s/%s' lists no case", listing->folder,
                           listing->lists[i]);
    }
    return check_twice(listing, err);
}

/* ---- files for the recipe ------------------------------------------------------------------- */

static int add_source(const char **names, const char **paths, int *count, const char *name,
                      const struct listing *listing, struct arena *arena, struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, listing->folder, name, err));
    if (!file_exists(path))
        return missing_file(name, listing->folder, listing->fetch, err);
    names[*count] = name;
    paths[(*count)++] = arena_strdup(arena, path);
    return 0;
}

int listing_sources(const char ***names, const char ***paths, int *count,
                    const struct listing *listing, struct arena *arena, struct err *err)
{
    size_t most = (size_t)listing->list_count + 2 * (size_t)listing->count;
    *names = arena_alloc(arena, most * sizeof **names);
    *paths = arena_alloc(arena, most * sizeof **paths);
    *count = 0;
    for (int i = 0; i < listing->list_count; i++)
        TRY(add_source(*names, *paths, count, listing->lists[i], listing, arena, err));
    for (uint32_t i = 0; i < listing->count; i++) {
        TRY(add_source(*names, *paths, count, listing->cases[i].image, listing, arena, err));
        TRY(add_source(*names, *paths, count, listing->cases[i].mask, listing, arena, err));
    }
    return 0;
}
