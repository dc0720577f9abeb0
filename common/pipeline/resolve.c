#include "pipeline/resolve.h"

#include "base/random.h"
#include "base/stop.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The outside files that a section reads, shared by all places of the same section in the file. */
struct listing {
    const struct section *section; /* the first one with these files */
    const struct place *place;     /* the first that was resolved */
    const struct source *sources;
    struct id *ids;
    int count;
};
struct file {
    const char *path; /* NULL: a free slot */
    struct id id;
};
struct work {
    struct resolution *out;
    const struct experiment *experiment;
    struct store *store;
    const char *data;
    struct listing *listings;
    size_t listing_count;
    struct file *files; /* by path: a table of file_slots slots, a power of two */
    size_t file_slots, file_count;
};

/* ---- recipe text ---------------------------------------------------------------------------- */

/* One more where a training gives other bits in this precision alone; 1 is in no recipe. */
static const int precision_version[] = {[F32] = 1, [BF16] = 2};

/* Everything that may change the result and nothing else: no path, no time. `device` and `threads`
 * enter if the file gives them; `auto` means whatever is available, which the run records. */
static void write_recipe(struct text *text, const struct experiment *experiment,
                         const struct place *place)
{
    const struct stage_info *stage = place->section->stage;
    const struct backend_config *backend = &experiment->variants[place->variant].backend;
    text_printf(text, "stage=%s\nversion=%d\n", stage->name, stage->version);
    if (stage->seeded)
        text_printf(text, "seed=%llu\n", (unsigned long long)place->seed);
    if (stage->compute) {
        text_printf(text, "backend.precision=%s\n", precision_names[backend->precision]);
        if (stage->trains && precision_version[backend->precision] > 1)
            text_printf(text, "backend.precision.version=%d\n",
                        precision_version[backend->precision]);
        if (backend->device)
            text_printf(text, "backend.device=%s\n", backend_devices[backend->device]);
        if (backend->threads > 0)
            text_printf(text, "backend.threads=%lld\n", (long long)backend->threads);
    }
    config_dump(text, stage->fields, place->section->config, "");
    for (int i = 0; i < place->source_count; i++)
        text_printf(text, "source %s %s\n", place->sources[i].name, place->source_ids[i].hex);
    for (int i = 0; i < place->input_count; i++) {
        const struct port *input = &place->inputs[i];
        if (*input->artifact.hex)
            text_printf(text, "input %s %s\n", input->name, input->artifact.hex);
        else
            text_printf(text, "input %s %s.%s\n", input->name, place->makers[i]->key.hex,
                        place->made_as[i]);
    }
}

/* ---- sources: thousands of files, each checked once per resolution ------------------ */

/* The slot of a path: its own, or the free one for it. */
static struct file *slot_of(struct file *files, size_t slots, const char *path)
{
    size_t at = random_key(path) & (slots - 1);
    while (files[at].path && strcmp(files[at].path, path) != 0)
        at = (at + 1) & (slots - 1);
    return &files[at];
}

static void make_room(struct work *work)
{
    if (work->file_count < work->file_slots / 2)
        return;
    size_t slots = work->file_slots ? 2 * work->file_slots : 1024;
    struct file *files = arena_alloc(&work->out->arena, slots * sizeof *files);
    for (size_t i = 0; i < work->file_slots; i++)
        if (work->files[i].path)
            *slot_of(files, slots, work->files[i].path) = work->files[i];
    work->files = files;
    work->file_slots = slots;
}

static int hash_file(struct work *work, const char *path, struct id *out, struct err *err)
{
    make_room(work);
    struct file *file = slot_of(work->files, work->file_slots, path);
    if (!file->path) {
        TRY(work->store ? store_hash_file(work->store, path, &file->id, err)
                        : sha256_file(&file->id, NULL, path, err));
        file->path = path;
        work->file_count++;
    }
    *out = file->id;
    return 0;
}

/* Variants share those nodes of the file that they do not change, so the same node with the same
 * stage is the same configuration. */
static struct listing *find_listing(const struct work *work, const struct section *section)
{
    for (size_t i = 0; i < work->listing_count; i++) {
        const struct section *other = work->listings[i].section;
        if (other->at == section->at && other->stage == section->stage)
            return &work->listings[i];
    }
    return NULL;
}

