/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers, schedules and features of training, each in a whole run: it does what it says, its
 * bits depend neither on threads nor on interruptions, and checkpoints know of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "sanitized.h"
#include "train/order.h"
#include "train_fixture.h"

/* ---- The same bits ------------------------------------------------------------------------ */

static void set_nesterov(tn_train_options *o) { o->nesterov = true; }

static void set_decay_all(tn_train_options *o) {
    o->weight_decay = 0.01;
    o->decay_all = true;
}

static void set_adamw(tn_train_options *o) {
    o->optimizer = TN_OPTIMIZER_ADAMW;
    o->lr = 0.002;
    o->weight_decay = 0.1;
}

static void set_adadelta(tn_train_options *o) {
    o->optimizer = TN_OPTIMIZER_ADADELTA;
    o->lr = 1;
}

static void set_rmsprop(tn_train_options *o) {
    o->optimizer = TN_OPTIMIZER_RMSPROP;
    o->lr = 0.001;
}

static void set_lars(tn_train_options *o) {
    o->optimizer = TN_OPTIMIZER_LARS;
    o->lr = 1;
}

static void set_cosine(tn_train_options *o) {
    o->schedule = TN_SCHEDULE_COSINE;
    o->warmup = 0.5;
}

static void set_polynomial(tn_train_options *o) { o->schedule = TN_SCHEDULE_POLYNOMIAL; }

static void set_warmup(tn_train_options *o) { o->warmup = 1; }

static void set_clip_norm(tn_train_options *o) { o->clip_norm = 0.5; }

/* Still 11 steps an epoch, of batches of 15, 15 and 2. */
static void set_accumulate(tn_train_options *o) {
    o->batch_size = 15;
    o->accumulate = 2;
}

static void set_ema(tn_train_options *o) { o->ema = 0.9; }

static void set_held_out(tn_train_options *o) {
    o->held_out = 0.1;
    o->batch_size = 27;
}

static void set_keep_best(tn_train_options *o) {
    set_held_out(o);
    o->keep_best = true;
    o->schedule = TN_SCHEDULE_CONSTANT;
}

static void set_all(tn_train_options *o) {
    set_nesterov(o);
    set_decay_all(o);
    set_cosine(o);
    set_clip_norm(o);
    set_ema(o);
    set_keep_best(o);
    o->patience = 1;
    o->batch_size = 9;
    o->accumulate = 3;
    o->augment = (tn_augmentation){.crop = 2, .mixup = 0.3};
}

typedef struct feature {
    const char *name;
    void (*set)(tn_train_options *o);
    bool remembers; /* keeps something of its own from step to step */
} feature;

static const feature features[] = {
    {"nesterov", set_nesterov, true},     {"decay-all", set_decay_all, false},
    {"adamw", set_adamw, true},           {"adadelta", set_adadelta, true},
    {"rmsprop", set_rmsprop, true},       {"lars", set_lars, true},
    {"cosine", set_cosine, false},        {"polynomial", set_polynomial, false},
    {"warmup", set_warmup, false},        {"clip-norm", set_clip_norm, false},
    {"accumulate", set_accumulate, true}, {"ema", set_ema, true},
    {"keep-best", set_keep_best, true},   {"all", set_all, true},
};
enum { N_FEATURES = sizeof features / sizeof *features };

static tn_train_options options_with(const feature *wanted) {
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    wanted->set(&o);
    return o;
}

