/* SPDX-License-Identifier: Apache-2.0 */
/* Training as a whole, on the first images of MNIST: the same bits on any number of threads and
 * over any interruption, and clear refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/mixup.h"
#include "event_reader.h"
#include "graph/model.h"
#include "graph/op.h"
#include "ops/ops.h"
#include "train/order.h"
#include "train_fixture.h"

/* ---- The same bits ------------------------------------------------------------------------ */

static void threads_change_no_bits(void **state) {
    fixture *f = *state;
    char first[65], other[65];
    for (tn_optimizer kind = TN_OPTIMIZER_SGD; kind <= TN_OPTIMIZER_ADAM; kind++) {
        tn_train_options o = options_of(kind);
        tn_train_result r1 = TN_INIT(tn_train_result), r = TN_INIT(tn_train_result);
        train(f, &o, TN_OK, &r1, first);
        for (o.n_threads = 2; o.n_threads <= 4; o.n_threads++) {
            train(f, &o, TN_OK, &r, other);
            assert_string_equal(other, first);
            assert_int_equal(r.n_threads, o.n_threads);
            assert_true(r.loss == r1.loss && r.accuracy == r1.accuracy);
        }
    }
}

static const tn_augmentation every_change = {
    .crop = 2, .shift = 1, .rotate = 10, .scale = 0.1, .flip = true, .cutout = 5, .mixup = 0.4};