static int make_listing(struct listing **out, struct work *work, const struct section *section,
                        struct err *err)
{
    struct arena *arena = &work->out->arena;
    struct listing *made = &work->listings[work->listing_count];
    *made = (struct listing){.section = section};
    TRY(section->stage->sources(section->config, work->data, arena, &made->sources, &made->count,
                                err));
    made->ids = arena_alloc(arena, (size_t)made->count * sizeof *made->ids);
    for (int i = 0; i < made->count; i++)
        TRY(stop_obey(err) || hash_file(work, made->sources[i].path, &made->ids[i], err));
    work->listing_count++;
    *out = made;
    return 0;
}

/* *out: NULL if the stage reads none. */
static int hash_sources(struct listing **out, struct work *work, struct place *place,
                        struct err *err)
{
    if (!place->section->stage->sources)
        return 0;
    struct listing *listing = find_listing(work, place->section);
    if (!listing)
        TRY(make_listing(&listing, work, place->section, err));
    place->sources = listing->sources;
    place->source_ids = listing->ids;
    place->source_count = listing->count;
    *out = listing;
    return 0;
}

/* ---- places --------------------------------------------------------------------------------- */

const struct place *resolution_find(const struct resolution *resolution, size_t variant,
                                    uint64_t seed, const char *section)
{
    size_t low = 0, high = resolution->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (resolution->places[middle].variant < variant)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < resolution->count && resolution->places[low].variant == variant; low++)
        if (resolution->places[low].seed == seed &&
            strcmp(resolution->places[low].section->name, section) == 0)
            return &resolution->places[low];
    return NULL;
}

static const struct place **slot_of_key(const struct resolution *resolution, const struct id *key)
{
    size_t at = random_key(key->hex) & (resolution->key_slots - 1);
    while (resolution->by_key[at] && strcmp(resolution->by_key[at]->key.hex, key->hex) != 0)
        at = (at + 1) & (resolution->key_slots - 1);
    return &resolution->by_key[at];
}

const struct place *resolution_by_key(const struct resolution *resolution, const struct id *key)
{
    return *slot_of_key(resolution, key);
}

/* Equal work has equal results. */
static void share(struct place *place, const struct place *first)
{
    place->first = first;
    place->key = first->key;
    place->recipe = first->recipe;
    place->recipe_text = first->recipe_text;
    place->state = first->state;
    place->run = first->run;
    place->output_count = first->output_count;
    memcpy(place->outputs, first->outputs, sizeof place->outputs);
}

static int take_input(struct place *place, const char *port, const struct filler *filler,
                      struct err *err)
{
    int at = place->input_count++;
    struct port *input = &place->inputs[at];
    input->name = port;
    if (filler->artifact) {
        snprintf(input->artifact.hex, sizeof input->artifact.hex, "%s", filler->artifact);
        return 0;
    }
    const struct place *maker = place + (filler->maker - place->section); /* of the same cell */
    place->makers[at] = maker;
    place->made_as[at] = filler->output;
    for (int i = 0; i < maker->output_count; i++)
        if (strcmp(maker->outputs[i].name, filler->output) == 0)
            input->artifact = maker->outputs[i].artifact;
    if (*input->artifact.hex)
        return 0;
    if (maker->state == PLACE_KNOWN)
        return fail_as(err, STATUS_MISSING, "run %lld of %s has left no %s", (long long)maker->run,
                       maker->section->stage->name, filler->output);
    place->state = PLACE_WAITING;
    if (place->level <= maker->level)
        place->level = maker->level + 1;
    return 0;
}

static int look_up(struct work *work, struct place *place, struct err *err)
{
    place->recipe = place->key;
    if (!work->store)
        return 0;
    int known = registry_lookup(work->store, &place->recipe, &work->out->arena, &place->run,
                                place->outputs, &place->output_count, err);
    if (known < 0)
        return -1;
    if (known)
        place->state = PLACE_KNOWN;
    return 0;
}

/* Does its recipe depend on files only? Then equal files and configuration are the same place, and
 * its text, with a line for each of thousands of files, need not be written again. */
static bool of_files_alone(const struct stage_info *stage)
{
    return stage->sources && !stage->ports[0].name && !stage->seeded && !stage->compute;
}

