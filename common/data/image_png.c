/* PNG through libpng. Rows are read as stored, one byte per sample (two, high byte first, for 16
 * bits) and interpreted here, so that a palette index or a grey value is never silently changed. */
#include "data/image_parts.h"

#include "base/memory.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const uint8_t *bytes;
    size_t length, at;
};

static void on_error(png_structp png, png_const_charp message)
{
    fail_as(png_get_error_ptr(png), STATUS_BAD_DATA, "damaged PNG: %s", message);
    png_longjmp(png, 1);
}

/* libpng ignores chunks that it only warns about. Of those read here only transparency affects
 * pixels (a background colour is just a suggestion). A chunk claiming to be longer than the file
 * would make it allocate that much. */
static void on_warning(png_structp png, png_const_charp message)
{
    if (strncmp(message, "tRNS", 4) == 0 || strstr(message, "chunk data is too large"))
        on_error(png, message);
}

static void take(png_structp png, png_bytep to, size_t count)
{
    struct input *input = png_get_io_ptr(png);
    if (count > input->length - input->at)
        png_error(png, "the file ends early");
    memcpy(to, input->bytes + input->at, count);
    input->at += count;
}

/* ---- interpreting a row's samples ----------------------------------------------------------- */
struct header {
    int64_t h, w;
    int bits, kind; /* of a sample in the file; PNG_COLOR_TYPE_... */
    int stride;     /* of a pixel, in bytes */
    png_colorp palette;
    png_bytep palette_alpha;
    png_color_16p transparent;
    int palette_count, alpha_count;
    png_color_16p background;
};

static int sample_of(const struct header *header, const uint8_t *pixel, int i)
{
    return header->bits == 16 ? pixel[2 * i] << 8 | pixel[2 * i + 1] : pixel[i];
}

/* As 8 bits, rounded. */
static int to_level(const struct header *header, int sample)
{
    int largest = (1 << header->bits) - 1;
    return sample >= largest ? 255 : (sample * 255 + largest / 2) / largest;
}

static int level_of(const struct header *header, const uint8_t *pixel, int i)
{
    return to_level(header, sample_of(header, pixel, i));
}

/* Grey and RGB may declare one value transparent. */
static bool is_key(const struct header *header, const uint8_t *pixel)
{
    const png_color_16 *key = header->transparent;
    if (!key)
        return false;
    if (!(header->kind & PNG_COLOR_MASK_COLOR))
        return sample_of(header, pixel, 0) == key->gray;
    return sample_of(header, pixel, 0) == key->red && sample_of(header, pixel, 1) == key->green &&
           sample_of(header, pixel, 2) == key->blue;
}

/* One pixel's samples as 8 bits each; returns alpha. */
static int colour_of(uint8_t rgb[3], const struct header *header, const uint8_t *pixel)
{
    if (header->kind == PNG_COLOR_TYPE_PALETTE) {
        const png_color *entry = &header->palette[*pixel];
        rgb[0] = entry->red, rgb[1] = entry->green, rgb[2] = entry->blue;
        return *pixel < header->alpha_count ? header->palette_alpha[*pixel] : 255;
    }
    int colour = header->kind & PNG_COLOR_MASK_COLOR ? 1 : 0;
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)level_of(header, pixel, i * colour);
    if (header->kind & PNG_COLOR_MASK_ALPHA)
        return level_of(header, pixel, 1 + 2 * colour);
    return is_key(header, pixel) ? 0 : 255;
}

static int check_palette(const struct header *header, const uint8_t *samples, struct err *err)
{
    for (int64_t i = 0; i < header->h * header->w; i++)
        if (samples[i] >= header->palette_count)
            return fail_as(err, STATUS_BAD_DATA,
                           "damaged PNG: pixel (%lld, %lld) has palette entry %d of %d",
                           (long long)(i % header->w), (long long)(i / header->w), samples[i],
                           header->palette_count);
    return 0;
}