static void features_change_bits_and_threads_do_not(void **state) {
    fixture *f = *state;
    char plain[65], one[65], other[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r1 = TN_INIT(tn_train_result), r = TN_INIT(tn_train_result);
    train(f, &o, TN_OK, &r, plain);
    for (int i = 0; i < N_FEATURES; i++) {
        o = options_with(&features[i]);
        train(f, &o, TN_OK, &r1, one);
        assert_string_not_equal(one, plain);
        o.n_threads = 3;
        train(f, &o, TN_OK, &r, other);
        if (strcmp(one, other) != 0) fail_msg("3 threads change bits of %s", features[i].name);
        assert_true(r.loss == r1.loss && r.best_epoch == r1.best_epoch);
    }
}

static void interrupted_features_end_in_the_same_bits(void **state) {
    fixture *f = *state;
    const int64_t stops[] = {5, STEPS_PER_EPOCH + 4};
    for (int i = 0; i < N_FEATURES; i++)
        if (features[i].remembers) check_interrupted(f, options_with(&features[i]), stops, 2);
}

static tn_model *make_normalised_model(void) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_builder *b;
    tn_model *model;
    assert_int_equal(tn_builder_create("normalised", &options, &b, NULL), TN_OK);
    tn_value *x = tn_build_conv(b, tn_build_images(b), 8, 3, 2, 0, false);
    x = tn_build_relu(b, tn_build_batch_norm(b, x));
    x = tn_build_linear(b, tn_build_flatten(b, tn_build_max_pool(b, x, 2, 2)), 10);
    assert_int_equal(tn_builder_finish(b, x, &model, NULL), TN_OK);
    return model;
}

/* Running statistics move with every batch of a step, and are averaged and kept with the weights.
 */
static void running_statistics_end_in_the_same_bits(void **state) {
    fixture *f = *state;
    const int64_t stops[] = {5, STEPS_PER_EPOCH + 4};
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    set_ema(&o);
    set_keep_best(&o);
    o.batch_size = 10;
    o.accumulate = 3;
    o.bn_group = 5;
    o.epochs = EPOCHS;
    fixture own = *f;
    own.lenet = make_normalised_model();
    check_interrupted(&own, o, stops, 2);
    tn_model_free(own.lenet);
    f->n_dirs = own.n_dirs;
}

static const int n_threads[] = {3, 2, 4, 7};
enum { N_THREADS = SANITIZED ? 1 : 4 };

/* The network with everything that mixes samples, every way of changing images, and batches of
 * which the last is smaller. */
static void resnet20_has_the_same_bits(void **state) {
    fixture *f = *state;
    const int64_t stops[] = {3, 6};
    const tn_model_options size = TN_INIT(tn_model_options);
    char one[65], other[65];
    fixture own = *f;
    assert_int_equal(tn_model_build("resnet20", &size, &own.lenet, NULL), TN_OK);
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.epochs = EPOCHS;
    o.limit = 60;
    o.batch_size = 16;
    o.augment = (tn_augmentation){
        .crop = 2, .shift = 1, .rotate = 10, .scale = 0.1, .flip = true, .cutout = 6, .mixup = 0.2};
    train(&own, &o, TN_OK, NULL, one);
    for (int i = 0; i < N_THREADS; i++) {
        o.n_threads = n_threads[i];
        train(&own, &o, TN_OK, NULL, other);
        if (strcmp(one, other) != 0) fail_msg("%d threads change bits", o.n_threads);
    }
    if (!SANITIZED) check_interrupted(&own, o, stops, 2);
    tn_model_free(own.lenet);
    f->n_dirs = own.n_dirs;
}

/* With their own recipes and full batches: the shapes for which kernels and tables were made. */
static void built_in_networks_have_the_same_bits(void **state) {
    static const char *const names[] = {"mnist-cnn", "lenet", "tiny-cnn"};
    const tn_model_options size = TN_INIT(tn_model_options);
    fixture own = *(fixture *)*state;
    for (int m = 0; m < 3; m++) {
        char one[65], other[65];
        assert_int_equal(tn_model_build(names[m], &size, &own.lenet, NULL), TN_OK);
        tn_train_options o = TN_INIT(tn_train_options);
        o.epochs = 2;
        o.n_threads = 1;
        o.limit = 100; /* the second batch of mnist-cnn is a part of one */
        train(&own, &o, TN_OK, NULL, one);
        for (int i = 0; i < N_THREADS; i++) {
            o.n_threads = n_threads[i];
            train(&own, &o, TN_OK, NULL, other);
            if (strcmp(one, other) != 0)
                fail_msg("%d threads change bits of %s", o.n_threads, names[m]);
        }
        tn_model_free(own.lenet);
    }
}

