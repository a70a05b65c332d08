/* SPDX-License-Identifier: Apache-2.0 */
#include "models/layers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/philox.h"
#include "ops/ops.h"

static tn_status append(tn_chain *chain, const tn_op *op, const void *attrs, tn_value *a,
                        tn_value *b) {
    tn_value *in[] = {chain->x, a, b};
    int n = b ? 3 : a ? 2 : 1;
    return tn_graph_apply(chain->graph, op, attrs, in, n, &chain->x, chain->error);
}

tn_status tn_chain_begin(tn_chain *chain, tn_graph *graph, const tn_model_options *options,
                         tn_error *error) {
    *chain = (tn_chain){.graph = graph, .seed = options->seed, .error = error};
    const tn_shape shape = {.rank = 4,
                            .batched = true,
                            .dims = {1, options->channels, options->height, options->width}};
    const float scale = (float)(1 / options->std);
    const float offset = (float)(-options->mean / options->std);
    tn_value *constant;
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_INPUT, "images", TN_FLOAT32, &shape, NULL, &chain->x,
                              error));
    TN_TRY(tn_graph_add_constant(graph, "normalise.scale", 0, NULL, &scale, &constant, error));
    TN_TRY(append(chain, &tn_op_mul, NULL, constant, NULL));
    TN_TRY(tn_graph_add_constant(graph, "normalise.offset", 0, NULL, &offset, &constant, error));
    return append(chain, &tn_op_add, NULL, constant, NULL);
}

/* A parameter "name.suffix" drawn uniformly from ±bound. */
static tn_status add_parameter(tn_chain *chain, const char *name, const char *suffix,
                               const tn_shape *shape, double bound, tn_value **parameter) {
    int64_t n = tn_shape_elements(shape);
    char full[64];
    float *data = malloc((size_t)n * sizeof *data);
    if (!data) return tn_fail_memory(chain->error);
    tn_random random =
        tn_random_begin(chain->seed, TN_PURPOSE_WEIGHTS, (uint64_t)chain->n_weights++);
    for (int64_t i = 0; i < n; i++) data[i] = (float)((2 * tn_random_uniform(&random) - 1) * bound);
    snprintf(full, sizeof full, "%s.%s", name, suffix);
    tn_status status = tn_graph_add_value(chain->graph, TN_VALUE_PARAMETER, full, TN_FLOAT32, shape,
                                          data, parameter, chain->error);
    free(data);
    return status;
}

tn_status tn_chain_conv(tn_chain *chain, const char *name, int64_t n_out, int64_t kernel) {
    int64_t n_in = chain->x->shape.dims[1];
    double bound = 1 / sqrt((double)(n_in * kernel * kernel));
    const tn_shape w_shape = {.rank = 4, .dims = {n_out, n_in, kernel, kernel}};
    const tn_shape b_shape = {.rank = 1, .dims = {n_out}};
    tn_conv_attrs attrs;
    tn_value *w, *b;
    tn_attrs_init(&tn_op_conv, &attrs);
    TN_TRY(add_parameter(chain, name, "weight", &w_shape, bound, &w));
    TN_TRY(add_parameter(chain, name, "bias", &b_shape, bound, &b));
    return append(chain, &tn_op_conv, &attrs, w, b);
}

tn_status tn_chain_max_pool(tn_chain *chain) {
    tn_pool_attrs attrs;
    tn_attrs_init(&tn_op_max_pool, &attrs);
    attrs.kernel_shape = attrs.strides = (tn_ints){.n = 2, .v = {2, 2}};
    return append(chain, &tn_op_max_pool, &attrs, NULL, NULL);
}

tn_status tn_chain_relu(tn_chain *chain) { return append(chain, &tn_op_relu, NULL, NULL, NULL); }

tn_status tn_chain_dropout(tn_chain *chain, double ratio) {
    const tn_dropout_attrs attrs = {.ratio = ratio, .layer = chain->n_dropouts++};
    return append(chain, &tn_op_dropout, &attrs, NULL, NULL);
}

tn_status tn_chain_flatten(tn_chain *chain) {
    tn_axis_attrs attrs;
    tn_attrs_init(&tn_op_flatten, &attrs);
    return append(chain, &tn_op_flatten, &attrs, NULL, NULL);
}

tn_status tn_chain_linear(tn_chain *chain, const char *name, int64_t n_out) {
    int64_t n_in = chain->x->shape.dims[1];
    double bound = 1 / sqrt((double)n_in);
    const tn_shape w_shape = {.rank = 2, .dims = {n_out, n_in}};
    const tn_shape b_shape = {.rank = 1, .dims = {n_out}};
    tn_gemm_attrs attrs;
    tn_value *w, *b;
    tn_attrs_init(&tn_op_gemm, &attrs);
    attrs.trans_b = 1;
    TN_TRY(add_parameter(chain, name, "weight", &w_shape, bound, &w));
    TN_TRY(add_parameter(chain, name, "bias", &b_shape, bound, &b));
    return append(chain, &tn_op_gemm, &attrs, w, b);
}

tn_status tn_chain_end(tn_chain *chain) {
    chain->x->name = tn_arena_strdup(&chain->graph->arena, "scores");
    if (!chain->x->name) return tn_fail_memory(chain->error);
    return tn_graph_mark_output(chain->graph, chain->x, chain->error);
}
