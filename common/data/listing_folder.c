/* The contents of a folder: looking up names, finding splits. */
#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- names ---------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_folded(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Hidden ("._x.png", which macOS stores next to x.png), or a system file. */
static bool is_litter(const char *name)
{
    static const char *const litter[] = {"Thumbs.db", "desktop.ini", "__MACOSX"};
    for (size_t i = 0; i < sizeof litter / sizeof *litter; i++)
        if (strcasecmp(name, litter[i]) == 0)
            return true;
    return *name == '.';
}

static bool is_folder(const char *folder, const char *name)
{
    char path[PATH_BYTES];
    struct stat st;
    struct err err;
    return !path_join(path, folder, name, &err) && !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int read_names(struct names *out, bool folders, const char *folder, const char *name,
                      struct arena *arena, struct err *err)
{
    char path[PATH_BYTES], **all;
    size_t count;
    *out = (struct names){0};
    TRY(path_join(path, folder, name, err));
    if (folder_names(&all, &count, path, arena, err)) {
        if (err->status != STATUS_MISSING)
            return -1;
        return *name ? missing_file(name, folder, NULL, err)
                     : fail_as(err, STATUS_MISSING, "cannot find the folder '%s'", folder);
    }
    out->items = arena_alloc(arena, count * sizeof *out->items);
    out->folded = arena_alloc(arena, count * sizeof *out->folded);
    for (size_t i = 0; i < count; i++)
        if (!is_litter(all[i]) && (folders || !is_folder(path, all[i])))
            out->items[out->count++] = all[i];
    if (out->count) {
        memcpy(out->folded, out->items, out->count * sizeof *out->folded);
        qsort(out->folded, out->count, sizeof *out->folded, by_folded);
    }
    return 0;
}

int names_read(struct names *out, const char *folder, const char *name, struct arena *arena,
               struct err *err)
{
    return read_names(out, true, folder, name, arena, err);
}

int names_read_files(struct names *out, const char *folder, const char *name, struct arena *arena,
                     struct err *err)
{
    return read_names(out, false, folder, name, arena, err);
}

const char *names_find(const struct names *names, const char *name)
{
    const char *const *exact =
        bsearch(&name, names->items, names->count, sizeof *names->items, by_name);
    if (exact)
        return *exact;
    const char **like =
        bsearch(&name, names->folded, names->count, sizeof *names->folded, by_folded);
    if (!like)
        return NULL;
    bool before = like > names->folded && by_folded(like - 1, like) == 0;
    bool after = like + 1 < names->folded + names->count && by_folded(like + 1, like) == 0;
    return before || after ? NULL : *like;
}

int path_find(const char **out, const char *folder, const char *path, struct arena *arena,
              struct err *err)
{
    char whole[PATH_BYTES];
    TRY(path_join(whole, folder, path, err));
    *out = path;
    if (file_exists(whole))
        return 0;
    *out = "";
    for (const char *part = path; *(part += strspn(part, "/"));) {
        size_t length = strcspn(part, "/");
        struct names names;
        const char *name = NULL;
        if (!names_read(&names, folder, *out, arena, err))
            name = names_find(&names, arena_strndup(arena, part, length));
        else if (err->status != STATUS_MISSING)
            return -1;
        if (!name) {
            *out = NULL;
            return 0;
        }
        *out = arena_printf(arena, "%s%s%s", *out, **out ? "/" : "", name);
        part += length;
    }
    return 0;
}

/* ---- splits --------------------------------------------------------------------------------- */

static const char *const called[SPLITS][4] = {
    [SPLIT_TRAIN] = {"train", "training"},
    [SPLIT_VAL] = {"val", "valid", "validation", "dev"},
    [SPLIT_TEST] = {"test", "testing"},
};

/* SPLITS: none has this name. */
static enum split split_called(const char *word, size_t length)
{
    for (int split = 0; split < SPLITS; split++)
        for (size_t i = 0; i < sizeof called[0] / sizeof *called[0] && called[split][i]; i++)
            if (strlen(called[split][i]) == length &&
                strncasecmp(word, called[split][i], length) == 0)
                return (enum split)split;
    return SPLITS;
}

/* "test_ids.csv": one of its words names a split, so it may be a list; the first such file of each
 * split is noted. */
static void note_odd(const char *odd[SPLITS], const char *name)
{
    static const char *const endings[] = {".txt", ".csv", ".tsv", ".lst", ".list", ".json"};
    bool may = !strchr(name, '.');
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        may |= ends_like(name, endings[i]);
    for (const char *word = name; may && *word;) {
        size_t length = 0;
        while (isalpha((unsigned char)word[length]))
            length++;
        enum split split = split_called(word, length);
        if ((split == SPLIT_VAL || split == SPLIT_TEST) && !odd[split])
            odd[split] = name;
        word += length ? length : 1;
    }
}

/* Stores the name, unless there is one already: then sets *twice. */
static void note(const char **at, const char *name, const char *twice[2])
{
    if (*at && !twice[0])
        twice[0] = *at, twice[1] = name;
    if (!*at)
        *at = name;
}

int parting_find(struct parting *out, const char *folder, const char *inner, struct arena *arena,
                 struct err *err)
{
    struct names names;
    const char *lists[2] = {NULL}, *folders[2] = {NULL};
    *out = (struct parting){0};
    TRY(names_read(&names, folder, "", arena, err));
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        bool within = is_folder(folder, name), list = !within && ends_like(name, ".txt");
        enum split split = split_called(name, strlen(name) - (list ? strlen(".txt") : 0));
        const char *holds = NULL;
        if (within && inner && split < SPLITS)
            TRY(path_find(&holds, folder, arena_printf(arena, "%s/%s", name, inner), arena, err));
        if (split < SPLITS && list) {
            note(&out->list[split], name, lists);
            out->lists = true;
        } else if (holds) {
            note(&out->folder[split], name, folders);
            out->folders = true;
        } else if (!within) {
            note_odd(out->odd, name);
        }
    }
    const char *const *twice = out->lists ? lists : folders;
    if (!twice[0])
        return 0;
    return fail_as(err, STATUS_BAD_DATA, "'%s' and '%s' in '%s' are named after the same split",
                   twice[0], twice[1], folder);
}

int parting_check_rest(const struct parting *parting, const char *folder, struct err *err)
{
    for (int split = 0; split < SPLITS; split++)
        if (parting->odd[split] && !parting->folder[split])
            return fail_as(
                err, STATUS_BAD_DATA,
                "'%s/%s' seems to list a split, but lists must be called train.txt, val.txt "
                "and test.txt; without a train.txt its cases would be used for training",
                folder, parting->odd[split]);
    return 0;
}
