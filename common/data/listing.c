#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LIST_BYTES = 1 << 28 };

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
    if (!fetch) {
        struct arena arena = {0};
        fail_as(err, STATUS_MISSING, "cannot find '%s' in '%s'%s", name, folder,
                name_spelling(name, &arena));
        arena_free(&arena);
        return -1;
    }
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

int lines_read(char ***lines, size_t *count, const char *path, struct arena *arena, struct err *err)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, which some editors prepend */
    char *bytes;
    size_t length, skipped;
    TRY(file_read(&bytes, &length, path, LIST_BYTES, err));
    skipped = starts_with(bytes, mark) ? strlen(mark) : 0;
    char *text = arena_strndup(arena, bytes + skipped, length - skipped);
    free(bytes);
    if (strlen(text) != length - skipped)
        return fail_as(err, STATUS_BAD_DATA, "'%s' is not a UTF-8 text file: it has a NUL byte",
                       path);
    cut_lines(lines, count, text, length - skipped, arena);
    for (size_t i = 0; i < *count; i++)
        if (!text_is_utf8((*lines)[i]))
            return fail_as(err, STATUS_BAD_DATA, "line %zu of '%s': '%.200s' is not UTF-8", i + 1,
                           path, name_shown((*lines)[i], arena));
    return 0;
}

int listing_split(struct listing *listing, enum split split, const char *name,
                  int (*add)(struct listing *listing, struct listed *one, char *line,
                             const void *user, struct arena *arena, struct err *err),
                  const void *user, struct arena *arena, struct err *err)
{
    char **lines, path[PATH_BYTES];
    size_t count;
    TRY(path_join(path, listing->folder, name, err));
    if (!file_exists(path))
        return missing_file(name, listing->folder, listing->fetch, err);
    TRY(lines_read(&lines, &count, path, arena, err));
    listing->lists[listing->list_count++] = name;
    for (size_t i = 0; i < count; i++) {
        struct listed one = {.split = split, .label = -1, .list = name, .line = i + 1};
        bool blank = lines[i][strspn(lines[i], " \t")] == '\0' || lines[i][0] == '#';
        if (!blank)
            TRY(add(listing, &one, lines[i], user, arena, err));
    }
    return 0;
}

/* Of a text in double quotes; NULL: it is not quoted. */
static char *closing_quote(char *text)
{
    return *text == '"' ? strchr(text + 1, '"') : NULL;
}

size_t line_fields(char *line, char **fields, size_t most)
{
    size_t count = 0;
    for (char *p = line; *(p += strspn(p, " \t"));) {
        char *quote = closing_quote(p), *field = quote ? p + 1 : p;
        char *stop = quote ? quote : field + strcspn(field, " \t");
        p = *stop ? stop + 1 : stop;
        *stop = '\0';
        if (count < most)
            fields[count] = field;
        count++;
    }
    return count;
}

char *line_trim(char *line)
{
    line += strspn(line, " \t");
    size_t length = strlen(line);
    while (length && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        line[--length] = '\0';
    return line;
}

char *line_name(char *line)
{
    line = line_trim(line);
    char *quote = closing_quote(line);
    if (!quote || quote[1])
        return line;
    *quote = '\0';
    return line + 1;
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
    return *name && *name != '.' && !strchr(name, '/') && text_is_plain(name);
}

const struct file_kind picture_files = {{".png", ".jpg", ".jpeg"}, ".png", "PNG or JPEG"};

size_t file_ending(const struct file_kind *kind, const char *name)
{
    for (const char *const *ending = kind->endings; *ending; ending++)
        if (strlen(name) > strlen(*ending) && ends_like(name, *ending))
            return strlen(*ending);
    return 0;
}

const char *file_stem(const struct file_kind *kind, const char *path, struct arena *arena)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    return arena_strndup(arena, name, strlen(name) - file_ending(kind, name));
}

/* Non-ASCII bytes as \xHH. */
static const char *escaped(const char *name, struct arena *arena)
{
    struct text text = {0};
    for (const char *p = name; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        text_printf(&text, byte < ' ' || byte > '~' ? "\\x%02X" : "%c", byte);
    }
    const char *shown = text.length ? arena_strdup(arena, text.data) : "";
    text_free(&text);
    return shown;
}

const char *name_shown(const char *name, struct arena *arena)
{
    return text_is_plain(name) ? name : escaped(name, arena);
}

const char *name_spelling(const char *name, struct arena *arena)
{
    const char *bytes = escaped(name, arena);
    return strcmp(bytes, name) == 0 ? ""
                                    : arena_printf(arena,
                                                   " (in bytes '%.200s'; the same letters may be "
                                                   "encoded differently there, NFC or NFD)",
                                                   bytes);
}

void listing_add(struct listing *listing, const struct listed *one, struct arena *arena)
{
    *ARENA_ADD(arena, listing->cases, listing->count) = *one;
}

/* By id, equal ones in the listing's order. */
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

/* Masks in their images' folder, or a link to it: the model would learn the image. */
static int check_pairs(const struct listing *listing, struct err *err)
{
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct listed *one = &listing->cases[i];
        char path[2][PATH_BYTES];
        struct stat image, mask;
        if (!one->mask)
            continue;
        TRY(path_join(path[0], listing->folder, one->image, err));
        TRY(path_join(path[1], listing->folder, one->mask, err));
        if (!stat(path[0], &image) && !stat(path[1], &mask) && image.st_dev == mask.st_dev &&
            image.st_ino == mask.st_ino)
            return fail_as(err, STATUS_BAD_DATA,
                           "'%s/%s' is its own mask: masks must lie in another folder than images, "
                           "or have a suffix",
                           listing->folder, one->image);
    }
    return 0;
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
    TRY(check_twice(listing, err));
    return check_pairs(listing, err);
}

/* ---- files for the recipe ------------------------------------------------------------------- */

int sources_add(struct sources *sources, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, sources->folder, name, err));
    if (!file_exists(path))
        return sources->may_lack ? 0 : missing_file(name, sources->folder, sources->fetch, err);
    *ARENA_ADD(sources->arena, sources->items, sources->count) =
        (struct source){arena_strdup(sources->arena, name), arena_strdup(sources->arena, path)};
    return 0;
}

static int add_file(struct sources *out, const struct listing *listing, const char *name,
                    struct err *err)
{
    const char *second = listing->second ? listing->second(name, out->arena) : NULL;
    TRY(sources_add(out, name, err));
    return second ? sources_add(out, second, err) : 0;
}

int listing_sources(struct sources *out, const struct listing *listing, bool skip_bad,
                    struct err *err)
{
    out->fetch = listing->fetch;
    if (listing->description)
        TRY(sources_add(out, listing->description, err));
    for (int i = 0; i < listing->list_count; i++)
        TRY(sources_add(out, listing->lists[i], err));
    out->may_lack = skip_bad; /* the case is skipped when it is read */
    for (uint32_t i = 0; i < listing->count; i++) {
        TRY(add_file(out, listing, listing->cases[i].image, err));
        if (listing->cases[i].mask)
            TRY(add_file(out, listing, listing->cases[i].mask, err));
    }
    return 0;
}
