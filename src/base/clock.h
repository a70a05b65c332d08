/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h: how long things take. */
#ifndef TN_BASE_CLOCK_H
#define TN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds since some moment, never going back. */
static inline int64_t tn_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

#endif
