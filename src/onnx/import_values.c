/* SPDX-License-Identifier: Apache-2.0 */
/* import_values.c: inputs, tensors and outputs of a file's graph. */
#include <stdio.h>
#include <string.h>

#include "base/size.h"
#include "onnx/importer.h"
#include "onnx/tensor.h"
#include "onnx/wire.h"
#include "ops/ops.h"

/* ---- What is known of inputs ---------------------------------------------------------------- */

static bool is_input(const tn_importer *im, size_t i) {
    return tn_names_find(&im->names, im->file->input[i]->name)->kind == TN_NAME_INPUT;
}

/* The place in the file of the input that a tensor is for, by name or position; n_input if none. */
static size_t place_of(const tn_importer *im, const tn_tensor *tensor, int position) {
    for (size_t i = 0; i < im->file->n_input; i++) {
        if (!is_input(im, i)) continue;
        bool same =
            tensor->name ? strcmp(tensor->name, im->file->input[i]->name) == 0 : position-- == 0;
        if (same) return i;
    }
    return im->file->n_input;
}

/* Their names, as far as there is room. */
static const char *list_inputs(const tn_importer *im, char *text, size_t bytes) {
    size_t used = 0;
    snprintf(text, bytes, "none");
    for (size_t i = 0; i < im->file->n_input && used < bytes; i++)
        if (is_input(im, i))
            used += (size_t)snprintf(text + used, bytes - used, "%s\"%s\"", used ? ", " : "",
                                     im->file->input[i]->name);
    return text;
}

static tn_status check_example(const tn_tensor *tensor, tn_error *error) {
    int64_t elements = 0, bytes = 0, extent = 1;
    bool sound = tensor->rank >= 0 && tensor->rank <= TN_MAX_RANK &&
                 tn_size_product(tensor->dims, tensor->rank, &elements);
    for (int i = 0; i < tensor->rank && sound; i++)
        sound = tn_size_mul(extent, tn_max_i64(1, tensor->dims[i]), &extent) &&
                extent <= TN_MAX_ELEMENTS;
    if (sound && tensor->data)
        sound = tn_dtype_file_bytes(tensor->dtype) > 0 &&
                tn_size_mul(elements, (int64_t)tn_dtype_file_bytes(tensor->dtype), &bytes) &&
                (uint64_t)bytes <= tensor->bytes;
    if (sound) return TN_OK;
    return tn_fail(error, TN_ERR_ARGUMENT, "an impossible shape is given for input \"%s\"",
                   tensor->name ? tensor->name : "");
}

tn_status tn_import_examples(tn_importer *im) {
    const tn_onnx_options *o = im->options;
    char known[256];
    for (int k = 0; o && k < o->n_inputs; k++) {
        size_t i = place_of(im, &o->inputs[k], k);
        const char *name = o->inputs[k].name;
        if (i == im->file->n_input)
            return tn_fail(im->error, TN_ERR_MISMATCH, "it has no input \"%s\" (it has %s)",
                           name ? name : "beyond its last", list_inputs(im, known, sizeof known));
        if (im->examples[i])
            return tn_fail(im->error, TN_ERR_MISMATCH, "input \"%s\" is given twice",
                           im->file->input[i]->name);
        TN_TRY(check_example(&o->inputs[k], im->error));
        im->examples[i] = &o->inputs[k];
    }
    return TN_OK;
}

static const TnOnnx__TensorShapeProto *declared_shape(const TnOnnx__ValueInfoProto *info) {
    const TnOnnx__TypeProto__Tensor *type = info->type ? info->type->tensor_type : NULL;
    return type ? type->shape : NULL;
}

static bool has_number(const TnOnnx__TensorShapeProto__Dimension *dim) {
    return dim->value_case == TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
}

/* Dimension 0 of an input, as far as it is known; -1 if it is not, or there is none. */
static int64_t first_dim(const tn_importer *im, size_t i) {
    const tn_tensor *example = im->examples[i];
    const TnOnnx__TensorShapeProto *shape = declared_shape(im->file->input[i]);
    if (example) return example->rank > 0 ? example->dims[0] : -1;
    return shape && shape->n_dim > 0 && has_number(shape->dim[0]) ? shape->dim[0]->dim_value : -1;
}

