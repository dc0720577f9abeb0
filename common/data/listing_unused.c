/* Files in a data set's folder that no case uses: a misunderstood name must not silently drop
 * cases. */
#include "data/listing.h"

#include "base/file.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { IMAGES, MASKS, FOLDERS, OTHERS, KINDS, NAMED = 3 };
static const char *const words[KINDS][2] = {
    {"image", "images"}, {"mask", "masks"}, {"folder", "folders"}, {"other file", "other files"}};

struct unused {
    uint32_t count;
    const char *first[NAMED];
};
/* A folder in use, and for what. */
struct place {
    const char *path; /* "": the data set's root */
    bool images, masks;
};
struct survey {
    const struct listing *listing;
    struct collection *out;
    const char **used; /* sorted */
    size_t used_count;
    struct place *places; /* sorted by path, one each */
    size_t place_count;
    struct unused unused[KINDS];
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

/* A file's folder and all its parents, up to the data set's. */
static void add_places(struct survey *s, const char *path, bool image, bool mask)
{
    bool direct = true;
    for (const char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
        path = arena_strndup(&s->out->arena, path, (size_t)(slash - path));
        s->places[s->place_count++] = (struct place){path, direct && image, direct && mask};
        direct = false;
    }
    s->places[s->place_count++] = (struct place){"", direct && image, direct && mask};
}

static size_t depth_of(const char *path)
{
    size_t depth = 1;
    for (; *path; path++)
        depth += *path == '/';
    return depth;
}

static void find_places(struct survey *s)
{
    const struct listing *listing = s->listing;
    size_t most = 0, kept = 0;
    for (size_t i = 0; i < s->used_count; i++)
        most += depth_of(s->used[i]);
    for (uint32_t i = 0; i < listing->count; i++)
        most += depth_of(listing->cases[i].image) +
                (listing->cases[i].mask ? depth_of(listing->cases[i].mask) : 0);
    s->places = xcalloc(most, sizeof *s->places);
    for (size_t i = 0; i < s->used_count; i++)
        add_places(s, s->used[i], false, false);
    for (uint32_t i = 0; i < listing->count; i++) {
        add_places(s, listing->cases[i].image, true, false);
        if (listing->cases[i].mask)
            add_places(s, listing->cases[i].mask, false, true);
    }
    qsort(s->places, s->place_count, sizeof *s->places, by_path);
    for (size_t i = 0; i < s->place_count; i++)
        if (kept && by_path(&s->places[kept - 1], &s->places[i]) == 0) {
            s->places[kept - 1].images |= s->places[i].images;
            s->places[kept - 1].masks |= s->places[i].masks;
        } else {
            s->places[kept++] = s->places[i];
        }
    s->place_count = kept;
}

static int kind_of(const struct survey *s, const struct place *place, const char *name)
{
    const char *suffix = s->listing->mask_suffix;
    if (!file_ending(s->listing->kind, name))
        return OTHERS;
    bool among = suffix && ends_like(file_stem(s->listing->kind, name, &s->out->arena), suffix);
    return among || (place->masks && !place->images) ? MASKS : IMAGES;
}

static void look(struct survey *s, const struct place *place, const char *name)
{
    struct arena *arena = &s->out->arena;
    const char *path = arena_printf(arena, "%s%s%s", place->path, *place->path ? "/" : "", name);
    const struct place key = {.path = path};
    char whole[PATH_BYTES];
    struct stat st;
    struct err err;
    if (bsearch(&path, s->used, s->used_count, sizeof *s->used, by_text) ||
        bsearch(&key, s->places, s->place_count, sizeof *s->places, by_path) ||
        path_join(whole, s->listing->folder, path, &err) || stat(whole, &st))
        return;
    int kind = S_ISDIR(st.st_mode) ? FOLDERS : kind_of(s, place, name);
    struct unused *unused = &s->unused[kind];
    if (unused->count < NAMED)
        unused->first[unused->count] = name_shown(path, arena);
    unused->count++;
}

/* "not used: 2 images ('a.JPG', 'b.JPG'), 1 folder ('more')" */
static void tell(struct survey *s)
{
    struct text text = {0};
    for (int kind = 0; kind < KINDS; kind++) {
        const struct unused *unused = &s->unused[kind];
        if (!unused->count)
            continue;
        text_printf(&text, "%s%u %s (", text.length ? ", " : "not used: ", unused->count,
                    words[kind][unused->count > 1]);
        for (uint32_t i = 0; i < unused->count && i < NAMED; i++)
            text_printf(&text, "%s'%s'", i ? ", " : "", unused->first[i]);
        text_puts(&text, unused->count > NAMED ? ", ...)" : ")");
    }
    if (text.length)
        collection_note(s->out, arena_strdup(&s->out->arena, text.data));
    text_free(&text);
}

static void use(struct survey *s, const char *name)
{
    const struct listing *listing = s->listing;
    s->used[s->used_count++] = name;
    const char *second = listing->second ? listing->second(name, &s->out->arena) : NULL;
    if (second)
        s->used[s->used_count++] = second;
}

void listing_unused(struct collection *out, const struct listing *listing)
{
    struct survey s = {.listing = listing, .out = out};
    size_t most = 1 + (size_t)listing->list_count + 4 * (size_t)listing->count;
    s.used = xcalloc(most, sizeof *s.used);
    if (listing->description)
        s.used[s.used_count++] = listing->description;
    for (int i = 0; i < listing->list_count; i++)
        s.used[s.used_count++] = listing->lists[i];
    for (uint32_t i = 0; i < listing->count; i++) {
        use(&s, listing->cases[i].image);
        if (listing->cases[i].mask)
            use(&s, listing->cases[i].mask);
    }
    qsort(s.used, s.used_count, sizeof *s.used, by_text);
    find_places(&s);
    for (size_t i = 0; i < s.place_count; i++) {
        struct names names;
        struct err err; /* a missing folder has no unused files */
        if (names_read(&names, listing->folder, s.places[i].path, &out->arena, &err))
            continue;
        for (size_t k = 0; k < names.count; k++)
            look(&s, &s.places[i], names.items[k]);
    }
    tell(&s);
    free(s.used);
    free(s.places);
}
