/*
 * Data sets of volumes: folders of NIfTI files that the test writes itself, each way in which those
 * can be wrong, and the real ones.
 */
#include "data_folder.h"
#include "data_nifti_file.h"

#include <math.h>

static void near(double got, double want, double most)
{
    if (!(fabs(got - want) <= most))
        fail_msg("%.9g, not %.9g", got, want);
}

/* ---- folders -------------------------------------------------------------------------------- */

enum { W = 3, H = 4, D = 2, VOXELS = W * H * D };

/* Voxel i of case k: 100 k + i; its mask: (i + k) mod 3. */
static void put_case(const struct fixture *f, const char *image, const char *mask, int k)
{
    float voxels[VOXELS];
    uint8_t classes[VOXELS];
    for (int i = 0; i < VOXELS; i++) {
        voxels[i] = (float)(100 * k + i);
        classes[i] = (uint8_t)((i + k) % 3);
    }
    struct nifti_content file = {.size = {W, H, D}, .type = DT_FLOAT32, .voxels = voxels};
    write_nifti(path_of(f, image), &file);
    file.type = DT_UINT8;
    file.voxels = classes;
    if (mask)
        write_nifti(path_of(f, mask), &file);
}

#define LABELS "\"labels\": {\"0\": \"background\", \"1\": \"Anterior\", \"2\": \"Posterior\"}"
#define PAIR(name)                                                                                 \
    "{\"image\": \"./imagesTr/" name ".nii.gz\", \"label\": \"./labelsTr/" name ".nii.gz\"}"

static void put_folders(const struct fixture *f)
{
    put_folder(f, "imagesTr");
    put_folder(f, "labelsTr");
}

/* Three cases, listed in another order than that of their names. */
static void put_decathlon(const struct fixture *f)
{
    put_folders(f);
    put_case(f, "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", 0);
    put_case(f, "imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 1);
    put_case(f, "imagesTr/c.nii.gz", "labelsTr/c.nii.gz", 2);
    put(f, "dataset.json",
        "{" LABELS ", \"training\": [" PAIR("c") ", " PAIR("a") ", " PAIR(
            "b") "],"
                 "\"test\": [\"./imagesTs/x.nii.gz\"]}");
}

static const struct volume_spec as_it_is = {0};

static int volumes_read(struct collection *out, const char *folder, const struct volume_spec *spec,
                        bool skip_bad, struct err *err)
{
    const struct treatment how = {.fit = {.skip_bad = skip_bad}, .volume = *spec};
    return raw_treat(out, folder, "nifti", &how, err);
}

static void check_case(const struct collection *c, uint32_t at, const char *id, enum split split,
                       int k)
{
    const struct raw_case *one = &c->cases[at];
    const float *image = one->image;
    float voxels[VOXELS];
    assert_string_equal(one->id, id);
    assert_int_equal(one->split, split);
    assert_int_equal(one->label, -1);
    assert_memory_equal(one->size, ((const int32_t[]){D, H, W}), sizeof one->size);
    for (int i = 0; i < VOXELS; i++) {
        voxels[i] = (float)(100 * k + i);
        near((double)image[i], 100 * k + i, 0);
        if (one->mask)
            assert_int_equal(one->mask[i], (i + k) % 3);
    }
    assert_string_equal(
        one->pixels->hex,
        volume_hash(&(struct volume){.d = D, .h = H, .w = W, .voxels = voxels}, 1).hex);
}

static void a_decathlon_folder(void **state)
{
    const struct fixture *f = *state;
    put_decathlon(f);
    struct collection c;
    struct err err;
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.pixel, PIXEL_F32);
    assert_int_equal(c.c, 1);
    assert_memory_equal(((const int32_t[]){c.d, c.h, c.w}), ((const int32_t[]){D, H, W}), 12);
    for (int i = 0; i < 3; i++)
        near(c.spacing[i], 1, 0);
    assert_int_equal(c.mask_class_count, 3);
    assert_string_equal(c.mask_classes[2], "Posterior");
    check_case(&c, 0, "a", SPLIT_TRAIN, 0);
    check_case(&c, 1, "b", SPLIT_TRAIN, 1);
    check_case(&c, 2, "c", SPLIT_TRAIN, 2);
    collection_free(&c);

    put(f, "train.txt", "# names\n\nc\n");
    put(f, "test.txt", "a.nii.gz\r\n");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 2);
    check_case(&c, 0, "c", SPLIT_TRAIN, 2);
    check_case(&c, 1, "a", SPLIT_TEST, 0);
    collection_free(&c);

    static const char *const want[] = {
        "dataset.json",      "train.txt",         "test.txt",          "imagesTr/c.nii.gz",
        "labelsTr/c.nii.gz", "imagesTr/a.nii.gz", "labelsTr/a.nii.gz", NULL};
    expect_sources(f, "nifti", false, want);
}

