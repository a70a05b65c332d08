/* SPDX-License-Identifier: Apache-2.0 */
#include "conformance.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "onnx/wire.h"

/* The tolerance of ONNX's backend tests. */
static const double relative = 1e-3, absolute = 1e-7;

enum { MAX_TENSORS = 64, PATH_BYTES = 4096, MAX_FILE_BYTES = 1 << 30 };

typedef struct tensors {
    int n;
    tn_tensor items[MAX_TENSORS];
} tensors;

static void tensors_free(tensors *t) {
    for (int i = 0; i < t->n; i++) {
        tn_tensor_free(&t->items[i]);
        free((char *)(uintptr_t)t->items[i].name);
    }
    t->n = 0;
}

/* Reads FOLDER/test_data_set_0/KIND_0.pb and those that follow. */
static tn_status read_tensors(const char *folder, const char *kind, tensors *t, tn_error *error) {
    for (; t->n < MAX_TENSORS; t->n++) {
        char path[PATH_BYTES];
        snprintf(path, sizeof path, "%s/test_data_set_0/%s_%d.pb", folder, kind, t->n);
        if (access(path, F_OK) != 0) return TN_OK;
        tn_status status = tn_tensor_load(path, &t->items[t->n], error);
        if (status != TN_OK) return status;
    }
    return TN_OK;
}

/* ---- What its model says --------------------------------------------------------------------- */

static bool is_initializer(const TnOnnx__GraphProto *graph, const char *name) {
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0)
            return true;
    return false;
}

/* The files have 16-bit brain floats as what has the same bits. */
static void adopt_type(const TnOnnx__ValueInfoProto *declared, tn_tensor *t) {
    const TnOnnx__TypeProto__Tensor *type = declared->type ? declared->type->tensor_type : NULL;
    if (type && type->elem_type == TN_ONNX_BFLOAT16 && t->dtype == TN_UINT16)
        t->dtype = TN_BFLOAT16;
}

/* Tensors of a case are numbered as the inputs of its model, of which the library may keep fewer.
 */
static tn_status declare(const char *path, tensors *inputs, tn_error *error) {
    void *bytes;
    int64_t n_bytes;
    ProtobufCMessage *message;
    tn_status status = tn_file_read(path, MAX_FILE_BYTES, &bytes, &n_bytes, error);
    if (status != TN_OK) return status;
    status =
        tn_wire_parse(&tn_onnx__model_proto__descriptor, bytes, (size_t)n_bytes, &message, error);
    free(bytes);
    if (status != TN_OK) return status;
    const TnOnnx__GraphProto *graph = ((const TnOnnx__ModelProto *)message)->graph;
    int k = 0;
    for (size_t i = 0; i < graph->n_input && k < inputs->n; i++)
        if (!is_initializer(graph, graph->input[i]->name)) {
            adopt_type(graph->input[i], &inputs->items[k]);
            inputs->items[k++].name = strdup(graph->input[i]->name);
        }
    tn_wire_free(message);
    return TN_OK;
}

/* ---- Comparing ------------------------------------------------------------------------------- */

/* The number behind the bits of a float with so many bits of fraction, 16 in all. */
static double small_float(uint16_t bits, int fraction_bits) {
    int exponent = (bits & 0x7fff) >> fraction_bits, most = 0x7fff >> fraction_bits;
    int fraction = bits & ((1 << fraction_bits) - 1), bias = most / 2;
    double size = exponent == 0
                      ? ldexp(fraction, 1 - bias - fraction_bits)
                      : ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    if (exponent == most) size = fraction ? (double)NAN : (double)INFINITY;
    return bits & 0x8000 ? -size : size;
}

static double element(const tn_tensor *t, int64_t i) {
    switch (t->dtype) {
    case TN_FLOAT32: return (double)((const float *)t->data)[i];
    case TN_FLOAT16: return small_float(((const uint16_t *)t->data)[i], 10);
    case TN_BFLOAT16: return small_float(((const uint16_t *)t->data)[i], 7);
    case TN_FLOAT64: return ((const double *)t->data)[i];
    case TN_BOOL:
    case TN_UINT8: return ((const uint8_t *)t->data)[i];
    case TN_INT8: return ((const int8_t *)t->data)[i];
    case TN_INT16: return ((const int16_t *)t->data)[i];
    case TN_UINT16: return ((const uint16_t *)t->data)[i];
    case TN_INT32: return ((const int32_t *)t->data)[i];
    case TN_UINT32: return ((const uint32_t *)t->data)[i];
    case TN_INT64: return (double)((const int64_t *)t->data)[i];
    case TN_UINT64: return (double)((const uint64_t *)t->data)[i];
    }
    return (double)NAN;
}

static bool close_enough(double got, double wanted) {
    if (isnan(wanted)) return isnan(got);
    if (isinf(wanted)) return got == wanted;
    return fabs(got - wanted) <= absolute + relative * fabs(wanted);
}

