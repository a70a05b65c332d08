/* SPDX-License-Identifier: Apache-2.0 */
/* plan_parts.h: what a plan consists of; shared by plan.c, which makes it, and execute.c, which
 * walks it. */
#ifndef TN_GRAPH_PLAN_PARTS_H
#define TN_GRAPH_PLAN_PARTS_H

#include "graph/plan.h"

/* What the values of a tile may take, so that it stays in a core's second-level cache. */
enum { TN_TILE_BYTES = 256 << 10 };

/* Where a value is while executing. */
typedef enum tn_place_kind {
    TN_PLACE_NONE,      /* an optional input left out, an output nobody needs */
    TN_PLACE_INPUT,     /* bound; offset is its number */
    TN_PLACE_PARAMETER, /* in the flat vector */
    TN_PLACE_CONSTANT,  /* in the plan's own memory */
    TN_PLACE_BATCH,     /* in memory for the whole batch */
    TN_PLACE_TILE,      /* in the running thread's memory for a tile */
    TN_PLACE_PARTIAL,   /* one copy for each shard */
    TN_PLACE_GRADIENT   /* in the flat gradient vector */
} tn_place_kind;

typedef struct tn_place {
    tn_place_kind kind;
    int64_t offset;       /* in bytes */
    int64_t sample_bytes; /* from sample to sample of a batched value; else 0 */
} tn_place;

/* One node with everything chosen. */
typedef struct tn_plan_step {
    const tn_node *node;
    const tn_implementation *implementation;
    int64_t units;  /* 0 for a tiled node */
    bool reduces;   /* outputs are partial sums of a shard */
    bool again;     /* a copy of an earlier step, so that its outputs need not be kept */
    int64_t packed; /* offset in the packed weights; -1 without */
    int64_t shard;  /* offset of its memory for a shard in the thread's workspace */
    tn_place in[TN_MAX_INPUTS], out[TN_MAX_OUTPUTS];
    int64_t fetch_begin, fetch_end; /* its share of each sample's bytes in segment->far */
} tn_plan_step;

/* A call of a step on some rows of one sample. Offsets are in bytes from the place of the sample's
 * value; of one that is held by rows, from the beginning of its memory. */
typedef struct tn_row_call {
    tn_rows rows, in_rows[TN_USUAL_INPUTS];
    int64_t in_offset[TN_USUAL_INPUTS], out_offset[TN_USUAL_OUTPUTS];
    /* Before it, of an output held by rows, those still needed move to the beginning. */
    int64_t kept_offset[TN_USUAL_OUTPUTS], kept_bytes[TN_USUAL_OUTPUTS];
} tn_row_call;

/* Steps that take a sample through all of them block of rows after block of rows, from top to
 * bottom (rows.h); or through a band of its rows, if threads share a sample. */
typedef struct tn_roll {
    int first_step, n_steps;
    int64_t block; /* rows of the last step's output */
    int n_bands, n_blocks;
    bool by_channels;   /* the bands are shares of the channels of the only step's output */
    tn_row_call *calls; /* [n_bands][n_blocks][n_steps]; no rows: no call */
} tn_roll;

/* Of a value that lives within a roll: bytes of the rows held at most, 0 for one that is stored
 * whole. It keeps some from block to block, or is done with after each. */
typedef struct tn_held {
    int64_t bytes;
    bool keeps;
} tn_held;

/* Nodes executed together: tile by tile, each tile through all of them by one thread; or each node
 * over the whole batch, divided into units. */
typedef struct tn_segment {
    int first_step, n_steps;
    bool whole;
    bool by_shard;           /* some node reduces: a task is a shard, its tiles in order */
    int64_t tile;            /* samples of a tile */
    int first_roll, n_rolls; /* in the order of their steps; one with bands is the whole segment,
                                and a task is a band */
    tn_place far[TN_FETCH_PLACES]; /* what its tiles read and write of the batch, to be fetched
                                      before (fetch.h) */
    int n_far;
    int first_reduction, n_reductions; /* to be summed right after the segment */
} tn_segment;

/* The sum over shards of a value: from its partials to its place. */
typedef struct tn_reduction {
    int64_t partial, stride; /* bytes: of shard 0, and from shard to shard */
    int64_t elements;
    tn_place to;
} tn_reduction;

typedef struct tn_parameter_place {
    int64_t offset, elements; /* in elements of real */
    tn_arrangement arrangement;
} tn_parameter_place;

struct tn_plan {
    tn_graph *graph;
    tn_kernels kernels;
    int64_t max_batch;
    int n_shards; /* at most: see tn_shards_of */
    bool lanes;   /* values are stored in lanes; all are in one segment */
    tn_plan_step *steps;
    tn_segment *segments;
    tn_reduction *reductions;
    tn_roll *rolls;
    tn_held *held; /* by value id; NULL without rolls */
    int n_steps, n_segments, n_reductions, n_rolls;
    int first_late_reduction; /* these are summed after the last segment, all at once */
    tn_parameter_place *parameters;
    tn_place *outputs;       /* of the graph */
    int64_t parameters_size; /* elements */
    char *constants;         /* arranged for running */
    int64_t batch_bytes, tile_bytes, workspace_bytes, packed_bytes, partial_bytes;
};

/* What runs took, in nanoseconds. */
typedef struct tn_profile {
    int64_t *steps;    /* [n_threads][n_steps], within implementations */
    int64_t *packs;    /* [n_steps], packing of their weights; NULL is not asked for */
    int64_t *segments; /* [n_segments], by the clock, sums over shards included */
    int64_t pack;      /* packing of weights, by the clock */
    int64_t reduce;    /* sums over shards after the last segment */
    int64_t total;
} tn_profile;

/* From now on runs add what they take to *profile, which is the caller's; NULL ends that. Without
 * it nothing is timed. */
void tn_execution_set_profile(tn_execution *execution, tn_profile *profile);

/* Canonical numbers in their arrangement, converted to real, and back. */
void tn_arrange(const tn_arrangement *arrangement, int64_t n, const float *canonical, real *stored);
void tn_unarrange(const tn_arrangement *arrangement, int64_t n, const real *stored,
                  float *canonical);

/* Has later segments compute again what is not worth keeping (recompute.c). Before tiles are sized
 * and values placed. */
tn_status tn_plan_recompute(tn_plan *plan, tn_error *error);

/* Finds the steps that are to go by rows, and what each call of them does (roll.c). After
 * recomputing, before tiles are sized and values placed. */
tn_status tn_plan_roll(tn_plan *plan, const tn_plan_options *options, tn_error *error);
/* The roll of which a step is a part, or NULL. */
const tn_roll *tn_roll_of(const tn_plan *plan, int step);
bool tn_is_banded(const tn_plan *plan, const tn_segment *segment);

/* What is fetched while computing, and by which steps (fetch.c). After placing. */
void tn_plan_fetch(tn_plan *plan);

/* Where everything goes (place.c): fills in the places of all steps, the reductions, the
 * parameters, the constants and the sizes of all memory. gradients as in tn_plan_build. */
tn_status tn_plan_place(tn_plan *plan, tn_value *const *gradients, tn_error *error);

#endif
