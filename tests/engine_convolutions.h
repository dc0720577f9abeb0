/* Convolutions beside those of the oracle's cases, which are small enough for central differences. */
#ifndef CAIRN_TESTS_ENGINE_CONVOLUTIONS_H
#define CAIRN_TESTS_ENGINE_CONVOLUTIONS_H

#include "oracle/cases.h"

#define SIDE(...)                                                                                  \
    {                                                                                              \
        .content = ANY, .shape = { __VA_ARGS__ }                                                   \
    }
#define STEPS_2D(s)                                                                                \
    {                                                                                              \
        {1, 3, 3}, {1, s, s}, {0, 1, 1},                                                           \
        {                                                                                          \
            0, 1, 1                                                                                \
        }                                                                                          \
    }
#define UNEVEN_2D                                                                                  \
    {                                                                                              \
        {1, 4, 2}, {1, 2, 3}, {0, 2, 0},                                                           \
        {                                                                                          \
            0, 0, 1                                                                                \
        }                                                                                          \
    }
#define STEPS_3D(s)                                                                                \
    {                                                                                              \
        {3, 3, 3}, {s, s, s}, {1, 1, 1},                                                           \
        {                                                                                          \
            1, 1, 1                                                                                \
        }                                                                                          \
    }
#define ONE_2D                                                                                     \
    {                                                                                              \
        .size = {1, 1, 1}, .stride = { 1, 1, 1 }                                                   \
    }
#define BESIDE_3D                                                                                  \
    {                                                                                              \
        .size = {2, 2, 2}, .stride = { 2, 2, 2 }                                                   \
    }
#define SKIP_2D                                                                                    \
    {                                                                                              \
        .size = {1, 1, 1}, .stride = { 1, 2, 3 }                                                   \
    }
#define TO(...) .shape = {__VA_ARGS__}