static void a_folder_of_volumes(void **state)
{
    const struct fixture *f = *state;
    put_case(f, "two.nii.gz", NULL, 2);
    put_case(f, "three.hdr", NULL, 3);
    put_case(f, "one.nii", NULL, 1);
    put(f, "notes.txt", "no volume");
    struct collection c;
    struct err err;
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 3);
    assert_int_equal(c.mask_class_count, 0);
    assert_null(c.cases[0].mask);
    check_case(&c, 0, "one", SPLIT_TRAIN, 1);
    check_case(&c, 1, "three", SPLIT_TRAIN, 3);
    check_case(&c, 2, "two", SPLIT_TRAIN, 2);
    collection_free(&c);

    static const char *const want[] = {"one.nii", "three.hdr", "three.img", "two.nii.gz", NULL};
    expect_sources(f, "nifti", false, want);
}

/* Turned files come to RAS+, at the spacing and size asked for, and their masks with them. */
static void masks_follow_their_images(void **state)
{
    enum { SIDE = 8, ALL = SIDE * SIDE * SIDE };
    const struct fixture *f = *state;
    float image[ALL];
    uint8_t mask[ALL];
    for (int i = 0; i < ALL; i++) {
        /* the file's i runs to the left, j to the front, k down: a block at its far end */
        int x = i % SIDE, y = i / SIDE % SIDE, z = i / SIDE / SIDE;
        mask[i] = x >= 4 && y >= 6 && z >= 2;
        image[i] = mask[i] ? 7 : 1;
    }
    struct nifti_content file = {.size = {SIDE, SIDE, SIDE},
                                 .type = DT_FLOAT32,
                                 .voxels = image,
                                 .affine = {{-1, 0, 0, 9}, {0, 2, 0, 0}, {0, 0, -1, 3}}};
    put_folders(f);
    write_nifti(path_of(f, "imagesTr/a.nii.gz"), &file);
    file.type = DT_UINT8;
    file.voxels = mask;
    write_nifti(path_of(f, "labelsTr/a.nii.gz"), &file);
    put(f, "dataset.json", "{" LABELS ", \"training\": [" PAIR("a") "]}");
    const struct volume_spec spec = {.spacing = {2, 2, 2}, .size = {4, 10, 6}};
    struct collection c;
    struct err err;
    must(volumes_read(&c, f->folder, &spec, false, &err), &err);
    const struct raw_case *one = &c.cases[0];
    assert_memory_equal(one->size, ((const int32_t[]){SIDE, SIDE, SIDE}), sizeof one->size);
    near(c.spacing[0], 2, 0);
    int inside = 0;
    for (int i = 0; i < 4 * 10 * 6; i++) {
        /* 4 x 8 x 4 voxels of 2 mm in the middle of 4 x 10 x 6 */
        int x = i % 6 - 1, y = i / 6 % 10 - 1, z = i / 60;
        bool padded = x < 0 || x > 3 || y < 0 || y > 7;
        bool block = !padded && x < 2 && y >= 6 && z < 3;
        assert_int_equal(one->mask[i], block);
        near((double)((const float *)one->image)[i], block ? 7 : 1, 0);
        inside += block;
    }
    assert_int_equal(inside, 2 * 2 * 3);
    collection_free(&c);
}

static void refused(const struct fixture *f, const struct volume_spec *spec, bool skip_bad,
                    enum status status, const char *piece)
{
    struct collection c;
    struct err err = {0};
    if (!volumes_read(&c, f->folder, spec, skip_bad, &err))
        fail_msg("accepted, instead of '%s'", piece);
    if (!strstr(err.text, piece) || strchr(err.text, '\n'))
        fail_msg("'%s' expected in: %s", piece, err.text);
    assert_int_equal(err.status, status);
}

/* ---- as people write them ------------------------------------------------------------------- */

/* What a list keeps for validation or the test is never trained on, whatever it is called. */
static void lists_by_other_names(void **state)
{
    const struct fixture *f = *state;
    static const char *const vals[] = {"val.txt", "Validation.txt", "VALID.TXT", "dev.txt"};
    struct collection c;
    struct err err;
    put_decathlon(f);
    for (size_t i = 0; i < sizeof vals / sizeof *vals; i++) {
        put(f, vals[i],
            "\xEF\xBB\xBF"
            "b\r\n"); /* as an editor on Windows saves it */
        must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
        assert_int_equal(c.count, 3);
        check_case(&c, 0, "b", SPLIT_VAL, 1);
        check_case(&c, 1, "a", SPLIT_TRAIN, 0);
        check_case(&c, 2, "c", SPLIT_TRAIN, 2);
        collection_free(&c);
        unlink(path_of(f, vals[i]));
    }
    put(f, "testing.txt", "a\n");
    put(f, "Training.txt", "c\n");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 2);
    check_case(&c, 0, "c", SPLIT_TRAIN, 2);
    check_case(&c, 1, "a", SPLIT_TEST, 0);
    collection_free(&c);
    put(f, "test.txt", "b\n");
    refused(f, &as_it_is, false, STATUS_BAD_DATA,
            "'test.txt' and 'testing.txt' in '/tmp/raw-test-");
    unlink(path_of(f, "testing.txt"));
    unlink(path_of(f, "Training.txt"));
    put(f, "val-ids.csv", "b\n");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "/val-ids.csv' seems to list a split, but lists");
}

