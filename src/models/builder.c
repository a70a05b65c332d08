/* SPDX-License-Identifier: Apache-2.0 */
/* builder.c: models in the making. Layers are made of operators by their ONNX names and attributes
 * in text, as a caller of tn_build_op would. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "base/size.h"
#include "base/text.h"
#include "models/models.h"
#include "ops/ops.h"

/* Layers that have parameters, which are named after them. */
typedef enum layer_kind { LAYER_CONV, LAYER_LINEAR, LAYER_NORM, N_LAYER_KINDS } layer_kind;
static const char *const layer_names[N_LAYER_KINDS] = {"conv", "fc", "bn"};

struct tn_builder {
    tn_graph *graph;
    char *name;
    tn_model_options options; /* resolved; the class names are the graph's */
    tn_weights weights;
    tn_value *images;
    char layer[32]; /* begun last, such as "conv1" */
    int n_layers[N_LAYER_KINDS], n_dropouts, n_drawn;
    tn_status status; /* of the first failure, */
    tn_error error;   /* which is told here */
};

/* ---- Options ------------------------------------------------------------------------------ */

tn_model_options tn_model_options_resolve(const tn_model_options *given) {
    tn_model_options o = TN_INIT(tn_model_options);
    if (given) memcpy(&o, given, given->size < sizeof o ? given->size : sizeof o);
    if (o.channels == 0) o.channels = 1;
    if (o.height == 0) o.height = 28;
    if (o.width == 0) o.width = 28;
    if (o.n_classes == 0) o.n_classes = 10;
    if (o.std == 0) {
        o.mean = 0.1307;
        o.std = 0.3081;
    }
    return o;
}

static tn_status check_options(const tn_model_options *o, tn_error *error) {
    if (o->channels < 1 || o->height < 1 || o->width < 1 || o->n_classes < 2 ||
        o->n_classes > TN_MAX_CLASSES)
        return tn_fail(error, TN_ERR_ARGUMENT, "a model of %d classes for %lldx%lldx%lld images",
                       o->n_classes, (long long)o->channels, (long long)o->height,
                       (long long)o->width);
    if (!(o->std > 0) || !isfinite(o->std) || !isfinite(o->mean))
        return tn_fail(error, TN_ERR_ARGUMENT, "a model of pixels with mean %g and deviation %g",
                       o->mean, o->std);
    return TN_OK;
}

static tn_status copy_class_names(tn_builder *b, tn_error *error) {
    if (!b->options.class_names) return TN_OK;
    tn_arena *arena = &b->graph->arena;
    const char **names = tn_arena_alloc(arena, (size_t)b->options.n_classes * sizeof *names);
    if (!names) return tn_fail_memory(error);
    for (int i = 0; i < b->options.n_classes; i++) {
        if (!b->options.class_names[i])
            return tn_fail(error, TN_ERR_ARGUMENT, "class %d has no name", i);
        if (!tn_text_is_utf8(b->options.class_names[i]))
            return tn_fail(error, TN_ERR_ARGUMENT, "the name of class %d is not UTF-8", i);
        names[i] = tn_arena_strdup(arena, b->options.class_names[i]);
        if (!names[i]) return tn_fail_memory(error);
    }
    b->options.class_names = names;
    return TN_OK;
}

/* ---- Beginning and end -------------------------------------------------------------------- */

tn_status tn_builder_create(const char *name, const tn_model_options *options, tn_builder **builder,
                            tn_error *error) {
    const tn_model_options resolved = tn_model_options_resolve(options);
    TN_TRY(check_options(&resolved, error));
    if (name && !tn_text_is_utf8(name))
        return tn_fail(error, TN_ERR_ARGUMENT, "the name of the model is not UTF-8");
    tn_builder *b = calloc(1, sizeof *b);
    if (!b) return tn_fail_memory(error);
    b->options = resolved;
    tn_status status = tn_graph_create(&b->graph, error);
    if (status == TN_OK) {
        b->name = tn_arena_strdup(&b->graph->arena, name ? name : "model");
        status = b->name ? copy_class_names(b, error) : tn_fail_memory(error);
    }
    if (status != TN_OK) {
        tn_builder_free(b);
        return status;
    }
    *builder = b;
    return TN_OK;
}

