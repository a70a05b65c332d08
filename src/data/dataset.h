/* SPDX-License-Identifier: Apache-2.0 */
/* dataset.h: a data set in the making, for the readers of its formats. */
#ifndef TN_DATA_DATASET_H
#define TN_DATA_DATASET_H

#include "base/arena.h"
#include "base/status.h"

struct tn_dataset {
    const char *name;
    int64_t n, height, width, channels;
    int n_classes;            /* a reader finds 0, or what a data set of this name has */
    const char **class_names; /* [n_classes]; a reader may leave NULL: the numbers */
    double mean, std;         /* computed after reading */
    int64_t n_skipped;
    uint8_t *images; /* [n][height][width][channels], malloc'ed */
    int32_t *labels; /* [n], malloc'ed */
    tn_arena arena;  /* of the strings */
};

#endif