/* Numbers to names or names to numbers; a class "ignore" is none. */
static void labels_of_both_kinds(void **state)
{
    const struct fixture *f = *state;
    static const char *const bad[][2] = {
        {"{\"background\": 0, \"all\": [1, 2], \"core\": 2}", "'all' is a region of several"},
        {"{\"background\": 0, \"a\": 2}", "'labels' has no name for class 1 of 2"},
        {"{\"a\": 0, \"b\": 0}", "'a' and 'b' are both class 0"},
        {"{\"a\": 0, \"b\": -1}", "'labels': 'b' is not a class name with a number from 0 to 255"},
        {"{\"a\": 0, \"b\": 1.0}", "'labels': 'b' is not a class name with a number from 0 to 255"},
        {"{\"0\": \"a\", \"one\": \"b\"}",
         "'labels': 'one' is not a class name with a number from 0 to 255"},
    };
    char json[512];
    struct collection c;
    struct err err;
    put_decathlon(f);
    put(f, "dataset.json",
        "\xEF\xBB\xBF{\"labels\": {\"ignore\": 2, \"c\xc3\xa9lula\": 1, \"background\": 0},"
        "\"training\": [" PAIR("a") "]}");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.mask_class_count, 2);
    assert_string_equal(c.mask_classes[0], "background");
    assert_string_equal(c.mask_classes[1], "c\xc3\xa9lula");
    for (int i = 0; i < VOXELS; i++)
        assert_int_equal(c.cases[0].mask[i], i % 3 == 2 ? MASK_IGNORE : i % 3);
    collection_free(&c);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(json, sizeof json, "{\"labels\": %s, \"training\": [" PAIR("a") "]}", bad[i][0]);
        put(f, "dataset.json", json);
        refused(f, &as_it_is, false, STATUS_BAD_DATA, bad[i][1]);
    }
}

static void an_nnunet_folder(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    put_folders(f);
    put_case(f, "imagesTr/b_0000.nii.gz", "labelsTr/b.nii.gz", 1);
    put_case(f, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", 0);
    put_case(f, "imagesTr/c_0000.nii.gz", NULL, 2);
#define VERSION2 "\"labels\": {\"background\": 0, \"x\": 1, \"y\": 2}, \"numTraining\": 2, "
    put(f, "dataset.json",
        "{" VERSION2 "\"channel_names\": {\"0\": \"CT\"}, \"file_ending\": \".nii.gz\"}");
    put(f, "val.txt", "b\n");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 2);
    check_case(&c, 0, "b", SPLIT_VAL, 1);
    check_case(&c, 1, "a", SPLIT_TRAIN, 0);
    assert_int_equal(c.note_count, 1);
    assert_string_equal(c.notes[0], "not used: 1 image ('imagesTr/c_0000.nii.gz')");
    collection_free(&c);
    put(f, "dataset.json", "{" VERSION2 "\"file_ending\": \".png\"}");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "'file_ending' is '.png'; .nii.gz, .nii");
    put(f, "dataset.json",
        "{" VERSION2 "\"file_ending\": \".nii.gz\", "
        "\"channel_names\": {\"0\": \"T1\", \"1\": \"T2\"}}");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "'channel_names' has 2 channels");
    /* of version 1: a list, without the channel's number */
    put(f, "dataset.json", "{" LABELS ", \"training\": [" PAIR("a") ", " PAIR("b") "]}");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    check_case(&c, 1, "a", SPLIT_TRAIN, 0);
    collection_free(&c);
}

