/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/lanes.h"

#include "base/size.h"

int64_t tn_run_groups(const tn_run *run) { return (run->n + TN_LANES - 1) / TN_LANES; }

int tn_run_lanes(const tn_run *run, int64_t group) {
    return (int)tn_min_i64(TN_LANES, run->n - group * TN_LANES);
}

int64_t tn_tile_columns(int64_t columns) { return tn_round_up(columns, 16); }