bool tn_import_has_batch(const tn_importer *im) {
    int64_t batch = -1;
    for (size_t i = 0; i < im->file->n_input; i++) {
        int64_t dim = is_input(im, i) && !im->fixed[i] ? first_dim(im, i) : -1;
        if (dim >= 0 && batch >= 0 && dim != batch) return false;
        if (dim >= 0) batch = dim;
    }
    return true;
}

bool tn_import_has_sizes(const tn_importer *im) {
    for (size_t i = 0; i < im->file->n_input; i++) {
        const TnOnnx__TensorShapeProto *shape = declared_shape(im->file->input[i]);
        if (!is_input(im, i) || im->examples[i]) continue;
        for (size_t k = 0; shape && k < shape->n_dim; k++)
            if (!has_number(shape->dim[k])) return false;
        if (!shape) return false;
    }
    return true;
}

/* ---- Inputs --------------------------------------------------------------------------------- */

/* One dimension of an input, from what the file declares and the example has. */
static tn_status input_dim(const tn_importer *im, const TnOnnx__TensorShapeProto__Dimension *dim,
                           const tn_tensor *example, int i, int64_t *size) {
    bool batch = i == 0 && !im->whole;
    *size = example ? example->dims[i] : has_number(dim) ? dim->dim_value : 1;
    if (has_number(dim) && (dim->dim_value < 0 || (dim->dim_value == 0 && !im->whole)))
        return tn_fail(im->error, TN_ERR_FORMAT, "dimension %d is %lld", i,
                       (long long)dim->dim_value);
    if (example && has_number(dim) && *size != dim->dim_value && !batch)
        return tn_fail(im->error, TN_ERR_MISMATCH,
                       "dimension %d is %lld in the model, but %lld is given", i,
                       (long long)dim->dim_value, (long long)*size);
    if (example || has_number(dim) || batch) return TN_OK;
    bool named = dim->value_case == TN_ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                   "dimension %d (\"%s\") has no fixed size, which only the first may lack (give "
                   "the shape, as with --shape NAME=1x3x224x224)",
                   i, named && dim->dim_param ? dim->dim_param : "?");
}

static tn_status input_shape(const tn_importer *im, const TnOnnx__TensorShapeProto *declared,
                             const tn_tensor *example, tn_shape *shape) {
    *shape = (tn_shape){0};
    if (!declared && !example)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                       "it has no known shape (give it, as with --shape NAME=1x3x224x224)");
    if (declared && declared->n_dim > TN_MAX_RANK)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED, "%zu dimensions (at most %d)",
                       declared->n_dim, TN_MAX_RANK);
    shape->rank = declared ? (int)declared->n_dim : example->rank;
    if (example && example->rank != shape->rank)
        return tn_fail(im->error, TN_ERR_MISMATCH,
                       "it has %d dimensions in the model, but %d are given", shape->rank,
                       example->rank);
    for (int i = 0; i < shape->rank; i++)
        if (declared)
            TN_TRY(input_dim(im, declared->dim[i], example, i, &shape->dims[i]));
        else
            shape->dims[i] = example->dims[i];
    return TN_OK;
}

static tn_status add_input(tn_importer *im, size_t i, tn_name *name) {
    const TnOnnx__ValueInfoProto *input = im->file->input[i];
    const TnOnnx__TypeProto__Tensor *type = input->type ? input->type->tensor_type : NULL;
    const tn_tensor *example = im->examples[i];
    tn_dtype dtype;
    tn_shape shape;
    if (!type) return tn_fail(im->error, TN_ERR_UNSUPPORTED, "it is no tensor");
    TN_TRY(tn_wire_dtype(type->elem_type, &dtype, im->error));
    TN_TRY(input_shape(im, type->shape, example, &shape));
    if (example && example->data && example->dtype != dtype)
        return tn_fail(im->error, TN_ERR_MISMATCH, "it is %s, but %s is given",
                       tn_dtype_name(dtype), tn_dtype_name(example->dtype));
    if (im->fixed[i])
        return tn_graph_add_value(im->graph, TN_VALUE_CONSTANT, name->name, dtype, &shape,
                                  example->data, &name->value, im->error);
    shape.batched = shape.rank > 0 && !im->whole;
    if (shape.batched) shape.dims[0] = 1;
    return tn_graph_add_value(im->graph, TN_VALUE_INPUT, name->name, dtype, &shape, NULL,
                              &name->value, im->error);
}

