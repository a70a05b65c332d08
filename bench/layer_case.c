/* SPDX-License-Identifier: Apache-2.0 */
#include "layer_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/size.h"
#include "graph/images.h"
#include "ops/ops.h"
#include "passes/passes.h"

enum { N_SHARDS = 16 };

/* ---- The graph ------------------------------------------------------------------------------ */

/* Normal with the given deviation, repeating after a while: drawing millions takes long. */
static void fill_random(uint64_t stream, double deviation, int64_t n, float *x) {
    enum { DRAWN = 4099 }; /* a prime: neighbours along no axis are alike */
    tn_random random = tn_random_begin(1, TN_PURPOSE_TEST, stream);
    for (int64_t i = 0; i < n; i++)
        x[i] = i < DRAWN ? (float)(deviation * tn_random_normal(&random)) : x[i - DRAWN];
}

static tn_status add_parameter(tn_graph *graph, int rank, const int64_t *dims, tn_value **parameter,
                               tn_error *error) {
    tn_shape shape = {.rank = rank};
    memcpy(shape.dims, dims, (size_t)rank * sizeof *dims);
    int64_t n = tn_shape_elements(&shape);
    float *data = malloc((size_t)n * sizeof *data);
    if (!data) return tn_fail_memory(error);
    fill_random((uint64_t)graph->n_parameters, 1 / sqrt((double)n / (double)dims[0]), n, data);
    tn_status status = tn_graph_add_value(graph, TN_VALUE_PARAMETER, "parameter", TN_FLOAT32,
                                          &shape, data, parameter, error);
    free(data);
    return status;
}

static tn_status apply_layer(tn_graph *graph, const case_layer *layer, tn_value **x,
                             tn_error *error) {
    const tn_op *op = tn_op_find_onnx(layer->op);
    tn_value *in[3] = {*x};
    int n = 1, rank = layer->weight[2] ? 4 : 2;
    if (layer->weight[0]) TN_TRY(add_parameter(graph, rank, layer->weight, &in[n++], error));
    if (layer->bias) TN_TRY(add_parameter(graph, 1, layer->weight, &in[n++], error));
    void *attrs = calloc(1, op->attrs_bytes + 1);
    if (!attrs) return tn_fail_memory(error);
    tn_status status = tn_attrs_parse(op, layer->attributes, attrs, error);
    if (status == TN_OK) status = tn_graph_apply(graph, op, attrs, in, n, x, error);
    free(attrs);
    return status;
}

/* Inputs x and dy, outputs y and dx. */
static tn_status build_graph(const layer_case *c, tn_graph *graph, tn_value ***gradients,
                             tn_error *error) {
    tn_shape shape = {.rank = c->sample[1] ? 4 : 2, .dims = {1}, .batched = true};
    memcpy(shape.dims + 1, c->sample, sizeof c->sample);
    tn_value *x, *y, *dy;
    TN_TRY(tn_graph_add_value(graph, TN_VALUE_INPUT, "x", TN_FLOAT32, &shape, NULL, &x, error));
    y = x;
    for (int i = 0; i < LAYER_CASE_MAX_LAYERS && c->layers[i].op; i++)
        TN_TRY(apply_layer(graph, &c->layers[i], &y, error));
    TN_TRY(
        tn_graph_add_value(graph, TN_VALUE_INPUT, "dy", TN_FLOAT32, &y->shape, NULL, &dy, error));
    TN_TRY(tn_graph_mark_output(graph, y, error));
    tn_value **all = calloc((size_t)graph->n_values, sizeof(tn_value *));
    *gradients = calloc((size_t)graph->n_parameters + 1, sizeof(tn_value *));
    tn_status status = all && *gradients
                           ? tn_graph_differentiate(graph, y, dy, &x, !c->first, all, error)
                           : tn_fail_memory(error);
    for (int i = 0; i < graph->n_parameters && status == TN_OK; i++)
        (*gradients)[i] = all[graph->parameters[i]->id];
    if (status == TN_OK && !c->first) status = tn_graph_mark_output(graph, all[x->id], error);
    free(all);
    return status;
}

/* ---- Memory --------------------------------------------------------------------------------- */

static char *allocate(int64_t bytes) {
    char *memory = tn_aligned_alloc((size_t)bytes);
    if (memory) memset(memory, 0, (size_t)bytes);
    return memory;
}

