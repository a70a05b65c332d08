/* SPDX-License-Identifier: Apache-2.0 */
/* convert.c: models rewritten for other programs. */
#include <string.h>

#include "graph/model.h"
#include "passes/passes.h"

tn_status tn_model_convert(const tn_model *model, const tn_convert_options *options,
                           tn_model **converted, tn_error *error) {
    tn_convert_options o = TN_INIT(tn_convert_options);
    if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    if (o.precision != TN_PRECISION_FP32)
        return tn_fail(error, TN_ERR_UNSUPPORTED,
                       "cannot convert %s to int8: quantising is planned, not in this version (use "
                       "fp32)",
                       model->name);
    tn_graph *graph;
    TN_TRY(tn_graph_clone(model->graph, &graph, error));
    tn_status status = tn_passes_simplify(graph, error);
    if (status != TN_OK) {
        tn_graph_free(graph);
        return status;
    }
    TN_TRY(tn_model_create(graph, model->name, model->n_classes,
                           (const char *const *)model->class_names, model->opset, converted,
                           error));
    tn_model_inherit(*converted, model);
    return TN_OK;
}