tn_status tn_import_inputs(tn_importer *im) {
    for (size_t i = 0; i < im->file->n_input; i++) {
        tn_name *name = tn_names_find(&im->names, im->file->input[i]->name);
        if (name->kind != TN_NAME_INPUT) continue;
        tn_status status = add_input(im, i, name);
        if (status != TN_OK) return tn_fail_within(im->error, status, "input \"%s\"", name->name);
    }
    return TN_OK;
}

/* ---- Tensors -------------------------------------------------------------------------------- */

/* Numbers of type float are weights to be trained, unless marked as constants; in files of others,
 * single numbers are no weights either. */
static bool is_trained(const tn_importer *im, const tn_name *name, const tn_onnx_tensor *tensor) {
    return name->kind == TN_NAME_INITIALIZER && tensor->dtype == TN_FLOAT32 && !name->constant &&
           (im->own || tensor->shape.rank > 0);
}

/* The data is read into the graph's own memory. */
static tn_status add_tensor(tn_importer *im, const TnOnnx__TensorProto *proto, tn_name *name) {
    tn_onnx_tensor tensor;
    TN_TRY(tn_onnx_tensor_describe(proto, &im->external, &tensor, im->error));
    size_t bytes = (size_t)tn_shape_elements(&tensor.shape) * tn_dtype_file_bytes(tensor.dtype);
    bool trained = is_trained(im, name, &tensor);
    TN_TRY(tn_graph_add_value(im->graph, trained ? TN_VALUE_PARAMETER : TN_VALUE_CONSTANT,
                              name->name, tensor.dtype, &tensor.shape, NULL, &name->value,
                              im->error));
    void *data = tn_arena_alloc(&im->graph->arena, bytes + 1);
    if (!data) return tn_fail_memory(im->error);
    name->value->data = data;
    return tn_onnx_tensor_read(proto, &im->external, &tensor, data, im->error);
}

tn_status tn_import_initializers(tn_importer *im) {
    for (size_t i = 0; i < im->file->n_initializer; i++) {
        const TnOnnx__TensorProto *proto = im->file->initializer[i];
        tn_name *name = tn_names_find(&im->names, proto->name);
        if (!name->used && !name->is_output) continue;
        tn_status status = add_tensor(im, proto, name);
        if (status != TN_OK) return tn_fail_within(im->error, status, "tensor \"%s\"", proto->name);
    }
    return TN_OK;
}

static tn_status add_numbers(tn_importer *im, tn_name *name, tn_dtype dtype, int rank,
                             const void *data, size_t n) {
    const tn_shape shape = {.rank = rank, .dims = {(int64_t)n}};
    const int64_t nothing = 0; /* even an empty list is data */
    return tn_graph_add_value(im->graph, TN_VALUE_CONSTANT, name->name, dtype, &shape,
                              n > 0 ? data : &nothing, &name->value, im->error);
}

tn_status tn_import_constant_node(tn_importer *im, const TnOnnx__NodeProto *node) {
    if (node->n_attribute != 1 || node->n_output != 1 || !*node->output[0])
        return tn_fail(im->error, TN_ERR_FORMAT, "%zu attributes and %zu outputs, not one each",
                       node->n_attribute, node->n_output);
    const TnOnnx__AttributeProto *a = node->attribute[0];
    const char *text = a->name ? a->name : "";
    tn_name *name = tn_names_find(&im->names, node->output[0]);
    if (strcmp(text, "value") == 0 && a->type == TN_ONNX_ATTR_TENSOR && a->t)
        return add_tensor(im, a->t, name);
    if (strcmp(text, "value_float") == 0 && a->type == TN_ONNX_ATTR_FLOAT)
        return add_numbers(im, name, TN_FLOAT32, 0, &a->f, 1);
    if (strcmp(text, "value_int") == 0 && a->type == TN_ONNX_ATTR_INT)
        return add_numbers(im, name, TN_INT64, 0, &a->i, 1);
    if (strcmp(text, "value_floats") == 0 && a->type == TN_ONNX_ATTR_FLOATS)
        return add_numbers(im, name, TN_FLOAT32, 1, a->floats, a->n_floats);
    if (strcmp(text, "value_ints") == 0 && a->type == TN_ONNX_ATTR_INTS)
        return add_numbers(im, name, TN_INT64, 1, a->ints, a->n_ints);
    return tn_fail(im->error, TN_ERR_UNSUPPORTED, "attribute \"%s\" of type %s is not supported",
                   text, tn_wire_attribute_type_name(a->type));
}

