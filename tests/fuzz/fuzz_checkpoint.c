/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of checkpoints, without its check sums first: no fuzzer guesses a SHA-256. Whatever it
 * lets through must be whole: written again, which looks at every byte of it, it must read as the
 * same, check sums included. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "train/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const tn_checkpoint *a, const tn_checkpoint *b) {
    if (a->n_entries != b->n_entries || a->n_tensors != b->n_tensors) abort();
    for (int i = 0; i < a->n_entries; i++) {
        const char *value = tn_checkpoint_find(b, a->entries[i].key);
        if (!value || strcmp(value, a->entries[i].value) != 0) abort();
    }
    for (int i = 0; i < a->n_tensors; i++) {
        const tn_checkpoint_tensor *x = &a->tensors[i];
        const tn_checkpoint_tensor *y = tn_checkpoint_tensor_find(b, x->name);
        if (!y || y->rank != x->rank) abort();
        size_t bytes = sizeof(float);
        for (int k = 0; k < x->rank; k++) {
            if (x->dims[k] != y->dims[k]) abort();
            bytes *= (size_t)x->dims[k];
        }
        if (memcmp(x->data, y->data, bytes) != 0) abort();
    }
}

static void check_round_trip(const tn_checkpoint *c) {
    void *bytes;
    size_t n_bytes;
    tn_checkpoint again;
    if (tn_checkpoint_serialise(c, NULL, NULL, &bytes, &n_bytes, NULL) != TN_OK) abort();
    if (tn_checkpoint_parse(bytes, n_bytes, TN_CHECKPOINT_VERIFY, &again, NULL) != TN_OK) abort();
    check_same(c, &again);
    tn_checkpoint_free(&again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tn_checkpoint_checks both[] = {TN_CHECKPOINT_SKIP_SUMS, TN_CHECKPOINT_VERIFY};
    for (int i = 0; i < 2; i++) {
        tn_checkpoint c;
        tn_error error = {{0}};
        if (tn_checkpoint_parse(data, size, both[i], &c, &error) == TN_OK) {
            check_round_trip(&c);
            tn_checkpoint_free(&c);
        } else if (!error.message[0]) {
            abort();
        }
    }
    return 0;
}
