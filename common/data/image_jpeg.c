/* JPEG through libjpeg(-turbo), baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK. */
#include "data/image_parts.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

enum { MOST_SCANS = 256 };

struct trouble {
    struct jpeg_error_mgr manager; /* first: the library passes back this address */
    jmp_buf back;
    struct err *err;
};

static void give_up(j_common_ptr jpeg)
{
    struct trouble *trouble = (struct trouble *)jpeg->err;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail_as(trouble->err, STATUS_BAD_DATA, "damaged JPEG: %s", text);
    longjmp(trouble->back, 1);
}

/*
 * For a truncated or damaged file the library only warns, and invents pixels: that is an error
 * here, and so are markers that leave the colour space to guesswork. Bytes between the markers, a
 * newer JFIF and the spectral band that a sequential scan need not give change no pixel; real files
 * have them.
 */
static void on_message(j_common_ptr jpeg, int level)
{
    int code = jpeg->err->msg_code;
    if (level < 0 && code != JWRN_EXTRANEOUS_DATA && code != JWRN_JFIF_MAJOR &&
        code != JWRN_NOT_SEQUENTIAL)
        give_up(jpeg);
}

/* A progressive file may refine a large image over and over, at a few hundred bytes per scan; the
 * most scans that make sense are 4 components of 64 coefficients each. */
static void count_scans(j_common_ptr jpeg)
{
    struct trouble *trouble = (struct trouble *)jpeg->err;
    if (((j_decompress_ptr)jpeg)->input_scan_number <= MOST_SCANS)
        return;
    fail_as(trouble->err, STATUS_BAD_DATA, "damaged JPEG: more than %d scans", MOST_SCANS);
    longjmp(trouble->back, 1);
}

static void say_nothing(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Inks are stored inverted: 255 is none. This is not in the standard, but Adobe introduced it and
 * everyone followed: viewers assume it even without Adobe's marker. */
static void cmyk_to_rgb(uint8_t rgb[3], const uint8_t *cmyk)
{
    for (int i = 0; i < 3; i++)
        rgb[i] = (uint8_t)((cmyk[i] * cmyk[3] + 127) / 255);
}

static void put_row(const struct image *out, enum image_form form, int64_t row,
                    const uint8_t *samples, int components)
{
    for (int64_t i = 0; i < out->w; i++) {
        const uint8_t *sample = samples + i * components;
        uint8_t rgb[3] = {sample[0], sample[0], sample[0]};
        if (components == 4)
            cmyk_to_rgb(rgb, sample);
        else if (components == 3)
            rgb[1] = sample[1], rgb[2] = sample[2];
        image_put(out, form, row * out->w + i, rgb);
    }
}

/* APP1 is not used for EXIF only. */
static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
    static const uint8_t name[] = {'E', 'x', 'i', 'f', 0, 0};
    for (jpeg_saved_marker_ptr marker = jpeg->marker_list; marker; marker = marker->next)
        if (marker->data_length >= sizeof name && memcmp(marker->data, name, sizeof name) == 0)
            return exif_orientation(marker->data + sizeof name, marker->data_length - sizeof name);
    return 1;
}

/* Everything between setjmp and a jump lives in the caller. */
static int read_header(struct jpeg_decompress_struct *jpeg, struct trouble *trouble,
                       struct jpeg_progress_mgr *progress, const uint8_t *bytes, size_t length)
{
    if (setjmp(trouble->back))
        return -1;
    jpeg_create_decompress(jpeg);
    jpeg->progress = progress;
    jpeg_mem_src(jpeg, bytes, (unsigned long)length);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
        jpeg->out_color_space = JCS_GRAYSCALE;
        break;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        break;
    default:
        jpeg->out_color_space = JCS_RGB;
    }
    return 0;
}

static int read_rows(struct jpeg_decompress_struct *jpeg, struct trouble *trouble,
                     const struct image *out, enum image_form form, uint8_t *row)
{
    if (setjmp(trouble->back))
        return -1;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < jpeg->output_height) {
        int64_t at = jpeg->output_scanline;
        JSAMPROW rows[1] = {row};
        jpeg_read_scanlines(jpeg, rows, 1);
        put_row(out, form, at, row, jpeg->output_components);
    }
    jpeg_finish_decompress(jpeg);
    return 0;
}

int image_decode_jpeg(struct image *out, enum image_form form, const uint8_t *bytes, size_t length,
                      struct err *err)
{
    struct jpeg_decompress_struct jpeg = {0};
    struct trouble trouble = {.err = err};
    struct jpeg_progress_mgr progress = {.progress_monitor = count_scans};
    jpeg.err = jpeg_std_error(&trouble.manager);
    trouble.manager.error_exit = give_up;
    trouble.manager.emit_message = on_message;
    trouble.manager.output_message = say_nothing;
    uint8_t *row = NULL;
    int status = read_header(&jpeg, &trouble, &progress, bytes, length) ||
                 image_new(out, jpeg.image_height, jpeg.image_width, form, err);
    if (!status) {
        out->orientation = orientation_of(&jpeg);
        row = xcalloc((size_t)out->w, 4);
        status = read_rows(&jpeg, &trouble, out, form, row);
    }
    free(row);
    jpeg_destroy_decompress(&jpeg);
    if (status)
        image_free(out);
    return status ? -1 : 0;
}
