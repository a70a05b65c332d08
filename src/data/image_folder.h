/* SPDX-License-Identifier: Apache-2.0 */
/* image_folder.h: data sets of PNG and JPEG files, a folder for each class. */
#ifndef TN_DATA_IMAGE_FOLDER_H
#define TN_DATA_IMAGE_FOLDER_H

#include "data/dataset.h"
#include "data/folder.h"

/* Whether there are folders. */
bool tn_image_folder_here(const tn_folder *folder);

/* Lists the files of both splits, decides on one size from their headers where the options leave it
 * open, and decodes those of the split on the options' threads. A file that cannot be used is an
 * error, the first in the order of the list, or with skip_bad left out, counted and told to log.
 * The result does not depend on the number of threads. options are complete, not a prefix. */
tn_status tn_image_folder_read(tn_dataset *dataset, const tn_folder *folder, tn_split split,
                               const tn_dataset_options *options, tn_error *error);

#endif
