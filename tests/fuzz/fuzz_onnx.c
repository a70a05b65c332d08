/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_onnx.c: any bytes as a model; what imports is exported, and must then import again. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "graph/model.h"
#include "onnx/onnx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_model *model, *again;
    tn_error error;
    void *bytes;
    size_t n;
    if (tn_onnx_import(data, size, &(tn_onnx_options){.name = "fuzz.onnx"}, &model, &error) !=
        TN_OK)
        return 0;
    if (tn_onnx_export(model, &bytes, &n, &error) != TN_OK) abort();
    if (tn_onnx_import(bytes, n, NULL, &again, &error) != TN_OK) abort();
    tn_model_free(again);
    tn_model_free(model);
    free(bytes);
    return 0;
}
