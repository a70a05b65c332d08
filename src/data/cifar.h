/* SPDX-License-Identifier: Apache-2.0 */
/* cifar.h: the binary versions of CIFAR-10 and CIFAR-100 (Krizhevsky 2009; described on the page of
 * the data sets): records of one or two bytes of label, the last of which counts, and 32x32 pixels,
 * all red ones before the green and the blue. */
#ifndef TN_DATA_CIFAR_H
#define TN_DATA_CIFAR_H

#include "data/dataset.h"
#include "data/folder.h"

enum { TN_CIFAR_SIDE = 32, TN_CIFAR_CHANNELS = 3, TN_CIFAR_IMAGE_BYTES = 3 * 32 * 32 };

typedef struct tn_cifar_kind tn_cifar_kind;

/* CIFAR-10, then CIFAR-100. */
const tn_cifar_kind *tn_cifar_of_classes(int n_classes);
/* By the names of the files; NULL if there are none. */
const tn_cifar_kind *tn_cifar_here(const tn_folder *folder);

/* How many records n bytes hold. Fails with TN_ERR_FORMAT if not a whole number; as below, the
 * message gives the reason alone. */
tn_status tn_cifar_count(const tn_cifar_kind *kind, int64_t n, int64_t *records, tn_error *error);
/* Unpacks so many records to images [records][32][32][3] and labels [records]. Fails with
 * TN_ERR_FORMAT for a label out of range. */
tn_status tn_cifar_unpack(const tn_cifar_kind *kind, const uint8_t *bytes, int64_t records,
                          uint8_t *images, int32_t *labels, tn_error *error);
/* A line for each class in names [classes of the kind], which live in the arena; empty lines at the
 * end do not count. Fails with TN_ERR_FORMAT, TN_ERR_MEMORY. */
tn_status tn_cifar_names(const tn_cifar_kind *kind, const uint8_t *bytes, int64_t n,
                         tn_arena *arena, const char **names, tn_error *error);

tn_status tn_cifar_read(tn_dataset *dataset, const tn_cifar_kind *kind, const tn_folder *folder,
                        tn_split split, tn_error *error);

#endif
