/* Treats a new volume like the training volumes, and resamples its probabilities back. */
#include "apply/predict.h"

static bool has_spacing(const double spacing[3], const struct model_spacing *training)
{
    return spacing_agrees(spacing[0], training->d) && spacing_agrees(spacing[1], training->h) &&
           spacing_agrees(spacing[2], training->w);
}

/* The training volumes' spacing, if the file's is different. */
static void choose_spacing(struct volume_spec *spec, const struct predictor *p,
                           const struct voxel_grid *own)
{
    const struct model_spacing *training = &p->facts.spacing;
    if (spec->spacing[0] > 0 || !training->present || has_spacing(own->spacing, training))
        return;
    spec->spacing[0] = training->d;
    spec->spacing[1] = training->h;
    spec->spacing[2] = training->w;
}

static size_t bytes_of(const int32_t size[3], int32_t outputs)
{
    return (size_t)size[0] * (size_t)size[1] * (size_t)size[2] * (size_t)outputs * sizeof(float);
}

/* Resamples the frame's probabilities, without its padding, to the file's own voxels. */
static int back_to_grid(const struct predictor *p, float *probability, const struct voxel_grid *own,
                        const struct voxel_grid *scaled, const float *frame, const int32_t size[3],
                        struct err *err)
{
    int32_t outputs = p->facts.outputs;
    size_t bytes = bytes_of(scaled->size, outputs);
    void *cut;
    const float zeros[MASK_IGNORE] = {0}; /* never needed: the frame is at least as large */
    TRY(block_alloc(&cut, bytes, p->meter, err));
    grid_place(cut, scaled->size, frame, size, zeros, (size_t)outputs * sizeof *frame);
    grid_linear(probability, own, cut, scaled, outputs);
    block_free(cut, bytes, p->meter);
    return 0;
}

static int predict_prepared(struct predictor *p, float *probability, const struct volume *volume,
                            const struct voxel_grid *own, const struct voxel_grid *scaled,
                            struct err *err)
{
    const struct raster raster = {volume->d, volume->h, volume->w, 1, PIXEL_F32, volume->voxels};
    const int32_t size[3] = {volume->d, volume->h, volume->w};
    size_t bytes = bytes_of(size, p->facts.outputs);
    void *frame;
    TRY(block_alloc(&frame, bytes, p->meter, err));
    int status = predictor_windows(p, frame, &raster, err) ||
                 back_to_grid(p, probability, own, scaled, frame, size, err);
    block_free(frame, bytes, p->meter);
    return status ? -1 : 0;
}

int predictor_volume(struct predictor *p, float *probability, struct volume *volume,
                     struct err *err)
{
    const struct voxel_grid own = volume_grid(volume);
    struct voxel_grid scaled = own;
    struct volume_spec spec = p->treatment.volume;
    choose_spacing(&spec, p, &own);
    if (spec.spacing[0] > 0)
        TRY(grid_respace(&scaled, &own, spec.spacing, err));
    for (int k = 0; k < 3; k++)
        if (spec.size[k] < scaled.size[k])
            spec.size[k] = scaled.size[k];
    TRY(volume_prepare(volume, &spec, err));
    return predict_prepared(p, probability, volume, &own, &scaled, err);
}
