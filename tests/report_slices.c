/* Volumes in reports: slices whose every voxel is known, and what is drawn of them. */
#include "report_world.h"

static const char one_cell[] = "name: t\n"
                               "preprocess: {source: {format: shapes}}\n"
                               "transfer-unet: {loss: {cross_entropy: {}}}\n"
                               "evaluate: {}\n";

/* Voxels of 4 x 2 x 1 mm: 24, 16 and 16 mm; at 12 px a mm. */
enum { D = 6, H = 8, W = 16, CASES = 2, PX = 12, SIDE_H = 24 * PX, SIDE_W = 16 * PX };

/* Case 0: the truth is a block, the prediction the same of another class and a row further down.
 * Case 1: neither has anything. A voxel's grey tells its place. */
static uint8_t grey_of(int k, int row, int column)
{
    return (uint8_t)(40 + 100 * k + 5 * row + 2 * column);
}

static uint8_t truth_of(int k, int row, int column)
{
    return k == 0 && row >= 2 && row < 5 && column >= 2 && column < 6 ? 1 : 0;
}

static uint8_t predicted_of(int k, int row, int column)
{
    return truth_of(k, row + 1, column) ? 2 : 0;
}

static void fill(uint8_t *out, int h, int w, uint8_t value(int, int, int))
{
    for (int k = 0; k < CASES; k++)
        for (int row = 0; row < h; row++)
            for (int column = 0; column < w; column++)
                *out++ = value(k, row, column);
}

static void leave_slices(const struct draft *draft, const struct trouble *trouble)
{
    static const char *const names[] = {"axial", "coronal", "sagittal"};
    static const int size[3][2] = {{H, W}, {D, W}, {D, H}};
    static uint8_t (*const values[])(int, int, int) = {grey_of, truth_of, predicted_of};
    static const char *const parts[] = {"", "_truth", "_prediction"};
    static uint8_t data[9][CASES * D * W * 2];
    const float score[CASES] = {0.5F, 0.25F};
    char name[9][64];
    struct tensor items[10] = {{.name = "segmentation_score",
                                .type = TENSOR_F32,
                                .dims = 1,
                                .dim = {CASES},
                                .data = score,
                                .bytes = sizeof score}};
    for (int i = 0; i < 9; i++) {
        int h = size[i / 3][0], w = size[i / 3][1];
        snprintf(name[i], sizeof name[i], "slices_%s%s", names[i / 3], parts[i % 3]);
        fill(data[i], h, w, values[i % 3]);
        items[1 + i] = (struct tensor){.name = name[i],
                                       .type = TENSOR_U8,
                                       .dims = 3,
                                       .dim = {CASES, h, w},
                                       .data = data[i],
                                       .bytes = (size_t)(CASES * h * w)};
    }
    if (trouble->labels) {
        data[8][3] = (uint8_t)trouble->labels; /* of the sagittal prediction */
        items[1 + trouble->labels % 9].dim[1]--;
        items[1 + trouble->labels % 9].bytes -=
            (size_t)(CASES * items[1 + trouble->labels % 9].dim[2]);
    }
    const char *spacing = trouble->content ? trouble->content : "4,2,1";
    const char *const meta[] = {"mask_classes",       "background,front,back",
                                "segmentation_ids",   "first_case\nsecond",
                                "segmentation_ranks", "best,worst",
                                "slices_spacing",     spacing};
    leave_pictures(draft, items, 10, meta, 4);
}

static void leave_all(const struct draft *draft, const struct place *place, size_t seed,
                      const struct trouble *trouble)
{
    (void)seed;
    if (place->section->stage->measures) {
        leave(draft, "metrics.json", "{\"test/dice/front\": 0.5}");
        leave_slices(draft, trouble);
    } else {
        leave(draft, "history.csv", "epoch,step,lr,train/loss\n1,1,0.1,0.5\n2,2,0.1,0.4\n");
    }
}

