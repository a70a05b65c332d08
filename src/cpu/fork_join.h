/* SPDX-License-Identifier: Apache-2.0 */
/* fork_join.h: what it costs to set all threads to work and to wait for them. */
#ifndef TN_CPU_FORK_JOIN_H
#define TN_CPU_FORK_JOIN_H

#include "cpu/pool.h"

/* Microseconds of a call in which every thread of the pool takes part, if the one before it ended
 * idle_us earlier: the median of so many calls, at most TN_FORK_JOIN_CALLS. */
enum { TN_FORK_JOIN_CALLS = 101 };
double tn_fork_join_us(tn_pool *pool, int idle_us, int calls);

#endif
