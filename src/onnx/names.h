/* SPDX-License-Identifier: Apache-2.0 */
/* names.h: what the names in a file's graph stand for, and in which order its nodes can be
 * computed. */
#ifndef TN_ONNX_NAMES_H
#define TN_ONNX_NAMES_H

#include "graph/graph.h"
#include "onnx/onnx.pb-c.h"

typedef enum tn_name_kind {
    TN_NAME_INITIALIZER,
    TN_NAME_INPUT, /* that is no initializer: until IR version 4 those were listed as inputs too */
    TN_NAME_OUTPUT /* of a node */
} tn_name_kind;

typedef struct tn_name {
    const char *name; /* belongs to the file */
    tn_name_kind kind;
    size_t index;    /* of the initializer, input or node in the file */
    bool also_input; /* an initializer that is listed as an input too */
    bool used;       /* by a node */
    bool constant;   /* an initializer that is not to be trained */
    bool is_output;  /* of the graph */
    tn_value *value; /* in the graph, once it is there */
} tn_name;

typedef struct tn_names {
    tn_name *items; /* sorted by name */
    size_t n;
} tn_names;

/* Collects the names of all values and marks those used; fails for names given twice, missing or
 * not UTF-8. Release with free(names->items), on failure too. */
tn_status tn_names_collect(const TnOnnx__GraphProto *file, tn_names *names, tn_error *error);
/* NULL if there is none. */
tn_name *tn_names_find(const tn_names *names, const char *name);

/* Writes to order [file->n_node] the nodes in an order in which every value is computed before it
 * is used: that of the file, where it is one. Fails for values that nothing computes and for
 * cycles. */
tn_status tn_names_sort_nodes(const TnOnnx__GraphProto *file, const tn_names *names, size_t *order,
                              tn_error *error);

bool tn_names_is_constant_node(const TnOnnx__NodeProto *node);
/* Whether domain is the one of ONNX's own operators. */
bool tn_names_default_domain(const char *domain);

/* 'node "Conv_3" (Conv)' into text, which it returns; a node without a name gets its type and place
 * in the file for one. */
enum { TN_NODE_NAME_TEXT = 256, TN_NODE_LABEL_TEXT = 512 };
const char *tn_names_node(const TnOnnx__GraphProto *file, size_t index,
                          char text[TN_NODE_NAME_TEXT]);
const char *tn_names_node_label(const TnOnnx__GraphProto *file, size_t index,
                                char text[TN_NODE_LABEL_TEXT]);

#endif