static void threads_change_no_bits_of_augmented_training(void **state) {
    fixture *f = *state;
    const int n_threads[] = {2, 3, 4, 7};
    char first[65], other[65], plain[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r1 = TN_INIT(tn_train_result), r = TN_INIT(tn_train_result);
    train(f, &o, TN_OK, &r, plain);
    o.augment = every_change;
    train(f, &o, TN_OK, &r1, first);
    assert_string_not_equal(first, plain);
    for (int i = 0; i < 4; i++) {
        o.n_threads = n_threads[i];
        train(f, &o, TN_OK, &r, other);
        assert_string_equal(other, first);
        assert_true(r.loss == r1.loss && r.accuracy == r1.accuracy);
    }
}

static void seed_changes_bits(void **state) {
    fixture *f = *state;
    char first[65], other[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.epochs = 1;
    train(f, &o, TN_OK, &r, first);
    o.seed = 0;
    train(f, &o, TN_OK, &r, other);
    assert_string_not_equal(other, first);
    tn_model_weights_sha256(f->lenet, other);
    assert_string_not_equal(other, first);
}

static void interrupted_sgd_ends_in_the_same_bits(void **state) {
    const int64_t stops[] = {1, 2, 7, STEPS_PER_EPOCH, STEPS_PER_EPOCH + 1, 20};
    check_interrupted(*state, options_of(TN_OPTIMIZER_SGD), stops, 6);
}

static void interrupted_adam_ends_in_the_same_bits(void **state) {
    const int64_t stops[] = {3, STEPS_PER_EPOCH - 1, 2 * STEPS_PER_EPOCH - 1};
    tn_train_options o = options_of(TN_OPTIMIZER_ADAM);
    o.checkpoint_every = 4;
    check_interrupted(*state, o, stops, 3);
}

static void interrupted_plain_sgd_with_held_out_ends_in_the_same_bits(void **state) {
    const int64_t stops[] = {4, 12};
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.momentum = -1;
    o.held_out = 0.1;
    o.schedule = TN_SCHEDULE_STEP;
    check_interrupted(*state, o, stops, 2);
}

static void interrupted_augmented_training_ends_in_the_same_bits(void **state) {
    const int64_t stops[] = {1, 7, STEPS_PER_EPOCH + 1};
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.augment = every_change;
    o.held_out = 0.1;
    check_interrupted(*state, o, stops, 3);
}

/* A checkpoint in the middle of an epoch, not at a stop: what a killed run leaves. */
static void older_checkpoint_leads_to_the_same_bits(void **state) {
    fixture *f = *state;
    char straight[65], resumed[65], dir[PATH], path[2 * PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_ADAM);
    tn_train_result r = TN_INIT(tn_train_result);
    train(f, &o, TN_OK, &r, straight);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.checkpoint_every = 5;
    o.checkpoint_keep = 10;
    train(f, &o, TN_OK, &r, resumed);
    for (int step = 10; step <= 2 * STEPS_PER_EPOCH; step++) {
        snprintf(path, sizeof path, "%s/step-%09d.safetensors", dir, step);
        assert_int_equal(unlink(path), step % 5 == 0 || step == 2 * STEPS_PER_EPOCH ? 0 : -1);
    }
    o.resume = true;
    train(f, &o, TN_OK, &r, resumed);
    assert_string_equal(resumed, straight);
    assert_int_equal(r.images, EPOCHS * N_IMAGES - 5 * BATCH);
}

/* ---- Learning ----------------------------------------------------------------------------- */

static void loss_falls(void **state) {
    fixture *f = *state;
    tn_train_options o = TN_INIT(tn_train_options);
    o.limit = 3200;
    o.epochs = 2;
    o.held_out = 0.1;
    tn_train_result r = TN_INIT(tn_train_result);
    tn_model *trained;
    tn_error error;
    assert_int_equal(tn_train(f->lenet, f->mnist, &o, &trained, &r, &error), TN_OK);
    assert_int_equal(r.steps, 2 * ((2880 + r.batch_size - 1) / r.batch_size));
    assert_int_equal(r.images, 2 * 2880);
    assert_true(r.loss > 0 && r.loss < 1.2);
    assert_true(r.held_out_accuracy > 0.8 && r.held_out_accuracy <= 1);
    assert_true(r.held_out_loss < 0.8);
    /* Only the weights have changed. */
    tn_model_info before = TN_INIT(tn_model_info), after = TN_INIT(tn_model_info);
    tn_model_describe(f->lenet, &before);
    tn_model_describe(trained, &after);
    assert_string_equal(after.name, before.name);
    assert_int_equal(after.parameters, before.parameters);
    assert_int_equal(after.n_nodes, before.n_nodes);
    char hex[2][65];
    tn_model_weights_sha256(f->lenet, hex[0]);
    tn_model_weights_sha256(trained, hex[1]);
    assert_string_not_equal(hex[0], hex[1]);
    tn_model_free(trained);
}

/* From zero weights, where every class has probability 1/10, one step moves the bias by lr times
 * the mean of target - 1/10. */
static void mixup_trains_on_both_labels(void **state) {
    fixture *f = *state;
    enum { N = 40 };
    uint32_t images[N], order[N];
    tn_model *model = make_linear_model(), *trained;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.epochs = 1;
    o.limit = o.batch_size = N;
    o.schedule = TN_SCHEDULE_CONSTANT;
    o.lr = 0.5;
    o.momentum = -1;
    o.label_smoothing = 0.2;
    o.augment.mixup = 1;
    tn_train_result r = TN_INIT(tn_train_result);
    assert_int_equal(tn_train(model, f->mnist, &o, &trained, &r, NULL), TN_OK);
    assert_true(fabs(r.loss - log(10)) < 1e-6);
    const int32_t *labels = tn_dataset_labels(f->mnist);
    tn_augment_key key = {.seed = o.seed};
    int64_t offset = tn_mixup_offset(&key, N);
    double expected[10], blended = 0;
    for (int k = 0; k < 10; k++) expected[k] = o.lr * (0.02 - 0.1);
    tn_order_split(o.seed, N, 0, images);
    tn_order_shuffle(o.seed, 0, N, images, order);
    for (key.place = 0; key.place < N; key.place++) {
        double w = tn_mixup_weight(&key, 1) / 256.0;
        blended += w / N;
        expected[labels[order[key.place]]] += o.lr / N * 0.8 * (1 - w);
        expected[labels[order[(key.place + offset) % N]]] += o.lr / N * 0.8 * w;
    }
    assert_true(blended > 0.3 && blended < 0.7);
    const float *bias = trained->graph->parameters[1]->data;
    for (int k = 0; k < 10; k++) assert_true(fabs((double)bias[k] - expected[k]) < 1e-7);
    tn_model_free(trained);
    tn_model_free(model);
}

/* Held-out images are looked at as they are. */
static void held_out_images_are_not_augmented(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result plain = TN_INIT(tn_train_result), augmented = TN_INIT(tn_train_result);
    char hex[65];
    o.epochs = 1;
    o.lr = 1e-12;
    o.momentum = -1;
    o.held_out = 0.5;
    train(f, &o, TN_OK, &plain, hex);
    o.augment = every_change;
    train(f, &o, TN_OK, &augmented, hex);
    assert_true(fabs(plain.held_out_loss - augmented.held_out_loss) < 1e-7);
    assert_true(fabs(plain.loss - augmented.loss) > 1e-5);
}

/* With a learning rate of almost nothing, training on the data is no different from looking at it:
 * the held-out loss is that of the model as it was. Checks the evaluation against a session. */
static void held_out_agrees_with_a_session(void **state) {
    fixture *f = *state;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.epochs = 1;
    o.lr = 1e-12;
    o.momentum = -1;
    o.held_out = 0.99; /* 327 of 330 */
    tn_train_result r = TN_INIT(tn_train_result);
    char hex[65];
    train(f, &o, TN_OK, &r, hex);
    tn_session_options session_options = TN_INIT(tn_session_options);
    tn_evaluation e = TN_INIT(tn_evaluation);
    tn_session *session;
    tn_error error;
    assert_int_equal(tn_session_create(f->lenet, &session_options, &session, &error), TN_OK);
    assert_int_equal(tn_session_evaluate(session, f->small, NULL, NULL, &e, &error), TN_OK);
    tn_session_free(session);
    /* Three images are missing. */
    assert_true(fabs(r.held_out_loss - e.loss) < 0.02);
    assert_true(fabs(r.held_out_accuracy - e.accuracy) < 0.02);
}

/* ---- Progress ----------------------------------------------------------------------------- */

typedef struct witness {
    int64_t steps, epoch_ends;
    tn_progress last;
    volatile int stop;
    int64_t stop_at;
    int lines;
    char line[1024];
} witness;

static void watch(void *user, const tn_progress *p) {
    witness *w = user;
    if (p->epoch_end) {
        w->epoch_ends++;
        assert_int_equal(p->step, w->last.step);
        assert_int_equal(p->step_in_epoch, STEPS_PER_EPOCH);
        assert_false(isnan(p->held_out_loss));
    } else {
        w->steps++;
        assert_true(isnan(p->held_out_loss));
    }
    assert_int_equal(p->step, w->steps);
    assert_int_equal(p->epoch, (p->step - 1) / STEPS_PER_EPOCH + 1);
    assert_int_equal(p->epochs, EPOCHS);
    assert_int_equal(p->steps, EPOCHS * STEPS_PER_EPOCH);
    assert_int_equal(p->steps_per_epoch, STEPS_PER_EPOCH);
    assert_true(p->loss > 0 && p->accuracy >= 0 && p->accuracy <= 1 && p->lr > 0);
    assert_true(p->seconds >= 0 && p->seconds_left >= 0 && p->images_per_s > 0);
    w->last = *p;
    if (p->step == w->stop_at) w->stop = 1;
}

static void listen(void *user, const char *message) {
    witness *w = user;
    w->lines++;
    snprintf(w->line, sizeof w->line, "%s", message);
}

static void progress_tells_every_step(void **state) {
    fixture *f = *state;
    witness w = {0};
    char hex[65];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.batch_size = 27; /* 297 images are left: 11 batches */
    o.held_out = 0.1;
    o.on_progress = watch;
    o.user = &w;
    tn_train_result r = TN_INIT(tn_train_result);
    train(f, &o, TN_OK, &r, hex);
    assert_int_equal(w.steps, EPOCHS * STEPS_PER_EPOCH);
    assert_int_equal(w.epoch_ends, EPOCHS);
    assert_true(w.last.epoch_end && w.last.seconds_left == 0);
    assert_true(r.loss == w.last.loss && r.held_out_loss == w.last.held_out_loss);
}

/* ---- Event files -------------------------------------------------------------------------- */

/* Trains with an event file of its own in dir. */
static void train_with_events(fixture *f, tn_train_options o, const char *dir, tn_status expected,
                              tn_train_result *result, char hex[65]) {
    tn_error error = {""};
    assert_int_equal(tn_events_open(dir, &o.events, &error), TN_OK);
    train(f, &o, expected, result, hex);
    if (tn_events_close(o.events, &error) != TN_OK) fail_msg("%s", error.message);
}

/* The steps of all events with this tag, in order, and the value of the last, if it is a scalar. */
static int find_tag(const event_file *file, const char *tag, int64_t steps[max_events],
                    float *last) {
    int n = 0;
    for (int i = 1; i < file->n; i++) {
        stretch value = get(get(file->events[i], 5).content, 1).content;
        stretch name = get(value, 1).content;
        if ((size_t)(name.end - name.at) != strlen(tag) || memcmp(name.at, tag, strlen(tag)) != 0)
            continue;
        steps[n++] = (int64_t)get(file->events[i], 2).value;
        if (has(value, 2)) *last = float_of(get(value, 2));
    }
    return n;
}

static void events_tell_the_course(void **state) {
    fixture *f = *state;
    char straight[65], told[65], dir[PATH];
    int64_t steps[max_events];
    float last = 0;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.held_out = 0.1;  /* 33 of 330 */
    o.batch_size = 25; /* twelve steps in an epoch */
    train(f, &o, TN_OK, &r, straight);
    train_with_events(f, o, fresh_directory(f, dir), TN_OK, &r, told);
    assert_string_equal(told, straight);
    event_file file = only_file(dir);
    static const char *const course[] = {"loss", "train_accuracy", "lr", "images_per_s",
                                         "gradient_norm"};
    for (int k = 0; k < 5; k++) {
        assert_int_equal(find_tag(&file, course[k], steps, &last), 4);
        static const int64_t expected[] = {10, 12, 20, 24};
        assert_memory_equal(steps, expected, sizeof expected);
        assert_true(isfinite(last) && last >= 0);
    }
    static const char *const ends[] = {"held_out_loss",        "held_out_accuracy",
                                       "weights/conv1.weight", "gradients/conv1.weight",
                                       "weights/fc2.bias",     "gradients/fc2.bias"};
    for (int k = 0; k < 6; k++) {
        assert_int_equal(find_tag(&file, ends[k], steps, &last), 2);
        assert_int_equal(steps[0], 12);
        assert_int_equal(steps[1], 24);
    }
    find_tag(&file, "held_out_loss", steps, &last);
    assert_true(last == (float)r.held_out_loss);
    free(file.data);
}

/* One step, so that loss and accuracy are those of the epoch, and the gradient is known: plain SGD
 * moves the weights by lr times it. */
static void events_agree_with_the_step(void **state) {
    fixture *f = *state;
    char dir[PATH];
    int64_t steps[max_events];
    float loss, accuracy, norm, lr;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    tn_model *trained = NULL;
    o.epochs = 1;
    o.batch_size = N_IMAGES;
    o.momentum = -1;
    o.weight_decay = 0;
    o.schedule = TN_SCHEDULE_CONSTANT;
    assert_int_equal(tn_events_open(fresh_directory(f, dir), &o.events, NULL), TN_OK);
    assert_int_equal(tn_train(f->lenet, f->small, &o, &trained, &r, NULL), TN_OK);
    assert_int_equal(tn_events_close(o.events, NULL), TN_OK);
    event_file file = only_file(dir);
    assert_int_equal(find_tag(&file, "loss", steps, &loss), 1);
    assert_int_equal(find_tag(&file, "train_accuracy", steps, &accuracy), 1);
    assert_int_equal(find_tag(&file, "gradient_norm", steps, &norm), 1);
    assert_int_equal(find_tag(&file, "lr", steps, &lr), 1);
    assert_true(loss == (float)r.loss && accuracy == (float)r.accuracy && lr == (float)o.lr);
    double moved = 0;
    for (int i = 0; i < f->lenet->graph->n_parameters; i++) {
        const tn_value *a = f->lenet->graph->parameters[i], *b = trained->graph->parameters[i];
        const float *from = a->data, *to = b->data;
        for (int64_t k = 0; k < tn_shape_elements(&a->shape); k++)
            moved += ((double)to[k] - (double)from[k]) * ((double)to[k] - (double)from[k]);
    }
    assert_true(fabs(sqrt(moved) / o.lr - norm) < 1e-3 * norm);
    free(file.data);
    tn_model_free(trained);
}

/* A run that goes on writes a second file, which begins where the first ended. */
static void events_go_on_after_resuming(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH], first[PATH], second[PATH];
    int64_t steps[max_events];
    float last;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 15;
    train_with_events(f, o, fresh_directory(f, first), TN_STOPPED, &r, hex);
    o.max_steps = 0;
    o.resume = true;
    train_with_events(f, o, fresh_directory(f, second), TN_OK, &r, hex);
    event_file file = only_file(first);
    assert_int_equal(find_tag(&file, "loss", steps, &last), 2);
    assert_int_equal(steps[1], 11);
    free(file.data);
    file = only_file(second);
    assert_int_equal(find_tag(&file, "loss", steps, &last), 2);
    assert_int_equal(steps[0], 20);
    assert_int_equal(steps[1], 22);
    assert_int_equal(find_tag(&file, "held_out_loss", steps, &last), 0);
    free(file.data);
}

static void stop_leaves_a_checkpoint(void **state) {
    fixture *f = *state;
    witness w = {.stop_at = 5};
    char hex[65], dir[PATH], expected[2 * PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.batch_size = 27;
    o.held_out = 0.1;
    o.on_progress = watch;
    o.user = &w;
    o.stop = &w.stop;
    o.checkpoint_dir = fresh_directory(f, dir);
    tn_train_result r = TN_INIT(tn_train_result);
    train(f, &o, TN_STOPPED, &r, hex);
    assert_int_equal(r.steps, 5);
    assert_true(r.stopped && r.loss == w.last.loss);
    snprintf(expected, sizeof expected, "%s/step-000000005.safetensors", dir);
    assert_string_equal(r.checkpoint, expected);
    assert_int_equal(access(expected, R_OK), 0);
    /* Asked to stop before anything was done. */
    o.checkpoint_dir = fresh_directory(f, dir);
    train(f, &o, TN_STOPPED, &r, hex);
    assert_int_equal(r.steps, 0);
    assert_int_equal(access(r.checkpoint, R_OK), 0);
}

/* ---- Refusals ----------------------------------------------------------------------------- */

static void senseless_options_are_refused(void **state) {
    fixture *f = *state;
#define REFUSE(field, value, text)                                                                 \
    do {                                                                                           \
        tn_train_options o = TN_INIT(tn_train_options);                                            \
        o.field = value;                                                                           \
        refuse(f->lenet, f->small, &o, TN_ERR_ARGUMENT, text);                                     \
    } while (0)
    REFUSE(epochs, -1, "epochs is -1");
    REFUSE(epochs, INT64_MAX, "epochs is 9223372036854775807");
    REFUSE(batch_size, -64, "batch size is -64");
    REFUSE(batch_size, INT64_MAX, "batch size");
    REFUSE(optimizer, (tn_optimizer)7, "optimiser is 7");
    REFUSE(schedule, (tn_schedule)9, "schedule is 9");
    REFUSE(lr, -0.1, "learning rate is -0.1");
    REFUSE(lr, NAN, "learning rate is");
    REFUSE(lr, INFINITY, "learning rate is inf");
    REFUSE(momentum, 1, "momentum is 1");
    REFUSE(momentum, NAN, "momentum is");
    REFUSE(weight_decay, 1001, "weight decay is 1001");
    REFUSE(weight_decay, -INFINITY, "weight decay is -inf");
    REFUSE(label_smoothing, -INFINITY, "label smoothing is -inf");
    REFUSE(warmup, -1, "warm-up is -1");
    REFUSE(warmup, 1000, "warm-up is 1000, not at least 0 and shorter than training");
    REFUSE(warmup, NAN, "warm-up is");
    REFUSE(clip_norm, -1, "largest norm of gradients is -1");
    REFUSE(clip_norm, INFINITY, "largest norm of gradients is inf");
    REFUSE(accumulate, -1, "batches of a step is -1");
    REFUSE(accumulate, INT64_MAX, "batches of a step is 9223372036854775807");
    REFUSE(ema, 1, "average of weights is 1");
    REFUSE(ema, -0.5, "average of weights is -0.5");
    REFUSE(patience, -1, "patience is -1");
    REFUSE(patience, 3, "patience goes by held-out images, and none are held out");
    REFUSE(keep_best, true, "keeping the best weights goes by held-out images");
    REFUSE(nesterov, true, "Nesterov's form is one of SGD's momentum");
    REFUSE(label_smoothing, 1, "label smoothing is 1");
    REFUSE(held_out, 1, "held-out fraction is 1");
    REFUSE(held_out, -0.5, "held-out fraction is -0.5");
    REFUSE(held_out, 1e-9, "0 would be held out");
    REFUSE(held_out, 0.9999, "0 trained on");
    REFUSE(limit, -5, "images to use (--limit) is -5");
    REFUSE(limit, N_IMAGES + 1, "images to use (--limit) is 331");
    REFUSE(max_steps, -1, "steps is -1");
    REFUSE(n_threads, -1, "threads is -1");
    REFUSE(checkpoint_every, -1, "between checkpoints is -1");
    REFUSE(checkpoint_keep, -1, "to keep is -1");
    REFUSE(resume, true, "no directory of checkpoints");
    REFUSE(augment.crop, -1, "crop is -1");
    REFUSE(augment.crop, 15, "crop is 15, not in 0 to 14");
    REFUSE(augment.shift, 28, "shift is 28");
    REFUSE(augment.shift, NAN, "shift is");
    REFUSE(augment.rotate, 180.5, "rotation is 180.5");
    REFUSE(augment.rotate, -1, "rotation is -1");
    REFUSE(augment.scale, 1, "scale is 1, not in [0, 1)");
    REFUSE(augment.scale, -0.1, "scale is -0.1");
    REFUSE(augment.cutout, 29, "cutout is 29, not in 0 to 28");
    REFUSE(augment.cutout, -2, "cutout is -2");
    REFUSE(augment.mixup, 10.5, "mixup is 10.5");
    REFUSE(augment.mixup, INFINITY, "mixup is inf");
    REFUSE(size, 0, "size is 0");
#undef REFUSE
    tn_train_options o = TN_INIT(tn_train_options);
    tn_train_result unset = {0};
    tn_model *trained;
    assert_int_equal(tn_train(f->lenet, f->small, &o, &trained, &unset, NULL), TN_ERR_ARGUMENT);
    assert_int_equal(tn_train(NULL, f->small, &o, &trained, NULL, NULL), TN_ERR_ARGUMENT);
    assert_int_equal(tn_train(f->lenet, NULL, &o, &trained, NULL, NULL), TN_ERR_ARGUMENT);
}

static void data_that_does_not_fit_is_refused(void **state) {
    fixture *f = *state;
    tn_train_options o = TN_INIT(tn_train_options);
    tn_dataset *other;
    const int32_t labels[2] = {3, 11};
    const uint8_t *images = tn_dataset_images(f->mnist);
    assert_int_equal(tn_dataset_create("wide", 2, 28, 29, 1, 12, images, labels, &other, NULL),
                     TN_OK);
    refuse(f->lenet, other, &o, TN_ERR_MISMATCH, "the model takes images of 28x28");
    refuse(f->lenet, other, &o, TN_ERR_MISMATCH, "the data set has 28x29");
    tn_dataset_free(other);
    assert_int_equal(tn_dataset_create("dozen", 2, 28, 28, 1, 12, images, labels, &other, NULL),
                     TN_OK);
    refuse(f->lenet, other, &o, TN_ERR_MISMATCH, "10 classes apart, but image 1 has label 11");
    tn_dataset_free(other);
}

static void directory_is_checked_before_the_first_step(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    witness w = {0};
    o.on_progress = watch;
    o.user = &w;
    o.checkpoint_dir = "/proc/self";
    refuse(f->lenet, f->small, &o, TN_ERR_IO, "cannot write checkpoints to /proc/self");
    assert_int_equal(w.steps, 0);
    o.on_progress = NULL;
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 1;
    train(f, &o, TN_STOPPED, &r, hex);
    refuse(f->lenet, f->small, &o, TN_ERR_ARGUMENT, "already holds checkpoints (add --resume");
}

static void checkpoint_of_another_run_is_refused(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
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
    REFUSE(epochs, 3, "epochs 2, but this run has 3");
    REFUSE(batch_size, 33, "batch_size 32, but this run has 33");
    REFUSE(optimizer, TN_OPTIMIZER_ADAM, "optimizer sgd, but this run has adam");
    REFUSE(schedule, TN_SCHEDULE_STEP, "schedule one-cycle, but this run has step");
    REFUSE(lr, 0.03, "lr 0.02, but this run has 0.03");
    REFUSE(momentum, 0.5, "momentum 0.9, but this run has 0.5");
    REFUSE(weight_decay, 0.5, "weight_decay 0.0001, but this run has 0.5");
    REFUSE(label_smoothing, 0.2, "label_smoothing 0.1, but this run has 0.2");
    REFUSE(held_out, 0.5, "held_out 0, but this run has 0.5");
    REFUSE(limit, 300, "limit 330, but this run has 300");
    REFUSE(seed, 1, "seed 42, but this run has 1");
    REFUSE(augment.rotate, 7.5, "augment none, but this run has rotate=7.5");
    REFUSE(augment, every_change,
           "but this run has crop=2,shift=1,rotate=10,scale=0.1,flip,cutout=5,mixup=0.4");
#undef REFUSE
    tn_dataset *other;
    assert_int_equal(tn_dataset_create("small", N_IMAGES, 28, 28, 1, 10,
                                       tn_dataset_images(f->mnist) + 784,
                                       tn_dataset_labels(f->mnist) + 1, &other, NULL),
                     TN_OK);
    refuse(f->lenet, other, &o, TN_ERR_MISMATCH, "data_sha256");
    tn_dataset_free(other);
    assert_int_equal(tn_dataset_create("others", N_IMAGES, 28, 28, 1, 10,
                                       tn_dataset_images(f->mnist) + 784,
                                       tn_dataset_labels(f->mnist) + 1, &other, NULL),
                     TN_OK);
    refuse(f->lenet, other, &o, TN_ERR_MISMATCH, "data small, but this run has others");
    tn_dataset_free(other);
    tn_model *cnn;
    tn_model_options model_options = TN_INIT(tn_model_options);
    assert_int_equal(tn_model_build("mnist-cnn", &model_options, &cnn, NULL), TN_OK);
    refuse(cnn, f->small, &o, TN_ERR_MISMATCH, "model lenet, but this run has mnist-cnn");
    tn_model_free(cnn);
}

/* Flips a bit in the middle of a file. */
static void damage(const char *path) {
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long middle = ftell(file) / 2;
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, middle, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 0x10, file), byte ^ 0x10);
    assert_int_equal(fclose(file), 0);
}

