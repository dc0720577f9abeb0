/* Volumes of NIfTI-1 beside what nibabel reads (scripts/golden-nifti.py), and each kind of
 * damage. */
#include "data_nifti_golden.h"

#include <math.h>

static const struct tensor *need(const struct fixture *f, const char *name, const char *part)
{
    char full[128];
    snprintf(full, sizeof full, "%.*s:%s", (int)strcspn(name, ":"), name, part);
    const struct tensor *t = tensors_find(&f->golden, full);
    if (!t)
        fail_msg("the golden file has no '%s'", full);
    return t;
}

static void put_file(const struct fixture *f, const char *name, const void *bytes, size_t length)
{
    char path[PATH_BYTES];
    struct err err;
    if (path_join(path, f->folder, name, &err) || file_publish(path, bytes, length, &err))
        fail_msg("%s", err.text);
}

static int read_file(struct volume *out, const struct fixture *f, const char *name, struct err *err)
{
    char path[PATH_BYTES];
    *err = (struct err){0};
    assert_int_equal(path_join(path, f->folder, name, err), 0);
    return volume_read(out, path, err);
}

/* Reads the file and compares it with what nibabel made of `name`. */
static void expect_volume(const struct fixture *f, const char *file, const char *name)
{
    const struct tensor *voxels = need(f, name, "voxels"), *world = need(f, name, "world");
    struct volume v;
    struct err err;
    if (read_file(&v, f, file, &err))
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(v.d, voxels->dim[0]);
    assert_int_equal(v.h, voxels->dim[1]);
    assert_int_equal(v.w, voxels->dim[2]);
    const float *want = voxels->data;
    for (size_t i = 0; i < voxels->bytes / sizeof *want; i++)
        if (v.voxels[i] < want[i] || v.voxels[i] > want[i])
            fail_msg("%s: voxel %zu is %g, not %g", name, i, (double)v.voxels[i], (double)want[i]);
    const double *matrix = world->data;
    for (int i = 0; i < 3; i++) {
        double sum = 0;
        for (int j = 0; j < 4; j++)
            if (fabs(v.to_world[i][j] - matrix[4 * i + j]) > 2e-5)
                fail_msg("%s: to_world[%d][%d] is %.9g, not %.9g", name, i, j, v.to_world[i][j],
                         matrix[4 * i + j]);
        for (int row = 0; row < 3; row++)
            sum += matrix[4 * row + i] * matrix[4 * row + i];
        assert_true(fabs(v.spacing[2 - i] - sqrt(sum)) < 1e-5);
    }
    volume_free(&v);
    assert_null(v.voxels);
}

static int expect_group(const struct fixture *f, const char *prefix, const char *file)
{
    int count = 0;
    for (size_t i = 0; i < f->golden.count; i++) {
        const struct tensor *t = &f->golden.items[i];
        if (strncmp(t->name, prefix, strlen(prefix)) != 0 || !strstr(t->name, ":file"))
            continue;
        put_file(f, file, t->data, t->bytes);
        expect_volume(f, file, t->name);
        count++;
    }
    return count;
}

static void test_all_orientations_become_ras(void **state)
{
    assert_int_equal(expect_group(*state, "orientation-", "volume.nii.gz"), 48);
}

static void test_all_types_in_both_byte_orders(void **state)
{
    assert_int_equal(expect_group(*state, "type-", "volume.nii"), 20);
}

static void test_values_are_scaled_where_the_file_says_so(void **state)
{
    assert_int_equal(expect_group(*state, "scaled", "volume.nii"), 3);
}

static void test_extensions_are_passed_over(void **state)
{
    assert_int_equal(expect_group(*state, "extended", "volume.nii"), 1);
}