/* For measuring what it costs. lenet's convolutions go by it in lanes, those of mnist-cnn by
 * sample; mlp has none. */
static void winograd_can_be_left_out(void **state) {
    static const char *const names[] = {"mlp", "lenet", "mnist-cnn"};
    const tn_model_options size = TN_INIT(tn_model_options);
    char by_it[65], direct[65];
    if (SANITIZED_THREADS) skip(); /* on one thread */
    fixture own = *(fixture *)*state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD), without = o;
    o.limit = without.limit = 64;
    without.no_winograd = true;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tn_model_build(names[i], &size, &own.lenet, NULL), TN_OK);
        train(&own, &o, TN_OK, NULL, by_it);
        train(&own, &without, TN_OK, NULL, direct);
        assert_true((strcmp(direct, by_it) == 0) == (i == 0));
        tn_model_free(own.lenet);
    }
}

/* ---- What features do --------------------------------------------------------------------- */

/* One step of plain SGD from zero weights, where every class has probability 1/10: the new bias is
 * lr times the mean of target - 1/10, the new weights that times the pixels. A batch larger than
 * the data is a batch of its own size; several batches make one mean; an average moves by its part
 * of the way. */
static void one_step_is_the_mean_gradient(void **state) {
    fixture *f = *state;
    enum { N = 5 };
    const struct {
        int64_t batch_size, accumulate;
        double ema;
    } cases[] = {{N, 1, 0}, {64, 1, 0}, {2, 3, 0}, {1, N, 0}, {2, 64, 0}, {3, 2, 0.75}};
    const double smoothing = 0.2;
    const uint8_t *pixels = tn_dataset_images(f->mnist);
    const int32_t *labels = tn_dataset_labels(f->mnist);
    tn_model *model = make_linear_model();
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        tn_train_options o = options_of(TN_OPTIMIZER_SGD);
        o.epochs = 1;
        o.limit = N;
        o.batch_size = cases[c].batch_size;
        o.accumulate = cases[c].accumulate;
        o.ema = cases[c].ema;
        o.schedule = TN_SCHEDULE_CONSTANT;
        o.lr = 0.5;
        o.momentum = -1;
        o.weight_decay = 0;
        o.label_smoothing = smoothing;
        tn_model *trained;
        tn_train_result r = TN_INIT(tn_train_result);
        assert_int_equal(tn_train(model, f->mnist, &o, &trained, &r, NULL), TN_OK);
        assert_int_equal(r.steps, 1);
        assert_int_equal(r.images, N);
        assert_true(fabs(r.loss - log(10)) < 1e-6);
        const float *w = trained->graph->parameters[0]->data;
        const float *bias = trained->graph->parameters[1]->data;
        for (int k = 0; k < 10; k++)
            for (int p = -1; p < 784; p++) { /* -1 is the bias, whose pixel is 1 */
                double expected = 0;
                for (int i = 0; i < N; i++) {
                    double target = (1 - smoothing) * (labels[i] == k) + smoothing / 10;
                    expected += (1 - o.ema) * o.lr / N * (target - 0.1) *
                                (p < 0 ? 1 : pixels[i * 784 + p] / 255.0);
                }
                assert_true(fabs((double)(p < 0 ? bias[k] : w[k * 784 + p]) - expected) < 1e-7);
            }
        tn_model_free(trained);
    }
    tn_model_free(model);
}

/* The images of a step draw the same dropout and augmentation however they are cut into batches,
 * so the weights differ by rounding only. */
