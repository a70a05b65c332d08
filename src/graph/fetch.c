/* SPDX-License-Identifier: Apache-2.0 */
#include "graph/fetch.h"

#include "base/size.h"
#include "graph/plan_parts.h"

enum { LINE = 64, LEAST_BYTES = 1024 /* of a sample that are worth it */ };

void tn_fetch_part(const tn_fetch *fetch, int64_t i, int64_t n) {
    if (!fetch) return;
    int64_t share = fetch->end - fetch->begin, at = 0;
    int64_t begin = (fetch->begin + share * i / n) / LINE * LINE;
    int64_t end = (fetch->begin + share * (i + 1) / n) / LINE * LINE;
    for (int k = 0; k < fetch->n && at < end; at += fetch->bytes[k++]) {
        int64_t stop = tn_min_i64(end, at + fetch->bytes[k]);
        for (int64_t byte = tn_max_i64(begin, at); byte < stop; byte += LINE)
            __builtin_prefetch(fetch->at[k] + (byte - at), 0, 2);
    }
}

/* ---- The plan -------------------------------------------------------------------------------- */

static void note_far(tn_segment *segment, tn_place place) {
    if (place.kind != TN_PLACE_BATCH || place.sample_bytes < LEAST_BYTES) return;
    for (int i = 0; i < segment->n_far; i++)
        if (segment->far[i].offset == place.offset) return;
    if (segment->n_far < TN_FETCH_PLACES) segment->far[segment->n_far++] = place;
}

static double macs_while_fetching(const tn_plan_step *step) {
    const tn_op *op = step->node->op;
    return step->implementation->fetches && op->macs ? (double)op->macs(step->node) : 0;
}

/* Each node's share is that of its work in the work of all that fetch. */
static void plan_segment(tn_plan_step *steps, tn_segment *segment) {
    double macs = 0, before = 0, bytes = 0;
    for (int s = 0; s < segment->n_steps; s++) {
        const tn_node *node = steps[s].node;
        for (int i = 0; i < node->n_inputs; i++) note_far(segment, steps[s].in[i]);
        for (int i = 0; i < node->n_outputs; i++) note_far(segment, steps[s].out[i]);
        macs += macs_while_fetching(&steps[s]);
    }
    for (int i = 0; i < segment->n_far; i++) bytes += (double)segment->far[i].sample_bytes;
    for (int s = 0; s < segment->n_steps && macs > 0; s++) {
        steps[s].fetch_begin = (int64_t)(bytes * before / macs);
        before += macs_while_fetching(&steps[s]);
        steps[s].fetch_end = (int64_t)(bytes * before / macs);
    }
}

void tn_plan_fetch(tn_plan *plan) {
    for (int s = 0; s < plan->n_segments && !plan->lanes; s++) {
        tn_segment *segment = &plan->segments[s];
        if (!segment->whole && segment->n_rolls == 0)
            plan_segment(&plan->steps[segment->first_step], segment);
    }
}
