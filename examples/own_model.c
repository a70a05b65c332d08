/* SPDX-License-Identifier: Apache-2.0 */
/* own_model.c: builds a network of its own, a small residual one, trains it on MNIST, tests it and
 * writes own-model.onnx. docs/own-model.md explains it.
 *
 *     cc own_model.c -o own_model $(pkg-config --cflags --libs tenon)
 *     ./own_model            all 60,000 images, three times
 *     ./own_model 2560       the first 2,560 of them */
#include <stdio.h>
#include <stdlib.h>

#include <tenon/tenon.h>

/* relu(x + residual), the residual being two convolutions of x (He et al. 2015). */
static tn_value *residual_block(tn_builder *b, tn_value *x) {
    int64_t filters = tn_build_dim(x, 1);
    tn_value *y = tn_build_conv(b, x, filters, 3, 1, 1, false);
    y = tn_build_relu(b, tn_build_batch_norm(b, y));
    y = tn_build_conv(b, y, filters, 3, 1, 1, false);
    y = tn_build_batch_norm(b, y);
    return tn_build_relu(b, tn_build_add(b, x, y));
}

/* A model for images like those of a data set. */
static tn_status build(const tn_dataset *data, tn_model **model, tn_error *error) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_model_options options = TN_INIT(tn_model_options);
    tn_builder *b;
    tn_dataset_describe(data, &info);
    options.channels = info.channels;
    options.height = info.height;
    options.width = info.width;
    options.n_classes = info.n_classes;
    options.class_names = info.class_names;
    options.mean = info.mean;
    options.std = info.std;

    tn_status status = tn_builder_create("own-model", &options, &b, error);
    if (status != TN_OK) return status;
    tn_builder_set_weights(b, TN_WEIGHTS_HE);
    tn_value *x = tn_build_images(b);
    x = tn_build_conv(b, x, 16, 3, 1, 1, false); /* 16 filters of 3x3, stride 1, padding 1 */
    x = tn_build_relu(b, tn_build_batch_norm(b, x));
    x = tn_build_max_pool(b, x, 2, 2);
    x = residual_block(b, x);
    x = tn_build_max_pool(b, x, 2, 2);
    x = residual_block(b, x);
    x = tn_build_flatten(b, x);
    x = tn_build_linear(b, x, info.n_classes);
    return tn_builder_finish(b, x, model, error); /* tells of whatever failed above */
}

int main(int argc, char **argv) {
    tn_error error = {""};
    tn_dataset *train = NULL, *test = NULL;
    tn_model *model = NULL, *trained = NULL;
    tn_session *session = NULL;
    tn_session_options mode = TN_INIT(tn_session_options);
    tn_evaluation score = TN_INIT(tn_evaluation);
    tn_model_info info = TN_INIT(tn_model_info);

    tn_train_options options = TN_INIT(tn_train_options);
    options.epochs = 3;
    options.lr = 0.01;
    if (argc > 1) options.limit = atoll(argv[1]);

    int failed = tn_dataset_open("mnist", TN_TRAIN, NULL, &train, &error) ||
                 tn_dataset_open("mnist", TN_TEST, NULL, &test, &error) ||
                 build(train, &model, &error) ||
                 tn_train(model, train, &options, &trained, NULL, &error) ||
                 tn_model_save(trained, "own-model.onnx", &error) ||
                 tn_session_create(trained, &mode, &session, &error) ||
                 tn_session_evaluate(session, test, NULL, NULL, &score, &error);
    if (failed) {
        fprintf(stderr, "own_model: %s\n", error.message);
    } else {
        tn_model_describe(trained, &info);
        printf("%d parameters; test accuracy %.2f %%; wrote own-model.onnx\n", (int)info.parameters,
               100 * score.accuracy);
    }
    tn_session_free(session);
    tn_model_free(trained);
    tn_model_free(model);
    tn_dataset_free(test);
    tn_dataset_free(train);
    return failed ? 1 : 0;
}
