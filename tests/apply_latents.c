/* Files of latents: what is written comes back, and what cannot be codes of a model is refused. */
#include "apply/latents.h"

#include "store/tensors.h"

#include <math.h>
#include "store_spoil.h"

enum { ROWS = 3, WIDTH = 2, CLASSES = 4 };
static const struct model_facts facts = {.latent = {1, 1, 1, 1, WIDTH},
                                         .data = {1, 8, 8, 1, CLASSES}};
static const float z_mean[ROWS * WIDTH] = {1, -2.5f, 0, 1e-30f, 3e8f, 7},
                                 z_logvar[ROWS * WIDTH] = {0, -1, -2, -3, -4, -5};
static int32_t labels[ROWS] = {3, 0, 2};
static const char *names[ROWS] = {"b", "\xc3\xa9 \"\\", "a b"};

static struct id model_of(char digit)
{
    struct id id = {0};
    memset(id.hex, digit, sizeof id.hex - 1);
    return id;
}

static void place(char path[PATH_BYTES], struct lab *lab)
{
    struct err err;
    OK(path_join(path, lab->path, "latents.safetensors", &err));
}

static void round_trip(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct arena arena = {0};
    struct id model = model_of('a'), other = model_of('b');
    struct latents in = {ROWS, facts.latent, names, z_mean, z_logvar, labels}, out;
    char path[PATH_BYTES], *bytes, *again;
    size_t length, length_again;
    place(path, lab);
    OK(latents_write(path, &in, &model, &err));
    OK(latents_read(&out, path, &model, &facts, &arena, &err));
    assert_int_equal(out.count, ROWS);
    assert_true(shape_equal(out.shape, facts.latent));
    assert_memory_equal(out.z_mean, z_mean, sizeof z_mean);
    assert_memory_equal(out.labels, labels, sizeof labels);
    for (int i = 0; i < ROWS; i++)
        assert_string_equal(out.names[i], names[i]);
    FAILS(latents_read(&out, path, &other, &facts, &arena, &err), STATUS_BAD_DATA,
          "codes of model 'aaaaaaaaaaaa', not of 'bbbbbbbbbbbb'");
    OK(file_read(&bytes, &length, path, 1 << 20, &err));
    OK(latents_write(path, &in, &model, &err));
    OK(file_read(&again, &length_again, path, 1 << 20, &err));
    assert_int_equal(length, length_again);
    assert_memory_equal(bytes, again, length);
    free(bytes);
    free(again);

    in.labels = NULL;
    OK(latents_write(path, &in, &model, &err));
    OK(latents_read(&out, path, &model, &facts, &arena, &err));
    assert_null(out.labels);
    arena_free(&arena);
}

/* A file that somebody else wrote: as above, but for one thing. */
struct file {
    enum tensor_type type;
    int64_t rows, width, label_rows;
    int32_t label;
    float z;           /* any: another writer's */
    const char *names; /* NULL: none */
};
static const struct file good = {TENSOR_F32, ROWS, WIDTH, ROWS, 1, 0.5f, "x\ny\nz"};

static void write_file(const char *path, const struct file *file)
{
    struct err err;
    float z[ROWS * WIDTH] = {0};
    int32_t label[ROWS] = {0};
    const char *meta[] = {"names", file->names};
    z[3] = to_spoil;
    label[1] = file->label;
    struct tensor items[] = {{"z_mean", file->type, 2, {file->rows, file->width}, z, 0},
                             {"labels", TENSOR_I32, 1, {file->label_rows}, label, 0}};
    items[0].bytes = (size_t)(file->rows * file->width) * tensor_size(file->type);
    items[1].bytes = (size_t)file->label_rows * sizeof(int32_t);
    OK(tensors_write(path, items, file->label_rows ? 2 : 1, meta, file->names ? 1 : 0, &err));
    if (items[0].bytes > 3 * sizeof *z)
        spoil(path, file->z);
}

