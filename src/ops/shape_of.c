/* SPDX-License-Identifier: Apache-2.0 */
/* shape_of.c: the dimensions of a tensor, and how many elements it has. ONNX Shape and Size. */
#include <string.h>

#include "base/size.h"
#include "ops/ops.h"

static const tn_attr shape_attrs[] = {
    {"start", TN_ATTR_INT, offsetof(tn_shape_attrs, start), false, 0, NULL},
    {"end", TN_ATTR_INT, offsetof(tn_shape_attrs, end), false, INT32_MAX, NULL},
    {0}};

/* The axes [begin, end) that are asked for; ONNX cuts off what is out of bounds. */
static void range_of(const tn_node *node, int64_t *begin, int64_t *end) {
    const tn_shape_attrs *a = node->attrs;
    int64_t rank = node->inputs[0]->shape.rank;
    *begin = tn_max_i64(0, tn_min_i64(a->start < 0 ? a->start + rank : a->start, rank));
    *end = tn_max_i64(*begin, tn_min_i64(a->end < 0 ? a->end + rank : a->end, rank));
}

static tn_status infer_shape(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    int64_t begin, end;
    range_of(node, &begin, &end);
    node->outputs[0]->shape = (tn_shape){.rank = 1, .dims = {end - begin}};
    node->outputs[0]->dtype = TN_INT64;
    return TN_OK;
}

static void value_of_shape(const tn_node *node, void *const *data) {
    int64_t begin, end, *to = data[0];
    range_of(node, &begin, &end);
    for (int64_t i = begin; i < end; i++) *to++ = node->inputs[0]->shape.dims[i];
}

static tn_status infer_size(tn_graph *graph, tn_node *node, tn_error *error) {
    (void)graph, (void)error;
    node->outputs[0]->shape = (tn_shape){0};
    node->outputs[0]->dtype = TN_INT64;
    return TN_OK;
}

static void value_of_size(const tn_node *node, void *const *data) {
    *(int64_t *)data[0] = tn_shape_elements(&node->inputs[0]->shape);
}

/* Of a value that is not batched, should a graph still have such a node. */
static void run_shape(const tn_run *run) { value_of_shape(run->node, run->out); }
static void run_size(const tn_run *run) { value_of_size(run->node, run->out); }

static const tn_implementation shape_implementation = {.name = "any", .run = run_shape};
static const tn_implementation *const shape_implementations[] = {&shape_implementation, NULL};
static const tn_implementation size_implementation = {.name = "any", .run = run_size};
static const tn_implementation *const size_implementations[] = {&size_implementation, NULL};

const tn_op tn_op_shape = {.name = "Shape",
                           .onnx_type = "Shape",
                           .attrs = shape_attrs,
                           .attrs_bytes = sizeof(tn_shape_attrs),
                           .min_inputs = 1,
                           .max_inputs = 1,
                           .n_outputs = 1,
                           .layout = TN_LAYOUT_PLAIN,
                           .infer_shape = infer_shape,
                           .value_of_shape = value_of_shape,
                           .implementations = shape_implementations};

const tn_op tn_op_size = {.name = "Size",
                          .onnx_type = "Size",
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_PLAIN,
                          .infer_shape = infer_size,
                          .value_of_shape = value_of_size,
                          .implementations = size_implementations};
