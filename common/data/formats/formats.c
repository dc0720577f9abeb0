#include "data/formats/formats.h"

/* One row per format: FORMAT(x) is x_format in its file. */
#define FORMATS                                                                                    \
    FORMAT(idx)                                                                                    \
    FORMAT(shapes)                                                                                 \
    FORMAT(oxford_pets)                                                                            \
    FORMAT(camvid)                                                                                 \
    FORMAT(folder)                                                                                 \
    FORMAT(cifar10)                                                                                \
    FORMAT(nifti)                                                                                  \
    FORMAT(npy)

#define FORMAT(name) extern const struct format name##_format;
FORMATS
#undef FORMAT
#define FORMAT(name) &name##_format,
const struct format *const formats[] = {FORMATS NULL};
#undef FORMAT

int format_sources(struct sources *out, const struct format *format, const void *own, bool skip_bad,
                   struct err *err)
{
    if (!format->list)
        return format->sources ? format->sources(out, own, err) : 0;
    struct collection classes = {.arena = *out->arena}; /* the listing lives as long as *out */
    struct listing listing;
    int status = format->list(&listing, &classes, out->folder, own, err);
    *out->arena = classes.arena;
    return status ? status : listing_sources(out, &listing, skip_bad, err);
}

static int read_listed(struct collection *out, const struct format *format, const void *own,
                       const char *folder, const struct treatment *how, struct err *err)
{
    struct listing listing;
    TRY(format->list(&listing, out, folder, own, err));
    TRY(format->decode(out, &listing, how, err));
    listing_unused(out, &listing);
    return 0;
}

int format_read(struct collection *out, const struct format *format, const void *own,
                const char *folder, const struct treatment *how, struct err *err)
{
    *out = (struct collection){0};
    int status = format->list ? read_listed(out, format, own, folder, how, err)
                              : format->read(out, folder, own, err);
    if (!status)
        status = collection_fit(out, &how->fit, err);
    if (status)
        collection_free(out);
    return status;
}