static void endings_in_any_case(void **state)
{
    const struct fixture *f = *state;
    static const char *const want[] = {"ONE.NII", "Three.HDR", "Three.IMG", "two.Nii.GZ", NULL};
    static const char *const plain[] = {"1.nii", "3.hdr", "3.img", "2.nii.gz"};
    struct collection c;
    struct err err;
    char from[PATH_BYTES], to[PATH_BYTES];
    put_case(f, "1.nii", NULL, 1);
    put_case(f, "3.hdr", NULL, 3);
    put_case(f, "2.nii.gz", NULL, 2);
    for (int i = 0; i < 4; i++) {
        must(path_join(from, f->folder, plain[i], &err), &err);
        must(path_join(to, f->folder, want[i], &err), &err);
        assert_int_equal(rename(from, to), 0);
    }
    put(f, "._two.nii.gz", "a Mac's");
    put(f, "four.mgz", "");
    must(path_join(to, f->folder, "five.nii", &err), &err);
    must(folder_make(to, &err), &err);
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 3);
    check_case(&c, 0, "ONE", SPLIT_TRAIN, 1);
    check_case(&c, 1, "Three", SPLIT_TRAIN, 3);
    check_case(&c, 2, "two", SPLIT_TRAIN, 2);
    assert_int_equal(c.note_count, 1);
    assert_string_equal(c.notes[0], "not used: 1 folder ('five.nii'), 1 other file ('four.mgz')");
    collection_free(&c);
    expect_sources(f, "nifti", false, want);
    put(f, "train.txt", "one\n\"TWO.nii.gz\"\n");
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 2);
    check_case(&c, 0, "ONE", SPLIT_TRAIN, 1);
    check_case(&c, 1, "two", SPLIT_TRAIN, 2);
    collection_free(&c);
    put_case(f, "One.nii", NULL, 4); /* which of the two? */
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "'one' is not a case of the data set");
}

/* A slope of 1/255 or a program that interpolates leaves classes a little off a whole number. */
static void classes_that_are_floats(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    float classes[VOXELS];
    struct nifti_content file = {.size = {W, H, D}, .type = DT_FLOAT32, .voxels = classes};
    for (int i = 0; i < VOXELS; i++)
        classes[i] = (float)(i % 3) + (i % 2 ? 1e-6f : -1e-7f);
    put_decathlon(f);
    write_nifti(path_of(f, "labelsTr/a.nii.gz"), &file);
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    check_case(&c, 0, "a", SPLIT_TRAIN, 0);
    collection_free(&c);
    classes[4] = 1.01f;
    write_nifti(path_of(f, "labelsTr/a.nii.gz"), &file);
    refused(f, &as_it_is, false, STATUS_BAD_DATA,
            "labelsTr/a.nii.gz': voxel (1, 1, 0) (w, h, d in RAS+) is 1.01; a class from 0 to 2");
}

/* In microns, millimetres or metres: a part in a thousand is the same everywhere. */
static void spacings_in_any_unit(void **state)
{
    const struct fixture *f = *state;
    const float voxels[VOXELS] = {1, 2};
    const float unit[] = {5e-4f, 1e-3f, 0.05f, 1, 250};
    struct collection c;
    struct err err;
    for (size_t i = 0; i < sizeof unit / sizeof *unit; i++) {
        float u = unit[i], off = 1.002f * u, near_by = 1.0005f * u;
        struct nifti_content file = {.size = {W, H, D}, .type = DT_FLOAT32, .voxels = voxels};
        const float one[3][4] = {{u, 0, 0, 0}, {0, u, 0, 0}, {0, 0, u, 0}};
        memcpy(file.affine, one, sizeof one);
        write_nifti(path_of(f, "a.nii"), &file);
        file.affine[1][1] = near_by;
        write_nifti(path_of(f, "b.nii"), &file);
        must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
        for (int k = 0; k < 3; k++)
            near(c.spacing[k] / (double)u, 1, 1e-6);
        char number[32], whole[32];
        snprintf(number, sizeof number, "%.6g", c.spacing[1]); /* as it was meant */
        snprintf(whole, sizeof whole, "%.17g", strtod(number, NULL));
        snprintf(number, sizeof number, "%.17g", c.spacing[1]);
        assert_string_equal(number, whole);
        collection_free(&c);
        file.affine[1][1] = off;
        write_nifti(path_of(f, "b.nii"), &file);
        refused(f, &as_it_is, false, STATUS_BAD_DATA,
                "preprocess.spacing resamples volumes to one");
        const struct volume_spec spaced = {.spacing = {(double)u, (double)u, (double)u}};
        must(volumes_read(&c, f->folder, &spaced, false, &err), &err);
        collection_free(&c);
    }
}

/* Of fine voxels far from the origin: as exact as a float's coordinates are. */
static void masks_of_fine_voxels(void **state)
{
    const struct fixture *f = *state;
    struct collection c;
    struct err err;
    uint8_t classes[VOXELS] = {0, 1, 2};
    struct nifti_content file = {.size = {W, H, D}, .type = DT_UINT8, .voxels = classes};
    const float fine[3][4] = {{1e-4f, 0, 0, 90}, {0, 1e-4f, 0, 0}, {0, 0, 1e-4f, 0}};
    put_decathlon(f);
    put(f, "train.txt", "a\n");
    memcpy(file.affine, fine, sizeof fine);
    write_nifti(path_of(f, "imagesTr/a.nii.gz"), &file);
    file.affine[0][3] = 90 + 7.62939453125e-6f; /* the next float */
    write_nifti(path_of(f, "labelsTr/a.nii.gz"), &file);
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    collection_free(&c);
    file.affine[0][3] = 90.0005f;
    write_nifti(path_of(f, "labelsTr/a.nii.gz"), &file);
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "a corner is 0.000504 mm from that of");
}