static void test_a_pair_is_read_by_either_name(void **state)
{
    const struct fixture *f = *state;
    const struct tensor *header = need(f, "pair", "header"), *image = need(f, "pair", "image");
    struct volume v;
    struct err err;
    put_file(f, "pair.hdr", header->data, header->bytes);
    assert_int_equal(read_file(&v, f, "pair.hdr", &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_non_null(strstr(err.text, "pair.img"));
    put_file(f, "pair.img", image->data, image->bytes);
    expect_volume(f, "pair.hdr", "pair");
    expect_volume(f, "pair.img", "pair");
    put_file(f, "pair.nii", header->data, header->bytes);
    assert_int_equal(read_file(&v, f, "pair.nii", &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, "the name must end in .hdr"));
}

/* ---- damage: one field of a good file is changed, which is in the order of this machine -------- */
enum {
    SIZEOF_HDR = 0,
    DIM = 40,
    DATATYPE = 70,
    BITPIX = 72,
    PIXDIM = 76,
    VOX_OFFSET = 108,
    SCL_SLOPE = 112,
    SCL_INTER = 116,
    UNITS = 123,
    QFORM_CODE = 252,
    SFORM_CODE = 254,
    QUATERN_B = 256,
    SROW_X = 280,
    MAGIC = 344,
    EXTENDER = 348,
    EXTENSION = 352
};

struct change {
    int at;
    char kind; /* 'h': int16, 'f': float, 'u': uint32, 'b': byte */
    double value;
    const char *text; /* NULL: another change follows */
};

static void apply(uint8_t *bytes, const struct change *change)
{
    int16_t half = (int16_t)(change->kind == 'h' ? change->value : 0);
    float single = (float)change->value;
    uint32_t whole = (uint32_t)(change->kind == 'u' ? change->value : 0);
    if (change->kind == 'h')
        memcpy(bytes + change->at, &half, sizeof half);
    else if (change->kind == 'f')
        memcpy(bytes + change->at, &single, sizeof single);
    else if (change->kind == 'u')
        memcpy(bytes + change->at, &whole, sizeof whole);
    else
        bytes[change->at] = (uint8_t)change->value;
}

static void expect_bad(const struct fixture *f, const char *file, const char *text)
{
    struct volume v;
    struct err err;
    if (!read_file(&v, f, file, &err))
        fail_msg("accepted, instead of '%s'", text);
    assert_null(v.voxels);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_non_null(strstr(err.text, file));
    assert_null(strchr(err.text, '\n'));
    if (!strstr(err.text, text))
        fail_msg("'%s' does not say '%s'", err.text, text);
}

static const struct change changes[] = {
    {SIZEOF_HDR, 'u', 540, "a NIfTI-2 file; NIfTI-1 expected"},
    {SIZEOF_HDR, 'u', 0x1c020000, "a NIfTI-2 file"},
    {SIZEOF_HDR, 'u', 349, "not a NIfTI-1 file"},
    {MAGIC, 'b', 0, "ANALYZE"},
    {MAGIC + 3, 'b', 'x', "ANALYZE"},
    {DIM, 'h', 0, "dim[0] is 0; 3 dimensions expected"},
    {DIM, 'h', 8, "dim[0] is 8; 3 dimensions expected"},
    {DIM, 'h', -3, "dim[0] is -3; 3 dimensions expected"},
    {DIM, 'h', 2, "2 dimensions; a volume of 3 expected"},
    {DIM + 2, 'h', -2, "dim[1] is -2; 1 or more expected"},
    {DIM + 6, 'h', 0, "dim[3] is 0; 1 or more expected"},
    {DIM, 'h', 4, NULL},
    {DIM + 8, 'h', 2, "dim[4] is 2; one volume (1) expected"},
    {DIM + 2, 'h', 32767, NULL},
    {DIM + 4, 'h', 32767, "32767 x 32767 x 2 voxels; at most 536870912 are read"},
    {DIM + 2, 'h', 3, "the file is too short for 3 x 3 x 2 voxels of 4 bytes at 352"},
    {DIM + 2, 'h', 8192, NULL},
    {DIM + 4, 'h', 32767, "the file is too short for 8192 x 32767 x 2"},
    {DATATYPE, 'h', 128, "datatype 128; integers of 8 to 64 bits or floats"},
    {DATATYPE, 'h', 0, "datatype 0; integers"},
    {BITPIX, 'h', 16, "bitpix is 16; 32 expected of datatype 16"},
    {VOX_OFFSET, 'f', 348, "vox_offset is 348; 352 or more expected"},
    {VOX_OFFSET, 'f', -352, "vox_offset is -352; 352"},
    {VOX_OFFSET, 'f', 352.5, "vox_offset is 352.5; 352"},
    {VOX_OFFSET, 'f', NAN, "vox_offset is nan; 352"},
    {VOX_OFFSET, 'f', INFINITY, "vox_offset is inf; 352"},
    {VOX_OFFSET, 'f', 1e9, "the file is too short"},
    {VOX_OFFSET, 'f', 368, "the file is too short for 2 x 3 x 2 voxels of 4 bytes at 368"},
    {SCL_SLOPE, 'f', 2, NULL},
    {SCL_INTER, 'f', NAN, "scl_inter is nan; a number expected"},
    {SROW_X + 8, 'f', NAN, "not made of numbers"},
    {SROW_X, 'f', 0, "has no three directions"},
    {SROW_X + 20, 'f', 0, "has no three directions"},
    {SROW_X + 40, 'f', 0, "has no three directions"},
    {SFORM_CODE, 'h', 0, NULL},
    {PIXDIM + 8, 'f', 0, "pixdim[2] is 0; more than 0 expected"},
    {SFORM_CODE, 'h', 0, NULL},
    {PIXDIM + 12, 'f', -1, "pixdim[3] is -1; more than 0 expected"},
    {SFORM_CODE, 'h', 0, NULL},
    {QFORM_CODE, 'h', 1, NULL},
    {QUATERN_B, 'f', NAN, "not made of numbers"},
    {EXTENSION + 4 * 7, 'f', NAN, "voxel (1, 0, 1) is nan; a number expected"},
    {EXTENSION + 4 * 3, 'f', -INFINITY, "voxel (1, 1, 0) is -inf; a number expected"},
};

/* 2 x 3 x 2 floats, sform the unit matrix. */
static void plain_file(uint8_t bytes[400])
{
    static const struct change good[] = {
        {SIZEOF_HDR, 'u', 348, NULL}, {DIM, 'h', 3, NULL},         {DIM + 2, 'h', 2, NULL},
        {DIM + 4, 'h', 3, NULL},      {DIM + 6, 'h', 2, NULL},     {DIM + 8, 'h', 1, NULL},
        {DATATYPE, 'h', 16, NULL},    {BITPIX, 'h', 32, NULL},     {PIXDIM, 'f', 1, NULL},
        {PIXDIM + 4, 'f', 2, NULL},   {PIXDIM + 8, 'f', 3, NULL},  {PIXDIM + 12, 'f', 4, NULL},
        {VOX_OFFSET, 'f', 352, NULL}, {SFORM_CODE, 'h', 1, NULL},  {SROW_X, 'f', 1, NULL},
        {SROW_X + 20, 'f', 1, NULL},  {SROW_X + 40, 'f', 1, NULL},
    };
    memset(bytes, 0, 400);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        apply(bytes, &good[i]);
    memcpy(bytes + MAGIC, "n+1", 4);
}

static void test_damaged_headers_are_refused(void **state)
{
    uint8_t bytes[400];
    plain_file(bytes);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        apply(bytes, &changes[i]);
        if (!changes[i].text)
            continue;
        put_file(*state, "bad.nii", bytes, sizeof bytes);
        expect_bad(*state, "bad.nii", changes[i].text);
        plain_file(bytes);
    }
}

static void test_without_an_orientation_pixdim_is_the_scale(void **state)
{
    static const struct change none = {SFORM_CODE, 'h', 0, NULL}, metres = {UNITS, 'b', 1, NULL};
    uint8_t bytes[400];
    struct volume v;
    struct err err;
    plain_file(bytes);
    apply(bytes, &none);
    for (int unit = 1; unit <= 1000; unit *= 1000) {
        put_file(*state, "plain.nii", bytes, sizeof bytes);
        assert_int_equal(read_file(&v, *state, "plain.nii", &err), 0);
        for (int i = 0; i < 3; i++) {
            assert_true(fabs(v.spacing[i] - (4 - i) * unit) < 1e-9);
            for (int j = 0; j < 4; j++)
                assert_true(fabs(v.to_world[i][j] - (i == j ? (i + 2) * unit : 0)) < 1e-9);
        }
        volume_free(&v);
        apply(bytes, &metres);
    }
}

static void test_extensions_that_lead_elsewhere_are_refused(void **state)
{
    static const struct change claims[] = {
        {EXTENSION, 'u', 4294967280.0,
         "an extension of 4294967280 bytes at 352; it must end before"},
        {EXTENSION, 'u', 0, "an extension of 0 bytes"},
        {EXTENSION, 'u', 24, "an extension of 24 bytes"},
        {EXTENSION, 'u', 48, "an extension of 48 bytes"},
    };
    static const struct change extended[] = {{VOX_OFFSET, 'f', 384, NULL},
                                             {EXTENDER, 'b', 1, NULL}};
    uint8_t bytes[432] = {0};
    plain_file(bytes);
    apply(bytes, &extended[0]);
    apply(bytes, &extended[1]);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        apply(bytes, &claims[i]);
        put_file(*state, "bad.nii", bytes, sizeof bytes);
        expect_bad(*state, "bad.nii", claims[i].text);
    }
}