static void accumulated_batches_are_like_one(void **state) {
    fixture *f = *state;
    tn_model *trained[2];
    for (int i = 0; i < 2; i++) {
        tn_train_options o = options_of(TN_OPTIMIZER_SGD);
        o.augment = (tn_augmentation){.crop = 2, .rotate = 10};
        o.batch_size = i ? 10 : 30;
        o.accumulate = i ? 3 : 1;
        o.max_steps = 3;
        assert_int_equal(tn_train(f->lenet, f->small, &o, &trained[i], NULL, NULL), TN_STOPPED);
    }
    const tn_graph *a = trained[0]->graph, *b = trained[1]->graph;
    for (int i = 0; i < a->n_parameters; i++) {
        const float *x = a->parameters[i]->data, *y = b->parameters[i]->data;
        for (int64_t k = 0; k < tn_shape_elements(&a->parameters[i]->shape); k++)
            assert_true(fabsf(x[k] - y[k]) < 1e-6f);
    }
    tn_model_free(trained[0]);
    tn_model_free(trained[1]);
}

/* With a learning rate but no images to learn from, weights shrink and biases do not. */
static void decay_spares_biases(void **state) {
    fixture *f = *state;
    for (int all = 0; all < 2; all++) {
        tn_model *trained[2];
        for (int i = 0; i < 2; i++) {
            tn_train_options o = options_of(TN_OPTIMIZER_SGD);
            o.schedule = TN_SCHEDULE_CONSTANT;
            o.max_steps = 1;
            o.lr = 0.1;
            o.weight_decay = i ? 0.5 : -1;
            o.decay_all = all;
            assert_int_equal(tn_train(f->lenet, f->small, &o, &trained[i], NULL, NULL), TN_STOPPED);
        }
        const tn_graph *before = f->lenet->graph;
        for (int p = 0; p < before->n_parameters; p++) {
            const tn_value *v = before->parameters[p];
            double part = v->shape.rank >= 2 || all ? 0.1 * 0.5 : 0;
            const float *x = trained[0]->graph->parameters[p]->data;
            const float *y = trained[1]->graph->parameters[p]->data;
            const float *w = v->data;
            for (int64_t k = 0; k < tn_shape_elements(&v->shape); k++)
                assert_true(fabs((double)x[k] - (double)y[k] - part * (double)w[k]) < 1e-7);
        }
        tn_model_free(trained[0]);
        tn_model_free(trained[1]);
    }
}

/* One step of plain SGD moves the weights by lr times the norm of the gradient, which clipping
 * bounds. */
static void clipping_bounds_a_step(void **state) {
    fixture *f = *state;
    const double limits[] = {0, 0.01, 1e6};
    double moved[3] = {0};
    for (int i = 0; i < 3; i++) {
        tn_train_options o = options_of(TN_OPTIMIZER_SGD);
        tn_model *trained;
        o.schedule = TN_SCHEDULE_CONSTANT;
        o.max_steps = 1;
        o.lr = 1;
        o.momentum = -1;
        o.weight_decay = -1;
        o.clip_norm = limits[i];
        assert_int_equal(tn_train(f->lenet, f->small, &o, &trained, NULL, NULL), TN_STOPPED);
        for (int p = 0; p < trained->graph->n_parameters; p++) {
            const float *x = f->lenet->graph->parameters[p]->data;
            const float *y = trained->graph->parameters[p]->data;
            int64_t n = tn_shape_elements(&trained->graph->parameters[p]->shape);
            for (int64_t k = 0; k < n; k++) moved[i] += pow((double)x[k] - (double)y[k], 2);
        }
        tn_model_free(trained);
    }
    assert_true(sqrt(moved[0]) > 0.1 && moved[2] == moved[0]);
    assert_true(fabs(sqrt(moved[1]) - 0.01) < 1e-6);
}

typedef struct course {
    double lr[64];
    double held_out_loss[64], held_out_accuracy[64];
    int n_steps, n_epochs;
} course;

