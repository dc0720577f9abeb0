#include "store/store_parts.h"

#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANIFEST_LIMIT = 1 << 26, OBJECT_LIMIT = 1 << 30, NAME_LIMIT = 200 };

/* ---- objects -------------------------------------------------------------------------------- */

int object_path(char *out, const struct store *store, const struct id *object, struct err *err)
{
    int length =
        snprintf(out, PATH_BYTES, "%s/objects/%.2s/%s", store->lab, object->hex, object->hex + 2);
    if (length >= PATH_BYTES)
        return fail_as(err, STATUS_IO, "path too long: '%.60s...'", store->lab);
    return 0;
}

static int file_sync(const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "cannot open '%s'", path);
    int status = fsync(fd);
    if (status)
        fail_errno(err, "cannot write '%s'", path);
    close(fd);
    return status;
}

static int object_folder(char out[PATH_BYTES], const struct store *store, const char *path,
                         struct err *err)
{
    snprintf(out, PATH_BYTES, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (file_exists(out))
        return 0;
    TRY(folder_make(out, err));
    char objects[PATH_BYTES];
    TRY(path_join(objects, store->lab, "objects", err));
    return folder_sync(objects, err);
}

/* Makes the complete file `part`, which the caller removes, the object of this id. An existing
 * object is hashed, and replaced if its bytes do not match its name. */
static int object_place(const struct store *store, const char *part, const struct id *object,
                        struct err *err)
{
    char path[PATH_BYTES], folder[PATH_BYTES];
    TRY(file_sync(part, err));
    TRY(file_chmod(part, 0444, err));
    TRY(object_path(path, store, object, err));
    TRY(object_folder(folder, store, path, err));
    int taken = file_place(part, path, err);
    if (taken < 0)
        return -1;
    if (taken) {
        struct id there;
        TRY(sha256_file(&there, NULL, path, err));
        if (strcmp(there.hex, object->hex) && rename(part, path))
            return fail_errno(err, "cannot replace '%s'", path);
    }
    return folder_sync(folder, err);
}

static int work_name(char out[PATH_BYTES], struct store *store, struct err *err)
{
    char work[PATH_BYTES];
    if (store->read_only)
        return fail_as(err, STATUS_IO, "lab '%s' is read-only", store->lab);
    TRY(path_join(work, store->lab, "work", err));
    TRY(folder_make(work, err));
    return temporary_name(out, store, work, "", err);
}

int lab_path(char out[PATH_BYTES], const struct store *store, const char *folder, const char *name,
             struct err *err)
{
    char path[PATH_BYTES];
    TRY(path_join(path, store->lab, folder, err));
    return path_join(out, path, name, err);
}

int object_put(struct store *store, const void *bytes, size_t length, struct id *out,
               struct err *err)
{
    *out = sha256_of(bytes, length);
    char path[PATH_BYTES], part[PATH_BYTES], folder[PATH_BYTES];
    TRY(object_path(path, store, out, err));
    struct id there;
    if (file_exists(path) && !sha256_file(&there, NULL, path, err) &&
        !strcmp(there.hex, out->hex)) {
        if (store->read_only)
            return 0;
        /* whoever put it there may have been killed before the name was durable */
        TRY(object_folder(folder, store, path, err));
        return folder_sync(folder, err);
    }
    TRY(work_name(part, store, err));
    TRY(file_publish(part, bytes, length, err));
    int status = object_place(store, part, out, err);
    unlink(part);
    return status;
}

int object_get(char **out, size_t *length, const struct store *store, const struct id *object,
               struct err *err)
{
    char path[PATH_BYTES];
    TRY(object_path(path, store, object, err));
    if (!file_exists(path))
        return fail_as(err, STATUS_MISSING, "no object '%.16s' in lab '%s'", object->hex,
                       store->lab);
    TRY(file_read(out, length, path, OBJECT_LIMIT, err));
    if (!strcmp(sha256_of(*out, *length).hex, object->hex))
        return 0;
    free(*out);
    return fail_as(err, STATUS_BAD_DATA,
                   "object '%s' is damaged; remove it (rm -f) and run the experiment again", path);
}

/* ---- drafts --------------------------------------------------------------------------------- */

struct draft {
    struct store *store;
    char folder[PATH_BYTES];
};

int draft_open(struct draft **out, struct store *store, struct err *err)
{
    struct draft *draft = xcalloc(1, sizeof *draft);
    draft->store = store;
    clear_left_behind(store);
    if (work_name(draft->folder, store, err) || folder_make(draft->folder, err)) {
        free(draft);
        return -1;
    }
    *out = draft;
    return 0;
}

/* ".part" marks a file that is still being written. */
static bool name_valid(const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strlen(name);
    return length && length <= NAME_LIMIT && name[0] != '.' && strspn(name, plain) == length &&
           !ends_with(name, ".part");
}

int draft_path(const struct draft *draft, const char *name, char *out, struct err *err)
{
    if (!name_valid(name))
        return fail(err, "'%s' is not a valid file name for an artifact", name);
    return path_join(out, draft->folder, name, err);
}

int draft_text(const struct draft *draft, const char *name, struct text *text, struct err *err)
{
    char path[PATH_BYTES];
    if (!draft_path(draft, name, path, err))
        return text_publish(text, path, err);
    text_free(text);
    return -1;
}

/* Sorted names, in the arena. */
static int draft_names(const struct draft *draft, char ***out, size_t *count, struct arena *arena,
                       struct err *err)
{
    TRY(folder_names(out, count, draft->folder, arena, err));
    for (size_t i = 0; i < *count; i++)
        if (!name_valid((*out)[i]))
            return fail(err, "'%s' cannot be part of an artifact", (*out)[i]);
    return *count ? 0 : fail(err, "an artifact needs at least one file");
}

static int seal_file(const struct draft *draft, const char *name, struct text *manifest,
                     struct err *err)
{
    char path[PATH_BYTES];
    struct id object;
    long long size;
    struct stat st;
    TRY(path_join(path, draft->folder, name, err));
    if (lstat(path, &st))
        return fail_errno(err, "cannot stat '%s'", path);
    if (!S_ISREG(st.st_mode))
        return fail(err, "'%s' is not a regular file", path);
    TRY(sha256_file(&object, &size, path, err));
    TRY(object_place(draft->store, path, &object, err));
    text_printf(manifest, "%s %lld %s\n", object.hex, size, name);
    return 0;
}

int draft_seal(struct draft *draft, struct id *out, struct err *err)
{
    struct arena arena = {0};
    struct text manifest = {0};
    char **names = NULL;
    size_t count = 0;
    int status = draft_names(draft, &names, &count, &arena, err);
    for (size_t i = 0; !status && i < count; i++)
        status = seal_file(draft, names[i], &manifest, err);
    if (!status)
        status = object_put(draft->store, manifest.data, manifest.length, out, err);
    text_free(&manifest);
    arena_free(&arena);
    draft_drop(draft);
    return status;
}

void draft_drop(struct draft *draft)
{
    if (!draft)
        return;
    struct err err; /* ignored: a later draft removes what is left */
    folder_remove(draft->folder, &err);
    free(draft);
}

/* ---- manifests ------------------------------------------------------------------------------ */

/* Reads one "SHA256 SIZE NAME\n" at *at in a terminated text. */
static bool parse_line(struct manifest_line *line, char **at, struct arena *arena)
{
    char *text = *at, *end = strchr(text, '\n');
    if (!end || end - text < 68 || text[64] != ' ')
        return false;
    *end = text[64] = '\0';
    *at = end + 1;
    char *name = strchr(text + 65, ' ');
    if (!id_valid(text) || !name)
        return false;
    *name++ = '\0';
    size_t digits = strlen(text + 65);
    if (!digits || digits > 18 || strspn(text + 65, "0123456789") != digits ||
        (digits > 1 && text[65] == '0') || !name_valid(name))
        return false;
    memcpy(line->object.hex, text, 65);
    line->size = strtoll(text + 65, NULL, 10);
    line->name = arena_strdup(arena, name);
    return true;
}

int artifact_manifest(struct manifest *out, struct arena *arena, const struct store *store,
                      const struct id *artifact, struct err *err)
{
    char path[PATH_BYTES], *text;
    size_t length;
    TRY(object_path(path, store, artifact, err));
    if (!file_exists(path))
        return fail_as(err, STATUS_MISSING, "no artifact '%.16s' in lab '%s'", artifact->hex,
                       store->lab);
    TRY(file_read(&text, &length, path, MANIFEST_LIMIT, err));
    bool sound =
        length && !strcmp(sha256_of(text, length).hex, artifact->hex) && strlen(text) == length;
    size_t lines = 0;
    for (char *p = text; sound && (p = strchr(p, '\n')); p++)
        lines++;
    *out = (struct manifest){.lines = arena_alloc(arena, lines * sizeof *out->lines)};
    char *at = text;
    for (; sound && *at; out->count++) {
        struct manifest_line *line = out->lines + out->count;
        sound =
            parse_line(line, &at, arena) && (!out->count || strcmp(line[-1].name, line->name) < 0);
    }
    free(text);
    return sound ? 0 : fail_artifact(store, artifact, NULL, path, "damaged", err);
}

/* Hashes the object at path. */
static int verify_file(const struct store *store, const struct id *artifact,
                       const struct manifest_line *line, const char *path, struct err *err)
{
    struct id found;
    long long size;
    if (sha256_file(&found, &size, path, err))
        return err->status == STATUS_MISSING
                   ? fail_artifact(store, artifact, line->name, path, "gone", err)
                   : -1;
    if (size != line->size || strcmp(found.hex, line->object.hex))
        return fail_artifact(store, artifact, line->name, path, "damaged", err);
    return 0;
}

int artifact_path(char *out, const struct store *store, const struct id *artifact, const char *name,
                  struct err *err)
{
    struct arena arena = {0};
    struct manifest manifest;
    int status = artifact_manifest(&manifest, &arena, store, artifact, err);
    const struct manifest_line *found = NULL;
    for (size_t i = 0; !status && i < manifest.count; i++)
        if (!strcmp(manifest.lines[i].name, name))
            found = manifest.lines + i;
    if (found)
        status = object_path(out, store, &found->object, err) ||
                 verify_file(store, artifact, found, out, err);
    else if (!status)
        status = fail_as(err, STATUS_MISSING, "no '%s' in artifact '%.16s'", name, artifact->hex);
    arena_free(&arena);
    return status ? -1 : 0;
}

static int file_present(const struct store *store, const struct manifest_line *line,
                        struct err *err)
{
    char path[PATH_BYTES];
    struct stat st;
    TRY(object_path(path, store, &line->object, err));
    if (!stat(path, &st))
        return st.st_size == line->size;
    return errno == ENOENT || errno == ENOTDIR ? 0 : fail_errno(err, "cannot stat '%s'", path);
}

int artifact_present(const struct store *store, const struct id *artifact, int64_t *bytes,
                     struct err *err)
{
    struct arena arena = {0};
    struct manifest manifest = {0};
    *bytes = 0;
    int present = 1;
    if (artifact_manifest(&manifest, &arena, store, artifact, err))
        present = err->status == STATUS_MISSING ? 0 : -1;
    for (size_t i = 0; present == 1 && i < manifest.count; i++) {
        present = file_present(store, manifest.lines + i, err);
        *bytes += manifest.lines[i].size;
    }
    arena_free(&arena);
    return present;
}

bool artifact_cut(char *out, const struct store *store, const struct id *artifact)
{
    struct arena arena = {0};
    struct manifest manifest = {0};
    struct err ignored; /* other damage is reported elsewhere */
    struct stat st;
    bool cut = false;
    if (artifact_manifest(&manifest, &arena, store, artifact, &ignored))
        manifest.count = 0;
    for (size_t i = 0; !cut && i < manifest.count; i++)
        cut = !object_path(out, store, &manifest.lines[i].object, &ignored) && !stat(out, &st) &&
              st.st_size != manifest.lines[i].size;
    arena_free(&arena);
    return cut;
}
