#include "train/model_text.h"

#include "base/file.h"
#include "store/tensors.h"

#include <stdlib.h>
#include <string.h>

static const char name[] = "model.txt";
enum { MODEL_TEXT_LIMIT = 1 << 16 }; /* small enough to be read at once, whatever it contains */

struct image_data image_data_of(const struct dataset *dataset)
{
    return (struct image_data){dataset->d, dataset->h, dataset->w, dataset->c,
                               dataset->labels ? (int64_t)dataset->class_count : 0};
}

int model_text_write(const struct model_kind *kind, const void *from, const struct draft *draft,
                     struct err *err)
{
    struct text text = {0};
    config_dump(&text, kind->fields, from, "");
    return draft_text(draft, name, &text, err);
}

static int find_kind(const struct model_kind **out, const struct store *store,
                     const struct id *artifact, struct err *err)
{
    char path[PATH_BYTES];
    struct tensors file;
    TRY(artifact_path(path, store, artifact, "weights.safetensors", err));
    TRY(tensors_open(&file, path, err));
    const char *says = tensors_meta(&file, "model");
    *out = says ? model_text_kind(says) : NULL;
    if (!says)
        fail_as(err, STATUS_BAD_DATA, "no metadata 'model', which has its kind");
    else if (!*out)
        fail_as(err, STATUS_BAD_DATA, "metadata 'model' has an unknown kind: '%.*s'",
                (int)strcspn(says, "\n"), says);
    tensors_close(&file);
    return *out ? 0 : wrap(err, "weights of artifact '%.12s'", artifact->hex);
}

int model_read(struct model *out, const struct store *store, const struct id *artifact,
               struct arena *arena, struct err *err)
{
    const struct model_kind *kind;
    char path[PATH_BYTES], *bytes;
    size_t length;
    TRY(artifact_path(path, store, artifact, name, err));
    TRY(find_kind(&kind, store, artifact, err));
    TRY(file_read(&bytes, &length, path, MODEL_TEXT_LIMIT, err));
    int rc = model_text_parse(out, kind, bytes, arena, err);
    free(bytes);
    return rc ? wrap(err, "%s of artifact %.12s", name, artifact->hex) : 0;
}