/* A size that is too small takes classes away: counted, before anything is learnt. */
static void a_size_that_cuts_classes_off(void **state)
{
    const struct fixture *f = *state;
    const struct volume_spec small = {.size = {D, H, 1}}, large = {.size = {D + 1, H, W}};
    struct collection c;
    struct err err;
    int64_t there[3] = {0}, kept[3] = {0};
    put_decathlon(f);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < VOXELS; i++) { /* of a row of three the one in the middle stays */
            there[k] += (i + k) % 3 > 0;
            kept[k] += i % W == 1 && (i + k) % 3 > 0;
        }
    must(volumes_read(&c, f->folder, &small, false, &err), &err);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(c.cases[k].labelled, there[k]);
        assert_int_equal(c.cases[k].cut, there[k] - kept[k]);
    }
    collection_free(&c);
    must(volumes_read(&c, f->folder, &large, false, &err), &err);
    for (int k = 0; k < 3; k++)
        assert_int_equal(c.cases[k].cut, 0);
    collection_free(&c);
}

/* 70,000 cases of 2 GiB are more than a processor can address: an error like any other. */
static void more_than_there_is_memory(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    (void)state;
    skip(); /* its allocator ends the program */
#else
    const struct fixture *f = *state;
    const struct volume_spec huge = {.size = {2048, 4096, 64}, .spacing = {1, 1, 1}};
    struct text json = {0};
    text_puts(&json, "{" LABELS ", \"training\": [");
    for (int i = 0; i < 70000; i++)
        text_printf(&json, "%s{\"image\": \"%d.nii\", \"label\": \"m%d.nii\"}", i ? "," : "", i, i);
    text_puts(&json, "]}");
    put(f, "dataset.json", json.data);
    text_free(&json);
    refused(f, &huge, true, STATUS_FAILED, "out of memory: 70000 x 2147483648 bytes");
#endif
}

static void listed_volumes_that_are_not_there(void **state)
{
    const struct fixture *f = *state;
    static const char *const files[] = {"labelsTr/b.nii.gz", "imagesTr/b.nii.gz"};
    struct collection c;
    struct err err;
    put_decathlon(f);
    for (int i = 0; i < 2; i++) {
        unlink(path_of(f, files[i]));
        refused(f, &as_it_is, false, STATUS_MISSING, files[i]);
        must(volumes_read(&c, f->folder, &as_it_is, true, &err), &err);
        assert_int_equal(c.count, 2);
        check_case(&c, 1, "c", SPLIT_TRAIN, 2);
        assert_string_equal(c.skipped[0].id, "b");
        assert_non_null(strstr(c.skipped[0].reason, "': does not exist"));
        collection_free(&c);
    }
    struct arena arena = {0};
    struct sources found;
    must(raw_sources(&found, f->folder, "nifti", true, &arena, &err), &err);
    assert_int_equal(found.count, 1 + 4);
    arena_free(&arena);
}

static void an_image_is_not_its_own_mask(void **state)
{
    const struct fixture *f = *state;
    put_decathlon(f);
    put(f, "dataset.json",
        "{" LABELS ", \"training\": [{\"image\": \"labelsTr/a.nii.gz\", "
        "\"label\": \"./labelsTr/a.nii.gz\"}]}");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "/labelsTr/a.nii.gz' is its own mask");
}

/* ---- what is wrong -------------------------------------------------------------------------- */

