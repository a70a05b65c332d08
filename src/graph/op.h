/* SPDX-License-Identifier: Apache-2.0 */
/* op.h: what an operator is. One const descriptor in one file of ops/, one row in ops/list.c; the
 * address of the descriptor is its identity. Import, export, printing and checking read the
 * attribute table; the plan chooses among the implementations. */
#ifndef TN_GRAPH_OP_H
#define TN_GRAPH_OP_H

#include "base/real.h"
#include "graph/fetch.h"
#include "graph/graph.h"
#include "kernels/kernels.h"

/* ---- Attributes --------------------------------------------------------------------------- */

enum { TN_ATTR_INTS_MAX = 2 * TN_MAX_RANK, TN_ATTR_STRING_MAX = 32 };

typedef struct tn_ints {
    int n; /* 0 when left out: infer_shape fills in the default for the rank at hand */
    int64_t v[TN_ATTR_INTS_MAX];
} tn_ints;

typedef struct tn_floats {
    int n;
    float v[TN_ATTR_INTS_MAX];
} tn_floats;

typedef enum tn_attr_type {
    TN_ATTR_INT,    /* int64_t */
    TN_ATTR_FLOAT,  /* double, but a number that float32 holds: files have no others */
    TN_ATTR_INTS,   /* tn_ints */
    TN_ATTR_FLOATS, /* tn_floats */
    TN_ATTR_STRING  /* char[TN_ATTR_STRING_MAX] */
} tn_attr_type;

typedef struct tn_attr {
    const char *name; /* as in ONNX; NULL ends a table */
    tn_attr_type type;
    size_t offset; /* of the field in the structure node->attrs */
    bool required;
    double number;    /* default of INT and FLOAT; a float, since files hold no more */
    const char *text; /* default of STRING; NULL is "" */
} tn_attr;

/* Fills attrs (op->attrs_bytes) with the defaults. */
void tn_attrs_init(const tn_op *op, void *attrs);
/* "kernel_shape=3,3 strides=1,1": the attributes that differ from their defaults, cut at bytes. */
void tn_attrs_print(const tn_op *op, const void *attrs, char *text, size_t bytes);
/* The inverse: fills attrs with the defaults and then with what text says. Fails with
 * TN_ERR_ARGUMENT, naming the attribute; of an unknown one also those that there are. */
tn_status tn_attrs_parse(const tn_op *op, const char *text, void *attrs, tn_error *error);
/* The row of a name, or NULL. */
const tn_attr *tn_attr_find(const tn_op *op, const char *name);

/* ---- Memory layout ------------------------------------------------------------------------ */

/* While executing, each sample of a batched value is stored either plain (as in ONNX) or channels
 * last. If the plan stores samples in lanes, these rules are for the nodes without an
 * implementation for that. */
typedef enum tn_layout_rule {
    TN_LAYOUT_ANY,   /* elementwise: outputs are stored as the first batched input is, other
                        batched inputs are brought to that; plain where shapes differ, unless all
                        batched values have rank 4 */
    TN_LAYOUT_IMAGE, /* batched values of rank 4 are channels last */
    /* batched values of rank 3 to 5 are: images of one to three dimensions */
    TN_LAYOUT_CHANNELS_LAST,
    TN_LAYOUT_PLAIN,
    TN_LAYOUT_PIXELS,   /* output 0 channels last, the rest plain */
    TN_LAYOUT_WEIGHTED, /* input 0 as it is, since the weight (input 1) is arranged to match;
                           plain if the weight is computed or either is no matrix; everything else
                           plain */
    TN_LAYOUT_WEIGHTED_GRADIENT /* output 0 as the weight (input 1) was arranged for; the rest plain
                                 */
} tn_layout_rule;

/* How a parameter is stored while executing: canonical data seen as an array of `rank` dims, its
 * axes permuted: axis i of the stored array is axis axes[i] of the canonical one. Rank 0: as is. */
typedef struct tn_arrangement {
    int rank;
    int64_t dims[TN_MAX_RANK];
    int axes[TN_MAX_RANK];
} tn_arrangement;

/* ---- Running ------------------------------------------------------------------------------ */

enum { TN_MAX_SHARDS = 64 };

