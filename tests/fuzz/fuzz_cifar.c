/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer: CIFAR's records, or its class names, as the first byte chooses. */
#include <stdlib.h>

#include "data/cifar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_records(const tn_cifar_kind *kind, const uint8_t *data, int64_t n) {
    tn_error error = {""};
    int64_t records = 0;
    if (tn_cifar_count(kind, n, &records, &error) != TN_OK) {
        if (!error.message[0]) abort();
        return;
    }
    uint8_t *images = malloc((size_t)records * TN_CIFAR_IMAGE_BYTES);
    int32_t *labels = malloc((size_t)records * sizeof *labels);
    tn_status status = tn_cifar_unpack(kind, data, records, images, labels, &error);
    if (status != TN_OK && !error.message[0]) abort();
    for (int64_t i = 0; status == TN_OK && i < records; i++)
        if (labels[i] < 0 || labels[i] >= 100) abort();
    free(images);
    free(labels);
}

static void read_names(const tn_cifar_kind *kind, const uint8_t *data, int64_t n) {
    const char *names[100] = {NULL};
    tn_arena arena = {NULL};
    tn_error error = {""};
    if (tn_cifar_names(kind, data, n, &arena, names, &error) == TN_OK) {
        if (!names[0] || !names[0][0]) abort();
    } else if (!error.message[0]) {
        abort();
    }
    tn_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    const tn_cifar_kind *kind = tn_cifar_of_classes(data[0] & 1 ? 10 : 100);
    if (data[0] & 2)
        read_names(kind, data + 1, (int64_t)size - 1);
    else
        read_records(kind, data + 1, (int64_t)size - 1);
    return 0;
}