static void damaged_checkpoint_is_passed_over(void **state) {
    fixture *f = *state;
    char straight[65], resumed[65], dir[PATH], path[2 * PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    witness w = {0};
    train(f, &o, TN_OK, &r, straight);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.checkpoint_every = 3;
    o.max_steps = 8;
    train(f, &o, TN_STOPPED, &r, resumed);
    snprintf(path, sizeof path, "%s/step-000000008.safetensors", dir);
    damage(path);
    snprintf(path, sizeof path, "%s/step-000000006.safetensors", dir);
    assert_int_equal(truncate(path, 1000), 0);
    o.max_steps = 0;
    o.resume = true;
    o.log = listen;
    o.user = &w;
    train(f, &o, TN_OK, &r, resumed);
    assert_string_equal(resumed, straight);
    assert_int_equal(r.images, EPOCHS * N_IMAGES - 3 * BATCH);
    assert_int_equal(w.lines, 2);
    assert_non_null(strstr(w.line, "step-000000006.safetensors is damaged: its "));
    assert_non_null(strstr(w.line, "; using the one before it"));
}

static void only_damaged_checkpoints_are_refused(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 2;
    train(f, &o, TN_STOPPED, &r, hex);
    damage(r.checkpoint);
    o.resume = true;
    refuse(f->lenet, f->small, &o, TN_ERR_FORMAT, "no checkpoint in ");
}

static void resuming_from_nothing_begins(void **state) {
    fixture *f = *state;
    char hex[65], dir[PATH];
    witness w = {0};
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    tn_train_result r = TN_INIT(tn_train_result);
    o.checkpoint_dir = fresh_directory(f, dir);
    o.max_steps = 1;
    o.resume = true;
    o.log = listen;
    o.user = &w;
    train(f, &o, TN_STOPPED, &r, hex);
    assert_false(r.resumed);
    assert_int_equal(w.lines, 1);
    assert_non_null(strstr(w.line, "there is no checkpoint in "));
}

static void loss_that_is_not_finite_stops(void **state) {
    fixture *f = *state;
    char dir[PATH];
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.schedule = TN_SCHEDULE_CONSTANT;
    o.lr = 1000;
    o.weight_decay = 1000; /* weights grow a millionfold in every step */
    refuse(f->lenet, f->small, &o, TN_ERR_NUMERIC, "lower the learning rate (--lr 100)");
    o.checkpoint_dir = fresh_directory(f, dir);
    o.checkpoint_every = 1;
    refuse(f->lenet, f->small, &o, TN_ERR_NUMERIC, "the last good checkpoint is ");
    /* What was kept is whole, and leads to the same end. */
    o.resume = true;
    refuse(f->lenet, f->small, &o, TN_ERR_NUMERIC, "the last good checkpoint is ");
}

/* The last step may break weights although every loss was fine: here a bias that all classes share,
 * which no softmax notices, decays to infinity. Such weights must not become a checkpoint. */
static void broken_weights_are_not_kept(void **state) {
    fixture *f = *state;
    char dir[PATH], path[2 * PATH];
    tn_model *model;
    tn_model_options model_options = TN_INIT(tn_model_options);
    assert_int_equal(tn_model_build("lenet", &model_options, &model, NULL), TN_OK);
    tn_value *bias = model->graph->parameters[model->graph->n_parameters - 1];
    assert_int_equal(bias->shape.rank, 1);
    assert_int_equal(bias->shape.dims[0], 10);
    float huge[10];
    for (int i = 0; i < 10; i++) huge[i] = 1e33f;
    bias->data = huge;
    tn_train_options o = options_of(TN_OPTIMIZER_SGD);
    o.schedule = TN_SCHEDULE_CONSTANT;
    o.lr = o.weight_decay = 1000;
    o.decay_all = true;
    o.max_steps = 1;
    refuse(model, f->small, &o, TN_ERR_NUMERIC, "weights are not finite at step 1 (epoch 1)");
    o.checkpoint_dir = fresh_directory(f, dir);
    o.checkpoint_every = 1;
    refuse(model, f->small, &o, TN_ERR_NUMERIC, "no checkpoint had been written yet");
    snprintf(path, sizeof path, "%s/step-000000001.safetensors", dir);
    assert_int_equal(access(path, F_OK), -1);
    tn_model_free(model);
}

/* ---- Options ------------------------------------------------------------------------------ */

static void resolve_fills_zeros_only(void **state) {
    fixture *f = *state;
    tn_train_options o = TN_INIT(tn_train_options);
    o.epochs = 77;
    o.momentum = -1;
    tn_train_resolve(f->lenet, f->small, &o);
    assert_int_equal(o.size, sizeof o);
    assert_int_equal(o.epochs, 77);
    assert_true(o.momentum == -1);
    assert_int_equal(o.batch_size, f->lenet->recipe.batch_size);
    assert_int_equal(o.optimizer, f->lenet->recipe.optimizer);
    assert_int_equal(o.schedule, f->lenet->recipe.schedule);
    assert_true(o.lr == f->lenet->recipe.lr);
    assert_int_equal(o.limit, N_IMAGES);
    assert_true(o.n_threads >= 1);
    assert_int_equal(o.checkpoint_keep, 3);
    /* A caller with a shorter structure: nothing behind its end is touched. */
    struct {
        size_t size;
        int64_t epochs, guard;
    } older = {offsetof(tn_train_options, batch_size), 0, 99};
    tn_train_resolve(f->lenet, f->small, (tn_train_options *)(void *)&older);
    assert_int_equal(older.epochs, f->lenet->recipe.epochs);
    assert_int_equal(older.guard, 99);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_change_no_bits),
        cmocka_unit_test(threads_change_no_bits_of_augmented_training),
        cmocka_unit_test(seed_changes_bits),
        cmocka_unit_test(interrupted_sgd_ends_in_the_same_bits),
        cmocka_unit_test(interrupted_adam_ends_in_the_same_bits),
        cmocka_unit_test(interrupted_plain_sgd_with_held_out_ends_in_the_same_bits),
        cmocka_unit_test(interrupted_augmented_training_ends_in_the_same_bits),
        cmocka_unit_test(older_checkpoint_leads_to_the_same_bits),
        cmocka_unit_test(loss_falls),
        cmocka_unit_test(mixup_trains_on_both_labels),
        cmocka_unit_test(held_out_images_are_not_augmented),
        cmocka_unit_test(held_out_agrees_with_a_session),
        cmocka_unit_test(progress_tells_every_step),
        cmocka_unit_test(events_tell_the_course),
        cmocka_unit_test(events_agree_with_the_step),
        cmocka_unit_test(events_go_on_after_resuming),
        cmocka_unit_test(stop_leaves_a_checkpoint),
        cmocka_unit_test(senseless_options_are_refused),
        cmocka_unit_test(data_that_does_not_fit_is_refused),
        cmocka_unit_test(directory_is_checked_before_the_first_step),
        cmocka_unit_test(checkpoint_of_another_run_is_refused),
        cmocka_unit_test(damaged_checkpoint_is_passed_over),
        cmocka_unit_test(only_damaged_checkpoints_are_refused),
        cmocka_unit_test(resuming_from_nothing_begins),
        cmocka_unit_test(loss_that_is_not_finite_stops),
        cmocka_unit_test(broken_weights_are_not_kept),
        cmocka_unit_test(resolve_fills_zeros_only),
    };
    return cmocka_run_group_tests(tests, train_set_up, train_tear_down);
}
