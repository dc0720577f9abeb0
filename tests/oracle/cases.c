#include "oracle/cases.h"

/* A row says what it is about and leaves the rest zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/* clang-format off */
#define IN(...)     {.content = ANY, .shape = {__VA_ARGS__}}
#define FIXED(...)  {.content = ANY, .shape = {__VA_ARGS__}, .fixed = true}
#define OF(what, ...)        {.content = what, .shape = {__VA_ARGS__}, .fixed = true}
#define STORED(what, ...)    {.content = what, .shape = {__VA_ARGS__}, .stored = true, .fixed = true}
#define NUMBER(what)         {.content = what, .shape = {1, 1, 1, 1, 1}, .fixed = true}
#define THE_CLOCK            {.content = CLOCK, .shape = {1, 1, 1, 1, CLOCKS}, .fixed = true}
#define THE_RATES            {.content = RATES_AT_STEP_3, .shape = {1, 1, 1, 1, RATES}, .fixed = true}
#define SHAPE(...)           {__VA_ARGS__}
#define WINDOW(...)          .window = {__VA_ARGS__}

/* ---- convolution: size, stride, padding before and after ------------------------------------ */
#define ONE_BY_ONE  WINDOW({1,1,1}, {1,1,1}, {0,0,0}, {0,0,0})
#define SAME_3x3    WINDOW({1,3,3}, {1,1,1}, {0,1,1}, {0,1,1})
#define HALF_3x3    WINDOW({1,3,3}, {1,2,2}, {0,1,1}, {0,1,1})
#define HALF_4x4    WINDOW({1,4,4}, {1,2,2}, {0,1,1}, {0,1,1})
#define HALF_2x2    WINDOW({1,2,2}, {1,2,2}, {0,0,0}, {0,0,0})
#define UNEVEN      WINDOW({1,3,2}, {1,2,3}, {0,2,0}, {0,0,1})
#define SAME_3x3x3  WINDOW({3,3,3}, {1,1,1}, {1,1,1}, {1,1,1})
#define HALF_3x3x3  WINDOW({3,3,3}, {2,2,2}, {1,1,1}, {1,1,1})
#define SKIP_1x1    WINDOW({1,1,1}, {1,2,2}, {0,0,0}, {0,0,0})

