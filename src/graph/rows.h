/* SPDX-License-Identifier: Apache-2.0 */
/* rows.h: what each step of a run of steps computes when a sample goes through by rows. Rows are
 * computed once: how far each step must be follows from how far the last is to come. A value used
 * outside of the run is stored whole and has its rows filled in; of others, only the rows are held
 * that some step still needs. */
#ifndef TN_GRAPH_ROWS_H
#define TN_GRAPH_ROWS_H

#include "graph/plan_parts.h"

/* At most; so many blocks in all bands together, besides one of each. */
enum { TN_ROLL_STEPS = 16, TN_ROLL_BLOCKS = 256 };

/* A run of steps, and how far each is. */
typedef struct tn_row_walk {
    const tn_plan *plan;
    int *made, *used; /* by value id: the step that makes a value, the last that uses it; -1 */
    int64_t *row;     /* by value id, for the functions below */
    int first, n;     /* the run */
} tn_row_walk;

tn_status tn_row_walk_create(const tn_plan *plan, tn_row_walk *walk, tn_error *error);
void tn_row_walk_free(tn_row_walk *walk);

/* Whether a step can go by rows at all. */
bool tn_step_has_rows(const tn_plan_step *step);
/* Rows of what step number `step` of the run makes. */
int64_t tn_row_walk_height(const tn_row_walk *walk, int step);
/* Rows of the last step's output that, if all steps keep pace, are whole groups of each. */
int64_t tn_row_walk_group(const tn_row_walk *walk);
/* Whether a value that the run makes is used outside of it. */
bool tn_row_walk_is_whole(const tn_row_walk *walk, const tn_value *v);
/* The end of the rows that each step must have computed when `rows` of the last step's are, and the
 * first one that it must compute for those from `rows` on. Values stored whole keep pace. In
 * groups: as many more as make whole groups of rows (tn_implementation.row_group). */
void tn_row_walk_ends(const tn_row_walk *walk, int64_t rows, bool in_groups,
                      int64_t end[TN_ROLL_STEPS]);
void tn_row_walk_begins(const tn_row_walk *walk, int64_t rows, int64_t begin[TN_ROLL_STEPS]);
/* With rows before done[s] computed by each step and those up to end[s] to come: sets walk->row of
 * each value that the run makes to the first row that is still needed; INT64_MAX for none. */
void tn_row_walk_needed(const tn_row_walk *walk, const int64_t done[TN_ROLL_STEPS],
                        const int64_t end[TN_ROLL_STEPS]);
/* Whether the run divided into so many bands makes each row of its whole values in one of them. */
bool tn_row_walk_divides(const tn_row_walk *walk, int n_bands);

/* Fills in the calls of roll, whose other fields are set, and what is held of each value. */
tn_status tn_row_walk_schedule(const tn_row_walk *walk, tn_roll *roll, tn_held *held,
                               tn_error *error);

#endif