void tn_builder_free(tn_builder *builder) {
    if (!builder) return;
    tn_graph_free(builder->graph);
    free(builder);
}

/* Notes the first failure. */
static tn_value *stop(tn_builder *b, tn_status status) {
    /* What is wrong with a graph is wrong with a file elsewhere, and with the call here. */
    b->status = status == TN_ERR_FORMAT ? TN_ERR_ARGUMENT : status;
    return NULL;
}

/* Whether nothing has failed yet and x is a value that `layer` can take. */
static bool takes(tn_builder *b, const char *layer, const tn_value *x) {
    if (!b || b->status != TN_OK) return false;
    if (!x)
        stop(b, tn_fail(&b->error, TN_ERR_ARGUMENT, "%s: its input is NULL", layer));
    else if (x->id >= b->graph->n_values || b->graph->values[x->id] != x)
        stop(b, tn_fail(&b->error, TN_ERR_ARGUMENT, "%s: its input is of another model", layer));
    return b->status == TN_OK;
}

void tn_builder_set_weights(tn_builder *builder, tn_weights weights) {
    if (!builder || builder->status != TN_OK) return;
    if (weights != TN_WEIGHTS_UNIFORM && weights != TN_WEIGHTS_HE)
        stop(builder, tn_fail(&builder->error, TN_ERR_ARGUMENT, "no weights begin by rule %d",
                              (int)weights));
    builder->weights = weights;
}

static void mark_scores(tn_builder *b, tn_value *scores) {
    char text[TN_SHAPE_TEXT];
    if (!takes(b, "scores", scores)) return;
    if (scores->shape.rank != 2 || !scores->shape.batched || scores->dtype != TN_FLOAT32 ||
        scores->shape.dims[1] != b->options.n_classes) {
        stop(b, tn_fail(&b->error, TN_ERR_ARGUMENT,
                        "scores of shape %s, not 1x%d for a sample (the options say %d classes)",
                        tn_shape_text(&scores->shape, text), b->options.n_classes,
                        b->options.n_classes));
        return;
    }
    tn_status status = tn_graph_rename_value(b->graph, scores, "scores", &b->error);
    if (status == TN_OK) status = tn_graph_mark_output(b->graph, scores, &b->error);
    if (status != TN_OK) stop(b, status);
}

tn_status tn_builder_finish(tn_builder *builder, tn_value *scores, tn_model **model,
                            tn_error *error) {
    if (!builder) return tn_fail(error, TN_ERR_ARGUMENT, "no builder to finish");
    mark_scores(builder, scores);
    tn_status status = builder->status;
    if (status == TN_OK) {
        const tn_model_options *o = &builder->options;
        const tn_builtin *builtin = tn_builtin_find(builder->name);
        tn_graph *graph = builder->graph;
        builder->graph = NULL;
        status = tn_model_create(graph, builder->name, o->class_names ? o->n_classes : 0,
                                 o->class_names, 17, model, error);
        if (status == TN_OK && builtin) (*model)->recipe = builtin->recipe;
    } else if (error) {
        *error = builder->error;
    }
    tn_builder_free(builder);
    return status;
}

/* ---- Operators ---------------------------------------------------------------------------- */

/* Appends a node; `layer` is what a failure names, NULL for the operator and its input. */
static tn_value *apply(tn_builder *b, const char *layer, const char *type, const char *attributes,
                       tn_value *const *in, int n) {
    char made_up[128];
    const tn_op *op = tn_op_find_onnx(type);
    if (!op)
        return stop(b, tn_fail(&b->error, TN_ERR_UNSUPPORTED,
                               "no operator \"%s\" (names are those of ONNX, such as Conv)", type));
    if (!layer) {
        snprintf(made_up, sizeof made_up, "%s of \"%.80s\"", type, n > 0 ? in[0]->name : "");
        layer = made_up;
    }
    tn_value *y = NULL;
    void *attrs = calloc(1, op->attrs_bytes + 1);
    if (!attrs) return stop(b, tn_fail_memory(&b->error));
    tn_status status = tn_attrs_parse(op, attributes, attrs, &b->error);
    if (op == &tn_op_dropout) ((tn_dropout_attrs *)attrs)->layer = b->n_dropouts++;
    if (status == TN_OK) status = tn_graph_apply(b->graph, op, attrs, in, n, &y, &b->error);
    free(attrs);
    if (status != TN_OK) return stop(b, tn_fail_within(&b->error, status, "%s", layer));
    return y;
}