static void record(void *user, const tn_progress *p) {
    course *c = user;
    if (p->epoch_end) {
        assert_in_range(c->n_epochs, 0, 63);
        c->held_out_loss[c->n_epochs] = p->held_out_loss;
        c->held_out_accuracy[c->n_epochs++] = p->held_out_accuracy;
    } else if (c->n_steps < 64) {
        c->lr[c->n_steps++] = p->lr;
    }
}

static void warmup_rises_over_its_epochs(void **state) {
    fixture *f = *state;
    course c = {.n_steps = 0};
    char hex[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.schedule = TN_SCHEDULE_POLYNOMIAL;
    o.warmup = 1;
    o.on_progress = record;
    o.user = &c;
    train(f, &o, TN_OK, &r, hex);
    assert_int_equal(c.n_steps, 2 * STEPS_PER_EPOCH);
    for (int i = 0; i < STEPS_PER_EPOCH; i++) {
        double left = 1 - (double)i / STEPS_PER_EPOCH;
        assert_true(fabs(c.lr[i] - o.lr * (i + 1) / STEPS_PER_EPOCH) < 1e-15);
        assert_true(fabs(c.lr[STEPS_PER_EPOCH + i] - o.lr * left * left) < 1e-15);
    }
}

/* ---- By the held-out images --------------------------------------------------------------- */

/* Evaluates a model on the images of `small` that these options hold out. */
static tn_evaluation evaluate_held_out(fixture *f, const tn_train_options *o,
                                       const tn_model *model) {
    enum { PIXELS = 784 };
    uint32_t order[N_IMAGES];
    static uint8_t images[N_IMAGES * PIXELS];
    int32_t labels[N_IMAGES];
    int64_t n = tn_order_held_out(N_IMAGES, o->held_out);
    tn_order_split(o->seed, N_IMAGES, n, order);
    for (int64_t i = 0; i < n; i++) {
        memcpy(images + i * PIXELS, tn_dataset_images(f->small) + order[i] * PIXELS, PIXELS);
        labels[i] = tn_dataset_labels(f->small)[order[i]];
    }
    tn_dataset *dataset;
    tn_session *session;
    tn_session_options options = TN_INIT(tn_session_options);
    tn_evaluation e = TN_INIT(tn_evaluation);
    assert_int_equal(
        tn_dataset_create("held out", n, 28, 28, 1, 10, images, labels, &dataset, NULL), TN_OK);
    assert_int_equal(tn_session_create(model, &options, &session, NULL), TN_OK);
    assert_int_equal(tn_session_evaluate(session, dataset, NULL, NULL, &e, NULL), TN_OK);
    tn_session_free(session);
    tn_dataset_free(dataset);
    return e;
}

/* The average is what held-out images are classified with, and what is delivered. */
static void average_is_evaluated_and_delivered(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_ADAM);
    tn_train_result r = TN_INIT(tn_train_result), without = TN_INIT(tn_train_result);
    tn_model *trained;
    char hex[65];
    o.held_out = 0.2;
    train(f, &o, TN_OK, &without, hex);
    o.ema = 0.95;
    assert_int_equal(tn_train(f->lenet, f->small, &o, &trained, &r, NULL), TN_OK);
    assert_true(r.loss == without.loss && r.held_out_loss != without.held_out_loss);
    tn_evaluation e = evaluate_held_out(f, &o, trained);
    assert_true(fabs(e.loss - r.held_out_loss) < 1e-5);
    tn_model_free(trained);
}

/* A learning rate too large for comfort: the best epoch is not the last. */
static tn_train_options restless(course *c) {
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.epochs = 8;
    o.schedule = TN_SCHEDULE_CONSTANT;
    o.lr = 0.12;
    o.label_smoothing = 0;
    o.held_out = 0.2;
    o.on_progress = record;
    o.user = c;
    return o;
}

