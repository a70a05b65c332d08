/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: IDX files, raw and gzipped. */
#include <stdlib.h>

#include "base/size.h"
#include "data/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_idx idx;
    tn_error error = {""};
    if (tn_idx_parse(data, (int64_t)size, &idx, &error) != TN_OK) {
        if (!error.message[0]) abort();
        return 0;
    }
    int64_t product;
    if (!tn_size_product(idx.dims, idx.rank, &product) || product != idx.bytes) abort();
    uint8_t sum = 0;
    for (int64_t i = 0; i < idx.bytes; i++) sum ^= idx.data[i];
    volatile uint8_t sink = sum; /* every byte is there and was read */
    (void)sink;
    tn_idx_free(&idx);
    return 0;
}
