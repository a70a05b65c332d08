/* SPDX-License-Identifier: Apache-2.0 */
/* idx_folder.h: data sets of IDX files, two for each split: images and labels. */
#ifndef TN_DATA_IDX_FOLDER_H
#define TN_DATA_IDX_FOLDER_H

#include "data/dataset.h"
#include "data/folder.h"

/* Whether there is an IDX file, by its first bytes or by a name of MNIST's. */
bool tn_idx_folder_here(const tn_folder *folder);

typedef struct tn_idx_pair {
    const char *images, *labels; /* paths */
} tn_idx_pair;

/* The split's files: those with the names of MNIST's, else the only two of 3 or 4 dimensions and of
 * 1 whose names hold "train", or "test" or "t10k". TN_ERR_NOT_FOUND if there are none or more than
 * these; also TN_ERR_IO, TN_ERR_MEMORY. */
tn_status tn_idx_folder_pair(tn_arena *arena, const tn_folder *folder, tn_split split,
                             tn_idx_pair *pair, tn_error *error);

tn_status tn_idx_folder_read(tn_dataset *dataset, const tn_folder *folder, tn_split split,
                             tn_error *error);

#endif