tn_status tn_import_copy(tn_importer *im, const TnOnnx__NodeProto *node) {
    const tn_value *from = tn_names_find(&im->names, node->input[0])->value;
    tn_name *name = tn_names_find(&im->names, node->output[0]);
    return tn_graph_add_value(im->graph, TN_VALUE_PARAMETER, name->name, from->dtype, &from->shape,
                              from->data, &name->value, im->error);
}

/* ---- Outputs -------------------------------------------------------------------------------- */

tn_status tn_import_find_outputs(tn_importer *im) {
    for (size_t i = 0; i < im->file->n_output; i++) {
        const char *text = im->file->output[i]->name;
        tn_name *name = tn_names_find(&im->names, text ? text : "");
        if (!name)
            return tn_fail(im->error, TN_ERR_FORMAT, "output \"%s\" is computed by no node",
                           text ? text : "");
        if (name->is_output)
            return tn_fail(im->error, TN_ERR_FORMAT, "output \"%s\" is given twice", text);
        name->is_output = true;
    }
    return TN_OK;
}

static bool fits(const TnOnnx__TensorShapeProto *declared, const tn_shape *shape) {
    if (declared->n_dim != (size_t)shape->rank) return false;
    for (int i = shape->batched ? 1 : 0; i < shape->rank; i++)
        if (has_number(declared->dim[i]) && declared->dim[i]->dim_value != shape->dims[i])
            return false;
    return true;
}

/* What the file says about an output must be what comes out. */
static tn_status check_output(const TnOnnx__ValueInfoProto *output, const tn_value *value,
                              tn_error *error) {
    const TnOnnx__TypeProto__Tensor *type = output->type ? output->type->tensor_type : NULL;
    char text[TN_SHAPE_TEXT];
    if (!type) return TN_OK;
    if (type->has_elem_type && type->elem_type != 0 &&
        type->elem_type != tn_wire_data_type(value->dtype))
        return tn_fail(error, TN_ERR_FORMAT, "output \"%s\" is declared as %s but is %s",
                       output->name, tn_wire_type_name(type->elem_type),
                       tn_dtype_name(value->dtype));
    if (!type->shape || fits(type->shape, &value->shape)) return TN_OK;
    return tn_fail(error, TN_ERR_FORMAT, "output \"%s\" is %s, not of the shape declared for it",
                   output->name, tn_shape_text(&value->shape, text));
}

/* An output that no node computes gets one. */
static tn_status compute_output(tn_importer *im, const char *name, tn_value **value) {
    tn_node *node;
    if ((*value)->kind == TN_VALUE_COMPUTED) return TN_OK;
    if ((*value)->probe)
        return tn_fail(im->error, TN_ERR_UNSUPPORTED,
                       "output \"%s\" depends on the size of the batch", name);
    bool is_input = (*value)->kind == TN_VALUE_INPUT;
    TN_TRY(tn_graph_add_node(im->graph, &tn_op_identity, NULL, NULL, value, 1, &node, im->error));
    *value = node->outputs[0];
    return is_input ? TN_OK : tn_graph_rename_value(im->graph, *value, name, im->error);
}

tn_status tn_import_outputs(tn_importer *im) {
    for (size_t i = 0; i < im->file->n_output; i++) {
        const TnOnnx__ValueInfoProto *output = im->file->output[i];
        tn_value *value = tn_names_find(&im->names, output->name)->value;
        TN_TRY(check_output(output, value, im->error));
        TN_TRY(compute_output(im, output->name, &value));
        TN_TRY(tn_graph_mark_output(im->graph, value, im->error));
    }
    return TN_OK;
}