/* The same of a single input, with attributes in the manner of printf. */
static tn_value *__attribute__((format(printf, 4, 5)))
apply_to(tn_builder *b, tn_value *x, const char *type, const char *format, ...) {
    char attributes[256];
    va_list args;
    if (!takes(b, type, x)) return NULL;
    va_start(args, format);
    vsnprintf(attributes, sizeof attributes, format, args);
    va_end(args);
    return apply(b, NULL, type, attributes, &x, 1);
}

tn_value *tn_build_op(tn_builder *builder, const char *onnx_type, const char *attributes,
                      tn_value *const *inputs, int n_inputs) {
    if (!builder || builder->status != TN_OK) return NULL;
    if (!onnx_type || n_inputs < 1 || n_inputs > TN_MAX_INPUTS || !inputs)
        return stop(builder,
                    tn_fail(&builder->error, TN_ERR_ARGUMENT,
                            "%s: %d inputs (there must be 1 to %d)",
                            onnx_type ? onnx_type : "no operator", n_inputs, TN_MAX_INPUTS));
    for (int i = 0; i < n_inputs; i++)
        if ((i == 0 || inputs[i]) && !takes(builder, onnx_type, inputs[i])) return NULL;
    return apply(builder, NULL, onnx_type, attributes ? attributes : "", inputs, n_inputs);
}

tn_value *tn_build_relu(tn_builder *builder, tn_value *x) {
    return apply_to(builder, x, "Relu", "%s", "");
}

tn_value *tn_build_dropout(tn_builder *builder, tn_value *x, double ratio) {
    return apply_to(builder, x, "Dropout", "ratio=%.17g", ratio);
}

tn_value *tn_build_flatten(tn_builder *builder, tn_value *x) {
    return apply_to(builder, x, "Flatten", "%s", "");
}

static tn_value *pool(tn_builder *b, const char *type, tn_value *x, int64_t kernel,
                      int64_t stride) {
    return apply_to(b, x, type, "kernel_shape=%lld,%lld strides=%lld,%lld", (long long)kernel,
                    (long long)kernel, (long long)stride, (long long)stride);
}

tn_value *tn_build_max_pool(tn_builder *builder, tn_value *x, int64_t kernel, int64_t stride) {
    return pool(builder, "MaxPool", x, kernel, stride);
}

tn_value *tn_build_average_pool(tn_builder *builder, tn_value *x, int64_t kernel, int64_t stride) {
    return pool(builder, "AveragePool", x, kernel, stride);
}

tn_value *tn_build_global_average_pool(tn_builder *builder, tn_value *x) {
    return apply_to(builder, x, "GlobalAveragePool", "%s", "");
}

tn_value *tn_build_add(tn_builder *builder, tn_value *a, tn_value *b) {
    tn_value *in[] = {a, b};
    if (!takes(builder, "Add", a) || !takes(builder, "Add", b)) return NULL;
    return apply(builder, NULL, "Add", "", in, 2);
}

tn_value *tn_build_concat(tn_builder *builder, tn_value *const *x, int n) {
    for (int i = 0; x && i < n && i < TN_MAX_INPUTS; i++)
        if (!takes(builder, "Concat", x[i])) return NULL;
    return tn_build_op(builder, "Concat", "axis=1", x, n);
}

int64_t tn_build_dim(const tn_value *x, int axis) {
    return x && axis >= 0 && axis < x->shape.rank ? x->shape.dims[axis] : 0;
}

/* ---- Parameters --------------------------------------------------------------------------- */

/* Adds data under a name; NULL after a failure. */
static tn_value *add_parameter(tn_builder *b, const char *name, int rank, const int64_t *dims,
                               const float *data) {
    tn_shape shape = {.rank = rank};
    tn_value *v = NULL;
    for (int i = 0; i < rank; i++) shape.dims[i] = dims[i];
    tn_status status = tn_graph_add_value(b->graph, TN_VALUE_PARAMETER, name, TN_FLOAT32, &shape,
                                          data, &v, &b->error);
    return status == TN_OK ? v : stop(b, status);
}

