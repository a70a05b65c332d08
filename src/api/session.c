/* SPDX-License-Identifier: Apache-2.0 */
/* session.c: running models. */
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/runner.h"
#include "base/clock.h"
#include "base/size.h"
#include "cpu/topology.h"
#include "graph/model.h"
#include "models/pixel_graph.h"
#include "passes/passes.h"

/* What a session and its clones have in common. Each part is made once, when first needed, and does
 * not change after that. */
typedef struct common {
    atomic_int n_users;
    const tn_model *model;
    tn_session_options options; /* complete */
    tn_kernels kernels;
    pthread_mutex_t lock; /* held while a part is made */
    tn_prepared tensors;  /* takes the model's own inputs */
    tn_prepared pixels;   /* takes uint8 images */
} common;

struct tn_session {
    common *common;
    tn_pool *pool;
    tn_execution *tensors, *pixels; /* NULL until first needed */
    real *scores;                   /* [max_batch][n_classes] */
};

/* ---- What is in common ----------------------------------------------------------------------- */

static tn_status complete_options(const tn_session_options *given, tn_session_options *o,
                                  tn_error *error) {
    *o = TN_INIT(tn_session_options);
    if (given) memcpy(o, given, given->size < sizeof *o ? given->size : sizeof *o);
    o->size = sizeof *o;
    if ((int)o->mode < TN_MODE_DEFAULT || (int)o->mode > TN_MODE_FP32)
        return tn_fail(error, TN_ERR_ARGUMENT, "there is no mode %d", (int)o->mode);
    if (o->n_threads < 0 || o->max_batch < 0 || o->tile < 0 || o->tile_rows < 0)
        return tn_fail(
            error, TN_ERR_ARGUMENT, "%d threads for a batch of %lld in tiles of %lld, or %lld rows",
            o->n_threads, (long long)o->max_batch, (long long)o->tile, (long long)o->tile_rows);
    if ((int)o->pin < TN_PIN_AUTO || (int)o->pin > TN_PIN_NO)
        return tn_fail(error, TN_ERR_ARGUMENT, "there is no pinning %d", (int)o->pin);
    if (o->n_threads == 0) o->n_threads = tn_core_budget();
    if (o->max_batch == 0) o->max_batch = 64;
    return TN_OK;
}

static tn_status create_common(const tn_model *model, const tn_session_options *options,
                               common **made, tn_error *error) {
    tn_session_options complete;
    TN_TRY(complete_options(options, &complete, error));
    common *c = calloc(1, sizeof *c);
    if (!c) return tn_fail_memory(error);
    c->model = model;
    c->options = complete;
    tn_status status = tn_kernels_select(&c->kernels, error);
    if (status == TN_OK && pthread_mutex_init(&c->lock, NULL) != 0) status = tn_fail_memory(error);
    if (status != TN_OK) {
        free(c);
        return status;
    }
    *made = c;
    return TN_OK;
}

