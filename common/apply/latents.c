#include "apply/latents.h"

#include "base/text.h"
#include "store/tensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 200 };
/* The square root of the largest float. Larger values would overflow in the decoder, where an
 * activation may turn an infinity into a plausible number. */
#define CODE_LIMIT 1.844674297e19f

/* ---- names ---------------------------------------------------------------------------------- */
static bool can_be_file(const char *name)
{
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strpbrk(name, "/\n") &&
           text_is_utf8(name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int latents_check_names(const char *const *names, uint32_t count, struct err *err)
{
    const char **sorted = xcalloc(count, sizeof *sorted);
    int status = 0;
    for (uint32_t i = 0; i < count; i++) {
        sorted[i] = names[i];
        if (!status && !can_be_file(names[i]))
            status =
                fail_as(err, STATUS_USAGE,
                        "'%s' is not a valid case name: UTF-8 without '/' and line breaks expected",
                        names[i]);
    }
    qsort(sorted, count, sizeof *sorted, by_text);
    for (uint32_t i = 1; !status && i < count; i++)
        if (strcmp(sorted[i - 1], sorted[i]) == 0)
            status = fail_as(err, STATUS_USAGE, "two cases are named '%s'", sorted[i]);
    free(sorted);
    return status;
}

/* ---- shape ----------------------------------------------------------------------------------- */
/* A tensor of `count` codes: [N,c] for vectors, [N,h,w,c] for maps, [N,d,h,w,c] for volumes. */
static struct tensor codes_of(const char *name, int64_t count, struct shape shape,
                              const float *values)
{
    struct tensor out = {name, TENSOR_F32, 1, {count}, values, sizeof *values};
    const int32_t sides[] = {shape.d, shape.h, shape.w, shape.c};
    int first = shape.d > 1 ? 0 : shape.h > 1 || shape.w > 1 ? 1 : 3;
    out.bytes *= (size_t)(count * shape_count(shape));
    for (int i = first; i < 4; i++)
        out.dim[out.dims++] = sides[i];
    return out;
}

/* ---- writing -------------------------------------------------------------------------------- */
int latents_write(const char *path, const struct latents *latents, const struct id *model,
                  struct err *err)
{
    int64_t count = latents->count;
    struct tensor items[3] = {codes_of("z_mean", count, latents->shape, latents->z_mean)};
    size_t found = 1;
    if (latents->z_logvar)
        items[found++] = codes_of("z_logvar", count, latents->shape, latents->z_logvar);
    if (latents->labels)
        items[found++] =
            (struct tensor){"labels", TENSOR_I32,      1,
                            {count},  latents->labels, (size_t)count * sizeof *latents->labels};
    struct text names = {0};
    for (uint32_t i = 0; i < latents->count; i++)
        text_printf(&names, "%s%s", i ? "\n" : "", latents->names[i]);
    const char *meta[] = {"model", model->hex, "names", names.data};
    int status = tensors_write(path, items, found, meta, 2, err);
    text_free(&names);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */
static int read_names(struct latents *out, const struct tensors *file, struct arena *arena,
                      struct err *err)
{
    const char *text = tensors_meta(file, "names");
    uint32_t lines = 0;
    out->names = arena_alloc(arena, out->count * sizeof *out->names);
    for (uint32_t i = 0; i < out->count && !text; i++)
        out->names[i] = arena_printf(arena, "%05u", (unsigned)i);
    for (const char *at = text; at; lines++) {
        size_t length = strcspn(at, "\n");
        if (lines < out->count)
            out->names[lines] = arena_strndup(arena, at, length);
        at = at[length] ? at + length + 1 : NULL;
    }
    if (text && lines != out->count)
        return fail_as(err, STATUS_BAD_DATA, "%u names for %u codes", (unsigned)lines,
                       (unsigned)out->count);
    if (latents_check_names(out->names, out->count, err)) {
        err->status = STATUS_BAD_DATA;
        return -1;
    }
    return 0;
}

static void dims_text(struct text *out, const struct tensor *tensor, const char *count)
{
    text_printf(out, "[%s", count);
    for (int i = 1; i < tensor->dims; i++)
        text_printf(out, ",%lld", (long long)tensor->dim[i]);
    text_printf(out, "]");
}

static int check_codes(const struct tensor *codes, struct shape shape, struct err *err)
{
    const int64_t count = codes->dim[0];
    const struct tensor want = codes_of("z_mean", count, shape, NULL);
    size_t dims = (size_t)want.dims * sizeof *want.dim;
    if (count >= 1 && count <= INT32_MAX && codes->dims == want.dims &&
        memcmp(codes->dim, want.dim, dims) == 0)
        return 0;
    char number[NUMBER_TEXT];
    struct text is = {0}, expected = {0};
    dims_text(&is, codes, number_text(number, (double)count));
    dims_text(&expected, &want, "N");
    fail_as(err, STATUS_BAD_DATA, "z_mean is %s, %s expected", is.data, expected.data);
    text_free(&is);
    text_free(&expected);
    return -1;
}

static int read_codes(struct latents *out, const struct tensors *file, struct shape shape,
                      struct arena *arena, struct err *err)
{
    const struct tensor *codes;
    size_t width = (size_t)shape_count(shape);
    TRY(tensors_need(&codes, file, "z_mean", TENSOR_F32, codes_of("", 0, shape, NULL).dims, err));
    TRY(check_codes(codes, shape, err));
    out->count = (uint32_t)codes->dim[0];
    out->shape = shape;
    out->z_mean = memcpy(arena_alloc(arena, codes->bytes), codes->data, codes->bytes);
    for (size_t i = 0; i < out->count * width; i++)
        if (fabsf(out->z_mean[i]) > CODE_LIMIT)
            return fail_as(err, STATUS_BAD_DATA,
                           "z_mean: number %zu of row %zu is %g, whose square is infinite",
                           i % width, i / width, (double)out->z_mean[i]);
    return 0;
}

static int read_labels(struct latents *out, const struct tensors *file, int64_t classes,
                       struct arena *arena, struct err *err)
{
    const struct tensor *labels;
    if (!tensors_find(file, "labels"))
        return 0;
    TRY(tensors_need(&labels, file, "labels", TENSOR_I32, 1, err));
    if (labels->dim[0] != out->count)
        return fail_as(err, STATUS_BAD_DATA, "%lld labels for %u codes", (long long)labels->dim[0],
                       (unsigned)out->count);
    out->labels = memcpy(arena_alloc(arena, labels->bytes), labels->data, labels->bytes);
    for (uint32_t i = 0; i < out->count; i++)
        if (out->labels[i] < 0 || out->labels[i] >= classes)
            return fail_as(err, STATUS_BAD_DATA, "label %d in row %u, but there are %lld classes",
                           (int)out->labels[i], (unsigned)i, (long long)classes);
    return 0;
}

static int read_file(struct latents *out, const struct tensors *file, const struct id *model,
                     const struct model_facts *facts, struct arena *arena, struct err *err)
{
    const char *made_by = tensors_meta(file, "model");
    if (made_by && strcmp(made_by, model->hex) != 0)
        return fail_as(err, STATUS_BAD_DATA, "codes of model '%.12s', not of '%.12s'", made_by,
                       model->hex);
    TRY(read_codes(out, file, facts->latent, arena, err));
    TRY(read_labels(out, file, facts->data.classes, arena, err));
    return read_names(out, file, arena, err);
}

int latents_read(struct latents *out, const char *path, const struct id *model,
                 const struct model_facts *facts, struct arena *arena, struct err *err)
{
    struct tensors file;
    *out = (struct latents){0};
    TRY(tensors_open(&file, path, err));
    int status = read_file(out, &file, model, facts, arena, err);
    tensors_close(&file);
    return status ? wrap(err, "'%s'", path) : 0;
}

/* ---- coder ---------------------------------------------------------------------------------- */
int coder_open(struct coder *out, const struct store *store, const struct id *model,
               enum ability ability, struct backend *backend, struct meter *meter, struct err *err)
{
    *out = (struct coder){.model = *model};
    const struct trained_spec spec = {.store = store,
                                      .artifact = model,
                                      .backend = backend,
                                      .batch = BATCH,
                                      .abilities = CAN(ability),
                                      .meter = meter};
    TRY(trained_open(&out->trained, &spec, err));
    size_t codes = BATCH * (size_t)out->trained.latent;
    out->image = xcalloc(BATCH * (size_t)out->trained.pixels, sizeof *out->image);
    out->z_mean = xcalloc(codes, sizeof *out->z_mean);
    out->z_logvar = xcalloc(codes, sizeof *out->z_logvar);
    out->labels = xcalloc(BATCH, sizeof *out->labels);
    return 0;
}

void coder_close(struct coder *coder)
{
    free(coder->image);
    free(coder->z_mean);
    free(coder->z_logvar);
    free(coder->labels);
    trained_close(&coder->trained);
}

int coder_encode(struct coder *coder, const float *image, const int32_t *labels, uint32_t n,
                 float *z_mean, float *z_logvar, struct err *err)
{
    size_t codes = n * (size_t)coder->trained.latent;
    if (labels)
        memcpy(coder->labels, labels, n * sizeof *labels);
    TRY(trained_encode(&coder->trained, image, coder->labels, coder->z_mean, coder->z_logvar, err));
    memcpy(z_mean, coder->z_mean, codes * sizeof *z_mean);
    memcpy(z_logvar, coder->z_logvar, codes * sizeof *z_logvar);
    return 0;
}

int coder_decode(struct coder *coder, const struct latents *latents, uint32_t first, uint32_t n,
                 struct err *err)
{
    size_t latent = (size_t)coder->trained.latent;
    memcpy(coder->z_mean, latents->z_mean + first * latent, n * latent * sizeof *coder->z_mean);
    if (latents->labels)
        memcpy(coder->labels, latents->labels + first, n * sizeof *coder->labels);
    return trained_decode(&coder->trained, coder->z_mean, coder->labels, NULL, coder->image, NULL,
                          err);
}