static void test_files_cut_short_or_changed_are_refused(void **state)
{
    const struct fixture *f = *state;
    const struct tensor *packed = need(f, "orientation-05", "file");
    const struct tensor *open = need(f, "type-i2-big", "file");
    for (size_t length = 0; length < packed->bytes; length++) {
        put_file(f, "bad.nii.gz", packed->data, length);
        expect_bad(f, "bad.nii.gz", "");
    }
    for (size_t length = 0; length < open->bytes; length++) {
        put_file(f, "bad.nii", open->data, length);
        expect_bad(f, "bad.nii", length < 352 ? "the file ends early" : "the file is too short");
    }
    uint8_t *bytes = malloc(packed->bytes);
    assert_non_null(bytes);
    memcpy(bytes, packed->data, packed->bytes);
    for (size_t at = 10; at < packed->bytes; at++) { /* from behind gzip's header */
        bytes[at] ^= 0xff;
        put_file(f, "bad.nii.gz", bytes, packed->bytes);
        expect_bad(f, "bad.nii.gz", "");
        bytes[at] ^= 0xff;
    }
    free(bytes);
}

/* A small packed file that claims 2 GB. */
static void test_no_room_is_taken_for_what_a_packed_file_cannot_hold(void **state)
{
    static const struct change huge[] = {{DIM + 2, 'h', 16384, NULL}, {DIM + 4, 'h', 16384, NULL}};
    const struct fixture *f = *state;
    char path[PATH_BYTES];
    uint8_t bytes[400];
    struct err err;
    plain_file(bytes);
    apply(bytes, &huge[0]);
    apply(bytes, &huge[1]);
    assert_int_equal(path_join(path, f->folder, "huge.nii.gz", &err), 0);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(gzclose(file), Z_OK);
    expect_bad(f, "huge.nii.gz", "the file is too short for 16384 x 16384 x 2 voxels");
}