static void refused(struct lab *lab, struct file file, const char *text)
{
    struct err err;
    struct arena arena = {0};
    struct latents out;
    struct id model = model_of('a');
    char path[PATH_BYTES];
    place(path, lab);
    write_file(path, &file);
    FAILS(latents_read(&out, path, &model, &facts, &arena, &err), STATUS_BAD_DATA, text);
    assert_non_null(strstr(err.text, path));
    arena_free(&arena);
}

/* Only z_mean has to be there. */
static void of_others(void **state)
{
    struct lab *lab = *state;
    struct err err;
    struct arena arena = {0};
    struct latents out;
    struct id model = model_of('a');
    char path[PATH_BYTES];
    struct file file = good;
    place(path, lab);
    write_file(path, &file);
    OK(latents_read(&out, path, &model, &facts, &arena, &err));
    assert_string_equal(out.names[2], "z");
    assert_int_equal(out.labels[1], 1);
    assert_true(out.z_mean[3] == 0.5f);
    file.names = NULL;
    file.label_rows = 0;
    write_file(path, &file);
    OK(latents_read(&out, path, &model, &facts, &arena, &err));
    assert_string_equal(out.names[0], "00000");
    assert_string_equal(out.names[2], "00002");
    assert_null(out.labels);
    arena_free(&arena);
}

#define BUT(member, value) (bad = good, (void)(bad.member = (value)), bad)
static void refusals(void **state)
{
    struct lab *lab = *state;
    struct file bad;
    refused(lab, BUT(type, TENSOR_I32), "z_mean");
    refused(lab, BUT(width, 1), "z_mean is [3,1], [N,2] expected");
    refused(lab, BUT(z, NAN), "value 3 of tensor 'z_mean' is nan; a finite number expected");
    refused(lab, BUT(z, -INFINITY), "value 3 of tensor 'z_mean' is -inf; a finite number expected");
    refused(lab, BUT(z, 3e38f), "z_mean: number 1 of row 1 is 3e+38, whose square is infinite");
    refused(lab, BUT(z, -1.845e19f), "z_mean: number 1 of row 1 is -1.845e+19, whose square is");
    refused(lab, BUT(label_rows, 2), "2 labels for 3 codes");
    refused(lab, BUT(label, -1), "label -1 in row 1, but there are 4 classes");
    refused(lab, BUT(label, CLASSES), "label 4 in row 1, but there are 4 classes");
    refused(lab, BUT(names, "x\ny"), "2 names for 3 codes");
    refused(lab, BUT(names, "w\nx\ny\nz"), "4 names for 3 codes");
    refused(lab, BUT(names, "x\n\nz"), "'' is not a valid case name");
    refused(lab, BUT(names, "x\n../y\nz"), "'../y' is not a valid case name");
    refused(lab, BUT(names, "x\n..\nz"), "'..' is not a valid case name");
    refused(lab, BUT(names, "x\ny\nx"), "two cases are named 'x'");
}

static void names_are_text(void **state)
{
    (void)state;
    static const char *const good_names[] = {"a",
                                             "\x7f",
                                             "\xc2\x80",
                                             "\xdf\xbf",
                                             "\xe0\xa0\x80",
                                             "\xed\x9f\xbf",
                                             "\xee\x80\x80",
                                             "\xf0\x90\x80\x80",
                                             "\xf4\x8f\xbf\xbf"};
    static const char *const bad_names[] = {"\x80",
                                            "\xbf",
                                            "\xc1\xbf",
                                            "\xc3",
                                            "\xc3(",
                                            "\xe0\x9f\xbf",
                                            "\xed\xa0\x80",
                                            "\xe2\x82",
                                            "\xf0\x8f\xbf\xbf",
                                            "\xf4\x90\x80\x80",
                                            "\xf5\x80\x80\x80",
                                            "\xff",
                                            "a\nb",
                                            "a/b",
                                            ".",
                                            "",
                                            ".."};
    struct err err = {0};
    OK(latents_check_names(good_names, sizeof good_names / sizeof *good_names, &err));
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++)
        FAILS(latents_check_names(&bad_names[i], 1, &err), STATUS_USAGE,
              "is not a valid case name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {LAB_TEST(round_trip), LAB_TEST(of_others),
                                       LAB_TEST(refusals), LAB_TEST(names_are_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
