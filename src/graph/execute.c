/* SPDX-License-Identifier: Apache-2.0 */
/* execute.c: walks a plan. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/size.h"
#include "graph/images.h"
#include "graph/lanes.h"
#include "graph/plan_parts.h"
#include "kernels/tree_sum.h"

struct tn_execution {
    const tn_plan *plan;
    tn_pool *pool;
    char *batch;   /* values that cross segments */
    char *threads; /* of each thread: values of a tile, then a workspace */
    int64_t thread_bytes;
    char *packed;
    bool shares_packed; /* which is the caller's */
    char *partials;     /* of each shard */
    bool packed_once;
    tn_profile *profile; /* NULL for none */
};

/* Memory that the system could only pretend to have is refused, rather than the process killed when
 * it is used. */
static tn_status check_memory(const tn_plan *plan, int n_threads, tn_error *error) {
    double bytes = (double)plan->batch_bytes + (double)plan->packed_bytes +
                   (double)plan->partial_bytes * plan->n_shards +
                   ((double)plan->tile_bytes + (double)plan->workspace_bytes) * n_threads;
    double machine = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    if (bytes <= machine || machine <= 0) return TN_OK;
    return tn_fail(error, TN_ERR_MEMORY,
                   "running a batch of %lld takes %.1f GB of memory, this machine has %.1f (use a "
                   "smaller batch)",
                   (long long)plan->max_batch, bytes / 1e9, machine / 1e9);
}

static tn_status create(const tn_plan *plan, tn_pool *pool, const void *packed,
                        tn_execution **execution, tn_error *error) {
    TN_TRY(check_memory(plan, tn_pool_threads(pool), error));
    tn_execution *e = calloc(1, sizeof *e);
    if (!e) return tn_fail_memory(error);
    e->plan = plan;
    e->pool = pool;
    e->thread_bytes = plan->tile_bytes + plan->workspace_bytes;
    e->batch = tn_aligned_alloc((size_t)plan->batch_bytes);
    e->threads = tn_aligned_alloc((size_t)(e->thread_bytes * tn_pool_threads(pool)));
    e->shares_packed = packed != NULL;
    e->packed = packed ? (char *)(uintptr_t)packed : tn_streamed_alloc((size_t)plan->packed_bytes);
    e->partials = tn_aligned_alloc((size_t)(plan->partial_bytes * plan->n_shards));
    if (!e->batch || !e->threads || !e->packed || !e->partials) {
        tn_execution_free(e);
        return tn_fail_memory(error);
    }
    *execution = e;
    return TN_OK;
}

tn_status tn_execution_create(const tn_plan *plan, tn_pool *pool, tn_execution **execution,
                              tn_error *error) {
    return create(plan, pool, NULL, execution, error);
}

tn_status tn_execution_create_packed(const tn_plan *plan, tn_pool *pool, const void *packed,
                                     tn_execution **execution, tn_error *error) {
    return create(plan, pool, packed, execution, error);
}

void tn_execution_free(tn_execution *e) {
    if (!e) return;
    free(e->batch);
    free(e->threads);
    if (!e->shares_packed) free(e->packed);
    free(e->partials);
    free(e);
}

void tn_execution_set_profile(tn_execution *e, tn_profile *profile) { e->profile = profile; }

/* One run: what its tasks share. */
typedef struct walk {
    tn_execution *execution;
    const tn_bindings *bindings;
    const tn_step *step;
    const tn_segment *segment;
    int first_reduction; /* of those being summed */
} walk;

/* Where a task is: a sample of the batch, its place in the tile, the thread and the shard. */
typedef struct spot {
    int64_t sample, in_tile;
    int thread, shard;
} spot;

