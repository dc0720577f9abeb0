/* The artifact of a model whose weights are written by hand, with the metadata that a trainer gives. */
#ifndef CAIRN_TESTS_MODEL_ARTIFACT_H
#define CAIRN_TESTS_MODEL_ARTIFACT_H

#include "store/tensors.h"
#include "train/model_text.h"
#include "store_lab.h"
#include "store_spoil.h"

#include <math.h>

struct made {
    const struct model_kind *kind;
    const void *description;
    const struct tensor *weights;
    size_t count;
    const char *key, *value; /* metadata beside, or instead of, the model's own */
    float spoilt;            /* if not finite, it stands where the weights have to_spoil */
};
static inline struct id model_artifact(struct lab *lab, const struct made *made)
{
    struct draft *draft;
    struct id id;
    char path[PATH_BYTES];
    struct err err;
    const char *meta[] = {"model", model_text(made->kind, made->description, &lab->arena),
                          made->key, made->value};
    bool instead = made->key && strcmp(made->key, "model") == 0;
    OK(draft_open(&draft, lab->store, &err));
    OK(model_text_write(made->kind, made->description, draft, &err));
    OK(draft_path(draft, "weights.safetensors", path, &err));
    OK(tensors_write(path, made->weights, made->count, instead ? meta + 2 : meta,
                     (!instead || made->value) + (made->key && !instead), &err));
    if (!isfinite(made->spoilt))
        spoil(path, made->spoilt);
    OK(draft_seal(draft, &id, &err));
    return id;
}

#endif
