/* SPDX-License-Identifier: Apache-2.0 */
/* bandwidth.h: how fast one core moves bytes that nothing is computed of. */
#ifndef TN_BENCH_BANDWIDTH_H
#define TN_BENCH_BANDWIDTH_H

#include <stdint.h>

typedef enum bench_stream {
    BENCH_LOAD,
    BENCH_STORE,
    BENCH_COPY,  /* one half into the other */
    BENCH_MERGE, /* two thirds into the last */
    BENCH_N_STREAMS
} bench_stream;

/* GB/s of a stream over memory of so many bytes, at least 2048, again and again, so its size
 * decides which cache it comes from. What the hardware moves besides, such as a line that it reads
 * before part of it is stored, is not counted.
 * repetition_ns as in bench_time_call. 0 when out of memory. */
double bench_bandwidth(bench_stream stream, int64_t bytes, double repetition_ns);

#endif