static void *resolve(const walk *w, tn_place place, const spot *at) {
    const tn_execution *e = w->execution;
    char *base = NULL;
    switch (place.kind) {
    case TN_PLACE_NONE: return NULL;
    case TN_PLACE_INPUT:
        base = (char *)(uintptr_t)w->bindings->inputs[place.offset] - place.offset;
        break;
    case TN_PLACE_PARAMETER: base = (char *)(uintptr_t)w->bindings->parameters; break;
    case TN_PLACE_CONSTANT: base = e->plan->constants; break;
    case TN_PLACE_BATCH: base = e->batch; break;
    case TN_PLACE_TILE:
        return e->threads + at->thread * e->thread_bytes + place.offset +
               at->in_tile * place.sample_bytes;
    case TN_PLACE_PARTIAL: base = e->partials + at->shard * e->plan->partial_bytes; break;
    case TN_PLACE_GRADIENT: base = (char *)w->bindings->gradients; break;
    }
    return base + place.offset + at->sample * place.sample_bytes;
}

static void call(const tn_execution *e, const tn_plan_step *step, const tn_run *run, int thread) {
    if (!e->profile) {
        step->implementation->run(run);
        return;
    }
    int64_t begin = tn_now_ns();
    step->implementation->run(run);
    int64_t at = (int64_t)thread * e->plan->n_steps + (step - e->plan->steps);
    e->profile->steps[at] += tn_now_ns() - begin;
}

/* Fills in what a run knows besides its range of samples, units or rows. A run is large: what a
 * node does not have is neither cleared nor set. */
static void prepare(const walk *w, const tn_plan_step *step, const spot *at, tn_run *run) {
    const tn_execution *e = w->execution;
    const tn_node *node = step->node;
    int n_inputs = node->n_inputs > TN_USUAL_INPUTS ? node->n_inputs : TN_USUAL_INPUTS;
    int n_outputs = node->n_outputs > TN_USUAL_OUTPUTS ? node->n_outputs : TN_USUAL_OUTPUTS;
    run->node = node;
    run->kernels = &e->plan->kernels;
    run->step = w->step;
    run->first = at->sample;
    for (int i = 0; i < n_inputs; i++) {
        run->in[i] = resolve(w, step->in[i], at);
        run->in_channels[i] = node->inputs[i] ? node->inputs[i]->channels : 0;
    }
    for (int i = 0; i < n_outputs; i++) {
        run->out[i] = resolve(w, step->out[i], at);
        run->out_channels[i] = node->outputs[i] ? node->outputs[i]->channels : 0;
    }
    run->packed = step->packed < 0 ? NULL : e->packed + step->packed;
    run->workspace = e->threads + at->thread * e->thread_bytes + e->plan->tile_bytes;
    run->shard = (char *)run->workspace + step->shard;
}

static void begin_run(tn_run *run, int64_t n, int64_t unit) {
    run->n = n;
    run->begin = unit;
    run->end = unit + 1;
    run->share = run->n_shares = 0;
    run->begins_shard = run->ends_shard = false;
    run->fetch = NULL;
}