/* The places that fill its ports are resolved before it. */
static int resolve_place(struct work *work, struct place *place, struct err *err)
{
    const struct section *section = place->section;
    struct listing *listing = NULL;
    place->state = PLACE_READY;
    if (hash_sources(&listing, work, place, err))
        return wrap(err, "%s", section->name);
    if (listing && listing->place) {
        share(place, listing->place);
        return 0;
    }
    for (int i = 0; section->stage->ports[i].name; i++)
        if (section->fillers[i].maker || section->fillers[i].artifact)
            TRY(take_input(place, section->stage->ports[i].name, &section->fillers[i], err));
    struct text text = {0};
    write_recipe(&text, work->experiment, place);
    place->key = sha256_of(text.data, text.length);
    const struct place **slot = slot_of_key(work->out, &place->key);
    if (*slot) {
        share(place, *slot);
    } else {
        *slot = place->first = place;
        place->recipe_text = arena_strdup(&work->out->arena, text.data);
    }
    text_free(&text);
    if (listing && of_files_alone(section->stage))
        listing->place = place->first;
    if (place->first != place || place->state == PLACE_WAITING)
        return 0;
    return look_up(work, place, err);
}

static int resolve_cell(struct work *work, size_t variant, uint64_t seed, struct err *err)
{
    const struct variant *v = &work->experiment->variants[variant];
    struct place *cell = &work->out->places[work->out->count];
    work->out->count += v->count;
    for (size_t i = 0; i < v->count; i++)
        cell[i] = (struct place){.variant = variant, .seed = seed, .section = &v->sections[i]};
    for (size_t i = 0; i < v->count; i++)
        TRY(resolve_place(work, &cell[v->order[i]], err));
    return 0;
}

int resolve(struct resolution *out, const struct experiment *experiment, struct store *store,
            const char *data, int64_t variant, int64_t seed, struct err *err)
{
    *out = (struct resolution){0};
    struct work work = {.out = out, .experiment = experiment, .store = store, .data = data};
    size_t most = 0;
    for (size_t v = 0; v < experiment->variant_count; v++)
        most += experiment->variants[v].count * experiment->seed_count;
    out->places = arena_alloc(&out->arena, most * sizeof *out->places);
    work.listings = arena_alloc(&out->arena, most * sizeof *work.listings);
    for (out->key_slots = 64; out->key_slots < 2 * most;)
        out->key_slots *= 2;
    out->by_key = arena_alloc(&out->arena, out->key_slots * sizeof(struct place *));
    for (size_t v = 0; v < experiment->variant_count; v++)
        for (size_t s = 0; s < experiment->seed_count; s++)
            if ((variant < 0 || (size_t)variant == v) &&
                (seed < 0 || (uint64_t)seed == experiment->seeds[s]) &&
                resolve_cell(&work, v, experiment->seeds[s], err)) {
                resolution_free(out);
                return -1;
            }
    return 0;
}

void resolution_free(struct resolution *resolution)
{
    arena_free(&resolution->arena);
    *resolution = (struct resolution){0};
}

/* The registry's cells compared with the new ones. */
struct comparison {
    const struct cell *cells;
    size_t count, same;
    bool differs;
};

static int compare_cell(void *user, const struct cell *row, struct err *err)
{
    (void)err;
    struct comparison *c = user;
    const struct cell *cell = c->same < c->count ? &c->cells[c->same] : NULL;
    if (!cell || strcmp(row->variant, cell->variant) != 0 || row->seed != cell->seed ||
        strcmp(row->section, cell->section) != 0 || strcmp(row->recipe.hex, cell->recipe.hex) != 0)
        c->differs = true;
    else
        c->same++;
    return 0;
}

/* A transaction waits for the disk, up to a second if it is busy: skipped if nothing changed. */
static int publish(const struct experiment *experiment, const struct cell *cells, size_t count,
                   struct store *store, struct err *err)
{
    struct comparison there = {.cells = cells, .count = count};
    TRY(registry_cells(store, experiment->name, compare_cell, &there, err));
    if (!there.differs && there.same == count)
        return 0;
    return registry_set_cells(store, experiment->name, cells, count, err);
}

int resolution_publish(const struct resolution *resolution, const struct experiment *experiment,
                       struct store *store, struct err *err)
{
    struct cell *cells = xcalloc(resolution->count, sizeof *cells);
    for (size_t i = 0; i < resolution->count; i++) {
        const struct place *place = &resolution->places[i];
        cells[i] = (struct cell){.variant = experiment->variants[place->variant].name,
                                 .seed = (int64_t)place->seed,
                                 .section = place->section->name,
                                 .recipe = place->recipe};
    }
    int status = publish(experiment, cells, resolution->count, store, err);
    free(cells);
    return status;
}