static const struct op_case cases_conv[] = {
    {"dense", {IN(5,1,1,1,7), IN(3,1,1,1,7), IN(1,1,1,1,3)}, {ONE_BY_ONE}},
    {"dense, relu", {IN(6,1,1,1,9), IN(17,1,1,1,9), IN(1,1,1,1,17)}, {ONE_BY_ONE, .act = ACT_RELU}},
    {"dense of one number", {IN(1,1,1,1,1), IN(1,1,1,1,1), IN(1,1,1,1,1)}, {ONE_BY_ONE}},
    {"dense without bias, tanh", {IN(2,1,1,1,5), IN(4,1,1,1,5)}, {ONE_BY_ONE, .act = ACT_TANH}},
    {"dense, large", {IN(128,1,1,1,201), IN(130,1,1,1,201), IN(1,1,1,1,130)}, {ONE_BY_ONE, .act = ACT_RELU}},
    {"1x1 head", {IN(2,1,5,3,8), IN(2,1,1,1,8), IN(1,1,1,1,2)}, {ONE_BY_ONE, .act = ACT_SIGMOID}},
    {"1x1 to one channel", {IN(3,1,9,8,16), IN(1,1,1,1,16), IN(1,1,1,1,1)}, {ONE_BY_ONE}},
    {"1x1 with stride", {IN(2,1,5,6,3), IN(4,1,1,1,3)}, {SKIP_1x1}},
    {"3x3", {IN(2,1,5,6,3), IN(4,1,3,3,3), IN(1,1,1,1,4)}, {SAME_3x3}},
    {"3x3, leaky relu", {IN(1,1,4,5,2), IN(3,1,3,3,2), IN(1,1,1,1,3)}, {SAME_3x3, .act = ACT_LEAKY_RELU}},
    {"3x3 strided, one channel", {IN(2,1,7,5,1), IN(4,1,3,3,1), IN(1,1,1,1,4)}, {HALF_3x3, .act = ACT_RELU}},
    {"3x3 strided, large", {IN(9,1,28,28,1), IN(32,1,3,3,1), IN(1,1,1,1,32)}, {HALF_3x3, .act = ACT_RELU}},
    {"4x4 strided", {IN(1,1,8,6,2), IN(3,1,4,4,2), IN(1,1,1,1,3)}, {HALF_4x4}},
    {"4x4 strided, large", {IN(4,1,14,14,32), IN(64,1,4,4,32), IN(1,1,1,1,64)}, {HALF_4x4, .act = ACT_RELU}},
    {"2x2 strided", {IN(1,1,6,4,3), IN(2,1,2,2,3)}, {HALF_2x2}},
    {"3x3 to one channel", {IN(3,1,28,28,16), IN(1,1,3,3,16), IN(1,1,1,1,1)}, {SAME_3x3}},
    {"uneven window, stride and padding", {IN(2,1,6,8,2), IN(3,1,3,2,2), IN(1,1,1,1,3)}, {UNEVEN}},
    {"window larger than the image", {IN(1,1,2,1,2), IN(2,1,3,3,2)}, {SAME_3x3}},
    {"3x3x3", {IN(1,3,4,3,2), IN(2,3,3,3,2), IN(1,1,1,1,2)}, {SAME_3x3x3, .act = ACT_RELU}},
    {"3x3x3 strided", {IN(2,4,3,5,2), IN(3,3,3,3,2), IN(1,1,1,1,3)}, {HALF_3x3x3}},
    {"3x3x3, large", {IN(1,9,10,11,8), IN(16,3,3,3,8), IN(1,1,1,1,16)}, {SAME_3x3x3}},
    {"3x3, elu", {IN(2,1,6,5,3), IN(17,1,3,3,3), IN(1,1,1,1,17)}, {SAME_3x3, .act = ACT_ELU}},
    {"3x3 to one channel, elu", {IN(1,1,7,5,16), IN(1,1,3,3,16), IN(1,1,1,1,1)}, {SAME_3x3, .act = ACT_ELU}},
};
static const struct op_case cases_conv_data[] = {
    {"dense", {IN(5,1,1,1,3), IN(3,1,1,1,7)}, {ONE_BY_ONE, .shape = SHAPE(5,1,1,1,7)}},
    {"dense, large", {IN(128,1,1,1,130), IN(130,1,1,1,201)}, {ONE_BY_ONE, .shape = SHAPE(128,1,1,1,201)}},
    {"dense, bias and relu", {IN(5,1,1,1,3), IN(3,1,1,1,7), IN(1,1,1,1,7)}, {ONE_BY_ONE, .shape = SHAPE(5,1,1,1,7), .act = ACT_RELU}},
    {"3x3", {IN(2,1,5,4,4), IN(4,1,3,3,3)}, {SAME_3x3, .shape = SHAPE(2,1,5,4,3)}},
    {"3x3 strided, odd", {IN(2,1,4,3,4), IN(4,1,3,3,2), IN(1,1,1,1,2)}, {HALF_3x3, .shape = SHAPE(2,1,7,5,2)}},
    {"3x3 strided, even", {IN(1,1,4,3,2), IN(2,1,3,3,3), IN(1,1,1,1,3)}, {HALF_3x3, .shape = SHAPE(1,1,8,6,3), .act = ACT_LEAKY_RELU}},
    {"4x4 strided", {IN(1,1,3,2,3), IN(3,1,4,4,2), IN(1,1,1,1,2)}, {HALF_4x4, .shape = SHAPE(1,1,6,4,2), .act = ACT_SIGMOID}},
    {"4x4 strided, large", {IN(4,1,7,7,64), IN(64,1,4,4,32), IN(1,1,1,1,32)}, {HALF_4x4, .shape = SHAPE(4,1,14,14,32), .act = ACT_RELU}},
    {"4x4 strided to one channel", {IN(4,1,14,14,32), IN(32,1,4,4,1), IN(1,1,1,1,1)}, {HALF_4x4, .shape = SHAPE(4,1,28,28,1)}},
    {"2x2 strided", {IN(2,1,2,3,3), IN(3,1,2,2,2)}, {HALF_2x2, .shape = SHAPE(2,1,4,6,2), .act = ACT_TANH}},
    {"2x2 strided with a rest", {IN(1,1,2,2,2), IN(2,1,2,2,1), IN(1,1,1,1,1)}, {HALF_2x2, .shape = SHAPE(1,1,5,5,1)}},
    {"1x1 with stride", {IN(1,1,3,2,2), IN(2,1,1,1,3)}, {SKIP_1x1, .shape = SHAPE(1,1,5,4,3)}},
    {"uneven window, stride and padding", {IN(2,1,3,3,3), IN(3,1,3,2,2), IN(1,1,1,1,2)}, {UNEVEN, .shape = SHAPE(2,1,6,8,2)}},
    {"3x3x3 strided", {IN(1,2,2,3,2), IN(2,3,3,3,2), IN(1,1,1,1,2)}, {HALF_3x3x3, .shape = SHAPE(1,4,3,5,2), .act = ACT_RELU}},
    {"4x4 strided without bias, elu", {IN(1,1,3,2,3), IN(3,1,4,4,2)}, {HALF_4x4, .shape = SHAPE(1,1,6,4,2), .act = ACT_ELU}},
};
static const struct op_case cases_conv_filter[] = {
    {"dense", {IN(5,1,1,1,7), IN(5,1,1,1,3)}, {ONE_BY_ONE, .shape = SHAPE(3,1,1,1,7)}},
    {"dense, large", {IN(128,1,1,1,201), IN(128,1,1,1,130)}, {ONE_BY_ONE, .shape = SHAPE(130,1,1,1,201)}},
    {"1x1 to three channels", {IN(2,1,9,7,32), IN(2,1,9,7,3)}, {ONE_BY_ONE, .shape = SHAPE(3,1,1,1,32)}},
    {"1x1 with stride", {IN(2,1,5,6,3), IN(2,1,3,3,4)}, {SKIP_1x1, .shape = SHAPE(4,1,1,1,3)}},
    {"3x3", {IN(2,1,5,6,3), IN(2,1,5,6,4)}, {SAME_3x3, .shape = SHAPE(4,1,3,3,3)}},
    {"3x3 strided, one channel", {IN(9,1,28,28,1), IN(9,1,14,14,32)}, {HALF_3x3, .shape = SHAPE(32,1,3,3,1)}},
    {"3x3 to one channel", {IN(3,1,28,28,16), IN(3,1,28,28,1)}, {SAME_3x3, .shape = SHAPE(1,1,3,3,16)}},
    {"4x4 strided", {IN(2,1,8,6,2), IN(2,1,4,3,3)}, {HALF_4x4, .shape = SHAPE(3,1,4,4,2)}},
    {"4x4 strided, large", {IN(4,1,14,14,32), IN(4,1,7,7,64)}, {HALF_4x4, .shape = SHAPE(64,1,4,4,32)}},
    {"2x2 strided", {IN(2,1,6,4,3), IN(2,1,3,2,2)}, {HALF_2x2, .shape = SHAPE(2,1,2,2,3)}},
    {"uneven window, stride and padding", {IN(2,1,6,8,2), IN(2,1,3,3,3)}, {UNEVEN, .shape = SHAPE(3,1,3,2,2)}},
    {"3x3x3 strided", {IN(2,4,3,5,2), IN(2,2,2,3,3)}, {HALF_3x3x3, .shape = SHAPE(3,3,3,3,2)}},
};
static const struct op_case cases_act_bias_grad[] = {
    {"no activation", {IN(3,1,4,5,6), IN(3,1,4,5,6)}, {.act = ACT_NONE}},
    {"relu", {IN(3,1,4,5,6), IN(3,1,4,5,6)}, {.act = ACT_RELU}},
    {"leaky relu", {IN(3,1,4,5,7), IN(3,1,4,5,7)}, {.act = ACT_LEAKY_RELU}},
    {"sigmoid of one channel", {IN(3,2,4,5,1), OF(UNIT,3,2,4,5,1)}, {.act = ACT_SIGMOID}},
    {"tanh", {IN(70,1,1,1,33), OF(UNIT,70,1,1,1,33)}, {.act = ACT_TANH}},
    {"elu", {IN(3,1,4,5,6), OF(UNIT,3,1,4,5,6)}, {.act = ACT_ELU}},
    {"elu below 0", {IN(4,1,3,3,5), IN(4,1,3,3,5)}, {.act = ACT_ELU}},
    {"without the bias's", {IN(3,1,4,5,6), IN(3,1,4,5,6)}, {.act = ACT_RELU}, .unread = 2},
    {"the bias's alone", {IN(3,1,4,5,6), IN(3,1,4,5,6)}, {.act = ACT_RELU}, .unread = 1},
    {"large", {IN(8,1,29,31,16), IN(8,1,29,31,16)}, {.act = ACT_RELU}},
    {"wide", {IN(130,1,1,1,513), IN(130,1,1,1,513)}, {.act = ACT_RELU}},
};

