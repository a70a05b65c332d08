/* SPDX-License-Identifier: Apache-2.0 */
/* range.c: numbers at equal distances. ONNX Range. Its inputs are constants, which say how many. */
#include <math.h>
#include <string.h>

#include "ops/convert.h"
#include "ops/ops.h"

/* Of a constant as files hold it. */
static double number_of(const tn_value *v) {
    double number = 0;
    if (v->dtype == TN_FLOAT32) return (double)*(const float *)v->data;
    tn_convert(v->dtype, v->data, TN_FLOAT64, &number, 1);
    return number;
}

static bool is_supported(tn_dtype dtype) {
    return dtype == TN_FLOAT32 || dtype == TN_FLOAT64 || dtype == TN_INT16 || dtype == TN_INT32 ||
           dtype == TN_INT64;
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph;
    for (int i = 0; i < 3; i++) {
        const tn_value *v = node->inputs[i];
        if (!v->data)
            return tn_fail(error, TN_ERR_UNSUPPORTED, "input \"%s\" is computed", v->name);
        if (tn_shape_elements(&v->shape) != 1 || v->dtype != node->inputs[0]->dtype ||
            !is_supported(v->dtype))
            return tn_fail(error, TN_ERR_UNSUPPORTED,
                           "input \"%s\" must be one number (float32, double, int16, int32 or "
                           "int64, all alike)",
                           v->name);
    }
    double delta = number_of(node->inputs[2]);
    double n = ceil((number_of(node->inputs[1]) - number_of(node->inputs[0])) / delta);
    if (!(delta != 0 && n <= (double)TN_MAX_ELEMENTS))
        return tn_fail(error, TN_ERR_FORMAT, "steps of %g never end", delta);
    node->outputs[0]->shape = (tn_shape){.rank = 1, .dims = {n > 0 ? (int64_t)n : 0}};
    node->outputs[0]->dtype = node->inputs[0]->dtype;
    return TN_OK;
}

/* Integers by themselves, since doubles do not hold all of them. */
static void run_any(const tn_run *run) {
    const tn_value *y = run->node->outputs[0];
    int64_t n = y->shape.dims[0], start = 0, delta = 0, bytes = (int64_t)tn_dtype_bytes(y->dtype);
    double first = number_of(run->node->inputs[0]), step = number_of(run->node->inputs[2]);
    bool floats = y->dtype == TN_FLOAT32 || y->dtype == TN_FLOAT64;
    if (!floats) {
        tn_convert(y->dtype, run->in[0], TN_INT64, &start, 1);
        tn_convert(y->dtype, run->in[2], TN_INT64, &delta, 1);
    }
    for (int64_t i = 0; i < n; i++) {
        char *to = (char *)run->out[0] + i * bytes;
        int64_t integer = (int64_t)((uint64_t)start + (uint64_t)i * (uint64_t)delta);
        double number = first + (double)i * step;
        tn_convert(floats ? TN_FLOAT64 : TN_INT64, floats ? (void *)&number : (void *)&integer,
                   y->dtype, to, 1);
    }
}

static const tn_implementation any = {.name = "any", .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_range = {.name = "Range",
                           .onnx_type = "Range",
                           .min_inputs = 3,
                           .max_inputs = 3,
                           .n_outputs = 1,
                           .stored = 7,
                           .layout = TN_LAYOUT_PLAIN,
                           .infer_shape = infer_shape,
                           .implementations = implementations};
