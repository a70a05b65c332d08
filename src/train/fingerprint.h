/* SPDX-License-Identifier: Apache-2.0 */
/* fingerprint.h: by what a checkpoint knows the model and the data it belongs to. */
#ifndef TN_TRAIN_FINGERPRINT_H
#define TN_TRAIN_FINGERPRINT_H

#include "graph/graph.h"

/* The SHA-256, in hexadecimal, of a graph's structure: operators, attributes, wiring, shapes,
 * constants, names of parameters; not the parameters' numbers. */
void tn_fingerprint_graph(const tn_graph *graph, char hex[65]);
/* That of a data set: size, all labels and every 64th image (half a millisecond for MNIST). */
void tn_fingerprint_data(const tn_dataset *dataset, char hex[65]);

#endif