static void find_ground(uint8_t rgb[3], enum image_ground ground, const struct header *header)
{
    const png_color_16 *own = ground == GROUND_FILE ? header->background : NULL;
    memset(rgb, ground == GROUND_WHITE ? 255 : 0, 3);
    if (own && header->kind == PNG_COLOR_TYPE_PALETTE) {
        if (own->index < header->palette_count)
            colour_of(rgb, header, &own->index);
    } else if (own) {
        bool colour = header->kind & PNG_COLOR_MASK_COLOR;
        rgb[0] = (uint8_t)to_level(header, colour ? own->red : own->gray);
        rgb[1] = (uint8_t)to_level(header, colour ? own->green : own->gray);
        rgb[2] = (uint8_t)to_level(header, colour ? own->blue : own->gray);
    }
}

static int convert(struct image *out, enum image_form form, enum image_ground ground,
                   const struct header *header, const uint8_t *samples, struct err *err)
{
    uint8_t under[3];
    find_ground(under, ground, header);
    for (int64_t i = 0; i < header->h * header->w; i++) {
        uint8_t rgb[3];
        int alpha = colour_of(rgb, header, samples + i * header->stride);
        out->transparent += alpha < 255;
        if (alpha < 255 && ground == GROUND_ERROR)
            return fail_as(err, STATUS_BAD_DATA,
                           "pixel (%lld, %lld) is not opaque, expected an opaque picture",
                           (long long)(i % header->w), (long long)(i / header->w));
        for (int k = 0; k < 3 && alpha < 255 && ground != GROUND_NONE; k++)
            rgb[k] = (uint8_t)((rgb[k] * alpha + under[k] * (255 - alpha) + 127) / 255);
        image_put(out, form, i, rgb);
    }
    return 0;
}

/* ---- masks ---------------------------------------------------------------------------------- */
static struct palette *palette_of(const struct header *header, const uint8_t *samples)
{
    struct palette *out = xcalloc(1, sizeof *out);
    out->count = header->palette_count;
    out->grey = true;
    for (int i = 0; i < out->count; i++) {
        uint8_t *colour = out->colour[i];
        const png_color *entry = &header->palette[i];
        colour[0] = entry->red, colour[1] = entry->green, colour[2] = entry->blue;
        out->grey &= colour[0] == colour[1] && colour[0] == colour[2];
    }
    for (int64_t i = 0; i < header->h * header->w; i++)
        out->used[samples[i]] = true;
    return out;
}

/* Two indices with the same grey would become indistinguishable. */
static int check_greys(const struct palette *palette, struct err *err)
{
    int index_of[256];
    memset(index_of, -1, sizeof index_of);
    for (int i = 0; i < palette->count; i++) {
        int grey = palette->colour[i][0];
        if (!palette->used[i])
            continue;
        if (index_of[grey] >= 0)
            return fail_as(err, STATUS_BAD_DATA,
                           "palette entries %d and %d are both grey %d; a different grey for each "
                           "class expected",
                           index_of[grey], i, grey);
        index_of[grey] = i;
    }
    return 0;
}

static int convert_palette(struct image *out, const struct header *header, const uint8_t *samples,
                           struct err *err)
{
    const struct palette *palette = out->palette = palette_of(header, samples);
    if (palette->grey)
        TRY(check_greys(palette, err));
    for (int64_t i = 0; i < header->h * header->w; i++)
        out->pixels[i] = palette->grey ? palette->colour[samples[i]][0] : samples[i];
    return 0;
}