/* What varies from step to step. */
typedef struct tn_step {
    bool training;              /* dropout drops */
    uint64_t seed;              /* of dropout */
    uint64_t number;            /* of the training step, from 0 */
    int64_t place;              /* of this run's first sample among those of the step */
    int64_t batch;              /* samples in this run */
    const int64_t *shard_begin; /* [n_shards + 1]: shard s holds samples [s], [s+1) */
    int n_shards;
} tn_step;

/* Rows [begin, end) of an image. */
typedef struct tn_rows {
    int64_t begin, end;
} tn_rows;

/* One call of an implementation: a tile of samples, or some rows of one sample, or a range of units
 * of the whole batch. */
typedef struct tn_run {
    const tn_node *node;
    const tn_kernels *kernels;
    const tn_step *step;
    /* At sample `first` if batched, and there at the first of the rows below; NULL for an absent
     * input. Set for the inputs and outputs that the node has, and up to the usual number. Rows
     * count only where those of a sample follow each other (tn_row_bytes): else the pointer is at
     * the sample. */
    const void *in[TN_MAX_INPUTS];
    void *out[TN_MAX_OUTPUTS]; /* likewise; of a node that reduces samples, to be added to */
    tn_rows rows;              /* of the outputs, to be computed; all unless rows_in allows less */
    tn_rows in_rows[TN_MAX_INPUTS];     /* that may be read: what rows_in says, or all */
    int64_t in_channels[TN_MAX_INPUTS]; /* tn_value.channels */
    int64_t out_channels[TN_MAX_OUTPUTS];
    int64_t first, n;   /* samples of this call; values that are not batched are whole */
    int64_t begin, end; /* range of units; 0, 1 for an implementation without units */
    /* Of an implementation that shares channels: which share of the channels of output 0 is to be
     * computed (tn_run_channels); others compute the rest. n_shares 0: all. */
    int share, n_shares;
    const void *packed; /* what pack made; 64-byte aligned */
    void *workspace;    /* this thread's, workspace_bytes, 64-byte aligned */
    /* Of a node that reduces samples: memory that lasts for all calls of a shard (shard_bytes), and
     * whether this is the first or the last of them. */
    void *shard;
    bool begins_shard, ends_shard;
    const tn_fetch *fetch; /* of an implementation that `fetches`; NULL: nothing */
} tn_run;

/* What the plan expects of an implementation, where memory does not hold it up. The unit is a
 * multiply-accumulate (MAC) at the rate of the register tile. */
typedef struct tn_cost {
    float efficiency;  /* share of that rate at which it does the MACs of its operator; 0 is 0.9 */
    float per_element; /* MACs' worth of other work for each element of output 0, or of input 0 if
                          those are more */
    float weights;     /* how many times what is stored of its weights each call reads; 0 is 1 */
} tn_cost;

/* Ways of storing batched values that an implementation is for: one after the other, or
 * eight side by side (tn_value.lanes), the last group of a tile filled up with anything. */
typedef enum tn_stored { TN_STORED_BY_SAMPLE, TN_STORED_IN_LANES, TN_STORED_ANYHOW } tn_stored;

typedef struct tn_implementation {
    const char *name;
    tn_stored stored;
    bool copies; /* output 0 is input 0 as it is stored: done already where the one lies over the
                    other, as the operator must allow */
    tn_cost cost;
    /* Whether it can run the node. NULL: always. */
    bool (*applies)(const tn_node *node, const tn_kernels *kernels);
    /* Of one that applies: whether to take it before those behind it, where no table says what to
     * take (tn_op.choose). A rule of shapes, since bits depend on it. NULL: always. */
    bool (*pays)(const tn_node *node, const tn_kernels *kernels);
    /* NULL or 0: the node runs tile by tile over samples. Else it runs over the whole batch, and
     * this many units of work are divided between threads. Must not depend on anything but the node
     * (shapes included), so that bits do not depend on threads. */
    int64_t (*units)(const tn_node *node);
    /* For tiles of up to n samples (n is the whole batch for an implementation with units). */
    int64_t (*workspace_bytes)(const tn_node *node, const tn_kernels *kernels, int64_t n);
    /* Of one that reduces samples: memory for what it keeps until a shard's last sample. */
    int64_t (*shard_bytes)(const tn_node *node, const tn_kernels *kernels);
    /* Parameters in the form the kernels like best, made anew whenever they have changed. in holds
     * the parameters and constants only. */
    int64_t (*packed_bytes)(const tn_node *node, const tn_kernels *kernels);
    void (*pack)(const tn_run *run, void *packed);
    /* Of images: sets *in to the rows of batched input `input` that rows `out` of the outputs are
     * made from; those for a part of `out` are among those for all of it. False if this node
     * cannot be run on some rows of a single sample (images.h). NULL: never. */
    bool (*rows_in)(const tn_node *node, int input, tn_rows out, tn_rows *in);
    /* It computes rows in groups of so many, counted from the top of the image: what a call wants
     * of a group takes as long as all of it. 0 is 1. */
    int row_group;
    bool fetches; /* calls tn_fetch_part while it computes */
    /* It can compute some output channels of a sample only, reading no more of its weights. */
    bool shares_channels;
    /* Of one in lanes, for the choice between both ways: multiply-accumulates that a sample takes
     * by register tiles, those on padding included. NULL: none. */
    int64_t (*tile_macs)(const tn_node *node);
    void (*run)(const tn_run *run);
} tn_implementation;