static const struct convolution_case {
    enum op op;
    struct op_case test;
} convolution_cases[] = {
    /* By way of planes: few channels on one side, several of them, steps and uneven padding, in two
     * and three dimensions, a window larger than the image. */
    {OP_conv,
     {"to three",
      {SIDE(2, 1, 9, 21, 16), SIDE(3, 1, 3, 3, 16), SIDE(1, 1, 1, 1, 3)},
      .attr = {.window = STEPS_2D(1), .act = ACT_SIGMOID}}},
    {OP_conv,
     {"to two by steps of two",
      {SIDE(2, 1, 9, 10, 12), SIDE(2, 1, 3, 3, 12)},
      .attr = {.window = STEPS_2D(2)}}},
    {OP_conv,
     {"to one, uneven",
      {SIDE(2, 1, 9, 10, 8), SIDE(1, 1, 4, 2, 8), SIDE(1, 1, 1, 1, 1)},
      .attr = {.window = UNEVEN_2D, .act = ACT_TANH}}},
    {OP_conv,
     {"to one, volume",
      {SIDE(1, 5, 6, 7, 16), SIDE(1, 3, 3, 3, 16), SIDE(1, 1, 1, 1, 1)},
      .attr = {.window = STEPS_3D(1)}}},
    {OP_conv,
     {"to one, tiny", {SIDE(3, 1, 1, 1, 8), SIDE(1, 1, 3, 3, 8)}, .attr = {.window = STEPS_2D(1)}}},
    {OP_conv_data,
     {"to three",
      {SIDE(2, 1, 5, 11, 16), SIDE(16, 1, 3, 3, 3), SIDE(1, 1, 1, 1, 3)},
      .attr = {.window = STEPS_2D(2), TO(2, 1, 9, 21, 3), .act = ACT_SIGMOID}}},
    {OP_conv_data,
     {"to two, with a rest",
      {SIDE(2, 1, 5, 5, 12), SIDE(12, 1, 3, 3, 2)},
      .attr = {.window = STEPS_2D(2), TO(2, 1, 10, 10, 2)}}},
    {OP_conv_data,
     {"to one, uneven",
      {SIDE(2, 1, 4, 4, 8), SIDE(8, 1, 4, 2, 1), SIDE(1, 1, 1, 1, 1)},
      .attr = {.window = UNEVEN_2D, TO(2, 1, 9, 10, 1), .act = ACT_LEAKY_RELU}}},
    {OP_conv_data,
     {"to one, volume",
      {SIDE(1, 3, 4, 4, 16), SIDE(16, 3, 3, 3, 1), SIDE(1, 1, 1, 1, 1)},
      .attr = {.window = STEPS_3D(2), TO(1, 5, 8, 7, 1)}}},
    {OP_conv_data,
     {"to one, tiny",
      {SIDE(3, 1, 1, 1, 8), SIDE(8, 1, 3, 3, 1)},
      .attr = {.window = STEPS_2D(1), TO(3, 1, 1, 1, 1), .act = ACT_RELU}}},
    {OP_conv_filter,
     {"to three",
      {SIDE(2, 1, 9, 21, 16), SIDE(2, 1, 9, 21, 3)},
      .attr = {.window = STEPS_2D(1), TO(3, 1, 3, 3, 16)}}},
    {OP_conv_filter,
     {"to two by steps of two",
      {SIDE(2, 1, 9, 10, 12), SIDE(2, 1, 5, 5, 2)},
      .attr = {.window = STEPS_2D(2), TO(2, 1, 3, 3, 12)}}},
    {OP_conv_filter,
     {"to one, uneven",
      {SIDE(2, 1, 9, 10, 8), SIDE(2, 1, 4, 4, 1)},
      .attr = {.window = UNEVEN_2D, TO(1, 1, 4, 2, 8)}}},
    {OP_conv_filter,
     {"to one, volume",
      {SIDE(1, 5, 6, 7, 16), SIDE(1, 5, 6, 7, 1)},
      .attr = {.window = STEPS_3D(1), TO(1, 3, 3, 3, 16)}}},
    {OP_conv_filter,
     {"to one, tiny",
      {SIDE(3, 1, 1, 1, 8), SIDE(3, 1, 1, 1, 1)},
      .attr = {.window = STEPS_2D(1), TO(1, 1, 3, 3, 8)}}},
    /* By steps as long as the window, and beyond the border. */
    {OP_conv_filter,
     {"depth by steps of three",
      {SIDE(1, 4, 10, 5, 14), SIDE(1, 2, 10, 5, 29)},
      .attr = {.window = {{3, 1, 1}, {3, 1, 1}, {1, 0, 0}, {1, 0, 0}}, TO(29, 3, 1, 1, 14)}}},
    /* Larger than the blocks of a product in each direction, with a rest. */
    {OP_conv,
     {"dense, of blocks",
      {SIDE(301, 1, 1, 1, 530), SIDE(495, 1, 1, 1, 530), SIDE(1, 1, 1, 1, 495)},
      .attr = {.window = ONE_2D, .act = ACT_RELU}}},
    {OP_conv_data,
     {"dense, of blocks",
      {SIDE(301, 1, 1, 1, 530), SIDE(530, 1, 1, 1, 495)},
      .attr = {.window = ONE_2D, TO(301, 1, 1, 1, 495)}}},
    {OP_conv_filter,
     {"dense, of blocks",
      {SIDE(530, 1, 1, 1, 495), SIDE(530, 1, 1, 1, 301)},
      .attr = {.window = ONE_2D, TO(301, 1, 1, 1, 495)}}},
    {OP_conv,
     {"volume, of blocks",
      {SIDE(2, 5, 6, 7, 20), SIDE(33, 3, 3, 3, 20), SIDE(1, 1, 1, 1, 33)},
      .attr = {.window = STEPS_3D(1), .act = ACT_RELU}}},
    {OP_conv,
     {"volume by steps of two",
      {SIDE(2, 5, 6, 7, 20), SIDE(33, 3, 3, 3, 20)},
      .attr = {.window = STEPS_3D(2)}}},
    {OP_conv_data,
     {"volume, of blocks",
      {SIDE(2, 5, 6, 7, 20), SIDE(20, 3, 3, 3, 33), SIDE(1, 1, 1, 1, 33)},
      .attr = {.window = STEPS_3D(1), TO(2, 5, 6, 7, 33), .act = ACT_LEAKY_RELU}}},
    {OP_conv_data,
     {"volume by steps of two",
      {SIDE(2, 3, 3, 4, 20), SIDE(20, 3, 3, 3, 33)},
      .attr = {.window = STEPS_3D(2), TO(2, 5, 6, 7, 33)}}},
    {OP_conv_data,
     {"volume, side by side",
      {SIDE(2, 3, 4, 5, 32), SIDE(32, 2, 2, 2, 16), SIDE(1, 1, 1, 1, 16)},
      .attr = {.window = BESIDE_3D, TO(2, 6, 8, 10, 16)}}},
    {OP_conv_data,
     {"steps over pixels",
      {SIDE(2, 1, 5, 4, 12), SIDE(12, 1, 1, 1, 9)},
      .attr = {.window = SKIP_2D, TO(2, 1, 9, 10, 9)}}},
    {OP_conv_data,
     {"uneven",
      {SIDE(2, 1, 4, 4, 8), SIDE(8, 1, 4, 2, 9)},
      .attr = {.window = UNEVEN_2D, TO(2, 1, 9, 10, 9), .act = ACT_LEAKY_RELU}}},
    {OP_conv_filter,
     {"volume, of blocks",
      {SIDE(2, 5, 6, 7, 20), SIDE(2, 5, 6, 7, 33)},
      .attr = {.window = STEPS_3D(1), TO(33, 3, 3, 3, 20)}}},
    {OP_conv_filter,
     {"volume by steps of two",
      {SIDE(2, 5, 6, 7, 20), SIDE(2, 3, 3, 4, 33)},
      .attr = {.window = STEPS_3D(2), TO(33, 3, 3, 3, 20)}}},
    {OP_conv_filter,
     {"uneven",
      {SIDE(2, 1, 9, 10, 8), SIDE(2, 1, 4, 4, 9)},
      .attr = {.window = UNEVEN_2D, TO(9, 1, 4, 2, 8)}}},
};
enum { CONVOLUTIONS = sizeof convolution_cases / sizeof *convolution_cases };

#endif
