/* SPDX-License-Identifier: Apache-2.0 */
/* mnist.c: trains the network mnist-cnn on MNIST, tests it and writes mnist-cnn.onnx.
 *
 *     cc mnist.c -o mnist $(pkg-config --cflags --libs tenon)
 *     ./mnist            all 60,000 images
 *     ./mnist 6400       the first 6,400 of them, one epoch */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

/* Tenon calls this after every training step, and at the end of each epoch. */
static void show(void *user, const tn_progress *p) {
    (void)user;
    if (p->epoch_end)
        printf("epoch %d of %d: loss %.4f, accuracy %.2f %%\n", (int)p->epoch, (int)p->epochs,
               p->loss, 100 * p->accuracy);
}

int main(int argc, char **argv) {
    tn_error error = {""}; /* says what went wrong, in one line */
    tn_dataset *train = NULL, *test = NULL;
    tn_model *model = NULL, *trained = NULL;
    tn_session *session = NULL;

    /* TN_INIT sets everything to its default: the recipe comes with the model. */
    tn_train_options options = TN_INIT(tn_train_options);
    options.on_progress = show;
    if (argc > 1) {
        options.limit = atoll(argv[1]);
        options.epochs = 1;
    }
    tn_model_options size = TN_INIT(tn_model_options); /* 28x28 grey images, 10 classes */
    tn_session_options mode = TN_INIT(tn_session_options);
    tn_train_result result = TN_INIT(tn_train_result);
    tn_evaluation score = TN_INIT(tn_evaluation);

    /* Each call returns TN_OK (0) or fills error, so a chain stops at the first failure. */
    int failed = tn_dataset_open("mnist", TN_TRAIN, NULL, &train, &error) ||
                 tn_dataset_open("mnist", TN_TEST, NULL, &test, &error) ||
                 tn_model_build("mnist-cnn", &size, &model, &error) ||
                 tn_train(model, train, &options, &trained, &result, &error) ||
                 tn_model_save(trained, "mnist-cnn.onnx", &error) ||
                 tn_session_create(trained, &mode, &session, &error) ||
                 tn_session_evaluate(session, test, NULL, NULL, &score, &error);
    if (failed)
        fprintf(stderr, "mnist: %s\n", error.message);
    else
        printf("%.0f images/s; test accuracy %.2f %%; wrote mnist-cnn.onnx\n", result.images_per_s,
               100 * score.accuracy);

    tn_session_free(session); /* a session uses its model: free it first */
    tn_model_free(trained);
    tn_model_free(model);
    tn_dataset_free(test);
    tn_dataset_free(train);
    return failed ? 1 : 0;
}
