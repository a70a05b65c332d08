/* SPDX-License-Identifier: Apache-2.0 */
/* train_fixture.h: what the tests of training share: a few images of MNIST, a small network, and
 * ways to train it. Failures end the test case. */
#ifndef TN_TESTS_TRAIN_FIXTURE_H
#define TN_TESTS_TRAIN_FIXTURE_H

#include "graph/model.h"

enum { PATH = 512, N_IMAGES = 330, BATCH = 32, EPOCHS = 2, STEPS_PER_EPOCH = 11 };

/* What all cases share. */
typedef struct fixture {
    tn_dataset *mnist, *small;
    tn_model *lenet;
    char root[64]; /* a directory to write in */
    int n_dirs;
} fixture;

/* For cmocka_run_group_tests. */
int train_set_up(void **state);
int train_tear_down(void **state);

/* A directory that nobody has used yet. */
const char *fresh_directory(fixture *f, char path[PATH]);
/* A short training on one thread, with a bit of everything. */
tn_train_options options_of(tn_optimizer optimizer);
/* Trains on `small` and returns the weights' hash; demands the status. */
void train(fixture *f, const tn_train_options *o, tn_status expected, tn_train_result *result,
           char hex[65]);
/* Demands that tn_train refuses with a status and a message that holds `text`. */
void refuse(const tn_model *model, const tn_dataset *dataset, const tn_train_options *o,
            tn_status expected, const char *text);
/* Stops at each of the given steps and goes on, on changing numbers of threads. */
void check_interrupted(fixture *f, tn_train_options o, const int64_t *stops, int n);
/* Softmax regression on images of 28x28 whose weights are zero. */
tn_model *make_linear_model(void);

#endif