struct tn_op {
    const char *name;      /* unique among operators */
    const char *onnx_type; /* in the default domain; NULL for operators of the engine's own */
    const tn_attr *attrs;  /* ends with a NULL name; NULL for none */
    size_t attrs_bytes;
    const void *family; /* of operators that share their functions: what those know it by */
    int min_inputs, max_inputs, n_outputs;
    tn_layout_rule layout;
    bool in_place;       /* output 0 may lie over input 0 */
    bool ends;           /* its implementations heed tn_node.activation and more */
    uint64_t stored;     /* bit i: input i must be a parameter or a constant, as infer_shape checks;
                            one that a model is fed is that if its value is given at load */
    uint64_t statistics; /* bit i: input i, where a parameter, is a statistic */
    bool reduces_samples; /* outputs are sums over samples: accumulated shard by shard */
    /* How many outputs of a node ONNX has. NULL: n_outputs, what infer_shape or differentiation has
     * added being the engine's own. */
    int (*onnx_outputs)(const tn_node *node);
    /* Sets the shapes and types of all outputs from the inputs and checks everything that could be
     * wrong with inputs and attributes; may fill in attributes left out. Messages need not name the
     * node: the caller does. */
    tn_status (*infer_shape)(tn_graph *graph, tn_node *node, tn_error *error);
    /* Writes to data[i] what output i holds, which follows from the shapes of the inputs alone;
     * its memory (ONNX order) has room. Importing makes such outputs constants. NULL: they do
     * not. */
    void (*value_of_shape)(const tn_node *node, void *const *data);
    /* Appends the nodes that turn the gradients of the outputs (tn_gradient_of) into those of the
     * inputs (tn_gradient_add), where wanted. NULL: no gradient. */
    tn_status (*differentiate)(tn_graph *graph, tn_node *node, tn_error *error);
    /* Appends to graph what stands for node while training, and sets outputs [op->n_outputs];
     * inputs are node's in that graph. Statistics are taken over n_groups equal parts of the batch,
     * whole shards each. NULL: the node itself. */
    tn_status (*train)(tn_graph *graph, const tn_node *node, tn_value *const *inputs, int n_groups,
                       tn_value **outputs, tn_error *error);
    /* Multiply-accumulates for one sample (of a whole run if not batched), INT64_MAX if even more;
     * NULL is none. */
    int64_t (*macs)(const tn_node *node);
    /* How parameter or constant input i is to be stored; NULL or rank 0: as is. in_channels are
     * those of the node's inputs; of a weight, those of the input 0 that it is arranged to match.
     * The gradient of a parameter is stored as the parameter is. */
    tn_arrangement (*arrange)(const tn_node *node, int input, const int64_t *in_channels);
    const tn_implementation *const *implementations; /* best first, NULL-terminated */
    /* The implementation that a table names for a node by sample: `tuning`, if there is one, or the
     * table in the source, by the level of the kernels. NULL, or NULL for it: none does. */
    const char *(*choose)(const tn_node *node, const tn_kernels *kernels, const tn_tuning *tuning);
};

/* The operators the engine itself inserts: sums of gradients, and changes of layout. */
extern const tn_op tn_op_add;
extern const tn_op tn_op_reorder;

#endif
