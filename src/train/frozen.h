/* SPDX-License-Identifier: Apache-2.0 */
/* frozen.h: which parameters training leaves as they are. */
#ifndef TN_TRAIN_FROZEN_H
#define TN_TRAIN_FROZEN_H

#include "graph/graph.h"

/* Sets *frozen to an array by parameter, the caller's to free: whether its name matches one of the
 * patterns [n]; to NULL if n is 0. Fails with TN_ERR_ARGUMENT if a pattern matches none. */
tn_status tn_frozen_find(const tn_graph *graph, const char *const *patterns, int n, bool **frozen,
                         tn_error *error);

/* What is frozen, for a checkpoint: "none", or how many and a hash of their names. However the
 * patterns were put, the same parameters give the same text. */
enum { TN_FROZEN_TEXT = 96 };
tn_status tn_frozen_describe(const tn_graph *graph, const char *const *patterns, int n,
                             char text[TN_FROZEN_TEXT], tn_error *error);

#endif
