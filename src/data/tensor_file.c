/* SPDX-License-Identifier: Apache-2.0 */
/* tensor_file.c: tensors in files, by the ending of their names. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/status.h"
#include "data/npy.h"
#include "onnx/tensor_pb.h"

static const int64_t max_file_bytes = (int64_t)4 << 30;

static bool ends_in(const char *path, const char *ending) {
    size_t n = strlen(path), n_ending = strlen(ending);
    return n > n_ending && strcasecmp(path + n - n_ending, ending) == 0;
}

static tn_status check_ending(const char *path, tn_error *error) {
    if (ends_in(path, ".npy") || ends_in(path, ".pb")) return TN_OK;
    return tn_fail(error, TN_ERR_ARGUMENT,
                   "cannot tell the format of the tensor %s (its name must end in .npy or .pb)",
                   path);
}

tn_status tn_tensor_load(const char *path, tn_tensor *tensor, tn_error *error) {
    TN_TRY(check_ending(path, error));
    void *bytes = NULL;
    int64_t n = 0;
    TN_TRY(tn_file_read(path, max_file_bytes, &bytes, &n, error));
    tn_tensor loaded = {0};
    tn_status status = ends_in(path, ".npy") ? tn_npy_parse(bytes, n, &loaded, error)
                                             : tn_tensor_load_pb(bytes, (size_t)n, &loaded, error);
    free(bytes);
    if (status != TN_OK) return tn_fail_within(error, status, "cannot read %s", path);
    /* A name in the file would be one more thing to release, and callers put their own here. */
    free((void *)(uintptr_t)loaded.name);
    loaded.name = NULL;
    *tensor = loaded;
    return TN_OK;
}

tn_status tn_tensor_save(const char *path, const tn_tensor *tensor, tn_error *error) {
    TN_TRY(check_ending(path, error));
    if (ends_in(path, ".pb")) return tn_tensor_save_pb(path, tensor, error);
    void *bytes = NULL;
    size_t n = 0;
    tn_status status = tn_npy_format(tensor, &bytes, &n, error);
    if (status != TN_OK) return tn_fail_within(error, status, "cannot write %s", path);
    status = tn_file_replace(path, bytes, n, error);
    free(bytes);
    return status;
}

void tn_tensor_free(tn_tensor *tensor) {
    if (!tensor) return;
    free(tensor->data);
    tensor->data = NULL;
    tensor->bytes = 0;
}