/* Whether a parameter can have these dimensions, none of them 0; *n is their product. */
static bool countable(tn_builder *b, const char *name, int rank, const int64_t *dims, int64_t *n) {
    bool sane = rank >= 0 && rank <= TN_MAX_RANK && tn_size_product(dims, rank, n) && *n > 0 &&
                *n <= TN_MAX_ELEMENTS;
    if (!sane)
        stop(b, tn_fail(&b->error, TN_ERR_ARGUMENT, "%s: a size is below 1 or beyond any memory",
                        name));
    return sane;
}

tn_value *tn_build_parameter(tn_builder *builder, const char *name, int rank, const int64_t *dims,
                             const float *data) {
    int64_t n;
    if (!builder || builder->status != TN_OK) return NULL;
    if (!name || !*name || !data || (rank > 0 && !dims))
        return stop(builder, tn_fail(&builder->error, TN_ERR_ARGUMENT,
                                     "a parameter needs a name, dimensions and data"));
    if (tn_graph_find_value(builder->graph, name) || strcmp(name, "images") == 0 ||
        strcmp(name, "scores") == 0)
        return stop(builder, tn_fail(&builder->error, TN_ERR_ARGUMENT,
                                     "parameter \"%s\": something else has this name", name));
    if (!countable(builder, name, rank, dims, &n)) return NULL;
    return add_parameter(builder, name, rank, dims, data);
}

typedef enum filling { FILL_CONSTANT, FILL_UNIFORM, FILL_NORMAL } filling;

static void fill(tn_builder *b, filling how, double size, int64_t n, float *data) {
    tn_random random = tn_random_begin(b->options.seed, TN_PURPOSE_WEIGHTS, (uint64_t)b->n_drawn);
    if (how != FILL_CONSTANT) b->n_drawn++; /* each tensor has a stream of its own */
    for (int64_t i = 0; i < n; i++) {
        double x = how == FILL_UNIFORM  ? 2 * tn_random_uniform(&random) - 1
                   : how == FILL_NORMAL ? tn_random_normal(&random)
                                        : 1;
        data[i] = (float)(x * size);
    }
}

/* The parameter "layer.suffix" of the layer begun last: constant `size`, uniform in ±size, or
 * normal with deviation size. */
static tn_value *make(tn_builder *b, const char *suffix, int rank, const int64_t *dims, filling how,
                      double size) {
    char name[64];
    int64_t n;
    if (b->status != TN_OK || !countable(b, b->layer, rank, dims, &n)) return NULL;
    float *data = malloc((size_t)n * sizeof *data);
    if (!data) {
        tn_fail_memory(&b->error);
        return stop(b, tn_fail_within(&b->error, TN_ERR_MEMORY, "%s", b->layer));
    }
    fill(b, how, size, n, data);
    snprintf(name, sizeof name, "%s.%s", b->layer, suffix);
    tn_value *v = add_parameter(b, name, rank, dims, data);
    free(data);
    return v;
}

/* in[1] is the weight of the layer begun last, in[2] its bias, as the builder's rule begins them.
 */
static void make_weights(tn_builder *b, int rank, const int64_t *dims, bool bias, tn_value **in) {
    int64_t n;
    if (!countable(b, b->layer, rank, dims, &n)) return;
    double fan_in = (double)(n / dims[0]);
    bool he = b->weights == TN_WEIGHTS_HE;
    in[1] = make(b, "weight", rank, dims, he ? FILL_NORMAL : FILL_UNIFORM,
                 he ? sqrt(2 / fan_in) : 1 / sqrt(fan_in));
    if (bias)
        in[2] =
            make(b, "bias", 1, dims, he ? FILL_CONSTANT : FILL_UNIFORM, he ? 0 : 1 / sqrt(fan_in));
}

/* ---- Layers with parameters --------------------------------------------------------------- */

/* Names the next layer of a kind. Whether it can take x, which must have this rank, or any from 2
 * on if 0: `like` says so in words. */