static void descriptions_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *json, *piece;
    } bad[] = {
        {"{", "line 1 of "},
        {"[]", "'labels' is not a map"},
        {"{\"labels\": [\"a\", \"b\"]}", "'labels' is not a map"},
        {"{\"labels\": {\"0\": \"a\", \"2\": \"b\"}}", "'labels' has no name for class 1 of 2"},
        {"{\"labels\": {\"0\": \"a\", \"1\": 3}}", "'labels' has no name for class 1 of 2"},
        {"{\"labels\": {\"0\": \"a\"}}", "1 classes in the masks"},
        {"{\"labels\": {\"0\": \"a\", \"1\": \"a\"}}", "two classes are called 'a'"},
        {"{\"labels\": {\"0\": \"a\", \"1\": \"b/c\"}}", "'b/c' is not a valid class name"},
        {"{\"labels\": {\"0\": \"a\", \"0\": \"b\"}}", "line 1 of "},
        {"{" LABELS "}", "'training' is not a list"},
        {"{" LABELS ", \"training\": []}", "'training' is not a list"},
        {"{" LABELS ", \"training\": [" PAIR("a") ", {\"image\": \"./imagesTr/b.nii.gz\"}]}",
         "training case 1 has no 'label'"},
        {"{" LABELS ", \"training\": [{\"label\": \"x\"}]}", "training case 0 has no 'image'"},
        {"{" LABELS ", \"training\": [{\"image\": \"../x.nii\", \"label\": \"x\"}]}",
         "'../x.nii' is not the path of a file in the folder"},
        {"{" LABELS ", \"training\": [{\"image\": \"/x.nii\", \"label\": \"x\"}]}",
         "'/x.nii' is not the path"},
        {"{" LABELS ", \"training\": [{\"image\": \"x.nii\", \"label\": \"a//x\"}]}",
         "'a//x' is not the path"},
        {"{" LABELS ", \"training\": [{\"image\": \"x.nii\", \"label\": \"\"}]}",
         "'' is not the path"},
        {"{" LABELS ", \"training\": [" PAIR("a") ", " PAIR("a") "]}", "are both called 'a'"},
    };
    put_decathlon(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put(f, "dataset.json", bad[i].json);
        refused(f, &as_it_is, true, STATUS_BAD_DATA, bad[i].piece);
    }
    put(f, "dataset.json", "{" LABELS ", \"training\": [" PAIR("x") "]}");
    refused(f, &as_it_is, false, STATUS_MISSING, "imagesTr/x.nii.gz");
    refused(f, &as_it_is, true, STATUS_MISSING, "no case of split 'train' can be read");
    struct arena arena = {0};
    struct sources found;
    struct err err;
    assert_int_equal(raw_sources(&found, f->folder, "nifti", false, &arena, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);

    char known[PATH_BYTES];
    must(path_join(known, f->folder, "Task04_Hippocampus", &err), &err);
    must(folder_make(known, &err), &err);
    put(f, "Task04_Hippocampus/dataset.json", "{" LABELS ", \"training\": [" PAIR("x") "]}");
    assert_int_equal(raw_sources(&found, known, "nifti", false, &arena, &err), -1);
    assert_non_null(strstr(err.text, "(scripts/fetch-data Task04_Hippocampus -d "));
    arena_free(&arena);
}

static void lists_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    put_decathlon(f);
    put(f, "train.txt", "a\nd\n");
    refused(f, &as_it_is, false, STATUS_BAD_DATA,
            "'d' is not a case of the data set, which has 'a' to 'c'");
    put(f, "train.txt", "a\xcc\x8a\n");
    refused(
        f, &as_it_is, false, STATUS_BAD_DATA,
        "is not a case of the data set, which has 'a' to 'c' (in bytes 'a\\xCC\\x8A'; the same");
    put(f, "train.txt", "a\nb\n");
    put(f, "val.txt", "c\na\n");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "'a' is already on line 1 of 'train.txt'");
    put(f, "val.txt", "# none\n");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "val.txt' lists no case");
}

