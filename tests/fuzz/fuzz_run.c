/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_run.c: any bytes as a model; what imports and is small runs in both modes, whole and sample
 * by sample, and gives the same bits either way. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/tenon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCH = 3, MAX_TENSORS = 32 };
static const size_t max_bytes =
    1 << 18; /* of all values: a window may take hundreds of reads each */
static const int64_t max_macs = 1 << 22;

typedef struct tensors {
    int n;
    tn_tensor items[MAX_TENSORS];
} tensors;

static void tensors_free(tensors *t) {
    for (int i = 0; i < t->n; i++) free(t->items[i].data);
    t->n = 0;
}

/* Whether running takes no time to speak of. */
static bool is_small(const tn_model *model) {
    tn_model_info info = TN_INIT(tn_model_info);
    size_t bytes = 0;
    tn_model_describe(model, &info);
    if (info.n_inputs > MAX_TENSORS || info.n_outputs > MAX_TENSORS || info.macs > max_macs)
        return false;
    for (int i = 0; i < info.n_nodes && bytes <= max_bytes; i++) {
        tn_node_info node = TN_INIT(tn_node_info);
        tn_model_describe_node(model, i, &node);
        bytes += node.output.bytes;
    }
    for (int i = 0; i < info.n_inputs && bytes <= max_bytes; i++) {
        tn_tensor input;
        tn_model_describe_input(model, i, &input);
        bytes += input.bytes;
    }
    return bytes <= max_bytes;
}

/* Small numbers of both signs in the types that compute. */
static void fill(tn_tensor *t) {
    uint32_t state = 1;
    for (size_t i = 0; i < t->bytes; i++) {
        state = state * 1664525 + 1013904223;
        int number = (int)(state >> 28) - 4;
        uint8_t *at = (uint8_t *)t->data + i;
        float f = 0.5f * (float)number;
        int64_t wide = number;
        switch (t->dtype) {
        case TN_FLOAT32:
            if (i % sizeof f == 0) memcpy(at, &f, sizeof f);
            break;
        case TN_INT64:
            if (i % sizeof wide == 0) memcpy(at, &wide, sizeof wide);
            break;
        case TN_BOOL: *at = number > 0; break;
        default: *at = (uint8_t)number; break;
        }
    }
}

/* The model's inputs, with dims[0] multiplied by the batch. */
static bool make_inputs(const tn_model *model, int64_t batch, tensors *t) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(model, &info);
    for (int i = 0; i < info.n_inputs; i++) {
        tn_tensor *input = &t->items[i];
        tn_model_describe_input(model, i, input);
        if (input->rank > 0) {
            input->dims[0] *= batch;
            input->bytes *= (size_t)batch;
        }
        input->data = malloc(input->bytes + 1);
        t->n = i + 1;
        if (!input->data) return false;
        fill(input);
    }
    return true;
}

static bool run(const tn_model *model, tn_mode mode, int64_t batch, int64_t tile, tensors *out) {
    tn_error error;
    tn_session *session;
    tensors in = {0};
    tn_model_info info = TN_INIT(tn_model_info);
    tn_session_options options = {
        .size = sizeof options, .mode = mode, .n_threads = 1, .max_batch = batch, .tile = tile};
    tn_model_describe(model, &info);
    if (tn_session_create(model, &options, &session, &error) != TN_OK) return false;
    bool good = make_inputs(model, batch, &in);
    for (int i = 0; i < info.n_outputs && good; i++) {
        if (tn_session_output(session, i, batch, &out->items[i], &error) != TN_OK) abort();
        out->items[i].data = calloc(1, out->items[i].bytes + 1);
        out->n = i + 1;
        good = out->items[i].data;
    }
    good = good && tn_session_run(session, in.items, in.n, out->items, out->n, &error) == TN_OK;
    tensors_free(&in);
    tn_session_free(session);
    return good;
}

/* A model that runs whole takes no other batch than its own. */
static void run_mode(const tn_model *model, tn_mode mode) {
    tensors whole = {0}, by_sample = {0};
    if (run(model, mode, BATCH, 0, &whole)) {
        if (!run(model, mode, BATCH, 1, &by_sample) || whole.n != by_sample.n) abort();
        for (int i = 0; i < whole.n; i++)
            if (memcmp(whole.items[i].data, by_sample.items[i].data, whole.items[i].bytes) != 0)
                abort();
    } else {
        tensors_free(&whole);
        run(model, mode, 1, 0, &whole);
    }
    tensors_free(&whole);
    tensors_free(&by_sample);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_model *model;
    tn_error error;
    if (tn_model_load_memory(data, size, &model, &error) != TN_OK) return 0;
    if (is_small(model)) {
        run_mode(model, TN_MODE_REFERENCE);
        run_mode(model, TN_MODE_FP32);
    }
    tn_model_free(model);
    return 0;
}
