/* Masks as NIfTI-1: the files that nibabel wrote (scripts/golden-nifti.py) are read and written again
 * as masks, which must bring back each of their voxels and all of their geometry. */
#include "data_nifti_golden.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

enum { HEADER = 348, OFFSET = 352, MOST = 4096 };

static const char *path_of(const struct fixture *f, const char *name)
{
    static char path[PATH_BYTES];
    struct err err;
    assert_int_equal(path_join(path, f->folder, name, &err), 0);
    return path;
}

/* The bytes of a file, unpacked if it is packed; returns how many. */
static int unpacked(uint8_t out[MOST], const char *path)
{
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    int count = gzread(file, out, MOST);
    assert_int_equal(gzclose(file), Z_OK);
    assert_in_range(count, OFFSET, MOST - 1);
    return count;
}

static void read_volume(struct volume *out, const struct fixture *f, const char *file,
                        const struct tensor *golden)
{
    struct err err;
    if (file_publish(path_of(f, file), golden->data, golden->bytes, &err) ||
        volume_read(out, path_of(f, file), &err))
        fail_msg("%s: %s", golden->name, err.text);
}

/* What is read from `in`, as a mask: the values themselves, which are of 0 to 255 here. */
static void write_again(const struct fixture *f, const char *name, const struct volume *in,
                        const char *what)
{
    struct err err;
    uint8_t mask[256];
    int count = in->d * in->h * in->w;
    assert_in_range(count, 1, 256);
    for (int i = 0; i < count; i++)
        mask[i] = (uint8_t)(int)in->voxels[i];
    if (volume_write_mask(path_of(f, name), mask, in->header, &err))
        fail_msg("%s: %s", what, err.text);
}

/* The parts of a header that say where voxels are: dim_info; dim; pixdim; units; qform and sform. */
static const struct {
    int from, to;
} geometry[] = {{39, 56}, {76, 108}, {123, 124}, {252, 328}};

static void expect_same_geometry(const uint8_t *got, const uint8_t *want, const char *what)
{
    for (size_t i = 0; i < sizeof geometry / sizeof *geometry; i++)
        for (int at = geometry[i].from; at < geometry[i].to; at++)
            if (got[at] != want[at])
                fail_msg("%s: byte %d of the header is %d, not %d", what, at, got[at], want[at]);
}

static uint32_t number(const uint8_t *at, int bytes)
{
    uint32_t out = 0;
    for (int i = 0; i < bytes; i++)
        out |= (uint32_t)at[i] << 8 * i;
    return out;
}

static void expect_mask_file(const uint8_t *got, const char *what)
{
    float offset, slope, inter;
    memcpy(&offset, got + 108, sizeof offset);
    memcpy(&slope, got + 112, sizeof slope);
    memcpy(&inter, got + 116, sizeof inter);
    if (number(got, 4) != HEADER || number(got + 70, 2) != 2 || number(got + 72, 2) != 8 ||
        memcmp(got + 344, "n+1", 4) != 0 || number(got + HEADER, 4) != 0)
        fail_msg("%s: no header of a single file of bytes", what);
    assert_true(offset >= OFFSET && offset <= OFFSET);
    assert_true(slope >= 1 && slope <= 1 && inter >= 0 && inter <= 0);
}

/* All 48 orientations, in sform and in qform: what nibabel wrote comes back byte for byte. */
static void test_all_orientations_come_back(void **state)
{
    const struct fixture *f = *state;
    uint8_t want[MOST], got[MOST];
    int seen = 0;
    for (size_t i = 0; i < f->golden.count; i++) {
        const struct tensor *t = &f->golden.items[i];
        if (strncmp(t->name, "orientation-", 12) != 0 || !strstr(t->name, ":file"))
            continue;
        struct volume volume;
        read_volume(&volume, f, "in.nii.gz", t);
        const char *name = seen++ % 2 ? "out.nii.gz" : "out.nii";
        write_again(f, name, &volume, t->name);
        int count = unpacked(want, path_of(f, "in.nii.gz"));
        assert_int_equal(unpacked(got, path_of(f, name)), count);
        expect_same_geometry(got, want, t->name);
        expect_mask_file(got, t->name);
        assert_memory_equal(got + OFFSET, want + OFFSET, (size_t)(count - OFFSET));
        volume_free(&volume);
    }
    assert_int_equal(seen, 48);
}

/* What is read from the file is what was written, and its voxels lie where they lay. */
static void expect_read_back(const struct fixture *f, const char *name, const struct volume *in)
{
    struct volume out;
    struct err err;
    if (volume_read(&out, path_of(f, name), &err))
        fail_msg("%s", err.text);
    assert_true(out.d == in->d && out.h == in->h && out.w == in->w);
    for (int i = 0; i < in->d * in->h * in->w; i++)
        assert_int_equal((int)out.voxels[i], (uint8_t)(int)in->voxels[i]);
    assert_memory_equal(out.to_world, in->to_world, sizeof in->to_world);
    volume_free(&out);
}

/* A file of the other byte order, of other types, with a slope, of two parts. */
static void test_other_files_have_masks(void **state)
{
    static const char *const names[] = {"type-u1-big:file", "type-u1-little:file", "scaled:file",
                                        "extended:file"};
    const struct fixture *f = *state;
    uint8_t got[MOST];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct volume volume;
        const struct tensor *t = tensors_find(&f->golden, names[i]);
        assert_non_null(t);
        read_volume(&volume, f, "in.nii", t);
        for (int k = 0; k < volume.d * volume.h * volume.w; k++)
            if (!strncmp(names[i], "scaled", 6))
                volume.voxels[k] = (float)(k % 3);
        write_again(f, "out.nii.gz", &volume, names[i]);
        int count = unpacked(got, path_of(f, "out.nii.gz"));
        assert_int_equal(count, OFFSET + volume.d * volume.h * volume.w);
        expect_mask_file(got, names[i]);
        expect_read_back(f, "out.nii.gz", &volume);
        volume_free(&volume);
    }
}

