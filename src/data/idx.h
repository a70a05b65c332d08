/* SPDX-License-Identifier: Apache-2.0 */
/* idx.h: the IDX format of the MNIST files (described on Yann LeCun's MNIST page): two zero bytes,
 * a type code, the number of dimensions, each dimension as a big-endian 32-bit number, the
 * elements; as a whole raw or gzipped. */
#ifndef TN_DATA_IDX_H
#define TN_DATA_IDX_H

#include "base/status.h"

enum { TN_IDX_MAX_RANK = 4 };

typedef struct tn_idx {
    int rank; /* 1..TN_IDX_MAX_RANK */
    int64_t dims[TN_IDX_MAX_RANK];
    int64_t bytes; /* the product of dims */
    uint8_t *data; /* [bytes], malloc'ed */
} tn_idx;

/* Reads unsigned bytes from n bytes of an IDX file, raw or gzipped by its content. Memory grows
 * with the data that arrives and never beyond what the header declares. Fails with TN_ERR_FORMAT,
 * TN_ERR_UNSUPPORTED (another element type, more dimensions), TN_ERR_MEMORY; the message gives the
 * reason alone: the caller knows the name. */
tn_status tn_idx_parse(const void *bytes, int64_t n, tn_idx *idx, tn_error *error);
/* The same for a file; fails also as tn_file_read does. */
tn_status tn_idx_read(const char *path, tn_idx *idx, tn_error *error);
void tn_idx_free(tn_idx *idx);

#endif
