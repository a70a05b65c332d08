/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.c: as core/lib/histogram/histogram.cc of TensorFlow does it. */
#include "report/histogram.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

static void make_limits(double limits[TN_HISTOGRAM_BUCKETS]) {
    const int zero = TN_HISTOGRAM_SIDE + 1;
    double v = 1e-12;
    for (int i = 1; i <= TN_HISTOGRAM_SIDE; i++, v *= 1.1) {
        limits[zero + i] = v;
        limits[zero - i] = -v;
    }
    limits[0] = -DBL_MAX;
    limits[zero] = 0;
    limits[TN_HISTOGRAM_BUCKETS - 1] = DBL_MAX;
}

/* The first bucket whose limit is above value. */
static int find_bucket(const double *limits, double value) {
    int below = 0, above = TN_HISTOGRAM_BUCKETS - 1; /* limits[below] <= value < limits[above] */
    while (above - below > 1) {
        int middle = (below + above) / 2;
        if (limits[middle] > value)
            above = middle;
        else
            below = middle;
    }
    return above;
}

static void add(tn_histogram *h, double value) {
    if (h->n == 0 || value < h->min) h->min = value;
    if (h->n == 0 || value > h->max) h->max = value;
    h->n++;
    h->sum += value;
    h->sum_squares += value * value;
    h->counts[find_bucket(h->limits, value)]++;
}

/* A run of empty buckets becomes one, in place. */
static void merge_empty(tn_histogram *h) {
    int n = 0;
    for (int i = 0; i < TN_HISTOGRAM_BUCKETS; i++) {
        bool extends_run = n > 0 && h->counts[n - 1] == 0 && h->counts[i] == 0;
        if (!extends_run) n++;
        h->limits[n - 1] = h->limits[i];
        h->counts[n - 1] = h->counts[i];
    }
    h->n_buckets = n;
}

void tn_histogram_fill(const float *values, int64_t n, tn_histogram *histogram) {
    memset(histogram, 0, sizeof *histogram);
    make_limits(histogram->limits);
    for (int64_t i = 0; i < n; i++)
        if (isfinite(values[i])) add(histogram, values[i]);
    merge_empty(histogram);
}
