/* SPDX-License-Identifier: Apache-2.0 */
/* shape_cases.h: the kernels whose work is a matter of shapes, as a list of cases that fit L1.
 * Those over n elements are in tests/kernel_cases.h. */
#ifndef TN_BENCH_SHAPE_CASES_H
#define TN_BENCH_SHAPE_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/kernels.h"

/* What a call, or a part of it, has to do at least. */
typedef struct bench_work {
    double flop;     /* a multiplication and the addition behind it are two */
    double bytes;    /* each number once, and once more if it is changed */
    bool only_loads; /* hardly any of them are stored */
} bench_work;

enum {
    SHAPE_TAPS = 9,
    SHAPE_PIXELS = 14, /* of a row of results */
    SHAPE_DEPTH = 36,  /* taps of four channels in lanes */
    SHAPE_PARTS = 16,
    SHAPE_ENTRIES = 16,
    SHAPE_LISTED = 32,        /* rows searched for what is not zero */
    SHAPE_NUMBERS = 6144 + 64 /* no multiple of a page, so that arrays do not share cache sets */
};

/* What the kernels read, small integers, on which every order of summation is exact, and what they
 * write. Each case uses parts of it that fit L1. */
typedef struct bench_shape_data {
    float x[SHAPE_NUMBERS], w[SHAPE_NUMBERS], y[SHAPE_NUMBERS];
    float few[SHAPE_NUMBERS]; /* of which every fourth is not zero */
    int32_t places[SHAPE_NUMBERS];
    int64_t tap[SHAPE_TAPS], pixel[SHAPE_PIXELS], result[SHAPE_PIXELS]; /* depthwise */
    int64_t point[SHAPE_DEPTH], weight[SHAPE_DEPTH];                    /* lanes */
    int64_t begin[SHAPE_PARTS + 1];
    int64_t listed[SHAPE_LISTED + 1]; /* where the rows of a list begin */
    int32_t row[SHAPE_ENTRIES];
} bench_shape_data;

typedef struct bench_shape_case {
    const char *name;
    size_t member; /* where tn_kernels has it */
    bench_work (*run)(const tn_kernels *kernels, bench_shape_data *data);
    /* Plain loops for what run writes, where it depends on the level's block sizes; else NULL: the
     * reference does the same. */
    void (*expect)(const tn_kernels *kernels, bench_shape_data *data);
    float error; /* of y at most; 0: the same bits */
} bench_shape_case;

extern const bench_shape_case bench_shape_cases[];
extern const int bench_n_shape_cases;

void bench_shape_data_fill(bench_shape_data *data);

#endif