static bool begin_layer(tn_builder *b, layer_kind kind, const tn_value *x, int rank,
                        const char *like) {
    char text[TN_SHAPE_TEXT];
    if (!b || b->status != TN_OK) return false;
    snprintf(b->layer, sizeof b->layer, "%s%d", layer_names[kind], ++b->n_layers[kind]);
    if (!takes(b, b->layer, x)) return false;
    if (rank ? x->shape.rank == rank : x->shape.rank >= 2) return true;
    stop(b, tn_fail(&b->error, TN_ERR_ARGUMENT, "%s: its input \"%s\" has shape %s, not %s",
                    b->layer, x->name, tn_shape_text(&x->shape, text), like));
    return false;
}

tn_value *tn_build_conv(tn_builder *builder, tn_value *x, int64_t filters, int64_t kernel,
                        int64_t stride, int64_t padding, bool bias) {
    if (!begin_layer(builder, LAYER_CONV, x, 4, "[n][channels][height][width]")) return NULL;
    const int64_t dims[] = {filters, x->shape.dims[1], kernel, kernel};
    const long long k = kernel, s = stride, p = padding;
    tn_value *in[3] = {x};
    char attributes[256];
    make_weights(builder, 4, dims, bias, in);
    if (builder->status != TN_OK) return NULL;
    snprintf(attributes, sizeof attributes,
             "kernel_shape=%lld,%lld strides=%lld,%lld pads=%lld,%lld,%lld,%lld", k, k, s, s, p, p,
             p, p);
    return apply(builder, builder->layer, "Conv", attributes, in, bias ? 3 : 2);
}

tn_value *tn_build_linear(tn_builder *builder, tn_value *x, int64_t n_out) {
    if (!begin_layer(builder, LAYER_LINEAR, x, 2, "[n][features] (put tn_build_flatten before it)"))
        return NULL;
    const int64_t dims[] = {n_out, x->shape.dims[1]};
    tn_value *in[3] = {x};
    make_weights(builder, 2, dims, true, in);
    if (builder->status != TN_OK) return NULL;
    return apply(builder, builder->layer, "Gemm", "transB=1", in, 3);
}

tn_value *tn_build_batch_norm(tn_builder *builder, tn_value *x) {
    if (!begin_layer(builder, LAYER_NORM, x, 0, "[n][channels]...")) return NULL;
    static const char *const suffixes[] = {"weight", "bias", "running_mean", "running_var"};
    static const double begin[] = {1, 0, 0, 1};
    const int64_t channels = x->shape.dims[1];
    tn_value *in[5] = {x};
    for (int i = 0; i < 4; i++)
        in[i + 1] = make(builder, suffixes[i], 1, &channels, FILL_CONSTANT, begin[i]);
    if (builder->status != TN_OK) return NULL;
    return apply(builder, builder->layer, "BatchNormalization", "", in, 5);
}

/* ---- The input ---------------------------------------------------------------------------- */

/* One of the two constants that normalise. */
static tn_value *add_constant(tn_builder *b, const char *name, double number) {
    tn_value *v = NULL;
    const float data = (float)number;
    tn_status status = tn_graph_add_constant(b->graph, name, 0, NULL, &data, &v, &b->error);
    return status == TN_OK ? v : stop(b, status);
}

tn_value *tn_build_images(tn_builder *builder) {
    if (!builder || builder->status != TN_OK) return NULL;
    if (builder->images) return builder->images;
    const tn_model_options *o = &builder->options;
    const tn_shape shape = {
        .rank = 4, .batched = true, .dims = {1, o->channels, o->height, o->width}};
    tn_value *x = NULL;
    tn_status status = tn_graph_add_value(builder->graph, TN_VALUE_INPUT, "images", TN_FLOAT32,
                                          &shape, NULL, &x, &builder->error);
    if (status != TN_OK) return stop(builder, status);
    tn_value *in[] = {x, add_constant(builder, "normalise.scale", 1 / o->std)};
    if (builder->status == TN_OK) in[0] = apply(builder, NULL, "Mul", "", in, 2);
    in[1] = add_constant(builder, "normalise.offset", -o->mean / o->std);
    if (builder->status == TN_OK) builder->images = apply(builder, NULL, "Add", "", in, 2);
    return builder->images;
}