static void shape_text(const tn_tensor *t, char text[128]) {
    size_t used = (size_t)snprintf(text, 128, "%s [", tn_dtype_name(t->dtype));
    for (int i = 0; i < t->rank && used < 100; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%" PRId64, i ? "," : "", t->dims[i]);
    snprintf(text + used, 128 - used, "]");
}

static bool same_shape(const tn_tensor *a, const tn_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

static bool same(const tn_tensor *result, const tn_tensor *wanted, char why[CONFORMANCE_WHY]) {
    tn_tensor bits = *result;
    const tn_tensor *got = &bits;
    /* The tolerance of brain floats is one of their bits. */
    if (got->dtype == TN_BFLOAT16 && wanted->dtype == TN_UINT16) bits.dtype = TN_UINT16;
    int64_t n = 1, wrong = 0, first = 0;
    if (!same_shape(got, wanted)) {
        char got_text[128], wanted_text[128];
        shape_text(got, got_text);
        shape_text(wanted, wanted_text);
        snprintf(why, CONFORMANCE_WHY, "output \"%s\" is %s, not %s", got->name, got_text,
                 wanted_text);
        return false;
    }
    for (int i = 0; i < got->rank; i++) n *= got->dims[i];
    for (int64_t i = n - 1; i >= 0; i--)
        if (!close_enough(element(got, i), element(wanted, i))) {
            wrong++;
            first = i;
        }
    if (wrong)
        snprintf(why, CONFORMANCE_WHY,
                 "%" PRId64 " of %" PRId64 " elements of output \"%s\" are wrong; [%" PRId64
                 "] is %.9g, not %.9g",
                 wrong, n, got->name, first, element(got, first), element(wanted, first));
    return wrong == 0;
}

/* ---- Running --------------------------------------------------------------------------------- */

typedef struct run {
    tn_model *model;
    tn_session *session;
    tensors inputs; /* those that the model has; the data and names belong to the case */
    tensors outputs;
    int64_t batch;
} run;

static tn_status open_session(run *r, const tensors *given, tn_mode mode, tn_error *error) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_session_options options = TN_INIT(tn_session_options);
    tn_model_describe(r->model, &info);
    r->batch = 0;
    for (int i = 0; i < info.n_inputs; i++) {
        tn_tensor input;
        tn_model_describe_input(r->model, i, &input);
        for (int k = 0; k < given->n; k++)
            if (strcmp(given->items[k].name, input.name) == 0) {
                r->inputs.items[r->inputs.n++] = given->items[k];
                if (!r->batch && given->items[k].rank > 0) r->batch = given->items[k].dims[0];
            }
    }
    if (r->batch < 1) r->batch = 1;
    options.mode = mode;
    options.n_threads = mode == TN_MODE_REFERENCE ? 1 : 2;
    options.max_batch = r->batch;
    return tn_session_create(r->model, &options, &r->session, error);
}

static tn_status compute(run *r, tn_error *error) {
    tn_model_info info = TN_INIT(tn_model_info);
    tn_model_describe(r->model, &info);
    for (int i = 0; i < info.n_outputs && i < MAX_TENSORS; i++) {
        tn_tensor *t = &r->outputs.items[i];
        tn_status status = tn_session_output(r->session, i, r->batch, t, error);
        if (status != TN_OK) return status;
        t->data = calloc(1, t->bytes + 1);
        r->outputs.n = i + 1;
    }
    return tn_session_run(r->session, r->inputs.items, r->inputs.n, r->outputs.items, r->outputs.n,
                          error);
}

static bool same_outputs(const tensors *got, const tensors *wanted, char why[CONFORMANCE_WHY]) {
    if (got->n != wanted->n) {
        snprintf(why, CONFORMANCE_WHY, "%d outputs, not %d", got->n, wanted->n);
        return false;
    }
    for (int i = 0; i < got->n; i++)
        if (!same(&got->items[i], &wanted->items[i], why)) return false;
    return true;
}

static conformance_outcome run_mode(const char *path, const tensors *inputs, const tensors *wanted,
                                    tn_mode mode, char why[CONFORMANCE_WHY]) {
    run r = {0};
    tn_error error = {""};
    conformance_outcome outcome = CONFORMANCE_REFUSED;
    tn_model_load_options known = TN_INIT(tn_model_load_options);
    known.inputs = inputs->items;
    known.n_inputs = inputs->n;
    tn_status status = tn_model_load_with(path, &known, &r.model, &error);
    if (status == TN_OK) status = open_session(&r, inputs, mode, &error);
    if (status == TN_OK) status = compute(&r, &error);
    if (status == TN_OK)
        outcome = same_outputs(&r.outputs, wanted, why) ? CONFORMANCE_PASSED : CONFORMANCE_WRONG;
    else
        snprintf(why, CONFORMANCE_WHY, "%s: %s", tn_status_name(status), error.message);
    for (int i = 0; i < r.outputs.n; i++) tn_tensor_free(&r.outputs.items[i]);
    tn_session_free(r.session);
    tn_model_free(r.model);
    return outcome;
}

conformance_outcome conformance_run(const char *folder, char why[CONFORMANCE_WHY]) {
    static const tn_mode modes[] = {TN_MODE_REFERENCE, TN_MODE_FP32};
    char path[PATH_BYTES];
    tensors inputs = {0}, wanted = {0};
    tn_error error = {""};
    conformance_outcome outcome = CONFORMANCE_REFUSED;
    why[0] = '\0';
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    tn_status status = read_tensors(folder, "input", &inputs, &error);
    if (status == TN_OK) status = read_tensors(folder, "output", &wanted, &error);
    if (status == TN_OK) status = declare(path, &inputs, &error);
    if (status != TN_OK) {
        snprintf(why, CONFORMANCE_WHY, "%s: %s", tn_status_name(status), error.message);
    } else {
        outcome = CONFORMANCE_PASSED;
        for (size_t i = 0; i < sizeof modes / sizeof *modes && outcome == CONFORMANCE_PASSED; i++)
            outcome = run_mode(path, &inputs, &wanted, modes[i], why);
    }
    tensors_free(&inputs);
    tensors_free(&wanted);
    return outcome;
}