/* Sizes in pixels of what the three columns show, in the middle of SIDE_H x SIDE_W. */
static const int shown[3][2] = {{16 * PX, 16 * PX}, {24 * PX, 16 * PX}, {24 * PX, 16 * PX}};
static const int voxel[3][2] = {{2 * PX, PX}, {4 * PX, PX}, {4 * PX, 2 * PX}};

/* At a pixel of the slice of a case, counted from its top left. */
static struct colour seen(const struct picture *picture, int k, int plane, int y, int x)
{
    int left = picture->width - (3 - plane) * (SIDE_W + 2) + (SIDE_W - shown[plane][1]) / 2 + x;
    int top = 2 + 18 + k * (SIDE_H + 2) + (SIDE_H - shown[plane][0]) / 2 + y;
    const uint8_t *rgb = picture->rgb + 3 * ((int64_t)top * picture->width + left);
    return (struct colour){rgb[0], rgb[1], rgb[2]};
}

static struct colour grey(int value)
{
    return (struct colour){(uint8_t)value, (uint8_t)value, (uint8_t)value};
}

/* In the middle of a voxel; rows run upwards. */
static struct colour voxel_at(const struct picture *picture, int k, int plane, int row, int column)
{
    int y = shown[plane][0] - row * voxel[plane][0] - voxel[plane][0] / 2;
    return seen(picture, k, plane, y, column * voxel[plane][1] + voxel[plane][1] / 2);
}

static void slices_are_upright_and_in_proportion(void **state)
{
    static const int size[3][2] = {{H, W}, {D, W}, {D, H}};
    struct world *world = *state;
    report_on(world, leave_all, one_cell, &(struct trouble){0});
    struct picture picture = picture_of(world, "segmentation.png");
    for (int plane = 0; plane < 3; plane++)
        for (int row = 0; row < size[plane][0]; row++)
            for (int column = 0; column < size[plane][1]; column++) {
                int value = grey_of(1, row, column);
                assert_colour(voxel_at(&picture, 1, plane, row, column), grey(value), "voxel");
            }
    /* an axial slice is shorter than the others: white above and below */
    assert_colour(seen(&picture, 1, 0, -1, 5), grey(255), "above");
    assert_colour(seen(&picture, 1, 0, 16 * PX, 5), grey(255), "below");
    const char *html = report_text(world, "index.html");
    assert_has(html, "<img src=\"segmentation.png\"");
    assert_has(html, "White outlines are the truth");
}

/* The truth's outline is white and 3 px wide, the prediction's has the class's colour and lies on it,
 * 2 px wide. */
static void outlines_lie_on_the_slices(void **state)
{
    struct world *world = *state;
    const struct colour back = class_colour(2);
    report_on(world, leave_all, one_cell, &(struct trouble){0});
    struct picture picture = picture_of(world, "segmentation.png");
    for (int plane = 0; plane < 3; plane++) {
        int high = voxel[plane][0], wide = voxel[plane][1];
        /* the block: rows 2 to 4 and columns 2 to 5 of the truth, 1 to 3 of the prediction */
        int top = shown[plane][0] - 5 * high, left = 2 * wide, middle = left + 2 * wide;
        int value = grey_of(0, 4, 4);
        assert_colour(seen(&picture, 0, plane, top, middle), grey(255), "truth, first");
        assert_colour(seen(&picture, 0, plane, top + 2, middle), grey(255), "truth, last");
        assert_colour(seen(&picture, 0, plane, top + 3, middle), grey(value), "inside");
        assert_colour(seen(&picture, 0, plane, top + high + 1, middle), back, "prediction");
        value = grey_of(0, 3, 4);
        assert_colour(seen(&picture, 0, plane, top + high + 2, middle), grey(value), "inside both");
        assert_colour(seen(&picture, 0, plane, top + high + 5, left), back, "prediction on truth");
        assert_colour(seen(&picture, 0, plane, top + high + 5, left + 2), grey(255),
                      "truth beside prediction");
        assert_colour(seen(&picture, 0, plane, top + 4 * high - 1, middle), back,
                      "prediction alone");
    }
}