static void folders_without_volumes(void **state)
{
    const struct fixture *f = *state;
    refused(f, &as_it_is, false, STATUS_MISSING, "cannot find 'dataset.json' or a volume");
    put(f, "a.nii", "no volume");
    refused(f, &as_it_is, false, STATUS_BAD_DATA, "a.nii': the file ends early");
    put(f, "a\tb.nii", "");
    refused(f, &as_it_is, false, STATUS_BAD_DATA,
            "/a\\x09b.nii': the name is not plain text in UTF-8");
    struct collection c;
    struct err err;
    assert_int_equal(volumes_read(&c, "/nowhere", &as_it_is, false, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_string_equal(
        err.text, "cannot find 'dataset.json' or a volume (.nii, .nii.gz, .hdr) in '/nowhere'");
    assert_int_equal(volumes_read(&c, "/no/Task04_Hippocampus", &as_it_is, false, &err), -1);
    assert_int_equal(err.status, STATUS_MISSING);
    assert_string_equal(err.text, "cannot find 'dataset.json' in '/no/Task04_Hippocampus' "
                                  "(scripts/fetch-data Task04_Hippocampus -d /no fetches it)");
}

/* Each spoils case b of three. */
static void cases_that_are_wrong(void **state)
{
    const struct fixture *f = *state;
    float odd[2 * VOXELS] = {0}, endless[VOXELS] = {0, 1, NAN}, half[VOXELS] = {0, 1, 1.5f},
                  huge[VOXELS] = {0, 3e9f};
    uint8_t wild[VOXELS] = {0, 1, 2, 0, 3};
    const struct {
        const char *file;
        struct nifti_content as;
        bool skipped;
        const char *piece;
    } bad[] = {
        {"labelsTr/b.nii.gz",
         {{W, H, 1}, DT_UINT8, wild, {{0}}, 0},
         true,
         "3x4x1 voxels (w, h, d in RAS+), but its image 'imagesTr/b.nii.gz' has 3x4x2"},
        {"labelsTr/b.nii.gz",
         {{W, H, D}, DT_UINT8, odd, {{1, 0, 0, 0}, {0, 1, 0, 0.2f}, {0, 0, 1, 0}}, 0},
         true,
         "a corner is 0.2 mm from that of its image 'imagesTr/b.nii.gz'"},
        {"labelsTr/b.nii.gz", /* at the same place, but larger */
         {{W, H, D}, DT_UINT8, odd, {{1, 0, 0, 0}, {0, 1.1f, 0, 0}, {0, 0, 1, 0}}, 0},
         true,
         "a corner is 0.3 mm from that of its image 'imagesTr/b.nii.gz'"},
        {"labelsTr/b.nii.gz",
         {{W, H, D}, DT_UINT8, odd, {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, -1, 1}}, 0},
         false,
         NULL}, /* turned in the file, but the same voxels */
        {"labelsTr/b.nii.gz",
         {{W, H, D}, DT_UINT8, wild, {{0}}, 0},
         true,
         "voxel (1, 1, 0) (w, h, d in RAS+) is 3; a class from 0 to 2 expected"},
        {"labelsTr/b.nii.gz", {{W, H, D}, DT_FLOAT32, huge, {{0}}, 0}, true, "is 3e+09; a class"},
        {"labelsTr/b.nii.gz", {{W, H, D}, DT_FLOAT32, half, {{0}}, 0}, true, "is 1.5; a class"},
        {"imagesTr/b.nii.gz",
         {{W, H, D}, DT_FLOAT32, endless, {{0}}, 0},
         true,
         "voxel (2, 0, 0) is nan"},
        {"imagesTr/b.nii.gz",
         {{W, H, D}, DT_FLOAT32, odd, {{0}}, 2},
         true,
         "dim[4] is 2; one volume (1) expected"},
        {"imagesTr/b.nii.gz", {{W, H, 1}, DT_FLOAT32, odd, {{0}}, 0}, true, "but its image"},
    };
    put_decathlon(f);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct collection c;
        struct err err;
        put_case(f, "imagesTr/b.nii.gz", "labelsTr/b.nii.gz", 1);
        write_nifti(path_of(f, bad[i].file), &bad[i].as);
        if (bad[i].piece)
            refused(f, &as_it_is, false, STATUS_BAD_DATA, bad[i].piece);
        must(volumes_read(&c, f->folder, &as_it_is, true, &err), &err);
        assert_int_equal(c.count, bad[i].skipped ? 2 : 3);
        assert_int_equal(c.skipped_count, bad[i].skipped);
        if (bad[i].skipped) {
            assert_string_equal(c.skipped[0].id, "b");
            assert_non_null(strstr(c.skipped[0].reason, bad[i].piece));
            assert_null(strstr(c.skipped[0].reason, f->folder));
            check_case(&c, 1, "c", SPLIT_TRAIN, 2);
        }
        collection_free(&c);
    }
}

static void volumes_that_differ(void **state)
{
    const struct fixture *f = *state;
    const float voxels[2 * VOXELS] = {1};
    struct nifti_content file = {{W, H, D}, DT_FLOAT32, voxels, {{0}}, 0};
    struct collection c;
    struct err err;
    write_nifti(path_of(f, "a.nii"), &file);
    file.size[1] = 2 * H;
    write_nifti(path_of(f, "b.nii"), &file);
    refused(f, &as_it_is, true, STATUS_BAD_DATA,
            "b.nii': 2x8x3 voxels (d, h, w), but 'a.nii' has 2x4x3; preprocess.size makes volumes "
            "equal");
    const struct volume_spec sized = {.size = {D, H, W}};
    must(volumes_read(&c, f->folder, &sized, false, &err), &err);
    assert_memory_equal(c.cases[1].size, ((const int32_t[]){D, 2 * H, W}), 12);
    collection_free(&c);

    const float stretched[3][4] = {{1, 0, 0, 0}, {0, 1.002f, 0, 0}, {0, 0, 1, 0}};
    file.size[1] = H;
    memcpy(file.affine, stretched, sizeof stretched);
    write_nifti(path_of(f, "b.nii"), &file);
    refused(f, &sized, true, STATUS_BAD_DATA,
            "b.nii': a spacing of 1x1.002x1 mm (d, h, w), but 'a.nii' has 1x1x1; "
            "preprocess.spacing resamples");
    const struct volume_spec spaced = {.spacing = {1, 1, 1}};
    must(volumes_read(&c, f->folder, &spaced, false, &err), &err);
    collection_free(&c);
    file.affine[1][1] = 1.0005f;
    write_nifti(path_of(f, "b.nii"), &file);
    must(volumes_read(&c, f->folder, &as_it_is, false, &err), &err);
    near(c.spacing[1], 1, 0);
    collection_free(&c);
}

