/* SPDX-License-Identifier: Apache-2.0 */
/* silu.c: y = x·sigmoid(x) (Elfwing et al. 2018, also called Swish). An operator of the engine's
 * own, which a pass makes of Sigmoid and Mul. */
#include "ops/elementwise.h"
#include "ops/ops.h"

static void run_any(const tn_run *run) {
    const tn_activation silu = {.kind = TN_ACTIVATION_SILU};
    run->kernels->activate(&silu, tn_run_elements(run), run->in[0], NULL, run->out[0]);
}

static const tn_implementation any = {
    .name = "any", .stored = TN_STORED_ANYHOW, .rows_in = tn_rows_same, .run = run_any};
static const tn_implementation *const implementations[] = {&any, NULL};

const tn_op tn_op_silu = {.name = "Silu",
                          .min_inputs = 1,
                          .max_inputs = 1,
                          .n_outputs = 1,
                          .layout = TN_LAYOUT_ANY,
                          .in_place = true,
                          .infer_shape = tn_infer_same,
                          .implementations = implementations};