static void run_step(const walk *w, const tn_plan_step *step, const spot *at, tn_run *run) {
    prepare(w, step, at, run);
    tn_run_set_whole(run);
    call(w->execution, step, run, at->thread);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static void run_rows(const walk *w, const tn_plan_step *step, const tn_row_call *rows, int share,
                     int n_shares, const spot *at) {
    tn_run run;
    begin_run(&run, 1, 0);
    run.share = share;
    run.n_shares = n_shares;
    prepare(w, step, at, &run);
    run.rows = rows->rows;
    memcpy(run.in_rows, rows->in_rows, sizeof rows->in_rows);
    for (int i = 0; i < step->node->n_inputs; i++)
        if (run.in[i]) run.in[i] = (const char *)run.in[i] + rows->in_offset[i];
    for (int i = 0; i < step->node->n_outputs; i++) {
        char *out = run.out[i];
        if (!out) continue;
        if (rows->kept_bytes[i] > 0 && rows->kept_offset[i] > 0)
            memmove(out, out + rows->kept_offset[i], (size_t)rows->kept_bytes[i]);
        run.out[i] = out + rows->out_offset[i];
    }
    call(w->execution, step, &run, at->thread);
}

/* A band of a sample through all steps of a roll. */
static void run_roll(const walk *w, const tn_roll *roll, int64_t band, const spot *at) {
    int share = roll->by_channels ? (int)band : 0, n_shares = roll->by_channels ? roll->n_bands : 0;
    const tn_plan_step *steps = &w->execution->plan->steps[roll->first_step];
    const tn_row_call *rows = &roll->calls[band * roll->n_blocks * roll->n_steps];
    for (int block = 0; block < roll->n_blocks; block++)
        for (int s = 0; s < roll->n_steps; s++, rows++)
            if (rows->rows.begin < rows->rows.end)
                run_rows(w, &steps[s], rows, share, n_shares, at);
}

static void band_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    const tn_roll *roll = &w->execution->plan->rolls[w->segment->first_roll];
    const spot at = {.sample = task / roll->n_bands, .thread = thread};
    run_roll(w, roll, task % roll->n_bands, &at);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

/* Samples of a tile, or none. */
typedef struct tile {
    int64_t first, n;
} tile;

static tile tile_at(const walk *w, int64_t first, int64_t end) {
    return (tile){first, tn_max_i64(0, tn_min_i64(w->segment->tile, end - first))};
}

/* What is far of a tile. */
static tn_fetch fetch_of(const walk *w, tile next) {
    tn_fetch fetch = {.n = next.n > 0 ? w->segment->n_far : 0};
    for (int i = 0; i < fetch.n; i++) {
        fetch.at[i] = resolve(w, w->segment->far[i], &(spot){.sample = next.first});
        fetch.bytes[i] = next.n * w->segment->far[i].sample_bytes;
    }
    return fetch;
}

/* Takes a tile through the segment; `next` is what the thread will probably do then. */
static void run_tile(const walk *w, tile t, tile next, int thread, int shard) {
    const tn_plan *plan = w->execution->plan;
    const tn_roll *roll = &plan->rolls[w->segment->first_roll];
    const tn_roll *rolls_end = roll + w->segment->n_rolls;
    spot at = {.sample = t.first, .thread = thread, .shard = shard};
    tn_fetch fetch = fetch_of(w, next);
    for (int i = w->segment->first_step; i < w->segment->first_step + w->segment->n_steps; i++) {
        if (roll < rolls_end && roll->first_step == i) {
            for (at.in_tile = 0; at.in_tile < t.n; at.in_tile++, at.sample++)
                run_roll(w, roll, 0, &at);
            at.in_tile = 0;
            at.sample = t.first;
            i += roll++->n_steps - 1;
            continue;
        }
        tn_run run;
        begin_run(&run, t.n, 0);
        run.begins_shard = t.first == w->step->shard_begin[shard];
        run.ends_shard = t.first + t.n == w->step->shard_begin[shard + 1];
        run.fetch = fetch.n > 0 ? &fetch : NULL;
        fetch.begin = plan->steps[i].fetch_begin * next.n;
        fetch.end = plan->steps[i].fetch_end * next.n;
        run_step(w, &plan->steps[i], &at, &run);
    }
}

/* Tasks are given out in order, so that a thread's next one is likely to be as many on as there are
 * threads. */
static int64_t next_task(const walk *w, int64_t task) {
    return task + tn_pool_threads(w->execution->pool);
}

static void tile_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    int64_t each = w->segment->tile, batch = w->step->batch;
    run_tile(w, tile_at(w, task * each, batch), tile_at(w, next_task(w, task) * each, batch),
             thread, 0);
}

static tile first_tile(const walk *w, int64_t shard) {
    const int64_t *begin = w->step->shard_begin;
    return shard < w->step->n_shards ? tile_at(w, begin[shard], begin[shard + 1]) : (tile){0};
}