static void bad_slices_are_errors(void **state)
{
    static const struct refusal cases[] = {
        {{.labels = 9 * 3 + 8}, "'slices_sagittal_prediction' is 2 x 5 x 8, not 2 x 6 x 8"},
        {{.labels = 9 * 3 + 1}, "'slices_axial_truth' is 2 x 7 x 16, not 2 x 8 x 16"},
        {{.content = "1,2"}, "'slices_spacing' is '1,2', not three sizes of a voxel"},
        {{.content = "1,0,1"}, "'slices_spacing' is '1,0,1', not three sizes of a voxel"},
        {{.content = "1,nan,1"}, "'slices_spacing' is '1,nan,1', not three sizes of a voxel"},
        {{.content = "1,inf,1"}, "'slices_spacing' is '1,inf,1', not three sizes of a voxel"},
    };
    (void)state;
    assert_refused(leave_all, one_cell, cases, sizeof cases / sizeof *cases);
}

/* ---- of a VAE ------------------------------------------------------------------------------- */
static const char vae_cell[] = "name: t\n"
                               "preprocess: {source: {format: shapes}}\n"
                               "train-vae: {}\n"
                               "evaluate: {}\n";

/* As volumes whose other slices are white, or (labels) as the pictures that are to be seen. */
static void leave_decoded(const struct draft *draft, const struct place *place, size_t seed,
                          const struct trouble *trouble)
{
    static uint8_t data[CASES][D][H][W];
    (void)seed;
    if (!place->section->stage->measures) {
        leave(draft, "history.csv", "epoch,step,lr,train/loss\n1,1,0.1,0.5\n2,2,0.1,0.4\n");
        return;
    }
    bool flat = trouble->labels;
    uint8_t(*slices)[H][W] = data[0];
    memset(data, 255, sizeof data);
    for (int k = 0; k < CASES; k++)
        for (int row = 0; row < H; row++)
            for (int column = 0; column < W; column++)
                slices[flat ? k : k * D + D / 2][flat ? H - 1 - row : row][column] =
                    grey_of(k, row, column);
    struct tensor item = {.name = "originals",
                          .type = TENSOR_U8,
                          .dims = 5,
                          .dim = {CASES, D, H, W, 1},
                          .data = data};
    struct tensor flat_item = {
        .name = "originals", .type = TENSOR_U8, .dims = 4, .dim = {CASES, H, W, 1}, .data = data};
    struct tensor items[2] = {flat ? flat_item : item, flat ? flat_item : item};
    for (int i = 0; i < 2; i++)
        items[i].bytes = flat ? CASES * H * W : sizeof data;
    items[1].name = "reconstructions";
    leave(draft, "metrics.json", "{\"test/mse\": 0.5}");
    leave_pictures(draft, items, 2, NULL, 0);
}

static void decoded_volumes_show_their_middle(void **state)
{
    uint8_t *bytes[2];
    size_t length[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        void *own = NULL;
        struct err err;
        assert_int_equal(world_setup(&own), 0);
        struct world *world = own;
        report_on(world, leave_decoded, vae_cell, &(struct trouble){.labels = i});
        OK(file_read((char **)&bytes[i], &length[i], report_path(world, "reconstructions.png"),
                     1 << 24, &err));
        assert_int_equal(world_teardown(&own), 0);
    }
    assert_int_equal(length[0], length[1]);
    assert_memory_equal(bytes[0], bytes[1], length[0]);
    free(bytes[0]);
    free(bytes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        REPORT_TEST(slices_are_upright_and_in_proportion),
        REPORT_TEST(outlines_lie_on_the_slices),
        cmocka_unit_test(bad_slices_are_errors),
        cmocka_unit_test(decoded_volumes_show_their_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
