#include "train/model_text.h"

#include "base/file.h"

#include <stdlib.h>

static const char name[] = "model.txt";
enum { MODEL_TEXT_LIMIT = 1 << 16 }; /* little enough to be read at once, whatever it says */

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

int model_text_read(void *into, const struct model_kind *kind, const struct store *store,
                    const struct id *artifact, struct arena *arena, struct err *err)
{
    char path[PATH_BYTES], *bytes;
    size_t length;
    TRY(artifact_path(path, store, artifact, name, err));
    TRY(file_read(&bytes, &length, path, MODEL_TEXT_LIMIT, err));
    int rc = model_text_parse(into, kind, bytes, arena, err);
    free(bytes);
    return rc ? wrap(err, "%s of artifact %.12s", name, artifact->hex) : 0;
}