static void test_a_pair_becomes_one_file(void **state)
{
    const struct fixture *f = *state;
    struct err err;
    struct volume volume;
    uint8_t got[MOST];
    const struct tensor *header = tensors_find(&f->golden, "pair:header"),
                        *voxels = tensors_find(&f->golden, "pair:image");
    assert_true(header && voxels);
    assert_int_equal(file_publish(path_of(f, "in.img"), voxels->data, voxels->bytes, &err), 0);
    read_volume(&volume, f, "in.hdr", header);
    write_again(f, "out.nii", &volume, "pair");
    assert_int_equal(unpacked(got, path_of(f, "out.nii")), OFFSET + 24);
    expect_same_geometry(got, header->data, "pair");
    expect_mask_file(got, "pair");
    expect_read_back(f, "out.nii", &volume);
    volume_free(&volume);
}

/* More than zlib's room, of random bytes, which cannot be packed. */
static void test_long_files(void **state)
{
    const struct fixture *f = *state;
    enum { W = 101, H = 67, D = 31 };
    static uint8_t mask[W * H * D], got[OFFSET + W * H * D + 1];
    struct err err;
    struct volume volume;
    read_volume(&volume, f, "in.nii", tensors_find(&f->golden, "extended:file"));
    uint16_t dim[4] = {3, W, H, D};
    memcpy(volume.header + 40, dim, sizeof dim);
    volume.header[39] = 57; /* which axis was encoded how */
    volume.header[123] = 3; /* micrometres */
    for (uint32_t i = 0, x = 1; i < sizeof mask; i++, x = x * 1664525 + 1013904223)
        mask[i] = (uint8_t)(x >> 24);
    for (int packed = 0; packed < 2; packed++) {
        const char *name = packed ? "long.nii.gz" : "long.nii";
        if (volume_write_mask(path_of(f, name), mask, volume.header, &err))
            fail_msg("%s", err.text);
        gzFile file = gzopen(path_of(f, name), "rb");
        assert_int_equal(gzdirect(file), !packed);
        assert_int_equal(gzread(file, got, sizeof got), OFFSET + W * H * D);
        assert_int_equal(gzclose(file), Z_OK);
        assert_memory_equal(got + OFFSET, mask, sizeof mask);
        assert_true(got[39] == 57 && got[123] == 3);
    }
    volume_free(&volume);
}

/* gzip keeps a time and a name: none here. */
static void test_equal_masks_give_equal_bytes(void **state)
{
    const struct fixture *f = *state;
    struct err err;
    struct volume volume;
    char *bytes[2];
    size_t length[2];
    read_volume(&volume, f, "in.nii", tensors_find(&f->golden, "extended:file"));
    for (int i = 0; i < 2; i++) {
        const char *name = i ? "second.nii.gz" : "first.nii.gz";
        write_again(f, name, &volume, name);
        assert_int_equal(file_read(&bytes[i], &length[i], path_of(f, name), 1 << 20, &err), 0);
    }
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    assert_memory_equal(bytes[0] + 3, "\0\0\0\0\0", 5); /* no name, no time */
    free(bytes[0]);
    free(bytes[1]);
    volume_free(&volume);
}

static void test_what_cannot_be_written(void **state)
{
    const struct fixture *f = *state;
    struct err err = {0};
    struct volume volume;
    const uint8_t mask[8] = {0};
    read_volume(&volume, f, "in.nii", tensors_find(&f->golden, "extended:file"));
    assert_int_equal(volume_write_mask(path_of(f, "no/out.nii"), mask, volume.header, &err), -1);
    assert_int_equal(err.status, STATUS_IO);
    volume.header[344] = 'x';
    assert_int_equal(volume_write_mask(path_of(f, "bad.nii"), mask, volume.header, &err), -1);
    assert_int_equal(err.status, STATUS_BAD_DATA);
    assert_false(file_exists(path_of(f, "bad.nii")));
    assert_int_equal(mkdir(path_of(f, "folder.nii.gz"), 0777), 0);
    volume.header[344] = 'n';
    assert_int_equal(volume_write_mask(path_of(f, "folder.nii.gz"), mask, volume.header, &err), -1);
    assert_int_equal(err.status, STATUS_IO);
    assert_false(file_exists(path_of(f, "folder.nii.gz.part")));
    volume_free(&volume);
}

/* A disk that takes no more than 4000 bytes. */
static void test_a_full_disk(void **state)
{
    const struct fixture *f = *state;
    struct rlimit before, least;
    static const uint8_t mask[30 * 30 * 30];
    const uint16_t dim[4] = {3, 30, 30, 30};
    struct err err = {0};
    struct volume volume;
    read_volume(&volume, f, "in.nii", tensors_find(&f->golden, "extended:file"));
    memcpy(volume.header + 40, dim, sizeof dim);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    least = before;
    least.rlim_cur = 4000;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &least), 0);
    int status = volume_write_mask(path_of(f, "full.nii"), mask, volume.header, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, -1);
    assert_int_equal(err.status, STATUS_IO);
    assert_false(file_exists(path_of(f, "full.nii.part")));
    assert_false(file_exists(path_of(f, "full.nii")));
    volume_free(&volume);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_orientations_come_back),
        cmocka_unit_test(test_other_files_have_masks),
        cmocka_unit_test(test_a_pair_becomes_one_file),
        cmocka_unit_test(test_long_files),
        cmocka_unit_test(test_equal_masks_give_equal_bytes),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_a_full_disk),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
