/* SPDX-License-Identifier: Apache-2.0 */
/* graph.h: models, gradients and training steps are all graphs: values joined by nodes, each node
 * an operator applied to values. A graph owns its values, nodes and constant data, in one arena. */
#ifndef TN_GRAPH_GRAPH_H
#define TN_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/status.h"
#include "graph/name_index.h"
#include "kernels/activation.h"

typedef struct tn_graph tn_graph;
typedef struct tn_node tn_node;
typedef struct tn_op tn_op; /* graph/op.h */

typedef struct tn_shape {
    int rank;
    int64_t dims[TN_MAX_RANK];
    bool batched; /* dims[0] counts samples, and sample i depends on sample i of the inputs only */
} tn_shape;

/* No tensor may hold more elements, nor may what an operator works on: 4 TiB of floats are beyond
 * any machine, and sums of sizes over a whole graph stay far from overflow. */
#define TN_MAX_ELEMENTS ((int64_t)1 << 40)

/* A size that no file means: it shows where the size of a batch went. */
#define TN_PROBE_BATCH 7919

typedef enum tn_value_kind {
    TN_VALUE_INPUT,     /* bound by the caller at each run */
    TN_VALUE_PARAMETER, /* trainable, float32 */
    TN_VALUE_CONSTANT,
    TN_VALUE_COMPUTED /* an output of its producer */
} tn_value_kind;

typedef struct tn_value {
    char *name; /* unique in the graph */
    int id;     /* its place in graph->values */
    tn_value_kind kind;
    tn_dtype dtype; /* TN_FLOAT32 stands for `real` while executing */
    tn_shape shape;
    const void *data;  /* of parameters and constants, canonical (ONNX order, packed) */
    const void *probe; /* of a constant computed from the size of a batch, which was taken for 1:
                          the data if it were TN_PROBE_BATCH; else NULL. Only while importing */
    bool statistic;    /* a parameter that follows no gradient but a tn_update */
    bool frozen;       /* a parameter that training leaves as it is */
    tn_node *producer; /* of computed values, else NULL */
    int64_t channels;  /* set by the plan: while executing each sample of a batched value is stored
                          [elements / channels][channels], so 1 is plain; of a weight, that of the
                          input it is arranged to match */
    bool lanes;        /* set by the plan: stored in lanes (kernels.h), elements in ONNX order */
} tn_value;

/* Only operators that take or make any number of values have more than the usual. */
enum { TN_MAX_INPUTS = 64, TN_MAX_OUTPUTS = 16, TN_USUAL_INPUTS = 8, TN_USUAL_OUTPUTS = 4 };

struct tn_node {
    char *name; /* unique in the graph */
    int id;     /* its place in graph->nodes */
    const tn_op *op;
    void *attrs; /* op->attrs_bytes, laid out by op->attrs */
    int n_inputs, n_outputs;
    tn_value *inputs[TN_MAX_INPUTS]; /* NULL where an optional input is left out */
    tn_value *outputs[TN_MAX_OUTPUTS];
    /* What passes have made the end of an operator that `ends`: output 0 is
     * activation(result + inputs[more]), without the addition if more is 0. */
    tn_activation activation;
    int more; /* an input beyond those of the operator, with the shape of output 0 */
};

/* What a training step does to a statistic, such as a running mean:
 *     parameter = momentum · parameter + (1 - momentum) · value */
typedef struct tn_update {
    tn_value *parameter, *value; /* of one shape */
    double momentum;
} tn_update;

struct tn_graph {
    tn_arena arena;
    tn_value **values;
    tn_node **nodes; /* in an order in which every value is computed before it is used */
    tn_value **inputs, **outputs;
    tn_value **parameters; /* canonical order: ONNX files, checkpoints and weights_sha256 use it */
    tn_update **updates;
    int n_values, n_nodes, n_inputs, n_outputs, n_parameters, n_updates;
    tn_name_index value_names, node_names;
    int values_room, nodes_room, inputs_room, outputs_room, parameters_room, updates_room;
    struct tn_differentiation *differentiation; /* in progress, else NULL */
};

tn_status tn_graph_create(tn_graph **graph, tn_error *error);
void tn_graph_free(tn_graph *graph);
/* A deep copy; values and nodes keep their ids. */
tn_status tn_graph_clone(const tn_graph *graph, tn_graph **copy, tn_error *error);
/* The same without copying data: parameters and constants refer to that of graph, which must
 * outlive the copy. */
tn_status tn_graph_clone_lightly(const tn_graph *graph, tn_graph **copy, tn_error *error);

