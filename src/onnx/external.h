/* SPDX-License-Identifier: Apache-2.0 */
/* external.h: tensors whose data is in a file beside the model. */
#ifndef TN_ONNX_EXTERNAL_H
#define TN_ONNX_EXTERNAL_H

#include "base/status.h"
#include "onnx/onnx.pb-c.h"

/* A zeroed one knows no directory, so that such tensors are refused. The file of the last tensor
 * stays open: most models have but one. */
typedef struct tn_external {
    const char *directory; /* of the model; the caller's */
    char *location;        /* of the open file within it; NULL: none is */
    int file;
    int64_t file_bytes;
} tn_external;

bool tn_external_is(const TnOnnx__TensorProto *proto);
/* Finds `bytes` of data of such a tensor: the file is open then, and holds them from *offset on.
 * Names may not lead out of the directory, by "..", from "/" on, or by a symbolic link. Fails with
 * TN_ERR_UNSUPPORTED without a directory, TN_ERR_FORMAT, TN_ERR_NOT_FOUND, TN_ERR_IO,
 * TN_ERR_MEMORY. */
tn_status tn_external_find(tn_external *external, const TnOnnx__TensorProto *proto, int64_t bytes,
                           int64_t *offset, tn_error *error);
/* Reads them from the file that is open. */
tn_status tn_external_read(const tn_external *external, int64_t offset, int64_t bytes, void *to,
                           tn_error *error);
void tn_external_close(tn_external *external);

#endif
