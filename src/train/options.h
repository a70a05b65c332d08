/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: whether options of training make sense. */
#ifndef TN_TRAIN_OPTIONS_H
#define TN_TRAIN_OPTIONS_H

#include "graph/model.h"

/* Checks resolved options, and that the data fits the model. Fails with TN_ERR_ARGUMENT,
 * TN_ERR_MISMATCH or TN_ERR_UNSUPPORTED. */
tn_status tn_train_options_check(const tn_model *model, const tn_dataset *dataset,
                                 const tn_train_options *options, tn_error *error);

#endif
