/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.h: how numbers are distributed, in the buckets that TensorBoard expects. */
#ifndef TN_REPORT_HISTOGRAM_H
#define TN_REPORT_HISTOGRAM_H

#include <stdint.h>

/* Limits -DBL_MAX, -v(k)..., 0, v(0)..., DBL_MAX, where v(i) = 1e-12 · 1.1^i < 1e20. */
enum { TN_HISTOGRAM_SIDE = 774, TN_HISTOGRAM_BUCKETS = 2 * TN_HISTOGRAM_SIDE + 3 };

/* A run of empty buckets is one bucket. Bucket i holds the values from limits[i - 1] up to but
 * without limits[i]. */
typedef struct tn_histogram {
    double min, max, sum, sum_squares; /* of the n values; 0 if there are none */
    int64_t n;
    int n_buckets; /* at least 1 */
    double limits[TN_HISTOGRAM_BUCKETS], counts[TN_HISTOGRAM_BUCKETS];
} tn_histogram;

/* Of those among values [n] that are finite. */
void tn_histogram_fill(const float *values, int64_t n, tn_histogram *histogram);

#endif
