/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_bench.c: tenon bench: the command line, and the model to measure. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"
#include "command.h"
#include "message.h"
#include "model.h"
#include "options.h"
#include "output.h"

static const char notes[] =
    "MODEL is an ONNX file or the name of a built-in network (mnist-cnn,\n"
    "lenet, mlp, resnet20, vgg-small, tiny-cnn).\n\n"
    "--tune plans a step of training with each of the ways to compute each pass\n"
    "of a convolution, runs them in turn, and keeps the fastest; what wins by\n"
    "less than noise stays as it is. Train with the file that it writes:\n\n"
    "  tenon bench resnet20 --tune -o resnet20.tuning.json\n"
    "  tenon train resnet20 --tuning resnet20.tuning.json\n";

static int parse(bench *job, word_list *words, int argc, char **argv) {
    const option options[] = {
        {"tune", 0, OPTION_FLAG, NULL, &job->tune,
         "which way of computing each convolution is the fastest here?"},
        {"data", 'd', OPTION_TEXT, "DATA", &job->data_name,
         "a built-in network is made for images of this data set; default for grey ones of 28x28"},
        {"batch-size", 'b', OPTION_COUNT, "N", &job->batch_size,
         "images at a time; default the recipe", 1, 1 << 20},
        {"threads", 't', OPTION_COUNT, "N", &job->n_threads,
         "default one per physical core at hand (see tenon cpu)", 1, 1024},
        {"seconds", 0, OPTION_REAL, "X", &job->seconds, "how long to measure; default 10", 0, 86400,
         .above_min = true},
        {"output", 'o', OPTION_TEXT, "FILE", &job->output,
         "where --tune writes its choices; default nowhere"},
        {"json", 0, OPTION_TEXT, "FILE", &job->json,
         "write the results as JSON; - is standard output"},
        {NULL}};
    const command_line line = {
        .verb = "bench",
        .usage = "MODEL --tune [OPTION]...",
        .summary = "Measures a model on this machine.",
        .options = options,
        .notes = notes,
        .words = words,
        .max_words = 1,
    };
    int code = options_parse(&line, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    if (words->n == 0) return fail_usage("bench", "which model? (MODEL is missing)");
    if (!job->tune)
        return fail_usage("bench",
                          "measure what? Latency and throughput are planned for a later version "
                          "(add --tune)");
    return OPTIONS_GO_ON;
}

/* The shape of the images and the classes; the numbers do not matter. */
static bool adopt_data(const bench *job, tn_model_options *options, tn_dataset **data) {
    tn_dataset_info info = TN_INIT(tn_dataset_info);
    tn_error error;
    if (!job->data_name) return true;
    if (!model_is_builtin(job->model_name))
        return fail("%s has a size of its own (leave out --data)", job->model_name) == EXIT_DONE;
    if (tn_dataset_open(job->data_name, TN_TEST, NULL, data, &error) != TN_OK)
        return fail_error(&error) == EXIT_DONE;
    tn_dataset_describe(*data, &info);
    options->channels = info.channels;
    options->height = info.height;
    options->width = info.width;
    options->n_classes = info.n_classes;
    return true;
}

static bool open_model(bench *job) {
    tn_model_options options = TN_INIT(tn_model_options);
    tn_dataset *data = NULL;
    bool opened =
        adopt_data(job, &options, &data) && model_open(job->model_name, &options, &job->model);
    tn_dataset_free(data);
    return opened;
}

static bool check_outputs(const bench *job) {
    return output_is_writable(job->output) && output_is_writable(job->json) &&
           output_is_apart(job->output, job->model_name, "the model") &&
           output_is_apart(job->json, job->model_name, "the model") &&
           output_is_apart(job->json, job->output, "the output, too");
}

int cmd_bench(int argc, char **argv) {
    bench job = {0};
    const char *name[1];
    word_list words = {.items = name};
    tn_error error;
    int code = parse(&job, &words, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    job.model_name = name[0];
    job.cpu = TN_INIT(tn_cpu_info);
    job.out = people_stream(job.json, false);
    if (tn_cpu_inspect(&job.cpu, &error) != TN_OK) return fail_error(&error);
    if (!check_outputs(&job) || !open_model(&job)) return EXIT_FAILED;
    code = bench_tune(&job);
    tn_model_free(job.model);
    return code;
}