static int convert_mask(struct image *out, const struct header *header, const uint8_t *samples,
                        struct err *err)
{
    if (header->kind == PNG_COLOR_TYPE_PALETTE)
        return convert_palette(out, header, samples, err);
    for (int64_t i = 0; i < header->h * header->w; i++) {
        const uint8_t *pixel = samples + i * header->stride;
        uint8_t rgb[3];
        bool opaque = colour_of(rgb, header, pixel) == 255;
        if (!opaque || rgb[0] != rgb[1] || rgb[0] != rgb[2])
            return fail_as(err, STATUS_BAD_DATA,
                           "pixel (%lld, %lld) is #%02x%02x%02x%s; a mask of opaque greys or of "
                           "palette indices expected",
                           (long long)(i % header->w), (long long)(i / header->w), rgb[0], rgb[1],
                           rgb[2], opaque ? "" : " and not opaque");
        out->pixels[i] = *pixel;
    }
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------- */
static void read_transparency(png_structp png, png_infop info, struct header *out)
{
    png_get_PLTE(png, info, &out->palette, &out->palette_count);
    png_get_bKGD(png, info, &out->background);
    if (!png_get_valid(png, info, PNG_INFO_tRNS))
        return;
    png_get_tRNS(png, info, &out->palette_alpha, &out->alpha_count, &out->transparent);
    if (out->kind != PNG_COLOR_TYPE_PALETTE)
        out->alpha_count = 0;
    else
        out->transparent = NULL;
}

/* Up to the pixels. Everything between setjmp and a jump lives in the caller, here and below. */
static int read_header(png_structp png, png_infop info, struct input *input, struct header *out)
{
    if (setjmp(png_jmpbuf(png)))
        return -1;
    png_set_read_fn(png, input, take);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* image_new has a better message */
    png_set_chunk_malloc_max(png, input->length);
    png_set_crc_action(png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(png, info);
    out->h = png_get_image_height(png, info);
    out->w = png_get_image_width(png, info);
    out->bits = png_get_bit_depth(png, info);
    out->kind = png_get_color_type(png, info);
    out->stride = png_get_channels(png, info) * (out->bits == 16 ? 2 : 1);
    read_transparency(png, info, out);
    return 0;
}

static int read_rows(png_structp png, png_infop info, png_bytepp rows)
{
    if (setjmp(png_jmpbuf(png)))
        return -1;
    png_set_packing(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    png_read_image(png, rows);
    png_read_end(png, info);
    return 0;
}

static int read_samples(uint8_t **out, png_structp png, png_infop info, const struct header *header)
{
    size_t stride = (size_t)header->w * (size_t)header->stride;
    uint8_t *samples = xcalloc((size_t)header->h, stride);
    png_bytepp rows = xcalloc((size_t)header->h, sizeof *rows);
    for (int64_t i = 0; i < header->h; i++)
        rows[i] = samples + (size_t)i * stride;
    int status = read_rows(png, info, rows);
    free(rows);
    *out = samples;
    return status;
}

/* eXIf may come before or after the pixels. */
static int orientation_of(png_structp png, png_infop info)
{
    png_uint_32 length = 0;
    png_bytep exif = NULL;
    png_get_eXIf_1(png, info, &length, &exif);
    return exif ? exif_orientation(exif, length) : 1;
}

int image_decode_png(struct image *out, enum image_form form, enum image_ground ground,
                     const uint8_t *bytes, size_t length, struct err *err)
{
    struct input input = {bytes, length, 0};
    struct header header = {0};
    uint8_t *samples = NULL;
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, err, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    int status = info ? read_header(png, info, &input, &header) : fail(err, "libpng cannot start");
    if (!status && form == IMAGE_INDEX && header.bits == 16)
        status = fail_as(err, STATUS_BAD_DATA,
                         "a PNG with 16 bits per sample; at most 8 expected for a mask");
    if (!status)
        status = image_new(out, header.h, header.w, form, err) ||
                 read_samples(&samples, png, info, &header);
    if (!status && header.kind == PNG_COLOR_TYPE_PALETTE)
        status = check_palette(&header, samples, err);
    if (!status)
        status = form == IMAGE_INDEX ? convert_mask(out, &header, samples, err)
                                     : convert(out, form, ground, &header, samples, err);
    if (!status)
        out->orientation = orientation_of(png, info);
    free(samples);
    png_destroy_read_struct(&png, &info, NULL);
    if (status)
        image_free(out);
    return status ? -1 : 0;
}
