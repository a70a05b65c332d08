/* SPDX-License-Identifier: Apache-2.0 */
/* images.h: values as images of rows, for nodes that run on some rows of a sample at a time. */
#ifndef TN_GRAPH_IMAGES_H
#define TN_GRAPH_IMAGES_H

#include "graph/op.h"

/* Rows of an image that node reads or writes, which may be none; 1 of what is no image. */
int64_t tn_image_rows(const tn_node *node, const tn_value *v);

/* Bytes from row to row of one sample; 0 where its rows do not lie one after the other, as in an
 * image of several channels stored plain. */
int64_t tn_row_bytes(const tn_node *node, const tn_value *v);

/* Makes all rows those of run->node's images. */
void tn_run_set_whole(tn_run *run);

/* rows_in where each row is made from the same row of all images. */
bool tn_rows_same(const tn_node *node, int input, tn_rows out, tn_rows *in);

/* The rows of an image of `size` rows that windows `out` cover: those begin at row
 * stride · i - pad and have `taps` taps that are `dilation` apart. */
tn_rows tn_rows_of_windows(tn_rows out, int64_t stride, int64_t pad, int64_t taps, int64_t dilation,
                           int64_t size);

/* Output channels [begin, end) that a run is to compute of n, divided among the shares in blocks of
 * `block`. */
typedef struct tn_channels {
    int64_t begin, end;
} tn_channels;
tn_channels tn_run_channels(const tn_run *run, int64_t n, int64_t block);

/* Where row 0 of the first sample would be, though only some rows are there: for addressing these
 * by their number in the image. */
const void *tn_run_in_image(const tn_run *run, int input);
void *tn_run_out_image(const tn_run *run, int output);
/* Likewise what is added at the end (tn_node.more), NULL if nothing is. */
const void *tn_run_more(const tn_run *run);

#endif