/* A shard: its partial sums begin at zero, its samples follow in order. */
static void shard_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    const tn_plan *plan = w->execution->plan;
    int64_t first = w->step->shard_begin[task], end = w->step->shard_begin[task + 1];
    const spot at = {.thread = thread, .shard = (int)task};
    for (int i = 0; i < w->segment->n_steps; i++) {
        const tn_plan_step *step = &plan->steps[w->segment->first_step + i];
        for (int k = 0; k < step->node->n_outputs && step->reduces; k++)
            memset(resolve(w, step->out[k], &at), 0,
                   (size_t)tn_shape_elements(&step->node->outputs[k]->shape) * sizeof(real));
    }
    for (tile t = tile_at(w, first, end); t.n > 0;) {
        tile next = tile_at(w, t.first + t.n, end);
        run_tile(w, t, next.n > 0 ? next : first_tile(w, next_task(w, task)), thread, (int)task);
        t = next;
    }
}

/* A unit of one of the segment's nodes; units are numbered through. */
static void unit_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    const tn_plan_step *step = &w->execution->plan->steps[w->segment->first_step];
    const spot at = {.thread = thread};
    for (; task >= step->units; step++) task -= step->units;
    tn_run run;
    begin_run(&run, w->step->batch, task);
    run_step(w, step, &at, &run);
}

static void pack_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    const tn_execution *e = w->execution;
    const tn_plan_step *step = &e->plan->steps[task];
    const spot at = {.thread = thread};
    if (step->packed < 0) return;
    tn_run run = {.node = step->node, .kernels = &e->plan->kernels, .step = w->step};
    for (int i = 0; i < step->node->n_inputs; i++)
        if (step->in[i].kind == TN_PLACE_PARAMETER || step->in[i].kind == TN_PLACE_CONSTANT)
            run.in[i] = resolve(w, step->in[i], &at);
    bool timed = e->profile && e->profile->packs;
    int64_t begin = timed ? tn_now_ns() : 0;
    step->implementation->pack(&run, e->packed + step->packed);
    if (timed) e->profile->packs[task] += tn_now_ns() - begin;
}

/* Elements that one task sums over the shards. */
enum { REDUCTION_CHUNK = 1024 };

static int64_t chunks(const tn_reduction *r) {
    return (r->elements + REDUCTION_CHUNK - 1) / REDUCTION_CHUNK;
}

static void reduce_task(void *context, int64_t task, int thread) {
    const walk *w = context;
    const tn_execution *e = w->execution;
    const tn_reduction *r = &e->plan->reductions[w->first_reduction];
    for (; task >= chunks(r); r++) task -= chunks(r);
    int64_t first = task * REDUCTION_CHUNK, n = tn_min_i64(REDUCTION_CHUNK, r->elements - first);
    real *parts = (real *)(void *)(e->partials + r->partial) + first;
    tn_tree_sum(&e->plan->kernels, w->step->n_shards, parts, r->stride / (int64_t)sizeof(real), n);
    const spot at = {.thread = thread};
    memcpy((real *)resolve(w, r->to, &at) + first, parts, (size_t)n * sizeof(real));
}

/* ---- The walk -------------------------------------------------------------------------------- */

static void reduce(walk *w, int first, int n) {
    const tn_plan *plan = w->execution->plan;
    int64_t tasks = 0;
    for (int i = first; i < first + n; i++) tasks += chunks(&plan->reductions[i]);
    w->first_reduction = first;
    if (tasks > 0) tn_parallel_for(w->execution->pool, tasks, reduce_task, w);
}

static void run_segment(walk *w, const tn_segment *segment) {
    const tn_execution *e = w->execution;
    int64_t units = 0, tiles = (w->step->batch + segment->tile - 1) / segment->tile;
    int64_t begin = e->profile ? tn_now_ns() : 0;
    w->segment = segment;
    for (int i = 0; i < segment->n_steps; i++)
        units += e->plan->steps[segment->first_step + i].units;
    if (segment->whole)
        tn_parallel_for(e->pool, units, unit_task, w);
    else if (tn_is_banded(e->plan, segment))
        tn_parallel_for(e->pool, w->step->batch * e->plan->rolls[segment->first_roll].n_bands,
                        band_task, w);
    else if (segment->by_shard)
        tn_parallel_for(e->pool, w->step->n_shards, shard_task, w);
    else
        tn_parallel_for(e->pool, tiles, tile_task, w);
    reduce(w, segment->first_reduction, segment->n_reductions);
    if (e->profile) e->profile->segments[segment - e->plan->segments] += tn_now_ns() - begin;
}