static int64_t value_bytes(const tn_value *v) {
    return tn_round_up(tn_shape_elements(&v->shape) * (int64_t)tn_dtype_bytes(v->dtype), 64);
}

static tn_status allocate_values(planned_case *p, tn_error *error) {
    const tn_graph *graph = p->graph;
    p->values = calloc((size_t)graph->n_values + 1, sizeof *p->values);
    if (!p->values) return tn_fail_memory(error);
    for (int i = 0; i < graph->n_values; i++) {
        const tn_value *v = graph->values[i];
        if (v->kind != TN_VALUE_INPUT && v->kind != TN_VALUE_COMPUTED) continue;
        int64_t copies = v->shape.batched ? 1 : tn_pool_threads(p->pool);
        p->values[i] = allocate(value_bytes(v) * copies);
        if (!p->values[i]) return tn_fail_memory(error);
    }
    for (int i = 0; i < graph->n_inputs; i++)
        fill_random(1000 + (uint64_t)i, 1, tn_shape_elements(&graph->inputs[i]->shape),
                    (float *)(void *)p->values[graph->inputs[i]->id]);
    return TN_OK;
}

static tn_status allocate_rest(planned_case *p, tn_error *error) {
    const tn_plan *plan = p->plan;
    p->parameters = (real *)(void *)allocate(plan->parameters_size * (int64_t)sizeof(real));
    p->packed = allocate(plan->packed_bytes);
    p->workspaces = allocate(plan->workspace_bytes * tn_pool_threads(p->pool));
    if (!p->parameters || !p->packed || !p->workspaces) return tn_fail_memory(error);
    for (int i = 0; i < p->graph->n_parameters; i++)
        tn_plan_arrange(plan, i, p->graph->parameters[i]->data, p->parameters);
    return allocate_values(p, error);
}

/* ---- Running -------------------------------------------------------------------------------- */

static void *memory_of(const planned_case *p, const tn_value *v, tn_place place, int64_t first,
                       int thread) {
    switch (place.kind) {
    case TN_PLACE_NONE: return NULL;
    case TN_PLACE_PARAMETER: return (char *)p->parameters + place.offset;
    case TN_PLACE_CONSTANT: return p->plan->constants + place.offset;
    case TN_PLACE_PARTIAL: return p->values[v->id] + thread * value_bytes(v);
    default: return p->values[v->id] + first * place.sample_bytes;
    }
}

/* What execute.c does, but for where the values are. */
static void call(const planned_case *p, const tn_plan_step *step, tn_run run, int thread) {
    const tn_node *node = step->node;
    run.node = node;
    run.kernels = &p->plan->kernels;
    run.step = &p->step;
    for (int i = 0; i < node->n_inputs; i++) {
        if (!node->inputs[i]) continue;
        run.in[i] = memory_of(p, node->inputs[i], step->in[i], run.first, thread);
        run.in_channels[i] = node->inputs[i]->channels;
    }
    for (int i = 0; i < node->n_outputs; i++) {
        run.out[i] = memory_of(p, node->outputs[i], step->out[i], run.first, thread);
        run.out_channels[i] = node->outputs[i]->channels;
    }
    run.packed = step->packed < 0 ? NULL : p->packed + step->packed;
    run.workspace = p->workspaces + thread * p->plan->workspace_bytes;
    run.shard = (char *)run.workspace + step->shard;
    run.begins_shard = run.ends_shard = true; /* a shard is a tile */
    tn_run_set_whole(&run);
    step->implementation->run(&run);
}

static void pack(const planned_case *p, const tn_plan_step *step) {
    tn_run run = {.node = step->node, .kernels = &p->plan->kernels, .step = &p->step};
    if (step->packed < 0) return;
    for (int i = 0; i < step->node->n_inputs; i++)
        if (step->in[i].kind == TN_PLACE_PARAMETER || step->in[i].kind == TN_PLACE_CONSTANT)
            run.in[i] = memory_of(p, step->node->inputs[i], step->in[i], 0, 0);
    step->implementation->pack(&run, p->packed + step->packed);
}

static int64_t tile_of(const planned_case *p, int step) {
    const tn_segment *segment = p->plan->segments;
    while (step >= segment->first_step + segment->n_steps) segment++;
    return tn_min_i64(segment->tile, p->step.batch / tn_pool_threads(p->pool));
}