/* ---- normalisation -------------------------------------------------------------------------- */
#define AFFINE(c)   IN(1,1,1,1,c), IN(1,1,1,1,c)
#define GIVEN(c)    OF(ANY,1,1,1,1,c), OF(POSITIVE,1,1,1,1,c)

static const struct op_case cases_norm[] = {
    {"batch", {IN(3,1,4,5,3), AFFINE(3)}, {.eps = 1e-5f}},
    {"batch, relu", {IN(2,1,3,3,4), AFFINE(4)}, {.eps = 1e-5f, .act = ACT_RELU}},
    {"batch of vectors, silu", {IN(7,1,1,1,5), AFFINE(5)}, {.eps = 1e-3f, .act = ACT_SILU}},
    {"batch, one channel, tanh", {IN(2,1,3,5,1), AFFINE(1)}, {.eps = 1e-5f, .act = ACT_TANH}},
    {"batch, large", {IN(9,1,14,14,32), AFFINE(32)}, {.eps = 1e-5f, .act = ACT_LEAKY_RELU}},
    {"batch 3d, gelu", {IN(2,2,3,2,3), AFFINE(3)}, {.eps = 1e-5f, .act = ACT_GELU}},
    {"two groups", {IN(2,1,3,4,6), AFFINE(6)}, {.groups = 2, .eps = 1e-5f}},
    {"one group, sigmoid", {IN(2,1,3,3,4), AFFINE(4)}, {.groups = 1, .eps = 1e-5f, .act = ACT_SIGMOID}},
    {"groups, large", {IN(3,1,21,17,24), AFFINE(24)}, {.groups = 8, .eps = 1e-5f, .act = ACT_SILU}},
    {"instance, leaky relu", {IN(2,1,4,3,3), AFFINE(3)}, {.groups = 3, .eps = 1e-5f, .act = ACT_LEAKY_RELU}},
    {"instance 3d", {IN(2,2,3,2,2), AFFINE(2)}, {.groups = 2, .eps = 1e-5f}},
    {"given statistics", {IN(2,1,3,4,3), AFFINE(3), GIVEN(3)}, {.act = ACT_RELU}, .unread = 6},
    {"given statistics, large", {IN(9,1,14,14,32), AFFINE(32), GIVEN(32)}, {.act = ACT_SILU}, .unread = 6},
#define ACT(id, op, p, cost, library) {"four groups, " #op, {IN(2,1,4,3,8), AFFINE(8)}, {.groups = 4, .eps = 1e-5f, .act = ACT_##id}},
#include "engine/activation.def"
};
#define NORM_GRAD(n,d,h,w,c) IN(n,d,h,w,c), IN(n,d,h,w,c), AFFINE(c)
static const struct op_case cases_norm_grad[] = {
    {"batch", {NORM_GRAD(3,1,4,5,3), GIVEN(3)}, {.act = ACT_NONE}},
    {"batch, relu", {NORM_GRAD(2,1,3,3,4), GIVEN(4)}, {.act = ACT_RELU}},
    {"batch, silu", {NORM_GRAD(7,1,1,1,5), GIVEN(5)}, {.act = ACT_SILU}},
    {"batch, large", {NORM_GRAD(9,1,14,14,32), GIVEN(32)}, {.act = ACT_LEAKY_RELU}},
    {"batch, gelu", {NORM_GRAD(2,2,3,2,3), GIVEN(3)}, {.act = ACT_GELU}},
    {"batch, tanh, parameters alone", {NORM_GRAD(2,1,3,2,3), GIVEN(3)}, {.act = ACT_TANH}, .unread = 1},
    {"batch, input alone", {NORM_GRAD(2,1,3,2,3), GIVEN(3)}, {.act = ACT_RELU}, .unread = 6},
    {"fixed, relu", {NORM_GRAD(2,1,3,4,3), GIVEN(3)}, {.act = ACT_RELU, .fixed = true}},
    {"fixed, parameters alone", {NORM_GRAD(2,1,3,4,3), GIVEN(3)}, {.fixed = true}, .unread = 1},
    {"fixed, input alone", {NORM_GRAD(2,1,3,4,3), GIVEN(3)}, {.act = ACT_SIGMOID, .fixed = true}, .unread = 6},
    {"two groups", {NORM_GRAD(2,1,3,4,6), OF(ANY,2,1,1,1,2), OF(POSITIVE,2,1,1,1,2)}, {.groups = 2}},
    {"groups, large", {NORM_GRAD(3,1,21,17,24), OF(ANY,3,1,1,1,8), OF(POSITIVE,3,1,1,1,8)}, {.groups = 8, .act = ACT_SILU}},
    {"instance", {NORM_GRAD(2,2,3,2,3), OF(ANY,2,1,1,1,3), OF(POSITIVE,2,1,1,1,3)}, {.groups = 3, .act = ACT_RELU}},
#define ACT(id, op, p, cost, library) {"batch and " #op, {NORM_GRAD(3,1,4,3,7), GIVEN(7)}, {.act = ACT_##id}},
#include "engine/activation.def"
};

/* ---- pooling and upsampling ----------------------------------------------------------------- */
#define OVERLAP     WINDOW({1,3,3}, {1,2,2}, {0,1,1}, {0,1,1})
#define HALF_2x2x2  WINDOW({2,2,2}, {2,2,2}, {0,0,0}, {0,0,0})
#define OVERLAP_3D  WINDOW({3,2,3}, {2,1,2}, {1,0,1}, {0,1,1})

