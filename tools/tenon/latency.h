/* SPDX-License-Identifier: Apache-2.0 */
/* latency.h: how long runs take: percentiles. */
#ifndef TN_TENON_LATENCY_H
#define TN_TENON_LATENCY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

double clock_seconds(void);

/* Times of runs, in seconds. Zeroed to begin with; `items` is to be freed. */
typedef struct latencies {
    double *items;
    int64_t n, room;
} latencies;

/* False when out of memory. */
bool latencies_add(latencies *all, double seconds);
bool latencies_add_all(latencies *all, const latencies *further);

typedef struct percentiles {
    double p50_us, p90_us, p99_us; /* NaN of none */
} percentiles;

/* Sorts the items. */
percentiles latencies_percentiles(latencies *all);
/* "p50 123 us, p90 130, p99 150" */
void percentiles_print(FILE *out, const percentiles *p);
/* latency_us_p50, latency_us_p90, latency_us_p99 */
void percentiles_put_json(const percentiles *p, json_t *object);

#endif