/* Adds a value. name is copied, made unique by a suffix if taken; NULL makes one up. data is copied
 * if not NULL. Appends to graph->inputs or ->parameters by kind. */
tn_status tn_graph_add_value(tn_graph *graph, tn_value_kind kind, const char *name, tn_dtype dtype,
                             const tn_shape *shape, const void *data, tn_value **value,
                             tn_error *error);
/* A float32 constant. */
tn_status tn_graph_add_constant(tn_graph *graph, const char *name, int rank, const int64_t *dims,
                                const float *data, tn_value **value, tn_error *error);

/* Appends a node with op->n_outputs new outputs, checks the number of inputs and infers the shapes
 * of the outputs. attrs (op->attrs_bytes, or NULL if the operator has none) is copied; its defaults
 * must be filled (tn_attrs_init). name may be NULL. */
tn_status tn_graph_add_node(tn_graph *graph, const tn_op *op, const char *name, const void *attrs,
                            tn_value *const *inputs, int n_inputs, tn_node **node, tn_error *error);
/* The same in the middle of an expression: returns the first output in *output. */
tn_status tn_graph_apply(tn_graph *graph, const tn_op *op, const void *attrs,
                         tn_value *const *inputs, int n_inputs, tn_value **output, tn_error *error);
/* One more output for a node, whose shape the caller sets. */
tn_status tn_graph_add_output(tn_graph *graph, tn_node *node, tn_dtype dtype, const tn_shape *shape,
                              tn_value **value, tn_error *error);
/* Has each step of training move the statistic `parameter` towards value, a sum over samples or
 * derived from such. Fails with TN_ERR_UNSUPPORTED if something moves it already: a step has room
 * for one value of each parameter. */
tn_status tn_graph_add_update(tn_graph *graph, tn_value *parameter, tn_value *value,
                              double momentum, tn_error *error);
/* Declares a value an output of the graph. */
tn_status tn_graph_mark_output(tn_graph *graph, tn_value *value, tn_error *error);

/* Drops the values, parameters among them, that are not needed [n_values]; in- and outputs of the
 * graph and of nodes must be. Others get new ids. */
void tn_graph_drop_values(tn_graph *graph, const bool *needed);

/* Gives the value this name, taking it from whichever value has it, which gets another. */
tn_status tn_graph_rename_value(tn_graph *graph, tn_value *value, const char *name,
                                tn_error *error);
tn_value *tn_graph_find_value(const tn_graph *graph, const char *name);

/* Sets the batch of all batched inputs and infers every shape again. */
tn_status tn_graph_set_batch(tn_graph *graph, int64_t batch, tn_error *error);

/* Elements of a shape; of one sample if batched. No product of dimensions of a shape in a graph is
 * beyond TN_MAX_ELEMENTS, not even if others are 0: they are checked when values are added and
 * inferred. */
int64_t tn_shape_elements(const tn_shape *shape);
int64_t tn_shape_sample_elements(const tn_shape *shape);
bool tn_shape_equal(const tn_shape *a, const tn_shape *b);
/* "64x1x28x28" into text; returns text. */
enum { TN_SHAPE_TEXT = 160 };
const char *tn_shape_text(const tn_shape *shape, char text[TN_SHAPE_TEXT]);
/* Bytes of one element while executing. */
size_t tn_dtype_bytes(tn_dtype dtype);
/* Bytes of one element in files: float32 is 4. 0 for what is no type. */
size_t tn_dtype_file_bytes(tn_dtype dtype);

/* Appends to the graph the nodes that compute the gradients of y: for every parameter (and every
 * value in `also`) that y depends on, gradients[value id] is the value of Σ dy·∂y/∂value, else
 * NULL. dy has the shape of y. gradients has room for the values that the graph held before the
 * call and is filled for all of them. Reverse mode; sums of several contributions are Add nodes. */
tn_status tn_graph_differentiate(tn_graph *graph, tn_value *y, tn_value *dy, tn_value *const *also,
                                 int n_also, tn_value **gradients, tn_error *error);

/* For the operators' differentiate, during tn_graph_differentiate: the gradient that has arrived at
 * an output (NULL if none), whether anybody wants the gradient of an input, and its delivery. */
tn_value *tn_gradient_of(const tn_graph *graph, const tn_value *output);
bool tn_gradient_wanted(const tn_graph *graph, const tn_value *input);
tn_status tn_gradient_add(tn_graph *graph, tn_value *input, tn_value *gradient, tn_error *error);

#endif