static void voxels_of_a_pair_that_end_early(void **state)
{
    const struct fixture *f = *state;
    put_case(f, "a.hdr", NULL, 1);
    put(f, "a.img", "short");
    refused(f, &as_it_is, false, STATUS_BAD_DATA,
            "a.hdr': its voxels (.img): the file is too short");
    put_case(f, "b.nii", NULL, 2);
    struct collection c;
    struct err err;
    must(volumes_read(&c, f->folder, &as_it_is, true, &err), &err);
    check_case(&c, 0, "b", SPLIT_TRAIN, 2);
    collection_free(&c);
}

/* ---- the data sets that this was made for; numbers by nibabel and numpy ----------------------- */

static void real_hippocampus(void **state)
{
    (void)state;
    const char *folder = real("Task04_Hippocampus");
    const struct volume_spec spec = {.intensity = INTENSITY_ZSCORE, .size = {48, 64, 48}};
    const uint32_t want[SPLITS] = {91, 13, 26};
    uint32_t count[SPLITS] = {0};
    uint64_t classes[3] = {0};
    struct collection c;
    struct err err;
    must(volumes_read(&c, folder, &spec, false, &err), &err);
    for (uint32_t i = 0; i < c.count; i++) {
        const struct raw_case *one = &c.cases[i];
        count[one->split]++;
        for (int k = 0; one->split == SPLIT_TEST && k < 48 * 64 * 48; k++)
            classes[one->mask[k]]++;
        if (strcmp(one->id, "hippocampus_033"))
            continue;
        assert_memory_equal(one->size, ((const int32_t[]){38, 48, 33}), sizeof one->size);
        /* voxel (5, 6, 7) of 33 x 48 x 38 */
        int at = ((7 + 5) * 64 + 6 + 8) * 48 + 5 + 7;
        near((double)((const float *)one->image)[at], -1.1455696363, 1e-6);
    }
    assert_memory_equal(count, want, sizeof count);
    assert_int_equal(classes[1], 44354);
    assert_int_equal(classes[2], 38944);
    assert_string_equal(c.mask_classes[1], "Anterior");
    collection_free(&c);
}

static void real_brains(void **state)
{
    (void)state;
    const char *folder = real("brain-t1/ds002748-2mm");
    struct collection c;
    struct err err;
    must(volumes_read(&c, folder, &as_it_is, false, &err), &err);
    assert_int_equal(c.count, 36);
    assert_memory_equal(((const int32_t[]){c.d, c.h, c.w}), ((const int32_t[]){80, 96, 80}), 12);
    for (int i = 0; i < 3; i++)
        near(c.spacing[i], 2, 0);
    const struct raw_case *one = &c.cases[30];
    assert_string_equal(one->id, "sub-12_T1w_2mm");
    assert_int_equal(one->split, SPLIT_TEST);
    const float *image = one->image;
    double sum = 0;
    for (int i = 0; i < 80 * 96 * 80; i++)
        sum += (double)image[i];
    near(sum / (80 * 96 * 80), 268.8894775390625, 1e-9);
    near((double)image[(40 * 96 + 48) * 80 + 40], 1064, 0);
    near((double)image[(50 * 96 + 30) * 80 + 20], 1532, 0);
    collection_free(&c);
}

int main(void)
{
#define IN_FOLDER(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_decathlon_folder),
        IN_FOLDER(a_folder_of_volumes),
        IN_FOLDER(masks_follow_their_images),
        IN_FOLDER(lists_by_other_names),
        IN_FOLDER(labels_of_both_kinds),
        IN_FOLDER(an_nnunet_folder),
        IN_FOLDER(endings_in_any_case),
        IN_FOLDER(classes_that_are_floats),
        IN_FOLDER(spacings_in_any_unit),
        IN_FOLDER(masks_of_fine_voxels),
        IN_FOLDER(a_size_that_cuts_classes_off),
        IN_FOLDER(more_than_there_is_memory),
        IN_FOLDER(listed_volumes_that_are_not_there),
        IN_FOLDER(an_image_is_not_its_own_mask),
        IN_FOLDER(descriptions_that_are_wrong),
        IN_FOLDER(lists_that_are_wrong),
        IN_FOLDER(folders_without_volumes),
        IN_FOLDER(cases_that_are_wrong),
        IN_FOLDER(volumes_that_differ),
        IN_FOLDER(voxels_of_a_pair_that_end_early),
        cmocka_unit_test(real_hippocampus),
        cmocka_unit_test(real_brains),
    };
    return cmocka_run_group_tests_name("data_volumes", tests, NULL, NULL);
}