typedef struct repeated_step {
    const planned_case *p;
    const tn_plan_step *step;
    int64_t tile, times;
} repeated_step;

static void tile_task(void *context, int64_t task, int thread) {
    const repeated_step *r = context;
    (void)task;
    for (int64_t i = 0; i < r->times; i++)
        call(r->p, r->step, (tn_run){.first = thread * r->tile, .n = r->tile, .begin = 0, .end = 1},
             thread);
}

static void unit_task(void *context, int64_t task, int thread) {
    const repeated_step *r = context;
    call(r->p, r->step, (tn_run){.n = r->p->step.batch, .begin = task, .end = task + 1}, thread);
}

int64_t planned_case_run(planned_case *p, int step, int64_t times) {
    int n_threads = tn_pool_threads(p->pool);
    repeated_step r = {p, &p->plan->steps[step], tile_of(p, step), times};
    if (r.step->units == 0) {
        tn_parallel_for(p->pool, n_threads, tile_task, &r);
        return r.tile * n_threads;
    }
    for (int64_t i = 0; i < times; i++) tn_parallel_for(p->pool, r.step->units, unit_task, &r);
    return p->step.batch;
}

/* Every step over the whole batch. */
static void run_once(const planned_case *p) {
    for (int s = 0; s < p->plan->n_steps; s++) {
        const tn_plan_step *step = &p->plan->steps[s];
        int64_t tile = step->units > 0 ? p->step.batch : tile_of(p, s);
        pack(p, step);
        for (int64_t first = 0; first < p->step.batch; first += tile)
            call(p, step,
                 (tn_run){.first = first,
                          .n = tn_min_i64(tile, p->step.batch - first),
                          .begin = 0,
                          .end = step->units > 0 ? step->units : 1},
                 0);
    }
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

static tn_status create(const layer_case *c, const tn_kernels *kernels, planned_case *p,
                        tn_error *error) {
    tn_value **gradients = NULL;
    tn_status status = tn_graph_create(&p->graph, error);
    if (status == TN_OK) status = build_graph(c, p->graph, &gradients, error);
    if (status == TN_OK) status = tn_passes_run(p->graph, gradients, error);
    const tn_plan_options options = {.max_batch = p->step.batch,
                                     .n_shards = N_SHARDS,
                                     .n_threads = tn_pool_threads(p->pool),
                                     .kernels = kernels};
    if (status == TN_OK) status = tn_plan_build(p->graph, gradients, &options, &p->plan, error);
    if (status == TN_OK) status = allocate_rest(p, error);
    free(gradients);
    return status;
}

tn_status planned_case_create(const layer_case *c, int64_t batch, const tn_kernels *kernels,
                              tn_pool *pool, planned_case *planned, tn_error *error) {
    *planned = (planned_case){.pool = pool};
    planned->step = (tn_step){.training = true, .batch = batch, .n_shards = N_SHARDS};
    for (int s = 0; s <= N_SHARDS; s++)
        planned->shard_begin[s] = (s * batch + N_SHARDS - 1) / N_SHARDS;
    planned->step.shard_begin = planned->shard_begin;
    tn_status status = create(c, kernels, planned, error);
    if (status == TN_OK)
        run_once(planned);
    else
        planned_case_free(planned);
    return status == TN_OK ? TN_OK : tn_fail_within(error, status, "%s", c->name);
}

void planned_case_free(planned_case *p) {
    for (int i = 0; p->values && i < p->graph->n_values; i++) free(p->values[i]);
    free(p->values);
    free(p->parameters);
    free(p->packed);
    free(p->workspaces);
    tn_plan_free(p->plan);
    tn_graph_free(p->graph);
    *p = (planned_case){0};
}

static int64_t batched_bytes(const tn_value *v) {
    if (!v || !v->shape.batched) return 0;
    return tn_shape_sample_elements(&v->shape) * (int64_t)tn_dtype_bytes(v->dtype);
}

int64_t planned_step_sample_bytes(const tn_plan_step *step) {
    int64_t bytes = 0;
    for (int i = 0; i < step->node->n_inputs; i++) bytes += batched_bytes(step->node->inputs[i]);
    for (int i = 0; i < step->node->n_outputs; i++)
        if (step->out[i].kind != TN_PLACE_NONE) bytes += batched_bytes(step->node->outputs[i]);
    return bytes;
}
