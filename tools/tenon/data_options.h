/* SPDX-License-Identifier: Apache-2.0 */
/* data_options.h: how data sets are opened, for the commands that open them. */
#ifndef TN_TENON_DATA_OPTIONS_H
#define TN_TENON_DATA_OPTIONS_H

#include <tenon/tenon.h>

#include "options.h"

/* What the command line says. */
typedef struct data_words {
    const char *image_size; /* "N" or "HxW" */
    int64_t channels;
    int fit;
    bool skip_bad;
} data_words;

/* Rows for the table of a command; the last two are for one that may choose the size. */
enum { DATA_ROW_FIT, DATA_ROW_SKIP_BAD, DATA_ROW_IMAGE_SIZE, DATA_ROW_CHANNELS, DATA_ROWS };
void data_options_rows(data_words *words, option rows[static DATA_ROWS]);

/* From words to options, which tell of what is left out as a warning. Returns OPTIONS_GO_ON, or the
 * exit code after printing what is wrong. */
int data_options_parse(const char *verb, const data_words *words, tn_dataset_options *options);
/* Whether the images are of the size and colour that were asked for: only pictures are changed,
 * other formats have their own. If not, prints which option does not fit. */
bool data_options_met(const tn_dataset_options *asked, const tn_dataset *data, const char *name);
/* Where size or channels are open, those of the images that the model takes. */
void data_options_suit(tn_dataset_options *options, const tn_model *model);

#endif