static void leave_common(common *c) {
    if (atomic_fetch_sub(&c->n_users, 1) > 1) return;
    tn_prepared_free(&c->tensors);
    tn_prepared_free(&c->pixels);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

/* ---- Preparing ------------------------------------------------------------------------------- */

static tn_status build_pixels(const tn_model *model, tn_graph **graph, tn_error *error) {
    tn_value *scores;
    TN_TRY(tn_pixel_graph_build(model, 0, NULL, graph, &scores, error));
    return tn_graph_mark_output(*graph, scores, error);
}

/* With the lock held. */
static tn_status make_part(common *c, tn_prepared *part, tn_pool *pool, tn_error *error) {
    const tn_session_options *o = &c->options;
    if (part->packed) return TN_OK;
    tn_prepared_free(part); /* of an attempt that failed */
    TN_TRY(part == &c->pixels ? build_pixels(c->model, &part->graph, error)
                              : tn_graph_clone_lightly(c->model->graph, &part->graph, error));
    if (o->mode != TN_MODE_REFERENCE) TN_TRY(tn_passes_optimise(part->graph, error));
    return tn_prepared_plan(part, &c->kernels, pool, o->max_batch, o->tile, o->tile_rows, error);
}

/* This session's own memory for running a part, which is made if nobody has. */
static tn_status prepare(tn_session *s, tn_prepared *part, tn_execution **execution,
                         tn_error *error) {
    if (*execution) return TN_OK;
    pthread_mutex_lock(&s->common->lock);
    tn_status status = make_part(s->common, part, s->pool, error);
    pthread_mutex_unlock(&s->common->lock);
    if (status != TN_OK) return status;
    return tn_execution_create_packed(part->plan, s->pool, part->packed, execution, error);
}

static tn_status prepare_tensors(tn_session *s, tn_error *error) {
    return prepare(s, &s->common->tensors, &s->tensors, error);
}

static tn_status prepare_pixels(tn_session *s, tn_error *error) {
    int64_t n_scores = s->common->options.max_batch * s->common->model->n_classes;
    if (!s->scores) s->scores = malloc((size_t)n_scores * sizeof(real) + 1);
    if (!s->scores) return tn_fail_memory(error);
    return prepare(s, &s->common->pixels, &s->pixels, error);
}

/* ---- Sessions -------------------------------------------------------------------------------- */

/* A user of c from now on, on failure too. */
static tn_status create(common *c, tn_session **session, tn_error *error) {
    atomic_fetch_add(&c->n_users, 1);
    tn_session *s = calloc(1, sizeof *s);
    if (!s) {
        leave_common(c);
        return tn_fail_memory(error);
    }
    s->common = c;
    tn_status status = tn_pool_create(c->options.n_threads, &s->pool, error);
    if (status == TN_OK) tn_pool_pin(s->pool, c->options.pin);
    if (status == TN_OK)
        status = c->options.images_only ? prepare_pixels(s, error) : prepare_tensors(s, error);
    if (status != TN_OK) {
        tn_session_free(s);
        return status;
    }
    *session = s;
    return TN_OK;
}

tn_status tn_session_create(const tn_model *model, const tn_session_options *options,
                            tn_session **session, tn_error *error) {
    common *c = NULL;
    TN_TRY(create_common(model, options, &c, error));
    return create(c, session, error);
}

tn_status tn_session_clone(const tn_session *session, tn_session **clone, tn_error *error) {
    return create(session->common, clone, error);
}

void tn_session_free(tn_session *session) {
    if (!session) return;
    tn_execution_free(session->tensors);
    tn_execution_free(session->pixels);
    tn_pool_free(session->pool);
    free(session->scores);
    leave_common(session->common);
    free(session);
}

int tn_session_threads(const tn_session *session) { return tn_pool_threads(session->pool); }

bool tn_session_pinned(const tn_session *session) { return tn_pool_pinned(session->pool); }

static void shape_tensor(const tn_value *v, int64_t batch, tn_tensor *tensor) {
    *tensor = (tn_tensor){.name = v->name, .dtype = v->dtype, .rank = v->shape.rank};
    memcpy(tensor->dims, v->shape.dims, sizeof tensor->dims);
    if (v->shape.batched) tensor->dims[0] = batch;
    tensor->bytes = tn_dtype_file_bytes(v->dtype);
    for (int i = 0; i < tensor->rank; i++) tensor->bytes *= (size_t)tensor->dims[i];
}

tn_status tn_session_output(const tn_session *session, int i, int64_t n, tn_tensor *tensor,
                            tn_error *error) {
    const tn_graph *graph = session->common->model->graph;
    if (i < 0 || i >= graph->n_outputs || n < 1 || n > session->common->options.max_batch)
        return tn_fail(error, TN_ERR_ARGUMENT, "output %d of %d, batch %lld of at most %lld", i,
                       graph->n_outputs, (long long)n,
                       (long long)session->common->options.max_batch);
    shape_tensor(graph->outputs[i], n, tensor);
    return TN_OK;
}

/* ---- Runs on tensors ------------------------------------------------------------------------- */

/* The place among n values of what tensor k names, or k itself if it has no name; -1 if none. */
static int position(tn_value *const *values, int n, const tn_tensor *tensor, int k) {
    if (!tensor->name) return k < n ? k : -1;
    for (int i = 0; i < n; i++)
        if (strcmp(values[i]->name, tensor->name) == 0) return i;
    return -1;
}

static tn_status check_tensor(const tn_value *v, int64_t batch, const tn_tensor *given,
                              const char *what, tn_error *error) {
    tn_tensor wanted;
    tn_shape shape = {.rank = given->rank};
    char text[2][TN_SHAPE_TEXT];
    shape_tensor(v, batch, &wanted);
    if (given->dtype != wanted.dtype)
        return tn_fail(error, TN_ERR_MISMATCH, "%s \"%s\" is %s, the model's is %s", what, v->name,
                       tn_dtype_name(given->dtype), tn_dtype_name(wanted.dtype));
    bool same = given->rank == wanted.rank;
    for (int i = 0; i < wanted.rank && same; i++) same = given->dims[i] == wanted.dims[i];
    if (!same) {
        tn_shape expected = v->shape;
        if (expected.batched) expected.dims[0] = batch;
        if (shape.rank < 0 || shape.rank > TN_MAX_RANK) shape.rank = 0;
        memcpy(shape.dims, given->dims, sizeof shape.dims);
        return tn_fail(error, TN_ERR_MISMATCH, "%s \"%s\" has shape %s, the model wants %s", what,
                       v->name, tn_shape_text(&shape, text[0]), tn_shape_text(&expected, text[1]));
    }
    if (!given->data || given->bytes < wanted.bytes)
        return tn_fail(error, TN_ERR_MISMATCH, "%s \"%s\" has %zu bytes of memory but needs %zu",
                       what, v->name, given->data ? given->bytes : 0, wanted.bytes);
    return TN_OK;
}

/* Binds tensors to the graph's values; `bound` receives one pointer for each. */
static tn_status bind(tn_value *const *values, int n, const tn_tensor *tensors, int n_tensors,
                      int64_t batch, const char *what, void **bound, tn_error *error) {
    for (int k = 0; k < n_tensors; k++) {
        int i = position(values, n, &tensors[k], k);
        if (i < 0)
            return tn_fail(error, TN_ERR_MISMATCH, "the model has no %s \"%s\"", what,
                           tensors[k].name ? tensors[k].name : "beyond its last");
        if (bound[i])
            return tn_fail(error, TN_ERR_MISMATCH, "%s \"%s\" is given twice", what,
                           values[i]->name);
        TN_TRY(check_tensor(values[i], batch, &tensors[k], what, error));
        bound[i] = tensors[k].data;
    }
    return TN_OK;
}

/* The batch that the inputs agree on. */
static int64_t batch_of(const tn_session *s, const tn_tensor *inputs, int n_inputs) {
    const tn_graph *graph = s->common->model->graph;
    for (int k = 0; k < n_inputs; k++) {
        int i = position(graph->inputs, graph->n_inputs, &inputs[k], k);
        if (i >= 0 && graph->inputs[i]->shape.batched && inputs[k].rank > 0)
            return inputs[k].dims[0];
    }
    return 1;
}

static tn_status run_bound(tn_session *s, const tn_tensor *inputs, int n_inputs,
                           const tn_tensor *outputs, int n_outputs, int64_t batch, void **in,
                           void **out, tn_error *error) {
    const tn_graph *graph = s->common->model->graph;
    TN_TRY(bind(graph->inputs, graph->n_inputs, inputs, n_inputs, batch, "input", in, error));
    for (int i = 0; i < graph->n_inputs; i++)
        if (!in[i])
            return tn_fail(error, TN_ERR_MISMATCH, "input \"%s\" is not given",
                           graph->inputs[i]->name);
    TN_TRY(bind(graph->outputs, graph->n_outputs, outputs, n_outputs, batch, "output", out, error));
    tn_prepared_run(&s->common->tensors, s->tensors, batch, (const void *const *)in, out);
    return TN_OK;
}

tn_status tn_session_run(tn_session *session, const tn_tensor *inputs, int n_inputs,
                         const tn_tensor *outputs, int n_outputs, tn_error *error) {
    const tn_graph *graph = session->common->model->graph;
    int64_t batch = batch_of(session, inputs, n_inputs);
    if (batch < 1 || batch > session->common->options.max_batch)
        return tn_fail(error, TN_ERR_MISMATCH, "a batch of %lld (this session takes 1 to %lld)",
                       (long long)batch, (long long)session->common->options.max_batch);
    void **in = calloc((size_t)(graph->n_inputs + graph->n_outputs) + 1, sizeof *in);
    if (!in) return tn_fail_memory(error);
    tn_status status = prepare_tensors(session, error);
    if (status == TN_OK)
        status = run_bound(session, inputs, n_inputs, outputs, n_outputs, batch, in,
                           in + graph->n_inputs, error);
    free(in);
    return status;
}

/* ---- Runs on images -------------------------------------------------------------------------- */

tn_status tn_session_classify(tn_session *session, const uint8_t *images, int64_t n, float *scores,
                              tn_error *error) {
    const tn_model *model = session->common->model;
    TN_TRY(prepare_pixels(session, error));
    int64_t each = model->channels * model->height * model->width;
    void *outputs[] = {session->scores};
    for (int64_t first = 0; first < n; first += session->common->options.max_batch) {
        int64_t batch = tn_min_i64(session->common->options.max_batch, n - first);
        const void *in = images + first * each;
        tn_prepared_run(&session->common->pixels, session->pixels, batch, &in, outputs);
        for (int64_t i = 0; i < batch * model->n_classes; i++)
            scores[first * model->n_classes + i] = (float)session->scores[i];
    }
    return TN_OK;
}

/* Adds one image's scores to the evaluation; returns the class predicted. */
static int32_t judge(const float *scores, int n_classes, int32_t label, double *loss) {
    int32_t best = 0;
    double sum = 0;
    for (int32_t k = 1; k < n_classes; k++)
        if (scores[k] > scores[best]) best = k;
    for (int32_t k = 0; k < n_classes; k++) sum += (double)tn_exp((real)(scores[k] - scores[best]));
    *loss = (double)tn_log((real)sum) - ((double)scores[label] - (double)scores[best]);
    return best;
}

static tn_status check_dataset(const tn_model *model, const tn_dataset_info *data,
                               tn_error *error) {
    if (model->channels == data->channels && model->height == data->height &&
        model->width == data->width && data->n_classes <= model->n_classes)
        return TN_OK;
    return tn_fail(
        error, TN_ERR_MISMATCH,
        "%s has %d classes of %lldx%lldx%lld images, the model takes %d of %lldx%lldx%lld",
        data->name, data->n_classes, (long long)data->channels, (long long)data->height,
        (long long)data->width, model->n_classes, (long long)model->channels,
        (long long)model->height, (long long)model->width);
}

tn_status tn_session_evaluate(tn_session *session, const tn_dataset *dataset, int32_t *predictions,
                              float *losses, tn_evaluation *evaluation, tn_error *error) {
    const tn_model *model = session->common->model;
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_evaluation e = {.size = evaluation->size};
    tn_dataset_describe(dataset, &data);
    TN_TRY(check_dataset(model, &data, error));
    float *scores = malloc((size_t)(data.n * model->n_classes) * sizeof *scores + 1);
    if (!scores) return tn_fail_memory(error);
    int64_t start = tn_now_ns();
    tn_status status =
        tn_session_classify(session, tn_dataset_images(dataset), data.n, scores, error);
    e.seconds = 1e-9 * (double)(tn_now_ns() - start);
    for (int64_t i = 0; i < data.n && status == TN_OK; i++) {
        int32_t label = tn_dataset_labels(dataset)[i];
        double loss;
        int32_t best = judge(scores + i * model->n_classes, model->n_classes, label, &loss);
        e.loss += loss;
        e.n_correct += best == label;
        if (losses) losses[i] = (float)loss;
        if (predictions) predictions[i] = best;
    }
    free(scores);
    if (status != TN_OK) return status;
    e.n = data.n;
    e.accuracy = (double)e.n_correct / (double)data.n;
    e.loss /= (double)data.n;
    e.images_per_s = (double)data.n / e.seconds;
    memcpy(evaluation, &e, e.size < sizeof e ? e.size : sizeof e);
    return TN_OK;
}

/* ---- Mistakes -------------------------------------------------------------------------------- */

/* The highest loss first, and what is no number before all: order by image decides the rest. */
static int worst_first(const void *a, const void *b) {
    const tn_mistake *x = a, *y = b;
    bool x_nan = isnan(x->loss), y_nan = isnan(y->loss);
    if (x_nan != y_nan) return x_nan ? -1 : 1;
    if (!x_nan && x->loss != y->loss) return x->loss > y->loss ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

/* All mistakes, in order; *found is malloc'ed, the caller's. */
static tn_status find_mistakes(const tn_dataset *dataset, int64_t n_images,
                               const int32_t *predictions, const float *losses, tn_mistake **found,
                               int64_t *n, tn_error *error) {
    const int32_t *labels = tn_dataset_labels(dataset);
    *n = 0;
    for (int64_t i = 0; i < n_images; i++) *n += predictions[i] != labels[i];
    *found = malloc((size_t)*n * sizeof **found + 1);
    if (!*found) return tn_fail_memory(error);
    tn_mistake *next = *found;
    for (int64_t i = 0; i < n_images; i++)
        if (predictions[i] != labels[i])
            *next++ = (tn_mistake){
                .image = i, .label = labels[i], .prediction = predictions[i], .loss = losses[i]};
    qsort(*found, (size_t)*n, sizeof **found, worst_first);
    return TN_OK;
}

/* Scores the images of mistakes [n] again, for the probabilities. */
static tn_status fill_probabilities(tn_session *s, const uint8_t *images, tn_mistake *mistakes,
                                    int64_t n, tn_error *error) {
    const tn_model *model = s->common->model;
    int64_t each = model->channels * model->height * model->width, n_classes = model->n_classes;
    int64_t room = tn_min_i64(s->common->options.max_batch, n);
    uint8_t *pixels = malloc((size_t)(room * each) + 1);
    float *scores = malloc((size_t)(room * n_classes) * sizeof *scores + 1);
    tn_status status = pixels && scores ? TN_OK : tn_fail_memory(error);
    for (int64_t first = 0; first < n && status == TN_OK; first += room) {
        int64_t batch = tn_min_i64(room, n - first);
        for (int64_t i = 0; i < batch; i++)
            memcpy(pixels + i * each, images + mistakes[first + i].image * each, (size_t)each);
        status = tn_session_classify(s, pixels, batch, scores, error);
        for (int64_t i = 0; i < batch && status == TN_OK; i++) {
            double loss; /* of what was predicted */
            tn_mistake *m = &mistakes[first + i];
            judge(scores + i * n_classes, (int)n_classes, m->prediction, &loss);
            m->probability = (float)tn_exp((real)-loss);
        }
    }
    free(pixels);
    free(scores);
    return status;
}

tn_status tn_session_mistakes(tn_session *session, const tn_dataset *dataset,
                              const int32_t *predictions, const float *losses, int64_t max_mistakes,
                              tn_mistake *mistakes, int64_t *n, tn_error *error) {
    if (!session || !dataset || !predictions || !losses || !n || max_mistakes < 0 ||
        (max_mistakes > 0 && !mistakes))
        return tn_fail(error, TN_ERR_ARGUMENT, "cannot find mistakes: an argument is missing");
    tn_dataset_info data = TN_INIT(tn_dataset_info);
    tn_dataset_describe(dataset, &data);
    TN_TRY(check_dataset(session->common->model, &data, error));
    for (int64_t i = 0; i < data.n; i++)
        if (predictions[i] < 0 || predictions[i] >= session->common->model->n_classes)
            return tn_fail(error, TN_ERR_ARGUMENT,
                           "cannot find mistakes: image %lld is said to be "
                           "of class %d, the model has %d",
                           (long long)i, (int)predictions[i], session->common->model->n_classes);
    tn_mistake *found = NULL;
    int64_t n_found;
    TN_TRY(find_mistakes(dataset, data.n, predictions, losses, &found, &n_found, error));
    n_found = tn_min_i64(n_found, max_mistakes);
    tn_status status =
        fill_probabilities(session, tn_dataset_images(dataset), found, n_found, error);
    if (status == TN_OK) {
        memcpy(mistakes, found, (size_t)n_found * sizeof *found);
        *n = n_found;
    }
    free(found);
    return status;
}
