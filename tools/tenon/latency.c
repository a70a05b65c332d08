/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "json.h"
#include "message.h"

double clock_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

bool latencies_add(latencies *all, double seconds) {
    if (all->n == all->room) {
        int64_t room = all->room ? 2 * all->room : 256;
        double *items = realloc(all->items, (size_t)room * sizeof *items);
        if (!items) return false;
        all->items = items;
        all->room = room;
    }
    all->items[all->n++] = seconds;
    return true;
}

bool latencies_add_all(latencies *all, const latencies *further) {
    for (int64_t i = 0; i < further->n; i++)
        if (!latencies_add(all, further->items[i])) return false;
    return true;
}

static int shorter_first(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The smallest time that this share of all do not exceed. */
static double share_us(const latencies *all, double share) {
    int64_t rank = (int64_t)ceil(share * (double)all->n);
    return all->n > 0 ? 1e6 * all->items[rank > 0 ? rank - 1 : 0] : NAN;
}

percentiles latencies_percentiles(latencies *all) {
    if (all->n > 0) qsort(all->items, (size_t)all->n, sizeof *all->items, shorter_first);
    return (percentiles){share_us(all, 0.5), share_us(all, 0.9), share_us(all, 0.99)};
}

void percentiles_print(FILE *out, const percentiles *p) {
    int digits = p->p50_us < 10 ? 1 : 0;
    say(out, "p50 %.*f us, p90 %.*f, p99 %.*f", digits, p->p50_us, digits, p->p90_us, digits,
        p->p99_us);
}

void percentiles_put_json(const percentiles *p, json_t *object) {
    json_put_real(object, "latency_us_p50", p->p50_us);
    json_put_real(object, "latency_us_p90", p->p90_us);
    json_put_real(object, "latency_us_p99", p->p99_us);
}