static void test_a_real_volume(void **state)
{
    (void)state;
    char path[PATH_BYTES];
    const char *data = getenv("DATA");
    struct volume v;
    struct err err;
    if (!data || path_join(path, data, "brain-t1/colin27/single_subj_T1.nii", &err) ||
        !file_exists(path))
        skip();
    if (volume_read(&v, path, &err))
        fail_msg("%s", err.text);
    assert_true(v.d == 91 && v.h == 109 && v.w == 91);
    float most = 0;
    for (int64_t i = 0; i < (int64_t)v.d * v.h * v.w; i++)
        most = fmaxf(most, v.voxels[i]);
    assert_true(most > 0.9f && most < 1.001f); /* 8 bits, scaled to 0..1 */
    for (int i = 0; i < 3; i++)
        assert_true(fabs(v.spacing[i] - 2) < 1e-6);
    volume_free(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_orientations_become_ras),
        cmocka_unit_test(test_all_types_in_both_byte_orders),
        cmocka_unit_test(test_values_are_scaled_where_the_file_says_so),
        cmocka_unit_test(test_extensions_are_passed_over),
        cmocka_unit_test(test_a_pair_is_read_by_either_name),
        cmocka_unit_test(test_damaged_headers_are_refused),
        cmocka_unit_test(test_without_an_orientation_pixdim_is_the_scale),
        cmocka_unit_test(test_extensions_that_lead_elsewhere_are_refused),
        cmocka_unit_test(test_files_cut_short_or_changed_are_refused),
        cmocka_unit_test(test_no_room_is_taken_for_what_a_packed_file_cannot_hold),
        cmocka_unit_test(test_a_real_volume),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