/* Packing fewer bytes takes less than waking threads. */
enum { LITTLE_PACKED = 64 << 10 };

static void pack_all(walk *w) {
    const tn_execution *e = w->execution;
    bool little = e->plan->packed_bytes < LITTLE_PACKED;
    tn_parallel_for(little ? NULL : e->pool, e->plan->n_steps, pack_task, w);
}

tn_status tn_plan_pack(const tn_plan *plan, tn_pool *pool, const real *parameters, void **packed,
                       tn_error *error) {
    const tn_bindings bindings = {.parameters = parameters};
    const tn_step step = {.n_shards = 1};
    tn_execution e = {.plan = plan, .pool = pool};
    e.packed = tn_streamed_alloc((size_t)plan->packed_bytes);
    if (!e.packed) return tn_fail_memory(error);
    walk w = {.execution = &e, .bindings = &bindings, .step = &step};
    if (plan->packed_bytes > 0) pack_all(&w);
    *packed = e.packed;
    return TN_OK;
}

/* The parameters in the form that the kernels like, where they have changed. */
static void pack(walk *w) {
    tn_execution *e = w->execution;
    if (e->plan->packed_bytes == 0 || e->shares_packed ||
        (e->packed_once && !w->bindings->parameters_changed))
        return;
    int64_t begin = e->profile ? tn_now_ns() : 0;
    pack_all(w);
    e->packed_once = true;
    if (e->profile) e->profile->pack += tn_now_ns() - begin;
}

static void reduce_late(walk *w) {
    const tn_execution *e = w->execution;
    int64_t begin = e->profile ? tn_now_ns() : 0;
    reduce(w, e->plan->first_late_reduction, e->plan->n_reductions - e->plan->first_late_reduction);
    if (e->profile) e->profile->reduce += tn_now_ns() - begin;
}

static void copy_outputs(const walk *w) {
    const tn_plan *plan = w->execution->plan;
    for (int i = 0; i < plan->graph->n_outputs; i++) {
        const tn_shape *shape = &plan->graph->outputs[i]->shape;
        size_t each = (size_t)tn_shape_sample_elements(shape) *
                      tn_dtype_bytes(plan->graph->outputs[i]->dtype);
        size_t samples = shape->batched ? (size_t)w->step->batch : 1;
        if (w->bindings->outputs[i])
            memcpy(w->bindings->outputs[i], resolve(w, plan->outputs[i], &(spot){0}),
                   samples * each);
    }
}

void tn_execution_run(tn_execution *e, const tn_bindings *bindings, const tn_step *step) {
    const tn_plan *plan = e->plan;
    int64_t shard_begin[TN_MAX_SHARDS + 1];
    tn_step with_shards = *step;
    int n = tn_shards_of(plan->n_shards, plan->lanes, step->batch);
    for (int s = 0; s <= n; s++) /* sample i is in shard floor(i · S / B) */
        shard_begin[s] = (s * step->batch + n - 1) / n;
    with_shards.shard_begin = shard_begin;
    with_shards.n_shards = n;
    walk w = {.execution = e, .bindings = bindings, .step = &with_shards};
    int64_t begin = e->profile ? tn_now_ns() : 0;
    pack(&w);
    for (int i = 0; i < plan->n_segments; i++) run_segment(&w, &plan->segments[i]);
    reduce_late(&w);
    copy_outputs(&w);
    if (e->profile) e->profile->total += tn_now_ns() - begin;
}