static const struct op_case cases_max_pool[] = {
    {"2x2", {IN(2,1,4,6,3)}, {HALF_2x2}},
    {"2x2 with a rest", {IN(1,1,5,7,2)}, {HALF_2x2}},
    {"3x3 overlapping, padded", {IN(2,1,5,6,3)}, {OVERLAP}},
    {"3x3 overlapping, padded, many channels", {IN(1,1,5,4,35)}, {OVERLAP}},
    {"2x2x2", {IN(1,4,2,6,2)}, {HALF_2x2x2}},
    {"3d overlapping, uneven", {IN(2,3,4,5,2)}, {OVERLAP_3D}},
    {"without winner, large", {IN(8,1,32,32,17)}, {HALF_2x2}, .unread = 2},
};
static const struct op_case cases_max_pool_grad[] = {
    {"2x2", {IN(2,1,2,3,3), OF(WINNER,2,1,2,3,3)}, {HALF_2x2, .shape = SHAPE(2,1,4,6,3)}},
    {"2x2 with a rest", {IN(1,1,2,3,2), OF(WINNER,1,1,2,3,2)}, {HALF_2x2, .shape = SHAPE(1,1,5,7,2)}},
    {"3x3 overlapping, padded", {IN(2,1,3,3,3), OF(WINNER,2,1,3,3,3)}, {OVERLAP, .shape = SHAPE(2,1,5,6,3)}},
    {"2x2x2", {IN(1,2,1,3,2), OF(WINNER,1,2,1,3,2)}, {HALF_2x2x2, .shape = SHAPE(1,4,2,6,2)}},
    {"large", {IN(8,1,16,16,17), OF(WINNER,8,1,16,16,17)}, {HALF_2x2, .shape = SHAPE(8,1,32,32,17)}},
    {"2x2 added to another", {IN(2,1,3,2,5), OF(WINNER,2,1,3,2,5), IN(2,1,6,4,5)}, {HALF_2x2, .shape = SHAPE(2,1,6,4,5)}},
    {"2x2x2 added to the last channels", {IN(2,1,2,3,35), OF(WINNER,2,1,2,3,35), IN(2,2,4,6,38)}, {HALF_2x2x2, .shape = SHAPE(2,2,4,6,35), .begin = 3}},
    {"2x2 with a rest, added to the middle", {IN(2,1,2,3,2), OF(WINNER,2,1,2,3,2), IN(2,1,5,7,4)}, {HALF_2x2, .shape = SHAPE(2,1,5,7,2), .begin = 1}},
    {"3x3 overlapping, added to many channels", {IN(2,1,3,3,70), OF(WINNER,2,1,3,3,70), IN(2,1,5,6,72)}, {OVERLAP, .shape = SHAPE(2,1,5,6,70), .begin = 2}},
    {"large, added to the first channels", {IN(8,1,16,16,16), OF(WINNER,8,1,16,16,16), IN(8,1,32,32,32)}, {HALF_2x2, .shape = SHAPE(8,1,32,32,16)}},
};
static const struct op_case cases_avg_pool[] = {
    {"2x2", {IN(2,1,4,6,3)}, {HALF_2x2}},
    {"3x3 overlapping, padded", {IN(2,1,5,6,3)}, {OVERLAP}},
    {"whole image", {IN(2,1,3,4,5)}, {WINDOW({1,3,4}, {1,1,1}, {0,0,0}, {0,0,0})}},
    {"3d overlapping, uneven", {IN(1,3,4,5,2)}, {OVERLAP_3D}},
    {"large", {IN(8,1,32,32,17)}, {HALF_2x2}},
};
static const struct op_case cases_avg_pool_grad[] = {
    {"2x2", {IN(2,1,2,3,3)}, {HALF_2x2, .shape = SHAPE(2,1,4,6,3)}},
    {"3x3 overlapping, padded", {IN(2,1,3,3,3)}, {OVERLAP, .shape = SHAPE(2,1,5,6,3)}},
    {"3d overlapping, uneven", {IN(1,1,4,3,2)}, {OVERLAP_3D, .shape = SHAPE(1,3,4,5,2)}},
    {"large", {IN(8,1,16,16,17)}, {HALF_2x2, .shape = SHAPE(8,1,32,32,17)}},
};
#define FACTOR(...) .window = {.size = {__VA_ARGS__}}
static const struct op_case cases_upsample[] = {
    {"nearest by 2", {IN(2,1,3,4,3)}, {FACTOR(1,2,2), .mode = MODE_NEAREST}},
    {"nearest, uneven, 3d", {IN(1,2,3,1,2)}, {FACTOR(2,1,3), .mode = MODE_NEAREST}},
    {"linear by 2", {IN(2,1,3,4,3)}, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
    {"linear by 3 and 4", {IN(1,1,2,3,2)}, {FACTOR(1,3,4), .mode = MODE_LINEAR}},
    {"linear, 3d", {IN(1,2,3,2,2)}, {FACTOR(2,2,2), .mode = MODE_LINEAR}},
    {"linear, single pixel", {IN(2,1,1,1,3)}, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
    {"linear, large", {IN(4,1,16,17,19)}, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
};
static const struct op_case cases_upsample_grad[] = {
    {"nearest by 2", {IN(2,1,6,8,3)}, {FACTOR(1,2,2), .mode = MODE_NEAREST}},
    {"nearest, uneven, 3d", {IN(1,4,3,3,2)}, {FACTOR(2,1,3), .mode = MODE_NEAREST}},
    {"linear by 2", {IN(2,1,6,8,3)}, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
    {"linear by 3 and 4", {IN(1,1,6,12,2)}, {FACTOR(1,3,4), .mode = MODE_LINEAR}},
    {"linear, 3d", {IN(1,4,6,4,2)}, {FACTOR(2,2,2), .mode = MODE_LINEAR}},
    {"linear, large", {IN(4,1,32,34,19)}, {FACTOR(1,2,2), .mode = MODE_LINEAR}},
};

/* ---- smoothing: the window's length is attr.begin, sigma p ---------------------------------- */
#define SMOOTH(of, length, sigma) {.axis = AXIS_##of, .begin = length, .p = sigma}
static const struct op_case cases_gaussian[] = {
    {"width", {IN(2,1,3,7,3)}, SMOOTH(W, 5, 1.5f)},
    {"height, a window that just fits", {IN(2,1,7,4,2)}, SMOOTH(H, 7, 1.5f)},
    {"depth", {IN(1,5,3,4,2)}, SMOOTH(D, 3, 0.75f)},
    {"a window of one", {IN(2,1,3,4,1)}, SMOOTH(W, 1, 1.5f)},
    {"width, large", {IN(5,1,23,67,3)}, SMOOTH(W, 11, 1.5f)},
    {"height, rows of several blocks", {IN(3,1,97,131,3)}, SMOOTH(H, 11, 1.5f)},
    {"depth, large", {IN(2,13,29,31,1)}, SMOOTH(D, 11, 1.5f)},
};
static const struct op_case cases_gaussian_adjoint[] = {
    {"width", {IN(2,1,3,3,3)}, SMOOTH(W, 5, 1.5f)},
    {"height, from one row", {IN(2,1,1,4,2)}, SMOOTH(H, 7, 1.5f)},
    {"depth", {IN(1,3,3,4,2)}, SMOOTH(D, 3, 0.75f)},
    {"a window of one", {IN(2,1,3,4,1)}, SMOOTH(W, 1, 1.5f)},
    {"width, large", {IN(5,1,23,57,3)}, SMOOTH(W, 11, 1.5f)},
    {"height, rows of several blocks", {IN(3,1,87,131,3)}, SMOOTH(H, 11, 1.5f)},
    {"depth, large", {IN(2,3,29,31,1)}, SMOOTH(D, 11, 1.5f)},
};

/* ---- shapes --------------------------------------------------------------------------------- */
static const struct op_case cases_concat[] = {
    {"channels", {IN(2,1,3,4,3), IN(2,1,3,4,5)}, {.axis = AXIS_C}},
    {"cases", {IN(2,1,3,2,3), IN(1,1,3,2,3)}, {.axis = AXIS_N}},
    {"width", {IN(2,1,3,4,2), IN(2,1,3,1,2)}, {.axis = AXIS_W}},
    {"height", {IN(2,2,3,2,2), IN(2,2,1,2,2)}, {.axis = AXIS_H}},
    {"depth", {IN(2,2,1,2,2), IN(2,1,1,2,2)}, {.axis = AXIS_D}},
    {"channels, large", {IN(8,1,16,16,24), IN(8,1,16,16,8)}, {.axis = AXIS_C}},
    {"many channels", {IN(1,1,2,3,300), IN(1,1,2,3,37)}, {.axis = AXIS_C}},
    {"long rows", {IN(2,1,30,40,3), IN(2,1,23,40,3)}, {.axis = AXIS_H}},
};
static const struct op_case cases_slice[] = {
    {"channels", {IN(2,1,3,4,7)}, {.axis = AXIS_C, .begin = 2, .shape = SHAPE(2,1,3,4,3)}},
    {"cases", {IN(5,1,3,2,3)}, {.axis = AXIS_N, .begin = 4, .shape = SHAPE(1,1,3,2,3)}},
    {"height", {IN(2,2,4,2,3)}, {.axis = AXIS_H, .begin = 1, .shape = SHAPE(2,2,2,2,3)}},
    {"one channel", {IN(2,1,3,4,3)}, {.axis = AXIS_C, .begin = 1, .shape = SHAPE(2,1,3,4,1)}},
    {"one channel, large", {IN(4,1,67,65,2)}, {.axis = AXIS_C, .begin = 1, .shape = SHAPE(4,1,67,65,1)}},
    {"long rows", {IN(2,1,60,40,3)}, {.axis = AXIS_H, .begin = 7, .shape = SHAPE(2,1,50,40,3)}},
    {"all", {IN(2,1,1,1,3)}, {.axis = AXIS_C, .begin = 0, .shape = SHAPE(2,1,1,1,3)}},
    {"channels, large", {IN(8,1,16,16,40)}, {.axis = AXIS_C, .begin = 20, .shape = SHAPE(8,1,16,16,20)}},
};
static const struct op_case cases_unslice[] = {
    {"channels", {IN(2,1,3,4,3)}, {.axis = AXIS_C, .begin = 2, .shape = SHAPE(2,1,3,4,7)}},
    {"cases", {IN(1,1,3,2,3)}, {.axis = AXIS_N, .begin = 4, .shape = SHAPE(5,1,3,2,3)}},
    {"width", {IN(2,2,2,1,3)}, {.axis = AXIS_W, .begin = 0, .shape = SHAPE(2,2,2,3,3)}},
    {"channels, large", {IN(8,1,16,16,20)}, {.axis = AXIS_C, .begin = 20, .shape = SHAPE(8,1,16,16,40)}},
};
static const struct op_case cases_reshape[] = {
    {"flattened", {IN(2,1,3,4,5)}, {.shape = SHAPE(2,1,1,1,60)}},
    {"unflattened", {IN(2,1,1,1,12)}, {.shape = SHAPE(2,1,2,3,2)}},
};
static const struct op_case cases_reduce_sum[] = {
    {"to one number", {IN(3,1,4,5,3)}, {.shape = SHAPE(1,1,1,1,1)}},
    {"to channels", {IN(3,1,4,5,3)}, {.shape = SHAPE(1,1,1,1,3)}},
    {"to cases", {IN(3,2,4,5,3)}, {.shape = SHAPE(3,1,1,1,1)}},
    {"over channels", {IN(3,1,4,5,7)}, {.shape = SHAPE(3,1,4,5,1)}},
    {"over space", {IN(3,2,4,5,3)}, {.shape = SHAPE(3,1,1,1,3)}},
    {"over cases and width", {IN(3,2,4,5,3)}, {.shape = SHAPE(1,2,4,1,3)}},
    {"over two channels", {IN(3,2,4,5,2)}, {.shape = SHAPE(3,2,4,5,1)}},
    {"over three channels", {IN(3,2,4,5,3)}, {.shape = SHAPE(3,2,4,5,1)}},
    {"over four channels, large", {IN(5,1,33,31,4)}, {.shape = SHAPE(5,1,33,31,1)}},
    {"over nothing", {IN(2,1,3,2,3)}, {.shape = SHAPE(2,1,3,2,3)}},
    {"to one number, large", {IN(9,1,33,31,17)}, {.shape = SHAPE(1,1,1,1,1)}},
    {"to channels, large", {IN(9,1,33,31,17)}, {.shape = SHAPE(1,1,1,1,17)}},
    {"to cases, large", {IN(9,1,33,31,17)}, {.shape = SHAPE(9,1,1,1,1)}},
};
static const struct op_case cases_cast[] = {
    {"to f32", {IN(2,1,3,5,7)}, {.dtype = F32}},
    /* rounding has no derivative that differences would show */
    {"to bf16", {OF(ANY,2,1,3,5,7)}, {.dtype = BF16}},
    {"to bf16, many", {OF(ANY,3,1,40,50,9)}, {.dtype = BF16}},
    {"not a number", {OF(NOT_A_NUMBER,1,1,1,2,3)}, {.dtype = BF16}},
    {"infinite", {OF(INFINITE,1,1,1,2,3)}, {.dtype = BF16}},
};
static const struct op_case cases_broadcast[] = {
    {"one number", {IN(1,1,1,1,1)}, {.shape = SHAPE(3,1,2,5,3)}},
    {"channels", {IN(1,1,1,1,3)}, {.shape = SHAPE(3,1,4,5,3)}},
    {"cases", {IN(3,1,1,1,1)}, {.shape = SHAPE(3,2,4,5,3)}},
    {"over channels", {IN(3,1,4,5,1)}, {.shape = SHAPE(3,1,4,5,7)}},
    {"over cases and width", {IN(1,2,4,1,3)}, {.shape = SHAPE(3,2,4,5,3)}},
    {"large", {IN(9,1,1,1,17)}, {.shape = SHAPE(9,1,33,31,17)}},
};
static const struct op_case cases_sum_squares[] = {
    {"small", {IN(2,1,3,2,3)}, {.p = 0}},
    {"one number", {IN(1,1,1,1,1)}, {.p = 0}},
    {"large", {IN(1,1,1,1,100003)}, {.p = 0}},
};

/* ---- classes -------------------------------------------------------------------------------- */
static const struct op_case cases_softmax[] = {
    {"vectors", {IN(4,1,1,1,10)}, {.p = 0}},
    {"pixels", {IN(2,1,3,4,3)}, {.p = 0}},
    {"one class", {IN(3,1,1,1,1)}, {.p = 0}},
    {"large", {IN(4,1,33,31,11)}, {.p = 0}},
};
static const struct op_case cases_softmax_grad[] = {
    {"vectors", {IN(4,1,1,1,10), OF(UNIT,4,1,1,1,10)}, {.p = 0}},
    {"pixels", {IN(2,1,3,4,3), OF(UNIT,2,1,3,4,3)}, {.p = 0}},
    {"large", {IN(4,1,33,31,11), OF(UNIT,4,1,33,31,11)}, {.p = 0}},
};
#define LABELS(...) OF(LABEL,__VA_ARGS__)
static const struct op_case cases_cross_entropy[] = {
    {"vectors", {IN(5,1,1,1,10), LABELS(5,1,1,1,1)}, {.ignore = -1}, .classes = 10},
    {"pixels, weighted, one class ignored", {IN(2,1,3,4,3), LABELS(2,1,3,4,1), OF(POSITIVE,1,1,1,1,3)}, {.ignore = 1}, .classes = 3},
    {"smoothed, void label", {IN(2,1,3,4,5), LABELS(2,1,3,4,1)}, {.ignore = 255, .p = 0.1f}, .classes = 5},
    {"smoothed, weighted, 3d", {IN(2,2,1,3,4), LABELS(2,2,1,3,1), OF(POSITIVE,1,1,1,1,4)}, {.ignore = -1, .p = 0.2f}, .classes = 4},
    {"a label out of range", {IN(5,1,1,1,10), OF(BAD_LABEL,5,1,1,1,1)}, {.ignore = -1}, .classes = 10},
    {"large", {IN(4,1,33,31,21), LABELS(4,1,33,31,1), OF(POSITIVE,1,1,1,1,21)}, {.ignore = 255}, .classes = 21},
};
static const struct op_case cases_cross_entropy_grad[] = {
    {"vectors", {IN(5,1,1,1,1), IN(5,1,1,1,10), LABELS(5,1,1,1,1)}, {.ignore = -1}, .classes = 10},
    {"pixels, weighted, one class ignored", {IN(2,1,3,4,1), IN(2,1,3,4,3), LABELS(2,1,3,4,1), OF(POSITIVE,1,1,1,1,3)}, {.ignore = 1}, .classes = 3},
    {"smoothed, void label", {IN(2,1,3,4,1), IN(2,1,3,4,5), LABELS(2,1,3,4,1)}, {.ignore = 255, .p = 0.1f}, .classes = 5},
    {"smoothed, weighted, 3d", {IN(2,2,1,3,1), IN(2,2,1,3,4), LABELS(2,2,1,3,1), OF(POSITIVE,1,1,1,1,4)}, {.ignore = -1, .p = 0.2f}, .classes = 4},
    {"a label out of range", {IN(5,1,1,1,1), IN(5,1,1,1,10), OF(BAD_LABEL,5,1,1,1,1)}, {.ignore = -1}, .classes = 10},
    {"large", {IN(4,1,33,31,1), IN(4,1,33,31,21), LABELS(4,1,33,31,1), OF(POSITIVE,1,1,1,1,21)}, {.ignore = 255}, .classes = 21},
};
static const struct op_case cases_embedding[] = {
    {"ten classes", {IN(10,1,1,1,4), LABELS(6,1,1,1,1)}, {.p = 0}, .classes = 10},
    {"two classes of many cases", {IN(2,1,1,1,32), LABELS(128,1,1,1,1)}, {.p = 0}, .classes = 2},
    {"a label out of range", {IN(3,1,1,1,4), OF(BAD_LABEL,6,1,1,1,1)}, {.p = 0}, .classes = 3},
};
static const struct op_case cases_embedding_grad[] = {
    {"ten classes", {IN(6,1,1,1,4), LABELS(6,1,1,1,1)}, {.shape = SHAPE(10,1,1,1,4)}, .classes = 10},
    {"two classes of many cases", {IN(128,1,1,1,32), LABELS(128,1,1,1,1)}, {.shape = SHAPE(2,1,1,1,32)}, .classes = 2},
    {"a label out of range", {IN(6,1,1,1,4), OF(BAD_LABEL,6,1,1,1,1)}, {.shape = SHAPE(3,1,1,1,4)}, .classes = 3},
};
static const struct op_case cases_one_hot[] = {
    {"all classes", {LABELS(2,1,3,4,1)}, {.shape = SHAPE(2,1,3,4,5), .ignore = 255}, .classes = 5},
    {"the foreground alone", {LABELS(2,2,3,5,1)}, {.shape = SHAPE(2,2,3,5,1), .begin = 1, .ignore = 255}, .classes = 2},
    {"one class ignored", {LABELS(3,1,5,4,1)}, {.shape = SHAPE(3,1,5,4,3), .ignore = 1}, .classes = 3},
    {"a label out of range", {OF(BAD_LABEL,5,1,1,1,1)}, {.shape = SHAPE(5,1,1,1,2), .begin = 1, .ignore = 255}, .classes = 3},
    {"two classes, large", {LABELS(3,1,67,65,1)}, {.shape = SHAPE(3,1,67,65,2), .ignore = 255}, .classes = 2},
    {"the last of many", {LABELS(3,1,7,6,1)}, {.shape = SHAPE(3,1,7,6,4), .begin = 3, .ignore = 2}, .classes = 7},
    {"four, and a label out of range", {OF(BAD_LABEL,5,1,1,1,1)}, {.shape = SHAPE(5,1,1,1,4), .ignore = 255}, .classes = 4},
    {"all but the first, large", {LABELS(4,1,67,65,1)}, {.shape = SHAPE(4,1,67,65,3), .begin = 1, .ignore = -1}, .classes = 4},
};

/* ---- drawn and constant --------------------------------------------------------------------- */
static const struct op_case cases_normal[] = {
    {"odd", {THE_CLOCK}, {.shape = SHAPE(3,1,1,5,7)}},
    {"cases that begin within a block", {THE_CLOCK}, {.shape = SHAPE(5,1,1,1,3)}},
    {"one number", {THE_CLOCK}, {.shape = SHAPE(1,1,1,1,1)}},
    {"large", {THE_CLOCK}, {.shape = SHAPE(131,1,1,1,200)}},
};
static const struct op_case cases_dropout[] = {
    {"elements", {IN(3,1,4,5,3), THE_CLOCK}, {.p = 0.3f}},
    {"channels", {IN(3,1,4,5,7), THE_CLOCK}, {.p = 0.5f, .per_channel = true}},
    {"nothing", {IN(3,1,1,1,7), THE_CLOCK}, {.p = 0}},
    {"large", {IN(33,1,1,1,1001), THE_CLOCK}, {.p = 0.1f}},
    {"channels, large", {IN(8,1,32,32,9), THE_CLOCK}, {.p = 0.25f, .per_channel = true}},
};
static const struct op_case cases_fill[] = {
    {"small", {{.content = ABSENT}}, {.shape = SHAPE(2,1,3,1,2), .p = 0.5f}},
    {"zero, large", {{.content = ABSENT}}, {.shape = SHAPE(4,1,33,31,11), .p = 0}},
};

/* ---- the optimiser -------------------------------------------------------------------------- */
#define LENGTH 1,1,1,1,37
#define MANY   1,1,1,1,50001
#define ADAM(...) STORED(ANY,__VA_ARGS__), FIXED(__VA_ARGS__), STORED(ANY,__VA_ARGS__), STORED(POSITIVE,__VA_ARGS__), THE_RATES
#define NOTHING {.content = ABSENT}
static const struct op_case cases_adam[] = {
    {"adam", {ADAM(LENGTH)}, {.decoupled = false}},
    {"adamw, clipped, guarded", {ADAM(LENGTH), NUMBER(POSITIVE), NUMBER(ANY)}, {.decoupled = true}},
    {"loss not a number", {ADAM(LENGTH), NUMBER(POSITIVE), NUMBER(NOT_A_NUMBER)}, {.decoupled = true}},
    {"scale infinite", {ADAM(LENGTH), NUMBER(INFINITE)}, {.decoupled = true}},
    {"scale not a number, loss fine", {ADAM(LENGTH), NUMBER(NOT_A_NUMBER), NUMBER(ANY)}, {.decoupled = false}},
    {"adam, large", {ADAM(MANY), NOTHING, NUMBER(ANY)}, {.decoupled = false}},
};
#define SGD(...) STORED(ANY,__VA_ARGS__), FIXED(__VA_ARGS__), STORED(ANY,__VA_ARGS__), THE_RATES
static const struct op_case cases_sgd[] = {
    {"momentum", {SGD(LENGTH)}, {.mode = 0}},
    {"nesterov, clipped, guarded", {SGD(LENGTH), NUMBER(POSITIVE), NUMBER(ANY)}, {.mode = 1}},
    {"plain", {STORED(ANY,LENGTH), FIXED(LENGTH), NOTHING, THE_RATES}, {.mode = 0}},
    {"loss infinite", {SGD(LENGTH), NOTHING, NUMBER(INFINITE)}, {.mode = 0}},
    {"large", {SGD(MANY), NUMBER(POSITIVE)}, {.mode = 1}},
};
static const struct op_case cases_blend[] = {
    {"average", {STORED(ANY,LENGTH), FIXED(LENGTH)}, {.p = 0.9f, .q = 0.1f}},
    {"guarded", {STORED(ANY,2,1,3,2,3), FIXED(2,1,3,2,3), NUMBER(ANY)}, {.p = 1, .q = 1}},
    {"copy over what is not a number", {STORED(NOT_A_NUMBER,LENGTH), FIXED(LENGTH)}, {.p = 0, .q = 1}},
    {"loss not a number", {STORED(ANY,LENGTH), FIXED(LENGTH), NUMBER(NOT_A_NUMBER)}, {.p = 0, .q = 1}},
    {"large", {STORED(ANY,MANY), FIXED(MANY)}, {.p = 0.999f, .q = 0.001f}},
    {"kept as a number says", {STORED(ANY,LENGTH), FIXED(LENGTH), NUMBER(ANY), NUMBER(POSITIVE)}, {.p = 7, .q = 7}},
    {"guarded all the same", {STORED(ANY,LENGTH), FIXED(LENGTH), NUMBER(NOT_A_NUMBER), NUMBER(POSITIVE)}, {.p = 0, .q = 1}},
};

/* ---- pointwise: what the formulas are defined on, then the same shapes for all -------------- */
enum {
    DOMAIN_affine = ANY, DOMAIN_relu = ANY, DOMAIN_leaky_relu = ANY, DOMAIN_elu = ANY,
    DOMAIN_silu = ANY, DOMAIN_gelu = ANY, DOMAIN_sigmoid = ANY, DOMAIN_tanh = ANY,
    DOMAIN_softplus = ANY, DOMAIN_exp_ = ANY, DOMAIN_log_ = POSITIVE, DOMAIN_square = ANY,
    DOMAIN_sqrt_ = POSITIVE, DOMAIN_abs_ = ANY, DOMAIN_reciprocal = POSITIVE, DOMAIN_clamp = ANY, DOMAIN_step = ANY,
    DOMAIN_add = ANY, DOMAIN_sub = ANY, DOMAIN_mul = ANY, DOMAIN_div_ = POSITIVE,
    DOMAIN_max_ = ANY, DOMAIN_min_ = ANY,
    DOMAIN_bce = UNIT, DOMAIN_mse = ANY, DOMAIN_l1 = ANY,
};
#define IS(what, ...)  {.content = (enum content)(what), .shape = {__VA_ARGS__}}
#define OVER(what, ...) {.content = (enum content)(what), .shape = {__VA_ARGS__}, .fixed = true}
#define PQ .p = 0.25f, .q = 1.5f
#define UNARY(name, y, uses, dx)                                                                  \
    static const struct op_case cases_##name[] = {                                                \
        {"odd", {IS(DOMAIN_##name,3,1,5,7,3)}, {PQ}},                                             \
        {"one number", {IS(DOMAIN_##name,1,1,1,1,1)}, {PQ}},                                      \
        {"large", {IS(DOMAIN_##name,5,1,41,43,3)}, {PQ}},                                         \
    };                                                                                            \
    static const struct op_case cases_##name##_grad[] = {                                         \
        {"odd", {IN(3,1,5,7,3), IS(DOMAIN_##name,3,1,5,7,3), IS(POSITIVE,3,1,5,7,3)}, {PQ}},      \
        {"signs", {IN(2,1,1,1,9), IS(DOMAIN_##name,2,1,1,1,9),                                    \
                   IS(DOMAIN_##name,2,1,1,1,9)}, {PQ}},                                           \
        {"large", {IN(5,1,41,43,3), IS(DOMAIN_##name,5,1,41,43,3), IS(POSITIVE,5,1,41,43,3)}, {PQ}}, \
    };
#define BINARY(name, z)                                                                           \
    static const struct op_case cases_##name[] = {                                                \
        {"same shape", {IN(3,1,4,5,3), IS(DOMAIN_##name,3,1,4,5,3)}, {PQ}},                       \
        {"right one number", {IN(3,1,2,5,3), IS(DOMAIN_##name,1,1,1,1,1)}, {PQ}},                 \
        {"left one number", {IN(1,1,1,1,1), IS(DOMAIN_##name,3,1,2,5,3)}, {PQ}},                  \
        {"right per channel", {IN(3,1,4,2,5), IS(DOMAIN_##name,1,1,1,1,5)}, {PQ}},                \
        {"right per case", {IN(3,2,1,4,5), IS(DOMAIN_##name,3,1,1,1,1)}, {PQ}},                   \
        {"left per case and channel", {IN(3,1,1,1,5), IS(DOMAIN_##name,3,1,2,3,5)}, {PQ}},        \
        {"right over channels", {IN(2,1,3,4,5), IS(DOMAIN_##name,2,1,3,4,1)}, {PQ}},              \
        {"both repeat", {IN(2,1,3,1,4), IS(DOMAIN_##name,1,2,1,3,4)}, {PQ}},                      \
        {"same shape, large", {IN(5,1,41,43,3), IS(DOMAIN_##name,5,1,41,43,3)}, {PQ}},            \
        {"per case, large", {IN(5,1,41,43,3), IS(DOMAIN_##name,5,1,1,1,1)}, {PQ}},                \
        {"per channel, large", {IN(5,1,41,13,24), IS(DOMAIN_##name,1,1,1,1,24)}, {PQ}},           \
    };
#define LOSS(name, value, slope)                                                                  \
    static const struct op_case cases_##name[] = {                                                \
        {"images", {IN(3,1,4,5,3), OVER(DOMAIN_##name,3,1,4,5,3)}, {PQ}},                         \
        {"vectors", {IN(4,1,1,1,19), OVER(DOMAIN_##name,4,1,1,1,19)}, {PQ}},                      \
        {"value alone", {IN(3,2,2,1,3), OVER(DOMAIN_##name,3,2,2,1,3)}, {PQ}, .unread = 2},       \
        {"slope alone", {IN(3,2,2,1,3), OVER(DOMAIN_##name,3,2,2,1,3)}, {PQ}, .unread = 1},       \
        {"large", {IN(128,1,28,28,1), OVER(DOMAIN_##name,128,1,28,28,1)}, {PQ}},                  \
        {"few large cases", {IN(3,2,67,51,5), OVER(DOMAIN_##name,3,2,67,51,5)}, {PQ}},            \
    };
#include "engine/pointwise.def"
#include "engine/losses.def"
#undef UNARY
#undef BINARY
#undef LOSS
/* clang-format on */

static const struct {
    const struct op_case *item;
    int count;
} table[OPS] = {
#define OP(name, nin, nout, flags, help)                                                           \
    [OP_##name] = {cases_##name, (int)(sizeof cases_##name / sizeof *cases_##name)},
#include "engine/ops.def"
};

const struct op_case *op_cases(enum op op, int *count)
{
    *count = table[op].count;
    return table[op].item;
}
