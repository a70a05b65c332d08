/* SPDX-License-Identifier: Apache-2.0 */
/* cost.h: what steps of a plan should take: the longer of multiplying at the rate of their
 * implementation, and moving their values at that of the memory where these live; and something for
 * each call. */
#ifndef TN_GRAPH_COST_H
#define TN_GRAPH_COST_H

#include "graph/plan_parts.h"
#include "graph/roofline.h"

/* A step over a whole batch. */
typedef struct tn_work {
    double macs;
    int64_t bytes_in, bytes_out; /* values that are not batched count once */
} tn_work;

/* Parts of a segment that threads take: tiles, shards, units. */
int64_t tn_segment_tasks(const tn_plan *plan, const tn_segment *segment);

tn_work tn_work_of(const tn_plan *plan, const tn_plan_step *step);

/* Seconds that all threads together spend on a step, for one whole batch. */
double tn_cost_of_step(const tn_plan *plan, const tn_segment *segment, const tn_plan_step *step,
                       const tn_roofline *roofline);
/* Seconds from beginning to end, for steps that take `seconds` in all. */
double tn_cost_of_segment(const tn_plan *plan, const tn_segment *segment, double seconds,
                          int n_threads, const tn_roofline *roofline);

/* Seconds of computing a node for n samples with its values in the second-level cache. */
double tn_cost_of_node(const tn_node *node, const tn_cost *cost, int64_t n,
                       const tn_roofline *roofline);

#endif
