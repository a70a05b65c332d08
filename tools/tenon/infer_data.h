/* SPDX-License-Identifier: Apache-2.0 */
/* infer_data.h: the half of tenon infer that classifies a whole data set. */
#ifndef TN_TENON_INFER_DATA_H
#define TN_TENON_INFER_DATA_H

#include <stdio.h>

#include <jansson.h>

#include <tenon/tenon.h>

typedef struct data_options {
    const char *data, *model_path;
    const tn_dataset_options *open;
    bool confusion;
    const char *mistakes; /* the PNG file to draw them into; NULL for none */
    int64_t n_mistakes;   /* at most so many */
} data_options;

/* Classifies the test images of a data set, prints the accuracy and what belongs to it to out
 * (which may be NULL), puts the same into results, and draws the mistakes if asked to. */
int infer_data(FILE *out, const tn_model *model, tn_session *session, const data_options *options,
               json_t *results);

#endif
