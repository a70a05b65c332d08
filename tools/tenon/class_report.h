/* SPDX-License-Identifier: Apache-2.0 */
/* class_report.h: how well each class was recognised, and what it was taken for instead. */
#ifndef TN_TENON_CLASS_REPORT_H
#define TN_TENON_CLASS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

typedef struct class_report {
    int n_classes;
    const char **names; /* [n_classes] */
    int64_t *counts;    /* [true][predicted] */
} class_report;

/* Counts labels and predictions [n], all in 0..n_classes-1. The names stay the caller's. Returns
 * false if out of memory. */
bool class_report_make(class_report *report, int n_classes, const char **names,
                       const int32_t *labels, const int32_t *predictions, int64_t n);
void class_report_free(class_report *report);

/* The table of precision, recall and F1, of the worst classes only if there are many. out may be
 * NULL. */
void class_report_print(FILE *out, const class_report *report);
/* The matrix, or the most frequent confusions if it is too wide for the stream. */
void class_report_print_confusion(FILE *out, const class_report *report);
/* Puts "classes" and "confusion". */
void class_report_put_json(const class_report *report, json_t *results);

#endif
