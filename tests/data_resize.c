/* Resizing beside Pillow's and beside areas worked out in double (scripts/golden-images.py). */
#include "data/image.h"

#include "store/tensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Pillow rounds between the two passes: a few values are one off. */
static void expect_near(const uint8_t *got, const struct tensor *want, enum resize_filter filter)
{
    const uint8_t *values = want->data;
    size_t others = 0, most = filter == RESIZE_NEAREST ? 0 : 1;
    for (size_t i = 0; i < want->bytes; i++) {
        if (abs(got[i] - values[i]) > (int)most)
            fail_msg("%s: value %zu is %d, not %d", want->name, i, got[i], values[i]);
        others += got[i] != values[i];
    }
    most += want->bytes / (filter == RESIZE_AREA ? 100 : 4);
    if (others > most)
        fail_msg("%s: %zu of %zu values differ", want->name, others, want->bytes);
}

static void test_resizing_is_that_of_pillow(void **state)
{
    (void)state;
    struct tensors file;
    const struct tensor *in;
    struct err err;
    int cases = 0;
    if (tensors_open(&file, "tests/golden/images.safetensors", &err) ||
        tensors_need(&in, &file, "resize:in", TENSOR_U8, 3, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < file.count; i++) {
        const struct tensor *want = &file.items[i];
        const char *how = strchr(want->name, ':') + 1;
        if (strncmp(want->name, "resize:", 7) != 0 || want == in)
            continue;
        enum resize_filter filter = *how == 'a'   ? RESIZE_AREA
                                    : *how == 'b' ? RESIZE_BILINEAR
                                                  : RESIZE_NEAREST;
        uint8_t *out = malloc(want->bytes);
        assert_non_null(out);
        image_resize(out, (int32_t)want->dim[0], (int32_t)want->dim[1], in->data,
                     (int32_t)in->dim[0], (int32_t)in->dim[1], 3, filter);
        expect_near(out, want, filter);
        free(out);
        cases++;
    }
    tensors_close(&file);
    assert_int_equal(cases, 21);
}

static void test_an_even_picture_stays_even(void **state)
{
    (void)state;
    enum { MOST = 40 };
    static uint8_t in[MOST * MOST * 2], out[MOST * MOST * 2 + 1];
    memset(in, 201, sizeof in);
    for (int h = 1; h <= MOST; h += 3)
        for (int w = 1; w <= MOST; w += 2)
            for (int filter = RESIZE_AREA; filter <= RESIZE_NEAREST; filter++) {
                size_t count = (size_t)(w * h * 2);
                memset(out, 7, sizeof out);
                image_resize(out, h, w, in, MOST + 1 - h, MOST + 1 - w, 2, filter);
                for (size_t i = 0; i < count; i++)
                    if (out[i] != 201)
                        fail_msg("%d x %d, filter %d: value %zu is %d", w, h, filter, i, out[i]);
                assert_int_equal(out[count], 7);
            }
}

/* Floats are what the levels are before they are rounded. */
static void test_floats_are_resized_as_levels_are(void **state)
{
    (void)state;
    enum { MOST = 13 };
    uint8_t in[MOST * MOST * 2], out[MOST * MOST * 2];
    float from[MOST * MOST * 2], to[MOST * MOST * 2];
    for (int i = 0; i < MOST * MOST * 2; i++)
        from[i] = in[i] = (uint8_t)(i * 97 % 256);
    for (int h = 1; h <= MOST; h += 3)
        for (int w = 1; w <= MOST; w += 2) {
            image_resize(out, h, w, in, MOST + 1 - h, MOST + 1 - w, 2, RESIZE_BILINEAR);
            image_resize_floats(to, h, w, from, MOST + 1 - h, MOST + 1 - w, 2);
            for (int i = 0; i < h * w * 2; i++)
                if (!(to[i] >= out[i] - 0.50001f && to[i] <= out[i] + 0.50001f))
                    fail_msg("%d x %d: value %d is %g, not %d", w, h, i, to[i], out[i]);
        }
    const float half[2] = {0, 1};
    image_resize_floats(to, 1, 4, half, 1, 2, 1);
    for (int i = 0; i < 4; i++) /* centres at 0.25, 0.75 ... of the two pixels */
        assert_true(to[i] == (i == 0 ? 0.0f : i == 1 ? 0.25f : i == 2 ? 0.75f : 1.0f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resizing_is_that_of_pillow),
        cmocka_unit_test(test_an_even_picture_stays_even),
        cmocka_unit_test(test_floats_are_resized_as_levels_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
