/* SPDX-License-Identifier: Apache-2.0 */
/* augment_words.h: the argument of --augment, "crop=2,flip,rotate=10". */
#ifndef TN_TENON_AUGMENT_WORDS_H
#define TN_TENON_AUGMENT_WORDS_H

#include <tenon/tenon.h>

/* Reads it into *augmentation, zeros where nothing is said. Whether the changes suit the images is
 * for tn_train to say. Returns OPTIONS_GO_ON or, after an error, EXIT_USAGE. */
int augment_words_parse(const char *words, tn_augmentation *augmentation);

#endif
