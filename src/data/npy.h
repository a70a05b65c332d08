/* SPDX-License-Identifier: Apache-2.0 */
/* npy.h: NumPy's array files (NEP 1), versions 1.0 and 2.0, in memory. */
#ifndef TN_DATA_NPY_H
#define TN_DATA_NPY_H

#include "base/status.h"

/* Reads an array from n bytes; tensor->data is malloc'ed, tensor->name NULL. Fails with
 * TN_ERR_FORMAT, TN_ERR_UNSUPPORTED (another element type, Fortran order, more dimensions),
 * TN_ERR_MEMORY; the message gives the reason alone. */
tn_status tn_npy_parse(const void *bytes, int64_t n, tn_tensor *tensor, tn_error *error);
/* Writes a version 1.0 file to *bytes (malloc'ed, the caller's). Fails with TN_ERR_ARGUMENT if the
 * tensor makes no sense, TN_ERR_MEMORY. */
tn_status tn_npy_format(const tn_tensor *tensor, void **bytes, size_t *n, tn_error *error);

#endif