static void best_epoch_is_delivered(void **state) {
    fixture *f = *state;
    course c = {.n_epochs = 0};
    tn_train_options o = restless(&c);
    tn_train_result r = TN_INIT(tn_train_result);
    tn_model *trained;
    o.keep_best = true;
    assert_int_equal(tn_train(f->lenet, f->small, &o, &trained, &r, NULL), TN_OK);
    assert_int_equal(c.n_epochs, 8);
    int best = 0;
    for (int e = 1; e < 8; e++)
        if (c.held_out_accuracy[e] > c.held_out_accuracy[best] ||
            (c.held_out_accuracy[e] == c.held_out_accuracy[best] &&
             c.held_out_loss[e] < c.held_out_loss[best]))
            best = e;
    assert_true(best < 7);
    assert_int_equal(r.best_epoch, best + 1);
    assert_true(r.held_out_accuracy == c.held_out_accuracy[7]);
    tn_evaluation e = evaluate_held_out(f, &o, trained);
    assert_true(e.accuracy == c.held_out_accuracy[best]);
    assert_true(fabs(e.loss - c.held_out_loss[best]) < 1e-5);
    tn_model_free(trained);
}

static void patience_ends_training(void **state) {
    fixture *f = *state;
    course c = {.n_epochs = 0};
    char straight[65], resumed[65], dir[PATH];
    tn_train_options o = restless(&c);
    tn_train_result r = TN_INIT(tn_train_result), again = TN_INIT(tn_train_result);
    o.epochs = 40;
    o.patience = 2;
    train(f, &o, TN_OK, &r, straight);
    assert_true(r.ended_early && !r.stopped && r.epochs < 40);
    assert_int_equal(r.epochs, c.n_epochs);
    int lowest = 0;
    for (int e = 1; e < c.n_epochs; e++) {
        assert_true(e - lowest <= 2);
        if (c.held_out_loss[e] < c.held_out_loss[lowest]) lowest = e;
    }
    assert_int_equal(c.n_epochs - 1 - lowest, 2);
    /* The same after a stop within the epochs of waiting, and once more after the end. */
    o.on_progress = NULL;
    o.checkpoint_dir = fresh_directory(f, dir);
    o.resume = true;
    o.max_steps = r.steps - 3;
    train(f, &o, TN_STOPPED, &again, resumed);
    assert_false(again.ended_early);
    o.max_steps = 0;
    for (int i = 0; i < 2; i++) {
        train(f, &o, TN_OK, &again, resumed);
        assert_string_equal(resumed, straight);
        assert_true(again.ended_early && again.epochs == r.epochs);
    }
    assert_int_equal(again.images, 0);
}

