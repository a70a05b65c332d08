/* SPDX-License-Identifier: Apache-2.0 */
/* infer_images.h: the half of tenon infer that classifies image files. */
#ifndef TN_TENON_INFER_IMAGES_H
#define TN_TENON_INFER_IMAGES_H

#include <stdio.h>

#include <jansson.h>

#include <tenon/tenon.h>

typedef enum image_drawing { IMAGES_DRAW_ON_TERMINAL = 0, IMAGES_DRAW, IMAGES_LIST } image_drawing;

typedef struct image_options {
    int64_t batch_size; /* as the session's max_batch */
    bool invert;
    tn_fit fit; /* of images of another shape */
    image_drawing draw;
    int top;        /* classes to name for each */
    int64_t repeat; /* runs of each batch that are measured; 0: one, which is not */
} image_options;

enum { IMAGES_MOST_TOP = 100 };

/* Says that what the model computes is worth nothing. */
void infer_warn_not_finite(void);

/* Classifies the files batch by batch, prints what is on each to out (which may be NULL) and puts
 * "images" and the time into results. A file that cannot be read is reported and left out; the exit
 * code then is EXIT_FAILED. */
int infer_images(FILE *out, const tn_model *model, tn_session *session, const char *const *files,
                 int n_files, const image_options *options, json_t *results);

#endif