static void patience_that_lasts_does_not_end_early(void **state) {
    fixture *f = *state;
    char hex[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.held_out = 0.1;
    o.patience = 1;
    train(f, &o, TN_OK, &r, hex);
    assert_int_equal(r.epochs, EPOCHS);
    assert_true(!r.ended_early && r.best_epoch == 0);
}

/* ---- Options ------------------------------------------------------------------------------ */

static void features_are_part_of_a_checkpoint(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.held_out = 0.1;
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 2;
    train(f, &o, TN_STOPPED, &r, hex);
    o.resume = true;
#define REFUSE(field, value, text)                                                                 \
    do {                                                                                           \
        tn_train_options changed = o;                                                              \
        changed.field = value;                                                                     \
        refuse(f->lenet, f->small, &changed, TN_ERR_MISMATCH, text);                               \
    } while (0)
    REFUSE(optimizer, TN_OPTIMIZER_LARS, "optimizer sgd, but this run has lars");
    REFUSE(schedule, TN_SCHEDULE_POLYNOMIAL, "schedule one-cycle, but this run has polynomial");
    REFUSE(nesterov, true, "nesterov false, but this run has true");
    REFUSE(decay_all, true, "decay_all false, but this run has true");
    REFUSE(weight_decay, -1, "weight_decay 0.0001, but this run has 0");
    REFUSE(label_smoothing, -1, "label_smoothing 0.1, but this run has 0");
    REFUSE(warmup, 0.25, "warmup 0, but this run has 0.25");
    REFUSE(clip_norm, 2.5, "clip_norm 0, but this run has 2.5");
    REFUSE(accumulate, 3, "accumulate 1, but this run has 3");
    REFUSE(ema, 0.99, "ema 0, but this run has 0.99");
    REFUSE(patience, 5, "patience 0, but this run has 5");
    REFUSE(keep_best, true, "keep_best false, but this run has true");
    REFUSE(bn_group, 16, "bn_group 32, but this run has 16");
    REFUSE(augment.flip, true, "augment none, but this run has flip");
    REFUSE(no_winograd, true, "without Winograd's algorithm");
#undef REFUSE
}

static void optimisers_have_defaults_of_their_own(void **state) {
    fixture *f = *state;
    const struct {
        tn_optimizer optimizer;
        double lr, weight_decay;
    } cases[] = {{TN_OPTIMIZER_SGD, 0.05, 0},   {TN_OPTIMIZER_ADAMW, 1e-3, 0.01},
                 {TN_OPTIMIZER_ADADELTA, 1, 0}, {TN_OPTIMIZER_RMSPROP, 1e-3, 0},
                 {TN_OPTIMIZER_LARS, 3, 0},     {TN_OPTIMIZER_ADAM, f->lenet->recipe.lr, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_train_options o = TN_INIT(tn_train_options);
        o.optimizer = cases[i].optimizer;
        tn_train_resolve(f->lenet, f->small, &o);
        assert_true(o.lr == cases[i].lr && o.weight_decay == cases[i].weight_decay);
        assert_true(o.momentum == 0.9 && o.accumulate == 1);
    }
    tn_train_options o = TN_INIT(tn_train_options);
    o.optimizer = TN_OPTIMIZER_ADAMW;
    o.weight_decay = o.label_smoothing = -1;
    tn_train_resolve(f->lenet, f->small, &o);
    assert_true(o.weight_decay < 0 && o.label_smoothing < 0);
}

/* Another optimiser does not inherit the decay that a recipe gives to its own. */
static void recipes_decay_for_their_optimiser(void **state) {
    fixture *f = *state;
    tn_recipe kept = f->lenet->recipe;
    f->lenet->recipe.weight_decay = 5e-4;
    tn_train_options own = TN_INIT(tn_train_options), other = TN_INIT(tn_train_options);
    other.optimizer = TN_OPTIMIZER_RMSPROP;
    tn_train_resolve(f->lenet, f->small, &own);
    tn_train_resolve(f->lenet, f->small, &other);
    f->lenet->recipe = kept;
    assert_true(own.weight_decay == 5e-4 && other.weight_decay == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_change_bits_and_threads_do_not),
        cmocka_unit_test(interrupted_features_end_in_the_same_bits),
        cmocka_unit_test(running_statistics_end_in_the_same_bits),
        cmocka_unit_test(resnet20_has_the_same_bits),
        cmocka_unit_test(built_in_networks_have_the_same_bits),
        cmocka_unit_test(winograd_can_be_left_out),
        cmocka_unit_test(one_step_is_the_mean_gradient),
        cmocka_unit_test(accumulated_batches_are_like_one),
        cmocka_unit_test(decay_spares_biases),
        cmocka_unit_test(clipping_bounds_a_step),
        cmocka_unit_test(warmup_rises_over_its_epochs),
        cmocka_unit_test(average_is_evaluated_and_delivered),
        cmocka_unit_test(best_epoch_is_delivered),
        cmocka_unit_test(patience_ends_training),
        cmocka_unit_test(patience_that_lasts_does_not_end_early),
        cmocka_unit_test(features_are_part_of_a_checkpoint),
        cmocka_unit_test(optimisers_have_defaults_of_their_own),
        cmocka_unit_test(recipes_decay_for_their_optimiser),
    };
    return cmocka_run_group_tests(tests, train_set_up, train_tear_down);
}
